"""Joins people into households by all evidence between two groups, best pairs first.

Two groups are joined only if the mean evidence over all pairs between them is for it, so that one
shared wall, or one number that somebody passed on, does not chain a street into one household. Of a pair
that nothing is known of, nothing is held against it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import cluster_records
from linkkit.linkage.households.candidates import HomePairs
from linkkit.linkage.households.model import HomeModel
from linkkit.linkage.households.states import StateTable
from linkkit.linkage.pool import part_of

__all__ = ["join_people", "score_homes"]

_STRONGEST = 10.0
_KNOWN_TO_DIFFER = 1.5

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_States = npt.NDArray[np.uint8]


def score_homes(
    table: StateTable, model: HomeModel, pairs: HomePairs, states: _States
) -> ScoredPairs:
    """Score candidate pairs of people: the probability that they are of one household.

    The weight is what a pair adds when two groups are weighed: its log2 odds where they are for one
    household, else the evidence against it without how rare households are among all pairs. Where both homes
    are known and probably two, that is something against it at least.
    """
    odds = model.weights(states)
    return ScoredPairs(
        left=pairs.left,
        right=pairs.right,
        levels=states.astype(np.int8),
        weight=_say(table, model, states, odds),
        probability=expit(odds * np.log(2)),
    )


def join_people(
    table: StateTable, model: HomeModel, scored: ScoredPairs, *, threshold: float = 0.5
) -> _Ints:
    """Assign every person to one household; returns the smallest number of its people."""
    evidence = table.evidence
    # Somebody without evidence is in no pair, so that any row may stand for them.
    rows = np.minimum(evidence.starts[:-1], max(len(evidence.pool) - 1, 0))
    people = part_of(evidence.pool, rows if len(evidence.pool) else rows[:0])
    if not len(people):
        return np.arange(evidence.n_people, dtype=np.int64)

    def score(left: _Ints, right: _Ints) -> _Floats:
        states = table.of_pairs(left, right)
        return _say(table, model, states, model.weights(states))

    return cluster_records(people, scored, threshold=threshold, score=score)


def _say(table: StateTable, model: HomeModel, states: _States, odds: _Floats) -> _Floats:
    """Return what pairs add when two groups are weighed."""
    against = np.minimum(model.weights(states, with_prior=False), 0.0)
    known = table.tells_homes(states)
    against[known] = np.minimum(against[known], np.maximum(odds[known], -_KNOWN_TO_DIFFER))
    return np.clip(np.where(odds > 0, odds, against), -_STRONGEST, _STRONGEST)
