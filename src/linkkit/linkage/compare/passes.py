"""Compares records by their passes, in threads: how many bits of two filters differ.

The diffused bits of two records with the same salt whose inner filters differ in a share d of their bits
differ with probability ``(1 - (1 - 2 d)^t) / 2``, so that ``1 - 2 h`` of the share h that does
differ, here called the *correlation* of the pair, estimates ``(1 - 2 d)^t`` with a standard error of
at most 1 / sqrt(bits). With different salts it is 0, with that error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress, ProgressEvent, run_in_threads, silent
from linkkit.linkage.block import BlockingPass, PassPlan
from linkkit.linkage.block.passes import tables_of
from linkkit.linkage.compare import _pass_reference
from linkkit.linkage.compare.pairs import has_numba
from linkkit.linkage.pool import Pool

__all__ = ["PassPairs", "compare_passes", "find_pairs"]

_FIRST_CAPACITY = 4_096
_COMPARISONS_PER_CHUNK = 50_000_000
_ROWS_PER_CHUNK = 256

_Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassPairs:
    """Pairs of records of a pool, compared in every pass.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Positions in the pool; the smaller is left.
    correlations : ndarray of float64, shape (n_pairs, n_passes)
        1 less twice the share of bits that differ, -1 to 1.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
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
        Records with passes.
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the records.
    """
    starts = pool.word_starts
    correlations = np.zeros((len(left), len(pool.spec.passes)))
    for k, item in enumerate(pool.spec.passes):
        distances = _distances(pool.words[:, starts[k] : starts[k + 1]], left, right)
        correlations[:, k] = 1 - 2 * distances / item.n_bits
    return PassPairs(left=left, right=right, correlations=correlations)


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


def find_pairs(
    pool: Pool,
    plan: PassPlan,
    *,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> PassPairs:
    """Find the pairs that are more alike in some pass than chance explains, as a plan says.

    Returns
    -------
    PassPairs
        Each pair once, sorted, compared in every pass.
    """
    keys = np.zeros(0, dtype=np.int64)
    done = 0
    for k, item in enumerate(pool.spec.passes):
        words = pool.words[:, pool.word_starts[k] : pool.word_starts[k + 1]]
        columns = np.ascontiguousarray(words.T)
        found = [keys]
        for table in tables_of(pool, item, plan, columns):
            scan = _Scan(words, columns[: plan.n_first_bits // 64], table, plan, item.n_bits)
            tasks = list(_chunks_of(table))
            answers = run_in_threads(scan, tasks, n_threads=n_threads)
            for task, pairs in zip(tasks, answers, strict=True):
                one, other = table.order[pairs[0]], table.order[pairs[1]]
                found.append(np.minimum(one, other) * len(pool) + np.maximum(one, other))
                done += int((table.last[task] - table.first[task]).sum())
                progress(
                    ProgressEvent(
                        stage="compare",
                        done=min(done, plan.n_comparisons),
                        total=plan.n_comparisons,
                        unit="comparisons",
                    )
                )
        keys = np.unique(np.concatenate(found))
    return compare_passes(pool, keys // len(pool), keys % len(pool))


def _chunks_of(table: BlockingPass) -> Iterator[slice]:
    """Cut the rows into chunks with enough rows to share what the processor's cache holds."""
    ends = np.cumsum(table.last - table.first)
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + _COMPARISONS_PER_CHUNK, side="right"))
        stop = min(max(stop, start + _ROWS_PER_CHUNK), len(ends))
        yield slice(start, stop)
        start = stop


class _Scan:
    """One table as a task for threads: a chunk of rows in, the pairs found out."""

    def __init__(
        self,
        words: npt.NDArray[np.uint64],
        columns: npt.NDArray[np.uint64],
        table: BlockingPass,
        plan: PassPlan,
        n_bits: int,
    ) -> None:
        self.words, self.table = words, table
        # A lane is a partner, so that partners lie side by side, which indexing does not do.
        self.columns = np.ascontiguousarray(columns[:, table.order])
        self.most = _farthest(n_bits, plan.deviations)
        # The first bits of a near pair differ no more than all of them.
        self.most_first = min(_farthest(plan.n_first_bits, plan.first_deviations), self.most)
        self.compiled = has_numba()

    def __call__(self, rows: slice) -> _Found:
        scan = self._compiled_scan if self.compiled else self._plain_scan
        return scan(rows)

    def _plain_scan(self, rows: slice) -> _Found:
        return _pass_reference.scan_pairs(
            self.words, self.table.order, self.table.first, self.table.last, rows.start, rows.stop,
            n_first_words=len(self.columns), most_first=self.most_first, most=self.most,
        )  # fmt: skip

    def _compiled_scan(self, rows: slice) -> _Found:
        from linkkit.linkage.compare import _pass_kernels

        kernel: Any = _pass_kernels.scan_pairs
        distance = np.zeros(_pass_kernels.LANES, dtype=np.uint64)
        is_near = np.zeros(_pass_kernels.LANES, dtype=np.uint8)
        capacity = _FIRST_CAPACITY
        while True:
            left = np.empty(capacity, dtype=np.int64)
            right = np.empty(capacity, dtype=np.int64)
            n_found = kernel(
                self.columns, self.words, self.table.order, self.table.first, self.table.last,
                rows.start, rows.stop, self.most_first, self.most, distance, is_near,
                is_near.view(np.uint64), left, right,
            )  # fmt: skip
            if n_found <= capacity:
                return left[:n_found], right[:n_found]
            capacity = int(n_found)


def _farthest(n_bits: int, deviations: float) -> int:
    """Return the Hamming distance that is so many standard errors below what chance gives."""
    distance = n_bits / 2 - max(deviations, -np.sqrt(n_bits)) * np.sqrt(n_bits) / 2
    return int(np.floor(distance))
