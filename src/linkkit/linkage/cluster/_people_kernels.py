"""Groups of records that grow best pair first, compiled by numba when first used.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.cluster._people_reference` says what it computes.
"""

from __future__ import annotations

from typing import Any

from linkkit.engines.compiled import kernel, kernel_part

__all__ = ["join_groups"]


@kernel_part
def _place_of(starts: Any, partners: Any, i: Any, j: Any) -> Any:
    """Look up a pair by bisection among the partners of the smaller record; -1 if it is not listed."""
    if i > j:
        i, j = j, i
    low, high = starts[i], starts[i + 1]
    while low < high:
        middle = (low + high) // 2
        if partners[middle] < j:
            low = middle + 1
        else:
            high = middle
    if low < starts[i + 1] and partners[low] == j:
        return low
    return -1


@kernel_part
def _collide(following: Any, party: Any, clean: Any, a: Any, b: Any) -> Any:
    """Return whether a party that holds each person once has a record in both groups."""
    i = a
    while i >= 0:
        if clean[party[i]]:
            j = b
            while j >= 0:
                if party[j] == party[i]:
                    return True
                j = following[j]
        i = following[i]
    return False


@kernel_part
def _apart(following: Any, group: Any, starts: Any, others: Any, a: Any, b: Any) -> Any:
    """Return whether a record of one group is known to be of another person than one of the other."""
    i = a
    while i >= 0:
        for k in range(starts[i], starts[i + 1]):
            if group[others[k]] == b:
                return True
        i = following[i]
    return False


@kernel
def join_groups(
    left: Any, right: Any, starts: Any, partners: Any, weights: Any, absent: Any, bar: Any,
    most: Any, party: Any, clean: Any, apart_starts: Any, apart: Any, group: Any, following: Any,
    last: Any, asked_left: Any, asked_right: Any,
) -> Any:  # fmt: skip
    """Go through the pairs, best first, and join the groups of both records if the evidence allows.

    `group` is each record's smallest member, `following` the next member of its group or -1, `last` a
    group's last member, as the groups are at first. The weight of a pair that is not listed is `absent`;
    such pairs that were asked for are put into `asked_left` and `asked_right` as far as they fit, and the
    number of them is returned.
    """
    n_asked = 0
    for k in range(len(left)):
        a, b = group[left[k]], group[right[k]]
        if a == b or _collide(following, party, clean, a, b):
            continue
        if len(apart) and _apart(following, group, apart_starts, apart, a, b):
            continue
        total, n = 0.0, 0
        i, n_i = a, 0
        while i >= 0 and n_i < most:
            j, n_j = b, 0
            while j >= 0 and n_j < most:
                place = _place_of(starts, partners, i, j)
                if place >= 0:
                    total += weights[place]
                else:
                    total += absent
                    if n_asked < len(asked_left):
                        asked_left[n_asked] = min(i, j)
                        asked_right[n_asked] = max(i, j)
                    n_asked += 1
                n += 1
                n_j += 1
                j = following[j]
            n_i += 1
            i = following[i]
        if total / n < bar:
            continue
        keep, gone = (a, b) if a < b else (b, a)
        following[last[keep]] = gone
        last[keep] = last[gone]
        i = gone
        while i >= 0:
            group[i] = keep
            i = following[i]
    return n_asked
