"""The comparison kernels in plain numpy: slow, obvious, and what the fast ones must equal.

They also run where numba has no wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.compare.levels import Comparison

__all__ = ["codes_of_pairs", "scan_rows"]

_BITS_PER_LEVEL = np.uint64(3)


def levels_of_pairs(
    c: Comparison, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the agreement level of each field of each pair, shape (n_pairs, n_fields)."""
    levels = np.zeros((len(left), c.n_fields), dtype=np.int64)
    for f in range(c.n_fields):
        words = slice(int(c.word_starts[f]), int(c.word_starts[f + 1]))
        both = np.bitwise_count(c.words[left, words] | c.words[right, words]).sum(axis=1)
        # A product of two powers is exact, so that it is rounded once.
        room = c.n_bits[f] * (c.room[left, f].astype(np.float64) * c.room[right, f])
        level = np.ones(len(left), dtype=np.int64)
        level[room[:, 0] <= c.n_bits[f] - both] = 2
        level[room[:, 1] <= c.n_bits[f] - both] = 3
        level[(both == c.n_set[left, f]) & (both == c.n_set[right, f])] = 4
        level[(c.n_set[left, f] < 0) | (c.n_set[right, f] < 0)] = 0
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
