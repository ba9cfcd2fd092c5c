"""Figures of how records fall into classes: how many bits, how many alone, how many look alike.

All take the sizes of classes, the numbers of records that share a value, and forget the values.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = [
    "class_sizes",
    "combined",
    "concentration",
    "entropy_bits",
    "look_alikes",
    "share_alone",
    "share_by_listed_rank",
    "share_by_rank",
]

Sizes = npt.NDArray[np.int64]
"""How many records share each value, shape (n_values,); none is 0."""

Codes = npt.NDArray[np.int64]
"""The number of each record's value, shape (n_records,); -1 where it is missing."""


def class_sizes(codes: Codes) -> Sizes:
    """Return how many records share each value, from few to many; missing values are no class.

    Examples
    --------
    >>> class_sizes(np.array([4, 0, 4, -1, 4]))
    array([1, 3])
    """
    counts = np.bincount(codes[codes >= 0])
    return np.sort(counts[counts > 0]).astype(np.int64)


def combined(one: Codes, other: Codes) -> Codes:
    """Number the combinations of two values; missing counts as a value of its own.

    Examples
    --------
    >>> combined(np.array([0, 0, -1, 0]), np.array([2, 1, -1, 2]))
    array([2, 1, 0, 2])
    """
    width = int(other.max(initial=-1)) + 2
    pairs = (one + 1) * width + (other + 1)
    return np.asarray(np.unique(pairs, return_inverse=True)[1], dtype=np.int64)


def entropy_bits(sizes: Sizes) -> float:
    """Return Shannon's entropy of the classes, in bits; the plug-in estimate.

    Examples
    --------
    >>> entropy_bits(np.array([1, 1, 1, 1])), entropy_bits(np.array([4]))
    (2.0, 0.0)
    """
    total = int(sizes.sum())
    if total == 0:
        return 0.0
    return max(math.log2(total) - float(sizes @ np.log2(sizes)) / total, 0.0)


def share_alone(sizes: Sizes) -> float:
    """Return the share of records whose value no other has, 0 to 1.

    Examples
    --------
    >>> share_alone(np.array([1, 1, 2]))
    0.5
    """
    total = int(sizes.sum())
    return float(np.count_nonzero(sizes == 1)) / total if total else 0.0


def look_alikes(sizes: Sizes) -> float:
    """Return how many other records have a record's value, on average over records.

    Examples
    --------
    >>> look_alikes(np.array([1, 3]))
    1.5
    """
    total = int(sizes.sum())
    return float(sizes @ (sizes - 1)) / total if total else 0.0


def concentration(sizes: Sizes) -> float:
    """Return the chance that two records, drawn with replacement, share a value: sum of p squared.

    Examples
    --------
    >>> concentration(np.array([1, 1, 2]))
    0.375
    """
    total = int(sizes.sum())
    return float(sizes @ sizes) / total**2 if total else 0.0


def share_by_rank(sizes: Sizes) -> float:
    """Return the share of records whose value nobody else's frequency equals, 0 to 1.

    Who knows exactly how often each value occurs reads these off their encodings, which are
    as frequent.

    Examples
    --------
    >>> share_by_rank(np.array([1, 1, 2, 6]))
    0.8
    """
    total = int(sizes.sum())
    found, n_values = np.unique(sizes, return_counts=True)
    return float(found[n_values == 1].sum()) / total if total else 0.0


def share_by_listed_rank(
    sizes: Sizes, *, listed: float = 0.9, n_draws: int = 20, seed: int = 1
) -> float:
    """Return the share of records whose value has the same rank in an attacker's list, 0 to 1.

    The list holds each record with the chance `listed`. Values are ranked by how often they
    occur, encodings by how often they do, and the first is taken for the first, and so on; ties
    fall at random. The mean of `n_draws` lists.

    Examples
    --------
    >>> share_by_listed_rank(np.array([10, 1000]))
    1.0
    """
    total = int(sizes.sum())
    if total == 0:
        return 0.0
    rng = np.random.default_rng(seed)
    ranked = np.sort(sizes)
    found = 0
    for _ in range(n_draws):
        on_list = rng.binomial(ranked, listed)
        order = np.lexsort((rng.random(len(ranked)), on_list))
        found += int(ranked[order == np.arange(len(ranked))].sum())
    return found / (total * n_draws)
