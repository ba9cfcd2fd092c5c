"""How alike two filters are, 0 to 1, for each way to encode: for whoever wants numbers instead of levels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.exchange import FilterSpec, PassSpec, RecordFilterSpec
from linkkit.linkage.pool import Pool

__all__ = ["AnyFilterSpec", "filter_similarity", "similarities"]

_PAIRS_AT_ONCE = 100_000

AnyFilterSpec = FilterSpec | PassSpec | RecordFilterSpec

_Words = npt.NDArray[np.uint64]
_Floats = npt.NDArray[np.float64]


def filter_similarity(item: AnyFilterSpec, one: _Words, other: _Words) -> _Floats:
    """Return how alike listed filters are, shape (n_pairs,).

    Parameters
    ----------
    item : FilterSpec, PassSpec or RecordFilterSpec
        What the filters hold. Of a field it is the estimated Dice coefficient of the tokens behind them, after
        bits that coincide by chance (Swamidass and Baldi, 2007); of a pass the share of equal bits beyond
        chance, before diffusion; of a whole record the Dice coefficient of the bits.
    one, other : ndarray of uint64, shape (n_pairs, n_words)
        The filters.

    Returns
    -------
    ndarray of float64, 0 to 1
        1 only where the filters are equal.
    """
    if isinstance(item, PassSpec):
        differ = np.bitwise_count(one ^ other).sum(axis=1) / item.n_bits
        alike = np.maximum(1 - 2 * differ, 0.0) ** (1 / item.n_inputs)
        return np.asarray(alike, dtype=np.float64)
    a, b = (np.bitwise_count(x).sum(axis=1).astype(np.float64) for x in (one, other))
    if isinstance(item, RecordFilterSpec):
        common = np.bitwise_count(one & other).sum(axis=1)
        return np.asarray(2 * common / np.maximum(a + b, 1), dtype=np.float64)
    either = np.bitwise_count(one | other).sum(axis=1).astype(np.float64)
    # Half a bit from full is the most that can be told of a full filter.
    tokens_a, tokens_b, tokens = (
        -np.log1p(-np.minimum(n, item.n_bits - 0.5) / item.n_bits) for n in (a, b, either)
    )
    whole = np.maximum(tokens_a + tokens_b, 1e-12)
    dice = np.clip(2 * (tokens_a + tokens_b - tokens) / whole, 0.0, 1.0)
    equal = (one == other).all(axis=1)
    return np.asarray(np.where(equal, 1.0, np.minimum(dice, 1 - 1e-9)), dtype=np.float64)


def similarities(pool: Pool, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> _Floats:
    """Return how alike listed pairs are in each filter, shape (n_pairs, n_filters); NaN where one is missing."""
    n_shown = pool.present.shape[1]
    answer = np.empty((len(left), len(pool.spec.columns)))
    for start in range(0, len(left), _PAIRS_AT_ONCE):
        rows = slice(start, start + _PAIRS_AT_ONCE)
        one, other = left[rows], right[rows]
        for f, item in enumerate(pool.spec.columns):
            both = pool.filters_of(f, one), pool.filters_of(f, other)
            answer[rows, f] = filter_similarity(item, *both)
        absent = ~(pool.present[one] & pool.present[other])
        answer[rows, :n_shown][absent] = np.nan
    return answer
