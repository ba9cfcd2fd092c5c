"""One-to-one assignment and connected components, compiled by numba when first used.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.cluster._assign_reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["assign_components", "components", "take_best_first"]


@njit(nogil=True, cache=True)
def take_best_first(left: Any, right: Any, order: Any, n_left: Any, n_right: Any) -> Any:
    """Go through the pairs in order; keep those neither of whose records is taken."""
    left_taken = np.zeros(n_left, dtype=np.bool_)
    right_taken = np.zeros(n_right, dtype=np.bool_)
    kept = np.zeros(len(left), dtype=np.bool_)
    for i in order:
        if not left_taken[left[i]] and not right_taken[right[i]]:
            left_taken[left[i]] = True
            right_taken[right[i]] = True
            kept[i] = True
    return kept


@njit(nogil=True, cache=True)
def _root(parent: Any, node: Any) -> Any:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(nogil=True, cache=True)
def components(left: Any, right: Any, n_nodes: Any) -> Any:
    """Return the smallest node of each node's component (union-find with path halving)."""
    parent = np.arange(n_nodes, dtype=np.int64)
    for i in range(len(left)):
        a, b = _root(parent, left[i]), _root(parent, right[i])
        if a < b:
            parent[b] = a
        elif b < a:
            parent[a] = b
    for node in range(n_nodes):
        parent[node] = _root(parent, node)
    return parent


@njit(nogil=True, cache=True)
def _relax(
    starts: Any, columns: Any, gains: Any, row: Any, own: Any, least: Any, row_price: Any,
    column_price: Any, distance: Any, come_from: Any, come_pair: Any, done: Any, touched: Any,
    n_touched: Any,
) -> Any:  # fmt: skip
    """Note how far the columns of a row are, by way of it; returns how many were ever reached."""
    for k in range(starts[row], starts[row + 1] + 1):
        is_own = k == starts[row + 1]
        column = own + row if is_own else columns[k]
        if done[column]:
            continue
        gain = 0.0 if is_own else gains[k]
        length = least - gain + row_price[row] - column_price[column]
        if distance[column] == np.inf:
            touched[n_touched] = column
            n_touched += 1
        if length < distance[column]:
            distance[column] = length
            come_from[column] = row
            come_pair[column] = -1 if is_own else k
    return n_touched


@njit(nogil=True, cache=True)
def _nearest(touched: Any, n_touched: Any, distance: Any, done: Any) -> Any:
    nearest = np.int64(-1)
    for i in range(n_touched):
        column = touched[i]
        if not done[column] and (nearest < 0 or distance[column] < distance[nearest]):
            nearest = column
    return nearest


@njit(nogil=True, cache=True)
def _settle(
    row: Any, sink: Any, least: Any, row_price: Any, column_price: Any, row_of_column: Any,
    column_of_row: Any, pair_of_row: Any, distance: Any, come_from: Any, come_pair: Any,
    done: Any, touched: Any, n_touched: Any,
) -> None:  # fmt: skip
    """Change prices so that the path costs nothing, and match along it."""
    row_price[row] -= least
    for i in range(n_touched):
        column = touched[i]
        if done[column] and column != sink:
            row_price[row_of_column[column]] -= least - distance[column]
            column_price[column] -= least - distance[column]
    column, came = sink, np.int64(-1)
    while came != row:
        came = come_from[column]
        before = column_of_row[came]
        row_of_column[column] = came
        column_of_row[came] = column
        pair_of_row[came] = come_pair[column]
        column = before
    for i in range(n_touched):
        distance[touched[i]] = np.inf
        done[touched[i]] = False


@njit(nogil=True, cache=True)
def assign_components(starts: Any, columns: Any, gains: Any, n_columns: Any) -> Any:
    """Return for each row the pair that the assignment with the largest total gain gives it, or -1.

    Row r may have column ``columns[k]`` at ``gains[k]``, above 0, for k from ``starts[r]`` to
    ``starts[r + 1]``. Rows are matched one by one along shortest augmenting paths (Jonker and Volgenant,
    1987). Column ``n_columns + r`` is row r's own and gains nothing: to be left unmatched.
    """
    n_rows = len(starts) - 1
    n_all = n_columns + n_rows
    row_price = np.zeros(n_rows)
    column_price = np.zeros(n_all)
    row_of_column = np.full(n_all, -1, dtype=np.int64)
    column_of_row = np.full(n_rows, -1, dtype=np.int64)
    pair_of_row = np.full(n_rows, -1, dtype=np.int64)
    distance = np.full(n_all, np.inf)
    come_from = np.zeros(n_all, dtype=np.int64)
    come_pair = np.zeros(n_all, dtype=np.int64)
    done = np.zeros(n_all, dtype=np.bool_)
    touched = np.zeros(n_all, dtype=np.int64)
    for row in range(n_rows):
        # Start with a price at which no pair of the row costs less than nothing.
        for k in range(starts[row], starts[row + 1]):
            row_price[row] = max(row_price[row], gains[k] + column_price[columns[k]])
        here, least, sink, n_touched = row, 0.0, np.int64(-1), np.int64(0)
        while sink < 0:
            n_touched = _relax(
                starts, columns, gains, here, n_columns, least, row_price, column_price, distance,
                come_from, come_pair, done, touched, n_touched,
            )  # fmt: skip
            nearest = _nearest(touched, n_touched, distance, done)
            least = distance[nearest]
            done[nearest] = True
            if row_of_column[nearest] < 0:
                sink = nearest
            else:
                here = row_of_column[nearest]
        _settle(
            row, sink, least, row_price, column_price, row_of_column, column_of_row, pair_of_row,
            distance, come_from, come_pair, done, touched, n_touched,
        )  # fmt: skip
    return pair_of_row
