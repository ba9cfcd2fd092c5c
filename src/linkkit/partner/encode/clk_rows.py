"""Rows of an extract as filters of clkhash, under the schema of an agreement.

Cells are hashed as they stand, or in linkkit's standard form brought into what the schema's
format asks for. Which rows are one record, and what its payload is, goes by the standard form in
both cases.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
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
from linkkit.engines.local import run_in_threads
from linkkit.partner.encode.clkhash.cells import with_format
from linkkit.partner.encode.clkhash.filters import ClkResult, encode_clks
from linkkit.partner.encode.tokenize import is_valid
from linkkit.partner.keys import ClkhashSecret
from linkkit.partner.read import Extract
from linkkit.partner.standardize import Issue, StandardizedExtract
from linkkit.partner.standardize.columns import text_column, threads_for

__all__ = ["ClkRows", "as_schema_reads", "clk_rows", "in_form", "schema_notes"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_TEXT = pa.large_string()


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

    def lost(self, id_codes: npt.NDArray[np.int64]) -> dict[int, str]:
        """Return the refused rows whose record has no other row, by position.

        `id_codes` are the numbers of the rows' ids, below 0 where there is none.
        """
        kept = id_codes >= 0
        kept[list(self.refused)] = False
        has_other = np.zeros(int(id_codes.max(initial=-1)) + 2, dtype=np.bool_)
        has_other[id_codes[kept]] = True  # the last stands for rows without an id
        return {i: reason for i, reason in self.refused.items() if not has_other[id_codes[i]]}


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

    def cells_of(task: tuple[ClkFeature, str]) -> pa.Array:
        feature, field = task
        if field in sources and as_they_stand:
            return _joined(table, sources[field])
        brought = field in sources
        return in_form(
            standardized.fields[field] if brought else pa.nulls(len(table), _TEXT), feature
        )

    tasks = list(zip(schema.features, fields, strict=True))
    cells = list(run_in_threads(cells_of, tasks, n_threads=threads_for(len(table))))
    shown = {name: " + ".join(source.columns) for name, source in sources.items()}
    result = encode_clks(
        _columns(schema, cells, len(table)),
        _renamed(schema, [shown.get(field, field) for field in fields]),
        secret=secret.reveal(),
        rows=np.arange(len(table), dtype=np.int64),
    )
    words, present = _of_all_rows(result, len(table))
    kept = run_in_threads(
        lambda i: _without(standardized.fields[fields[i]], present[:, i]),
        range(len(fields)),
        n_threads=threads_for(len(table)),
    )
    masked = dict(zip(fields, kept, strict=True))
    issues, notes = standardized.issues, standardized.notes
    if as_they_stand:
        notes = tuple(_hashed_all_the_same(issue) for issue in standardized.issues)
        issues = ()
    return ClkRows(
        words=words,
        refused={item.row: item.reason for item in result.set_aside},
        standardized=dataclasses.replace(standardized, fields=masked, issues=issues, notes=notes),
    )


def _of_all_rows(
    result: ClkResult, n_rows: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Return filters and what is present of all rows; nothing where a row was set aside."""
    if len(result) == n_rows:
        return result.words, result.present
    words = np.zeros((n_rows, result.words.shape[1]), dtype=np.uint64)
    present = np.zeros((n_rows, result.present.shape[1]), dtype=np.bool_)
    words[result.rows], present[result.rows] = result.words, result.present
    return words, present


def _without(values: pa.Array, present: npt.NDArray[np.bool_]) -> pa.Array:
    if not (is_valid(values) & ~present).any():
        return values
    return pc.if_else(pa.array(present), values, pa.scalar(None, _TEXT))


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
        values = rewrite(encoded.dictionary).take(encoded.indices)
    return pc.fill_null(values.cast(_TEXT), pa.scalar(blank, _TEXT))


def _rewriter(feature: ClkFeature) -> Callable[[pa.Array], pa.Array] | None:
    form = feature.format
    if isinstance(form, DateFormat):
        return lambda values: with_format(values, form.format)
    if isinstance(form, EnumFormat):
        spelled = {value.casefold(): value for value in reversed(form.values)}
        return _one_by_one(lambda value: spelled.get(value.casefold(), value))
    if isinstance(form, TextFormat) and form.case != "mixed":
        return _one_by_one(str.upper if form.case == "upper" else str.lower)
    return None


def _one_by_one(rewrite: Callable[[str], str]) -> Callable[[pa.Array], pa.Array]:
    return lambda values: pa.array([rewrite(value) for value in values.to_pylist()], _TEXT)


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
