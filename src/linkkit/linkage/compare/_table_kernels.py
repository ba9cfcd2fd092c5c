"""Tables of sampled bits, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare._table_reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part, popcount, wide_vectors

__all__ = ["LANES", "N_SIGNED", "gather_columns", "join_table", "sort_table"]

LANES = 64
"""Partners that are looked at together; so much room is needed behind the last one."""

N_SIGNED = 4
"""First words of a filter, which all pairs of a table are compared in."""


@kernel
def gather_columns(words: Any, rows: Any, first: Any, out: Any) -> None:
    """Fill `out` with some words of some rows, the same word of all of them side by side."""
    for i in range(len(rows)):
        for w in range(out.shape[0]):
            out[w, i] = words[rows[i], first + w]


@kernel
def sort_table(
    keys: Any, shift: Any, mask: Any, signs: Any, ends: Any, order: Any, sorted_signs: Any
) -> None:
    """Sort members by the bits of their key that `mask` leaves, and their signs with them.

    Members of one bucket stay in order. Fills `ends` with where each bucket ends, `order` and
    `sorted_signs`.
    """
    for b in range(len(ends)):
        ends[b] = 0
    for i in range(len(keys)):
        ends[np.int64((keys[i] >> shift) & mask)] += 1
    total = 0
    for b in range(len(ends)):
        count = ends[b]
        ends[b] = total
        total += count
    for i in range(len(keys)):
        b = np.int64((keys[i] >> shift) & mask)
        p = ends[b]
        ends[b] = p + 1
        order[p] = i
        for w in range(N_SIGNED):
            sorted_signs[w, p] = signs[w, i]


@kernel_part
def _note_near(
    s0: Any, s1: Any, s2: Any, s3: Any, a: Any, b: Any, c: Any, d: Any, q: Any, most: Any,
    is_near: Any,
) -> None:  # fmt: skip
    """Note which of the members from `q` on have signs at most `most` bits from these."""
    wide_vectors()
    aa, bb, cc, dd = s0[q : q + LANES], s1[q : q + LANES], s2[q : q + LANES], s3[q : q + LANES]
    for k in range(LANES):
        distance = popcount(a ^ aa[k]) + popcount(b ^ bb[k])
        distance += popcount(c ^ cc[k]) + popcount(d ^ dd[k])
        is_near[k] = distance <= most


@kernel_part
def _distance(words: Any, p: Any, q: Any, first: Any, last: Any) -> Any:
    wide_vectors()
    total = np.uint64(0)
    one, other = words[p, first:last], words[q, first:last]
    for w in range(len(one)):
        total += popcount(one[w] ^ other[w])
    return np.int64(total)


@kernel
def join_table(
    ends: Any, order: Any, s0: Any, s1: Any, s2: Any, s3: Any, party_ends: Any, clean: Any,
    words: Any, rows: Any, first_word: Any, last_word: Any, most_signs: Any, most_sure: Any, most: Any,
    is_near: Any, eights: Any, out_left: Any, out_right: Any,
) -> Any:  # fmt: skip
    """Keep the pairs of each bucket at most `most` bits apart, and `most_signs` in the signs.

    Those at most `most_sure` bits apart in the signs are kept as they are, and those with equal signs
    left out, as they are found otherwise.
    Members are in the order of their parties, whose last ones `party_ends` gives; those of a clean
    party do not meet each other. Returns how many pairs there are; when more are found than fit, the
    rest is counted only. `is_near` is room to work in, for `LANES` numbers; `eights` is the same,
    eight at a time.
    """
    wide_vectors()
    n_found = 0
    start = 0
    for bucket in range(len(ends)):
        end = ends[bucket]
        party, others = -1, start
        for p in range(start, end):
            if party < 0 or order[p] >= party_ends[party]:
                party = max(party, 0)
                while order[p] >= party_ends[party]:
                    party += 1
                others = max(others, p)
                while others < end and order[others] < party_ends[party]:
                    others += 1
            a, b, c, d = s0[p], s1[p], s2[p], s3[p]
            for q in range(others if clean[party] else p + 1, end, LANES):
                _note_near(s0, s1, s2, s3, a, b, c, d, q, most_signs, is_near)
                near = eights[0]
                for e in range(1, LANES // 8):
                    near |= eights[e]
                if near == 0:
                    continue
                for e in range((min(LANES, end - q) + 7) // 8):
                    if eights[e] == 0:
                        continue
                    for k in range(8 * e, min(8 * e + 8, end - q)):
                        if is_near[k] == 0:
                            continue
                        distance = popcount(a ^ s0[q + k]) + popcount(b ^ s1[q + k])
                        distance += popcount(c ^ s2[q + k]) + popcount(d ^ s3[q + k])
                        if distance == 0:
                            continue
                        one, other = rows[order[p]], rows[order[q + k]]
                        # Looking a record up takes longer than a thousand comparisons of signs.
                        if (
                            distance <= most_sure
                            or _distance(words, one, other, first_word, last_word) <= most
                        ):
                            if n_found < len(out_left):
                                out_left[n_found] = one
                                out_right[n_found] = other
                            n_found += 1
        start = end
    return n_found
