"""Chooses the threshold of the links, from calibrated probabilities and without truth."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import slices_of
from linkkit.linkage.classify import USUAL_DOUBT, Doubt, ScoredPairs
from linkkit.linkage.cluster import Assignment, ScorePairs, cluster_records
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.pool import Pool
from linkkit.linkage.quality import LinkageQuality, estimate_quality

__all__ = ["Chosen", "Threshold", "choose_people", "expected_f_threshold", "threshold_problems"]

Threshold = float | Literal["auto"]
"""A match probability, or that the best one is to be found."""

_EVEN = 0.5
_LOWEST = 0.2
_HIGHEST = 0.999999
_MOST_STEPS = 24

_Floats = npt.NDArray[np.float64]


class Chosen(NamedTuple):
    """A threshold, the people it makes, and how good their links are expected to be."""

    threshold: float
    person: npt.NDArray[np.int64]
    quality: LinkageQuality


def threshold_problems(threshold: object, max_false_match_rate: object) -> list[str]:
    """Return what is wrong with a threshold and a rate: out of its range, or both are given."""
    problems = []
    is_auto = isinstance(threshold, str) and threshold == "auto"
    if not is_auto and not (_is_number(threshold) and 0 < float(str(threshold)) <= 1):
        problems.append("'threshold' is \"auto\", or a probability, above 0 and at most 1")
    rate = max_false_match_rate
    if rate is not None and not (_is_number(rate) and 0 < float(str(rate)) < 1):
        problems.append("'max_false_match_rate' is a share of links, above 0 and below 1")
    if not problems and rate is not None and not is_auto:
        problems.append(
            "'max_false_match_rate' chooses the threshold, and 'threshold' fixes it: give one of the two"
        )
    return problems


def choose_people(
    pool: Pool,
    scored: ScoredPairs,
    score: ScorePairs,
    *,
    threshold: Threshold = "auto",
    max_false_match_rate: float | None = None,
    n_unseen: float = 0.0,
    labels: LabelledPairs | None = None,
    assignment: Assignment = "greedy",
    doubt: Doubt = USUAL_DOUBT,
) -> Chosen:
    """Cluster records at a threshold that is given, or that is found.

    Parameters
    ----------
    pool : Pool
        All records.
    scored : ScoredPairs
        Candidate pairs, with the probability of each, given all others.
    score : callable
        Scores pairs that were no candidates.
    threshold : float or "auto"
        With "auto" the one with the highest expected F1 of the pairs.
    max_false_match_rate : float, optional
        The least threshold at which no larger share of the links is expected to be wrong, after
        clustering.
    n_unseen : float
        How many pairs of one person are expected not to be candidates.
    labels : LabelledPairs, optional
        Pairs that are known to be of one person, or not.
    assignment : {"greedy", "optimal"}
        How two parties that hold each person once are assigned to each other.
    doubt : Doubt
        How far the model may be off, for the intervals of the estimates.
    """

    def clustered(least: float) -> Chosen:
        person = cluster_records(
            pool, scored, threshold=least, score=score, labels=labels, assignment=assignment
        )
        quality = estimate_quality(pool, scored, person, n_unseen=n_unseen, doubt=doubt)
        return Chosen(least, person, quality)

    if threshold != "auto":
        return clustered(float(threshold))
    probability = _sorted_probabilities(scored)
    best = expected_f_threshold(probability, n_unseen=n_unseen)
    if max_false_match_rate is None:
        return clustered(best)
    least = max(best, _threshold_of_rate(probability, max_false_match_rate))
    chosen = clustered(least)
    for _ in range(_MOST_STEPS):
        if 1 - chosen.quality.precision <= max_false_match_rate or chosen.threshold >= _HIGHEST:
            break
        # A group is as doubtful as the links that hold it together; so the doubtful half goes.
        higher = 1 - (1 - chosen.threshold) / 2
        chosen = clustered(min(higher, _HIGHEST))
    return chosen


def expected_f_threshold(probability: _Floats, *, n_unseen: float = 0.0) -> float:
    """Return the least probability that raises the expected F1 of the pairs linked.

    A pair raises it where its probability is above half of the F1 that is reached without it (Lewis, 1995,
    "Evaluating and optimizing autonomous text classification systems").

    Parameters
    ----------
    probability : ndarray of float64, shape (n_pairs,)
        Match probabilities, descending.
    n_unseen : float
        How many pairs of one person there are beside these.

    Examples
    --------
    >>> import numpy as np
    >>> round(expected_f_threshold(np.array([0.99, 0.98, 0.7, 0.1])), 3)
    0.463
    """
    right = np.cumsum(probability)
    every = float(right[-1]) + n_unseen if len(right) else 0.0
    if every <= 0:
        return _EVEN
    f1 = 2 * right / (np.arange(1, len(right) + 1) + every)
    return float(np.clip(f1.max() / 2, _LOWEST, _EVEN))


def _threshold_of_rate(probability: _Floats, rate: float) -> float:
    """Return the least probability from which on no larger share of pairs is expected to be wrong."""
    wrong = np.cumsum(1 - probability) / np.arange(1, len(probability) + 1)
    enough = np.flatnonzero(wrong <= rate)
    return float(probability[enough[-1]]) if len(enough) else _HIGHEST


def _sorted_probabilities(scored: ScoredPairs) -> _Floats:
    """Return the probabilities that matter for a choice, descending."""
    found = [np.zeros(0)]
    for rows in slices_of(len(scored)):
        p = scored.probability[rows]
        found.append(p[p > 1e-6])
    return np.asarray(np.sort(np.concatenate(found))[::-1])


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
