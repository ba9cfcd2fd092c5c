"""The tasks of a comparison: rows against all their partners, and blocks of records that agree.

A scan is called with a task, in any thread, and returns the pairs that it found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba
from linkkit.linkage.block import AllPairs, BlockingPlan, KeyPass
from linkkit.linkage.block.keys import Blocks, sorted_blocks
from linkkit.linkage.compare.fields import _reference
from linkkit.linkage.compare.fields.levels import Comparison
from linkkit.linkage.pool import Pool

__all__ = ["Bar", "BlockScan", "Found", "RowScan", "scans_of"]

_COMPARISONS_PER_CHUNK = 4_000_000
_FIRST_CAPACITY = 4_096
_STEPS_PER_BIT = 1_024

Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint64]]


class Bar:
    """Which pairs are kept: those whose weights reach a floor.

    Weights, in bits, are rounded to 1/1,024 bit, so that sums are exact in any order.
    """

    def __init__(self, weights: npt.NDArray[np.float64], floor: float) -> None:
        self.weights = np.round(weights * _STEPS_PER_BIT).astype(np.int64)
        self.floor = round(floor * _STEPS_PER_BIT)


def scans_of(
    pool: Pool, comparison: Comparison, plan: BlockingPlan, bar: Bar
) -> Iterator[RowScan | BlockScan]:
    """Yield what a plan's passes ask to be done, one at a time, as each fills memory."""
    before: list[KeyPass] = []
    for item in plan.passes:
        if isinstance(item, AllPairs):
            yield RowScan(comparison, item, bar)
        elif plan.keys is not None:
            # What a pass leaves in blocks that are too large, its splits and later passes may find.
            earlier = [x.mask for x in before if not x.splits and not x.n_crowded_records]
            blocks = sorted_blocks(pool, plan.keys, item.columns, item.members)
            work = _BlockWork(item, earlier, blocks, plan.keys)
            yield BlockScan(pool, comparison, work, bar)
            before.append(item)


class _BlockWork(NamedTuple):
    """A pass, the columns of those before it whose pairs it leaves out, and its blocks."""

    item: KeyPass
    earlier: list[int]
    blocks: Blocks
    keys: npt.NDArray[np.uint64]


class RowScan:
    """Rows, each against a range of rows."""

    def __init__(self, comparison: Comparison, item: AllPairs, bar: Bar) -> None:
        self.comparison, self.item = comparison, item
        self.weights, self.floor = bar.weights, bar.floor
        # The fields that tell most come first; best[i] is what the rest can still add.
        spread = self.weights.max(axis=1) - self.weights[:, 1]
        self.visit = np.argsort(-spread, kind="stable")
        gain = np.maximum(self.weights.max(axis=1), 0)[self.visit]
        self.best = np.append(np.cumsum(gain[::-1])[::-1], 0)
        self.compiled = has_numba()
        c, n_set = comparison, comparison.bits_set()
        self.arrays = (
            c.words, c.words.T.ravel(), c.word_starts, c.present, n_set.T.ravel(), c.powers,
            c.hope(n_set).ravel(), c.n_bits,
        )  # fmt: skip

    def tasks(self) -> list[slice]:
        """Return chunks of rows with some millions of comparisons."""
        ends = np.cumsum(self.item.last - self.item.first)
        chunks: list[slice] = []
        start = 0
        while start < len(ends):
            before = ends[start - 1] if start else 0
            stop = int(np.searchsorted(ends, before + _COMPARISONS_PER_CHUNK, side="right"))
            stop = max(stop, start + 1)
            chunks.append(slice(start, stop))
            start = stop
        return chunks

    def size(self, task: slice) -> int:
        """Return how many comparisons a task makes."""
        return int((self.item.last[task] - self.item.first[task]).sum())

    def __call__(self, rows: slice) -> Found:
        """Return the pairs of some rows that are kept."""
        scan = self._compiled_scan if self.compiled else self._plain_scan
        return scan(rows)

    def _plain_scan(self, rows: slice) -> Found:
        return _reference.scan_rows(
            self.comparison, self.item.first, self.item.last, rows.start, rows.stop,
            self.weights, self.floor,
        )  # fmt: skip

    def _compiled_scan(self, rows: slice) -> Found:
        from linkkit.linkage.compare.fields import _kernels

        capacity = _FIRST_CAPACITY
        while True:
            left = np.empty(capacity, dtype=np.int64)
            right = np.empty(capacity, dtype=np.int64)
            codes = np.empty(capacity, dtype=np.uint64)
            kernel: Any = _kernels.scan_rows
            n_found = kernel(
                *self.arrays, self.item.first, self.item.last, rows.start, rows.stop,
                self.visit, self.weights, self.weights[:, 1].copy(), self.weights[:, 1:].max(axis=1),
                self.best, self.floor,
                *np.zeros((2, _kernels.LANES), dtype=np.int64), left, right, codes,
            )  # fmt: skip
            if n_found <= capacity:
                return left[:n_found], right[:n_found], codes[:n_found]
            capacity = int(n_found)


class BlockScan:
    """The blocks of one pass; pairs that an earlier pass has are not compared again."""

    def __init__(self, pool: Pool, comparison: Comparison, work: _BlockWork, bar: Bar) -> None:
        self.comparison, self.bar = comparison, bar
        self.item, self.earlier, self.blocks, self.keys = work
        self.party_starts, self.clean = pool.party_starts(), pool.clean
        self.compiled = has_numba()

    def tasks(self) -> list[slice]:
        """Return runs of whole blocks."""
        cuts = self.blocks.cuts.tolist()
        return [slice(a, b) for a, b in zip([0, *cuts[:-1]], cuts, strict=True)]

    def size(self, task: slice) -> int:
        """Return how many comparisons a task makes, in blocks that are small enough."""
        # Known of all tasks together; a task's own count would cost as much as its work.
        whole, n = len(self.blocks.packed), self.item.n_comparisons
        return int(n * task.stop // whole - n * task.start // whole)

    def __call__(self, task: slice) -> Found:
        """Return the pairs of some blocks that are kept."""
        scan = self._compiled_scan if self.compiled else self._plain_scan
        return scan(task)

    def _plain_scan(self, task: slice) -> Found:
        return _reference.scan_blocks(
            self.comparison, self.blocks.packed[task], self.party_starts, self.clean, self.blocks.largest,
            self.keys, self.item.mask, self.earlier, self.bar.weights, self.bar.floor,
        )  # fmt: skip

    def _compiled_scan(self, task: slice) -> Found:
        from linkkit.linkage.compare.fields import _kernels

        # Room for all pairs of a piece, whose pages are touched only as far as pairs are found.
        left, right = np.empty((2, self.blocks.most_pairs_of_piece), dtype=np.int64)
        codes = np.empty(self.blocks.most_pairs_of_piece, dtype=np.uint64)
        c = self.comparison
        kernel: Any = _kernels.scan_blocks
        n_found = kernel(
            self.blocks.packed, task.start, task.stop, self.party_starts, self.clean, self.blocks.largest,
            self.keys, np.uint64(self.item.mask), np.array(self.earlier, dtype=np.uint64), c.words,
            c.word_starts, c.present, c.powers, c.n_bits, self.bar.weights, self.bar.floor, left,
            right, codes,
        )  # fmt: skip
        return left[:n_found].copy(), right[:n_found].copy(), codes[:n_found].copy()
