"""A Fellegi-Sunter model with households and areas, learned without labels.

Pairs come from four classes: the same person, two people of one household, two of one area,
and unrelated people. Within a class, fields agree independently; across classes they do not,
so that a surname, an address and a phone shared by siblings are not counted as three separate
proofs (Fellegi and Sunter, 1969; Winkler, 1988, for estimation by EM; the classes of non-matches
follow Larsen and Rubin, 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.exchange import FilterSpec
from linkkit.linkage.classify.priors import CLASSES, expected_levels
from linkkit.linkage.compare import LEVELS, N_LEVELS
from linkkit.linkage.compare.pairs import unpack

__all__ = ["FieldWeights", "MatchModel", "first_weights", "fit_model"]

_MATCH, _UNRELATED = 0, len(CLASSES) - 1
_MAX_ROUNDS = 200
_CONVERGED = 1e-6
_PRIOR_PAIRS = 40.0
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

    def log_likelihoods(self, levels: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
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
    levels: npt.NDArray[np.int64], counts: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the share of each level among pairs that have the field, (n_fields, n_levels - 1).

    Smoothed, so that a level that never occurred keeps a small share.
    """
    shares = np.zeros((levels.shape[1], N_LEVELS - 1))
    for f in range(levels.shape[1]):
        n = np.bincount(levels[:, f], weights=counts, minlength=N_LEVELS)[1:]
        shares[f] = (n + 0.5) / (n.sum() + 0.5 * (N_LEVELS - 1))
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
    patterns, n_of = np.unique(candidates, return_counts=True)
    levels = unpack(patterns, n_fields=n_fields)
    counts = n_of.astype(np.float64)
    rest = unpack(sample[~is_candidate], n_fields=n_fields)
    n_rest = max(n_pairs - counts.sum(), 0.0)
    bulk = _level_counts(rest, np.full(len(rest), n_rest / max(len(rest), 1)))
    unrelated = _normalized(bulk + 0.5)
    prior = np.stack(
        [
            np.stack([expected_levels(x.kind, c, unrelated[f]) for f, x in enumerate(filters)])
            for c in CLASSES
        ]
    )
    evidence = _Evidence(levels=levels, counts=counts, bulk=bulk, prior=prior, n_pairs=n_pairs)
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
    `bulk` the levels of all other pairs, by field; `prior` the expected levels of each class.
    """

    levels: npt.NDArray[np.int64]
    counts: npt.NDArray[np.float64]
    bulk: npt.NDArray[np.float64]
    prior: npt.NDArray[np.float64]
    n_pairs: int

    def first_shares(self) -> npt.NDArray[np.float64]:
        """Return shares to start from: each class a quarter of the candidates."""
        share = 0.25 * self.counts.sum() / max(self.n_pairs, 1)
        shares = np.full(len(self.prior), share)
        shares[_UNRELATED] = 1 - shares[:_UNRELATED].sum()
        return shares


def _level_counts(
    levels: npt.NDArray[np.int64], counts: npt.NDArray[np.float64]
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
    converged = False
    n_rounds = 0
    while n_rounds < _MAX_ROUNDS and not converged:
        n_rounds += 1
        new_shares, new = _round(evidence, shares, tables)
        converged = bool(
            np.abs(new - tables).max() < _CONVERGED
            and np.abs(new_shares - shares).max() < _CONVERGED * new_shares[_MATCH]
        )
        tables, shares = new, new_shares
    return shares, tables, n_rounds, converged


def _round(
    evidence: _Evidence, shares: npt.NDArray[np.float64], tables: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    levels = evidence.levels
    weighted = _posterior(levels, shares, tables) * evidence.counts[:, None]
    new = [
        _normalized(_level_counts(levels, weighted[:, c]) + _PRIOR_PAIRS * evidence.prior[c])
        for c in range(_UNRELATED)
    ]
    # All that was never alike enough to be a candidate is unrelated.
    new.append(_normalized(_level_counts(levels, weighted[:, _UNRELATED]) + evidence.bulk + 0.5))
    new_shares = np.maximum(weighted.sum(axis=0) / max(evidence.n_pairs, 1), _FEWEST_SHARE)
    new_shares[_UNRELATED] = 1 - new_shares[:_UNRELATED].sum()
    return new_shares, np.stack(new)


def _posterior(
    levels: npt.NDArray[np.int64],
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
