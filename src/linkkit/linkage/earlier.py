"""What was compared before: a new delivery meets it, and it is not compared with itself again.

The records that were compared before stand in one list as a "party" that holds each person once, so that
whatever compares a pool compares new records with each other and with all others, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.linkage.pool import Pool, part_of

__all__ = ["Earlier", "pairs_united"]

_LOW = 0xFFFFFFFF

_Ints = npt.NDArray[np.int64]
_Measure = npt.NDArray[Any]

Worth = Callable[[_Measure], npt.NDArray[np.float64]]
"""How much speaks for a match, from what was measured of each pair."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Earlier:
    """What was compared before, and what is to be compared with it.

    Attributes
    ----------
    searched : Pool
        New versions of records by party, then all that was compared before, as one more party.
    record : ndarray of int64, shape (len(searched),)
        Which record of the linkage's pool each of them is, or is an earlier version of.
    n_new : int
        How many are new.
    left, right : ndarray of int64, shape (n_pairs,)
        Candidate pairs that were found before, positions in the linkage's pool; sorted, left before right.
    measure : ndarray, shape (n_pairs,) or (n_pairs, n_passes)
        What was measured of each: packed levels, correlations or similarities.
    n_known : int
        How many pairs were compared before.
    floor : float
        What was the least similarity of candidates then, where they have one.
    """

    searched: Pool
    record: _Ints
    n_new: int
    left: _Ints
    right: _Ints
    measure: _Measure
    n_known: int
    floor: float

    def __repr__(self) -> str:
        return f"<Earlier: {len(self.record) - self.n_new} records, {self.n_new} new>"

    def among(self, records: _Ints) -> Earlier:
        """Return what was compared, and is to be, among some records alone, numbered anew in their order."""
        kept = np.flatnonzero(np.isin(self.record, records))
        pairs = np.flatnonzero(np.isin(self.left, records) & np.isin(self.right, records))
        return replace(
            self,
            searched=part_of(self.searched, kept),
            record=np.searchsorted(records, self.record[kept]),
            n_new=int((kept < self.n_new).sum()),
            left=np.searchsorted(records, self.left[pairs]),
            right=np.searchsorted(records, self.right[pairs]),
            measure=self.measure[pairs],
        )

    def of_records(self, records: _Ints) -> _Ints:
        """Return which of those that are searched are of some records, ascending."""
        return np.flatnonzero(np.isin(self.record, records))


def pairs_united(
    pool: Pool, earlier: Earlier, found: tuple[_Ints, _Ints, _Measure], worth: Worth
) -> tuple[_Ints, _Ints, _Measure]:
    """Return the pairs found now and before as pairs of records, each once, sorted.

    Of several versions of two records, what speaks most for a match counts, so that whoever moved is
    known by the old address, too.

    Parameters
    ----------
    pool : Pool
        The linkage's pool, of one row for each record.
    earlier : Earlier
        What was compared before.
    found : tuple of left, right and measure
        Pairs found now, positions in ``earlier.searched``, and what was measured of them.
    worth : callable
        How much that speaks for a match.
    """
    left, right, measure = found
    one, other = earlier.record[left], earlier.record[right]
    one, other = np.minimum(one, other), np.maximum(one, other)
    same_party = pool.party[one] == pool.party[other]
    may = np.flatnonzero((one != other) & ~(same_party & pool.clean[pool.party[one]]))
    place, measure = (one[may] << 32) | other[may], measure[may]
    columns = measure.T if measure.ndim > 1 else measure[None, :]
    order = np.lexsort((*columns, -worth(measure), place))
    order = order[np.append(True, np.diff(place[order]) != 0)[: len(order)]]
    place, measure = place[order], measure[order]
    before = (earlier.left << 32) | earlier.right
    at = np.searchsorted(before, place)
    known = np.append(before, -1)[at] == place
    kept = earlier.measure
    if known.any():
        kept = kept.copy()
        mine, theirs = np.flatnonzero(known), at[known]
        better = worth(measure[mine]) > worth(kept[theirs])
        kept[theirs[better]] = measure[mine[better]]
    new = ~known
    united = np.insert(before, at[new], place[new])
    return united >> 32, united & _LOW, np.insert(kept, at[new], measure[new], axis=0)
