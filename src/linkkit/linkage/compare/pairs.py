"""Compares a pool along a blocking plan, in threads, into arrays of pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress, ProgressEvent, has_numba, run_in_threads, silent
from linkkit.linkage.block import BlockingPass, BlockingPlan
from linkkit.linkage.compare import _reference
from linkkit.linkage.compare.levels import Comparison
from linkkit.linkage.pool import Pool

__all__ = [
    "ComparedPairs",
    "chunks_of",
    "compare_all",
    "compare_pairs",
    "has_numba",
    "sample_pairs",
    "unpack",
]

_COMPARISONS_PER_CHUNK = 4_000_000
_FIRST_CAPACITY = 4_096
_STEPS_PER_BIT = 1_024

_Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint64]]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ComparedPairs:
    """Pairs of records of a pool, each with its agreement levels.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Positions in the pool; the smaller is left. Sorted, each pair once.
    codes : ndarray of uint64, shape (n_pairs,)
        Levels of all fields, 3 bits each; see :func:`unpack`.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    codes: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.left)

    def __repr__(self) -> str:
        return f"<ComparedPairs: {len(self)} pairs>"


def unpack(codes: npt.NDArray[np.uint64], *, n_fields: int) -> npt.NDArray[np.int64]:
    """Return packed levels as an array of shape (n_pairs, n_fields)."""
    shifts = np.arange(n_fields, dtype=np.uint64) * np.uint64(3)
    return ((codes[:, None] >> shifts) & np.uint64(7)).astype(np.int64)


def compare_pairs(
    comparison: Comparison, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Return the packed levels of listed pairs.

    Parameters
    ----------
    comparison : Comparison
        What to compare.
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the records.

    Returns
    -------
    ndarray of uint64, shape (n_pairs,)
    """
    if not has_numba():
        return _reference.codes_of_pairs(comparison, left, right)
    from linkkit.linkage.compare import _kernels

    out = np.zeros(len(left), dtype=np.uint64)
    kernel: Any = _kernels.codes_of_pairs
    kernel(*_arrays(comparison), left, right, out)
    return out


def sample_pairs(
    pool: Pool, comparison: Comparison, *, n_pairs: int, seed: int = 0
) -> npt.NDArray[np.uint64]:
    """Return the packed levels of random pairs of those that may match.

    Drawn with replacement from the pool in its own order, so the sample depends on the
    records and not on how they were handed over.
    """
    rng = np.random.default_rng(seed)
    sizes = pool.party_sizes()
    starts = np.cumsum(np.append(0, sizes[:-1]))
    strata = [
        (a, b, int(sizes[a] * sizes[b]) if a != b else int(sizes[a] * (sizes[a] - 1) // 2))
        for a in range(len(sizes))
        for b in range(a, len(sizes))
        if a != b or not pool.clean[a]
    ]
    total = sum(n for _, _, n in strata)
    if not total:
        return np.zeros(0, dtype=np.uint64)
    drawn = rng.multinomial(n_pairs, [n / total for _, _, n in strata])
    left, right = [], []
    for (a, b, _), n in zip(strata, drawn, strict=True):
        one = rng.integers(0, sizes[a], size=n)
        # Within a party the other record is any but the first.
        other = rng.integers(0, sizes[b] - (a == b), size=n)
        left.append(starts[a] + one)
        right.append(starts[b] + other + ((a == b) & (other >= one)))
    return compare_pairs(comparison, np.concatenate(left), np.concatenate(right))


def compare_all(
    comparison: Comparison,
    plan: BlockingPlan,
    *,
    weights: npt.NDArray[np.float64],
    floor: float,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> ComparedPairs:
    """Compare all pairs of a plan and keep those whose weights sum to `floor` or more.

    Parameters
    ----------
    comparison : Comparison
        What to compare.
    plan : BlockingPlan
        Which pairs.
    weights : ndarray of float64, shape (n_fields, n_levels)
        Match weight in bits of each level of each field; 0 for missing. Rounded to 1/1,024
        bit, so that sums are exact in any order.
    floor : float
        Match weight in bits; pairs below it are dropped on the spot.
    n_threads : int, optional
        All processors by default; the result does not depend on it.
    progress : callable
        Told how many comparisons are done.

    Returns
    -------
    ComparedPairs
        Each pair once, though several passes may find it.
    """
    done = 0
    parts: list[_Found] = []
    for item in plan.passes:
        ordered = comparison.reordered(item.order)
        tasks = list(chunks_of(item))
        scan = _Scan(ordered, item, weights, floor)
        for task, found in zip(
            tasks, run_in_threads(scan, tasks, n_threads=n_threads), strict=True
        ):
            parts.append((item.order[found[0]], item.order[found[1]], found[2]))
            done += int((item.last[task] - item.first[task]).sum())
            progress(
                ProgressEvent(
                    stage="compare", done=done, total=plan.n_comparisons, unit="comparisons"
                )
            )
    return _united(parts, n_records=len(comparison.words))


def chunks_of(item: BlockingPass) -> Iterator[slice]:
    """Cut the rows of a pass into chunks of some millions of comparisons."""
    ends = np.cumsum(item.last - item.first)
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + _COMPARISONS_PER_CHUNK, side="right"))
        stop = max(stop, start + 1)
        yield slice(start, stop)
        start = stop


class _Scan:
    """One pass as a task for threads: a chunk of rows in, the pairs found out."""

    def __init__(
        self,
        comparison: Comparison,
        item: BlockingPass,
        weights: npt.NDArray[np.float64],
        floor: float,
    ) -> None:
        self.comparison, self.item = comparison, item
        self.weights = np.round(weights * _STEPS_PER_BIT).astype(np.int64)
        self.floor = round(floor * _STEPS_PER_BIT)
        # The fields that tell most come first; best[i] is what the rest can still add.
        spread = self.weights.max(axis=1) - self.weights[:, 1]
        self.visit = np.argsort(-spread, kind="stable")
        gain = np.maximum(self.weights.max(axis=1), 0)[self.visit]
        self.best = np.append(np.cumsum(gain[::-1])[::-1], 0)
        self.compiled = has_numba()
        c = comparison
        self.arrays = (
            c.words, c.words.T.ravel(), c.word_starts, c.n_set, c.n_set.T.ravel(), c.room,
            c.hope.T.ravel(), c.n_bits,
        )  # fmt: skip

    def __call__(self, rows: slice) -> _Found:
        scan = self._compiled_scan if self.compiled else self._plain_scan
        return scan(rows)

    def _plain_scan(self, rows: slice) -> _Found:
        return _reference.scan_rows(
            self.comparison, self.item.first, self.item.last, rows.start, rows.stop,
            self.weights, self.floor,
        )  # fmt: skip

    def _compiled_scan(self, rows: slice) -> _Found:
        from linkkit.linkage.compare import _kernels

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


def _arrays(c: Comparison) -> tuple[Any, ...]:
    return c.words, c.word_starts, c.n_set, c.room, c.n_bits


def _united(parts: Sequence[_Found], *, n_records: int) -> ComparedPairs:
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        return ComparedPairs(left=empty, right=empty, codes=np.zeros(0, dtype=np.uint64))
    one = np.concatenate([part[0] for part in parts])
    other = np.concatenate([part[1] for part in parts])
    codes = np.concatenate([part[2] for part in parts])
    left, right = np.minimum(one, other), np.maximum(one, other)
    keys, first = np.unique(left * n_records + right, return_index=True)
    return ComparedPairs(left=keys // n_records, right=keys % n_records, codes=codes[first])
