"""Standardizes whole columns, one distinct cell at a time."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkkit.agreement import Agreement, ColumnSource, FieldKind
from linkkit.engines.local import run_in_threads
from linkkit.errors import ExtractError
from linkkit.partner.read import Extract
from linkkit.partner.standardize.addresses import standard_address
from linkkit.partner.standardize.codes import (
    postal_code_reader,
    standard_email,
    standard_identifier,
    standard_phone,
    standard_sex,
)
from linkkit.partner.standardize.dates import inferred_dates, stated_dates
from linkkit.partner.standardize.names import (
    given_part,
    standard_given_name,
    standard_surname,
    standard_whole_name,
    surname_part,
)
from linkkit.partner.standardize.outcome import BLANK, Outcome
from linkkit.partner.standardize.plain_cells import (
    cells_of,
    gathered,
    representatives,
    written,
    written_as_is,
)
from linkkit.partner.standardize.text import clean, is_placeholder, standard_text

__all__ = [
    "READ_BY_COLUMN",
    "STANDARDIZATION_VERSION",
    "Issue",
    "StandardizedExtract",
    "apply_reader",
    "column_counts",
    "require_columns",
    "row_ids",
    "standardize",
    "text_column",
    "threads_for",
]

STANDARDIZATION_VERSION = 1

_READERS: dict[FieldKind, Callable[[str], Outcome]] = {
    "given_name": standard_given_name,
    "surname": standard_surname,
    "name": standard_whole_name,
    "sex": standard_sex,
    "street_address": standard_address,
    "city": standard_text,
    "phone": standard_phone,
    "email": standard_email,
    "identifier": standard_identifier,
    "text": standard_text,
}
_PARTS = {"given": given_part, "surname": surname_part}
_ROWS_SHOWN = 10
_WORTH_THREADS = 20_000

READ_BY_COLUMN: frozenset[FieldKind] = frozenset({"date", "postal_code"})
"""Kinds whose cells are read by what the whole column looks like."""


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
        shown = ", ".join(str(row) for row in self.rows)
        more = ", ..." if self.count > len(self.rows) else ""
        return (
            f"{self.field}: {self.count} cells taken as missing ({self.rule}), rows {shown}{more}"
        )


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
    """

    fields: dict[str, pa.Array]
    issues: tuple[Issue, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<StandardizedExtract: {len(self.fields)} fields, {len(self.issues)} issues>"


def standardize(
    extract: Extract,
    agreement: Agreement,
    *,
    party: str,
    whole: Mapping[str, Mapping[str, int]] | None = None,
) -> StandardizedExtract:
    """Turn a party's columns into the agreement's linkage fields.

    Parameters
    ----------
    extract : Extract
        The party's table.
    agreement : Agreement
        Says which column is what.
    party : str
        Whose extract it is.
    whole : mapping of str to mapping of str to int, optional
        Where this is a part of an extract: the distinct cells of whole columns and how often each
        occurs, by field, as :class:`ColumnEvidence` gathers them.

    Raises
    ------
    ExtractError
        When columns that the agreement names are missing.
    NotAuthorizedError
        When the agreement has no such party.
    """
    sources = agreement.party(party).linkage_fields
    require_columns(extract, [c for s in sources.values() for c in s.columns], party=party)

    def standardized(name: str) -> tuple[pa.Array, list[Issue], str]:
        if name not in sources:
            return pa.nulls(len(extract), pa.large_string()), [], ""
        source, kind = sources[name], agreement.linkage.fields[name].kind
        column = _source_column(extract, source)
        counts = (whole or {}).get(name) or _counts(column, kind)
        read, note = _reader(kind, source, counts, agreement.years.last)
        plain = kind if source.part is None else None
        column, found = apply_reader(read, column, field=name, extract=extract, kind=plain)
        return column, found, f"{name}: {note}" if note else ""

    names = list(agreement.linkage.fields)
    done = list(run_in_threads(standardized, names, n_threads=threads_for(len(extract))))
    return StandardizedExtract(
        fields=dict(zip(names, (column for column, _, _ in done), strict=True)),
        issues=tuple(issue for _, issues, _ in done for issue in issues),
        notes=tuple(note for _, _, note in done if note),
    )


def threads_for(n_rows: int) -> int | None:
    """Return how many threads to use for so many rows; None for as many as there are."""
    return None if n_rows >= _WORTH_THREADS else 1


def row_ids(column: pa.Array) -> pa.Array:
    """Return a party's row ids, cleaned; null where they are blank or a placeholder."""
    column = column.cast(pa.large_string())
    cells = cells_of(column)
    if cells is None:
        return _read_distinct(_row_id, column)
    found = written_as_is(cells)
    rest = np.flatnonzero((found.lengths < 0) & cells.valid)
    if not len(rest):
        return column
    of_row = np.full(len(column), -1, dtype=np.int32)
    of_row[rest] = np.arange(len(rest))
    return gathered(found, _read_distinct(_row_id, column.take(pa.array(rest))), of_row)


def _read_distinct(read: Callable[[str], str | None], column: pa.Array) -> pa.Array:
    encoded = column.dictionary_encode()
    values = [read(cell) for cell in encoded.dictionary.to_pylist()]
    return pa.array(values, type=pa.large_string()).take(encoded.indices)


def _row_id(cell: str) -> str | None:
    text = clean(cell)
    return None if not text or is_placeholder(text) else text


def column_counts(
    extract: Extract, agreement: Agreement, *, party: str
) -> dict[str, dict[str, int]]:
    """Return the distinct cells, and how often each occurs, of fields that are read by column."""
    kinds: dict[str, FieldKind] = {
        name: field.kind for name, field in agreement.linkage.fields.items()
    }
    return {
        name: _counts(_source_column(extract, source), kinds[name])
        for name, source in agreement.party(party).linkage_fields.items()
        if kinds[name] in READ_BY_COLUMN
    }


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


def _counts(column: pa.Array, kind: FieldKind) -> dict[str, int]:
    """Return how often each cell occurs; some stand for all of their form."""
    if kind not in READ_BY_COLUMN:
        return {}
    column = column.cast(pa.large_string())
    like, left = representatives(column, kind=kind)
    rest = column.filter(pa.array(left)) if like else column
    pairs = rest.drop_null().value_counts()
    return like | dict(zip(pairs.field(0).to_pylist(), pairs.field(1).to_pylist(), strict=True))


def _reader(
    kind: FieldKind, source: ColumnSource, counts: Mapping[str, int], latest_year: int
) -> tuple[Callable[[str], Outcome], str]:
    if kind == "date" and source.formats is not None:
        return stated_dates(source.formats, latest_year=latest_year)
    if kind == "date":
        return inferred_dates(counts, latest_year=latest_year)
    if kind == "postal_code":
        return postal_code_reader(counts)
    read = _READERS[kind]
    if source.part is None:
        return read, ""
    part = _PARTS[source.part]
    return (lambda cell: _part_outcome(read, part(cell))), ""


def _part_outcome(read: Callable[[str], Outcome], part: str) -> Outcome:
    return read(part) if part else BLANK


def apply_reader(
    read: Callable[[str], Outcome],
    column: pa.Array,
    *,
    field: str,
    extract: Extract,
    kind: FieldKind | None = None,
) -> tuple[pa.Array, list[Issue]]:
    """Standardize a column, each distinct cell once; returns it with what was rejected.

    With `kind`, plain cells of large columns go through compiled kernels, to the same end.
    """
    column = column.cast(pa.large_string())
    cells = cells_of(column) if kind is not None else None
    found = written(read, cells, kind=kind) if cells is not None and kind is not None else None
    if found is None or cells is None:
        rows = np.arange(len(column))
    else:
        rows = np.flatnonzero((found.lengths < 0) & cells.valid)
    encoded = (column if found is None else column.take(pa.array(rows))).dictionary_encode()
    outcomes = [read(cell) for cell in encoded.dictionary.to_pylist()]
    values = pa.array([outcome.value for outcome in outcomes], type=pa.large_string())
    issues = _issues([o.rule for o in outcomes], encoded.indices, field, extract.rows[rows])
    if found is None:
        return values.take(encoded.indices), issues
    of_row = np.full(len(column), -1, dtype=np.int32)
    of_row[rows] = encoded.indices.to_numpy(zero_copy_only=False)
    return gathered(found, values, of_row), issues


def _issues(
    rules: list[str | None], indices: pa.Array, field: str, rows: npt.NDArray[np.int64]
) -> list[Issue]:
    names = sorted({rule for rule in rules if rule is not None})
    if not names:
        return []
    codes = np.array([-1 if rule is None else names.index(rule) for rule in rules], dtype=np.int64)
    cells = codes[indices.fill_null(0).to_numpy(zero_copy_only=False)]
    cells[indices.is_null().to_numpy(zero_copy_only=False)] = -1
    found = []
    for code, rule in enumerate(names):
        these = rows[cells == code]
        shown = tuple(these[:_ROWS_SHOWN].tolist())
        found.append(Issue(field=field, rule=rule, count=len(these), rows=shown))
    return found
