"""The comparison of passes, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare.passes._reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part, popcount, wide_vectors

__all__ = ["LANES", "distances_of_pairs", "scan_pairs"]

LANES = 512
"""Partners that are looked at together."""

_TILE = 2_048
"""Partners whose first words stay in the processor's cache while many rows go by."""


@kernel_part
def _distance(ones: Any, others: Any, p: Any, q: Any) -> Any:
    total = np.uint64(0)
    for w in range(ones.shape[1]):
        total += popcount(ones[p, w] ^ others[q, w])
    return np.int64(total)


@kernel
def distances_of_pairs(ones: Any, others: Any, left: Any, right: Any, out: Any) -> None:
    """Fill `out` with the Hamming distance of each pair of a row of `ones` and one of `others`."""
    for i in range(len(left)):
        out[i] = _distance(ones, others, left[i], right[i])


@kernel_part
def _note_near(
    columns: Any, p: Any, q: Any, n: Any, most: Any, distance: Any, is_near: Any
) -> None:
    """Note which of the rows `q` to `q + n` are at most `most` bits from row `p`."""
    wide_vectors()
    last = columns.shape[0] - 4
    for w in range(0, last, 4):
        a, b, c, d = columns[w, p], columns[w + 1, p], columns[w + 2, p], columns[w + 3, p]
        aa, bb = columns[w, q : q + n], columns[w + 1, q : q + n]
        cc, dd = columns[w + 2, q : q + n], columns[w + 3, q : q + n]
        for k in range(n):
            more = popcount(a ^ aa[k]) + popcount(b ^ bb[k])
            more += popcount(c ^ cc[k]) + popcount(d ^ dd[k])
            distance[k] = more if w == 0 else distance[k] + more
    a, b, c, d = columns[last, p], columns[last + 1, p], columns[last + 2, p], columns[last + 3, p]
    aa, bb = columns[last, q : q + n], columns[last + 1, q : q + n]
    cc, dd = columns[last + 2, q : q + n], columns[last + 3, q : q + n]
    if last:
        for k in range(n):
            more = popcount(a ^ aa[k]) + popcount(b ^ bb[k])
            more += popcount(c ^ cc[k]) + popcount(d ^ dd[k])
            is_near[k] = distance[k] + more <= most
    else:
        for k in range(n):
            more = popcount(a ^ aa[k]) + popcount(b ^ bb[k])
            more += popcount(c ^ cc[k]) + popcount(d ^ dd[k])
            is_near[k] = more <= most


@kernel
def scan_pairs(
    columns: Any, words: Any, order: Any, first: Any, last: Any, start: Any, stop: Any,
    most_first: Any, most: Any, distance: Any, is_near: Any, eights: Any,
    out_left: Any, out_right: Any,
) -> Any:  # fmt: skip
    """Keep the pairs at most `most` bits apart, and `most_first` in the first words.

    `columns` are the first words, a multiple of four, the same word of all records side by side, so
    that each vector lane is a partner. Returns how many pairs there are; when more are found than
    fit, the rest is counted only. `distance` and `is_near` are room to work in, for `LANES` numbers;
    `eights` is the latter, eight at a time.
    """
    n_found = 0
    bound = np.uint64(most_first)
    tile_from, tile_to = first[start], last[start]
    for p in range(start, stop):
        tile_from, tile_to = min(tile_from, first[p]), max(tile_to, last[p])
    for tile in range(tile_from, tile_to, _TILE):
        for p in range(start, stop):
            end = min(last[p], tile + _TILE)
            for q in range(max(first[p], tile), end, LANES):
                n = min(LANES, end - q)
                is_near[n:] = 0
                _note_near(columns, p, q, n, bound, distance, is_near)
                for e in range((n + 7) // 8):
                    if eights[e] == 0:
                        continue
                    for k in range(8 * e, 8 * e + 8):
                        if is_near[k] and _distance(words, words, order[p], order[q + k]) <= most:
                            if n_found < len(out_left):
                                out_left[n_found] = p
                                out_right[n_found] = q + k
                            n_found += 1
    return n_found
