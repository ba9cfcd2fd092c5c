"""What a reader must know of each variable: label, role, generalization, origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pyarrow as pa

from linkkit.agreement import Agreement, Combination
from linkkit.steward.integrate.dataset import STUDY_ID
from linkkit.steward.protect.dataset import Recoding, Role, VariableNote

__all__ = ["describe_variables"]

_COMBINED: Mapping[Combination, str] = {
    "mean": "mean of a person's values",
    "sum": "sum of a person's values",
    "min": "smallest of a person's values",
    "max": "largest of a person's values",
    "most_common": "most common of a person's values, the smallest of equally common ones",
}


def describe_variables(
    schema: pa.Schema,
    agreement: Agreement,
    recodings: Sequence[Recoding],
    changes: Mapping[str, str],
) -> tuple[VariableNote, ...]:
    """Return a note for each column of a protected table, in its order.

    ``changes`` says what was done to variables that are no quasi-identifiers.
    """
    coarser = {item.variable: item.description for item in recodings}
    return tuple(_note(field, agreement, coarser, changes) for field in schema)


def _note(
    field: pa.Field, agreement: Agreement, coarser: Mapping[str, str], changes: Mapping[str, str]
) -> VariableNote:
    name = str(field.name)
    if name == STUDY_ID:
        return VariableNote(
            name=name,
            type="text",
            label="Pseudonym of a person, valid in this project only",
            role="study id",
        )
    role: Role = "quasi-identifier" if name in coarser else "payload"
    if name not in agreement.variables:
        party = agreement.party(name.removeprefix("in_"))
        return VariableNote(
            name=name,
            type=_type(field.type),
            label=f"Whether {party.name} has a record of the person",
            role="quasi-identifier" if name in coarser else "participation",
            generalization=coarser.get(name, ""),
        )
    return VariableNote(
        name=name,
        type=_type(field.type),
        label=agreement.variables[name].label or name,
        role=role,
        generalization=coarser.get(name) or changes.get(name, ""),
        combined=_COMBINED[agreement.variables[name].combine],
        sent_by=tuple(p.name for p in agreement.parties.values() if name in p.payload),
    )


def _type(kind: pa.DataType) -> Literal["integer", "number", "category", "date", "yes or no"]:
    if pa.types.is_boolean(kind):
        return "yes or no"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_integer(kind):
        return "integer"
    return "number" if pa.types.is_floating(kind) else "category"
