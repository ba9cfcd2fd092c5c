"""Records with an equal filter in some pass: most pairs of one person, at almost no cost.

Where all that enters a pass is equal, the filters are equal bit for bit. Filters are uniform, so that a
part of one word tells them apart, and records of unlike people share it as good as never.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.pool import Pool

__all__ = ["MOST_EQUAL", "meet_equal"]

MOST_EQUAL = 10_000
"""Records are set aside in a pass where more pairs than this have one and the same filter."""

_Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def meet_equal(pool: Pool, words: npt.NDArray[np.uint64]) -> _Found:
    """Return the pairs that may match and are equal in a word.

    Parameters
    ----------
    pool : Pool
        All records.
    words : ndarray of uint64, shape (n_records,)
        A word of each record's filter.

    Returns
    -------
    left, right : ndarray of int64, shape (n_pairs,)
        Positions in the pool, the smaller left.
    crowded : ndarray of int64
        The records that are set aside: their word is that of more than :data:`MOST_EQUAL` pairs.
    """
    n_low = max(len(words) - 1, 1).bit_length()
    low = np.uint64((1 << n_low) - 1)
    packed = (words & ~low) | np.arange(len(words), dtype=np.uint64)
    packed.sort()
    records = (packed & low).astype(np.int64)
    packed >>= np.uint64(n_low)
    starts = np.flatnonzero(np.append(True, packed[1:] != packed[:-1]))
    sizes = np.diff(np.append(starts, len(packed)))
    several = sizes > 1
    return _crossed(pool, records, starts[several], sizes[several])


def _crossed(
    pool: Pool,
    records: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
) -> _Found:
    """Return the pairs of each group of records, and those of the groups that are too large."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    first = np.cumsum(sizes) - sizes
    place = np.arange(len(group)) - first[group]
    member = records[starts[group] + place]
    # Records ascend within a group, so that those of a party lie together.
    party = pool.party[member]
    change = np.append(True, (group[1:] != group[:-1]) | (party[1:] != party[:-1]))
    run = np.cumsum(change) - 1
    run_end = np.append(np.flatnonzero(change)[1:], len(group))[run] if len(group) else run
    end = first[group] + sizes[group]
    after = np.where(pool.clean[party], run_end, np.arange(1, len(group) + 1))
    n_partners = end - after
    n_pairs = np.bincount(group, weights=n_partners, minlength=len(sizes))
    crowded = n_pairs[group] > MOST_EQUAL
    n_partners[crowded] = 0
    one = np.repeat(np.arange(len(group)), n_partners)
    step = np.arange(len(one)) - np.repeat(np.cumsum(n_partners) - n_partners, n_partners)
    return member[one], member[after[one] + step], np.sort(member[crowded])
