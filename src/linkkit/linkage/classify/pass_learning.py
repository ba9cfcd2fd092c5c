"""Learns the model of passes by EM, without labels or with some.

Candidates say what matches are like; strangers are learned in view of those who are too unlike to be
candidates, and all pairs that are no candidates are taken for unrelated. What the model cannot know it
says in its warnings: that it did not come to rest, or that hardly anybody is shared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from linkkit.exchange import EncodingSpec
from linkkit.linkage.classify.known_strangers import Strangers
from linkkit.linkage.classify.pass_coincidences import coincidence_classes
from linkkit.linkage.classify.pass_coverage import covered_passes
from linkkit.linkage.classify.pass_evidence import PassParameters, SeenPairs, pair_log_odds
from linkkit.linkage.classify.pass_levels import pass_weights
from linkkit.linkage.classify.pass_model import PassModel
from linkkit.linkage.classify.pass_patterns import expected_patterns, salts_that_share
from linkkit.linkage.classify.pass_priors import N_MATCHING, WORN, expected_same
from linkkit.linkage.classify.pass_round import (
    Evidence,
    lonely_if_independent,
    next_round,
    share_of_lonely,
    with_rest,
)
from linkkit.linkage.classify.pass_similarities import expected_similar

__all__ = ["fit_pass_model"]

_WORN_AMONG_MATCHES = 0.2
_OTHERS_PER_RECORD = (0.03, 1.0, 0.5, 0.0)
"""Twins, people of one household, namesakes; unrelated are all the rest."""

_HARDLY_ANY, _A_FEW = 0.001, 1.5
_FEW, _LEAST_SAME = 0.02, 0.6
"""Fathers and sons of one name, say, are so few of those who could match; what makes them alike is never
another salt than theirs, while errors of one person are now in this field and now in that."""

_LEAST_MATCHES, _MANY_OTHERS = 20.0, 0.5
_INCREDIBLE = 1e-6
_MAX_ROUNDS = 300
_TIMES_COUNTED = 3
_CONVERGED = 1e-4
_FEWEST = 1e-12
_FEW_NEAR = 1e-3

_Floats = npt.NDArray[np.float64]


def fit_pass_model(
    spec: EncodingSpec,
    correlations: _Floats,
    *,
    n_pairs: int,
    most_matches: float,
    n_records: int,
    seen: _Floats,
    n_expected: float | None = None,
    strangers: Strangers | None = None,
    known: npt.NDArray[np.int8] | None = None,
    block: npt.NDArray[np.int64] | None = None,
    pairs_of_block: _Floats | None = None,
    found: _Floats | None = None,
) -> PassModel:
    """Learn the model by EM from candidate pairs, all other pairs being unrelated.

    Parameters
    ----------
    spec : EncodingSpec
        How the records were encoded.
    correlations : ndarray of float64, shape (n_candidates, n_passes)
        Candidate pairs.
    n_pairs : int
        All pairs that could match.
    most_matches : float
        How many pairs match at most.
    n_records : int
        How many records there are.
    seen : ndarray of float64, shape (n_passes, n_similarities)
        How often a pair with the same salt is a candidate, by
        :data:`~linkkit.linkage.classify.pass_similarities.SIMILARITIES`.
    n_expected : float, optional
        How many pairs match, roughly, where that is not half of the most: where to begin.
    strangers : Strangers, optional
        Which candidates are known to be no match.
    known : ndarray of int8, shape (n_candidates,), optional
        Labels: 1 the same person, -1 not, 0 not known.
    block : ndarray of int64, shape (n_candidates,), optional
        The number of each pair's block, of two parties; by default all are of one.
    pairs_of_block : ndarray of float64, shape (n_blocks,), optional
        How many pairs there are in each.
    found : ndarray of float64, shape (n_candidates,), optional
        How probable it was that each became a candidate, 0 to 1; 1 by default.
    """
    evidence = Evidence(
        seen=SeenPairs.of(spec, correlations, block=block, covered=_all(pairs_of_block, spec)),
        classes=coincidence_classes(spec),
        n_pairs=float(max(n_pairs, 1)),
        n_expected=most_matches if n_expected is None else n_expected,
        most_matches=most_matches,
        seen_alive=seen,
        strangers=strangers or Strangers.unknown(len(correlations)),
        known=np.zeros(len(correlations), dtype=np.int8) if known is None else known,
        same=expected_same(spec),
        similar=expected_similar(spec),
        pairs_of_block=np.array([float(n_pairs)]) if pairs_of_block is None else pairs_of_block,
        found=np.ones(len(correlations)) if found is None else found,
    )
    usual = _usual(evidence, n_records)
    state, n_rounds, converged = _em(evidence, usual)
    for _ in range(_TIMES_COUNTED):
        evidence = _with_counts(spec, correlations, evidence, state)
        state, n_more, converged = _em(evidence, replace(state, lonely=_lonely(evidence, state)))
        n_rounds += n_more
    is_sound = all(np.isfinite(x).all() for x in (state.shares, state.same, state.similar))
    doubts = _doubts(evidence, state, n_rounds, converged=converged, is_sound=is_sound)
    state = _believed(evidence, state) if is_sound else usual
    return _model(
        spec, correlations, evidence, state, n_rounds=n_rounds, converged=converged, doubts=doubts
    )


def _usual(evidence: Evidence, n_records: int) -> PassParameters:
    """Return where to begin, and what is taken where nothing can be learned."""
    worn = 0.5 * _WORN_AMONG_MATCHES * evidence.n_expected
    others = np.array(_OTHERS_PER_RECORD) * n_records
    first = np.concatenate([[0.5 * evidence.n_expected - worn, worn], others])
    state = PassParameters(
        shares=with_rest(first / evidence.n_pairs),
        same=evidence.same,
        similar=evidence.similar,
        coincident=evidence.classes.shares,
        similar_lonely=evidence.similar[WORN],
        lonely=np.zeros((len(evidence.pairs_of_block), 1 + len(evidence.seen.groups))),
    )
    return replace(state, lonely=_lonely(evidence, state))


def _all(pairs_of_block: _Floats | None, spec: EncodingSpec) -> npt.NDArray[np.bool_]:
    n_blocks = 1 if pairs_of_block is None else len(pairs_of_block)
    return np.ones((n_blocks, len(spec.passes)), dtype=np.bool_)


def _with_counts(
    spec: EncodingSpec,
    correlations: _Floats,
    evidence: Evidence,
    state: PassParameters,
) -> Evidence:
    """Return the evidence with what the matches say of each block: its passes, and what is missing."""
    odds = pair_log_odds(evidence.seen, state, evidence.classes)
    match = expit(odds) * ((evidence.known >= 0) & ~evidence.strangers.known)
    covered = covered_passes(spec, correlations, evidence.seen, match)
    seen = SeenPairs.of(spec, correlations, block=evidence.seen.block, covered=covered)
    near = seen.near
    few = expected_patterns(
        seen.alive[near],
        match[near] / evidence.found[near],
        seen.block[near],
        seen.covered_salts,
        salts_that_share(spec, seen.groups),
    )
    evidence = replace(evidence, seen=seen)
    if few is None:
        return replace(evidence, few=lonely_if_independent(evidence, state))
    return replace(evidence, few=np.column_stack([few.none, few.alone]))


def _lonely(evidence: Evidence, state: PassParameters) -> _Floats:
    few = lonely_if_independent(evidence, state) if evidence.few is None else evidence.few
    return share_of_lonely(evidence, few, state.same[WORN])


def _em(evidence: Evidence, state: PassParameters) -> tuple[PassParameters, int, bool]:
    for n_rounds in range(1, _MAX_ROUNDS + 1):
        new = next_round(evidence, state)
        moved = np.abs(new.shares - state.shares)[:-1].max()
        rest = np.abs(new.same - state.same).max()
        state = new
        matches = float(new.shares[:N_MATCHING].sum())
        if moved < _CONVERGED * max(matches, _FEWEST) and rest < _CONVERGED:
            return state, n_rounds, True
    return state, _MAX_ROUNDS, False


def _model(
    spec: EncodingSpec,
    correlations: _Floats,
    evidence: Evidence,
    state: PassParameters,
    *,
    n_rounds: int,
    converged: bool,
    doubts: Iterator[str],
) -> PassModel:
    log_odds = pair_log_odds(evidence.seen, state, evidence.classes)
    match = 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))
    return PassModel(
        spec=spec,
        shares=state.shares,
        same=state.same,
        similar=state.similar,
        coincident=state.coincident,
        similar_lonely=state.similar_lonely,
        lonely=state.lonely,
        fields=pass_weights(spec, correlations, match, n_pairs=evidence.n_pairs),
        n_pairs=round(evidence.n_pairs),
        n_rounds=n_rounds,
        converged=converged,
        few=_few_for_each(evidence, match),
        covered=evidence.seen.covered,
        warnings=tuple(doubts),
    )


def _shares_nobody(evidence: Evidence, state: PassParameters) -> bool:
    n_matches = float(state.shares[:N_MATCHING].sum()) * evidence.n_pairs
    share = n_matches / max(min(evidence.most_matches, evidence.n_expected), _FEWEST)
    are_others = share < _FEW and float(state.same[0].min()) < _LEAST_SAME
    return are_others or share < _HARDLY_ANY


def _believed(evidence: Evidence, state: PassParameters) -> PassParameters:
    """Return what was learned; where hardly anybody is shared, only a pair alike in most salts is a match.

    Of some hundred million pairs of strangers a few are alike in two or three salts by chance, and there are
    too few matches to learn from how these differ.
    """
    if not _shares_nobody(evidence, state):
        return state
    shares = state.shares.copy()
    shares[:N_MATCHING] *= _INCREDIBLE
    return replace(state, shares=shares, lonely=state.lonely * _INCREDIBLE)


def _few_for_each(evidence: Evidence, match: _Floats) -> _Floats:
    """Return how many matches are alive with no salt, and with one, for each that is alive with more."""
    seen, few = evidence.seen, evidence.few
    block, there, n_blocks = seen.block[seen.near], match[seen.near], len(seen.covered)
    near = np.bincount(block, weights=there, minlength=n_blocks)
    every = np.bincount(block, weights=there / evidence.found[seen.near], minlength=n_blocks)
    if few is None:
        few = np.zeros((n_blocks, 2))
    counts = np.column_stack([few[:, 0], few[:, 1:].sum(axis=1), every - near])
    return np.asarray(counts / np.maximum(near, _FEW_NEAR)[:, None])


def _doubts(
    evidence: Evidence,
    state: PassParameters,
    n_rounds: int,
    *,
    converged: bool,
    is_sound: bool,
) -> Iterator[str]:
    n_matches = float(state.shares[:N_MATCHING].sum()) * evidence.n_pairs
    if not is_sound:
        yield "the model could not be learned from these pairs; what is usual was taken instead"
    elif _shares_nobody(evidence, state):
        whom = "nobody" if n_matches < _A_FEW else "hardly anybody"
        yield f"the parties seem to share {whom}: {n_matches:.0f} matching pairs are expected"
    elif not converged:
        yield f"the model did not come to rest in {n_rounds} rounds; probabilities are rough"
    else:
        yield from _relatives(evidence, state)


def _relatives(evidence: Evidence, state: PassParameters) -> Iterator[str]:
    """Yield that many other people are much alike, as the parts of families that all share are."""
    near = evidence.seen.near
    match = expit(pair_log_odds(evidence.seen, state, evidence.classes)[near])
    n_match, n_others = float(match.sum()), float((1 - match).sum())
    if n_match >= _LEAST_MATCHES and n_others > _MANY_OTHERS * n_match:
        yield (
            f"beside {n_match:.0f} pairs that seem to be of one person, {n_others:.0f} that seem not to be "
            "are alike in two salts or more, as in families or where a salt is coarse: more links "
            "may be wrong than estimated"
        )
