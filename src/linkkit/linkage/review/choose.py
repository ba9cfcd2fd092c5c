"""Which pairs are worth a question.

Most of the questions go where an answer decides most: to pairs about the threshold (uncertainty
sampling: Lewis and Gale, 1994) and to pairs that the clusters contradict. The rest is spread over all
weights, as labels of nothing but hard pairs would not show where the model is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

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
    margin = pairs.scored.weight - np.log2(limit / (1 - limit))
    open_ = _unknown(pairs, labels)
    conflict = open_ & (((margin >= 0) & ~pairs.linked) | ((margin < 0) & pairs.linked))
    picker = _Picker(pairs)
    n_conflicts = round(n * _SHARE_OF_CONFLICTS)
    n_spread = round(n * _SHARE_SPREAD)
    picker.take("conflict", _best(pairs, np.flatnonzero(conflict), -np.abs(margin), n), n_conflicts)
    rest = np.flatnonzero(open_ & ~conflict)
    picker.take("spread", _spread(pairs, rest, margin, n), n_spread)
    near = _best(pairs, rest, np.abs(margin), n)
    picker.take("threshold", near, n - len(picker))
    left = _best(pairs, np.flatnonzero(open_), np.abs(margin), n)
    picker.take("threshold", left, n - len(picker))
    return picker.chosen()


class _Picker:
    """Takes pairs in turn of the two parties that they are of, no record too often."""

    def __init__(self, pairs: LinkedPairs) -> None:
        self._pairs = pairs
        self._why: dict[int, int] = {}
        self._asked: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._why)

    def take(self, why: Why, order: _Ints, n: int) -> None:
        """Take up to `n` more pairs of some, the first ones first."""
        taken = 0
        for row in self._in_turn(order).tolist():
            if taken >= n:
                break
            both = (int(self._pairs.scored.left[row]), int(self._pairs.scored.right[row]))
            if row in self._why or max(self._asked.get(r, 0) for r in both) >= _MOST_PER_RECORD:
                continue
            self._why[row] = WHY.index(why)
            for record in both:
                self._asked[record] = self._asked.get(record, 0) + 1
            taken += 1

    def _in_turn(self, order: _Ints) -> _Ints:
        party, scored = self._pairs.pool.party, self._pairs.scored
        block = party[scored.left[order]] * len(party) + party[scored.right[order]]
        return order[np.lexsort((block, _turns(block)))]

    def chosen(self) -> ChosenPairs:
        rows = np.array(sorted(self._why, key=self._place), dtype=np.int64)
        return ChosenPairs(
            rows=rows, why=np.array([self._why[r] for r in rows.tolist()], dtype=np.int8)
        )

    def _place(self, row: int) -> tuple[int, int]:
        return int(self._pairs.scored.left[row]), int(self._pairs.scored.right[row])


def _turns(group: _Ints) -> _Ints:
    """Return for each entry how many of its group stand before it."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    turn = np.empty(len(group), dtype=np.int64)
    turn[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered)
    return turn


def _unknown(pairs: LinkedPairs, labels: LabelledPairs | None) -> npt.NDArray[np.bool_]:
    if labels is None:
        return np.ones(len(pairs), dtype=np.bool_)
    known = (labels.left << 32) | labels.right
    return ~np.isin((pairs.scored.left << 32) | pairs.scored.right, known)


def _best(pairs: LinkedPairs, rows: _Ints, cost: _Floats, n: int) -> _Ints:
    """Return the rows of least cost, in order; of equal cost the smaller positions come first."""
    most = min(_SHORTLIST * n, len(rows))
    if most < len(rows):
        rows = rows[cost[rows] <= np.partition(cost[rows], most - 1)[most - 1]]
    place = (pairs.scored.right[rows], pairs.scored.left[rows])
    return rows[np.lexsort((*place, cost[rows]))][:most]


def _spread(pairs: LinkedPairs, rows: _Ints, margin: _Floats, n: int) -> _Ints:
    """Return rows of all strata of weights in turn, within a stratum as their tokens have it."""
    stratum = np.floor(np.clip(margin[rows], -_WIDEST, _WIDEST) / _BITS_PER_STRATUM)
    left, right = pairs.scored.left[rows], pairs.scored.right[rows]
    # Tokens are random, so that a sum of two chooses at random, and the same in any order.
    first = np.ascontiguousarray(pairs.pool.tokens).view(np.uint64)[:, 0]
    chance = first[left] * np.uint64(0x9E3779B97F4A7C15) + first[right]
    order = np.lexsort((right, left, chance))
    group = stratum[order].astype(np.int64)
    return rows[order[np.lexsort((group, _turns(group)))]][: _SHORTLIST * n]
