"""The integrated data set: one row for each person, not yet protected."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from linkkit.agreement import Agreement
from linkkit.errors import SealError
from linkkit.exchange import Identity, Manifest
from linkkit.exchange.artifacts import load_table, save_table, sealed_note

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HOUSEHOLD_ID",
    "STUDY_ID",
    "IntegratedDataset",
    "people_frame",
    "with_households",
    "without_households",
]

STUDY_ID = "study_id"
HOUSEHOLD_ID = "household_id"

_TOLD = {
    "rows": "",
    "rows_unmatched": "rows not in the crosswalk",
    "rows_outside_years": "rows outside the project's years",
    "people_without_rows": "people without a row",
}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class IntegratedDataset:
    """The linked data of one project, one row for each person; it stays with the steward.

    Attributes
    ----------
    project : str
        The project of the agreement that it was made for.
    agreement_id, agreement_fingerprint : str
        The agreement that it was made under.
    table : pyarrow.Table
        ``study_id`` (string, 32 hexadecimal digits) and the project's variables in the order
        of its clause, sorted by study id: int64 for an integer, double for a number, string
        for a category, bool for ``in_PARTY``.
    households : pyarrow.Array, optional
        A pseudonym of each person's household, in the order of the rows, where the linkage unit
        formed households. It is never released: protection counts with it.
    counts : dict of str to int
        ``people``, and for each party and variable what was joined and what was not: see
        :func:`integrate`.
    """

    project: str
    agreement_id: str
    agreement_fingerprint: str
    table: pa.Table
    households: pa.Array | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return (
            f"<IntegratedDataset for '{self.project}': {len(self)} people, "
            f"{len(self.variables)} variables, not protected>"
        )

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield repr(self)
        if self.counts.get("people_outside_years"):
            yield f"  {self.counts['people_outside_years']} people have no row in the project's years"
        parties = [x.removeprefix("people_in.") for x in self.counts if x.startswith("people_in.")]
        for party in sorted(parties):
            n = {name: self.counts.get(f"{name}.{party}", 0) for name in _TOLD}
            line = f"  {party}: {self.counts[f'people_in.{party}']} people, {n['rows']} rows"
            told = [f"{n[name]} {words}" for name, words in _TOLD.items() if words and n[name]]
            yield ", ".join([line, *told])
        for name, n_people in sorted(self.counts.items()):
            if name.startswith("conflicts.") and n_people:
                people = "person" if n_people == 1 else "people"
                yield f"  {name.removeprefix('conflicts.')}: rows of {n_people} {people} differ"

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables, without the study id."""
        return tuple(name for name in self.table.column_names if name != STUDY_ID)

    def to_pandas(self) -> pd.DataFrame:
        """Return the data as a frame: ``Int64``, ``float64``, ``string`` and ``bool`` columns."""
        return people_frame(self.table)

    def save(self, path: str | Path, *, agreement: Agreement, identity: Identity) -> Path:
        """Write a file signed by and sealed to the steward.

        Raises
        ------
        NotAuthorizedError
            When the identity is not the steward's.
        MismatchError
            When the data set was made under another agreement.
        SealError
            When the file cannot be written.
        """
        manifest = Manifest(
            kind="integrated-dataset",
            agreement_id=self.agreement_id,
            agreement_fingerprint=self.agreement_fingerprint,
            sender="steward",
            n_rows=len(self),
            project=self.project,
        )
        notes = {"counts": json.dumps(dict(self.counts), sort_keys=True)}
        return save_table(
            path,
            with_households(self.table, self.households),
            manifest,
            agreement,
            identity,
            recipient="steward",
            notes=notes,
        )

    @classmethod
    def load(cls, path: str | Path, *, agreement: Agreement, identity: Identity) -> Self:
        """Verify and open a file at the steward.

        Raises
        ------
        SealError
            When the file was altered or cut short, or is from or for somebody else.
        MismatchError
            When it was made under another agreement, or holds another artifact.
        """
        manifest, table = load_table(path, "integrated-dataset", agreement, identity)
        if manifest.project is None:
            raise SealError("the file's manifest names no project", hint="Integrate again.")
        rows, households = without_households(table.replace_schema_metadata(None))
        return cls(
            project=manifest.project,
            agreement_id=manifest.agreement_id,
            agreement_fingerprint=manifest.agreement_fingerprint,
            table=rows,
            households=households,
            counts=_parse_counts(sealed_note(table, "counts")),
        )


def _parse_counts(text: str) -> dict[str, int]:
    try:
        return TypeAdapter(dict[str, int]).validate_json(text or "{}")
    except ValidationError:
        return {}


def people_frame(table: pa.Table) -> pd.DataFrame:
    """Return a table of people as a pandas frame whose integers may be missing."""
    import pandas as pd

    dtypes = {pa.int64(): pd.Int64Dtype(), pa.string(): pd.StringDtype()}
    return cast("pd.DataFrame", table.to_pandas(types_mapper=dtypes.get))


def with_households(table: pa.Table, households: pa.Array | None) -> pa.Table:
    """Return a table with a column of households, where there are any.

    Examples
    --------
    >>> with_households(pa.table({"study_id": ["a"]}), pa.array(["h"])).column_names
    ['study_id', 'household_id']
    """
    return table if households is None else table.append_column(HOUSEHOLD_ID, households)


def without_households(table: pa.Table) -> tuple[pa.Table, pa.Array | None]:
    """Return a table without its column of households, and that column.

    Examples
    --------
    >>> table, homes = without_households(pa.table({"study_id": ["a"], "household_id": ["h"]}))
    >>> table.column_names, homes.to_pylist()
    (['study_id'], ['h'])
    """
    if HOUSEHOLD_ID not in table.column_names:
        return table, None
    column = table.column(HOUSEHOLD_ID)
    whole = pa.concat_arrays([pa.array([], column.type), *column.chunks])
    return table.drop_columns([HOUSEHOLD_ID]), whole
