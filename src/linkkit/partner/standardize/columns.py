"""Standardizes whole columns, one distinct cell at a time."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkkit.agreement import Agreement, ColumnSource, FieldKind
from linkkit.errors import ExtractError
from linkkit.partner.read import Extract
from linkkit.partner.standardize.dates import repeated_first_days
from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.readers import READ_BY_COLUMN, column_reader
from linkkit.partner.standardize.summary import FieldSummary, look_swapped, summarize

__all__ = [
    "STANDARDIZATION_VERSION",
    "Issue",
    "StandardizedExtract",
    "apply_reader",
    "require_columns",
    "standardize",
    "text_column",
]

STANDARDIZATION_VERSION = 2

_ROWS_SHOWN = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """Cells of a field that a rule turned into missing.

    ``rows`` are the numbers of the first ten of them, below the header from 1.
    """

    field: str
    rule: str
    count: int
    rows: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.field}: {self.brief}"

    @property
    def brief(self) -> str:
        """The same without the field's name."""
        shown = ", ".join(str(row) for row in self.rows)
        more = ", ..." if self.count > len(self.rows) else ""
        return f"{self.count} cells taken as missing ({self.rule}), rows {shown}{more}"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class StandardizedExtract:
    """The linkage fields of an extract in their standard spelling.

    Attributes
    ----------
    fields : dict of str to pyarrow.Array
        Each linkage field of the agreement as strings, null where missing; all null for a
        field that the party does not have.
    issues : tuple of Issue
        What was taken as missing, and why.
    notes : tuple of str
        How columns were read, such as the order of day and month that was found.
    summaries : dict of str to FieldSummary
        Counts of what became of the cells of each field that the party has.
    """

    fields: dict[str, pa.Array]
    issues: tuple[Issue, ...]
    notes: tuple[str, ...]
    summaries: dict[str, FieldSummary]

    def __repr__(self) -> str:
        return f"<StandardizedExtract: {len(self.fields)} fields, {len(self.issues)} issues>"

    @property
    def report(self) -> str:
        """What became of the party's cells: counts by field and rule, row numbers, no values."""
        lines = []
        for name, summary in self.summaries.items():
            lines.append(f"{name}: {summary}")
            lines += [f"  {issue.brief}" for issue in self.issues if issue.field == name]
            start = f"{name}: "
            lines += [f"  {n.removeprefix(start)}" for n in self.notes if n.startswith(start)]
        known = tuple(f"{name}: " for name in self.summaries)
        return "\n".join([*lines, *(note for note in self.notes if not note.startswith(known))])


def standardize(extract: Extract, agreement: Agreement, *, party: str) -> StandardizedExtract:
    """Turn a party's columns into the agreement's linkage fields.

    Parameters
    ----------
    extract : Extract
        The party's table.
    agreement : Agreement
        Says which column is what.
    party : str
        Whose extract it is.

    Raises
    ------
    ExtractError
        When columns that the agreement names are missing.
    NotAuthorizedError
        When the agreement has no such party.
    """
    sources = agreement.party(party).linkage_fields
    require_columns(extract, [c for s in sources.values() for c in s.columns], party=party)
    fields: dict[str, pa.Array] = {}
    issues: list[Issue] = []
    notes: list[str] = []
    summaries: dict[str, FieldSummary] = {}
    for name, field in agreement.linkage.fields.items():
        if name not in sources:
            fields[name] = pa.nulls(len(extract), pa.large_string())
            continue
        column = _source_column(extract, sources[name])
        counts = _counts(column) if field.kind in READ_BY_COLUMN else {}
        read, read_how = column_reader(field, sources[name], counts, years=agreement.years)
        fields[name], found = apply_reader(read, column, field=name, extract=extract)
        if field.kind == "date":
            fields[name], more = _without_repeated_days(fields[name], field=name, extract=extract)
            found += more
        issues += found
        notes += [f"{name}: {note}" for note in read_how]
        summaries[name] = summarize(column, fields[name], kind=field.kind)
    kinds: dict[str, FieldKind] = {
        name: field.kind for name, field in agreement.linkage.fields.items()
    }
    notes += look_swapped(fields, kinds, extract.rows)
    return StandardizedExtract(
        fields=fields, issues=tuple(issues), notes=tuple(notes), summaries=summaries
    )


