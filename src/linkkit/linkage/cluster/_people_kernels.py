"""Groups of records that grow best pair first, compiled by numba when first used.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.cluster._people_reference` says what it computes.
"""

from __future__ import annotations

from typing import Any

from linkkit.engines.compiled import kernel, kernel_part

__all__ = ["join_groups"]


@kernel_part
def _weight_of(starts: Any, partners: Any, weights: Any, i: Any, j: Any, absent: Any) -> Any:
    """Look up the weight of a pair by bisection among the partners of the smaller record."""
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
        return weights[low]
    return absent


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


@kernel
def join_groups(
    left: Any, right: Any, starts: Any, partners: Any, weights: Any, absent: Any, party: Any,
    clean: Any, group: Any, following: Any, last: Any,
) -> None:  # fmt: skip
    """Go through the pairs, best first, and join the groups of both records if the evidence allows.

    `group` is each record's smallest member, `following` the next member of its group or -1, `last` a
    group's last member; at first every record is alone. The weight of a pair that is not listed is
    `absent`.
    """
    for k in range(len(left)):
        a, b = group[left[k]], group[right[k]]
        if a == b or _collide(following, party, clean, a, b):
            continue
        total, n = 0.0, 0
        i = a
        while i >= 0:
            j = b
            while j >= 0:
                total += _weight_of(starts, partners, weights, i, j, absent)
                n += 1
                j = following[j]
            i = following[i]
        if total / n <= 0:
            continue
        keep, gone = (a, b) if a < b else (b, a)
        following[last[keep]] = gone
        last[keep] = last[gone]
        i = gone
        while i >= 0:
            group[i] = keep
            i = following[i]
