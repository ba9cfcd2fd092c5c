"""The comparison of bit vectors, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare.vectors._reference` says what it computes.

The same word of all candidates lies side by side, so that a vector lane is a candidate and nothing is
added up across lanes. Candidates are sorted by how many bits they have, so that one bound holds
for a block of them; a block none of which can reach it after the first words is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part, popcount, wide_vectors

__all__ = ["LANES", "scan_vectors"]

LANES = 512
"""Candidates that are looked at together, in blocks that begin at multiples of it. Their first words stay
in the processor's cache while many rows go by."""


@kernel_part
def _add_eight(
    flat: Any, width: Any, rows: Any, x: Any, z: Any, w: Any, q: Any, n: Any, one: Any, other: Any
) -> Any:
    """Count the bits that two rows have in common with each column; returns the largest counts.

    In words `w` to `w + 8`, added to `one` and `other` where these are not the first. The rows begin at
    `x` and `z` of `rows`. Two rows share each load of a column; a view of the arrays would cost a
    count of references.
    """
    wide_vectors()
    x0, x1, x2, x3 = rows[x + w], rows[x + w + 1], rows[x + w + 2], rows[x + w + 3]
    x4, x5, x6, x7 = rows[x + w + 4], rows[x + w + 5], rows[x + w + 6], rows[x + w + 7]
    z0, z1, z2, z3 = rows[z + w], rows[z + w + 1], rows[z + w + 2], rows[z + w + 3]
    z4, z5, z6, z7 = rows[z + w + 4], rows[z + w + 5], rows[z + w + 6], rows[z + w + 7]
    at, s1 = np.uint64(w * width + q), np.uint64(width)
    s2, s3, s4 = s1 + s1, s1 + s1 + s1, s1 << np.uint64(2)
    s5, s6, s7 = s4 + s1, s4 + s2, s4 + s3
    most, most_other = np.uint64(0), np.uint64(0)
    if w > 0:
        for k in range(np.uint64(n)):
            i = at + k
            y0, y1, y2, y3 = flat[i], flat[i + s1], flat[i + s2], flat[i + s3]
            a = one[k] + popcount(x0 & y0) + popcount(x1 & y1)
            a += popcount(x2 & y2) + popcount(x3 & y3)
            b = other[k] + popcount(z0 & y0) + popcount(z1 & y1)
            b += popcount(z2 & y2) + popcount(z3 & y3)
            y0, y1, y2, y3 = flat[i + s4], flat[i + s5], flat[i + s6], flat[i + s7]
            a += popcount(x4 & y0) + popcount(x5 & y1)
            a += popcount(x6 & y2) + popcount(x7 & y3)
            b += popcount(z4 & y0) + popcount(z5 & y1)
            b += popcount(z6 & y2) + popcount(z7 & y3)
            one[k], other[k] = a, b
            most, most_other = max(most, a), max(most_other, b)
    else:
        for k in range(np.uint64(n)):
            i = at + k
            y0, y1, y2, y3 = flat[i], flat[i + s1], flat[i + s2], flat[i + s3]
            a = popcount(x0 & y0) + popcount(x1 & y1)
            a += popcount(x2 & y2) + popcount(x3 & y3)
            b = popcount(z0 & y0) + popcount(z1 & y1)
            b += popcount(z2 & y2) + popcount(z3 & y3)
            y0, y1, y2, y3 = flat[i + s4], flat[i + s5], flat[i + s6], flat[i + s7]
            a += popcount(x4 & y0) + popcount(x5 & y1)
            a += popcount(x6 & y2) + popcount(x7 & y3)
            b += popcount(z4 & y0) + popcount(z5 & y1)
            b += popcount(z6 & y2) + popcount(z7 & y3)
            one[k], other[k] = a, b
            most, most_other = max(most, a), max(most_other, b)
    return most, most_other


@kernel_part
def _add_four(
    flat: Any, width: Any, rows: Any, x: Any, z: Any, w: Any, q: Any, n: Any, one: Any, other: Any
) -> Any:
    """Do the same for words `w` to `w + 4`."""
    wide_vectors()
    x0, x1, x2, x3 = rows[x + w], rows[x + w + 1], rows[x + w + 2], rows[x + w + 3]
    z0, z1, z2, z3 = rows[z + w], rows[z + w + 1], rows[z + w + 2], rows[z + w + 3]
    at, s1 = np.uint64(w * width + q), np.uint64(width)
    s2, s3 = s1 + s1, s1 + s1 + s1
    most, most_other = np.uint64(0), np.uint64(0)
    if w > 0:
        for k in range(np.uint64(n)):
            i = at + k
            y0, y1, y2, y3 = flat[i], flat[i + s1], flat[i + s2], flat[i + s3]
            a = one[k] + popcount(x0 & y0) + popcount(x1 & y1)
            a += popcount(x2 & y2) + popcount(x3 & y3)
            b = other[k] + popcount(z0 & y0) + popcount(z1 & y1)
            b += popcount(z2 & y2) + popcount(z3 & y3)
            one[k], other[k] = a, b
            most, most_other = max(most, a), max(most_other, b)
    else:
        for k in range(np.uint64(n)):
            i = at + k
            y0, y1, y2, y3 = flat[i], flat[i + s1], flat[i + s2], flat[i + s3]
            a = popcount(x0 & y0) + popcount(x1 & y1)
            a += popcount(x2 & y2) + popcount(x3 & y3)
            b = popcount(z0 & y0) + popcount(z1 & y1)
            b += popcount(z2 & y2) + popcount(z3 & y3)
            one[k], other[k] = a, b
            most, most_other = max(most, a), max(most_other, b)
    return most, most_other


