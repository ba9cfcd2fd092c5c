"""One-to-one assignment and connected components, slow and obvious: what the compiled must equal.

It also runs where numba has no wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["best_total", "components", "take_best_first"]

_Ints = npt.NDArray[np.int64]


def take_best_first(left: _Ints, right: _Ints, order: _Ints) -> npt.NDArray[np.bool_]:
    """Go through the pairs in order; keep those neither of whose records is taken."""
    kept = np.zeros(len(left), dtype=np.bool_)
    taken: tuple[set[int], set[int]] = (set(), set())
    for i in order.tolist():
        if left[i] not in taken[0] and right[i] not in taken[1]:
            taken[0].add(int(left[i]))
            taken[1].add(int(right[i]))
            kept[i] = True
    return kept


def components(left: _Ints, right: _Ints, n_nodes: int) -> _Ints:
    """Return the smallest node of each node's component."""
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(n_nodes, n_nodes))
    n_components, label = connected_components(graph, directed=False)
    smallest = np.full(n_components, n_nodes, dtype=np.int64)
    np.minimum.at(smallest, label, np.arange(n_nodes))
    return np.asarray(smallest[label])


def best_total(left: _Ints, right: _Ints, gain: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which pairs make the assignment with the largest total gain, component by component."""
    rows, row = np.unique(left, return_inverse=True)
    columns, column = np.unique(right, return_inverse=True)
    part = components(row, column + len(rows), len(rows) + len(columns))[row]
    kept = np.zeros(len(left), dtype=np.bool_)
    order = np.argsort(part, kind="stable")
    ends = np.flatnonzero(np.append(part[order][1:] != part[order][:-1], True)) + 1
    for mine in np.split(order, ends[:-1]):
        own, r = np.unique(row[mine], return_inverse=True)
        others, c = np.unique(column[mine], return_inverse=True)
        gains = np.zeros((len(own), len(others)))
        place = np.full(gains.shape, -1, dtype=np.int64)
        gains[r, c], place[r, c] = gain[mine], mine
        chosen = place[linear_sum_assignment(gains, maximize=True)]
        kept[chosen[chosen >= 0]] = True
    return kept
