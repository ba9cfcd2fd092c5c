"""A mixture model of passes, learned without labels.

Four classes of pairs: the same person, twins, two people of one household, unrelated people. Two
things are seen of a pair: in which passes its groups are the same, independent within a class, as
salts fail for different reasons; and how much the two records have in common, one number, whose
scatter around what the filters show is known. How fast matches become rarer as they differ more is
learned; what strangers share is measured on random pairs of each pass. The rest, such as which
fields both records have, is a condition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from linkkit.exchange import EncodingSpec
from linkkit.linkage.classify.model import FieldWeights
from linkkit.linkage.classify.pass_priors import (
    PASS_CLASSES,
    expected_overlap,
    expected_same,
    is_shared,
    kinds_of,
)
from linkkit.linkage.classify.similarity import (
    OVERLAPS,
    Cells,
    Situation,
    expected_correlations,
)
from linkkit.linkage.compare.passes import DIFFER, SAME

__all__ = ["PassModel", "fit_pass_model"]

_UNRELATED = len(PASS_CLASSES) - 1
_TWINS, _HOUSEHOLD = PASS_CLASSES.index("twins"), PASS_CLASSES.index("household")
_TWINS_AMONG_SIBLINGS = 0.03
_DECAY = 0.10
_DECAY_BETWEEN = (0.02, 0.14)
_CHANGED, _DECAY_OF_CHANGED = 0.4, 0.3
_SPREAD_AT_HOME = 0.08
_PRIOR_SHARE = 0.25
_TRUST_IN_INDEPENDENCE = 0.1
_PRIOR_PAIRS = 40.0
_MAX_ROUNDS = 500
_CONVERGED = 1e-4
_FEWEST = 1e-12

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassModel:
    """The learned model.

    Attributes
    ----------
    spec : EncodingSpec
        How the records were encoded.
    shares : ndarray of float64, shape (n_classes,)
        Share of each class among all pairs that could match.
    same : ndarray of float64, shape (n_classes, n_passes)
        Probability that both records of a pair have the same salt.
    patterns : dict of tuple of int to float
        Probability of each pattern of passes among strangers.
    overlaps : ndarray of float64, shape (n_classes - 1, n_overlaps)
        Probability of each share in common, in each class but strangers.
    strangers : ndarray of float64, shape (n_passes, n_overlaps)
        The same for strangers with the same salt in one pass.
    fields : tuple of FieldWeights
        What each pass tells, see :meth:`field_weights`.
    n_pairs : int
        All pairs that could match.
    n_rounds : int
        Rounds of EM.
    converged : bool
        Whether EM came to rest.
    """

    spec: EncodingSpec
    shares: _Floats
    same: _Floats
    patterns: dict[tuple[int, ...], float]
    overlaps: _Floats
    strangers: _Floats
    fields: tuple[FieldWeights, ...]
    n_pairs: int
    n_rounds: int
    converged: bool

    def __repr__(self) -> str:
        return (
            f"<PassModel: {len(self.spec.passes)} passes, "
            f"{self.expected_matches:.0f} matches expected>"
        )

    @property
    def expected_matches(self) -> float:
        """Expected number of matching pairs."""
        return float(self.shares[0] * self.n_pairs)

    def field_weights(self) -> tuple[FieldWeights, ...]:
        """Return m, u and weight in bits of each level of each pass.

        "disagree" is another salt or records with little in common. Passes tell much the same, so
        that their weights must not be added up.
        """
        return self.fields

    def log_odds(self, cells: Cells) -> _Floats:
        """Return the natural log of the odds of a match for each cell, shape (n_cells,)."""
        log = np.log(np.maximum(self._likelihoods(cells), 1e-300)) + np.log(self.shares)
        return np.asarray(log[:, 0] - np.logaddexp.reduce(log[:, 1:], axis=1))

    def _likelihoods(self, cells: Cells) -> _Floats:
        kernel = _Kernel(self.spec, cells)
        patterns = kernel.of_patterns(self.same, self.patterns)[kernel.pattern]
        return np.asarray(patterns * kernel.of_overlaps(self.overlaps, self.strangers))


class _Kernel:
    """Likelihoods of cells: of the passes in which groups are the same, and of what is in common."""

    def __init__(self, spec: EncodingSpec, cells: Cells) -> None:
        self.spec, self.cells = spec, cells
        states = np.array([x.states for x in cells.situations]).reshape(-1, len(spec.passes))
        self.patterns, number = np.unique(states, axis=0, return_inverse=True)
        self.pattern = number.reshape(-1)[cells.situation]
        self.same, self.differ = self.patterns == SAME, self.patterns == DIFFER
        n_same = np.maximum(self.same.sum(axis=1), 1)[self.pattern]
        self.errors = 1 / np.sqrt(spec.passes[0].n_bits * n_same)
        self.density = [self._density(c) for c in range(len(PASS_CLASSES))]

    def _density(self, c: int) -> _Floats:
        expected = np.array([_expected(self.spec, x, c) for x in self.cells.situations])
        expected = expected.reshape(-1, len(OVERLAPS))[self.cells.situation]
        away = (self.cells.correlation[:, None] - expected) / self.errors[:, None]
        # A far outlier of every class is left to the class that it is least far from.
        density = norm.pdf(away) / self.errors[:, None] + 1e-30
        density[~self.same.any(axis=1)[self.pattern]] = 1.0
        return np.asarray(density)

    def of_patterns(self, same: _Floats, known: dict[tuple[int, ...], float]) -> _Floats:
        """Return the probability of each pattern in each class, (n_patterns, n_classes).

        `known` has those of strangers; what is not in it follows from independence.
        """
        probability = np.exp(self.same @ np.log(same).T + self.differ @ np.log1p(-same).T)
        rows = [tuple(row) for row in self.patterns.tolist()]
        strangers = [
            known.get(row, chance) for row, chance in zip(rows, probability[:, -1], strict=True)
        ]
        probability[:, -1] = np.maximum(strangers, _FEWEST)
        return np.asarray(probability)

    def of_overlaps(self, overlaps: _Floats, strangers: _Floats) -> _Floats:
        """Return the density of each cell's correlation in each class, (n_cells, n_classes)."""
        columns = [d @ overlaps[c] for c, d in enumerate(self.density[:-1])]
        rows = self.stranger_overlaps(strangers)[self.pattern]
        return np.column_stack([*columns, np.einsum("ck,ck->c", self.density[-1], rows)])

    def stranger_overlaps(self, strangers: _Floats) -> _Floats:
        """Return what strangers with each pattern have in common, (n_patterns, n_overlaps).

        Two with the same postal code have a place in common, two with the same surname a name; two
        with both have both.
        """
        chance = expected_overlap(self.spec.passes[0].fields, "unrelated")
        origin = round(chance * (len(OVERLAPS) - 1))
        rows = []
        for same in self.same:
            row = np.zeros(len(OVERLAPS))
            row[origin] = 1.0
            for k in np.flatnonzero(same):
                row = _added(row, strangers[k], origin)
            rows.append(row)
        return np.array(rows)


