"""Which pairs are worth a question.

Most of the questions go where an answer decides most: to pairs about the threshold (uncertainty
sampling: Lewis and Gale, 1994) and to pairs that the clusters contradict. The rest is spread over all
weights, as labels of nothing but hard pairs would not show where the model is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from linkkit.engines import slices_of
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.linked_pairs import LinkedPairs

__all__ = ["WHY", "ChosenPairs", "Why", "choose_pairs"]

Why = Literal["threshold", "conflict", "spread"]
"""Near the threshold; linked against its own evidence, or not linked although it is strong; one of all weights."""

WHY: tuple[Why, ...] = get_args(Why)

_SHARE_OF_CONFLICTS = 0.25
_SHARE_SPREAD = 0.25
_MOST_PER_RECORD = 2
_SHORTLIST = 20
_BITS_PER_STRATUM = 3.0
_WIDEST = 15.0
_LEAST = 1e-9

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ChosenPairs:
    """Candidate pairs to ask about.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_chosen,)
        Positions among the scored pairs.
    why : ndarray of int8, shape (n_chosen,)
        Position in :data:`WHY` of the reason of each.
    """

    rows: _Ints
    why: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        counts = np.bincount(self.why, minlength=len(WHY)).tolist()
        return f"<ChosenPairs: {', '.join(f'{n} {w}' for n, w in zip(counts, WHY, strict=True))}>"


def choose_pairs(
    pairs: LinkedPairs, *, n: int, threshold: float, labels: LabelledPairs | None = None
) -> ChosenPairs:
    """Choose the pairs whose answers tell most.

    Parameters
    ----------
    pairs : LinkedPairs
        All candidate pairs.
    n : int
        How many to choose at most.
    threshold : float
        The least match probability of a link.
    labels : LabelledPairs, optional
        Pairs that are known already, which are not asked again.

    Returns
    -------
    ChosenPairs
        The same for any order of records, parties and pairs. Each two parties have their turn, and no
        record is in more than two of them.
    """
    limit = float(np.clip(threshold, _LEAST, 1 - _LEAST))
    even = float(np.log2(limit / (1 - limit)))
    first = np.ascontiguousarray(pairs.pool.tokens).view(np.uint64)[:, 0]
    # What no portion has among its best, all together have not either.
    notable = [
        _best_of_all(_open_pairs(pairs, rows, even, first, labels), n)
        for rows in slices_of(len(pairs))
    ]
    listed = _open_pairs(pairs, np.concatenate([_NOBODY, *notable]), even, first, labels)
    picker = _Picker(pairs, listed)
    calm = np.flatnonzero(~listed.conflict)
    picker.take("conflict", _conflicts(listed, n), round(n * _SHARE_OF_CONFLICTS))
    picker.take("spread", _spread(listed, calm, n), round(n * _SHARE_SPREAD))
    picker.take("threshold", _nearest(listed, calm, n), n - len(picker))
    picker.take("threshold", _nearest(listed, np.arange(len(listed.rows)), n), n - len(picker))
    return picker.chosen()


_NOBODY: _Ints = np.zeros(0, dtype=np.int64)


class _Listed(NamedTuple):
    """Some pairs without a label.

    `rows` are their positions among the scored pairs, `margin` is how far each is above the threshold in bits,
    `conflict` whether the clusters contradict it, and `chance` orders them at random.
    """

    rows: _Ints
    left: _Ints
    right: _Ints
    margin: _Floats
    conflict: npt.NDArray[np.bool_]
    chance: npt.NDArray[np.uint64]


def _open_pairs(
    pairs: LinkedPairs,
    some: slice | _Ints,
    even: float,
    first: npt.NDArray[np.uint64],
    labels: LabelledPairs | None,
) -> _Listed:
    rows = np.arange(some.start, some.stop) if isinstance(some, slice) else np.sort(some)
    if labels is not None:
        known = (labels.left << 32) | labels.right
        rows = rows[~np.isin((pairs.scored.left[rows] << 32) | pairs.scored.right[rows], known)]
    left, right = pairs.scored.left[rows], pairs.scored.right[rows]
    margin, linked = pairs.scored.weight[rows] - even, pairs.linked[rows]
    return _Listed(
        rows=rows,
        left=left,
        right=right,
        margin=margin,
        conflict=(margin >= 0) != linked,
        # Tokens are random, so that a sum of two chooses at random, and the same in any order.
        chance=first[left] * np.uint64(0x9E3779B97F4A7C15) + first[right],
    )


def _best_of_all(listed: _Listed, n: int) -> _Ints:
    """Return the positions among the scored pairs of all that may be chosen."""
    calm = np.flatnonzero(~listed.conflict)
    everybody = np.arange(len(listed.rows))
    lists = (
        _conflicts(listed, n),
        _spread(listed, calm, n),
        _nearest(listed, calm, n),
        _nearest(listed, everybody, n),
    )
    return listed.rows[np.unique(np.concatenate(lists))]


def _conflicts(listed: _Listed, n: int) -> _Ints:
    return _best(listed, np.flatnonzero(listed.conflict), -np.abs(listed.margin), n)


def _nearest(listed: _Listed, places: _Ints, n: int) -> _Ints:
    return _best(listed, places, np.abs(listed.margin), n)


def _best(listed: _Listed, places: _Ints, cost: npt.NDArray[np.generic], n: int) -> _Ints:
    """Return the places of least cost, in order; of equal cost the smaller records come first."""
    most = min(_SHORTLIST * n, len(places))
    if most < len(places):
        own = cost[places]
        places = places[own <= np.partition(own, most - 1)[most - 1]]
    return places[np.lexsort((listed.right[places], listed.left[places], cost[places]))][:most]


def _spread(listed: _Listed, places: _Ints, n: int) -> _Ints:
    """Return places of all strata of weights in turn, within a stratum at random."""
    stratum = np.floor(np.clip(listed.margin[places], -_WIDEST, _WIDEST) / _BITS_PER_STRATUM)
    found = [
        _best(listed, places[stratum == value], listed.chance, n) for value in np.unique(stratum)
    ]
    turn = np.concatenate([_NOBODY, *(np.arange(len(some)) for some in found)])
    return np.concatenate([_NOBODY, *found])[np.argsort(turn, kind="stable")]


class _Picker:
    """Takes pairs in turn of the two parties that they are of, no record too often."""

    def __init__(self, pairs: LinkedPairs, listed: _Listed) -> None:
        self._listed = listed
        party = pairs.pool.party
        self._block = party[listed.left] * len(pairs.pool.parties) + party[listed.right]
        self._why: dict[int, int] = {}
        self._asked: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._why)

    def take(self, why: Why, order: _Ints, n: int) -> None:
        """Take up to `n` more pairs of some, the first ones first."""
        taken = 0
        turn = np.lexsort((self._block[order], _turns(self._block[order])))
        for place in order[turn].tolist():
            if taken >= n:
                break
            both = (int(self._listed.left[place]), int(self._listed.right[place]))
            often = max(self._asked.get(record, 0) for record in both)
            if place in self._why or often >= _MOST_PER_RECORD:
                continue
            self._why[place] = WHY.index(why)
            for record in both:
                self._asked[record] = self._asked.get(record, 0) + 1
            taken += 1

    def chosen(self) -> ChosenPairs:
        """Return what was taken, by the records of each pair."""
        places = np.array(list(self._why), dtype=np.int64)
        places = places[np.lexsort((self._listed.right[places], self._listed.left[places]))]
        why = np.array([self._why[place] for place in places.tolist()], dtype=np.int8)
        return ChosenPairs(rows=self._listed.rows[places], why=why)


def _turns(group: _Ints) -> _Ints:
    """Return for each entry how many of its group stand before it."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    turn = np.empty(len(group), dtype=np.int64)
    turn[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered)
    return turn
