"""The comparison of record filters in plain numpy: slow, obvious, and what the kernel must equal.

It also runs where numba has no wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["SCALE", "common_bits", "scan_filters"]

SCALE = 1 << 16
"""A similarity is given as so many parts of 1."""

_PAIRS_AT_ONCE = 100_000


def common_bits(
    words: npt.NDArray[np.uint64], left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return how many bits each pair of rows has in common, shape (n_pairs,)."""
    parts = [
        np.bitwise_count(words[left[i : i + _PAIRS_AT_ONCE]] & words[right[i : i + _PAIRS_AT_ONCE]])
        .sum(axis=1)
        .astype(np.int64)
        for i in range(0, len(left), _PAIRS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def scan_filters(
    words: npt.NDArray[np.uint64],
    n_set: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    last: npt.NDArray[np.int64],
    start: int,
    stop: int,
    least: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the pairs of rows `start` to `stop` with their partners, and their common bits.

    Only pairs whose Dice similarity, in parts of 1 / ``SCALE``, is at least `least`.
    """
    nothing = np.zeros(0, dtype=np.int64)
    lefts, rights, commons = [nothing], [nothing], [nothing]
    for p in range(start, stop):
        right = np.arange(first[p], last[p], dtype=np.int64)
        left = np.full(len(right), p, dtype=np.int64)
        common = common_bits(words, left, right)
        alike = 2 * SCALE * common >= least * (n_set[p] + n_set[right])
        lefts.append(left[alike])
        rights.append(right[alike])
        commons.append(common[alike])
    return np.concatenate(lefts), np.concatenate(rights), np.concatenate(commons)
