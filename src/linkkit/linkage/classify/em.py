"""Expectation-maximization for classes of pairs: what each pattern of levels says of its class.

Arrays in, arrays out. The model that is made of them is in :mod:`linkkit.linkage.classify.model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.linkage.classify.priors import CLASSES, N_MATCHING
from linkkit.linkage.classify.unseen import Unseen
from linkkit.linkage.compare import N_LEVELS

__all__ = [
    "FEW_STRANGERS",
    "Evidence",
    "Fit",
    "first_fit",
    "improve",
    "level_counts",
    "log_evidence",
    "log_joint",
    "oddity",
    "usual_fit",
]

FEW_STRANGERS = np.array([19.0, 0.5, 0.25, 0.25])
"""So many pairs of strangers of each level are assumed beside those that are seen."""

_MATCH, _MOVED, _MISNAMED, _UNRELATED = 0, 1, 2, len(CLASSES) - 1
_TWINS, _HOUSEHOLD = CLASSES.index("twins"), CLASSES.index("household")
_RELATIVES = CLASSES.index("relatives")
_NAMESAKES = CLASSES.index("namesakes")
_AREA = CLASSES.index("area")  # the last but unrelated
_TWINS_AMONG_SIBLINGS = 0.03
_MISSES_PER_NEAR_MISS = 1.5
_MISSES_ANYWAY = 0.01
_MAX_ROUNDS = 500
_ROUNDS_OF_SHARES = 30
_CONVERGED = 1e-5
_PRIOR_PAIRS = 40.0
_PRIOR_MOVED = 10.0
_PRIOR_STRANGERS = 3.0
_MOST_ODD = 50.0
_MOVED_AMONG_MATCHES = 0.15
_LEAST_MOVED = 0.02
_MISNAMED_AMONG_MATCHES = 0.05
_FEW_MISNAMED = 2.0
_FEWEST = 1e-9
_FEWEST_SHARE = 1e-12

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Evidence:
    """What EM works on.

    Attributes
    ----------
    levels : ndarray of int8, shape (n_patterns, n_fields)
        The distinct patterns of candidates.
    counts : ndarray of float64, shape (n_patterns,)
        How often each occurs.
    rest, rest_counts : ndarray
        Patterns of a sample of all other pairs, and how many pairs each stands for.
    prior : ndarray of float64, shape (n_classes, n_fields, n_levels - 1)
        The expected levels of each class.
    n_pairs : int
        All pairs that could match.
    own : ndarray of bool, shape (n_classes, n_fields)
        Which fields a class has levels of its own for.
    as_at_home : ndarray of bool, shape (n_fields,)
        Fields in which twins are like other people of a household.
    identifies : ndarray of bool, shape (n_fields,)
        Fields that are of one person, as names and dates are, and not of a place.
    names : ndarray of bool, shape (n_fields,)
        Fields that one mistake makes disagree together, as where names are in each other's place.
    given_name : int or None
        The field that tells twins apart, if there is one.
    unseen : Unseen
        Patterns that are no candidates, for pairs of one person.
    known : ndarray of float64, shape (n_patterns, 2)
        How many of each pattern are labeled as of one person, and as of two.
    strangers : ndarray of float64, shape (n_patterns,)
        How often each pattern occurs among pairs that are known to be no match.
    n_strangers : int
        How many such pairs there are, candidates or not.
    n_comparable : ndarray of float64, shape (n_patterns,)
        How many of these have the fields that the pattern has, and no other.
    """

    levels: npt.NDArray[np.int8]
    counts: _Floats
    rest: npt.NDArray[np.int8]
    rest_counts: _Floats
    prior: _Floats
    n_pairs: int
    own: npt.NDArray[np.bool_]
    as_at_home: npt.NDArray[np.bool_]
    identifies: npt.NDArray[np.bool_]
    names: npt.NDArray[np.bool_]
    given_name: int | None
    unseen: Unseen
    known: _Floats
    strangers: _Floats
    n_strangers: int
    n_comparable: _Floats

    @property
    def moves(self) -> bool:
        """Whether there are two fields or more that change together when somebody moves."""
        return int(self.own[_MOVED].sum()) > 1

    @property
    def has_relatives(self) -> bool:
        """Whether more than a surname shows people of one family who live apart."""
        return int(self.own[_RELATIVES].sum()) > 1

    @property
    def least_moved(self) -> float:
        """How many have moved at least for each who has not."""
        return _LEAST_MOVED if self.moves else 0.0

    @property
    def matching(self) -> list[int]:
        """The classes of one person that there can be."""
        return [_MATCH, *[_MOVED] * self.moves, *[_MISNAMED] * bool(self.names.any())]

    def shares(self, known: _Floats) -> _Floats:
        """Return the shares of all classes that there can be; they sum to 1."""
        shares = known.copy()
        shares[_MISNAMED] *= self.names.any()
        shares[_RELATIVES] *= self.has_relatives
        return _with_rest(shares)


class Fit(NamedTuple):
    """What EM has learned: shares of the classes, their levels, and how it ended.

    `matches` is how many pairs of each pattern match; `n_matches` includes those never seen.
    """

    shares: _Floats
    tables: _Floats
    matches: _Floats
    n_rounds: int
    converged: bool


def level_counts(levels: npt.NDArray[np.int8], counts: _Floats) -> _Floats:
    """Return how often each field has each level but "missing", (n_fields, n_levels - 1)."""
    columns = [
        np.bincount(levels[:, f], weights=counts, minlength=N_LEVELS)[1:]
        for f in range(levels.shape[1])
    ]
    return np.stack(columns).astype(np.float64)


def first_fit(evidence: Evidence, *, nobody: bool = False) -> Fit:
    """Learn from what is expected; with `nobody` as if no pair were of one person."""
    share = evidence.counts.sum() / max(evidence.n_pairs, 1) / len(evidence.prior)
    shares = np.full(len(evidence.prior), share)
    moved = _MOVED_AMONG_MATCHES if evidence.moves else 0.0
    others = np.array([moved, _MISNAMED_AMONG_MATCHES])
    shares[:N_MATCHING] = 0.0 if nobody else np.array([1 - others.sum(), *others]) * share
    fit = Fit(
        evidence.shares(shares), evidence.prior.copy(), np.zeros(len(evidence.levels)), 0, False
    )
    return improve(evidence, fit, matched=np.zeros(len(evidence.levels)) if nobody else None)


def improve(
    evidence: Evidence, fit: Fit, *, matched: _Floats | None = None, max_rounds: int = _MAX_ROUNDS
) -> Fit:
    """Go on with EM until it comes to rest.

    `matched` is the share of the pairs of each pattern that match, if it is known better than from the
    pattern alone.
    """
    shares, tables, matches, n_rounds, converged = fit
    last = n_rounds + max_rounds
    converged = False
    while n_rounds < last and not converged:
        n_rounds += 1
        before = shares[:N_MATCHING].sum()
        shares, tables, found = _round(evidence, shares, tables, matched)
        # Where nothing tells an area from chance, the two drift on, which no pair's odds feel.
        moved = float(np.abs(found - matches).sum()) + evidence.n_pairs * abs(
            float(shares[:N_MATCHING].sum() - before)
        )
        converged = moved < _CONVERGED * max(float(found.sum()), 1e-6)
        matches = found
    return Fit(shares, tables, matches, n_rounds, converged)


def usual_fit(evidence: Evidence, most_matches: int) -> Fit:
    """Return the levels that are expected, and how many pairs match if these are right."""
    share = min(most_matches / max(evidence.n_pairs, 1), 0.5) / len(evidence.prior)
    shares = evidence.shares(np.full(len(evidence.prior), share))
    tables = evidence.prior
    for _ in range(_ROUNDS_OF_SHARES):
        weighted = _candidates(evidence, shares, tables, None)
        mass = weighted.sum(axis=0)
        mass[_AREA] = shares[_AREA] * evidence.n_pairs
        mass[:N_MATCHING] *= min(1.0, most_matches / max(float(mass[:N_MATCHING].sum()), 1.0))
        shares = evidence.shares(mass / max(evidence.n_pairs, 1))
    matches = _candidates(evidence, shares, tables, None)[:, :N_MATCHING].sum(axis=1)
    return Fit(shares, tables, matches, _ROUNDS_OF_SHARES, True)


def log_evidence(evidence: Evidence, fit: Fit, *, nobody: bool = False) -> float:
    """Return the natural log of the probability of all candidates; with `nobody` that none matches."""
    joint = np.exp(log_joint(evidence.levels, fit.shares, fit.tables))
    joint[:, N_MATCHING:] *= oddity(evidence, fit.shares, fit.tables)[:, None]
    if nobody:
        joint[:, :N_MATCHING] = 0.0
    return float(evidence.counts @ np.log(np.maximum(joint.sum(axis=1), 1e-300)))


def log_joint(levels: npt.NDArray[np.int8], shares: _Floats, tables: _Floats) -> _Floats:
    """Return the natural log of the probability of each pattern with each class, (n, n_classes)."""
    logs = np.concatenate(
        [np.zeros((*tables.shape[:2], 1)), np.log(np.maximum(tables, _FEWEST))], axis=2
    )
    total = np.zeros((len(levels), len(shares)))
    total += np.log(shares)[None, :]
    for f in range(levels.shape[1]):
        total += logs[:, f, :].T[levels[:, f]]
    return total


def _round(
    evidence: Evidence, shares: _Floats, tables: _Floats, matched: _Floats | None
) -> tuple[_Floats, _Floats, _Floats]:
    """Return better shares and levels, and how many pairs of each pattern match as things stood."""
    weighted = _candidates(evidence, shares, tables, matched)
    known = _strangers(evidence, shares, tables)
    # What was never alike enough to be a candidate is of no household. But most people of one
    # area are not alike enough, and without them those who are would look like nothing but matches.
    rest = np.zeros((len(evidence.rest), len(shares)))
    rest[:, _AREA:] = _posterior(evidence.rest, shares[_AREA:], tables[_AREA:])
    rest *= evidence.rest_counts[:, None]
    unseen = _unseen(evidence, shares, tables)
    seen = [
        level_counts(evidence.levels, weighted[:, c] + known[:, c])
        + level_counts(evidence.rest, rest[:, c])
        + level_counts(evidence.unseen.levels, unseen[:, c])
        for c in range(len(shares))
    ]
    # Pairs known to be no match tell how common each class of others is, as well as candidates do.
    n_others = evidence.n_pairs / max(evidence.n_pairs + evidence.n_strangers, 1)
    mass = weighted.sum(axis=0) + rest.sum(axis=0) + unseen.sum(axis=0)
    # But siblings may be in two parties and never in one, as pupils of two schools are.
    pooled = (mass + known.sum(axis=0)) * n_others
    mass[N_MATCHING:_NAMESAKES] = np.maximum(mass, pooled)[N_MATCHING:_NAMESAKES]
    if evidence.n_strangers:
        # By chance two parties have no more people of one name than there are within them.
        chance = (known[:, _NAMESAKES].sum() + _PRIOR_STRANGERS) / evidence.n_strangers
        mass[_NAMESAKES] = min(mass[_NAMESAKES], chance * evidence.n_pairs)
    # Sharing no street is no error, so that few others have moved. Nor has nobody, though namesakes
    # may explain them all before it is learned how many those are.
    mass[_MOVED] = np.clip(mass[_MOVED], evidence.least_moved * mass[_MATCH], mass[_MATCH])
    # Some pairs of twins, one of whom is misspelled, are no habit of writing names otherwise.
    mass[_MISNAMED] = np.clip(mass[_MISNAMED] - _FEW_MISNAMED, 0.0, mass[_MATCH])
    mass[_TWINS] = min(float(mass[_TWINS]), _most_twins(evidence, weighted))
    new = _tables(evidence, seen)
    return (
        evidence.shares(mass / max(evidence.n_pairs, 1)),
        new,
        weighted[:, :N_MATCHING].sum(axis=1),
    )


def oddity(evidence: Evidence, shares: _Floats, tables: _Floats) -> _Floats:
    """Return how much more often strangers have each pattern than the classes explain, (n_patterns,).

    What hangs together in ways that no class has, such as names of one origin or placeholders, shows
    in pairs that are known to be no match. What is missing there may well occur between two parties, as
    siblings do who are of different schools; so patterns are never rarer than expected.
    """
    if not evidence.n_strangers:
        return np.ones(len(evidence.levels))
    joint = log_joint(evidence.levels, shares[N_MATCHING:], tables[N_MATCHING:])
    expected = np.exp(joint).sum(axis=1) * evidence.n_comparable / shares[N_MATCHING:].sum()
    odd = (evidence.strangers + _PRIOR_STRANGERS) / (expected + _PRIOR_STRANGERS)
    return np.asarray(np.clip(odd, 1.0, _MOST_ODD))


def _strangers(evidence: Evidence, shares: _Floats, tables: _Floats) -> _Floats:
    """Return how many pairs known to be no match are of each pattern and class."""
    counts = np.zeros((len(evidence.levels), len(shares)))
    if evidence.n_strangers:
        others = _posterior(evidence.levels, shares[N_MATCHING:], tables[N_MATCHING:])
        counts[:, N_MATCHING:] = others * evidence.strangers[:, None]
    return counts


def _candidates(
    evidence: Evidence, shares: _Floats, tables: _Floats, matched: _Floats | None
) -> _Floats:
    """Return how many candidates of each pattern are of each class."""
    joint = np.exp(log_joint(evidence.levels, shares, tables))
    joint[:, N_MATCHING:] *= oddity(evidence, shares, tables)[:, None]
    share = joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)
    same, others = _split(share)
    q = share[:, :N_MATCHING].sum(axis=1) if matched is None else matched
    n_known = evidence.known.sum(axis=1)
    n_same = q * (evidence.counts - n_known) + evidence.known[:, 0]
    n_others = evidence.counts - n_same
    weighted: _Floats = np.empty(share.shape)
    weighted[:, :N_MATCHING] = same * n_same[:, None]
    weighted[:, N_MATCHING:] = others * n_others[:, None]
    return weighted


def _split(share: _Floats) -> tuple[_Floats, _Floats]:
    """Return the share of each class among those of one person, and among the others."""
    same, others = share[:, :N_MATCHING], share[:, N_MATCHING:]
    least = 1e-300
    return (
        np.asarray(same / np.maximum(same.sum(axis=1, keepdims=True), least)),
        np.asarray(others / np.maximum(others.sum(axis=1, keepdims=True), least)),
    )


def _unseen(evidence: Evidence, shares: _Floats, tables: _Floats) -> _Floats:
    """Return how many pairs of one person are of each pattern that is never a candidate."""
    unseen = evidence.unseen
    counts = np.zeros((len(unseen.levels), len(shares)))
    for c in evidence.matching:
        likelihood = np.exp(log_joint(unseen.levels, np.ones(1), tables[[c]])[:, 0])
        counts[:, c] = shares[c] * evidence.n_pairs * unseen.counts(likelihood)
    return counts


def _tables(evidence: Evidence, seen: list[_Floats]) -> _Floats:
    """Return the levels of all classes, from how often each was seen."""
    prior, own = evidence.prior, evidence.own
    unrelated = _normalized(seen[_UNRELATED] + FEW_STRANGERS)
    pairs = [_PRIOR_MOVED if c == _MOVED else _PRIOR_PAIRS for c in range(_UNRELATED)]
    new = [
        np.where(own[c][:, None], _normalized(seen[c] + pairs[c] * prior[c]), unrelated)
        for c in range(_UNRELATED)
    ]
    new[_TWINS] = np.where(evidence.as_at_home[:, None], new[_HOUSEHOLD], new[_TWINS])
    # Who moved makes the same errors in all that does not change with a move. What these are is learned
    # from those who stayed: people of one name who moved are too much like strangers of one name.
    new[_MOVED] = np.where(own[_MOVED][:, None], new[_MOVED], new[_MATCH])
    new[_MISNAMED] = np.where(evidence.names[:, None], unrelated, new[_MATCH])
    if evidence.given_name is not None:
        named = _with_near_misses(new[_MATCH][evidence.given_name])
        new[_MATCH][evidence.given_name] = new[_MOVED][evidence.given_name] = named
    return np.stack([*new, unrelated])


def _with_near_misses(levels: _Floats) -> _Floats:
    """Return a given name's levels among matches with no more misses than near misses explain."""
    disagree, partly, close, _ = levels
    most = _MISSES_PER_NEAR_MISS * (partly + close) + _MISSES_ANYWAY
    return _normalized(np.array([min(disagree, most), *levels[1:]]))


