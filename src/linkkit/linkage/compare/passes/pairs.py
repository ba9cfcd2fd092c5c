"""Pairs of records, compared in every pass: how many bits of two filters differ.

The diffused bits of two records with the same salt whose inner filters differ in a share d of their bits
differ with probability ``(1 - (1 - 2 d)^t) / 2``, so that ``1 - 2 h`` of the share h that does
differ, here called the *correlation* of the pair, estimates ``(1 - 2 d)^t`` with a standard error of
at most 1 / sqrt(bits). With different salts it is 0, with that error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba
from linkkit.linkage.compare.passes import _reference as _pass_reference
from linkkit.linkage.pass_words import Meeting, PassWords
from linkkit.linkage.pool import Pool

__all__ = ["PassPairs", "compare_passes", "distances_in_pass", "farthest"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassPairs:
    """Pairs of records of a pool, compared in every pass.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Positions in the pool; the smaller is left.
    correlations : ndarray of float64, shape (n_pairs, n_passes)
        1 less twice the share of bits that differ, -1 to 1.
    searched : ndarray of bool, shape (n_records,), or None
        Whose candidates were looked for to the end, where not everybody's were.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    correlations: npt.NDArray[np.float64]
    searched: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.left)

    def __repr__(self) -> str:
        return f"<PassPairs: {len(self)} pairs>"


def compare_passes(
    pool: Pool, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> PassPairs:
    """Compare listed pairs in every pass.

    Parameters
    ----------
    pool : Pool
        Records with passes.
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the records.
    """
    correlations = np.zeros((len(left), len(pool.spec.passes)))
    for met in pool.pass_words.meetings(left, right):
        for k, item in enumerate(pool.spec.passes):
            distances = _distances(pool.pass_words, k, met)
            correlations[met.pairs, k] = 1 - 2 * distances / item.n_bits
    return PassPairs(left=left, right=right, correlations=correlations)


def distances_in_pass(
    words: PassWords, k: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return in how many bits the filters of listed pairs differ in pass `k`."""
    out = np.zeros(len(left), dtype=np.int64)
    for met in words.meetings(left, right):
        out[met.pairs] = _distances(words, k, met)
    return out


def _distances(words: PassWords, k: int, met: Meeting) -> npt.NDArray[np.int64]:
    one, other = (words.runs[run][k] for run in met.runs)
    if not has_numba():
        return _pass_reference.distances_of_pairs(one, other, met.left, met.right)
    from linkkit.linkage.compare.passes import _kernels as _pass_kernels

    out = np.zeros(len(met.left), dtype=np.int64)
    kernel: Any = _pass_kernels.distances_of_pairs
    kernel(one, other, met.left, met.right, out)
    return out


def farthest(n_bits: int, deviations: float) -> int:
    """Return the Hamming distance that is so many standard errors below what chance gives."""
    distance = n_bits / 2 - max(deviations, -np.sqrt(n_bits)) * np.sqrt(n_bits) / 2
    return int(np.floor(distance))
