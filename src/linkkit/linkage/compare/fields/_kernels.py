"""The comparison kernels, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare.fields._reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part, popcount, wide_vectors

__all__ = ["LANES", "codes_of_pairs", "count_bits", "scan_blocks", "scan_rows"]

LANES = 512

_HIGH = np.uint64(0xFFFFFFFF00000000)


@kernel_part
def _level(
    words: Any, starts: Any, present: Any, powers: Any, n_bits: Any, f: Any, p: Any, q: Any
) -> Any:
    if not (present[p, f] and present[q, f]):
        return 0
    mine, other, union = np.uint64(0), np.uint64(0), np.uint64(0)
    for w in range(starts[f], starts[f + 1]):
        mine += popcount(words[p, w])
        other += popcount(words[q, w])
        union += popcount(words[p, w] | words[q, w])
    a, b, both = np.int64(mine), np.int64(other), np.int64(union)
    if both == a and both == b:
        return 4
    left = n_bits[f] - both
    if n_bits[f] * np.float64(powers[f, 1, a]) * np.float64(powers[f, 1, b]) <= left:
        return 3
    if n_bits[f] * np.float64(powers[f, 0, a]) * np.float64(powers[f, 0, b]) <= left:
        return 2
    return 1


@kernel_part
def _code(words: Any, starts: Any, present: Any, powers: Any, n_bits: Any, p: Any, q: Any) -> Any:
    code = np.uint64(0)
    for f in range(len(starts) - 1):
        level = _level(words, starts, present, powers, n_bits, f, p, q)
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
    words: Any, starts: Any, present: Any, powers: Any, n_bits: Any, left: Any, right: Any, out: Any
) -> None:
    """Fill `out` with the packed levels of each pair."""
    for i in range(len(left)):
        out[i] = _code(words, starts, present, powers, n_bits, left[i], right[i])


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
    flat: Any, starts: Any, flat_set: Any, flat_hope: Any, n_bits: Any, p: Any, q: Any,
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
        if flat_set[f * width + p] >= 0:
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
    words: Any, flat: Any, starts: Any, present: Any, flat_set: Any, powers: Any, flat_hope: Any,
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
    width = len(present)
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
                flat, starts, flat_set, flat_hope, n_bits, p, q, n, width, visit, least,
                most_of, best, floor, both, totals,
            ):  # fmt: skip
                continue
            for k in range(n):
                if totals[k] < floor:
                    continue
                code = _code(words, starts, present, powers, n_bits, p, q + k)
                if _weight(code, weights) >= floor:
                    if n_found < len(out_left):
                        out_left[n_found] = p
                        out_right[n_found] = q + k
                        out_code[n_found] = code
                    n_found += 1
    return n_found


@kernel
def count_bits(words: Any, present: Any, starts: Any, out: Any) -> None:
    """Fill `out` with the number of set bits of each filter of each record, -1 where it is missing."""
    for i in range(len(words)):
        for f in range(len(starts) - 1):
            count = np.uint64(0)
            for w in range(starts[f], starts[f + 1]):
                count += popcount(words[i, w])
            out[i, f] = np.int64(count) if present[i, f] else -1


@kernel_part
def _agreement(keys: Any, i: Any, j: Any) -> Any:
    """Return a bit for each column of keys that both records have and that is equal."""
    mask = np.uint64(0)
    for c in range(keys.shape[1]):
        if keys[i, c] == keys[j, c] and keys[i, c] != 0:
            mask |= np.uint64(1) << np.uint64(c)
    return mask


@kernel_part
def _is_first(mask: Any, mine: Any, earlier: Any) -> Any:
    """Return whether a pair is of this pass, and of none before it."""
    first = mask & mine == mine
    for e in range(len(earlier)):
        first = first and mask & earlier[e] != earlier[e]
    return first


@kernel_part
def _code_of_agreeing(
    words: Any, starts: Any, present: Any, powers: Any, n_bits: Any, mask: Any, i: Any, j: Any
) -> Any:
    """Return the packed levels; fields whose keys agree are equal without a look."""
    code = np.uint64(0)
    for f in range(len(starts) - 1):
        level = 4
        if (mask >> np.uint64(f)) & np.uint64(1) == 0:
            level = _level(words, starts, present, powers, n_bits, f, i, j)
        code |= np.uint64(level) << np.uint64(3 * f)
    return code


@kernel_part
def _first_partner(packed: Any, p: Any, stop: Any, party_starts: Any, clean: Any) -> Any:
    """Return where the partners of the p-th record begin in its block, and where its party ends."""
    position = np.int64(packed[p] & ~_HIGH)
    party = 0
    while party_starts[party + 1] <= position:
        party += 1
    if not clean[party]:
        return p + 1, p + 1
    q = p + 1
    while q < stop and np.int64(packed[q] & ~_HIGH) < party_starts[party + 1]:
        q += 1
    return q, q


@kernel_part
def _pairs_within(packed: Any, start: Any, stop: Any, party_starts: Any, clean: Any) -> Any:
    total, p = 0, start
    while p < stop:
        first, following = _first_partner(packed, p, stop, party_starts, clean)
        total += (following - p) * (stop - first)
        p = following
    return total


@kernel
def scan_blocks(
    packed: Any, start: Any, end: Any, party_starts: Any, clean: Any, largest: Any, keys: Any,
    mine: Any, earlier: Any, words: Any, starts: Any, present: Any, powers: Any, n_bits: Any,
    weights: Any, floor: Any, out_left: Any, out_right: Any, out_code: Any,
) -> Any:  # fmt: skip
    """Compare the pairs of the blocks from `start` to `end`; keeps those at the floor, returns how many.

    Blocks are runs of `packed` whose upper halves are equal; those with more than `largest` pairs are passed
    over. A pair counts if it agrees in the columns `mine` of keys, and in none of the sets of columns
    `earlier`.
    """
    n_found, begin = 0, start
    while begin < end:
        stop = begin + 1
        while stop < end and (packed[stop] ^ packed[begin]) & _HIGH == 0:
            stop += 1
        if stop - begin > 1 and _pairs_within(packed, begin, stop, party_starts, clean) <= largest:
            p = begin
            while p < stop:
                first, following = _first_partner(packed, p, stop, party_starts, clean)
                for x in range(p, following):
                    i = np.int64(packed[x] & ~_HIGH)
                    for y in range(first, stop):
                        j = np.int64(packed[y] & ~_HIGH)
                        mask = _agreement(keys, i, j)
                        if not _is_first(mask, mine, earlier):
                            continue
                        code = _code_of_agreeing(words, starts, present, powers, n_bits, mask, i, j)
                        if _weight(code, weights) >= floor:
                            if n_found < len(out_left):
                                out_left[n_found] = i
                                out_right[n_found] = j
                                out_code[n_found] = code
                            n_found += 1
                p = following
        begin = stop
    return n_found
