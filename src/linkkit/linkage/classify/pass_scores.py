"""Learns from the compared passes of candidate pairs, and scores pairs with what was learned."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block import PassPlan
from linkkit.linkage.classify.competition import compete
from linkkit.linkage.classify.pass_model import PassModel, fit_pass_model, pass_levels
from linkkit.linkage.classify.scores import ScoredPairs
from linkkit.linkage.compare.pass_pairs import PassPairs
from linkkit.linkage.pool import Pool

__all__ = ["fit_passes", "pass_log_odds", "score_passes"]


def fit_passes(pool: Pool, pairs: PassPairs, plan: PassPlan, *, most_matches: int) -> PassModel:
    """Learn the model of a pool's passes.

    Parameters
    ----------
    pool : Pool
        All records.
    pairs : PassPairs
        Candidate pairs.
    plan : PassPlan
        How they were found.
    most_matches : int
        How many can match at most.
    """
    return fit_pass_model(
        pool.spec,
        pairs.correlations,
        n_pairs=plan.n_pairs,
        most_matches=float(most_matches),
        n_records=len(pool),
        deviations=plan.deviations,
    )


def score_passes(pool: Pool, pairs: PassPairs, model: PassModel) -> ScoredPairs:
    """Score all candidate pairs with a model, as they compete with each other.

    Returns
    -------
    ScoredPairs
        One for each pair, in the same order.
    """
    log_odds = pass_log_odds(pairs, model)
    probability = compete(pool, pairs.left, pairs.right, np.exp(np.clip(log_odds, -700, 700)))
    certain = np.clip(probability, 1e-300, 1 - 1e-15)
    return ScoredPairs(
        left=pairs.left,
        right=pairs.right,
        levels=pass_levels(pool.spec, pairs.correlations),
        weight=np.log2(certain) - np.log2(1 - certain),
        probability=probability,
    )


def pass_log_odds(pairs: PassPairs, model: PassModel) -> npt.NDArray[np.float64]:
    """Return the natural log of the odds of a match of each pair, judged for itself."""
    return model.log_odds(pairs.correlations)