def _added(one: _Floats, other: _Floats, origin: int) -> _Floats:
    """Return the distribution of a sum of overlaps, of which `origin` counts only once."""
    total = np.convolve(one, other)
    last = len(one) - 1
    places = np.clip(np.arange(len(total)) - origin, 0, last)
    return np.bincount(places, weights=total, minlength=last + 1).astype(np.float64)


def _expected(spec: EncodingSpec, situation: Situation, c: int) -> _Floats:
    """Return the correlation at each share in common, scaled to what a class shares here.

    Of two siblings' records, the one with an address has more in common with the other than if
    it had none; the class's distribution is of records with all fields.
    """
    pair_class = PASS_CLASSES[c]
    shares = OVERLAPS
    if pair_class in ("household", "twins"):
        fields = spec.passes[0].fields
        both = [one and other for one, other in zip(situation.left, situation.right, strict=True)]
        have = {name for name, there in zip(spec.fields, both, strict=True) if there}
        here = [field for field in fields if field.name in have]
        whole = expected_overlap(fields, pair_class)
        shares = np.minimum(OVERLAPS * expected_overlap(here, pair_class) / whole, 1.0)
    return expected_correlations(spec.passes, spec.fields, situation, shares)


def fit_pass_model(
    spec: EncodingSpec,
    cells: Cells,
    *,
    n_pairs: int,
    n_same: _Floats,
    n_salted: _Floats,
    most_matches: float,
    strangers: _Floats,
    floor: float,
    levels: npt.NDArray[np.int64],
) -> PassModel:
    """Learn the model by EM from candidate pairs, all other pairs being unrelated.

    Parameters
    ----------
    spec : EncodingSpec
        How the records were encoded.
    cells : Cells
        Candidate pairs.
    n_pairs : int
        All pairs that could match.
    n_same, n_salted : ndarray of float64, shape (n_passes,)
        Of all pairs, those with the same group, and those where both records have one.
    most_matches : float
        How many pairs match at most.
    strangers : ndarray of float64, shape (n_passes, n_overlaps)
        What strangers with the same salt in one pass have in common.
    floor : float
        Correlation below which pairs were dropped.
    levels : ndarray of int64, shape (n_candidates, n_passes)
        Agreement level of each candidate in each pass.
    """
    evidence = _Evidence(
        spec=spec,
        kernel=_Kernel(spec, cells),
        counts=cells.counts,
        n_pairs=n_pairs,
        n_same=n_same,
        n_salted=np.maximum(n_salted, 1.0),
        most_matches=most_matches,
        strangers=strangers,
        floor=floor,
        own=_own_salts(spec),
    )
    state, n_rounds, converged = _em(evidence)
    match = _responsibilities(evidence, state)[cells.cell_of_pair, 0]
    return PassModel(
        spec=spec,
        shares=state.shares,
        same=state.same,
        patterns=state.patterns,
        overlaps=state.overlaps,
        strangers=strangers,
        fields=_weights(spec, levels, match, n_salted=evidence.n_salted),
        n_pairs=n_pairs,
        n_rounds=n_rounds,
        converged=converged,
    )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Evidence:
    """What EM works on."""

    spec: EncodingSpec
    kernel: _Kernel
    counts: _Floats
    n_pairs: int
    n_same: _Floats
    n_salted: _Floats
    most_matches: float
    strangers: _Floats
    floor: float
    own: npt.NDArray[np.bool_]

    def prior_same(self) -> _Floats:
        """Return what is expected of the salts of each class."""
        chance = np.clip(self.n_same / self.n_salted, _FEWEST, 0.5)
        return expected_same(self.spec.passes, kinds_of(self.spec), chance)

    def below_floor(self) -> _Floats:
        """Return how probable it is at each share in common that one pass was too unlike."""
        full = (True,) * len(self.spec.fields)
        one = (SAME,) + (DIFFER,) * (len(self.spec.passes) - 1)
        expected = expected_correlations(
            self.spec.passes,
            self.spec.fields,
            Situation(states=one, left=full, right=full),
            OVERLAPS,
        )
        error = 1 / np.sqrt(self.spec.passes[0].n_bits)
        return np.asarray(norm.cdf((self.floor - expected) / error))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _State:
    shares: _Floats
    same: _Floats
    patterns: dict[tuple[int, ...], float]
    overlaps: _Floats
    decay: float


