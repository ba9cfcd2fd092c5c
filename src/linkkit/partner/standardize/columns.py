"""Standardizes whole columns, one distinct cell at a time."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkkit.agreement import Agreement, ColumnSource, FieldKind
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
from linkkit.partner.standardize.text import standard_text

__all__ = [
    "READ_BY_COLUMN",
    "STANDARDIZATION_VERSION",
    "Issue",
    "StandardizedExtract",
    "apply_reader",
    "column_counts",
    "require_columns",
    "standardize",
    "text_column",
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
    fields: dict[str, pa.Array] = {}
    issues: list[Issue] = []
    notes: list[str] = []
    for name, field in agreement.linkage.fields.items():
        if name not in sources:
            fields[name] = pa.nulls(len(extract), pa.large_string())
            continue
        column = _source_column(extract, sources[name])
        counts = (whole or {}).get(name) or _counts(column, field.kind)
        read, note = _reader(field.kind, sources[name], counts, agreement.years.last)
        fields[name], found = apply_reader(read, column, field=name, extract=extract)
        issues += found
        notes += [f"{name}: {note}"] if note else []
    return StandardizedExtract(fields=fields, issues=tuple(issues), notes=tuple(notes))


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
    if kind not in READ_BY_COLUMN:
        return {}
    pairs = column.drop_null().value_counts()
    return dict(zip(pairs.field(0).to_pylist(), pairs.field(1).to_pylist(), strict=True))


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