@kernel_part
def _add_words(
    flat: Any, width: Any, rows: Any, x: Any, z: Any, a: Any, b: Any, q: Any, n: Any, one: Any,
    other: Any,
) -> Any:  # fmt: skip
    """Do the same for words `a` to `b`, a multiple of four."""
    wide_vectors()
    w = a
    most, most_other = np.uint64(0), np.uint64(0)
    while w + 8 <= b:
        most, most_other = _add_eight(flat, width, rows, x, z, w, q, n, one, other)
        w += 8
    while w < b:
        most, most_other = _add_four(flat, width, rows, x, z, w, q, n, one, other)
        w += 4
    return np.int64(most), np.int64(most_other)


@kernel_part
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


@kernel_part
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


@kernel_part
def _emit(
    common: Any, need: Any, measure: Any, threshold: Any, n_bits: Any, n_set: Any,
    n_column_set: Any, p: Any, q: Any, start: Any, stop: Any, n_found: Any, out_left: Any,
    out_right: Any, out_common: Any,
) -> Any:  # fmt: skip
    """Keep what is similar enough of row `p` with columns `start` to `stop`; `common` begins at `q`."""
    for column in range(start, stop):
        c = np.int64(common[column - q])
        if c < need:
            continue
        b = n_column_set[column]
        if _similarity(measure, c, n_set[p], b, n_bits) >= threshold:
            if n_found < len(out_left):
                out_left[n_found] = p
                out_right[n_found] = column
                out_common[n_found] = c
            n_found += 1
    return n_found


@kernel
def scan_vectors(
    words: Any, flat: Any, n_words: Any, n_set: Any, n_column_set: Any, n_late: Any, most_late: Any,
    first: Any, last: Any, start: Any, stop: Any, n_early: Any, measure: Any, threshold: Any,
    n_bits: Any, one: Any, other: Any, out_left: Any, out_right: Any, out_common: Any,
) -> Any:  # fmt: skip
    """Keep the pairs of rows `start` to `stop` that are at least as similar as `threshold`.

    Row p is compared with columns ``first[p]`` to ``last[p]``, which are sorted by their numbers of bits
    `n_column_set`. `n_late` and, for each block of columns, `most_late` count the bits from
    word `n_early` on. Returns how many pairs there are; when more are found than fit, the rest
    is counted only. `words` are those of a row side by side, `flat` the same word of all columns;
    `one` and `other` are room to work in, for `LANES` counts.
    """
    wide_vectors()
    width = len(n_column_set)
    n_found = 0
    from_column, to_column = width, 0
    for p in range(start, stop):
        if first[p] < last[p]:
            from_column, to_column = min(from_column, first[p]), max(to_column, last[p])
    for block in range(from_column // LANES, (to_column + LANES - 1) // LANES):
        for p in range(start, stop, 2):
            r = min(p + 1, stop - 1)  # the last row may be alone
            q = max(min(first[p], first[r]), block * LANES)
            end = min(max(last[p], last[r]), (block + 1) * LANES)
            if q >= end:
                continue
            x, z, n = p * n_words, r * n_words, end - q
            need = _needed(measure, threshold, n_set[p], n_column_set[q], n_bits)
            need_other = _needed(measure, threshold, n_set[r], n_column_set[q], n_bits)
            most, most_other = _add_words(flat, width, words, x, z, 0, n_early, q, n, one, other)
            hope = most + min(n_late[p], most_late[block]) >= need
            hope_other = most_other + min(n_late[r], most_late[block]) >= need_other
            if not (hope or hope_other):
                continue
            if n_early < n_words:
                most, most_other = _add_words(
                    flat, width, words, x, z, n_early, n_words, q, n, one, other
                )
            if most >= need:
                n_found = _emit(
                    one, need, measure, threshold, n_bits, n_set, n_column_set, p, q,
                    max(first[p], q), min(last[p], end), n_found, out_left, out_right, out_common,
                )  # fmt: skip
            if r > p and most_other >= need_other:
                n_found = _emit(
                    other, need_other, measure, threshold, n_bits, n_set, n_column_set, r, q,
                    max(first[r], q), min(last[r], end), n_found, out_left, out_right, out_common,
                )  # fmt: skip
    return n_found
