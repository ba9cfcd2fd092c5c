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

_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]


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
    counts[:, n_alive < least] = 0.0
    shown = [(np.arange(len(patterns)) & int(row @ bits)) for row in kinds]
    chances = _fitted(features, counts, shown, n_alive >= least, n_salts)
    seen = np.array([float(row[n_alive >= least].sum()) for row in chances])
    of_block = np.bincount(
        block, weights=weight * (n_alive[pattern] >= least), minlength=n_blocks
    )
    there = of_block / np.maximum(seen[kind], _FEWEST) * (seen[kind] > _FEWEST)
    return PatternCounts(
        none=there * chances[kind, 0], alone=there[:, None] * chances[kind][:, bits]
    )


def _fitted(
    features: _Floats,
    counts: _Floats,
    shown: list[npt.NDArray[np.int64]],
    visible: _Bools,
    n_salts: int,
) -> _Floats:
    """Return how probable each pattern is that shows, by kind of block, as is likeliest."""
    n = features.shape[1]
    spread = np.where(np.arange(n) < n_salts, _SPREAD_OF_SALT, _SPREAD_OF_SHARED)
    size = len(features)

    def chances(parameters: _Floats) -> tuple[_Floats, _Floats]:
        logs = features @ parameters
        whole = np.exp(logs - logs.max())
        whole /= whole.sum()
        return whole, np.array([np.bincount(x, weights=whole, minlength=size) for x in shown])

    def loss(parameters: _Floats) -> tuple[float, _Floats]:
        whole, rows = chances(parameters)
        value = float(((parameters / spread) ** 2).sum()) / 2
        slope = parameters / spread**2
        for show, row, found in zip(shown, rows, counts, strict=True):
            total = float(found.sum())
            if not total:
                continue
            seen = max(float(row[visible].sum()), _FEWEST)
            there = found > 0
            value -= float(found[there] @ np.log(np.maximum(row[there], 1e-300)))
            value += total * float(np.log(seen))
            each = np.where(there, found / np.maximum(row, 1e-300), 0.0) - visible * (total / seen)
            slope -= (whole * each[show]) @ features
        return value, slope

    first = np.where(np.arange(n) < n_salts, 1.0, 1.0)
    best = minimize(
        loss, first, jac=True, method="L-BFGS-B", bounds=[(-_MOST_NATS, _MOST_NATS)] * n
    )
    return chances(best.x)[1]
