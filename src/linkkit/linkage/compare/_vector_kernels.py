"""The comparison of bit vectors, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare._vector_reference` says what it computes.

The same word of all candidates lies side by side, so that a vector lane is a candidate and nothing is
added up across lanes. Candidates are sorted by how many bits they have, so that one bound holds
for a block of them; a block none of which can reach it after the first words is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from linkkit.linkage.compare._kernels import _count_bits

__all__ = ["LANES", "scan_vectors"]

LANES = 512
"""Candidates that are looked at together; blocks begin at multiples of it."""

_TILE = 2_048
"""Candidates whose first words stay in the processor's cache while many rows go by."""

_popcount: Any = _count_bits


@intrinsic
def _prefer_wide_vectors(typing_context: Any) -> Any:  # noqa: ARG001
    """Let the compiler use 512-bit vectors in this function, where the processor has them."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), emit


_wide: Any = _prefer_wide_vectors


@njit(nogil=True, cache=True)
def _add_eight(flat: Any, width: Any, rows: Any, x: Any, w: Any, q: Any, n: Any, common: Any) -> Any:
    """Count the bits in common in words `w` to `w + 8`; returns the largest count.

    Added to `common` where these are not the first words. Views would cost a count of references each.
    """
    _wide()
    x0, x1, x2, x3 = rows[x + w], rows[x + w + 1], rows[x + w + 2], rows[x + w + 3]
    x4, x5, x6, x7 = rows[x + w + 4], rows[x + w + 5], rows[x + w + 6], rows[x + w + 7]
    at = np.uint64(w * width + q)
    s1 = np.uint64(width)
    s2, s3, s4, s5 = s1 + s1, s1 + s1 + s1, s1 << np.uint64(2), (s1 << np.uint64(2)) + s1
    s6, s7 = s3 + s3, s3 + s4
    most = np.uint64(0)
    if w > 0:
        for k in range(np.uint64(n)):
            i = at + k
            both = common[k] + _popcount(x0 & flat[i]) + _popcount(x1 & flat[i + s1])
            both += _popcount(x2 & flat[i + s2]) + _popcount(x3 & flat[i + s3])
            both += _popcount(x4 & flat[i + s4]) + _popcount(x5 & flat[i + s5])
            both += _popcount(x6 & flat[i + s6]) + _popcount(x7 & flat[i + s7])
            common[k] = both
            most = max(most, both)
    else:
        for k in range(np.uint64(n)):
            i = at + k
            both = _popcount(x0 & flat[i]) + _popcount(x1 & flat[i + s1])
            both += _popcount(x2 & flat[i + s2]) + _popcount(x3 & flat[i + s3])
            both += _popcount(x4 & flat[i + s4]) + _popcount(x5 & flat[i + s5])
            both += _popcount(x6 & flat[i + s6]) + _popcount(x7 & flat[i + s7])
            common[k] = both
            most = max(most, both)
    return most


@njit(nogil=True, cache=True)
def _add_four(
    flat: Any, width: Any, rows: Any, x: Any, w: Any, q: Any, n: Any, common: Any
) -> Any:
    """Do the same for words `w` to `w + 4`."""
    _wide()
    x0, x1, x2, x3 = rows[x + w], rows[x + w + 1], rows[x + w + 2], rows[x + w + 3]
    at = np.uint64(w * width + q)
    s1 = np.uint64(width)
    s2, s3 = s1 + s1, s1 + s1 + s1
    most = np.uint64(0)
    if w > 0:
        for k in range(np.uint64(n)):
            i = at + k
            both = common[k] + _popcount(x0 & flat[i]) + _popcount(x1 & flat[i + s1])
            both += _popcount(x2 & flat[i + s2]) + _popcount(x3 & flat[i + s3])
            common[k] = both
            most = max(most, both)
    else:
        for k in range(np.uint64(n)):
            i = at + k
            both = _popcount(x0 & flat[i]) + _popcount(x1 & flat[i + s1])
            both += _popcount(x2 & flat[i + s2]) + _popcount(x3 & flat[i + s3])
            common[k] = both
            most = max(most, both)
    return most


@njit(nogil=True, cache=True)
def _add_words(
    flat: Any, width: Any, rows: Any, x: Any, a: Any, b: Any, q: Any, n: Any, common: Any, most: Any
) -> Any:
    """Count the bits in common in words `a` to `b`, a multiple of four; returns the largest count."""
    _wide()
    w = a
    while w + 8 <= b:
        most = _add_eight(flat, width, rows, x, w, q, n, common)
        w += 8
    while w < b:
        most = _add_four(flat, width, rows, x, w, q, n, common)
        w += 4
    return most


@njit(nogil=True, cache=True)
def _needed(measure: Any, threshold: Any, a: Any, b: Any, n_bits: Any) -> Any:
    """Return how many bits vectors with `a` and `b` bits must have in common; never too many."""
    if measure == 0:
        need = threshold * (a + b) / 2
    elif measure == 1:
        need = threshold * (a + b) / (1 + threshold)
    elif measure == 2:
        need = (a + b - (1 - threshold) * n_bits) / 2
    elif measure == 3:
        need = threshold * np.sqrt(np.float64(a) * np.float64(b))
    else:
        need = threshold * min(a, b)
    # What is rounded must not cost a pair; the similarity itself decides.
    return max(np.int64(np.ceil(need - 1e-6)), 0)


@njit(nogil=True, cache=True)
def _similarity(measure: Any, c: Any, a: Any, b: Any, n_bits: Any) -> Any:
    if measure == 2:
        return (n_bits - (a + b - 2 * c)) / n_bits
    if a == 0 or b == 0:
        return 0.0
    if measure == 0:
        return 2 * c / (a + b)
    if measure == 1:
        return c / (a + b - c)
    if measure == 3:
        return c / np.sqrt(np.float64(a) * np.float64(b))
    return c / min(a, b)


@njit(nogil=True, cache=True)
def scan_vectors(
    rows: Any, columns: Any, n_set: Any, n_column_set: Any, n_late: Any, most_late: Any,
    first: Any, last: Any, start: Any, stop: Any, n_early: Any, measure: Any, threshold: Any,
    n_bits: Any, out_left: Any, out_right: Any, out_common: Any,
) -> Any:  # fmt: skip
    """Keep the pairs of rows `start` to `stop` that are at least as similar as `threshold`.

    Row p is compared with columns ``first[p]`` to ``last[p]``, which are sorted by their numbers of bits
    `n_column_set`. `n_late` and, for each block of columns, `most_late` count the bits from
    word `n_early` on. Returns how many pairs there are; when more are found than fit, the rest
    is counted only.
    """
    _wide()
    common = np.zeros(LANES, dtype=np.uint64)
    n_words, width = columns.shape
    flat, row_words = columns.reshape(-1), rows.reshape(-1)
    n_found = 0
    from_column, to_column = width, 0
    for p in range(start, stop):
        if first[p] < last[p]:
            from_column, to_column = min(from_column, first[p]), max(to_column, last[p])
    for tile in range(from_column - from_column % LANES, to_column, _TILE):
        for p in range(start, stop):
            q, end = max(first[p], tile), min(last[p], tile + _TILE)
            a, x = n_set[p], p * n_words
            while q < end:
                n = min(LANES - q % LANES, end - q)
                need = _needed(measure, threshold, a, n_column_set[q], n_bits)
                hope = need - min(n_late[p], most_late[q // LANES])
                most = _add_words(flat, width, row_words, x, 0, n_early, q, n, common, np.uint64(0))
                if np.int64(most) >= hope:
                    if n_early < n_words:
                        most = _add_words(flat, width, row_words, x, n_early, n_words, q, n, common, most)
                    if np.int64(most) >= need:
                        for k in range(n):
                            c = np.int64(common[k])
                            if c < need:
                                continue
                            b = n_column_set[q + k]
                            if _similarity(measure, c, a, b, n_bits) >= threshold:
                                if n_found < len(out_left):
                                    out_left[n_found] = p
                                    out_right[n_found] = q + k
                                    out_common[n_found] = c
                                n_found += 1
                q += n
    return n_found
