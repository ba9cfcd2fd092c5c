"""Learns from the compared fields of candidate pairs, and scores pairs with what was learned."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from linkkit.engines import slices_of
from linkkit.linkage.classify.competition import compete
from linkkit.linkage.classify.em import Evidence, Fit, first_fit, improve, log_evidence, usual_fit
from linkkit.linkage.classify.label_fit import correction_by_labels
from linkkit.linkage.classify.model import Learner, MatchModel
from linkkit.linkage.classify.priors import N_MATCHING
from linkkit.linkage.classify.score_oddity import gain_over_strangers
from linkkit.linkage.classify.scores import FrequencyTable, Room, ScoredPairs, score_pairs
from linkkit.linkage.compare import ComparedPairs
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.pool import Pool

__all__ = ["NOBODY_SHARED", "Known", "fit_fields", "known_pairs", "score_fields"]

NOBODY_SHARED = (
    "the parties seem to share nobody: what is alike in their records is no more than strangers have "
    "in common; check that all encoded the same fields in the same way"
)
_COLLAPSED = (
    "the model learned from the pairs does not tell one person from others, so usual error rates are "
    "used instead: match probabilities and estimates are rough; add a field, or label some pairs"
)
_NOT_AT_REST = "the model was still changing when learning was stopped: match probabilities may be a little off"
_TIMES_COMPETED = 2
_ROUNDS_AFTER = 5
_FEW_MATCHES = 0.05
_LEAST_EVIDENCE = 6.0
_MOST_OF_POSSIBLE = 1.1
_MOST_COPIES = 10.0
_LEAST_MATCHES = 0.5
_MOST_ERRORS = 0.5
_HARDLY_SHARED = 0.2
_CERTAIN = 1e-300
_ODDS_IF_KNOWN = 1e6
_NO_CHANCE = 1e-4
_MOST_COVERED = 0.99
_LEAST_DOUBT = 0.002
_MOST_TWINS = 20.0


def fit_fields(
    pool: Pool,
    pairs: ComparedPairs,
    learner: Learner,
    frequencies: FrequencyTable,
    *,
    most_matches: int,
    labels: LabelledPairs | None = None,
    room: Room,
) -> tuple[MatchModel, ScoredPairs]:
    """Learn the model of a pool's fields, and score its candidate pairs with it.

    Where parties hold each person once, pairs compete. What comes of that shows which pairs match better than
    their own likeness, so that the model is improved with it.

    Parameters
    ----------
    pool : Pool
        All records.
    pairs : ComparedPairs
        Candidate pairs.
    learner : Learner
        Their patterns.
    frequencies : FrequencyTable
        How common each value is.
    most_matches : int
        How many pairs can match at most.
    labels : LabelledPairs, optional
        Pairs that are known to match, or not to.
    room : callable
        Makes the arrays of scores.
    """
    known = known_pairs(pairs, labels)
    # Who is in a file more than once has more pairs than records.
    copies = 1.0 if pool.clean.all() else _MOST_COPIES
    fit, warnings = _sound_fit(learner, most_matches, copies * most_matches)
    if not (fit.converged or warnings):
        warnings = (_NOT_AT_REST,)

    def scored_by(fit: Fit) -> tuple[MatchModel, ScoredPairs]:
        model = learner.model(fit, warnings=warnings)
        if len(known.rows):
            without = score_fields(pool, pairs, model, frequencies, room=room)
            model = _corrected(model, without, known)
        return model, score_fields(pool, pairs, model, frequencies, known=known, room=room)

    model, scored = scored_by(fit)
    learns = len(known.rows) or (pool.clean.any() and _is_open(scored))
    is_model = not {NOBODY_SHARED, _COLLAPSED} & set(warnings)
    for _ in range(_TIMES_COMPETED if len(pairs) and is_model and learns else 0):
        matched = learner.matched(pairs.codes, scored.probability)
        better = improve(learner.evidence, fit, matched=matched, max_rounds=_ROUNDS_AFTER)
        fit = better._replace(converged=fit.converged)
        model, scored = scored_by(fit)
    return model, scored


def _is_open(scored: ScoredPairs) -> bool:
    """Whether so many pairs are undecided that it matters to learn from how they compete."""
    doubt = expected = 0.0
    for rows in slices_of(len(scored)):
        p = scored.probability[rows]
        expected += float(p.sum())
        doubt += float((p * (1 - p)).sum())
    return doubt > _LEAST_DOUBT * expected


def score_fields(
    pool: Pool,
    pairs: ComparedPairs,
    model: MatchModel,
    frequencies: FrequencyTable,
    *,
    known: Known | None = None,
    room: Room = np.empty,
) -> ScoredPairs:
    """Score all candidate pairs with a model, as they compete with each other and as labels say."""
    # Who is missing in a party often has a twin who is not; so absence speaks only so far against twins.
    twins = min(_boost(pool, model.expected_matches), _MOST_TWINS) if pool.clean.all() else 1.0
    scored = score_pairs(pairs, model, frequencies, twins=twins, room=room)
    known = known or Known.nothing()
    if not (pool.clean.any() or len(known.rows)):
        return scored
    odds = np.exp2(np.clip(scored.weight, -1000, 1000))
    odds[known.rows] = np.where(known.same, _ODDS_IF_KNOWN, 1 / _ODDS_IF_KNOWN)
    probability = expit(np.log(odds))
    # Pairs without a chance, which are most, stand in nobody's way.
    rows = np.flatnonzero(odds * _boost(pool, float(probability.sum())) > _NO_CHANCE)
    probability[rows] = compete(pool, scored.left[rows], scored.right[rows], odds[rows])
    certain = np.clip(probability, _CERTAIN, 1 - 1e-15)
    scored.probability[:] = probability
    scored.weight[:] = np.log2(certain) - np.log2(1 - certain)
    return scored


def _boost(pool: Pool, n_matches: float) -> float:
    """Return by how much competition can raise odds, at most: where parties share most of their people."""
    sizes = [int(n) for n in pool.party_sizes()]
    possible = sum(min(pair) for pair in combinations(sizes, 2)) or max(sizes)
    covered = min(n_matches / max(possible, 1), _MOST_COVERED)
    return float((1 - covered) ** -2)


class Known(NamedTuple):
    """Which candidates are labeled, by their place among the pairs, and whether they match."""

    rows: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]

    @classmethod
    def nothing(cls) -> Known:
        """Return that no label is known."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_))


