"""Which passes tell something about the pairs of two parties.

A party that has no birth dates has filters that look random in all passes salted by them, and a pass that
covers a field of which one of two parties has nothing makes one person's filters unlike. What a party has is
not sent, but shows: of the pairs that are of one person by the other passes, none is alike in such a pass, and
hardly any pair of strangers is so, beyond chance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.exchange import EncodingSpec
from linkkit.linkage.classify.pass_evidence import SeenPairs
from linkkit.linkage.classify.pass_levels import ALIVE_FROM
from linkkit.linkage.pool import Pool

__all__ = ["LEAST_PAIRS", "blocks_of", "covered_passes"]

_LEAST_ALIVE = 0.05
LEAST_PAIRS = 20.0
"""Of fewer it is not judged what tells something about them."""

_BEYOND_CHANCE, _MOST_STRANGERS = 6.0, 5
"""Standard errors that none of a thousand million random pairs exceeds, and how many may do so."""

_Floats = npt.NDArray[np.float64]


def blocks_of(
    pool: Pool, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the number of the block of each pair: of which two parties its records are."""
    one, other = pool.party[left].astype(np.int64), pool.party[right].astype(np.int64)
    return np.asarray(np.minimum(one, other) * len(pool.parties) + np.maximum(one, other))


def covered_passes(
    spec: EncodingSpec, correlations: _Floats, seen: SeenPairs, match: _Floats
) -> npt.NDArray[np.bool_]:
    """Return which passes tell something, (n_blocks, n_passes): all, where matches are few.

    Parameters
    ----------
    spec : EncodingSpec
        How the records were encoded.
    correlations : ndarray of float64, shape (n_pairs, n_passes)
        Candidate pairs.
    seen : SeenPairs
        The same, as the model sees them.
    match : ndarray of float64, shape (n_pairs,)
        How probably each is of one person.
    """
    near, n_blocks = seen.near, len(seen.covered)
    weight, block = match[near], seen.block[near]
    whole = np.bincount(block, weights=weight, minlength=n_blocks)
    covered = np.ones(seen.covered.shape, dtype=np.bool_)
    for k, item in enumerate(spec.passes):
        errors = correlations[:, k] * np.sqrt(item.n_bits)
        n_alive = np.bincount(
            block, weights=weight * (errors[near] > ALIVE_FROM), minlength=n_blocks
        )
        n_sure = np.bincount(seen.block[errors > _BEYOND_CHANCE], minlength=n_blocks)
        of_many = whole >= LEAST_PAIRS
        covered[:, k] = ~of_many | (n_alive >= _LEAST_ALIVE * whole) | (n_sure > _MOST_STRANGERS)
        if of_many.any() and not (covered[:, k] & of_many).any():
            covered[:, k] = False
    return covered
