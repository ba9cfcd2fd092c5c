"""Write down what privacy models promise, as the plain data that a release is checked against."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from linkkit.steward.promises import (
    ModelPromise,
    PromisedCloseness,
    PromisedDistinctL,
    PromisedEntropyL,
    PromisedHouseholdK,
    PromisedK,
    PromisedKMap,
    PromisedPresence,
    PromisedRecursiveL,
)
from linkkit.steward.protect.compiled_models import coded_values
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

__all__ = ["promise_models"]


def promise_models(
    models: Sequence[PrivacyModel],
    *,
    sensitive: Mapping[str, pa.Array | pa.ChunkedArray] | None = None,
) -> tuple[ModelPromise, ...]:
    """Return what models promise.

    Parameters
    ----------
    models : sequence of PrivacyModel
        The models.
    sensitive : mapping of str to array, optional
        Columns that they name, one row for each person, which t-closeness promises to be close
        to; without it, those of the file.

    Examples
    --------
    >>> promise_models([KAnonymity(k=5)])
    (PromisedK(k=5, model='k-anonymity'),)
    """
    return tuple(_promise(model, sensitive or {}) for model in models)


def _promise(
    model: PrivacyModel, sensitive: Mapping[str, pa.Array | pa.ChunkedArray]
) -> ModelPromise:
    match model:
        case KAnonymity(k=k):
            return PromisedK(k=k)
        case HouseholdKAnonymity(k=k):
            return PromisedHouseholdK(k=k)
        case KMap(k=k):
            return PromisedKMap(k=k)
        case DeltaPresence(low=low, high=high):
            return PromisedPresence(low=low, high=high)
        case DistinctLDiversity(sensitive=name, l=least):
            return PromisedDistinctL(sensitive=name, l=least)
        case EntropyLDiversity(sensitive=name, l=least_entropy):
            return PromisedEntropyL(sensitive=name, l=least_entropy)
        case RecursiveLDiversity(sensitive=name, c=c, l=least):
            return PromisedRecursiveL(sensitive=name, c=c, l=least)
    return _closeness(model, sensitive.get(model.sensitive))


def _closeness(model: TCloseness, column: pa.Array | pa.ChunkedArray | None) -> PromisedCloseness:
    overall = None
    if column is not None:
        values, codes = coded_values(column)
        counts = np.bincount(codes, minlength=len(values)).tolist()
        overall = tuple((_plain(v), n) for v, n in zip(values, counts, strict=True))
    return PromisedCloseness(
        sensitive=model.sensitive,
        t=model.t,
        distance=model.distance,
        hierarchy=model.hierarchy,
        order=model.order,
        overall=overall,
    )


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value
