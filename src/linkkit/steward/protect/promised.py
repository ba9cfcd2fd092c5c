"""What a protected table promises, written down for the check of the release."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from linkkit.steward.promises import (
    Codebook,
    PromisedAverages,
    PromisedSafeHarbor,
    PromisedShift,
    Promises,
)
from linkkit.steward.promises import Shown as ShownLabel
from linkkit.steward.protect.promised_models import promise_models
from linkkit.steward.protect.recode import Recoded, Request, joint_column, population_of

__all__ = ["promises_of"]


def promises_of(
    found: Recoded,
    request: Request,
    table: pa.Table,
    *,
    averages: PromisedAverages | None = None,
    shift: PromisedShift | None = None,
    safe_harbor: PromisedSafeHarbor | None = None,
) -> Promises:
    """Write down what was asked of a recoding, and where it counts, what its labels cover.

    Parameters
    ----------
    found : Recoded
        The classes that were found.
    request : Request
        What was asked.
    table : pyarrow.Table
        The values of the quasi-identifiers, of all rows.
    averages, shift, safe_harbor : optional
        What is done besides.
    """
    population = population_of(request.models)
    return Promises(
        models=promise_models(request.models),
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
        averages=averages,
        shift=shift,
        safe_harbor=safe_harbor,
    )


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
    # Different groups may be written alike; a reader cannot tell which of them are meant.
    together: defaultdict[str, set[int]] = defaultdict(set)
    for label, covers in zip(one.labels, one.covers, strict=True):
        if label is not None:
            together[label].update(covers)
    return tuple(
        _label(label, sorted(covers), of_group, gap, is_range=hierarchy.shown_as == "range")
        for label, covers in together.items()
    )


def _label(
    label: str,
    covers: Sequence[int],
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
