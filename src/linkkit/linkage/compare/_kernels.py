"""The comparison kernels, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare._reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part, popcount, wide_vectors

__all__ = ["LANES", "codes_of_pairs", "scan_rows"]

LANES = 512


@kernel_part
def _level(
    words: Any, starts: Any, n_set: Any, room: Any, n_bits: Any, f: Any, p: Any, q: Any
) -> Any:
    if n_set[p, f] < 0 or n_set[q, f] < 0:
        return 0
    count = np.uint64(0)
    for w in range(starts[f], starts[f + 1]):
        count += popcount(words[p, w] | words[q, w])
    both = np.int64(count)
    if both == n_set[p, f] and both == n_set[q, f]:
        return 4
    left = n_bits[f] - both
    if n_bits[f] * np.float64(room[p, f, 1]) * np.float64(room[q, f, 1]) <= left:
        return 3
    if n_bits[f] * np.float64(room[p, f, 0]) * np.float64(room[q, f, 0]) <= left:
        return 2
    return 1


@kernel_part
def _code(words: Any, starts: Any, n_set: Any, room: Any, n_bits: Any, p: Any, q: Any) -> Any:
    code = np.uint64(0)
    for f in range(len(starts) - 1):
        level = _level(words, starts, n_set, room, n_bits, f, p, q)
        code |= np.uint64(level) << np.uint64(3 * f)
    return code


@kernel_part
def _weight(code: Any, weights: Any) -> Any:
    total = np.int64(0)
    for f in range(len(weights)):
        level = (code >> np.uint64(3 * f)) & np.uint64(7)
        if level > 0:
            total += weights[f, level]
    return total


@kernel
def codes_of_pairs(
    words: Any, starts: Any, n_set: Any, room: Any, n_bits: Any, left: Any, right: Any, out: Any
) -> None:
    """Fill `out` with the packed levels of each pair."""
    for i in range(len(left)):
        out[i] = _code(words, starts, n_set, room, n_bits, left[i], right[i])


@kernel_part
def _count_four(
    flat: Any, width: Any, x: Any, w: Any, q: Any, n: Any, both: Any, more: Any
) -> None:
    """Count the bits that are set in either, in words `w` to `w + 4`; added where there is `more`.

    The same word of all partners lies side by side, so that each vector lane is a partner. A view of
    the arrays would cost a count of references.
    """
    wide_vectors()
    at = np.uint64(w * width + q)
    s1 = np.uint64(width)
    s2, s3 = s1 + s1, s1 + s1 + s1
    p = np.uint64(w * width + x)
    x0, x1, x2, x3 = flat[p], flat[p + s1], flat[p + s2], flat[p + s3]
    if more:
        for k in range(np.uint64(n)):
            i = at + k
            both[k] += np.int64(
                popcount(x0 | flat[i]) + popcount(x1 | flat[i + s1])
                + popcount(x2 | flat[i + s2]) + popcount(x3 | flat[i + s3])
            )  # fmt: skip
    else:
        for k in range(np.uint64(n)):
            i = at + k
            both[k] = np.int64(
                popcount(x0 | flat[i]) + popcount(x1 | flat[i + s1])
                + popcount(x2 | flat[i + s2]) + popcount(x3 | flat[i + s3])
            )  # fmt: skip


@kernel_part
def _count_one(flat: Any, width: Any, x: Any, w: Any, q: Any, n: Any, both: Any, more: Any) -> None:
    """Do the same for word `w`."""
    wide_vectors()
    at = np.uint64(w * width + q)
    word = flat[np.uint64(w * width + x)]
    for k in range(np.uint64(n)):
        before = both[k] if more else 0
        both[k] = before + np.int64(popcount(word | flat[at + k]))


@kernel_part
def _add_hopes(
    n_set: Any, hope: Any, n_bits: Any, at: Any, other: Any, n: Any, both: Any, totals: Any,
    least: Any, best: Any,
) -> Any:  # fmt: skip
    """Add the most that a field with `both` bits in either filter can weigh; returns the largest total.

    That is `least` where it disagrees, else `best`, and nothing where it is missing. `at` is the place of the
    field of row p in `n_set` and `hope`, `other` that of its first partner.
    """
    wide_vectors()
    mine = n_bits * np.float64(hope[np.uint64(at)])
    first = np.uint64(other)
    most = np.int64(-1 << 60)
    for k in range(np.uint64(n)):
        weight = least
        if mine * np.float64(hope[first + k]) <= n_bits - both[k]:
            weight = best
        if n_set[first + k] < 0:
            weight = 0
        total = totals[k] + weight
        totals[k] = total
        most = max(most, total)
    return most


@kernel_part
def _compare_block(
    flat: Any, starts: Any, n_set: Any, flat_set: Any, flat_hope: Any, n_bits: Any, p: Any, q: Any,
    n: Any, width: Any, visit: Any, least: Any, most_of: Any, best: Any, floor: Any, both: Any, totals: Any,
) -> Any:  # fmt: skip
    """Add up what row `p` and partners `q` to `q + n` can weigh at most; returns if one has a chance.

    A block of partners is left as soon as none of it can reach the floor.
    """
    wide_vectors()
    for k in range(n):
        totals[k] = 0
    most = np.int64(0)
    for i in range(len(visit)):
        f = visit[i]
        if n_set[p, f] >= 0:
            w = starts[f]
            while w < starts[f + 1]:
                if w + 4 <= starts[f + 1]:
                    _count_four(flat, width, p, w, q, n, both, w > starts[f])
                    w += 4
                else:
                    _count_one(flat, width, p, w, q, n, both, w > starts[f])
                    w += 1
            most = _add_hopes(
                flat_set, flat_hope, n_bits[f], f * width + p, f * width + q, n, both, totals,
                least[f], most_of[f],
            )  # fmt: skip
        if most + best[i + 1] < floor:
            return False
    return True


@kernel
def scan_rows(
    words: Any, flat: Any, starts: Any, n_set: Any, flat_set: Any, room: Any, flat_hope: Any,
    n_bits: Any, first: Any, last: Any, start: Any, stop: Any, visit: Any, weights: Any,
    least: Any, most_of: Any, best: Any, floor: Any, both: Any, totals: Any, out_left: Any,
    out_right: Any, out_code: Any,
) -> Any:  # fmt: skip
    """Compare rows with their partners, keep those at the floor; returns how many there are.

    Row p has the partners ``first[p]`` to ``last[p]``, neither of which decreases from row to row. Many
    partners at once are asked what they can weigh at most, where a field weighs ``least[f]`` if it
    disagrees, else ``most_of[f]``; only those with a chance are looked at in full. Fields are visited in the
    order `visit`; ``best[i]`` is the most that the fields from the i-th on can still add. When
    more pairs are found than fit, the rest is counted only. What is called flat has all records
    side by side; `both` and `totals` are room to work in, for `LANES` numbers.
    """
    width = len(n_set)
    n_found = 0
    lowest = start
    for block in range(first[start], last[stop - 1], LANES):
        while lowest < stop and last[lowest] <= block:
            lowest += 1
        for p in range(lowest, stop):
            if first[p] >= block + LANES:
                break
            q = max(first[p], block)
            n = min(last[p], block + LANES) - q
            if n <= 0 or not _compare_block(
                flat, starts, n_set, flat_set, flat_hope, n_bits, p, q, n, width, visit, least,
                most_of, best, floor, both, totals,
            ):  # fmt: skip
                continue
            for k in range(n):
                if totals[k] < floor:
                    continue
                code = _code(words, starts, n_set, room, n_bits, p, q + k)
                if _weight(code, weights) >= floor:
                    if n_found < len(out_left):
                        out_left[n_found] = p
                        out_right[n_found] = q + k
                        out_code[n_found] = code
                    n_found += 1
    return n_found
