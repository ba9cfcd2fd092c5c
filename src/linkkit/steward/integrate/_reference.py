"""The slow, obvious twin of `combine`, for tests."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from linkkit.agreement import Combination

__all__ = ["combine_reference"]


def combine_reference(
    people: Sequence[int], values: Sequence[float], *, how: Combination
) -> tuple[dict[int, float], int]:
    """Return the combined value of each person with a row, and how many have conflicts.

    Examples
    --------
    >>> combine_reference([0, 2, 0, 0], [7, 5, 7, 3], how="most_common")
    ({0: 7, 2: 5}, 1)
    """
    rows: defaultdict[int, list[float]] = defaultdict(list)
    for person, value in zip(people, values, strict=True):
        rows[person].append(value)
    combined = {person: _combine(mine, how) for person, mine in rows.items()}
    return combined, sum(len(set(mine)) > 1 for mine in rows.values())


def _combine(values: list[float], how: Combination) -> float:
    if how == "min":
        return min(values)
    if how == "max":
        return max(values)
    if how == "most_common":
        counts = Counter(values)
        return min(value for value in counts if counts[value] == max(counts.values()))
    total = sum(values) if all(isinstance(v, int) for v in values) else math.fsum(values)
    return total if how == "sum" else total / len(values)
