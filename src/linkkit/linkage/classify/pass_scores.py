"""Learns from the compared passes of candidate pairs, and scores pairs with what was learned."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from linkkit.linkage.classify.competition import compete
from linkkit.linkage.classify.pass_model import PassModel, fit_pass_model
from linkkit.linkage.classify.scores import ScoredPairs
from linkkit.linkage.classify.similarity import OVERLAPS, expected_correlations, situations
from linkkit.linkage.compare.passes import DIFFER, MISSING, SAME, PassPairs
from linkkit.linkage.pool import Pool

__all__ = ["fit_passes", "pass_log_odds", "score_passes"]

_SPREAD_OF_STRANGERS = 0.05
_MOST_SHARED = 0.6
_SHARED_BY_DEFAULT = 0.3
_SURELY_ALIKE = 0.3
_FEWEST_STRANGERS = 200
_LEVEL_FROM = (0.5, 0.75)


def fit_passes(
    pool: Pool, pairs: PassPairs, samples: Sequence[PassPairs], *, n_pairs: int, most_matches: int
) -> PassModel:
    """Learn the model of a pool's passes.

    Parameters
    ----------
    pool : Pool
        All records.
    pairs : PassPairs
        Candidate pairs.
    samples : sequence of PassPairs
        Random pairs of each pass, hardly any of which match.
    n_pairs : int
        All pairs that could match.
    most_matches : int
        How many can match at most.
    """
    salted = (pool.groups != 0).astype(np.float64)
    n_same = np.array(
        [_count(pool, pool.groups[:, k]) for k in range(pool.groups.shape[1])], dtype=np.float64
    )
    n_salted = np.array([_count(pool, salted[:, k]) for k in range(salted.shape[1])])
    used = pairs.states == SAME
    most = np.where(used, pairs.correlations, -1).max(axis=1, initial=-1)
    return fit_pass_model(
        pool.spec,
        situations(pool, pairs),
        n_pairs=n_pairs,
        n_same=n_same,
        n_salted=n_salted,
        most_matches=float(most_matches),
        strangers=np.array([_strangers(pool, sample, k) for k, sample in enumerate(samples)]),
        floor=float(most.min()) if len(most) else 0.0,
        levels=_levels(pool, pairs),
    )


def _strangers(pool: Pool, sample: PassPairs, k: int) -> npt.NDArray[np.float64]:
    """Return what strangers with the same salt in pass `k`, and in no other, have in common.

    A normal distribution of known width around the mean that explains the mean correlation.
    """
    only = (sample.states == SAME).sum(axis=1) == 1
    here = np.flatnonzero(only & (sample.correlations[:, k] < _SURELY_ALIKE))
    grid = np.array(
        [
            norm.pdf(OVERLAPS, mean, _SPREAD_OF_STRANGERS)
            for mean in OVERLAPS[OVERLAPS <= _MOST_SHARED]
        ]
    )
    grid /= grid.sum(axis=1, keepdims=True)
    if len(here) < _FEWEST_STRANGERS:
        return np.asarray(grid[round(_SHARED_BY_DEFAULT * (len(OVERLAPS) - 1))])
    pairs = PassPairs(
        left=sample.left[here],
        right=sample.right[here],
        states=sample.states[here],
        correlations=sample.correlations[here],
    )
    cells = situations(pool, pairs)
    expected = np.array(
        [
            grid @ expected_correlations(pool.spec.passes, pool.spec.fields, x, OVERLAPS)
            for x in cells.situations
        ]
    )[cells.situation]
    mean = np.average(expected, axis=0, weights=cells.counts)
    seen = float(np.average(cells.correlation, weights=cells.counts))
    return np.asarray(grid[int(np.argmin(np.abs(mean - seen)))])


def _count(pool: Pool, keys: npt.NDArray[np.generic]) -> float:
    """Return how many pairs that may match have the same key, which is not zero."""
    have = np.flatnonzero(keys)
    _, number = np.unique(keys[have], return_inverse=True)
    n_groups = int(number.max()) + 1 if len(have) else 0
    n_parties = len(pool.parties)
    sizes = np.zeros((n_groups, n_parties))
    np.add.at(sizes, (number.reshape(-1), pool.party[have]), 1)
    total = sum(float(sizes[:, a] @ sizes[:, b]) for a, b in combinations(range(n_parties), 2))
    within = (sizes * (sizes - 1) / 2).sum(axis=0)
    return total + float(within[~pool.clean].sum())


def _levels(pool: Pool, pairs: PassPairs) -> npt.NDArray[np.int64]:
    """Return agreement levels by pass: how much of all tokens is in common, roughly."""
    levels = np.zeros(pairs.states.shape, dtype=np.int64)
    for k, item in enumerate(pool.spec.passes):
        alike = np.maximum(pairs.correlations[:, k], 0) ** (1 / item.n_inputs)
        level = 1 + (alike >= _LEVEL_FROM[0]) + (alike >= _LEVEL_FROM[1])
        level = np.where(pairs.correlations[:, k] == 1, 4, level)
        level = np.where(pairs.states[:, k] == DIFFER, 1, level)
        levels[:, k] = np.where(pairs.states[:, k] == MISSING, 0, level)
    return levels


def score_passes(pool: Pool, pairs: PassPairs, model: PassModel) -> ScoredPairs:
    """Score all candidate pairs with a model, as they compete with each other.

    Returns
    -------
    ScoredPairs
        One for each pair, in the same order.
    """
    log_odds = pass_log_odds(pool, pairs, model)
    probability = compete(pool, pairs.left, pairs.right, np.exp(np.clip(log_odds, -700, 700)))
    certain = np.clip(probability, 1e-300, 1 - 1e-15)
    return ScoredPairs(
        left=pairs.left,
        right=pairs.right,
        levels=_levels(pool, pairs),
        weight=np.log2(certain) - np.log2(1 - certain),
        probability=probability,
    )


def pass_log_odds(pool: Pool, pairs: PassPairs, model: PassModel) -> npt.NDArray[np.float64]:
    """Return the natural log of the odds of a match of each pair, judged for itself."""
    if not len(pairs):
        return np.zeros(0)
    cells = situations(pool, pairs)
    return model.log_odds(cells)[cells.cell_of_pair]
