"""The artifacts that cross from one zone to another, in memory and as sealed files.

The type of an artifact is the permission: it decides who may have it, so `save` seals an
encoded extract to the linkage unit and a payload extract or crosswalk to the steward, and
offers no choice.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from linkkit.agreement import Agreement, VariableType
from linkkit.errors import SealError
from linkkit.exchange.columns import (
    MASK_COLUMN,
    TOKEN_TYPE,
    Filter,
    encoding_table,
    encoding_types,
    field_masks,
    filters_of,
    token_array,
    token_matrix,
)
from linkkit.exchange.container import open_sealed, write_sealed
from linkkit.exchange.identity import Identity, PublicIdentity, require_identity
from linkkit.exchange.manifest import ArtifactKind, Manifest
from linkkit.exchange.spec import EncodingSpec

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "TOKEN_TYPE",
    "Crosswalk",
    "EncodedExtract",
    "Filter",
    "PayloadExtract",
    "load_table",
    "save_table",
    "sealed_note",
    "token_array",
    "token_matrix",
]

_NEVER_NULL = ("token", "party", "person_id", MASK_COLUMN)
_CROSSWALK_COLUMNS = {"party": pa.string(), "token": TOKEN_TYPE, "person_id": TOKEN_TYPE}
_PAYLOAD_TYPES: dict[VariableType, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "category": pa.string(),
}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class EncodedExtract:
    """A party's encoded records: tokens and keyed filters, no payload and no linkage field.

    Attributes
    ----------
    party : str
        Who sent it.
    agreement_id, agreement_fingerprint : str
        The agreement that it was made under.
    spec : EncodingSpec
        How it was encoded.
    key_check : str
        32 hexadecimal digits that agree when two parties used the same secret, agreement
        and spec, and reveal nothing of the secret.
    one_record_per_person : bool
        Whether the party's file holds each person at most once.
    tokens : ndarray of uint8, shape (n_records, 16)
        Record tokens, in ascending order.
    filters : dict of str to Filter
        One filter for each field or pass of the spec.
    fields_present : ndarray of bool, shape (n_records, n_fields), optional
        Which linkage fields each record has, in the order of ``spec.field_names``; needed where
        the filters are those of passes.
    counts : dict of str to int
        What the partner reports of its own work, such as records set aside.
    epoch : int
        The agreement's epoch; the key check agrees only within one.
    canaries : dict of str to str
        Keyed digests of made-up records that every party derives from the secret and encodes
        with its own installed code, by ``field:NAME`` as standardized and ``filter:NAME`` as
        encoded. Parties whose digests differ do not standardize, or encode, alike.
    """

    party: str
    agreement_id: str
    agreement_fingerprint: str
    spec: EncodingSpec
    key_check: str
    one_record_per_person: bool
    tokens: npt.NDArray[np.uint8]
    filters: Mapping[str, Filter]
    fields_present: npt.NDArray[np.bool_] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    epoch: int = 1
    canaries: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        return (
            f"<EncodedExtract of '{self.party}': {len(self)} records, "
            f"{len(self.filters)} filters, profile '{self.spec.profile}'>"
        )

    def to_arrow(self) -> pa.Table:
        """Return tokens, filters and groups as an Arrow table; what is missing is null."""
        return encoding_table(self.spec, self.tokens, self.filters, self.present())

    def present(self) -> npt.NDArray[np.bool_]:
        """Return which linkage fields each record has, shape (n_records, n_fields)."""
        if self.fields_present is not None:
            return self.fields_present
        return np.column_stack([self.filters[item.name].present for item in self.spec.columns])

    def save(self, path: str | Path, *, agreement: Agreement, identity: Identity) -> Path:
        """Write a file signed by the party and sealed to the linkage unit.

        Parameters
        ----------
        path : str or Path
            Where to write; by custom ``PARTY.encodings``.
        agreement : Agreement
            The agreement, which states the public keys.
        identity : Identity
            The party's own identity.

        Raises
        ------
        NotAuthorizedError
            When the identity is not the party's.
        MismatchError
            When the extract was made under another agreement.
        SealError
            When the file cannot be written.
        """
        manifest = Manifest(
            kind="encoded-extract",
            agreement_id=self.agreement_id,
            agreement_fingerprint=self.agreement_fingerprint,
            sender=self.party,
            party=self.party,
            n_rows=len(self),
            one_record_per_person=self.one_record_per_person,
            spec=self.spec,
            key_check=self.key_check,
            counts=dict(self.counts),
            epoch=self.epoch,
            canaries=dict(self.canaries),
        )
        return save_table(
            path, self.to_arrow(), manifest, agreement, identity, recipient="linkage_unit"
        )

    @classmethod
    def load(cls, path: str | Path, *, agreement: Agreement, identity: Identity) -> Self:
        """Verify and open a file at the linkage unit.

        Raises
        ------
        SealError
            When the file was altered or cut short, or is from or for somebody else.
        MismatchError
            When it was made under another agreement, or holds another artifact.
        NotAuthorizedError
            When the agreement knows no such party.
        """
        manifest, table = load_table(path, "encoded-extract", agreement, identity)
        if manifest.spec is None or manifest.party is None or manifest.key_check is None:
            raise SealError("the file's manifest is incomplete", hint="Ask for the file again.")
        _require_columns(table, encoding_types(manifest.spec), sender=manifest.sender)
        return cls(
            party=manifest.party,
            agreement_id=manifest.agreement_id,
            agreement_fingerprint=manifest.agreement_fingerprint,
            spec=manifest.spec,
            key_check=manifest.key_check,
            one_record_per_person=bool(manifest.one_record_per_person),
            tokens=token_matrix(table.column("token")),
            filters=filters_of(table, manifest.spec),
            fields_present=field_masks(table, manifest.spec),
            counts=manifest.counts,
            epoch=manifest.epoch or 1,
            canaries=manifest.canaries,
        )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PayloadExtract:
    """A party's agreed variables, keyed by record token; no linkage field.

    Attributes
    ----------
    party : str
        Who sent it.
    agreement_id, agreement_fingerprint : str
        The agreement that it was made under.
    table : pyarrow.Table
        ``token``, ``year`` (int32, null when the party states none) and the variables; one
        row for each row of the party's extract, in the order of the tokens.
    counts : dict of str to int
        What the partner reports of its own work.
    """

    party: str
    agreement_id: str
    agreement_fingerprint: str
    table: pa.Table
    counts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return (
            f"<PayloadExtract of '{self.party}': {len(self)} rows, {len(self.variables)} variables>"
        )

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the payload variables."""
        return tuple(name for name in self.table.column_names if name not in ("token", "year"))

    def save(self, path: str | Path, *, agreement: Agreement, identity: Identity) -> Path:
        """Write a file signed by the party and sealed to the steward; raises as EncodedExtract."""
        manifest = Manifest(
            kind="payload-extract",
            agreement_id=self.agreement_id,
            agreement_fingerprint=self.agreement_fingerprint,
            sender=self.party,
            party=self.party,
            n_rows=len(self),
            counts=dict(self.counts),
        )
        manifest.require_agreement(agreement)
        _require_payload(self.table, agreement, party=self.party)
        return save_table(path, self.table, manifest, agreement, identity, recipient="steward")

    @classmethod
    def load(cls, path: str | Path, *, agreement: Agreement, identity: Identity) -> Self:
        """Verify and open a file at the steward; raises as :meth:`EncodedExtract.load`."""
        manifest, table = load_table(path, "payload-extract", agreement, identity)
        _require_payload(table, agreement, party=manifest.sender)
        return cls(
            party=manifest.sender,
            agreement_id=manifest.agreement_id,
            agreement_fingerprint=manifest.agreement_fingerprint,
            table=table,
            counts=manifest.counts,
        )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Crosswalk:
    """Which record tokens belong to the same person; knows no payload.

    Attributes
    ----------
    agreement_id, agreement_fingerprint : str
        The agreement that the encodings were made under.
    table : pyarrow.Table
        ``party`` (string), ``token`` and ``person_id`` (16 bytes each), one row for each
        record, sorted by person and token.
    """

    agreement_id: str
    agreement_fingerprint: str
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"<Crosswalk: {len(self)} records, {self.n_people} people>"

    @property
    def n_people(self) -> int:
        """How many different people there are: the unduplicated count."""
        return int(self.table.column("person_id").combine_chunks().unique().__len__())

    @property
    def parties(self) -> tuple[str, ...]:
        """The parties with a record in the crosswalk, sorted."""
        return tuple(sorted(self.table.column("party").unique().to_pylist()))

    def to_pandas(self) -> pd.DataFrame:
        """Return the crosswalk as a frame with tokens and person ids in hexadecimal."""
        frame = self.table.to_pandas()
        for name in ("token", "person_id"):
            frame[name] = [value.hex() for value in frame[name]]
        return cast("pd.DataFrame", frame)

    def save(self, path: str | Path, *, agreement: Agreement, identity: Identity) -> Path:
        """Write a file signed by the linkage unit and sealed to the steward."""
        manifest = Manifest(
            kind="crosswalk",
            agreement_id=self.agreement_id,
            agreement_fingerprint=self.agreement_fingerprint,
            sender="linkage_unit",
            n_rows=len(self),
        )
        return save_table(path, self.table, manifest, agreement, identity, recipient="steward")

    @classmethod
    def load(cls, path: str | Path, *, agreement: Agreement, identity: Identity) -> Self:
        """Verify and open a file at the steward; raises as :meth:`EncodedExtract.load`."""
        manifest, table = load_table(path, "crosswalk", agreement, identity)
        _require_columns(table, _CROSSWALK_COLUMNS, sender=manifest.sender)
        return cls(
            agreement_id=manifest.agreement_id,
            agreement_fingerprint=manifest.agreement_fingerprint,
            table=table,
        )


