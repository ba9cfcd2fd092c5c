"""Schema strength: what the linkage fields tell of a record, each, in pairs, and together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import FieldKind
from linkkit.partner.preflight.results import FieldStrength, JointStrength, PairStrength
from linkkit.partner.preflight.rules import LIMITS, withstands
from linkkit.partner.preflight.sizes import (
    class_sizes,
    combined,
    entropy_bits,
    look_alikes,
    share_alone,
)

__all__ = ["field_strength", "joint_strength", "value_ranks"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

Codes = npt.NDArray[np.int64]


def value_ranks(column: pa.Array) -> Codes:
    """Return the rank of each value among the distinct ones, which no order of rows changes.

    Parameters
    ----------
    column : pyarrow.Array
        Standardized values, null where missing.

    Returns
    -------
    ndarray of int64, shape (n_records,)
        From 0; -1 where missing.

    Examples
    --------
    >>> value_ranks(pa.array(["b", None, "a", "b"]))
    array([ 1, -1,  0,  1])
    """
    distinct = column.dictionary_encode()
    rank = np.empty(len(distinct.dictionary) + 1, dtype=np.int64)
    rank[-1] = -1  # a missing value
    order = pc.sort_indices(distinct.dictionary).to_numpy(zero_copy_only=False)
    rank[order] = np.arange(len(order))
    codes = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(rank[codes], dtype=np.int64)


def field_strength(name: str, kind: FieldKind, codes: Codes) -> FieldStrength:
    """Measure one field by the numbers of its values, -1 where missing."""
    sizes = class_sizes(codes)
    n_present, n_most = int(sizes.sum()), int(sizes.max(initial=0))
    return FieldStrength(
        name=name,
        kind=kind,
        n_present=n_present,
        n_distinct=len(sizes),
        share_missing=1 - n_present / len(codes),
        entropy_bits=entropy_bits(sizes),
        share_unique=share_alone(sizes),
        n_most_common=n_most,
        share_most_common=n_most / n_present if n_present else 0.0,
        look_alikes=look_alikes(sizes),
    )


def joint_strength(codes: Mapping[str, Codes], *, profile: str, n_telling: int) -> JointStrength:
    """Measure all fields together, in pairs, and with each of them left out.

    Parameters
    ----------
    codes : mapping of str to ndarray
        Numbers of the values of each field, -1 where missing.
    profile : str
        The agreement's profile.
    n_telling : int
        Linkage fields with values, sex apart, that are encoded.
    """
    filled = {name: column for name, column in codes.items() if np.any(column >= 0)}
    n_records = len(next(iter(codes.values())))
    sizes = class_sizes(_joined(filled, n_records))
    without = {name: share_alone(class_sizes(rest)) for name, rest in _left_out(filled, n_records)}
    pairs = [_pair(one, other, filled) for one, other in combinations(filled, 2)]
    alone = share_alone(sizes)
    return JointStrength(
        fields=tuple(filled),
        entropy_bits=entropy_bits(sizes),
        possible_bits=math.log2(n_records),
        share_unique=alone,
        look_alikes=look_alikes(sizes),
        n_most_common=int(sizes.max()),
        without=without,
        pairs=tuple(sorted(pairs, key=lambda pair: -pair.share_unique)),
        to_link=_to_link(alone),
        to_withstand=withstands(profile, n_telling),
    )


def _to_link(share_unique: float) -> Literal["good", "fair", "weak"]:
    if share_unique >= LIMITS.good_links:
        return "good"
    return "fair" if share_unique >= LIMITS.fair_links else "weak"


def _joined(codes: Mapping[str, Codes], n_records: int) -> Codes:
    joined = np.zeros(n_records, dtype=np.int64)
    for column in codes.values():
        joined = combined(joined, column)
    return joined


def _left_out(codes: Mapping[str, Codes], n_records: int) -> list[tuple[str, Codes]]:
    """Return, for each field, the combinations of all others; from the left and from the right."""
    nothing = np.zeros(n_records, dtype=np.int64)
    names = list(codes)
    before, after = [nothing], [nothing]
    for name in names[:-1]:
        before.append(combined(before[-1], codes[name]))
    for name in names[:0:-1]:
        after.append(combined(after[-1], codes[name]))
    return [
        (name, combined(left, right))
        for name, left, right in zip(names, before, reversed(after), strict=True)
    ]


def _pair(one: str, other: str, codes: Mapping[str, Codes]) -> PairStrength:
    sizes = class_sizes(combined(codes[one], codes[other]))
    return PairStrength(
        fields=(one, other), share_unique=share_alone(sizes), look_alikes=look_alikes(sizes)
    )
