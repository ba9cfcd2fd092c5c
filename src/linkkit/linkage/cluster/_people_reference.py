"""Groups of records that grow best pair first, slow and obvious: what the compiled must equal.

It also runs where numba has no wheel.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

import numpy as np
import numpy.typing as npt

__all__ = ["join_groups"]

_Ints = npt.NDArray[np.int64]
_Pair = tuple[int, int]


def join_groups(
    left: _Ints,
    right: _Ints,
    weights: Mapping[_Pair, float],
    first: _Ints,
    *,
    absent: float,
    bar: float,
    most: int,
    party: _Ints,
    clean: npt.NDArray[np.bool_],
    apart: Set[_Pair],
) -> tuple[_Ints, list[_Pair]]:
    """Go through the pairs, best first, and join the groups of both records if the evidence allows.

    Records start in groups, `first`, the smallest record of each. Two groups are joined if the mean
    weight of the pairs between them, of `most` records of each at most, is `bar` or more, if no party
    that holds each person once, `clean`, has a record in both, and if no pair between them is known to
    be of two people, `apart`. A pair that is not listed weighs `absent`.

    Returns the smallest record of each record's group, and the pairs that were asked for and not listed.
    """
    group = first.tolist()
    members: dict[int, list[int]] = {}
    for record, label in enumerate(group):
        members.setdefault(label, []).append(record)
    asked: list[_Pair] = []
    for one, other in zip(left.tolist(), right.tolist(), strict=True):
        a, b = group[one], group[other]
        if a == b:
            continue
        between = [(min(i, j), max(i, j)) for i in members[a] for j in members[b]]
        if any(clean[party[i]] and party[i] == party[j] for i, j in between):
            continue
        if any(pair in apart for pair in between):
            continue
        looked_at = [(min(i, j), max(i, j)) for i in members[a][:most] for j in members[b][:most]]
        asked += [pair for pair in looked_at if pair not in weights]
        total = 0.0
        for pair in looked_at:
            total += weights.get(pair, absent)
        if total / len(looked_at) < bar:
            continue
        keep, gone = min(a, b), max(a, b)
        members[keep] += members.pop(gone)
        for i in members[keep]:
            group[i] = keep
    return np.array(group, dtype=np.int64), asked
