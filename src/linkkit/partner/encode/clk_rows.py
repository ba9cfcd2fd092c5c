"""Rows of an extract as filters of clkhash, under the schema of an agreement.

Cells are hashed as they stand, or in linkkit's standard form brought into what the schema's
format asks for. Which rows are one record, and what its payload is, goes by the standard form in
both cases.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
from pydantic import ValidationError

from linkkit.agreement import Agreement, ColumnSource
from linkkit.agreement.clkhash import (
    ClkFeature,
    ClkSchema,
    feature_fields,
    schema_of,
    schema_traps,
)
from linkkit.agreement.clkhash.parts import DateFormat, EnumFormat, TextFormat
from linkkit.partner.encode.clkhash.filters import encode_clks
from linkkit.partner.keys import ClkhashSecret
from linkkit.partner.read import Extract
from linkkit.partner.standardize import Issue, StandardizedExtract
from linkkit.partner.standardize.columns import text_column

__all__ = ["ClkRows", "as_schema_reads", "clk_rows", "in_form", "schema_notes"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_TEXT = pa.large_string()
_STANDARD_DATE = "%Y%m%d"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ClkRows:
    """The rows of an extract, hashed.

    Attributes
    ----------
    words : ndarray of uint64, shape (n_rows, n_words)
        Their filters; zero where a row breaks the schema.
    refused : dict of int to str
        Why rows break the schema, by position.
    standardized : StandardizedExtract
        The linkage fields by which records are chosen: null where the schema takes a cell as
        missing, and in refused rows.
    """

    words: npt.NDArray[np.uint64]
    refused: Mapping[int, str]
    standardized: StandardizedExtract

    def lost(self, ids: Sequence[str | None]) -> dict[int, str]:
        """Return the refused rows whose record has no other row, by position."""
        kept = {x for i, x in enumerate(ids) if x is not None and i not in self.refused}
        return {i: reason for i, reason in self.refused.items() if ids[i] not in kept}


def as_schema_reads(agreement: Agreement, party: str) -> Agreement:
    """Return the agreement with a party's dates read in the formats of its clkhash schema.

    Other profiles, and parties whose values are standardized first, keep theirs.
    """
    linkage = agreement.linkage
    if linkage.clkhash is None or linkage.clkhash.standardize != "none":
        return agreement
    schema, clause = schema_of(linkage), agreement.party(party)
    sources = dict(clause.linkage_fields)
    for feature, field in zip(schema.features, feature_fields(linkage, schema), strict=True):
        if isinstance(feature.format, DateFormat) and field in sources:
            kind = linkage.fields[field].kind
            sources[field] = _with_format(sources[field], feature.format.format, kind=kind)
    read = clause.model_copy(update={"linkage_fields": sources})
    return agreement.model_copy(update={"parties": {**agreement.parties, party: read}})


def _with_format(source: ColumnSource, form: str, *, kind: str) -> ColumnSource:
    if kind != "date":
        return source
    try:
        return ColumnSource(column=source.column, formats=(form,))
    except ValidationError:
        return source  # It does not tell a whole date, and its cells are read as they come.


def clk_rows(
    table: Extract,
    standardized: StandardizedExtract,
    agreement: Agreement,
    secret: ClkhashSecret,
    *,
    party: str,
) -> ClkRows:
    """Hash the rows of a party's extract.

    Parameters
    ----------
    table : Extract
        The party's cells.
    standardized : StandardizedExtract
        Its linkage fields in standard form.
    agreement : Agreement
        Holds the schema, and says which column is what.
    secret : ClkhashSecret
        What the partners share.
    party : str
        Whose extract it is.
    """
    schema = schema_of(agreement.linkage)
    fields = [field or "" for field in feature_fields(agreement.linkage, schema)]
    sources = agreement.party(party).linkage_fields
    as_they_stand = _standardizing(agreement) == "none"
    cells: dict[str, pa.Array] = {}
    for feature, field in zip(schema.features, fields, strict=True):
        if field not in sources:
            cells[field] = in_form(pa.nulls(len(table), _TEXT), feature)
        elif as_they_stand:
            cells[field] = _joined(table, sources[field])
        else:
            cells[field] = in_form(standardized.fields[field], feature)
    shown = {name: " + ".join(source.columns) for name, source in sources.items()}
    result = encode_clks(
        _columns(schema, [cells[field] for field in fields], len(table)),
        _renamed(schema, [shown.get(field, field) for field in fields]),
        secret=secret.reveal(),
        rows=np.arange(len(table), dtype=np.int64),
    )
    words = np.zeros((len(table), schema.n_words), dtype=np.uint64)
    words[result.rows] = result.words
    present = np.zeros((len(table), len(fields)), dtype=np.bool_)
    present[result.rows] = result.present
    masked = {
        field: pc.if_else(
            pa.array(present[:, i]), standardized.fields[field], pa.scalar(None, _TEXT)
        )
        for i, field in enumerate(fields)
    }
    issues, notes = standardized.issues, standardized.notes
    if as_they_stand:
        notes = tuple(_hashed_all_the_same(issue) for issue in standardized.issues)
        issues = ()
    return ClkRows(
        words=words,
        refused={item.row: item.reason for item in result.set_aside},
        standardized=dataclasses.replace(standardized, fields=masked, issues=issues, notes=notes),
    )


def _standardizing(agreement: Agreement) -> str:
    return agreement.linkage.clkhash.standardize if agreement.linkage.clkhash else "none"


def _joined(table: Extract, source: ColumnSource) -> pa.Array:
    """Return the cells of a field as they stand; several that are not blank are joined by a space."""
    columns = [pc.fill_null(text_column(table, name), "") for name in source.columns]
    joined = columns[0]
    for column in columns[1:]:
        both = pc.binary_join_element_wise(joined, column, pa.scalar(" ", _TEXT))
        filled = pc.if_else(pc.equal(column, ""), joined, both)
        joined = pc.if_else(pc.equal(joined, ""), column, filled)
    return joined


def in_form(values: pa.Array, feature: ClkFeature) -> pa.Array:
    """Bring standard forms into the form that a feature asks for.

    Dates take the schema's format, texts its case, values of a list the spelling of the list. What
    is missing becomes the sentinel of the schema, or blank.
    """
    missing = feature.hashing.missing_value
    blank = "" if missing is None else missing.sentinel
    rewrite = _rewriter(feature)
    if rewrite is not None:
        encoded = values.dictionary_encode()
        texts = pa.array([rewrite(value) for value in encoded.dictionary.to_pylist()], _TEXT)
        values = texts.take(encoded.indices)
    return pc.fill_null(values.cast(_TEXT), pa.scalar(blank, _TEXT))


def _rewriter(feature: ClkFeature) -> Callable[[str], str] | None:
    form = feature.format
    if isinstance(form, DateFormat):
        output = form.format
        return lambda value: _date(value, output)
    if isinstance(form, EnumFormat):
        spelled = {value.casefold(): value for value in reversed(form.values)}
        return lambda value: spelled.get(value.casefold(), value)
    if isinstance(form, TextFormat) and form.case != "mixed":
        return str.upper if form.case == "upper" else str.lower
    return None


def _date(value: str, form: str) -> str:
    try:
        return dt.datetime.strptime(value, _STANDARD_DATE).strftime(form)
    except ValueError:
        return value  # of a field that holds no date; the schema's format will say so


def _columns(schema: ClkSchema, cells: list[pa.Array], n_rows: int) -> pa.Table:
    """Return all columns of a schema in its order, named by their places."""
    arrays = [pa.nulls(n_rows, _TEXT)] * len(schema.identifiers)
    for feature, array in zip(schema.features, cells, strict=True):
        arrays[feature.position] = array
    return pa.Table.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])


def _renamed(schema: ClkSchema, shown: list[str]) -> ClkSchema:
    """Return the schema with features named as the party names its columns, for messages.

    Keys depend on the places of features, never on their names.
    """
    features = [
        dataclasses.replace(feature, identifier=name)
        for feature, name in zip(schema.features, shown, strict=True)
    ]
    places = tuple(str(i) for i in range(len(schema.identifiers)))
    return dataclasses.replace(schema, identifiers=places, features=tuple(features))


def _hashed_all_the_same(issue: Issue) -> str:
    rows = ", ".join(str(row) for row in issue.rows)
    more = ", ..." if issue.count > len(issue.rows) else ""
    return (
        f"{issue.field}: {issue.count} cells look like no value ({issue.rule}); clkhash does not "
        f"know, and hashes them unless the schema refuses them, rows {rows}{more}"
    )


def schema_notes(agreement: Agreement, secret: ClkhashSecret | None) -> tuple[str, ...]:
    """Return what an encoding report says of the schema and the secret, the worst first."""
    notes = []
    if secret is not None and secret.weakness:
        notes.append(
            f"WARNING, clkhash secret: {secret.weakness}; whoever gets the filters can find it by "
            "trying, and read every name"
        )
    notes += [
        f"{'WARNING, ' if trap.is_loud else ''}clkhash schema: {trap}"
        for trap in schema_traps(agreement)
    ]
    return tuple(notes)
