"""Tables of sampled bits in plain numpy: slow, obvious, and what the kernels must equal.

They also run where numba has no wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.compare.passes._reference import distances_of_pairs

__all__ = ["gather_words", "join_table"]

_ROWS_AT_ONCE = 1_000


def gather_words(
    words: npt.NDArray[np.uint64],
    rows: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    first: int,
    out: npt.NDArray[np.uint64],
) -> None:
    """Fill some places of `out`, shape (n, n_words), with some words of some rows."""
    out[places] = words[rows, first : first + out.shape[1]]


def join_table(
    signs: npt.NDArray[np.uint64],
    rows: npt.NDArray[np.int64],
    party: npt.NDArray[np.int64],
    clean: npt.NDArray[np.bool_],
    keys: npt.NDArray[np.uint64],
    *,
    most_signs: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the pairs of rows with equal keys that are near, the smaller row left, and how near.

    `rows`, ascending, are who takes part, `signs` are their first words, `party` is theirs and `keys` are the
    bits that they meet by. At most `most_signs` bits apart in the first words; those with equal first
    words are left out, and two records of a clean party do not meet.
    """
    order = np.argsort(keys, kind="stable")
    ends = np.searchsorted(keys[order], keys[order], side="right")
    lefts, rights, distances = ([np.zeros(0, dtype=np.int64)] for _ in range(3))
    for start in range(0, len(order), _ROWS_AT_ONCE):
        places = np.arange(start, min(start + _ROWS_AT_ONCE, len(order)))
        n_partners = ends[places] - places - 1
        one = np.repeat(places, n_partners)
        step = np.arange(len(one)) - np.repeat(np.cumsum(n_partners) - n_partners, n_partners)
        left, right = order[one], order[one + 1 + step]
        meets = (party[left] != party[right]) | ~clean[party[left]]
        left, right = left[meets], right[meets]
        apart = distances_of_pairs(signs, signs, left, right)
        near = (apart > 0) & (apart <= most_signs)
        lefts.append(rows[left[near]])
        rights.append(rows[right[near]])
        distances.append(apart[near])
    return np.concatenate(lefts), np.concatenate(rights), np.concatenate(distances)
