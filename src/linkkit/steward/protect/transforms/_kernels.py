"""Kernels of microaggregation. Only loaded where numba is installed.

Points are whole numbers below 2^23 held as floats, in at most 32 dimensions, so that squared
distances and sums are exact, and the same in whatever order they are computed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part

__all__ = ["group_points", "group_sorted"]


@kernel_part
def _measure(points: Any, n: int, center: Any, distance: Any) -> None:
    """Fill in the squared distances of the first n points from the center."""
    for i in range(n):
        distance[i] = 0.0
    for j in range(len(center)):
        at = center[j]
        for i in range(n):
            apart = points[j, i] - at
            distance[i] += apart * apart


@kernel_part
def _measure_from_centroid(points: Any, n: int, center: Any, distance: Any) -> None:
    for j in range(len(center)):
        total = 0.0
        for i in range(n):
            total += points[j, i]
        center[j] = np.floor(total / n + 0.5)
    _measure(points, n, center, distance)


@kernel_part
def _move_to(points: Any, n: int, center: Any, distance: Any) -> None:
    """Put the center on the farthest point, the first of several, and measure from there."""
    far = 0
    for i in range(1, n):
        if distance[i] > distance[far]:
            far = i
    for j in range(len(center)):
        center[j] = points[j, far]
    _measure(points, n, center, distance)


@kernel_part
def _take(
    points: Any, left: Any, n: int, distance: Any, near: Any, groups: Any, number: int
) -> int:
    """Make the nearest points a group, the first of equally near ones, and close the gaps."""
    k = len(near)
    for i in range(n):
        if i < k or distance[i] < distance[near[k - 1]]:
            at = min(i, k - 1)
            while at > 0 and distance[i] < distance[near[at - 1]]:
                near[at] = near[at - 1]
                at -= 1
            near[at] = i
    for at in range(k):
        groups[left[near[at]]] = number
        distance[near[at]] = -1.0
    kept = 0
    for i in range(n):
        if distance[i] >= 0.0:
            left[kept] = left[i]
            distance[kept] = distance[i]
            for j in range(len(points)):
                points[j, kept] = points[j, i]
            kept += 1
    return kept


@kernel
def group_points(
    points: Any, left: Any, center: Any, distance: Any, near: Any, groups: Any
) -> None:
    """Group points by MDAV; destroys `points` and `left`, fills `groups`.

    Parameters
    ----------
    points : ndarray of float64, shape (n_variables, n)
    left : ndarray of int64, shape (n,)
        0 to n - 1.
    center, distance, near : ndarray of float64, float64 and int64
        Room for n_variables, n and k numbers.
    groups : ndarray of int64, shape (n,)
    """
    n, k, number = len(left), len(near), 0
    while n >= 3 * k:
        _measure_from_centroid(points, n, center, distance)
        _move_to(points, n, center, distance)
        n = _take(points, left, n, distance, near, groups, number)
        _move_to(points, n, center, distance)
        n = _take(points, left, n, distance, near, groups, number + 1)
        number += 2
    if n >= 2 * k:
        _measure_from_centroid(points, n, center, distance)
        _move_to(points, n, center, distance)
        n = _take(points, left, n, distance, near, groups, number)
        number += 1
    for i in range(n):
        groups[left[i]] = number


@kernel
def group_sorted(values: Any, k: int, cost: Any, begin: Any) -> None:
    """Find the cheapest groups of k to 2k - 1 neighbors among sorted values.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        In ascending order, `k` or more.
    cost : ndarray of float64, shape (n + 1,)
        Is filled with the least squared error of the first values; infinite where none is.
    begin : ndarray of int64, shape (n + 1,)
        Is filled with where the last group of the first values begins.
    """
    n = len(values)
    cost[0] = 0.0
    begin[0] = 0
    for i in range(1, n + 1):
        cost[i] = np.inf
        begin[i] = 0
        mean, error = 0.0, 0.0
        for size in range(1, min(2 * k - 1, i) + 1):
            value = values[i - size]
            apart = value - mean
            mean += apart / size
            error += apart * (value - mean)
            if size >= k and cost[i - size] + error < cost[i]:
                cost[i] = cost[i - size] + error
                begin[i] = i - size
