"""The comparison of filters that meet in a table, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare.vectors._table_reference` says what they compute.

A table needs five short loops over all records, and one over the pairs that meet. Of a filter, a
sketch of `SKETCH` words is compared first; the sketches of a bucket lie side by side, word by word, so
that a vector lane is a partner.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part, popcount, wide_vectors
from linkkit.linkage.compare.vectors._kernels import _needed as needed

__all__ = [
    "LANES",
    "SKETCH",
    "bucket_ranges",
    "common_bits",
    "gather_keys",
    "gather_sketches",
    "scan_buckets",
]

LANES = 512
"""Partners that are looked at together."""

SKETCH = 4
"""Words of a sketch."""


@kernel
def gather_keys(words: Any, word_of_bit: Any, shift_of_bit: Any, out: Any) -> None:
    """Fill `out` with some bits of each row, and the row's number in the lower 32 bits."""
    one = np.uint64(1)
    for i in range(len(words)):
        key = np.uint64(0)
        for k in range(len(word_of_bit)):
            key = key << one | (words[i, word_of_bit[k]] >> shift_of_bit[k]) & one
        out[i] = key << np.uint64(32) | np.uint64(i)


@kernel
def bucket_ranges(keys: Any, party: Any, clean: Any, order: Any, first: Any, last: Any) -> None:
    """Fill in whose place is which of the sorted `keys`, and the range of places of its partners.

    Those of a bucket lie side by side, sorted by party. Those of a clean party are not partners.
    """
    n = len(keys)
    low = np.uint64(0xFFFFFFFF)
    end, next_party, after, before = n, n, np.uint64(0), np.int64(-1)
    for i in range(n - 1, -1, -1):
        row = np.int64(keys[i] & low)
        bucket, own = keys[i] >> np.uint64(32), np.int64(party[row])
        if i + 1 < n and bucket != after:
            end, next_party = i + 1, i + 1
        elif own != before:
            next_party = i + 1
        after, before = bucket, own
        order[i] = row
        first[i] = next_party if clean[own] else i + 1
        last[i] = end


@kernel
def gather_sketches(sketches: Any, order: Any, out: Any) -> None:
    """Put the sketches of rows in the order of a table, word by word."""
    for i in range(len(order)):
        for w in range(SKETCH):
            out[w, i] = sketches[order[i], w]


@kernel
def common_bits(words: Any, left: Any, right: Any, out: Any) -> None:
    """Fill `out` with the number of bits that both rows of each pair have."""
    for i in range(len(left)):
        x, y, c = left[i], right[i], np.uint64(0)
        for w in range(words.shape[1]):
            c += popcount(words[x, w] & words[y, w])
        out[i] = c


@kernel_part
def _note_near(columns: Any, p: Any, q: Any, n: Any, most: Any, is_near: Any) -> None:
    """Note which of the sketches `q` to `q + n` differ in at most `most` bits from sketch `p`."""
    wide_vectors()
    a, b, c, d = columns[0, p], columns[1, p], columns[2, p], columns[3, p]
    aa, bb = columns[0, q : q + n], columns[1, q : q + n]
    cc, dd = columns[2, q : q + n], columns[3, q : q + n]
    for k in range(n):
        differ = popcount(a ^ aa[k]) + popcount(b ^ bb[k])
        differ += popcount(c ^ cc[k]) + popcount(d ^ dd[k])
        is_near[k] = differ <= most


@kernel
def scan_buckets(
    columns: Any, words: Any, n_set: Any, order: Any, first: Any, last: Any, start: Any,
    stop: Any, most: Any, measure: Any, threshold: Any, n_bits: Any, is_near: Any, eights: Any,
    out: Any,
) -> Any:  # fmt: skip
    """Keep the pairs of places `start` to `stop` whose sketches are near and that may be similar enough.

    A pair is the smaller row in the upper 32 bits and the other in the lower. Returns how many there
    are; when more are found than fit, the rest is counted only. `is_near` is
    room to work in, for `LANES` flags; `eights` is the same memory, eight flags at a time.
    """
    wide_vectors()
    n_found = 0
    bound = np.uint64(most)
    for i in range(start, stop):
        for q in range(first[i], last[i], LANES):
            n = min(LANES, last[i] - q)
            eights[(n - 1) // 8] = 0
            _note_near(columns, i, q, n, bound, is_near)
            for e in range((n + 7) // 8):
                if eights[e] == 0:
                    continue
                for k in range(8 * e, 8 * e + 8):
                    if is_near[k] == 0:
                        continue
                    x, y = order[i], order[q + k]
                    c = np.uint64(0)
                    for w in range(words.shape[1]):
                        c += popcount(words[x, w] & words[y, w])
                    if np.int64(c) >= needed(measure, threshold, n_set[x], n_set[y], n_bits):
                        if n_found < len(out):
                            # Rows of a bucket are sorted, so that the smaller is first.
                            out[n_found] = np.uint64(x) << np.uint64(32) | np.uint64(y)
                        n_found += 1
    return n_found