def save_table(
    path: str | Path,
    table: pa.Table,
    manifest: Manifest,
    agreement: Agreement,
    identity: Identity,
    *,
    recipient: str,
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Seal a table to the organization in a role, signed by the manifest's sender.

    `notes` are sealed with the table, as metadata of its schema; the manifest is not secret.
    """
    manifest.require_agreement(agreement)
    require_identity(identity, agreement, manifest.sender)
    manifest = manifest.of_epoch(agreement.epoch)
    content = io.BytesIO()
    noted = table.replace_schema_metadata(dict(notes) if notes else None)
    pq.write_table(noted, content, compression="zstd")
    to = PublicIdentity(agreement.require_public_key(recipient))
    return write_sealed(
        path, content.getvalue(), manifest=manifest, signer=identity, recipients=[to]
    )


def load_table(
    path: str | Path, kind: ArtifactKind, agreement: Agreement, identity: Identity
) -> tuple[Manifest, pa.Table]:
    """Verify a sealed file against the agreement, open it, and return manifest and table."""

    def signer_of(claimed: Manifest) -> PublicIdentity:
        claimed.require_kind(kind)
        claimed.require_agreement(agreement)
        claimed.require_sender(agreement)
        return PublicIdentity(agreement.require_public_key(claimed.sender))

    manifest, content = open_sealed(path, recipient=identity, signer_of=signer_of)
    table = _read_parquet(content)
    if table is None or table.num_rows != manifest.n_rows:
        raise SealError(
            f"the file of '{manifest.sender}' does not hold the {manifest.n_rows} rows it states",
            hint="Ask the sender to make the file again.",
        )
    return manifest, table


def sealed_note(table: pa.Table, name: str) -> str:
    """Return a note that was sealed with a table, or an empty string."""
    notes: Mapping[bytes, bytes] = table.schema.metadata or {}
    return notes.get(name.encode(), b"").decode()


def _require_columns(
    table: pa.Table, expected: Mapping[str, pa.DataType], *, sender: str, once: bool = True
) -> None:
    """Refuse a table with other columns or types, or without whole tokens."""
    if list(zip(table.schema.names, table.schema.types, strict=True)) == [*expected.items()]:
        tokens = table.column("token")
        complete = all(table.column(n).null_count == 0 for n in _NEVER_NULL if n in expected)
        if complete and (not once or len(tokens.unique()) == len(tokens)):
            return
    raise SealError(
        f"the file of '{sender}' does not hold the columns that such a file has, "
        "or its tokens are not whole",
        hint="Do not use the file. Ask the sender to make it again with the same version.",
    )


def _require_payload(table: pa.Table, agreement: Agreement, *, party: str) -> None:
    names = [name for name in table.column_names if name not in ("token", "year")]
    agreement.authorize_payload(party, names)
    types = {name: _PAYLOAD_TYPES[agreement.variables[name].type] for name in names}
    expected = {"token": TOKEN_TYPE, "year": pa.int32(), **types}
    _require_columns(table, expected, sender=party, once=False)


def _read_parquet(content: Any) -> pa.Table | None:
    try:
        return pq.read_table(content)
    except (pa.ArrowException, OSError, ValueError):
        return None
