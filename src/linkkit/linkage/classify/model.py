"""A Fellegi-Sunter model with households and areas, learned without labels.

Pairs come from five classes: the same person, twins, two people of one household, two of one
area, and unrelated people. Within a class, fields agree independently; across classes they do not,
so that a surname, an address and a phone shared by siblings are not counted as three separate
proofs (Fellegi and Sunter, 1969; Winkler, 1988, for estimation by EM; the classes of non-matches
follow Larsen and Rubin, 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.engines import slices_of
from linkkit.exchange import FilterSpec
from linkkit.linkage.classify.priors import CLASSES, expected_levels, is_shared
from linkkit.linkage.compare import LEVELS, N_LEVELS
from linkkit.linkage.compare.fields.pairs import unpack

__all__ = ["FieldWeights", "MatchModel", "first_weights", "fit_model"]

_MATCH, _UNRELATED = 0, len(CLASSES) - 1
_TWINS, _HOUSEHOLD = CLASSES.index("twins"), CLASSES.index("household")
_AREA = CLASSES.index("area")  # the last but unrelated
_TWINS_AMONG_SIBLINGS = 0.03
_MISSES_PER_NEAR_MISS = 1.5
_MISSES_ANYWAY = 0.01
_MAX_ROUNDS = 500
_CONVERGED = 1e-5
_PRIOR_PAIRS = 40.0
_FEW_STRANGERS = np.array([19.0, 0.5, 0.25, 0.25])
_FEWEST = 1e-9
_FEWEST_SHARE = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldWeights:
    """What one field tells: m and u probability and match weight in bits of each level."""

    field: str
    levels: tuple[str, ...]
    m: tuple[float, ...]
    u: tuple[float, ...]
    weight: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class MatchModel:
    """The learned model.

    Attributes
    ----------
    fields : tuple of str
        Field names.
    shares : ndarray of float64, shape (n_classes,)
        Share of each class among all pairs that could match.
    levels : ndarray of float64, shape (n_classes, n_fields, n_levels)
        Probability of each level in each class; 1 for "missing", which tells nothing.
    n_pairs : int
        All pairs that could match.
    n_rounds : int
        Rounds of EM.
    converged : bool
        Whether EM came to rest.
    """

    fields: tuple[str, ...]
    shares: npt.NDArray[np.float64]
    levels: npt.NDArray[np.float64]
    n_pairs: int
    n_rounds: int
    converged: bool

    def __repr__(self) -> str:
        return (
            f"<MatchModel: {len(self.fields)} fields, {self.expected_matches:.0f} matches expected>"
        )

    @property
    def expected_matches(self) -> float:
        """Expected number of matching pairs."""
        return float(self.shares[_MATCH] * self.n_pairs)

    def log_likelihoods(self, levels: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
        """Return the natural log likelihood of each pair in each class, shape (n, n_classes)."""
        total = np.zeros((len(levels), len(self.shares)))
        logs = np.log(np.maximum(self.levels, _FEWEST))
        for f in range(levels.shape[1]):
            total += logs[:, f, :].T[levels[:, f]]
        return total

    def field_weights(self) -> tuple[FieldWeights, ...]:
        """Return m, u and weight of each field, u over all classes of non-matches."""
        others = self.shares[1:] / self.shares[1:].sum()
        answer = []
        for f, name in enumerate(self.fields):
            m = self.levels[_MATCH, f, 1:]
            u = np.tensordot(others, self.levels[1:, f, 1:], axes=1)
            weight = np.log2(np.maximum(m, _FEWEST) / np.maximum(u, _FEWEST))
            answer.append(
                FieldWeights(
                    field=name,
                    levels=LEVELS[1:],
                    m=tuple(m.tolist()),
                    u=tuple(u.tolist()),
                    weight=tuple(weight.tolist()),
                )
            )
        return tuple(answer)


def level_shares(
    levels: npt.NDArray[np.int8], counts: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the share of each level among pairs that have the field, (n_fields, n_levels - 1).

    Smoothed by a few pairs of strangers, so that a level that never occurred keeps a small
    share, and a handful of pairs, most of which match, does not teach what strangers are.
    """
    shares = np.zeros((levels.shape[1], N_LEVELS - 1))
    for f in range(levels.shape[1]):
        n = np.bincount(levels[:, f], weights=counts, minlength=N_LEVELS)[1:]
        shares[f] = (n + _FEW_STRANGERS) / (n.sum() + _FEW_STRANGERS.sum())
    return shares


