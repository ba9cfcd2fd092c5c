"""Learns from the compared passes of candidate pairs, and scores pairs with what was learned."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from linkkit.linkage.block import PassPlan
from linkkit.linkage.classify.competition import compete
from linkkit.linkage.classify.known_strangers import Strangers
from linkkit.linkage.classify.pass_coverage import blocks_of
from linkkit.linkage.classify.pass_evidence import SeenPairs
from linkkit.linkage.classify.pass_learning import fit_pass_model
from linkkit.linkage.classify.pass_levels import pass_levels
from linkkit.linkage.classify.pass_model import PassModel
from linkkit.linkage.classify.pass_similarities import SIMILARITIES
from linkkit.linkage.classify.scores import ScoredPairs
from linkkit.linkage.compare.passes.matched import (
    MATCHED_SALTS,
    n_alike,
    pairs_by_parties,
    sure_groups,
    sure_matches,
)
from linkkit.linkage.compare.passes.pairs import PassPairs
from linkkit.linkage.pool import Pool

__all__ = ["fit_passes", "pass_log_odds", "score_passes", "unseen_matches"]

_LEAST_FOUND = 0.1
_LEAST_KNOWN = 0.02
"""Strangers are learned from those that are known if they are no smaller a share of all pairs."""


def fit_passes(
    pool: Pool,
    pairs: PassPairs,
    plan: PassPlan,
    *,
    most_matches: int,
    known: npt.NDArray[np.int8] | None = None,
) -> PassModel:
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
        How many match if everybody who can has one match.
    known : ndarray of int8, shape (n_pairs,), optional
        What is known of each pair: 1 the same person, -1 not, 0 nothing.
    """
    return fit_pass_model(
        pool.spec,
        pairs.correlations,
        n_pairs=plan.n_pairs,
        n_expected=float(most_matches),
        most_matches=float(most_matches if pool.clean.all() else plan.n_pairs),
        n_records=len(pool),
        seen=_seen(pool, plan),
        strangers=_strangers(pool, pairs, plan),
        known=known,
        block=blocks_of(pool, pairs.left, pairs.right),
        pairs_of_block=_pairs_of_block(pool),
        found=_found(plan, pairs),
    )


def _found(plan: PassPlan, pairs: PassPairs) -> npt.NDArray[np.float64]:
    """Return how probable it was that each pair became a candidate, by how alike it is."""
    missing = np.ones(len(pairs))
    for k in range(len(plan.names)):
        missing *= 1 - plan.share_found(k, pairs.correlations[:, k])
    # Those with an equal filter meet before all others.
    missing[(pairs.correlations == 1).any(axis=1)] = 0.0
    return np.maximum(1 - missing, _LEAST_FOUND)


def _pairs_of_block(pool: Pool) -> npt.NDArray[np.float64]:
    everybody = np.ones((len(pool), len(pool.parties)), dtype=np.bool_)
    return pairs_by_parties(pool, everybody).reshape(-1).astype(np.float64)


def _seen(pool: Pool, plan: PassPlan) -> npt.NDArray[np.float64]:
    """Return how often a pair with the same salt is a candidate, (n_passes, n_similarities)."""
    rows = []
    for k, item in enumerate(pool.spec.passes):
        correlation = SIMILARITIES**item.n_inputs
        whole = ndtr(correlation * np.sqrt(item.n_bits) - plan.deviations)
        rows.append(whole * plan.share_found(k, correlation))
    return np.array(rows)


def _strangers(pool: Pool, pairs: PassPairs, plan: PassPlan) -> Strangers | None:
    """Return which pairs are no match because a record has its match elsewhere, if enough are."""
    searched = np.ones(len(pool), dtype=np.bool_) if pairs.searched is None else pairs.searched
    matched = sure_matches(pool, pairs)
    free = pairs_by_parties(pool, ~matched)
    all_searched = pairs_by_parties(pool, np.broadcast_to(searched[:, None], matched.shape))
    n_known = int((all_searched - pairs_by_parties(pool, searched[:, None] & ~matched)).sum())
    group = sure_groups(pool, pairs)
    apart = _apart(pool, group)
    n_known += int(apart.sum())
    free = free - apart
    if not free.sum() or n_known < _LEAST_KNOWN * plan.n_pairs:
        return None
    one, other = pool.party[pairs.left], pool.party[pairs.right]
    alike, n_salts = n_alike(pool.spec, pairs)
    elsewhere = matched[pairs.left, other] | matched[pairs.right, one]
    left, right = group[pairs.left], group[pairs.right]
    elsewhere |= (left >= 0) & (right >= 0) & (left != right)
    known = elsewhere & (alike < min(MATCHED_SALTS, n_salts))
    whole = pairs_by_parties(pool, np.ones_like(matched))
    share_free = np.maximum(free, 1) / np.maximum(whole, 1)
    return Strangers(
        known=known,
        counted=known & searched[pairs.left] & searched[pairs.right],
        share=n_known / plan.n_pairs,
        share_free=np.minimum(share_free, 1)[np.minimum(one, other), np.maximum(one, other)],
    )


def _apart(pool: Pool, group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how many pairs of each two parties are of different groups, (n_parties, n_parties).

    Whoever is of a group is a stranger to everybody of another.
    """
    mine = np.flatnonzero(group >= 0)
    members = np.zeros((len(pool), len(pool.parties)), dtype=np.bool_)
    members[mine] = ~pool.clean
    whole = pairs_by_parties(pool, members)
    _, number = np.unique(group[mine], return_inverse=True)
    n_groups = int(number.max(initial=-1)) + 1
    sizes = np.zeros((n_groups, len(pool.parties)), dtype=np.int64)
    np.add.at(sizes, (number.reshape(-1), pool.party[mine]), 1)
    both = sizes.T @ sizes
    within = np.triu(both, k=1) + np.diag((np.diagonal(both) - sizes.sum(axis=0)) // 2)
    return np.asarray(whole - within)


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
        levels=pass_levels(pool.spec, pairs.correlations).astype(np.int8),
        weight=np.log2(certain) - np.log2(1 - certain),
        probability=probability,
    )


def unseen_matches(pool: Pool, pairs: PassPairs, model: PassModel, scored: ScoredPairs) -> float:
    """Return how many matches are expected beside those that the scored pairs are expected to hold.

    Who is alike in two salts or more is seen, and how many others there are follows from these; some of
    the others are among the candidates and have their probabilities.
    """
    block = blocks_of(pool, pairs.left, pairs.right)
    seen = SeenPairs.of(pool.spec, pairs.correlations, block=block, covered=model.covered)
    near = np.bincount(
        block[seen.near], weights=scored.probability[seen.near], minlength=len(model.few)
    )
    none, alone, not_found = near @ model.few
    found = float(scored.probability[seen.lonely].sum())
    return float(none + not_found) + max(float(alone) - found, 0.0)


def pass_log_odds(pool: Pool, pairs: PassPairs, model: PassModel) -> npt.NDArray[np.float64]:
    """Return the natural log of the odds of a match of each pair, judged for itself."""
    return model.log_odds(pairs.correlations, block=blocks_of(pool, pairs.left, pairs.right))
