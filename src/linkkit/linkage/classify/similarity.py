"""From how alike two filters are to how much two records have in common.

A pair that shares so much of the tokens that both could have in common, seen through Bloom filters of
known fill and a diffusion of known order, has an expected correlation; around it the estimate
scatters by a known standard error. Everything else is in the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.exchange import PassSpec
from linkkit.linkage.compare.passes import SAME, PassPairs
from linkkit.linkage.pool import Pool

__all__ = [
    "OVERLAPS",
    "Cells",
    "Situation",
    "correlation_of",
    "expected_correlations",
    "situations",
]

OVERLAPS: npt.NDArray[np.float64] = np.linspace(0.0, 1.0, 41)
"""The shares in common that are told apart."""

BINS_PER_ERROR = 2
"""Correlations are rounded to half a standard error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """What could be compared of a pair: the same passes, and the same fields on either side.

    Attributes
    ----------
    states : tuple of int
        State of each pass.
    left, right : tuple of bool
        Which fields each record has.
    """

    states: tuple[int, ...]
    left: tuple[bool, ...]
    right: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Cells:
    """Pairs sorted into cells that are alike in all that the model looks at.

    Attributes
    ----------
    situations : list of Situation
        What occurs.
    situation : ndarray of int64, shape (n_cells,)
        Position in `situations`.
    correlation : ndarray of float64, shape (n_cells,)
        Mean over the passes with the same group.
    counts : ndarray of float64, shape (n_cells,)
        Pairs in each cell.
    cell_of_pair : ndarray of int64, shape (n_pairs,)
        The cell of each pair.
    """

    situations: list[Situation]
    situation: npt.NDArray[np.int64]
    correlation: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]
    cell_of_pair: npt.NDArray[np.int64]


def situations(pool: Pool, pairs: PassPairs) -> Cells:
    """Sort pairs into cells."""
    n_fields = pool.present.shape[1]
    powers = 1 << np.arange(n_fields, dtype=np.int64)
    masks = pool.present.astype(np.int64) @ powers
    one, other = masks[pairs.left], masks[pairs.right]
    low, high = np.minimum(one, other), np.maximum(one, other)
    pattern = pairs.states.astype(np.int64) @ (3 ** np.arange(pairs.states.shape[1]))
    step = 1 / (BINS_PER_ERROR * np.sqrt(pool.spec.passes[0].n_bits))
    rounded = np.round(correlation_of(pairs) / step).astype(np.int64)
    # At most 3**8 patterns and 21 fields: all in one number below 2**63.
    keys = (pattern << 2 * n_fields) | (low << n_fields) | high
    kinds, situation = np.unique(keys, return_inverse=True)
    span = int(np.ptp(rounded)) + 1 if len(rounded) else 1
    least = int(rounded.min()) if len(rounded) else 0
    cells, cell_of_pair, counts = np.unique(
        situation * span + rounded - least, return_inverse=True, return_counts=True
    )
    return Cells(
        situations=[_situation(key, pairs.states.shape[1], n_fields) for key in kinds.tolist()],
        situation=cells // span,
        correlation=(cells % span + least) * step,
        counts=counts.astype(np.float64),
        cell_of_pair=cell_of_pair.reshape(-1),
    )


def _situation(key: int, n_passes: int, n_fields: int) -> Situation:
    pattern, low, high = key >> 2 * n_fields, key >> n_fields, key
    return Situation(
        states=tuple(pattern // 3**k % 3 for k in range(n_passes)),
        left=tuple(bool(low >> f & 1) for f in range(n_fields)),
        right=tuple(bool(high >> f & 1) for f in range(n_fields)),
    )


def correlation_of(pairs: PassPairs) -> npt.NDArray[np.float64]:
    """Return the mean correlation of each pair over the passes with the same group, 0 without."""
    same = pairs.states == SAME
    return np.asarray(
        np.where(same, pairs.correlations, 0.0).sum(axis=1) / np.maximum(same.sum(axis=1), 1),
        dtype=np.float64,
    )


def expected_correlations(
    passes: tuple[PassSpec, ...],
    names: tuple[str, ...],
    situation: Situation,
    overlaps: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the expected mean correlation of a pair at each share in common.

    The share is that of the tokens in fields that both records have. Filters hold, in units of
    their width, a and b tokens' bits, and c of them in common; then bits differ with probability
    d = exp(-a) + exp(-b) - 2 exp(-(a + b - c)), and after diffusion of order t, 1 - 2 d
    has become its t-th power.

    Returns
    -------
    ndarray of float64, the shape of `overlaps`
    """
    same = [item for item, state in zip(passes, situation.states, strict=True) if state == SAME]
    total = np.zeros(len(overlaps))
    for item in same:
        load = {f.name: f.n_hashes * f.typical_tokens / item.n_bits for f in item.fields}
        each = np.array([load.get(name, 0.0) for name in names])
        left, right = np.array(situation.left), np.array(situation.right)
        a, b, both = each @ left, each @ right, each @ (left & right)
        d = np.exp(-a) + np.exp(-b) - 2 * np.exp(-(a + b - overlaps * both))
        total += np.maximum(1 - 2 * d, 0.0) ** item.n_inputs
    return total / max(len(same), 1)
