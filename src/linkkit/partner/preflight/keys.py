"""Blocking keys: the groups that the linkage unit sees, and what their sizes and overlaps tell.

A key is made under the secret, so that nobody without it can try values. But equal values have equal
keys. The largest group is that of the most common value, and which groups a record is in together
can be as good as a name, for somebody with a list of the same people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from linkkit.partner.preflight.results import KeyExposure
from linkkit.partner.preflight.sizes import (
    class_sizes,
    concentration,
    share_alone,
    share_by_listed_rank,
    share_by_rank,
)

__all__ = ["key_exposure", "overlap_patterns", "share_told_apart"]

Codes = npt.NDArray[np.int64]
Patterns = npt.NDArray[np.uint64]

_MOST_ROUNDS = 32


def key_exposure(name: str, made_of: str, codes: Codes) -> KeyExposure:
    """Measure the groups of one blocking key.

    Parameters
    ----------
    name, made_of : str
        The key, and what it is made of in words.
    codes : ndarray of int64, shape (n_records,)
        The group of each record; -1 where it has none.
    """
    sizes = class_sizes(codes)
    n_records, n_largest = int(sizes.sum()), int(sizes.max(initial=0))
    return KeyExposure(
        name=name,
        made_of=made_of,
        n_records=n_records,
        n_groups=len(sizes),
        share_without=1 - n_records / len(codes),
        n_largest=n_largest,
        share_largest=n_largest / n_records if n_records else 0.0,
        n_alone=int(np.count_nonzero(sizes == 1)),
        share_alone=share_alone(sizes),
        concentration=concentration(sizes),
        share_by_rank=share_by_rank(sizes),
        share_by_listed_rank=share_by_listed_rank(sizes),
    )


def share_told_apart(keys: Sequence[Codes]) -> float:
    """Return the share of records that no other equals in :func:`overlap_patterns`, 0 to 1.

    Examples
    --------
    >>> surname, year = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2])
    >>> share_told_apart([surname]), share_told_apart([surname, year])
    (0.0, 0.6)
    """
    _, counts = np.unique(overlap_patterns(keys), return_counts=True)
    return float(np.count_nonzero(counts == 1)) / int(counts.sum()) if len(counts) else 0.0


def overlap_patterns(keys: Sequence[Codes]) -> Patterns:
    """Return a number for each record that tells which groups it is in, as far as their sizes show.

    Two lists with the same groups under other names give the same numbers, so that somebody
    with an exact list finds there who a record is that no other equals. Records and groups take
    turns in being told apart, the groups by their members and the records by their groups, until
    nothing more is (color refinement; Weisfeiler and Leman 1968).

    Parameters
    ----------
    keys : sequence of ndarray of int64, shape (n_records,)
        The group of each record under each key; -1 where it has none.

    Returns
    -------
    ndarray of uint64, shape (n_records,)
        The numbers.
    """
    patterns = np.zeros(len(keys[0]), dtype=np.uint64)
    orders = [np.argsort(codes, kind="stable") for codes in keys]
    n_before = 0
    for _ in range(_MOST_ROUNDS):
        told = patterns.copy()
        for place, (codes, order) in enumerate(zip(keys, orders, strict=True), 1):
            told += _mixed(_group_patterns(patterns, codes, order) + np.uint64(place))
        patterns = _mixed(told)
        n_told = len(np.unique(patterns))
        if n_told == n_before:
            break
        n_before = n_told
    return patterns


def _group_patterns(patterns: Patterns, codes: Codes, order: Codes) -> Patterns:
    """Return the pattern of each record's group, a sum over its members; 0 without a group."""
    ordered = codes[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    sums = np.add.reduceat(_mixed(patterns + np.uint64(1))[order], starts)
    of_group = np.empty(len(codes), dtype=np.uint64)
    of_group[order] = np.repeat(_mixed(sums), np.diff(starts, append=len(ordered)))
    of_group[codes < 0] = 0
    return of_group


def _mixed(numbers: Patterns) -> Patterns:
    """Scatter numbers over 64 bits (the finalizer of SplitMix64; Steele, Lea and Flood 2014)."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)
