"""The comparison kernels in plain numpy: slow, obvious, and what the fast ones must equal.

They also run where numba has no wheel.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block._key_reference import pairs_of_blocks

if TYPE_CHECKING:
    from linkkit.linkage.compare.fields.levels import Comparison

__all__ = ["codes_of_pairs", "count_bits", "scan_blocks", "scan_rows"]

_BITS_PER_LEVEL = np.uint64(3)


def count_bits(
    words: npt.NDArray[np.uint64], present: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    """Return the number of set bits of each filter of each record, -1 where it is missing."""
    bits = np.bitwise_count(words)
    columns = [bits[:, a:b].sum(axis=1, dtype=np.int32) for a, b in pairwise(starts)]
    return np.where(present, np.stack(columns, axis=1), -1).astype(np.int32)


def levels_of_pairs(
    c: Comparison, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the agreement level of each field of each pair, shape (n_pairs, n_fields)."""
    levels = np.zeros((len(left), c.n_fields), dtype=np.int64)
    for f in range(c.n_fields):
        words = slice(int(c.word_starts[f]), int(c.word_starts[f + 1]))
        one, other = c.words[left, words], c.words[right, words]
        a, b, both = (np.bitwise_count(x).sum(axis=1) for x in (one, other, one | other))
        # A product of two powers is exact, so that it is rounded once.
        room = c.n_bits[f] * (c.powers[f][:2, a].astype(np.float64) * c.powers[f][:2, b]).T
        level = np.ones(len(left), dtype=np.int64)
        level[room[:, 0] <= c.n_bits[f] - both] = 2
        level[room[:, 1] <= c.n_bits[f] - both] = 3
        level[(both == a) & (both == b)] = 4
        level[~(c.present[left, f] & c.present[right, f])] = 0
        levels[:, f] = level
    return levels


def codes_of_pairs(
    c: Comparison, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Return the levels of each pair packed into one number, 3 bits per field."""
    levels = levels_of_pairs(c, left, right).astype(np.uint64)
    codes = np.zeros(len(left), dtype=np.uint64)
    for f in range(c.n_fields):
        codes |= levels[:, f] << (_BITS_PER_LEVEL * np.uint64(f))
    return codes


def scan_rows(
    c: Comparison,
    first: npt.NDArray[np.int64],
    last: npt.NDArray[np.int64],
    start: int,
    stop: int,
    weights: npt.NDArray[np.int64],
    floor: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Compare each of rows `start` to `stop` with its partners; keep pairs at `floor` or above.

    `weights`, shape (n_fields, n_levels), are summed over the fields; a missing field adds nothing.
    """
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
    for p in range(start, stop):
        right = np.arange(first[p], last[p], dtype=np.int64)
        left = np.full(len(right), p, dtype=np.int64)
        levels = levels_of_pairs(c, left, right)
        total = np.zeros(len(right), dtype=np.int64)
        for f in range(c.n_fields):
            total += np.where(levels[:, f] > 0, weights[f, levels[:, f]], 0)
        keep = total >= floor
        found.append((left[keep], right[keep]))
    left = np.concatenate([pair[0] for pair in found]) if found else np.zeros(0, np.int64)
    right = np.concatenate([pair[1] for pair in found]) if found else np.zeros(0, np.int64)
    return left, right, codes_of_pairs(c, left, right)


def scan_blocks(
    c: Comparison,
    packed: npt.NDArray[np.uint64],
    party_starts: npt.NDArray[np.int64],
    clean: npt.NDArray[np.bool_],
    largest: int,
    keys: npt.NDArray[np.uint64],
    mine: int,
    earlier: Sequence[int],
    weights: npt.NDArray[np.int64],
    floor: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Compare the pairs of whole blocks; keep those at `floor` or above.

    Blocks with more than `largest` pairs are passed over. A pair counts if it agrees in the
    columns `mine` of keys, and in none of the sets of columns `earlier`.
    """
    left, right = pairs_of_blocks(packed, party_starts, clean, largest)
    agree = np.zeros(len(left), dtype=np.uint64)
    for column in range(keys.shape[1]):
        same = (keys[left, column] == keys[right, column]) & (keys[left, column] != 0)
        agree |= same.astype(np.uint64) << np.uint64(column)
    keep = (agree & np.uint64(mine)) == np.uint64(mine)
    for mask in earlier:
        keep &= (agree & np.uint64(mask)) != np.uint64(mask)
    left, right = left[keep], right[keep]
    codes = codes_of_pairs(c, left, right)
    total = np.zeros(len(left), dtype=np.int64)
    for f in range(c.n_fields):
        level = ((codes >> (_BITS_PER_LEVEL * np.uint64(f))) & np.uint64(7)).astype(np.int64)
        total += np.where(level > 0, weights[f, level], 0)
    keep = total >= floor
    return left[keep], right[keep], codes[keep]
