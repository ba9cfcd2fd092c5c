"""Tables of sampled bits, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare.passes._table_reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part, popcount, wide_vectors

__all__ = ["LANES", "N_SIGNED", "gather_words", "join_table", "sort_table"]

LANES = 32
"""Partners that are looked at together."""

N_SIGNED = 4
"""First words of a filter, which all pairs of a table are compared in."""


@kernel
def gather_words(words: Any, rows: Any, places: Any, first: Any, out: Any) -> None:
    """Fill some places of `out` with some words of some rows."""
    for i in range(len(rows)):
        for w in range(out.shape[1]):
            out[places[i], w] = words[rows[i], first + w]


@kernel
def sort_table(
    keys: Any, column: Any, shift: Any, mask: Any, signs: Any, ends: Any, order: Any,
    sorted_signs: Any,
) -> None:  # fmt: skip
    """Sort members by the bits of their key that `mask` leaves, and their signs with them.

    Members of one bucket stay in order. Fills `ends` with where each bucket ends, `order` and
    `sorted_signs`.
    """
    for b in range(len(ends)):
        ends[b] = 0
    for i in range(len(keys)):
        ends[np.int64((keys[i, column] >> shift) & mask)] += 1
    total = 0
    for b in range(len(ends)):
        count = ends[b]
        ends[b] = total
        total += count
    for i in range(len(keys)):
        bucket = np.int64((keys[i, column] >> shift) & mask)
        p = ends[bucket]
        ends[bucket] = p + 1
        order[p] = i
        for w in range(N_SIGNED):
            sorted_signs[p, w] = signs[i, w]


@kernel_part
def _note_near(
    s0: Any, s1: Any, s2: Any, s3: Any, a: Any, b: Any, c: Any, d: Any, q: Any, most: Any,
    is_near: Any, eights: Any,
) -> Any:  # fmt: skip
    """Note which of the members from `q` on have signs at most `most` bits from these, if any."""
    wide_vectors()
    aa, bb, cc, dd = s0[q : q + LANES], s1[q : q + LANES], s2[q : q + LANES], s3[q : q + LANES]
    for k in range(LANES):
        distance = popcount(a ^ aa[k]) + popcount(b ^ bb[k])
        distance += popcount(c ^ cc[k]) + popcount(d ^ dd[k])
        is_near[k] = distance <= most
    near = eights[0]
    for e in range(1, LANES // 8):
        near |= eights[e]
    return near != 0


@kernel_part
def _apart(signs: Any, p: Any, q: Any) -> Any:
    distance = np.uint64(0)
    for w in range(N_SIGNED):
        distance += popcount(signs[p, w] ^ signs[q, w])
    return np.int64(distance)


@kernel_part
def _partners_of_next(order: Any, p: Any, end: Any, party_end: Any, others: Any) -> Any:
    """Return where in a bucket those begin that come after a party, `p` being one of its members."""
    others = max(others, p)
    while others < end and order[others] < party_end:
        others += 1
    return others


@kernel
def join_table(
    ends: Any, order: Any, signs: Any, party_ends: Any, clean: Any, rows: Any, most_signs: Any,
    s0: Any, s1: Any, s2: Any, s3: Any, is_near: Any, eights: Any, out_left: Any, out_right: Any,
    out_apart: Any,
) -> Any:  # fmt: skip
    """Keep the pairs of each bucket at most `most_signs` bits apart in the signs, and how many these are.

    Those with equal signs are left out, as they are found otherwise. Members are in the order of their parties,
    whose last ones `party_ends` gives; those of a clean party do not meet each other. Returns how many pairs
    there are; when more are found than fit, the rest is counted only.

    The rest is room to work in: `s0` to `s3` for the signs of the largest bucket, the same word side by
    side so that a vector lane is a partner, and `LANES` more; `is_near` for `LANES` numbers; `eights` is
    the same, eight at a time.
    """
    wide_vectors()
    n_found = 0
    start = 0
    for bucket in range(len(ends)):
        end = ends[bucket]
        for p in range(start, end):
            s0[p - start], s1[p - start] = signs[p, 0], signs[p, 1]
            s2[p - start], s3[p - start] = signs[p, 2], signs[p, 3]
        party, others = -1, start
        for p in range(start, end):
            while party < 0 or order[p] >= party_ends[party]:
                party += 1
                if order[p] < party_ends[party]:
                    others = _partners_of_next(order, p, end, party_ends[party], others)
            a, b, c, d = s0[p - start], s1[p - start], s2[p - start], s3[p - start]
            for q in range(others if clean[party] else p + 1, end, LANES):
                if not _note_near(
                    s0, s1, s2, s3, a, b, c, d, q - start, most_signs, is_near, eights
                ):
                    continue
                for k in range(min(LANES, end - q)):
                    if is_near[k] == 0:
                        continue
                    apart = _apart(signs, p, q + k)
                    if apart == 0:
                        continue
                    if n_found < len(out_left):
                        out_left[n_found] = rows[order[p]]
                        out_right[n_found] = rows[order[q + k]]
                        out_apart[n_found] = apart
                    n_found += 1
        start = end
    return n_found
