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

from linkkit.exchange import EncodingSpec

__all__ = ["PatternCounts", "expected_patterns", "salts_that_share"]

_MOST_SALTS = 14
_SPREAD_OF_SALT = 4.0
_SPREAD_OF_SHARED = 2.0
_MOST_NATS = 8.0
_FEWEST = 1e-9
_FIRST_UNEVEN, _MOST_UNEVEN = 0.5, 4.0

_UNEVEN_SHARE, _GAIN = 1 / 3, 10.0

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
    *,
    least: int = 2,
) -> PatternCounts | None:
    """Return how many pairs are expected to agree with one salt alone and with none.

    Parameters
    ----------
    alive : ndarray of bool, shape (n_pairs, n_salts)
        With which salts pairs agree.
    weight : ndarray of float64, shape (n_pairs,)
        How probably each is of one person.
    block : ndarray of int64, shape (n_pairs,)
        The block of each.
    covered : ndarray of bool, shape (n_blocks, n_salts)
        Which salts pairs of a block can agree with.
    shared : list of pairs of int
        Salts that fail together.
    least : int
        Pairs that agree with so many salts are all among those given, others are left aside.

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
    cells = kind[block] * len(patterns) + pattern
    counts = np.bincount(cells, weights=weight, minlength=len(kinds) * len(patterns))
    counts = counts.reshape(len(kinds), -1)
    n_alive = patterns.sum(axis=1)
    visible = n_alive >= least
    counts[:, ~visible] = 0.0
    shown = [(np.arange(len(patterns)) & int(row @ bits)) for row in kinds]
    of_block = np.bincount(block, weights=weight * visible[pattern], minlength=n_blocks)
    logs, losses = [], []
    for nodes in (_ALIKE, _UNEVEN):
        chances, loss = _fitted(features, counts, shown, visible, n_salts, nodes=nodes)
        seen = chances[:, visible].sum(axis=1)
        there = np.where(seen > _FEWEST, 1 / np.maximum(seen, _FEWEST), 0.0)
        few = there[:, None] * chances[:, np.concatenate([[0], bits])]
        logs.append(np.log(np.maximum(few, _FEWEST)))
        losses.append(loss)
    gain = max(losses[0] - losses[1], 0.0)
    share = _UNEVEN_SHARE * gain / (gain + _GAIN)
    found = of_block[:, None] * np.exp((1 - share) * logs[0] + share * logs[1])[kind]
    return PatternCounts(none=found[:, 0], alone=found[:, 1:])


def _fitted(
    features: _Floats,
    counts: _Floats,
    shown: list[npt.NDArray[np.int64]],
    visible: _Bools,
    n_salts: int,
    *,
    nodes: tuple[_Floats, _Floats],
) -> tuple[_Floats, float]:
    """Return how probable each pattern is that shows, by kind of block, as is likeliest, and how unlikely."""
    size, n = features.shape
    places, shares = nodes
    spread = np.where(np.arange(n) < n_salts, _SPREAD_OF_SALT, _SPREAD_OF_SHARED)
    n_alive = features[:, :n_salts].sum(axis=1)

    def chances(parameters: _Floats) -> _Floats:
        logs = features @ parameters[:-1] + parameters[-1] * places[:, None] * n_alive
        whole = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(whole / whole.sum(axis=1, keepdims=True))

    def loss(parameters: _Floats) -> tuple[float, _Floats]:
        by_node = chances(parameters)
        whole = shares @ by_node
        value = float(((parameters[:-1] / spread) ** 2).sum() + parameters[-1] ** 2) / 2
        each = np.zeros(size)
        for show, found in zip(shown, counts, strict=True):
            row = np.bincount(show, weights=whole, minlength=size)
            seen = max(float(row[visible].sum()), _FEWEST)
            there = found > 0
            value -= float(found[there] @ np.log(np.maximum(row[there], 1e-300)))
            value += float(found.sum()) * float(np.log(seen))
            rate = np.where(there, found / np.maximum(row, 1e-300), 0.0)
            each += (rate - visible * (float(found.sum()) / seen))[show]
        slope = np.concatenate([parameters[:-1] / spread**2, parameters[-1:]])
        for share, place, chance in zip(shares, places, by_node, strict=True):
            part = share * chance * (each - float(chance @ each))
            slope[:-1] -= part @ features
            slope[-1] -= place * float(part @ n_alive)
        return value, slope

    first = np.append(np.ones(n), _FIRST_UNEVEN)
    bounds = [(-_MOST_NATS, _MOST_NATS)] * n + [(0.0, _MOST_UNEVEN)]
    best = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds)
    whole = shares @ chances(best.x)
    rows = [np.bincount(show, weights=whole, minlength=size) for show in shown]
    return np.array(rows), float(best.fun)