def require_columns(extract: Extract, names: list[str], *, party: str) -> None:
    """Refuse an extract that lacks columns, naming all of them."""
    wanted = list(dict.fromkeys(names))
    missing = [name for name in wanted if _squeezed(name) not in extract.columns]
    if missing:
        raise ExtractError(
            [f"{party}: column '{name}' of the agreement is missing" for name in missing],
            hint=_columns_found(extract, missing, n_wanted=len(wanted)),
        )


def _columns_found(extract: Extract, missing: list[str], *, n_wanted: int) -> str:
    # Where few names are known, the row taken for the header may well be somebody's record.
    if len(missing) > n_wanted / 2:
        return (
            f"The row taken for the header has {len(extract.columns)} cells and most of these "
            "names are not in it. Check the header row and the delimiter."
        )
    near = [
        f"'{close[0]}' for '{name}'"
        for name in missing
        if (close := difflib.get_close_matches(_squeezed(name), extract.columns, n=1))
    ]
    meant = f"Did you mean {', '.join(near)}? " if near else ""
    return f"{meant}The columns found are: {', '.join(repr(name) for name in extract.columns)}."


def text_column(extract: Extract, name: str) -> pa.Array:
    """Return one of the party's columns, found by its name in the agreement."""
    column = extract.table.column(_squeezed(name)).combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def _squeezed(name: str) -> str:
    return " ".join(name.split())


def _source_column(extract: Extract, source: ColumnSource) -> pa.Array:
    columns = [text_column(extract, name) for name in source.columns]
    if len(columns) == 1:
        return columns[0]
    filled = [pc.fill_null(column, "") for column in columns]
    return pc.call_function(
        "binary_join_element_wise", [*filled, pa.scalar(" ", pa.large_string())]
    )


def _counts(column: pa.Array) -> dict[str, int]:
    pairs = column.drop_null().value_counts()
    return dict(zip(pairs.field(0).to_pylist(), pairs.field(1).to_pylist(), strict=True))


def _without_repeated_days(
    values: pa.Array, *, field: str, extract: Extract
) -> tuple[pa.Array, list[Issue]]:
    repeated = repeated_first_days(_counts(values))
    if not repeated:
        return values, []
    gone = Outcome(None, "placeholder by its frequency")
    return apply_reader(
        lambda day: gone if day in repeated else Outcome(day), values, field=field, extract=extract
    )


def apply_reader(
    read: Callable[[str], Outcome], column: pa.Array, *, field: str, extract: Extract
) -> tuple[pa.Array, list[Issue]]:
    """Standardize a column, each distinct cell once; returns it with what was rejected."""
    encoded = column.dictionary_encode()
    outcomes = [read(cell) for cell in encoded.dictionary.to_pylist()]
    values = pa.array([outcome.value for outcome in outcomes], type=pa.large_string())
    rules = [outcome.rule for outcome in outcomes]
    return values.take(encoded.indices), _issues(rules, encoded.indices, field, extract)


def _issues(
    rules: list[str | None], indices: pa.Array, field: str, extract: Extract
) -> list[Issue]:
    names = sorted({rule for rule in rules if rule is not None})
    if not names:
        return []
    codes = np.array([-1 if rule is None else names.index(rule) for rule in rules], dtype=np.int64)
    cells = codes[indices.fill_null(0).to_numpy(zero_copy_only=False)]
    cells[indices.is_null().to_numpy(zero_copy_only=False)] = -1
    found = []
    for code, rule in enumerate(names):
        positions = np.flatnonzero(cells == code)
        rows = tuple(int(row) for row in extract.rows[positions[:_ROWS_SHOWN]])
        found.append(Issue(field=field, rule=rule, count=len(positions), rows=rows))
    return found
