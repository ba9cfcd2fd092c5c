"""The agreed payload variables of a party, parsed, and keyed by token."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import Agreement, Coarsening, FieldSource, VariableType
from linkkit.errors import NotAuthorizedError
from linkkit.partner.read import Extract
from linkkit.partner.standardize import Issue, StandardizedExtract
from linkkit.partner.standardize.columns import apply_reader, text_column
from linkkit.partner.standardize.dates import stated_dates
from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.text import (
    MAX_CHARACTERS,
    clean,
    is_placeholder,
    nothing_left,
)

__all__ = [
    "ROWS_SHOWN",
    "payload_columns",
    "positions_outside",
    "require_years",
    "row_years",
    "stated_years",
]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_TYPES: dict[VariableType, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "category": pa.string(),
    "date": pa.date32(),
}
_ISO_DATES = ("%Y-%m-%d", "%Y%m%d")
_YEAR = re.compile(r"(?<!\d)(\d{4})(?!\d)")
_NUMBER = re.compile(r"^[+-]?(?=\.?\d)(\d{1,3}(,\d{3})+|\d+)?(\.\d*)?([eE][+-]?\d+)?$")
ROWS_SHOWN = 10
_LARGEST_INTEGER = 2**53 - 1
_KEPT: dict[Coarsening, int | None] = {"year": 4, "prefix3": 3, "code": None}


def payload_columns(
    extract: Extract, standardized: StandardizedExtract, agreement: Agreement, *, party: str
) -> tuple[dict[str, pa.Array], list[Issue]]:
    """Return each payload variable of the party, one value for each row of the extract.

    A cell that does not fit the variable's type becomes missing and is reported.
    """
    columns: dict[str, pa.Array] = {}
    issues: list[Issue] = []
    for name, source in agreement.party(party).payload.items():
        column = _raw_column(extract, standardized, source)
        variable_type = agreement.variables[name].type
        read = (
            _date_parser(source, agreement) if variable_type == "date" else _PARSERS[variable_type]
        )
        values, found = apply_reader(read, column, field=name, extract=extract)
        columns[name] = pc.cast(values, _TYPES[variable_type])
        issues += found
    return columns, issues


def _raw_column(
    extract: Extract, standardized: StandardizedExtract, source: FieldSource
) -> pa.Array:
    if source.field is not None and source.coarsen is not None:
        column, n_characters = standardized.fields[source.field], _KEPT[source.coarsen]
        return pc.utf8_slice_codeunits(column, 0, n_characters) if n_characters else column
    assert source.column is not None  # noqa: S101  # the agreement's own validation
    return text_column(extract, source.column)


def _parse_number(cell: str) -> Outcome:
    text = clean(cell)
    if not text:
        return nothing_left(cell)
    if is_placeholder(text):
        return Outcome(None, "placeholder")
    bare = text.replace("$", "").removesuffix("%").strip()
    if not _NUMBER.match(bare):
        return Outcome(None, "not a number")
    number = float(bare.replace(",", ""))
    return Outcome(repr(number)) if math.isfinite(number) else Outcome(None, "not a number")


def _parse_integer(cell: str) -> Outcome:
    outcome = _parse_number(cell)
    if outcome.value is None:
        return outcome
    number = float(outcome.value)
    whole = number.is_integer() and abs(number) <= _LARGEST_INTEGER
    return Outcome(str(int(number))) if whole else Outcome(None, "not a whole number")


def _parse_category(cell: str) -> Outcome:
    if len(cell) > MAX_CHARACTERS:
        cell = cell.strip()
        if len(cell) > MAX_CHARACTERS:
            return Outcome(None, f"longer than {MAX_CHARACTERS} characters")
    text = clean(cell)
    return Outcome(text) if text else nothing_left(cell)


def _date_parser(source: FieldSource, agreement: Agreement) -> Callable[[str], Outcome]:
    """Return what reads a date in the formats stated, and writes it as YYYY-MM-DD."""
    read = stated_dates(source.formats or _ISO_DATES, years=agreement.years).read

    def parse(cell: str) -> Outcome:
        outcome = read(cell)
        day = outcome.value
        return outcome if day is None else Outcome(f"{day[:4]}-{day[4:6]}-{day[6:]}")

    return parse


_PARSERS: dict[VariableType, Callable[[str], Outcome]] = {
    "integer": _parse_integer,
    "number": _parse_number,
    "category": _parse_category,
}


def row_years(
    extract: Extract, agreement: Agreement, *, party: str
) -> npt.NDArray[np.int64] | None:
    """Return the year of each row, or None when the agreement states no year column.

    A school year such as "2024-25" counts as its first year; -1 stands for a cell without one.

    Raises
    ------
    NotAuthorizedError
        When rows lie outside the agreement's years, naming clause ``years``.
    """
    years = stated_years(extract, agreement, party=party)
    rows = extract.rows[positions_outside(years, agreement)].tolist()
    require_years(len(rows), rows[:ROWS_SHOWN], agreement, party=party)
    return years


def stated_years(
    extract: Extract, agreement: Agreement, *, party: str
) -> npt.NDArray[np.int64] | None:
    """Return what :func:`row_years` does, whether or not the agreement allows the years."""
    source = agreement.party(party).year
    if source is None:
        return None
    cells = text_column(extract, source.column).dictionary_encode()
    found = [_YEAR.search(clean(cell)) for cell in cells.dictionary.to_pylist()]
    distinct = [int(match.group(1)) if match else -1 for match in found]
    codes = cells.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(np.array([*distinct, -1], dtype=np.int64)[codes], dtype=np.int64)


def positions_outside(years: npt.NDArray[np.int64] | None, agreement: Agreement) -> list[int]:
    """Return the positions of the rows that lie outside the agreement's years."""
    if years is None:
        return []
    allowed = agreement.years
    outside = (years >= 0) & ((years < allowed.first) | (years > allowed.last))
    return [int(i) for i in np.flatnonzero(outside)]


def require_years(n_rows: int, first: Sequence[int], agreement: Agreement, *, party: str) -> None:
    """Refuse rows outside the agreement's years, naming the first ones."""
    if n_rows:
        shown = ", ".join(str(row) for row in first)
        more = ", ..." if n_rows > len(first) else ""
        allowed = agreement.years
        raise NotAuthorizedError(
            f"{n_rows} rows of '{party}' lie outside {allowed.first} to {allowed.last} "
            f"(rows {shown}{more})",
            clause="years",
            hint="Leave those rows out of the extract, or amend the agreement.",
        )
