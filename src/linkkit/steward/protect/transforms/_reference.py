"""Slow and obvious twins of microaggregation, for tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

__all__ = ["least_error", "mdav_reference"]


def mdav_reference(points: Sequence[Sequence[int]], k: int) -> list[int]:
    """Return the MDAV group of each point; of equally far or near points, the first counts."""
    groups = [0] * len(points)
    left = list(range(len(points)))
    number = 0

    def apart(i: int, center: Sequence[int]) -> int:
        return sum((a - b) ** 2 for a, b in zip(points[i], center, strict=True))

    def far_from_centroid() -> Sequence[int]:
        sums = [sum(points[i][j] for i in left) for j in range(len(points[0]))]
        center = [math.floor(total / len(left) + 0.5) for total in sums]
        return points[max(left, key=lambda i: (apart(i, center), -i))]

    def take(center: Sequence[int]) -> None:
        nonlocal number
        for i in sorted(left, key=lambda i: (apart(i, center), i))[:k]:
            groups[i] = number
            left.remove(i)
        number += 1

    while len(left) >= 3 * k:
        far = far_from_centroid()
        take(far)
        take(points[max(left, key=lambda i: (apart(i, far), -i))])
    if len(left) >= 2 * k:
        take(far_from_centroid())
    for i in left:
        groups[i] = number
    return groups


def least_error(values: Sequence[float], k: int) -> float:
    """Return the least sum of squared errors of groups of at least k values, by trying all."""
    ordered = sorted(values)

    def error(begin: int, end: int) -> float:
        mean = math.fsum(ordered[begin:end]) / (end - begin)
        return math.fsum((value - mean) ** 2 for value in ordered[begin:end])

    @cache
    def best(end: int) -> float:
        if not end:
            return 0.0
        return min(
            (best(begin) + error(begin, end) for begin in range(end - k + 1)), default=math.inf
        )

    return best(len(ordered))