def _most_twins(evidence: Evidence, weighted: _Floats) -> float:
    """Return how many pairs of twins there may be.

    Twins and people with a misrecorded given name look alike: all agrees but the given name.
    But misrecorded names are often near misses, and twins' names hardly ever. So what disagrees
    may be twins as far as it outnumbers the near misses; and some of the siblings are twins.
    """
    siblings = _TWINS_AMONG_SIBLINGS * float(weighted[:, _HOUSEHOLD].sum())
    if evidence.given_name is None:
        return siblings
    same_or_twins = weighted[:, [_MATCH, _MOVED, _TWINS]].sum(axis=1)
    field = evidence.levels[:, [evidence.given_name]]
    disagree, partly, close, _ = level_counts(field, same_or_twins)[0]
    return siblings + max(float(disagree - _MISSES_PER_NEAR_MISS * (partly + close)), 0.0)


def _with_rest(shares: _Floats) -> _Floats:
    """Return shares that are positive and sum to 1, what the others leave being unrelated."""
    positive = np.maximum(shares, _FEWEST_SHARE)
    positive[_UNRELATED] = max(1 - float(positive[:_UNRELATED].sum()), _FEWEST_SHARE)
    return np.asarray(positive / positive.sum(), dtype=np.float64)


def _normalized(counts: _Floats) -> _Floats:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True), dtype=np.float64)


def _posterior(levels: npt.NDArray[np.int8], shares: _Floats, tables: _Floats) -> _Floats:
    total = log_joint(levels, shares, tables)
    total -= total.max(axis=1, keepdims=True)
    odds = np.exp(total)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)
