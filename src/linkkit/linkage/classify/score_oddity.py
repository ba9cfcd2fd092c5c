"""How much more often strangers look like one person than the classes of pairs explain, by how alike they are.

Single patterns of agreement are too rare to show it where fields are many: a father and a son of one name,
people of one origin, records of one form. But all patterns that speak as much for a match are many. How
many known strangers there are among them is compared with how many the classes expect, which is found
by drawing patterns (importance sampling), as most of these are never seen.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.classify.em import Evidence, Fit, log_joint, oddity
from linkkit.linkage.classify.priors import N_MATCHING
from linkkit.linkage.compare.fields.pairs import unpack

__all__ = ["gain_over_strangers", "pattern_log_oddity"]

_N_DRAWS = 40_000
_SEED = 9
_STEP = 0.5
_BELOW_EVEN = 6.0
_PRIOR = 1.0
_MOST = float(np.log(50.0))
_OF_MATCHES = 0.6

_Floats = npt.NDArray[np.float64]
_Levels = npt.NDArray[np.int8]


def pattern_log_oddity(
    evidence: Evidence,
    fit: Fit,
    sample: npt.NDArray[np.uint64],
    *,
    most_matches: float = np.inf,
) -> _Floats:
    """Return the natural log of how much more often strangers have each pattern than the classes say.

    Parameters
    ----------
    evidence : Evidence
        Patterns, and how many known strangers have each.
    fit : Fit
        What was learned.
    sample : ndarray of uint64
        Packed levels of some known strangers, candidates or not, which show what is missing.
    most_matches : float
        How many matches there could be, where every record has one at most in each party. Who is with several
        parties is next to a relative in each of them; so who looks like a stranger there has mostly a match of
        one's own, and only those without count.

    Returns
    -------
    ndarray of float64, shape (n_patterns,), 0 or more
    """
    if not (evidence.n_strangers and len(sample) and len(evidence.levels)):
        return np.zeros(len(evidence.levels))
    by_pattern = np.log(oddity(evidence, fit.shares, fit.tables))
    score = _scores(evidence.levels, fit) - by_pattern
    drawn, expected = _drawn(evidence, fit, sample)
    # What is as likely as not to match, or nearly so, is all that matters.
    even = -float(np.log(max(fit.shares[:N_MATCHING].sum(), 1e-300)))
    grid = np.arange(even - _BELOW_EVEN, max(float(score.max()), even) + _STEP, _STEP)
    seen = _at_least(score, evidence.strangers, grid)
    told = _at_least(_scores(drawn, fit), expected, grid)
    more = np.maximum.accumulate(np.log((seen + _PRIOR) / (told + _PRIOR)))
    more = np.clip(more, 0.0, _MOST)
    absent = 1 - min(float(fit.shares[:N_MATCHING].sum()) * evidence.n_pairs / most_matches, 1.0)
    more = np.log1p(np.expm1(more) * absent)
    return np.asarray(by_pattern + np.interp(score, grid, more, left=0.0))


def gain_over_strangers(evidence: Evidence, fit: Fit) -> float:
    """Return by how much likelier pairs that look like one person are, were they more than among strangers.

    As the natural log of a ratio of Poisson likelihoods: that of as many as there are among candidates and
    among known strangers, over that of one rate for both. 0 where candidates have no more, or no
    stranger is known.
    """
    if not evidence.n_strangers or not evidence.n_pairs:
        return 0.0
    of_matches = np.log(fit.shares[:N_MATCHING].sum()) - np.log(fit.shares[N_MATCHING:].sum())
    likely = _scores(evidence.levels, fit) + of_matches > 0
    seen = np.array([evidence.counts[likely].sum(), evidence.strangers[likely].sum()])
    pairs = np.array([evidence.n_pairs, evidence.n_strangers], dtype=np.float64)
    if seen[0] / pairs[0] <= seen[1] / pairs[1]:
        return 0.0
    usual = pairs * seen.sum() / pairs.sum()
    return float((seen * np.log(np.maximum(seen, 1e-300) / usual)).sum())


def _scores(levels: _Levels, fit: Fit) -> _Floats:
    """Return the natural log of how much more often one person's pairs have each pattern than strangers."""
    logs = log_joint(levels, fit.shares, fit.tables)
    same = np.logaddexp.reduce(logs[:, :N_MATCHING], axis=1)
    others = np.logaddexp.reduce(logs[:, N_MATCHING:], axis=1)
    of_all = np.log(fit.shares[:N_MATCHING].sum()) - np.log(fit.shares[N_MATCHING:].sum())
    return np.asarray(same - others - of_all)


def _drawn(evidence: Evidence, fit: Fit, sample: npt.NDArray[np.uint64]) -> tuple[_Levels, _Floats]:
    """Return patterns, and how many known strangers each stands for by the classes."""
    rng = np.random.default_rng(_SEED)
    n_fields = evidence.levels.shape[1]
    present = unpack(sample[rng.integers(len(sample), size=_N_DRAWS)], n_fields=n_fields) > 0
    n_classes = len(fit.shares)
    chances = np.full(n_classes, (1 - _OF_MATCHES) / (n_classes - N_MATCHING))
    chances[:N_MATCHING] = _OF_MATCHES / N_MATCHING
    drawn_class = rng.choice(n_classes, size=_N_DRAWS, p=chances)
    levels = np.zeros((_N_DRAWS, n_fields), dtype=np.int8)
    for f in range(n_fields):
        ends = np.cumsum(fit.tables[drawn_class, f], axis=1)
        place = (rng.random(_N_DRAWS)[:, None] * ends[:, -1:] > ends).sum(axis=1)
        levels[:, f] = np.where(present[:, f], place + 1, 0)
    of_strangers = fit.shares[N_MATCHING:] / fit.shares[N_MATCHING:].sum()
    weight = np.exp(
        np.logaddexp.reduce(log_joint(levels, of_strangers, fit.tables[N_MATCHING:]), axis=1)
        - np.logaddexp.reduce(log_joint(levels, chances, fit.tables), axis=1)
    )
    return levels, np.asarray(weight * evidence.n_strangers / _N_DRAWS)


def _at_least(score: _Floats, counts: _Floats, grid: _Floats) -> _Floats:
    """Return how many are at least at each place of a grid."""
    order = np.argsort(score)
    total = np.append(np.cumsum(counts[order][::-1])[::-1], 0.0)
    return np.asarray(total[np.searchsorted(score[order], grid)])
