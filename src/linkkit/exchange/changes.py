"""What became of the ids of people and households: which were merged, split or withdrawn, since when and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast, get_args

import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.errors import SealError
from linkkit.exchange.columns import TOKEN_TYPE
from linkkit.exchange.manifest import ArtifactKind, Manifest
from linkkit.exchange.table_artifact import TableArtifact

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ChangeKind", "ChangeReason", "HouseholdChanges", "IdChanges", "PersonChanges"]

ChangeKind = Literal["merge", "split", "withdrawn"]
"""All that was under an id is now under another; some of it is; nothing is left."""

ChangeReason = Literal["new delivery", "withdrawn record", "evidence reweighed", "reviewed label"]
"""What the change followed from."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class IdChanges(TableArtifact):
    """What became of ids over all deliveries; knows no payload and no token.

    Attributes
    ----------
    agreement_id, agreement_fingerprint : str
        The agreement that the encodings were made under.
    table : pyarrow.Table
        The old id and the new one (16 bytes each; null where nothing is left), ``kind``, ``since`` (a
        date) and ``why``; sorted by old id, of one id the latest last.
    """

    _recipient: ClassVar[str] = "steward"
    _strictly: ClassVar[bool] = False
    _id: ClassVar[str]
    _what: ClassVar[str]

    @classmethod
    def columns(cls) -> dict[str, pa.DataType]:
        """Return the columns and their types; the new id is null where an id was withdrawn."""
        return {
            f"old_{cls._id}": TOKEN_TYPE,
            f"new_{cls._id}": TOKEN_TYPE,
            "kind": pa.string(),
            "since": pa.date32(),
            "why": pa.string(),
        }

    @classmethod
    def none(cls, *, agreement_id: str, agreement_fingerprint: str) -> Self:
        """Return that nothing changed yet."""
        table = pa.schema(list(cls.columns().items())).empty_table()
        return cls(
            agreement_id=agreement_id, agreement_fingerprint=agreement_fingerprint, table=table
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"

    def __str__(self) -> str:
        found = self.counts()
        merged, split, gone = (found.get(kind, 0) for kind in get_args(ChangeKind))
        return (
            f"{_ids(merged)} merged into {'another' if merged == 1 else 'others'}, {self._what} split off "
            f"{'once' if split == 1 else f'{split:,} times'}, {_ids(gone)} withdrawn"
        )

    def counts(self) -> dict[str, int]:
        """Return how many rows there are of each kind."""
        found = self.table.column("kind").value_counts()
        return {item["values"].as_py(): item["counts"].as_py() for item in found}

    def with_more(self, rows: pa.Table) -> Self:
        """Return these changes and later ones, whose columns have the same order."""
        later = rows.rename_columns(self.table.column_names).cast(self.table.schema)
        united = pa.concat_tables([self.table, later])
        number = pa.array(range(len(united)), type=pa.int64())
        # The order of one id's rows is that in which they came.
        ordered = united.append_column("number", number).sort_by(
            [(f"old_{self._id}", "ascending"), ("number", "ascending")]
        )
        return type(self)(
            agreement_id=self.agreement_id,
            agreement_fingerprint=self.agreement_fingerprint,
            table=ordered.drop_columns("number"),
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the changes as a frame with ids in hexadecimal."""
        frame = self.table.to_pandas()
        for name in (f"old_{self._id}", f"new_{self._id}"):
            frame[name] = [None if value is None else value.hex() for value in frame[name]]
        return cast("pd.DataFrame", frame)

    @classmethod
    def _check(cls, table: pa.Table, manifest: Manifest, agreement: Agreement) -> None:
        del agreement  # all changes have the same columns
        columns = list(zip(table.schema.names, table.schema.types, strict=True))
        whole = [name for name in cls.columns() if name != f"new_{cls._id}"]
        if columns != [*cls.columns().items()] or any(table[x].null_count for x in whole):
            raise SealError(
                f"the file of '{manifest.sender}' does not hold the columns that such a file has",
                hint="Do not use the file. Ask the sender to make it again with the same version.",
            )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PersonChanges(IdChanges):
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
    _ordered_by: ClassVar[tuple[str, ...]] = ("old_person_id",)
    _id: ClassVar[str] = "person_id"
    _what: ClassVar[str] = "records"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class HouseholdChanges(IdChanges):
    """What became of household ids over all deliveries; knows no payload and no token.

    Attributes
    ----------
    agreement_id, agreement_fingerprint : str
        The agreement that the encodings were made under.
    table : pyarrow.Table
        ``old_household_id``, ``new_household_id`` (16 bytes each; null where all its people are gone),
        ``kind``, ``since`` (a date) and ``why``. A row for each id whose people, all or some, went to
        another: sorted by old id, of one id the latest last.

    Examples
    --------
    >>> from linkkit.exchange import HouseholdChanges
    >>> len(HouseholdChanges.none(agreement_id="youth", agreement_fingerprint="0" * 64))
    0
    """

    _kind: ClassVar[ArtifactKind] = "household-changes"
    _ordered_by: ClassVar[tuple[str, ...]] = ("old_household_id",)
    _id: ClassVar[str] = "household_id"
    _what: ClassVar[str] = "people"


def _ids(n: int) -> str:
    return f"{n:,} {'id' if n == 1 else 'ids'}"
