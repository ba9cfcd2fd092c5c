"""A Fellegi-Sunter model with households and areas, learned without labels.

Pairs come from classes: the same person, who may have moved or have both names otherwise, twins, two people
of one household, relatives who live apart, two of one name or area, and unrelated people. Within a class,
fields agree independently; across classes they do not, so that a surname, an address and a phone shared by siblings are not counted as three separate
proofs (Fellegi and Sunter, 1969; Winkler, 1988, for estimation by EM; the classes of non-matches
follow Larsen and Rubin, 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.engines import slices_of
from linkkit.exchange import FilterSpec
from linkkit.linkage.classify.em import (
    FEW_STRANGERS,
    Evidence,
    Fit,
    first_fit,
    level_counts,
    log_joint,
)
from linkkit.linkage.classify.priors import (
    CLASSES,
    IDENTIFYING,
    N_MATCHING,
    expected_levels,
    has_own,
    learned_levels,
    names_at_once,
    of_unknown_use,
)
from linkkit.linkage.classify.score_oddity import pattern_log_oddity
from linkkit.linkage.classify.unseen import Unseen
from linkkit.linkage.compare import LEVELS, N_LEVELS
from linkkit.linkage.compare.fields.pairs import unpack

__all__ = ["FieldWeights", "MatchModel", "first_weights", "fit_model"]

_FEWEST = 1e-9
_SIDES = (slice(0, N_MATCHING), slice(N_MATCHING, len(CLASSES)))


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
    completeness : float
        Expected share of the matching pairs that are candidates, 0 to 1.
    odd_codes : ndarray of uint64, shape (n_odd,)
        Packed levels of patterns that strangers have more often, or less, than the classes explain; sorted.
    log_oddity : ndarray of float64, shape (n_odd,)
        Natural log of how much more often, learned from pairs that are known to be no match.
    correction : ndarray of float64, shape (n_fields, n_levels), optional
        Natural log odds that labels of some pairs add for each level, where there are labels.
    warnings : tuple of str
        What is doubtful about the model.
    """

    fields: tuple[str, ...]
    shares: npt.NDArray[np.float64]
    levels: npt.NDArray[np.float64]
    n_pairs: int
    n_rounds: int
    converged: bool
    completeness: float = 1.0
    odd_codes: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    log_oddity: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    correction: npt.NDArray[np.float64] | None = None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<MatchModel: {len(self.fields)} fields, {self.expected_matches:.0f} matches expected>"
        )

    @property
    def expected_matches(self) -> float:
        """Expected number of matching pairs, candidates or not."""
        return float(self.shares[:N_MATCHING].sum() * self.n_pairs)

    def log_likelihoods(self, levels: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
        """Return the natural log likelihood of each pair in each class, shape (n, n_classes)."""
        total = np.zeros((len(levels), len(self.shares)))
        logs = np.log(np.maximum(self.levels, _FEWEST))
        for f in range(levels.shape[1]):
            total += logs[:, f, :].T[levels[:, f]]
        return total

    def log_oddity_of(self, codes: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
        """Return the natural log of how odd a pattern is among strangers, 0 where that is not known."""
        place = np.searchsorted(self.odd_codes, codes)
        place = np.minimum(place, max(len(self.odd_codes) - 1, 0))
        known = (
            self.odd_codes[place] == codes if len(self.odd_codes) else np.zeros(len(codes), bool)
        )
        return np.where(known, self.log_oddity[place] if len(self.odd_codes) else 0.0, 0.0)

    def corrections_of(self, levels: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
        """Return the natural log odds that labels of other pairs add to each pair's."""
        total = np.zeros(len(levels))
        if self.correction is not None:
            for f in range(levels.shape[1]):
                total += self.correction[f, levels[:, f]]
        return total

    def field_weights(self) -> tuple[FieldWeights, ...]:
        """Return m, u and weight of each field, over all classes of matches and of others."""
        same, others = (_part(self.shares[c]) for c in _SIDES)
        answer = []
        for f, name in enumerate(self.fields):
            m, u = (
                np.tensordot(part, self.levels[classes, f, 1:], axes=1)
                for part, classes in zip((same, others), _SIDES, strict=True)
            )
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


def _part(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _expected(
    kinds: Sequence[FieldKind], unrelated: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the levels that each class is expected to have, and for which fields it learns its own."""
    prior = np.stack(
        [
            np.stack([expected_levels(k, c, unrelated[f]) for f, k in enumerate(kinds)])
            for c in CLASSES
        ]
    )
    own = np.array([[has_own(kind, c) for kind in kinds] for c in CLASSES], dtype=np.bool_)
    for f in np.flatnonzero(of_unknown_use(kinds)).tolist():
        for c, pair_class in enumerate(CLASSES):
            # Who shares nothing else has no home in common that would show it.
            learned = learned_levels(kinds[f], pair_class, unrelated[f]) if own[c].any() else None
            if learned is not None:
                prior[c, f], own[c, f] = learned, True
    return prior, own


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
        shares[f] = (n + FEW_STRANGERS) / (n.sum() + FEW_STRANGERS.sum())
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
    unseen: Unseen | None = None,
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
    unseen : Unseen, optional
        Which pairs of one person are no candidates; none by default.

    Returns
    -------
    MatchModel
    """
    learner = Learner.of(
        filters, candidates, sample, n_pairs=n_pairs, is_candidate=is_candidate, unseen=unseen
    )
    return learner.model(first_fit(learner.evidence))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Strangers:
    """Pairs that are known to be no match, as their party holds each person once.

    `codes` are those alike enough to be candidates, of `n_pairs`; `sample` is a random sample of all of
    these, to see which fields they have.
    """

    codes: npt.NDArray[np.uint64]
    n_pairs: int
    sample: npt.NDArray[np.uint64]

    @classmethod
    def nobody(cls) -> Strangers:
        """Return that no pair is known."""
        nothing = np.zeros(0, dtype=np.uint64)
        return cls(codes=nothing, n_pairs=0, sample=nothing)

    def comparable(
        self, patterns: npt.NDArray[np.uint64], *, n_fields: int
    ) -> npt.NDArray[np.float64]:
        """Return how many of the pairs have the fields that each pattern has."""
        if not len(self.sample):
            return np.zeros(len(patterns))
        bits = 1 << np.arange(n_fields, dtype=np.int64)
        of_sample = (unpack(self.sample, n_fields=n_fields) > 0) @ bits
        masks, n = np.unique(of_sample, return_counts=True)
        mask = (unpack(patterns, n_fields=n_fields) > 0) @ bits
        place = np.minimum(np.searchsorted(masks, mask), len(masks) - 1)
        share = np.where(masks[place] == mask, n[place] / len(of_sample), 0.0)
        return np.asarray(share * self.n_pairs, dtype=np.float64)


def _labeled(
    patterns: npt.NDArray[np.uint64],
    known: tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]] | None,
) -> npt.NDArray[np.float64]:
    """How many labeled pairs of each pattern match, and how many do not."""
    counts = np.zeros((len(patterns), 2))
    if known is not None:
        codes, is_match = known
        np.add.at(counts, (np.searchsorted(patterns, codes), (~is_match).astype(np.int64)), 1.0)
    return counts


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Learner:
    """What EM learns from, by pattern of levels."""

    fields: tuple[str, ...]
    patterns: npt.NDArray[np.uint64]
    evidence: Evidence
    of_strangers: npt.NDArray[np.uint64]
    most_matches: float = np.inf

    @classmethod
    def of(
        cls,
        filters: Sequence[FilterSpec],
        candidates: npt.NDArray[np.uint64],
        sample: npt.NDArray[np.uint64],
        *,
        n_pairs: int,
        is_candidate: npt.NDArray[np.bool_],
        unseen: Unseen | None = None,
        strangers: Strangers | None = None,
        known: tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]] | None = None,
        most_matches: float = np.inf,
    ) -> Learner:
        """Count patterns.

        `strangers` are pairs that are known to be no match; `known` the codes of labeled candidates, and whether they
        match; `most_matches` how many there could be, where every record has one match at most in each party.
        """
        n_fields = len(filters)
        strangers = strangers or Strangers.nobody()
        odd = strangers.codes
        patterns, n_of = count_patterns(np.concatenate([candidates, odd]))
        n_odd = np.bincount(np.searchsorted(patterns, odd), minlength=len(patterns))
        counts = (n_of - n_odd).astype(np.float64)
        others, n_of_other = np.unique(sample[~is_candidate], return_counts=True)
        rest = unpack(others, n_fields=n_fields)
        n_rest = max(n_pairs - counts.sum(), 0.0)
        rest_counts = n_of_other * (n_rest / max(int(n_of_other.sum()), 1))
        unrelated = level_counts(rest, rest_counts) + FEW_STRANGERS
        unrelated /= unrelated.sum(axis=1, keepdims=True)
        kinds: list[FieldKind] = [item.kind for item in filters]
        prior, own = _expected(kinds, unrelated)
        evidence = Evidence(
            levels=unpack(patterns, n_fields=n_fields),
            counts=counts,
            rest=rest,
            rest_counts=rest_counts,
            prior=prior,
            n_pairs=n_pairs,
            own=own,
            as_at_home=of_unknown_use(kinds),
            identifies=np.array([kind in IDENTIFYING for kind in kinds], dtype=np.bool_),
            names=names_at_once(kinds),
            given_name=kinds.index("given_name") if "given_name" in kinds else None,
            unseen=Unseen.nothing(n_fields) if unseen is None else unseen,
            known=_labeled(patterns, known),
            strangers=n_odd.astype(np.float64),
            n_strangers=strangers.n_pairs,
            n_comparable=strangers.comparable(patterns, n_fields=n_fields),
        )
        return cls(
            fields=tuple(item.name for item in filters),
            patterns=patterns,
            evidence=evidence,
            of_strangers=strangers.sample,
            most_matches=most_matches,
        )

    def matched(
        self, codes: npt.NDArray[np.uint64], probability: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Return the share of the candidates of each pattern that match, by their probabilities."""
        total = np.zeros(len(self.patterns))
        for rows in slices_of(len(codes)):
            number = np.searchsorted(self.patterns, codes[rows])
            total += np.bincount(number, weights=probability[rows], minlength=len(total))
        return np.asarray(np.clip(total / np.maximum(self.evidence.counts, 1), 0, 1))

    def model(self, fit: Fit, *, warnings: tuple[str, ...] = ()) -> MatchModel:
        """Return what was learned."""
        levels = np.ones((len(CLASSES), len(self.fields), N_LEVELS))
        levels[:, :, 1:] = fit.tables
        return MatchModel(
            fields=self.fields,
            shares=fit.shares,
            levels=levels,
            n_pairs=self.evidence.n_pairs,
            n_rounds=fit.n_rounds,
            converged=fit.converged,
            completeness=self._completeness(fit),
            odd_codes=self.patterns if self.evidence.n_strangers else self.patterns[:0],
            log_oddity=pattern_log_oddity(
                self.evidence, fit, self.of_strangers, most_matches=self.most_matches
            )
            if self.evidence.n_strangers
            else np.zeros(0),
            warnings=warnings,
        )

    def _completeness(self, fit: Fit) -> float:
        unseen, share = self.evidence.unseen, _part(fit.shares[:N_MATCHING])
        missed = 0.0
        for c in self.evidence.matching:
            likelihood = np.exp(log_joint(unseen.levels, np.ones(1), fit.tables[[c]])[:, 0])
            missed += float(share[c]) * float(unseen.counts(likelihood).sum())
        return 1 - missed
