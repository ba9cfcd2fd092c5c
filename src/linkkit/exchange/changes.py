"""What became of person ids: which were merged, split or withdrawn, since when and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast

import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.errors import SealError
from linkkit.exchange.artifact import Artifact
from linkkit.exchange.columns import TOKEN_TYPE
from linkkit.exchange.manifest import ArtifactKind, Manifest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHANGE_COLUMNS", "ChangeKind", "ChangeReason", "PersonChanges"]

ChangeKind = Literal["merge", "split", "withdrawn"]
"""All records of an id are now another's; some of them are; it has none left."""

ChangeReason = Literal["new delivery", "withdrawn record", "evidence reweighed", "reviewed label"]
"""What the change followed from."""

CHANGE_COLUMNS: dict[str, pa.DataType] = {
    "old_person_id": TOKEN_TYPE,
    "new_person_id": TOKEN_TYPE,
    "kind": pa.string(),
    "since": pa.date32(),
    "why": pa.string(),
}
"""``new_person_id`` is null where an id was withdrawn."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PersonChanges(Artifact):
    """What became of person ids over all deliveries; knows no payload and no token.

    Attributes
    ----------
    agreement_id, agreement_fingerprint : str
        The agreement that the encodings were made under.
    table : pyarrow.Table
        ``old_person_id``, ``new_person_id`` (16 bytes each; null where the person is gone), ``kind``,
        ``since`` (a date) and ``why``. A row for each id whose records, all or some, went to
        another: sorted by old id, of one id the latest last.

    Examples
    --------
    >>> from linkkit.exchange import PersonChanges
    >>> len(PersonChanges.none(agreement_id="youth", agreement_fingerprint="0" * 64))
    0
    """

    _kind: ClassVar[ArtifactKind] = "person-changes"
    _recipient: ClassVar[str] = "steward"
    _ordered_by: ClassVar[tuple[str, ...]] = ("old_person_id",)
    _strictly: ClassVar[bool] = False

    agreement_id: str
    agreement_fingerprint: str
    table: pa.Table

    @classmethod
    def none(cls, *, agreement_id: str, agreement_fingerprint: str) -> Self:
        """Return that nothing changed yet."""
        table = pa.schema(list(CHANGE_COLUMNS.items())).empty_table()
        return cls(
            agreement_id=agreement_id, agreement_fingerprint=agreement_fingerprint, table=table
        )

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"<PersonChanges: {self}>"

    def __str__(self) -> str:
        counts = self.counts()
        return ", ".join(
            f"{counts.get(kind, 0):,} {words}"
            for kind, words in (
                ("merge", "ids merged into others"),
                ("split", "times records split off"),
                ("withdrawn", "ids withdrawn"),
            )
        )

    def counts(self) -> dict[str, int]:
        """Return how many rows there are of each kind."""
        found = self.table.column("kind").value_counts()
        return {item["values"].as_py(): item["counts"].as_py() for item in found}

    def with_more(self, rows: pa.Table) -> Self:
        """Return these changes and later ones."""
        united = pa.concat_tables([self.table, rows.cast(self.table.schema)])
        number = pa.array(range(len(united)), type=pa.int64())
        # The order of one id's rows is that in which they came.
        ordered = united.append_column("number", number).sort_by(
            [("old_person_id", "ascending"), ("number", "ascending")]
        )
        return type(self)(
            agreement_id=self.agreement_id,
            agreement_fingerprint=self.agreement_fingerprint,
            table=ordered.drop_columns("number"),
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the changes as a frame with person ids in hexadecimal."""
        frame = self.table.to_pandas()
        for name in ("old_person_id", "new_person_id"):
            frame[name] = [None if value is None else value.hex() for value in frame[name]]
        return cast("pd.DataFrame", frame)

    def to_manifest(self, n_rows: int) -> Manifest:
        """Return what its file says of itself, with `n_rows` rows."""
        return Manifest(
            kind="person-changes",
            agreement_id=self.agreement_id,
            agreement_fingerprint=self.agreement_fingerprint,
            sender="linkage_unit",
            n_rows=n_rows,
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
        )

    @classmethod
    def _check(cls, table: pa.Table, manifest: Manifest, agreement: Agreement) -> None:
        del agreement  # all changes have the same columns
        columns = list(zip(table.schema.names, table.schema.types, strict=True))
        whole = [name for name in CHANGE_COLUMNS if name != "new_person_id"]
        if columns != [*CHANGE_COLUMNS.items()] or any(table[x].null_count for x in whole):
            raise SealError(
                f"the file of '{manifest.sender}' does not hold the columns that such a file has",
                hint="Do not use the file. Ask the sender to make it again with the same version.",
            )