def first_weights(
    filters: Sequence[FilterSpec], sample: npt.NDArray[np.uint64]
) -> npt.NDArray[np.float64]:
    """Return provisional match weights in bits, shape (n_fields, n_levels), to find candidates.

    Parameters
    ----------
    filters : sequence of FilterSpec
        The fields.
    sample : ndarray of uint64
        Packed levels of random pairs, almost none of which match.
    """
    levels = unpack(sample, n_fields=len(filters))
    unrelated = level_shares(levels, np.ones(len(levels)))
    weights = np.zeros((len(filters), N_LEVELS))
    for f, item in enumerate(filters):
        m = expected_levels(item.kind, "match", unrelated[f])
        weights[f, 1:] = np.log2(np.maximum(m, 1e-3) / unrelated[f])
    return weights


def count_patterns(
    codes: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return the distinct codes, sorted, and how many pairs have each."""
    found = [np.unique(codes[rows], return_counts=True) for rows in slices_of(len(codes))]
    found.append((np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)))
    every, counts = (np.concatenate(column) for column in zip(*found, strict=True))
    patterns, number = np.unique(every, return_inverse=True)
    return patterns, np.bincount(number, weights=counts, minlength=len(patterns)).astype(np.int64)


def fit_model(
    filters: Sequence[FilterSpec],
    candidates: npt.NDArray[np.uint64],
    sample: npt.NDArray[np.uint64],
    *,
    n_pairs: int,
    is_candidate: npt.NDArray[np.bool_],
) -> MatchModel:
    """Learn the model by EM from candidate pairs and a random sample of all pairs.

    Parameters
    ----------
    filters : sequence of FilterSpec
        The fields.
    candidates : ndarray of uint64
        Packed levels of all candidate pairs.
    sample : ndarray of uint64
        Packed levels of random pairs.
    n_pairs : int
        All pairs that could match.
    is_candidate : ndarray of bool, shape (n_sample,)
        Which of the random pairs are alike enough to be candidates; the others stand for the
        bulk of unrelated pairs.

    Returns
    -------
    MatchModel
    """
    n_fields = len(filters)
    patterns, n_of = count_patterns(candidates)
    levels = unpack(patterns, n_fields=n_fields)
    counts = n_of.astype(np.float64)
    others, n_of_other = np.unique(sample[~is_candidate], return_counts=True)
    rest = unpack(others, n_fields=n_fields)
    n_rest = max(n_pairs - counts.sum(), 0.0)
    rest_counts = n_of_other * (n_rest / max(int(n_of_other.sum()), 1))
    unrelated = _normalized(_level_counts(rest, rest_counts) + _FEW_STRANGERS)
    prior = np.stack(
        [
            np.stack([expected_levels(x.kind, c, unrelated[f]) for f, x in enumerate(filters)])
            for c in CLASSES
        ]
    )
    kinds: list[FieldKind] = [item.kind for item in filters]
    evidence = _Evidence(
        levels=levels,
        counts=counts,
        rest=rest,
        rest_counts=rest_counts,
        prior=prior,
        n_pairs=n_pairs,
        own=np.array([[is_shared(kind, c) for kind in kinds] for c in CLASSES], dtype=np.bool_),
        given_name=kinds.index("given_name") if "given_name" in kinds else None,
    )
    shares, tables, n_rounds, converged = _em(evidence)
    full = np.ones((len(CLASSES), n_fields, N_LEVELS))
    full[:, :, 1:] = tables
    return MatchModel(
        fields=tuple(item.name for item in filters),
        shares=shares,
        levels=full,
        n_pairs=n_pairs,
        n_rounds=n_rounds,
        converged=converged,
    )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Evidence:
    """What EM works on.

    `levels` and `counts` are the distinct patterns of candidates and how often each occurs;
    `rest` and `rest_counts` those of a sample of all other pairs, and how many pairs each stands
    for; `prior` the expected levels of each class;
    `own` says which fields a class has levels of its own for, of shape (n_classes, n_fields);
    `given_name` is the field that tells twins apart, if there is one.
    """

    levels: npt.NDArray[np.int8]
    counts: npt.NDArray[np.float64]
    rest: npt.NDArray[np.int8]
    rest_counts: npt.NDArray[np.float64]
    prior: npt.NDArray[np.float64]
    n_pairs: int
    own: npt.NDArray[np.bool_]
    given_name: int | None

    def first_shares(self) -> npt.NDArray[np.float64]:
        """Return shares to start from: each class a quarter of the candidates."""
        share = self.counts.sum() / max(self.n_pairs, 1) / (len(self.prior) + 1)
        return _with_rest(np.full(len(self.prior), share))


def _level_counts(
    levels: npt.NDArray[np.int8], counts: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    columns = [
        np.bincount(levels[:, f], weights=counts, minlength=N_LEVELS)[1:]
        for f in range(levels.shape[1])
    ]
    return np.stack(columns).astype(np.float64)


def _normalized(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True), dtype=np.float64)


def _em(
    evidence: _Evidence,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], int, bool]:
    shares, tables = evidence.first_shares(), evidence.prior.copy()
    matches = np.zeros(len(evidence.levels))
    converged = False
    n_rounds = 0
    while n_rounds < _MAX_ROUNDS and not converged:
        n_rounds += 1
        shares, tables, found = _round(evidence, shares, tables)
        # Where nothing tells an area from chance, the two drift on, which no pair's odds feel.
        converged = float(np.abs(found - matches).sum()) < _CONVERGED * float(found.sum())
        matches = found
    return shares, tables, n_rounds, converged


def _round(
    evidence: _Evidence, shares: npt.NDArray[np.float64], tables: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return better shares and levels, and how many pairs of each pattern match as things stood."""
    levels = evidence.levels
    weighted = _posterior(levels, shares, tables) * evidence.counts[:, None]
    # What was never alike enough to be a candidate is of no person or household. But most people of one
    # area are not alike enough, and without them those who are would look like nothing but matches.
    rest = np.zeros((len(evidence.rest), len(shares)))
    rest[:, _AREA:] = _posterior(evidence.rest, shares[_AREA:], tables[_AREA:])
    rest *= evidence.rest_counts[:, None]
    seen = [
        _level_counts(levels, weighted[:, c]) + _level_counts(evidence.rest, rest[:, c])
        for c in range(len(shares))
    ]
    unrelated = _normalized(seen[_UNRELATED] + _FEW_STRANGERS)
    new = [
        np.where(
            evidence.own[c][:, None],
            _normalized(seen[c] + _PRIOR_PAIRS * evidence.prior[c]),
            unrelated,
        )
        for c in range(_UNRELATED)
    ]
    if evidence.given_name is not None:
        new[_MATCH][evidence.given_name] = _with_near_misses(new[_MATCH][evidence.given_name])
    mass = weighted.sum(axis=0) + rest.sum(axis=0)
    mass[_TWINS] = min(float(mass[_TWINS]), _most_twins(evidence, weighted))
    shares = _with_rest(mass / max(evidence.n_pairs, 1))
    return shares, np.stack([*new, unrelated]), weighted[:, _MATCH]


def _with_near_misses(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a given name's levels among matches with no more misses than near misses explain."""
    disagree, partly, close, _ = levels
    most = _MISSES_PER_NEAR_MISS * (partly + close) + _MISSES_ANYWAY
    return _normalized(np.array([min(disagree, most), *levels[1:]]))


def _most_twins(evidence: _Evidence, weighted: npt.NDArray[np.float64]) -> float:
    """Return how many pairs of twins there may be.

    Twins and people with a misrecorded given name look alike: all agrees but the given name.
    But misrecorded names are often near misses, and twins' names hardly ever. So what disagrees
    may be twins as far as it outnumbers the near misses; and some of the siblings are twins.
    """
    siblings = _TWINS_AMONG_SIBLINGS * float(weighted[:, _HOUSEHOLD].sum())
    if evidence.given_name is None:
        return siblings
    same_or_twins = weighted[:, _MATCH] + weighted[:, _TWINS]
    field = evidence.levels[:, [evidence.given_name]]
    disagree, partly, close, _ = _level_counts(field, same_or_twins)[0]
    return siblings + max(float(disagree - _MISSES_PER_NEAR_MISS * (partly + close)), 0.0)


def _with_rest(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return shares that are positive and sum to 1, what the others leave being unrelated."""
    positive = np.maximum(shares, _FEWEST_SHARE)
    positive[_UNRELATED] = max(1 - float(positive[:_UNRELATED].sum()), _FEWEST_SHARE)
    return np.asarray(positive / positive.sum(), dtype=np.float64)


def _posterior(
    levels: npt.NDArray[np.int8],
    shares: npt.NDArray[np.float64],
    tables: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    logs = np.concatenate(
        [np.zeros((*tables.shape[:2], 1)), np.log(np.maximum(tables, _FEWEST))], axis=2
    )
    total = np.log(shares)[None, :] + sum(
        logs[:, f, :].T[levels[:, f]] for f in range(levels.shape[1])
    )
    total -= total.max(axis=1, keepdims=True)
    odds = np.exp(total)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)
