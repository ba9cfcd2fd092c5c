"""Compares records by their passes, in threads: how many bits differ where both are in one group.

The diffused bits of two records with inner filters at relative distance d differ with probability
``(1 - (1 - 2 d)^t) / 2``, so that ``1 - 2 h`` of the share h that does differ, here called the
*correlation* of the pair, estimates ``(1 - 2 d)^t`` with a standard error of at most 1 / sqrt(bits).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from linkkit.engines import Progress, ProgressEvent, run_in_threads, silent
from linkkit.linkage.block import BlockingPass, BlockingPlan
from linkkit.linkage.compare import _pass_reference
from linkkit.linkage.compare.pairs import chunks_of, has_numba
from linkkit.linkage.pool import Pool

__all__ = [
    "DIFFER",
    "MISSING",
    "SAME",
    "PassPairs",
    "compare_groups",
    "compare_passes",
    "sample_groups",
]

MISSING, DIFFER, SAME = 0, 1, 2
"""What two records' groups are in a pass: one has none, not the same, the same."""

_MOST_BY_CHANCE = 500_000
_LEAST_DEVIATIONS = 1.0
_FIRST_CAPACITY = 4_096

_Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassPairs:
    """Pairs of records of a pool, compared in every pass.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Positions in the pool; the smaller is left.
    states : ndarray of int8, shape (n_pairs, n_passes)
        0 where one of the two has no group, 1 where the groups differ, 2 where they are the same.
    correlations : ndarray of float64, shape (n_pairs, n_passes)
        1 less twice the share of bits that differ, -1 to 1; 0 where groups are not the same.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    states: npt.NDArray[np.int8]
    correlations: npt.NDArray[np.float64]

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
        Records with group ids.
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the records.
    """
    starts = pool.word_starts
    n_passes = len(pool.spec.passes)
    states = np.zeros((len(left), n_passes), dtype=np.int8)
    correlations = np.zeros((len(left), n_passes))
    for k, item in enumerate(pool.spec.passes):
        one, other = pool.groups[left, k], pool.groups[right, k]
        states[:, k] = np.where((one == 0) | (other == 0), MISSING, DIFFER + (one == other))
        same = np.flatnonzero(states[:, k] == SAME)
        words = pool.words[:, starts[k] : starts[k + 1]]
        distances = _distances(words, left[same], right[same])
        correlations[same, k] = 1 - 2 * distances / item.n_bits
    return PassPairs(left=left, right=right, states=states, correlations=correlations)


def _distances(
    words: npt.NDArray[np.uint64], left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    if not has_numba():
        return _pass_reference.distances_of_pairs(words, left, right)
    from linkkit.linkage.compare import _pass_kernels

    out = np.zeros(len(left), dtype=np.int64)
    kernel: Any = _pass_kernels.distances_of_pairs
    kernel(words, left, right, out)
    return out


def compare_groups(
    pool: Pool,
    plan: BlockingPlan,
    *,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> PassPairs:
    """Compare all pairs of a plan, and keep those more alike in some pass than most strangers.

    How much more follows from the number of comparisons: at most some millions of pairs may be kept
    that are alike by chance.

    Returns
    -------
    PassPairs
        Each pair once, sorted.
    """
    deviations = _deviations(plan.n_comparisons)
    found: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    done = 0
    for item in plan.passes:
        k = [one.name for one in pool.spec.passes].index(item.name)
        n_bits = pool.spec.passes[k].n_bits
        most = int(n_bits / 2 - deviations * np.sqrt(n_bits) / 2)
        words = pool.words[item.order, pool.word_starts[k] : pool.word_starts[k + 1]]
        scan = _Scan(words, item, most)
        tasks = list(chunks_of(item))
        for task, pairs in zip(
            tasks, run_in_threads(scan, tasks, n_threads=n_threads), strict=True
        ):
            one, other = item.order[pairs[0]], item.order[pairs[1]]
            found.append(np.minimum(one, other) * len(pool) + np.maximum(one, other))
            done += int((item.last[task] - item.first[task]).sum())
            progress(
                ProgressEvent(
                    stage="compare", done=done, total=plan.n_comparisons, unit="comparisons"
                )
            )
    keys = np.unique(np.concatenate(found))
    return compare_passes(pool, keys // len(pool), keys % len(pool))


def sample_groups(
    pool: Pool, plan: BlockingPlan, *, n_pairs: int, seed: int = 0
) -> list[PassPairs]:
    """Return random pairs with the same group, drawn with replacement, for each pass of the spec."""
    rng = np.random.default_rng(seed)
    planned = {item.name: item for item in plan.passes}
    samples = []
    for one in pool.spec.passes:
        item = planned.get(one.name)
        left = right = np.zeros(0, dtype=np.int64)
        if item is not None:
            width = item.last - item.first
            ends = np.cumsum(width)
            drawn = rng.integers(0, ends[-1], size=min(n_pairs, 4 * int(ends[-1])))
            row = np.searchsorted(ends, drawn, side="right")
            partner = item.last[row] - 1 - (ends[row] - 1 - drawn)
            left, right = item.order[row], item.order[partner]
        samples.append(compare_passes(pool, np.minimum(left, right), np.maximum(left, right)))
    return samples


def _deviations(n_comparisons: int) -> float:
    """Return how many standard errors above chance a pair must be to be kept."""
    share = min(_MOST_BY_CHANCE / max(n_comparisons, 1), 0.5)
    return max(float(norm.isf(share)), _LEAST_DEVIATIONS)


class _Scan:
    """One pass as a task for threads: a chunk of rows in, the pairs found out."""

    def __init__(self, words: npt.NDArray[np.uint64], item: BlockingPass, most: int) -> None:
        self.words, self.item, self.most = words, item, most
        self.columns = np.ascontiguousarray(words.T)
        self.compiled = has_numba()

    def __call__(self, rows: slice) -> _Found:
        scan = self._compiled_scan if self.compiled else self._plain_scan
        return scan(rows)

    def _plain_scan(self, rows: slice) -> _Found:
        return _pass_reference.scan_groups(
            self.words, self.item.first, self.item.last, rows.start, rows.stop, self.most
        )

    def _compiled_scan(self, rows: slice) -> _Found:
        from linkkit.linkage.compare import _pass_kernels

        kernel: Any = _pass_kernels.scan_groups
        capacity = _FIRST_CAPACITY
        while True:
            left = np.empty(capacity, dtype=np.int64)
            right = np.empty(capacity, dtype=np.int64)
            n_found = kernel(
                self.words, self.columns, self.item.first, self.item.last, rows.start, rows.stop,
                self.most, left, right,
            )  # fmt: skip
            if n_found <= capacity:
                return left[:n_found], right[:n_found]
            capacity = int(n_found)
