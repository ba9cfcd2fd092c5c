"""What a protected table promises, written down for the check of the release."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from linkkit.steward.promises import (
    Codebook,
    ModelPromise,
    PromisedCloseness,
    PromisedDistinctL,
    PromisedEntropyL,
    PromisedHouseholdK,
    PromisedK,
    PromisedKMap,
    PromisedPresence,
    PromisedRecursiveL,
    Promises,
)
from linkkit.steward.promises import Shown as ShownLabel
from linkkit.steward.protect.models import (
    DeltaPresence,
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    KMap,
    PrivacyModel,
    RecursiveLDiversity,
    TCloseness,
)
from linkkit.steward.protect.recode import Recoded, Request, joint_column, population_of

__all__ = ["promises_of"]

_PROMISED: Mapping[type, Callable[[Any], ModelPromise]] = {
    KAnonymity: lambda m: PromisedK(k=m.k),
    HouseholdKAnonymity: lambda m: PromisedHouseholdK(k=m.k),
    KMap: lambda m: PromisedKMap(k=m.k),
    DistinctLDiversity: lambda m: PromisedDistinctL(sensitive=m.sensitive, l=m.l),
    EntropyLDiversity: lambda m: PromisedEntropyL(sensitive=m.sensitive, l=m.l),
    RecursiveLDiversity: lambda m: PromisedRecursiveL(sensitive=m.sensitive, c=m.c, l=m.l),
    TCloseness: lambda m: PromisedCloseness(
        sensitive=m.sensitive, t=m.t, distance=m.distance, hierarchy=m.hierarchy
    ),
    DeltaPresence: lambda m: PromisedPresence(low=m.low, high=m.high),
}


def promises_of(found: Recoded, request: Request, table: pa.Table) -> Promises:
    """Write down what was asked of a recoding, and where it counts, what its labels cover.

    Parameters
    ----------
    found : Recoded
        The classes that were found.
    request : Request
        What was asked.
    table : pyarrow.Table
        The values of the quasi-identifiers, of all rows.
    """
    population = population_of(request.models)
    return Promises(
        models=tuple(_promise(model) for model in request.models),
        quasi_identifiers=tuple(request.quasi_identifiers),
        missing=request.missing,
        codebook=tuple(
            Codebook(
                variable=one.variable,
                shown=_labels(found, i, joint_column(table, one.variable, population)),
            )
            for i, one in enumerate(found.shown)
            if population is not None and not one.keeps_values
        ),
    )


def _promise(model: PrivacyModel) -> ModelPromise:
    return _PROMISED[type(model)](model)


def _labels(found: Recoded, i: int, column: pa.Array) -> tuple[ShownLabel, ...]:
    """Say what each label of a quasi-identifier covers, by the values of the groups it covers."""
    hierarchy, one = found.hierarchies[i], found.shown[i]
    encoded = column.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    pairs = np.unique(np.column_stack([hierarchy.base, codes])[codes >= 0], axis=0)
    of_group: defaultdict[int, list[Any]] = defaultdict(list)
    for group, code in pairs.tolist():
        of_group[group].append(values[code])
    gap = hierarchy.n_groups - 1
    return tuple(
        _label(label, covers, of_group, gap, is_range=hierarchy.shown_as == "range")
        for label, covers in zip(one.labels, one.covers, strict=True)
        if label is not None
    )


def _label(
    label: str,
    covers: tuple[int, ...],
    of_group: Mapping[int, list[Any]],
    gap: int,
    *,
    is_range: bool,
) -> ShownLabel:
    if len(covers) > gap:
        return ShownLabel(label=label)
    values = [value for group in covers for value in of_group.get(group, ())]
    if is_range and values:
        low, high = min(values), max(values)
        return ShownLabel(label=label, low=_plain(low), high=_plain(high), missing=gap in covers)
    texts = tuple(sorted(str(v).lower() if isinstance(v, bool) else str(v) for v in values))
    return ShownLabel(label=label, values=texts, missing=gap in covers)


def _plain(value: Any) -> float | str:
    return value.isoformat() if isinstance(value, dt.date) else float(value)
