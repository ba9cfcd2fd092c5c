"""How good a linkage is, as far as it can tell itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from linkkit.engines import slices_of
from linkkit.linkage.classify import USUAL_DOUBT, Doubt, ScoredPairs
from linkkit.linkage.pool import Pool

__all__ = ["LinkageQuality", "estimate_quality", "links_in_groups"]

_LEAST_EXPECTED = 0.5
"""With fewer true pairs expected than this there is no overlap, and nothing was missed."""

_LARGEST_GROUP = 40
_DEVIATIONS = 1.645
_SHIFT_OF_FEW = 10.0
_PAIRS_ANYWAY = 1.0
_CERTAIN = 1e-12

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkageQuality:
    """Estimated quality of the links, from the match probabilities.

    The estimate rests on the model. What a model cannot know, such as records of one person that
    have nothing in common, is in neither number; the intervals allow for some of it.

    Attributes
    ----------
    n_links : int
        Pairs of records of one person.
    precision : float
        Expected share of links that are right, 0 to 1. A link that follows from others is as probable as
        the best of its ways through a third record makes it.
    recall : float
        Expected share of true pairs that were linked, 0 to 1, of all: also of those that were too little
        alike to be candidates, where the model knows how many these are. 1 where no true pair is
        expected at all.
    precision_interval, recall_interval : tuple of float
        Where the true values lie with a probability of about 90 %, if the model is about right: it holds
        chance, and match weights that are all off by one to some nats, more in profiles with passes.
    """

    n_links: int
    precision: float
    recall: float
    precision_interval: tuple[float, float] = (0.0, 1.0)
    recall_interval: tuple[float, float] = (0.0, 1.0)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def __str__(self) -> str:
        if not self.n_links:
            return "0 links; nothing to estimate"
        (p_low, p_high), (r_low, r_high) = self.precision_interval, self.recall_interval
        return (
            f"{self.n_links} links, estimated precision {self.precision:.3f} "
            f"({p_low:.3f} to {p_high:.3f}), recall {self.recall:.3f} ({r_low:.3f} to {r_high:.3f}), "
            f"F1 {self.f1:.3f}"
        )


class _Links(NamedTuple):
    """Probabilities of all links, and of candidate pairs that are none but could be."""

    of_links: _Floats
    through_others: float
    missed: _Floats


def estimate_quality(
    pool: Pool,
    scored: ScoredPairs,
    person: npt.NDArray[np.int64],
    *,
    n_unseen: float = 0.0,
    doubt: Doubt = USUAL_DOUBT,
) -> LinkageQuality:
    """Estimate precision and recall of a partition into people.

    A pair that the agreement rules out, because one of its records is linked to another record
    of a party that holds each person once, does not count as missed.

    Parameters
    ----------
    pool : Pool
        All records.
    scored : ScoredPairs
        Candidate pairs.
    person : ndarray of int64, shape (n_records,)
        The smallest position of a record of the same person.
    n_unseen : float
        How many pairs of one person are expected not to be candidates.
    doubt : Doubt
        How far the model may be off.
    """
    links = _links(pool, scored, person)
    n_links, unseen = len(links.of_links), max(n_unseen - links.through_others, 0.0)
    middle = _shares(links, unseen, 0.0)
    expected = float(links.of_links.sum() + links.missed.sum())
    shift = doubt.nats + _SHIFT_OF_FEW / (expected + _SHIFT_OF_FEW)
    ends = [
        _shares(links, unseen * factor, sign * shift)
        for sign in (-1, 1)
        for factor in (1 / doubt.times_unseen, doubt.times_unseen)
    ]
    of_chance = float((links.of_links * (1 - links.of_links)).sum())
    of_missed = of_chance + float((links.missed * (1 - links.missed)).sum()) + unseen
    return LinkageQuality(
        n_links=n_links,
        precision=middle[0],
        recall=middle[1],
        precision_interval=_interval([x[0] for x in (middle, *ends)], of_chance, n_links),
        recall_interval=_interval([x[1] for x in (middle, *ends)], of_missed, expected + unseen),
    )


def _shares(links: _Links, unseen: float, shift: float) -> tuple[float, float]:
    """Return precision and recall if the log odds of all pairs were off by `shift`."""
    right, missed = (
        float((_shifted(p, shift) if shift else p).sum()) for p in (links.of_links, links.missed)
    )
    n_links, every = len(links.of_links), right + missed + unseen
    return (
        right / n_links if n_links else 1.0,
        right / every if every > _LEAST_EXPECTED else 1.0,
    )


def _shifted(probability: _Floats, shift: float) -> _Floats:
    return np.asarray(expit(logit(np.clip(probability, _CERTAIN, 1 - _CERTAIN)) + shift))


def _interval(shares: list[float], variance: float, n: float) -> tuple[float, float]:
    """Return the reach of some shares of `n` pairs, and of chance about them."""
    chance = (_DEVIATIONS * float(np.sqrt(variance)) + _PAIRS_ANYWAY) / max(n, 1.0)
    return max(min(shares) - chance, 0.0), min(max(shares) + chance, 1.0)


def _links(pool: Pool, scored: ScoredPairs, person: npt.NDArray[np.int64]) -> _Links:
    taken = _party_of_person(pool, person)
    size = len(pool.parties)
    n_records = np.bincount(person, minlength=len(pool))
    of_pairs, missed = [np.zeros(0)], [np.zeros(0)]
    inside: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for rows in slices_of(len(scored)):
        left, right = scored.left[rows], scored.right[rows]
        one, other, probability = person[left], person[right], scored.probability[rows]
        linked = one == other
        is_taken = taken[one * size + pool.party[right]] | taken[other * size + pool.party[left]]
        of_pairs.append(probability[linked & (n_records[one] == 2)])
        missed.append(probability[~linked & ~is_taken])
        inside.append(rows.start + np.flatnonzero(linked & (n_records[one] > 2)))
    # Two records that were linked are candidates, unless they were linked for other reasons.
    n_of_two = int((n_records == 2).sum())
    of_two = np.concatenate(of_pairs)
    of_more, through_others = links_in_groups(scored, np.concatenate(inside), person, n_records)
    return _Links(
        of_links=np.concatenate([of_two, np.zeros(n_of_two - len(of_two)), of_more]),
        through_others=through_others,
        missed=np.concatenate(missed),
    )


def links_in_groups(
    scored: ScoredPairs,
    rows: npt.NDArray[np.int64],
    person: npt.NDArray[np.int64],
    n_records: npt.NDArray[np.int64],
) -> tuple[_Floats, float]:
    """Return the probability of each link in groups of three or more, and how many were no candidates.

    Two records of a group are of one person if they are alike, or if both are of one person with a
    third. The best of these ways counts: all of them compare the same two records with records that are
    much the same, so that they are right or wrong together.
    """
    order = np.argsort(person, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order)) - np.searchsorted(person[order], person[order])
    answer, through = [np.zeros(0)], 0.0
    size_of_row = n_records[person[scored.left[rows]]]
    for size in np.unique(n_records[n_records > 2]).tolist():
        groups = np.flatnonzero(n_records == size)
        mine = rows[size_of_row == size]
        left, right, p = scored.left[mine], scored.right[mine], scored.probability[mine]
        n_links = size * (size - 1) // 2
        if size > _LARGEST_GROUP:
            answer += [p, np.zeros(len(groups) * n_links - len(p))]
            continue
        number = np.searchsorted(groups, person[left])
        joint = np.zeros((len(groups), size, size))
        joint[number, place[left], place[right]] = joint[number, place[right], place[left]] = p
        best = joint.copy()
        for k in range(size):
            np.maximum(best, joint[:, :, [k]] * joint[:, [k], :], out=best)
        one, other = np.triu_indices(size, k=1)
        of_links = best[:, one, other]
        through += float(of_links[joint[:, one, other] == 0].sum())
        answer.append(of_links.ravel())
    return np.concatenate(answer), through


def _party_of_person(pool: Pool, person: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    size = len(pool.parties)
    taken = np.zeros(len(pool) * size, dtype=np.bool_)
    clean = pool.clean[pool.party]
    taken[person[clean] * size + pool.party[clean]] = True
    return taken