def known_pairs(pairs: ComparedPairs, labels: LabelledPairs | None) -> Known:
    """Return which of some pairs are labeled."""
    if labels is None or not len(labels) or not len(pairs):
        return Known.nothing()
    of_labels = (labels.left << 32) | labels.right
    rows, place = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for part in slices_of(len(pairs)):
        of_pairs = (pairs.left[part] << 32) | pairs.right[part]
        at = np.minimum(np.searchsorted(of_labels, of_pairs), len(labels) - 1)
        found = np.flatnonzero(of_labels[at] == of_pairs)
        rows.append(part.start + found)
        place.append(at[found])
    return Known(np.concatenate(rows), labels.same[np.concatenate(place)])


def _corrected(model: MatchModel, scored: ScoredPairs, known: Known) -> MatchModel:
    """Return the model with what labels add to it.

    What labels are asked of depends on how likely a pair is, given all others; so that is what they correct.
    """
    log_odds = scored.weight[known.rows] * np.log(2)
    correction = correction_by_labels(scored.levels[known.rows], log_odds, known.same)
    return replace(model, correction=correction)


def _sound_fit(learner: Learner, most_matches: int, limit: float) -> tuple[Fit, tuple[str, ...]]:
    """Return what EM learns, or what is usual where that is no model of persons, and what is doubtful."""
    evidence = learner.evidence
    fit = first_fit(evidence)
    if _is_collapsed(evidence, fit, limit):
        fit = usual_fit(evidence, most_matches)
        if not _is_shared(learner, fit):
            return first_fit(evidence, nobody=True), (NOBODY_SHARED,)
        return fit, (_COLLAPSED,)
    n_matches = float(fit.shares[:N_MATCHING].sum()) * evidence.n_pairs
    if n_matches < _FEW_MATCHES * most_matches and not _is_shared(learner, fit):
        return first_fit(evidence, nobody=True), (NOBODY_SHARED,)
    return fit, ()


def _is_shared(learner: Learner, fit: Fit) -> bool:
    """Whether candidates are more probable with people in common than without (likelihood ratio).

    Where strangers are known, more pairs that look like one person than among them are proof, too.
    """
    evidence = learner.evidence
    if evidence.known[:, 0].any():
        return True
    nobody = first_fit(evidence, nobody=True)
    gain = log_evidence(evidence, fit) - log_evidence(evidence, nobody, nobody=True)
    n_matches = float(fit.shares[:N_MATCHING].sum()) * evidence.n_pairs
    is_more = max(gain, gain_over_strangers(evidence, fit)) > _LEAST_EVIDENCE
    return is_more and n_matches > _LEAST_MATCHES


def _is_collapsed(evidence: Evidence, fit: Fit, limit: float) -> bool:
    """Whether what was learned as a match is something else, such as people of one suburb.

    There cannot be more matches than people, and most of one person's names and dates agree.
    """
    if not all(np.isfinite(x).all() for x in (fit.shares, fit.tables)):
        return True
    shares, tables = fit.shares[:N_MATCHING], fit.tables[:N_MATCHING]
    if float(shares.sum()) * evidence.n_pairs > _MOST_OF_POSSIBLE * limit:
        return True
    tells = evidence.identifies & (evidence.prior[-1, :, -1] < _HARDLY_SHARED)
    errors = (shares @ tables[:, tells, 0] / shares.sum()) if tells.any() else np.zeros(1)
    few = float(shares.sum()) * evidence.n_pairs <= _LEAST_MATCHES
    return not few and float(errors.mean()) > _MOST_ERRORS
