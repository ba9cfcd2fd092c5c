"""Which reader a column gets, from the kind of its field, the agreement and its own cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from linkkit.agreement import ColumnSource, FieldKind, LinkageField, Years
from linkkit.partner.standardize.addresses import standard_address
from linkkit.partner.standardize.codes import (
    sex_reader,
    standard_email,
    standard_identifier,
    standard_number,
    standard_ssn4,
)
from linkkit.partner.standardize.dates import inferred_dates, stated_dates
from linkkit.partner.standardize.names import (
    given_part,
    standard_given_name,
    standard_surname,
    standard_whole_name,
    surname_part,
)
from linkkit.partner.standardize.nicknames import without_nicknames
from linkkit.partner.standardize.outcome import BLANK, Outcome
from linkkit.partner.standardize.phones import phone_reader
from linkkit.partner.standardize.places import postal_code_reader, standard_city
from linkkit.partner.standardize.text import standard_text

__all__ = ["READ_BY_COLUMN", "ColumnReader", "column_reader"]

_READERS: dict[FieldKind, Callable[[str], Outcome]] = {
    "given_name": standard_given_name,
    "surname": standard_surname,
    "name": standard_whole_name,
    "guardian_name": standard_whole_name,
    "street_address": standard_address,
    "city": standard_city,
    "email": standard_email,
    "identifier": standard_identifier,
    "ssn4": standard_ssn4,
    "number": standard_number,
    "text": standard_text,
}
READ_BY_COLUMN: frozenset[FieldKind] = frozenset({"date", "postal_code", "phone", "sex"})
"""Kinds whose cells are read by what the whole column looks like."""

_PARTS = {"given": given_part, "surname": surname_part}


class ColumnReader(NamedTuple):
    """How the cells of one column are standardized, and sentences that say so.

    `damaged` returns what is compared of a cell without a standard form, where there is such a thing.
    """

    read: Callable[[str], Outcome]
    notes: tuple[str, ...] = ()
    damaged: Callable[[str], str | None] | None = None


def column_reader(
    field: LinkageField, source: ColumnSource, counts: Mapping[str, int], *, years: Years
) -> ColumnReader:
    """Return how to read a party's column.

    Parameters
    ----------
    field : LinkageField
        What the agreement says of the linkage field.
    source : ColumnSource
        What it says of the party's column.
    counts : mapping of str to int
        The column's distinct cells and how often each occurs; only kinds in
        :data:`READ_BY_COLUMN` look at them.
    years : Years
        The agreement's.

    Examples
    --------
    >>> from linkkit.agreement import ColumnSource, LinkageField, Years
    >>> field, source = LinkageField(kind="date"), ColumnSource(column="DOB")
    >>> reader = column_reader(field, source, {"13/4/2010": 1}, years=Years(first=2020, last=2025))
    >>> reader.read("5/4/2010").value
    '20100405'
    """
    kind = field.kind
    if kind == "date":
        formats = source.formats
        dates = stated_dates(formats, years=years) if formats else None
        return ColumnReader(*(dates or inferred_dates(counts, years=years)))
    if kind == "postal_code":
        return ColumnReader(*postal_code_reader(counts))
    if kind == "phone":
        return ColumnReader(*phone_reader(counts, region=field.region))
    if kind == "sex":
        return ColumnReader(*sex_reader(counts))
    read = _name_reader(kind) if field.nicknames else _READERS[kind]
    if source.part is None:
        return ColumnReader(read)
    part = _PARTS[source.part]
    return ColumnReader(lambda cell: _part_outcome(read, part(cell)))


def _name_reader(kind: FieldKind) -> Callable[[str], Outcome]:
    given = without_nicknames(standard_given_name)
    return given if kind == "given_name" else partial(standard_whole_name, read_given=given)


def _part_outcome(read: Callable[[str], Outcome], part: str) -> Outcome:
    return read(part) if part else BLANK
