"""With which salts pairs of one person agree, and so how many agree with one alone, or with none.

Pairs that agree with two salts or more are seen; how many there are of the others follows as in a census
that is taken several times over (capture and recapture, with dependence between some lists: Fienberg
1972). Salts that rest on one field fail together, whose value is wrong; others fail for different
reasons. So a pattern of agreeing salts is as probable as a log-linear model says that has an
interaction for each two salts with a field in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logit

from linkkit.exchange import EncodingSpec
from linkkit.linkage.classify.pass_coverage import LEAST_PAIRS
from linkkit.linkage.classify.pass_evidence import SALTS_OF_MATCHES

__all__ = ["PatternCounts", "expected_patterns", "salts_that_share"]

_MOST_SALTS = 14
_USUAL_OF_SALT, _SPREAD_OF_SALT = 2.0, 1.5
"""Log odds of agreeing with a salt, if nothing is seen that tells."""

_LEAST_TOLD = 3
"""Two salts that nobody else has show those alone who agree with both; with so many, each is told."""

_SPREAD_OF_SHARED = 2.0
_MOST_NATS = 8.0
_FEWEST, _LEAST_CHANCE = 1e-9, 1e-300
_FIRST_UNEVEN, _MOST_UNEVEN = 0.5, 4.0

_UNEVEN_SHARE, _GAIN = 1 / 3, 10.0
"""How far it is believed at most that people differ in how many errors they have, and by how much likelier
that has to make what is seen. Believed wholly, there may be any number of pairs with nothing in common."""

_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]

_ALIKE: tuple[_Floats, _Floats] = (np.zeros(1), np.ones(1))
_PLACES, _SHARES = np.polynomial.hermite_e.hermegauss(9)
_UNEVEN: tuple[_Floats, _Floats] = (_PLACES, _SHARES / _SHARES.sum())


@dataclass(frozen=True, kw_only=True, slots=True)
class PatternCounts:
    """How many pairs of one person agree with few salts, by block of pairs.

    Attributes
    ----------
    none : ndarray of float64, shape (n_blocks,)
        With none.
    alone : ndarray of float64, shape (n_blocks, n_salts)
        With each alone.
    """

    none: _Floats
    alone: _Floats


def salts_that_share(spec: EncodingSpec, groups: list[list[int]]) -> list[tuple[int, int]]:
    """Return each two salts, by number, that have a field in common."""
    names = [{source.name for source in spec.passes[group[0]].salt} for group in groups]
    return [(i, j) for i, j in combinations(range(len(groups)), 2) if names[i] & names[j]]


def expected_patterns(
    alive: _Bools,
    weight: _Floats,
    block: npt.NDArray[np.int64],
    covered: _Bools,
    shared: list[tuple[int, int]],
) -> PatternCounts | None:
    """Return how many pairs are expected to agree with one salt alone and with none.

    Parameters
    ----------
    alive : ndarray of bool, shape (n_pairs, n_salts)
        With which salts pairs agree: all that do with two or more.
    weight : ndarray of float64, shape (n_pairs,)
        How probably each is of one person.
    block : ndarray of int64, shape (n_pairs,)
        The block of each.
    covered : ndarray of bool, shape (n_blocks, n_salts)
        Which salts pairs of a block can agree with.
    shared : list of pairs of int
        Salts that fail together.

    Returns
    -------
    PatternCounts, or None if there are too many salts.
    """
    n_blocks, n_salts = covered.shape
    if n_salts > _MOST_SALTS:
        return None
    bits = 1 << np.arange(n_salts)
    patterns = (np.arange(2**n_salts)[:, None] & bits) > 0
    features = np.column_stack(
        [patterns, *[(patterns[:, i] & patterns[:, j])[:, None] for i, j in shared]]
    ).astype(np.float64)
    kinds, kind = np.unique(covered, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    pattern = (alive & covered[block]) @ bits
    visible = patterns.sum(axis=1) >= SALTS_OF_MATCHES
    of_block = np.bincount(block, weights=weight * visible[pattern], minlength=n_blocks)
    # Of few pairs it is not known which salts they can agree with.
    of_many = of_block >= LEAST_PAIRS if (of_block >= LEAST_PAIRS).any() else of_block > 0
    cells = kind[block] * len(patterns) + pattern
    each = np.bincount(
        cells,
        weights=weight * visible[pattern] * of_many[block],
        minlength=len(kinds) * len(patterns),
    )
    shown = [(np.arange(len(patterns)) & int(row @ bits)) for row in kinds]
    table = _Table(
        features=features,
        counts=each.reshape(len(kinds), -1).astype(np.float64),
        shown=shown,
        visible=visible,
        n_salts=n_salts,
    )
    found = np.asarray(of_block[:, None] * table.few_for_each()[kind], dtype=np.float64)
    return PatternCounts(none=found[:, 0], alone=found[:, 1:])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """Patterns that were counted, by which salts are covered, and what tells them apart.

    Attributes
    ----------
    features : ndarray of float64, shape (n_patterns, n_features)
        Which salts agree, and which two that share a field.
    counts : ndarray of float64, shape (n_kinds, n_patterns)
        Those that are seen, else 0.
    shown : list of ndarray of int64, shape (n_patterns,)
        As which one each pattern shows where some salts are not covered.
    visible : ndarray of bool, shape (n_patterns,)
        Patterns that are seen.
    n_salts : int
        How many of the features are salts.
    """

    features: _Floats
    counts: _Floats
    shown: list[npt.NDArray[np.int64]]
    visible: _Bools
    n_salts: int

    def few_for_each(self) -> _Floats:
        """Return how many agree with no salt, and with each alone, for each that is seen, by kind."""
        first = np.concatenate([[0], 1 << np.arange(self.n_salts)])
        logs, losses = [], []
        for nodes in (_ALIKE, _UNEVEN):
            chances, loss = self._fitted(*nodes)
            seen = chances[:, self.visible].sum(axis=1)
            there = np.where(seen > _FEWEST, 1 / np.maximum(seen, _FEWEST), 0.0)
            logs.append(np.log(np.maximum(there[:, None] * chances[:, first], _FEWEST)))
            losses.append(loss)
        gain = max(losses[0] - losses[1], 0.0)
        share = _UNEVEN_SHARE * gain / (gain + _GAIN)
        return np.asarray(np.exp((1 - share) * logs[0] + share * logs[1]))

    def _fitted(self, places: _Floats, shares: _Floats) -> tuple[_Floats, float]:
        """Return how probable each pattern is that shows, by kind, and how unlikely all are.

        People differ in how many errors they have by a normal distribution, of which there are some
        places and their shares.
        """
        n = self.features.shape[1]

        def best(usual: _Floats) -> tuple[_Floats, float]:
            def loss(parameters: _Floats) -> tuple[float, _Floats]:
                return self._loss(parameters, places, shares, usual)

            first = np.append(np.ones(n), _FIRST_UNEVEN)
            bounds = [(-_MOST_NATS, _MOST_NATS)] * n + [(0.0, _MOST_UNEVEN)]
            found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds)
            return shares @ self._at_places(found.x, places), float(found.fun)

        usual, told = np.full(self.n_salts, _USUAL_OF_SALT), self._told()
        whole, unlikely = best(usual)
        if told.any() and not told.all():
            rates = np.clip(whole @ self.features[:, : self.n_salts], _FEWEST, 1 - _FEWEST)
            whole, unlikely = best(np.where(told, usual, logit(rates[told]).mean()))
        rows = [np.bincount(show, weights=whole, minlength=len(whole)) for show in self.shown]
        return np.asarray(rows, dtype=np.float64), unlikely

    def _told(self) -> _Bools:
        """Return of which salts it is seen how often pairs agree with them: with two others beside."""
        told = np.zeros(self.n_salts, dtype=np.bool_)
        for show, found in zip(self.shown, self.counts, strict=True):
            covered = self.features[int(show.max()), : self.n_salts] > 0
            if found.any() and covered.sum() >= _LEAST_TOLD:
                told |= covered
        return told

    def _at_places(self, parameters: _Floats, places: _Floats) -> _Floats:
        n_alive = self.features[:, : self.n_salts].sum(axis=1)
        logs = self.features @ parameters[:-1] + parameters[-1] * places[:, None] * n_alive
        whole = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(whole / whole.sum(axis=1, keepdims=True))

    def _loss(
        self, parameters: _Floats, places: _Floats, shares: _Floats, usual_of_salts: _Floats
    ) -> tuple[float, _Floats]:
        """Return the negative log posterior and its slope."""
        size, n = self.features.shape
        spread = np.where(np.arange(n) < self.n_salts, _SPREAD_OF_SALT, _SPREAD_OF_SHARED)
        spread = np.append(spread, 1.0)
        usual = np.append(usual_of_salts, np.zeros(n + 1 - self.n_salts))
        by_place = self._at_places(parameters, places)
        whole = shares @ by_place
        value = float((((parameters - usual) / spread) ** 2).sum()) / 2
        each = np.zeros(size)
        for show, found in zip(self.shown, self.counts, strict=True):
            row = np.bincount(show, weights=whole, minlength=size)
            seen = max(float(row[self.visible].sum()), _FEWEST)
            value -= float(found @ np.log(np.maximum(row, _LEAST_CHANCE)))
            value += float(found.sum()) * float(np.log(seen))
            rate = found / np.maximum(row, _LEAST_CHANCE)
            each += (rate - self.visible * (float(found.sum()) / seen))[show]
        slope = (parameters - usual) / spread**2
        n_alive = self.features[:, : self.n_salts].sum(axis=1)
        for share, place, chance in zip(shares, places, by_place, strict=True):
            part = share * chance * (each - float(chance @ each))
            slope[:-1] -= part @ self.features
            slope[-1] -= place * float(part @ n_alive)
        return value, slope
