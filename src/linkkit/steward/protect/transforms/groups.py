"""Groups of at least k similar rows: MDAV, and the optimum for one variable.

Rows are brought into an order of their own first, so that the order in which they came does not
matter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba

__all__ = ["MAX_VARIABLES", "group_rows"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_VARIABLES = 32
_LARGEST = 2.0**23
"""Standardized values are rounded to whole numbers up to here: 32 squares of differences of them
add up to no more than 2^53, so that distances are exact."""


def group_rows(values: Floats, *, k: int, block_size: int) -> Ints:
    """Number the groups of rows.

    One variable is grouped optimally (Hansen and Mukherjee 2003), several by MDAV
    (Domingo-Ferrer and Mateo-Sanz 2002, as Domingo-Ferrer and Torra 2005 state it), on values
    with mean 0 and variance 1. More rows than `block_size` are first halved, again and again,
    at the median of the variable that varies most.

    Parameters
    ----------
    values : ndarray of float64, shape (n, n_variables)
        Finite; `k` rows or more.
    k : int
        The fewest rows in a group.
    block_size : int
        The most rows that are grouped at once; at least 4 k.

    Returns
    -------
    ndarray of int64, shape (n,)
        A group of `k` to ``2 * k - 1`` rows for each row.

    Examples
    --------
    >>> import numpy as np
    >>> group_rows(np.array([[1.0], [9.0], [2.0], [8.0]]), k=2, block_size=100).tolist()
    [0, 1, 0, 1]
    """
    order = np.lexsort(values.T[::-1])
    ordered = values[order]
    groups = np.empty(len(values), dtype=np.int64)
    if values.shape[1] == 1:
        groups[order] = _group_sorted(ordered[:, 0].copy(), k)
        return groups
    points = _whole_points(ordered)
    found = np.empty(len(values), dtype=np.int64)
    n_groups = 0
    for rows in _blocks(points, block_size):
        mine = _group_points(points[:, rows], k)
        found[rows] = mine + n_groups
        n_groups += int(mine.max()) + 1
    groups[order] = found
    return groups


def _whole_points(values: Floats) -> Floats:
    """Standardize, and round to whole numbers; shape (n_variables, n)."""
    # Scaled first, so that squares of the largest numbers can be written.
    size = np.abs(values).max(axis=0)
    values = values / np.where(size > 0, size, 1.0)
    centered = values - values.mean(axis=0)
    deviation = np.sqrt((centered**2).mean(axis=0))
    standard = centered / np.where(deviation > 0, deviation, 1.0)
    largest = float(np.abs(standard).max())
    scale = _LARGEST / largest if largest > 0 else 1.0
    return np.ascontiguousarray(np.rint(standard * scale).T)


def _blocks(points: Floats, block_size: int) -> list[Ints]:
    """Halve the points until each part has at most `block_size` of them."""
    parts = [np.arange(points.shape[1], dtype=np.int64)]
    blocks: list[Ints] = []
    while parts:
        rows = parts.pop()
        if len(rows) <= block_size:
            blocks.append(rows)
            continue
        mine = points[:, rows]
        widest = int(np.argmax(((mine - np.rint(mine.mean(axis=1))[:, None]) ** 2).sum(axis=1)))
        ranked = rows[np.argsort(mine[widest], kind="stable")]
        half = len(rows) // 2
        parts += [np.sort(ranked[half:]), np.sort(ranked[:half])]
    return blocks


def _group_points(points: Floats, k: int) -> Ints:
    if not has_numba():
        return _group_points_in_numpy(points, k)
    from linkkit.steward.protect.transforms import _kernels

    n = points.shape[1]
    groups = np.empty(n, dtype=np.int64)
    _kernels.group_points(
        np.ascontiguousarray(points),
        np.arange(n, dtype=np.int64),
        np.empty(len(points)),
        np.empty(n),
        np.zeros(k, dtype=np.int64),
        groups,
    )
    return groups


def _group_points_in_numpy(points: Floats, k: int) -> Ints:
    groups = np.zeros(points.shape[1], dtype=np.int64)
    left = np.arange(points.shape[1])
    number = 0

    def distances(center: Floats) -> Floats:
        apart: Floats = ((points[:, left] - center[:, None]) ** 2).sum(axis=0)
        return apart

    def farthest_from_centroid() -> Floats:
        center = np.floor(points[:, left].sum(axis=1) / len(left) + 0.5)
        far: Floats = points[:, left[np.argmax(distances(center))]]
        return far

    def take(center: Floats) -> None:
        nonlocal left, number
        near = np.argsort(distances(center), kind="stable")[:k]
        groups[left[near]] = number
        left, number = np.delete(left, near), number + 1

    while len(left) >= 3 * k:
        far = farthest_from_centroid()
        take(far)
        take(points[:, left[np.argmax(distances(far))]])
    if len(left) >= 2 * k:
        take(farthest_from_centroid())
    groups[left] = number
    return groups


def _group_sorted(values: Floats, k: int) -> Ints:
    size = float(np.abs(values).max())
    scaled = values / size if size > 0 else values
    cost, begin = np.empty(len(values) + 1), np.zeros(len(values) + 1, dtype=np.int64)
    if has_numba():
        from linkkit.steward.protect.transforms import _kernels

        _kernels.group_sorted(scaled, k, cost, begin)
    else:
        _group_sorted_in_numpy(scaled, k, cost, begin)
    starts: list[int] = []
    end = len(values)
    while end:
        end = int(begin[end])
        starts.append(end)
    marks = np.zeros(len(values), dtype=np.int64)
    marks[starts] = 1
    return np.cumsum(marks) - 1


def _group_sorted_in_numpy(values: Floats, k: int, cost: Floats, begin: Ints) -> None:
    n = len(values)
    ends = np.arange(n + 1)
    mean, error = np.zeros(n + 1), np.zeros(n + 1)
    errors = np.full((n + 1, k), np.inf)
    for size in range(1, min(2 * k - 1, n) + 1):
        here = ends[size:]
        value = values[here - size]
        apart = value - mean[here]
        mean[here] += apart / size
        error[here] += apart * (value - mean[here])
        if size >= k:
            errors[here, size - k] = error[here]
    cost[:] = np.inf
    cost[0] = 0.0
    for end in range(k, n + 1):
        sizes = np.arange(k, min(2 * k - 1, end) + 1)
        found = cost[end - sizes] + errors[end, sizes - k]
        best = int(np.argmin(found))
        if found[best] < np.inf:
            cost[end], begin[end] = found[best], end - sizes[best]
