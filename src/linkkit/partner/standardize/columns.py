"""Standardizes whole columns, one distinct cell at a time."""

from __future__ import annotations

import dataclasses
import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkkit.agreement import Agreement, ColumnSource, FieldKind
from linkkit.engines.local import run_in_threads
from linkkit.errors import ExtractError
from linkkit.partner.read import Extract
from linkkit.partner.standardize.dates import repeated_first_days
from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.plain_cells import (
    Cells,
    Written,
    cells_of,
    cells_of_values,
    gathered,
    representatives,
    written,
    written_as_is,
)
from linkkit.partner.standardize.readers import READ_BY_COLUMN, column_reader
from linkkit.partner.standardize.summary import FieldSummary, look_swapped, summarize
from linkkit.partner.standardize.text import clean, is_placeholder

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

STANDARDIZATION_VERSION = 3

_ROWS_SHOWN = 10
_WORTH_THREADS = 20_000
_JANUARY_FIRST = np.uint64(0x01000100)  # the bytes 0, 1, 0, 1, the first the lowest


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """Cells of a field that a rule turned into missing.

    ``rows`` are the numbers of the first ten of them, below the header from 1; ``n_compared`` of
    them are no value, but compared by what can be read of them.
    """

    field: str
    rule: str
    count: int
    rows: tuple[int, ...]
    n_compared: int = 0

    def __str__(self) -> str:
        return f"{self.field}: {self.brief}"

    @property
    def brief(self) -> str:
        """The same without the field's name."""
        shown = ", ".join(str(row) for row in self.rows)
        more = ", ..." if self.count > len(self.rows) else ""
        compared = f"; {self.n_compared} compared by their digits" if self.n_compared else ""
        return f"{self.count} cells taken as missing ({self.rule}{compared}), rows {shown}{more}"


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
    cells : dict of str to pyarrow.Array
        The cells of each field that the party has, as it wrote them.
    kinds : dict of str to str
        What each field holds.
    rows : ndarray of int64
        Row numbers.
    compared : dict of str to pyarrow.Array
        The fields as records are compared by them: also with what can be read of damaged dates,
        YYYYMMDD with a "?" for each digit that cannot be. It is for encodings only.
    """

    fields: dict[str, pa.Array]
    issues: tuple[Issue, ...]
    notes: tuple[str, ...]
    cells: dict[str, pa.Array]
    kinds: dict[str, FieldKind]
    rows: npt.NDArray[np.int64]
    compared: dict[str, pa.Array]

    def __repr__(self) -> str:
        return f"<StandardizedExtract: {len(self.fields)} fields, {len(self.issues)} issues>"

    @property
    def summaries(self) -> dict[str, FieldSummary]:
        """Counts of what became of the cells of each field that the party has."""
        return {
            name: summarize(cells, self.fields[name], kind=self.kinds[name])
            for name, cells in self.cells.items()
        }

    @property
    def report(self) -> str:
        """What became of the party's cells: counts by field and rule, row numbers, no values."""
        lines = []
        summaries = self.summaries
        notes = [*self.notes, *look_swapped(self.fields, self.kinds, self.rows)]
        for name, summary in summaries.items():
            lines.append(f"{name}: {summary}")
            lines += [f"  {issue.brief}" for issue in self.issues if issue.field == name]
            start = f"{name}: "
            lines += [f"  {n.removeprefix(start)}" for n in notes if n.startswith(start)]
        known = tuple(f"{name}: " for name in summaries)
        return "\n".join([*lines, *(note for note in notes if not note.startswith(known))])


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

    def standardized(name: str) -> _Column:
        if name not in sources:
            return _Column(values=pa.nulls(len(extract), pa.large_string()))
        return _standardized(extract, agreement, sources[name], name, (whole or {}).get(name))

    def n_bytes(name: str) -> int:
        columns = sources[name].columns if name in sources else ()
        return sum(extract.table.column(_squeezed(column)).nbytes for column in columns)

    names = list(agreement.linkage.fields)
    # The longest first, so that no thread is left with it at the end.
    tasks = sorted(names, key=n_bytes, reverse=True)
    columns = run_in_threads(standardized, tasks, n_threads=threads_for(len(extract)))
    found = dict(zip(tasks, columns, strict=True))
    done = {name: found[name] for name in names}
    return StandardizedExtract(
        fields={name: column.values for name, column in done.items()},
        issues=tuple(issue for column in done.values() for issue in column.issues),
        notes=tuple(f"{name}: {note}" for name, column in done.items() for note in column.notes),
        cells={name: column.cells for name, column in done.items() if column.cells is not None},
        kinds={name: field.kind for name, field in agreement.linkage.fields.items()},
        rows=extract.rows,
        compared={
            name: column.values if column.compared is None else column.compared
            for name, column in done.items()
        },
    )


class _Column(NamedTuple):
    values: pa.Array
    issues: Sequence[Issue] = ()
    notes: Sequence[str] = ()
    cells: pa.Array | None = None
    compared: pa.Array | None = None


