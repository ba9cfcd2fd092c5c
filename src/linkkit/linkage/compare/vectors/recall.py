"""Similar bit vectors found in tables, where a share of them is enough."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress
from linkkit.linkage.compare.vectors.samples import Sampled, Sought
from linkkit.linkage.compare.vectors.similar import Measure, SimilarPairs
from linkkit.linkage.compare.vectors.tables import find_near

__all__ = ["pairs_in_tables"]

_AFFORDABLE_SECONDS = 1.0
_EXPECTED_PAIRS = 5.0

_Words = npt.NDArray[np.uint64]


def pairs_in_tables(
    left: _Words,
    right: _Words | None,
    *,
    threshold: float,
    measure: Measure,
    recall: float,
    max_pairs: int,
    n_threads: int | None,
    progress: Progress,
) -> SimilarPairs | None:
    """Find about a share of the similar pairs; see :func:`~linkkit.similar_pairs`.

    Returns
    -------
    SimilarPairs or None
        Nothing where it is better to compare all.
    """
    words = left if right is None else np.concatenate([left, right])
    party = np.repeat(np.arange(2, dtype=np.int64), [len(left), len(words) - len(left)])
    n_set = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    n_bits = 64 * words.shape[1]
    sought = Sought(
        measure=measure,
        threshold=threshold,
        recall=recall,
        always_tables=False,
        affordable=_AFFORDABLE_SECONDS,
        likely=_all_wanted,
        expected_shares=np.array([_share_at(measure, threshold, float(n_set.mean()) / n_bits)])
        if len(words)
        else np.zeros(1),
        expected_weight=_EXPECTED_PAIRS,
        max_pairs=max_pairs,
    )
    clean = np.array([right is not None, True])
    found = find_near(words, party, clean, sought, n_threads=n_threads, progress=progress)
    if found is None:
        return None
    first_right = 0 if right is None else len(left)
    return SimilarPairs(
        left=found.left.astype(np.int32),
        right=(found.right - first_right).astype(np.int32),
        common=found.common.astype(np.uint16),
        measure=measure,
        n_bits=n_bits,
        n_left_set=n_set[: len(left)],
        n_right_set=n_set[first_right:],
        plan=found.plan,
    )


def _all_wanted(sampled: Sampled) -> npt.NDArray[np.float64]:
    return np.ones(len(sampled.key))


def _share_at(measure: Measure, threshold: float, fill: float) -> float:
    """Return the share of bits that differ in a pair of typical vectors just at the threshold."""
    if measure == "matching":
        return 1 - threshold
    dice = 2 * threshold / (1 + threshold) if measure == "jaccard" else threshold
    return min(2 * fill * (1 - dice), 1.0)
