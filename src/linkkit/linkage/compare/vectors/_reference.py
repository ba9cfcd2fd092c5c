"""The comparison of bit vectors in numpy: slow, obvious, and what the compiled one must equal.

It also runs where numba has no wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["similar_to_row", "similarities"]


def similarities(
    measure: str,
    common: npt.NDArray[np.int64],
    n_left: npt.NDArray[np.int64],
    n_right: npt.NDArray[np.int64],
    *,
    n_bits: int,
) -> npt.NDArray[np.float64]:
    """Return the similarity of vectors with so many bits, of which so many are in common.

    0 where one of them has no bit, except for ``matching``.
    """
    total = n_left + n_right
    if measure == "matching":
        return np.asarray((n_bits - (total - 2 * common)) / n_bits, dtype=np.float64)
    above, below = common, np.minimum(n_left, n_right).astype(np.float64)
    if measure == "dice":
        above, below = 2 * common, total.astype(np.float64)
    elif measure == "jaccard":
        below = (total - common).astype(np.float64)
    elif measure == "cosine":
        below = np.sqrt(n_left.astype(np.float64) * n_right.astype(np.float64))
    empty = (n_left == 0) | (n_right == 0)
    return np.asarray(np.where(empty, 0.0, above / np.where(empty, 1.0, below)), dtype=np.float64)


def similar_to_row(
    row: npt.NDArray[np.uint64],
    others: npt.NDArray[np.uint64],
    *,
    measure: str,
    threshold: float,
    n_bits: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return which of the `others` are at least as similar to a row, and the bits in common."""
    common = np.bitwise_count(others & row).sum(axis=1).astype(np.int64)
    mine = np.full(len(others), int(np.bitwise_count(row).sum()), dtype=np.int64)
    theirs = np.bitwise_count(others).sum(axis=1).astype(np.int64)
    found = similarities(measure, common, mine, theirs, n_bits=n_bits)
    near = np.flatnonzero(found >= threshold)
    return near, common[near]