def _standardized(
    extract: Extract,
    agreement: Agreement,
    source: ColumnSource,
    name: str,
    whole: Mapping[str, int] | None,
) -> _Column:
    field = agreement.linkage.fields[name]
    cells = _source_column(extract, source)
    column = cells.cast(pa.large_string())
    # What an option changes is for the function for one cell alone.
    plain = source.part is None and not field.nicknames and field.region == "US"
    as_bytes = cells_of(column) if plain or field.kind in READ_BY_COLUMN else None
    counts = _counts_by_form(column, as_bytes, field.kind) if whole is None else whole
    read, notes, read_damaged = column_reader(field, source, counts, years=agreement.years)
    found = written(read, as_bytes, kind=field.kind) if plain and as_bytes is not None else None
    values, issues = apply_reader(read, column, field=name, extract=extract, found=found)
    if field.kind == "date":
        days = _counts_of_first_days(values) if whole is None else _days(whole, read)
        values, more = _without_repeated_days(values, days, field=name, extract=extract)
        issues += more
    compared = None
    is_compared = field.compare is None and agreement.linkage.profile != "clkhash"
    if read_damaged is not None and is_compared:
        compared, issues = _with_damaged(values, column, read, read_damaged, issues)
    return _Column(values=values, issues=issues, notes=notes, cells=cells, compared=compared)


def _with_damaged(
    values: pa.Array,
    column: pa.Array,
    read: Callable[[str], Outcome],
    read_damaged: Callable[[str], str | None],
    issues: list[Issue],
) -> tuple[pa.Array | None, list[Issue]]:
    """Return values and what can be read of cells without one, and issues that count these."""
    rows = np.flatnonzero(values.is_null().to_numpy(False) & column.is_valid().to_numpy(False))
    encoded = column.take(pa.array(rows)).dictionary_encode()
    cells = encoded.dictionary.to_pylist()
    found = [read_damaged(cell) for cell in cells]
    if not any(found):
        return None, issues
    rules = [read(cell).rule if form else None for cell, form in zip(cells, found, strict=True)]
    codes = encoded.indices.to_numpy(False)
    n_compared = Counter(rules[code] for code in codes.tolist())
    places = np.full(len(values), -1, dtype=np.int64)
    places[rows] = codes
    forms = pa.array(found, type=pa.large_string()).take(pa.array(places, mask=places < 0))
    counted = [dataclasses.replace(item, n_compared=n_compared[item.rule]) for item in issues]
    return pc.call_function("coalesce", [values, forms]), counted


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
    others = _read_distinct(_row_id, column.take(pa.array(rest)))
    return gathered(found, others, rest, np.arange(len(rest), dtype=np.int32))


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
        name: _counts(_source_column(extract, source))
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
            "names are not in it. Check the header row, the delimiter of a text file, and the sheet of "
            "a workbook: the first is read unless another is named."
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


def _counts_by_form(column: pa.Array, cells: Cells | None, kind: FieldKind) -> dict[str, int]:
    """Return how often each cell occurs; some stand for all of their form."""
    if kind not in READ_BY_COLUMN:
        return {}
    found = None if cells is None else representatives(cells, kind=kind)
    if found is None:
        return _counts(column)
    like, left = found
    return like | _counts(column.filter(pa.array(left)))


def _counts_of_first_days(days: pa.Array) -> dict[str, int]:
    """Return how often each 1 January occurs, and 31 December for all other days of its year."""
    cells = cells_of_values(days.drop_null())
    first, last = cells.bounds[0], cells.bounds[-1]
    if len(cells) < _WORTH_THREADS or last - first != 8 * len(cells):
        return _counts(days)
    digits = cells.data[first:last].view("<u8") & np.uint64(0x0F0F0F0F0F0F0F0F)
    year = np.zeros(len(digits), dtype=np.int64)
    for place, shift in ((1000, 0), (100, 8), (10, 16), (1, 24)):
        year += (digits >> np.uint64(shift)).astype(np.uint8).astype(np.int64) * place
    begun = np.bincount(year[(digits >> np.uint64(32)) == _JANUARY_FIRST])
    in_year = np.bincount(year)
    found: dict[str, int] = {}
    for y in np.flatnonzero(begun).tolist():
        n, n_all = int(begun[y]), int(in_year[y])
        found |= {f"{y:04d}0101": n, f"{y:04d}1231": n_all - n}
    return found


def _days(counts: Mapping[str, int], read: Callable[[str], Outcome]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for cell, n in counts.items():
        day = read(cell).value
        if day is not None:
            found[day] += n
    return found


def _without_repeated_days(
    values: pa.Array, counts: Mapping[str, int], *, field: str, extract: Extract
) -> tuple[pa.Array, list[Issue]]:
    repeated = repeated_first_days(counts)
    if not repeated:
        return values, []
    gone = Outcome(None, "placeholder by its frequency")
    return apply_reader(
        lambda day: gone if day in repeated else Outcome(day), values, field=field, extract=extract
    )


def apply_reader(
    read: Callable[[str], Outcome],
    column: pa.Array,
    *,
    field: str,
    extract: Extract,
    found: Written | None = None,
) -> tuple[pa.Array, list[Issue]]:
    """Standardize a column, each distinct cell once; returns it with what was rejected.

    Where compiled kernels wrote standard forms, which are `found`, only other cells are read.
    """
    column = column.cast(pa.large_string())
    rows = np.arange(len(column))
    if found is not None:
        rows = np.flatnonzero(found.lengths < 0)
        column = column.take(pa.array(rows))
    encoded = column.dictionary_encode()
    outcomes = [read(cell) for cell in encoded.dictionary.to_pylist()]
    values = pa.array([outcome.value for outcome in outcomes], type=pa.large_string())
    issues = _issues([o.rule for o in outcomes], encoded.indices, field, extract.rows[rows])
    if found is None:
        return values.take(encoded.indices), issues
    known = encoded.indices.is_valid().to_numpy(zero_copy_only=False)
    places = encoded.indices.drop_null().to_numpy(zero_copy_only=False)
    return gathered(found, values, rows[known], places), issues


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
