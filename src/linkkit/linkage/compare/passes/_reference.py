"""The comparison of passes in plain numpy: slow, obvious, and what the kernels must equal.

They also run where numba has no wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["distances_of_pairs", "scan_pairs"]

_PAIRS_AT_ONCE = 100_000


def distances_of_pairs(
    ones: npt.NDArray[np.uint64],
    others: npt.NDArray[np.uint64],
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return the Hamming distance of each pair of a row of `ones` and one of `others`, shape (n_pairs,)."""
    parts = [
        np.bitwise_count(ones[left[i : i + _PAIRS_AT_ONCE]] ^ others[right[i : i + _PAIRS_AT_ONCE]])
        .sum(axis=1)
        .astype(np.int64)
        for i in range(0, len(left), _PAIRS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def scan_pairs(
    words: npt.NDArray[np.uint64],
    order: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    last: npt.NDArray[np.int64],
    start: int,
    stop: int,
    *,
    n_first_words: int,
    most_first: int,
    most: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the pairs of rows `start` to `stop` with their partners that are near.

    At most `most_first` bits apart in the first words, and `most` in all; rows are
    positions in `order`.
    """
    lefts, rights = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for p in range(start, stop):
        right = np.arange(first[p], last[p], dtype=np.int64)
        left = np.full(len(right), p, dtype=np.int64)
        one, other = order[left], order[right]
        firsts = words[:, :n_first_words]
        near = distances_of_pairs(firsts, firsts, one, other) <= most_first
        near[near] = distances_of_pairs(words, words, one[near], other[near]) <= most
        lefts.append(left[near])
        rights.append(right[near])
    return np.concatenate(lefts), np.concatenate(rights)
