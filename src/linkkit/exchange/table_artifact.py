"""Artifacts that are a table under an agreement, of the linkage unit or of a party."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from linkkit.exchange.artifact import Artifact
from linkkit.exchange.manifest import Manifest

__all__ = ["PartyTable", "TableArtifact"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TableArtifact(Artifact):
    """A table that the linkage unit sends.

    Attributes
    ----------
    agreement_id, agreement_fingerprint : str
        The agreement that the encodings were made under.
    table : pyarrow.Table
        The rows.
    """

    agreement_id: str
    agreement_fingerprint: str
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def to_manifest(self, n_rows: int) -> Manifest:
        """Return what its file says of itself, with `n_rows` rows."""
        return Manifest(
            kind=self._kind,
            agreement_id=self.agreement_id,
            agreement_fingerprint=self.agreement_fingerprint,
            n_rows=n_rows,
            **self._stated(),
        )

    def to_table(self) -> pa.Table:
        """Return the rows."""
        return self.table

    @classmethod
    def from_table(cls, table: pa.Table, manifest: Manifest) -> Self:
        """Return the artifact of a file's rows and manifest."""
        return cls(
            agreement_id=manifest.agreement_id,
            agreement_fingerprint=manifest.agreement_fingerprint,
            table=table,
            **cls._read(manifest),
        )

    def _stated(self) -> dict[str, Any]:
        """Return what the manifest says beside agreement and rows."""
        return {"sender": "linkage_unit"}

    @classmethod
    def _read(cls, manifest: Manifest) -> dict[str, Any]:
        """Return what is known from the manifest beside the agreement."""
        del manifest
        return {}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PartyTable(TableArtifact):
    """A table that a party sends, or is sent.

    Attributes
    ----------
    party : str
        Whose it is.
    agreement_id, agreement_fingerprint : str
        The agreement that it was made under.
    table : pyarrow.Table
        The rows.
    """

    party: str

    def _stated(self) -> dict[str, Any]:
        return {"sender": self.party, "party": self.party}

    @classmethod
    def _read(cls, manifest: Manifest) -> dict[str, Any]:
        return {"party": manifest.party or manifest.sender}