def _first_state(evidence: _Evidence) -> _State:
    first = float(evidence.counts.sum()) / max(evidence.n_pairs, 1) / 100
    return _State(
        shares=_with_rest(np.full(len(PASS_CLASSES), first)),
        same=evidence.prior_same(),
        patterns={},
        overlaps=_class_overlaps(evidence.spec, _DECAY),
        decay=_DECAY,
    )


def _class_overlaps(spec: EncodingSpec, decay: float) -> _Floats:
    """Return what classes but strangers have in common, each row summing to 1.

    One person's records differ ever more seldom the more they differ; a family's share what a
    family shares.
    """
    fields = spec.passes[0].fields
    near, far = (np.exp((OVERLAPS - 1) / x) for x in (decay, _DECAY_OF_CHANGED))
    rows = [(1 - _CHANGED) * near / near.sum() + _CHANGED * far / far.sum()]
    rows += [
        norm.pdf(OVERLAPS, expected_overlap(fields, c), _SPREAD_AT_HOME) for c in PASS_CLASSES[1:-1]
    ]
    return np.array([row / row.sum() for row in rows])


def _em(evidence: _Evidence) -> tuple[_State, int, bool]:
    state = _first_state(evidence)
    prior, below = evidence.prior_same(), evidence.below_floor()
    for n_rounds in range(1, _MAX_ROUNDS + 1):
        new = _round(evidence, state, prior, below)
        moved = np.abs(new.shares - state.shares).max() / max(float(new.shares[0]), _FEWEST)
        rest = max(np.abs(new.same - state.same).max(), abs(new.decay - state.decay))
        state = new
        if moved < _CONVERGED and rest < _CONVERGED:
            return state, n_rounds, True
    return state, _MAX_ROUNDS, False


