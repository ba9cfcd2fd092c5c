"""Groups of records that grow best pair first, slow and obvious: what the compiled must equal.

It also runs where numba has no wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["join_groups"]

_Ints = npt.NDArray[np.int64]


def join_groups(
    left: _Ints,
    right: _Ints,
    weights: dict[tuple[int, int], float],
    *,
    absent: float,
    party: _Ints,
    clean: npt.NDArray[np.bool_],
) -> _Ints:
    """Go through the pairs, best first, and join the groups of both records if the evidence allows.

    Two groups are joined if the mean weight of all pairs between them is positive, `absent` where a
    pair is not listed, and if no party that holds each person once, `clean`, has a record in both.
    Returns the smallest record of each record's group.
    """
    group = list(range(len(party)))
    members = {i: [i] for i in group}
    for one, other in zip(left.tolist(), right.tolist(), strict=True):
        a, b = group[one], group[other]
        if a == b:
            continue
        once = {int(party[i]) for i in members[a] if clean[party[i]]}
        if any(int(party[j]) in once for j in members[b]):
            continue
        total = 0.0
        for i in members[a]:
            for j in members[b]:
                total += weights.get((i, j) if i < j else (j, i), absent)
        if total / (len(members[a]) * len(members[b])) <= 0:
            continue
        keep, gone = min(a, b), max(a, b)
        members[keep] += members.pop(gone)
        for i in members[keep]:
            group[i] = keep
    return np.array(group, dtype=np.int64)