def _responsibilities(evidence: _Evidence, state: _State) -> _Floats:
    kernel = evidence.kernel
    pattern = kernel.of_patterns(state.same, state.patterns)[kernel.pattern]
    joint = pattern * kernel.of_overlaps(state.overlaps, evidence.strangers) * state.shares
    joint = np.maximum(joint, 1e-300)
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def _round(evidence: _Evidence, state: _State, prior: _Floats, below: _Floats) -> _State:
    kernel = evidence.kernel
    weighted = _responsibilities(evidence, state) * evidence.counts[:, None]
    by_pattern = np.array(
        [np.bincount(kernel.pattern, w, minlength=len(kernel.patterns)) for w in weighted.T]
    )
    n_same = by_pattern @ kernel.same
    n_salted = n_same + by_pattern @ kernel.differ
    strength = np.maximum(_PRIOR_PAIRS, _PRIOR_SHARE * n_salted)
    learned = (n_same + strength * prior) / (n_salted + strength)
    # Salts of strangers: of all pairs, those with the same one that are no match and no family.
    chance = np.maximum(evidence.n_same - n_same[:-1].sum(axis=0), 0.5) / evidence.n_salted
    same = np.clip(np.where(evidence.own, learned, chance), _FEWEST, 1 - 1e-6)
    dropped = _dropped(kernel, evidence.strangers, below)
    mass = weighted.sum(axis=0)
    mass[0] = min(float(mass[0]), evidence.most_matches)
    mass[_TWINS] = min(float(mass[_TWINS]), _TWINS_AMONG_SIBLINGS * float(mass[_HOUSEHOLD]))
    decay = _decay(kernel, state, weighted[:, 0])
    return _State(
        shares=_with_rest(mass / max(evidence.n_pairs, 1)),
        same=same,
        patterns=_patterns(evidence, same, by_pattern[-1] / (1 - dropped)),
        overlaps=_class_overlaps(evidence.spec, decay),
        decay=decay,
    )


def _dropped(kernel: _Kernel, strangers: _Floats, below: _Floats) -> _Floats:
    """Return the share of strangers with each pattern that is no candidate, (n_patterns,)."""
    share = kernel.stranger_overlaps(strangers) @ below
    dropped = share ** np.maximum(kernel.same.sum(axis=1), 1)
    return np.asarray(np.minimum(dropped, 0.999), dtype=np.float64)


def _patterns(evidence: _Evidence, same: _Floats, n_found: _Floats) -> dict[tuple[int, ...], float]:
    """Return how probable each pattern is among strangers.

    Salts are not independent among them: some names are of one region or one year. What was found
    counts for more than what independence lets expect.
    """
    kernel = evidence.kernel
    expected = kernel.of_patterns(same, {})[:, -1]
    # How many pairs have salts in the same passes; the first pass's salts stand for all.
    salted = kernel.same | kernel.differ
    share = np.where(
        salted, evidence.n_salted / evidence.n_pairs, 1 - evidence.n_salted / evidence.n_pairs
    )
    n_expected = expected * np.prod(share, axis=1) * evidence.n_pairs
    weight = _TRUST_IN_INDEPENDENCE
    ratio = (n_found + weight * n_expected) / np.maximum((1 + weight) * n_expected, 1e-9)
    found = np.clip(expected * ratio, expected * weight, 1.0)
    rows = [tuple(row) for row in kernel.patterns.tolist()]
    return dict(zip(rows, found.tolist(), strict=True))


def _decay(kernel: _Kernel, state: _State, weighted: _Floats) -> float:
    """Return how fast the records of one person become rarer as they differ more."""
    density = kernel.density[0] @ state.overlaps[0]
    mass = state.overlaps[0] * (kernel.density[0].T @ (weighted / np.maximum(density, 1e-300)))
    away = float(mass @ (1 - OVERLAPS)) + _PRIOR_PAIRS * _DECAY
    return float(np.clip(away / (float(mass.sum()) + _PRIOR_PAIRS), *_DECAY_BETWEEN))


def _own_salts(spec: EncodingSpec) -> npt.NDArray[np.bool_]:
    """Return which salts a class has of its own, (n_classes, n_passes); else those of strangers."""
    kinds = kinds_of(spec)
    return np.array(
        [
            [c == "match" or (x.salt in kinds and is_shared(kinds[x.salt], c)) for x in spec.passes]
            for c in PASS_CLASSES
        ]
    )


def _with_rest(shares: _Floats) -> _Floats:
    positive = np.maximum(shares, _FEWEST)
    positive[_UNRELATED] = max(1 - float(positive[:_UNRELATED].sum()), _FEWEST)
    return np.asarray(positive / positive.sum(), dtype=np.float64)


def _weights(
    spec: EncodingSpec, levels: npt.NDArray[np.int64], match: _Floats, *, n_salted: _Floats
) -> tuple[FieldWeights, ...]:
    answer = []
    for k, item in enumerate(spec.passes):
        n_match = np.bincount(levels[:, k], weights=match, minlength=5)[1:] + 0.5
        n_other = np.bincount(levels[:, k], weights=1 - match, minlength=5)[1:] + 0.5
        n_other[0] = max(n_salted[k] - n_match.sum() - n_other[1:].sum(), n_other[0])
        m, u = n_match / n_match.sum(), n_other / n_other.sum()
        answer.append(
            FieldWeights(
                field=item.name,
                levels=("disagree", "partly", "close", "equal"),
                m=tuple(m.tolist()),
                u=tuple(u.tolist()),
                weight=tuple(np.log2(m / u).tolist()),
            )
        )
    return tuple(answer)
