"""Finds the pairs that are alike in some pass, in threads: among all pairs, or by tables."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import Partitions, Progress, ProgressEvent, has_numba, run_in_threads, silent
from linkkit.errors import LinkageError
from linkkit.linkage.block import PassPlan
from linkkit.linkage.block.plan import first_partners
from linkkit.linkage.compare.kept import TOO_MANY, groups_of, lasting
from linkkit.linkage.compare.passes import _reference as _pass_reference
from linkkit.linkage.compare.passes.pairs import PassPairs, compare_passes, farthest
from linkkit.linkage.compare.passes.tables import find_in_tables
from linkkit.linkage.pool import Pool

__all__ = ["find_pairs", "sample_comparisons"]

_SAMPLED_COMPARISONS = 40_000_000
_FIRST_CAPACITY = 4_096
_COMPARISONS_PER_CHUNK = 50_000_000
_ROWS_PER_CHUNK = 256

_Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def find_pairs(
    pool: Pool,
    plan: PassPlan,
    *,
    store: Partitions | None = None,
    max_pairs: int | None = None,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> tuple[PassPairs, PassPlan]:
    """Find the pairs that are more alike in some pass than chance explains, as a plan says.

    Parameters
    ----------
    pool : Pool
        Records with passes.
    plan : PassPlan
        Which pairs.
    store : Partitions, optional
        Where finished partitions of :data:`~linkkit.linkage.compare.kept.PAIR_TYPES` are kept. Those
        that it has are not made again.
    max_pairs : int, optional
        With more pairs than this in a pass the work ends, where all pairs are compared.
    n_threads : int, optional
        As many as there are processors by default. Results do not depend on it.
    progress : callable
        Told how many comparisons are done.

    Returns
    -------
    PassPairs, PassPlan
        Each pair once, sorted, compared in every pass; and the plan as it was carried out.

    Raises
    ------
    LinkageError
        When there are more pairs than `max_pairs`.
    """
    if not plan.is_exhaustive:
        return find_in_tables(pool, plan, store=store, n_threads=n_threads, progress=progress)
    partners = first_partners(pool)
    store = lasting(store)
    groups = list(groups_of(list(_chunks_of(partners)), store, n_scans=len(pool.spec.passes)))
    keys = np.zeros(0, dtype=np.int64)
    done, total = 0, plan.n_comparisons
    for k, item in enumerate(pool.spec.passes):
        words = pool.pass_words.whole(k)
        scan = _Scan(words, partners, plan, item.n_bits)
        found, n_found = [keys], 0
        for tasks in groups:
            name = f"alike-{k:03d}-{tasks[0].start:010d}-{tasks[-1].stop:010d}"
            for part in _parts(scan, tasks, name, store, n_threads):
                found.append(part.keys)
                n_found += len(part.keys)
                _require_few(n_found, max_pairs)
                done += sum(int((len(pool) - partners[task]).sum()) for task in part.tasks)
                progress(_event(done, total))
        keys = np.unique(np.concatenate(found))
    return compare_passes(pool, keys // len(pool), keys % len(pool)), plan


def _require_few(n_found: int, max_pairs: int | None) -> None:
    if max_pairs is not None and n_found > max_pairs:
        raise LinkageError(
            f"more than {max_pairs:,} pairs are alike in a pass, for which there is no room",
            hint=TOO_MANY,
        )


def sample_comparisons(pool: Pool, plan: PassPlan, *, n_threads: int) -> tuple[float, float]:
    """Return the seconds that a comparison of a pass takes here, and how often it finds a pair.

    By comparing some in each pass, as if so many threads shared the work.
    """
    partners = first_partners(pool)
    ends = np.cumsum(len(pool) - partners)
    last = min(int(np.searchsorted(ends, _SAMPLED_COMPARISONS)) + 1, len(pool))
    seconds, n_found = 0.0, 0
    for k, item in enumerate(pool.spec.passes):
        words = pool.pass_words.whole(k)
        scan = _Scan(words, partners, plan, item.n_bits)
        scan(slice(0, 1))  # what is compiled now is not timed
        began = time.perf_counter()
        n_found += len(scan(slice(0, last))[0])
        seconds += time.perf_counter() - began
    n = max(int(ends[last - 1]) * len(pool.spec.passes), 1)
    return seconds / n / n_threads, n_found / n


def _event(done: int, total: int) -> ProgressEvent:
    return ProgressEvent(stage="compare", done=min(done, total), total=total, unit="comparisons")


class _Part(NamedTuple):
    """Pairs that some tasks found, each as one number: left times the number of records, plus right."""

    tasks: Sequence[slice]
    keys: npt.NDArray[np.int64]


def _parts(
    scan: _Scan, tasks: Sequence[slice], name: str, store: Partitions | None, n_threads: int | None
) -> Iterator[_Part]:
    """Yield what each task of a partition finds, or all that they found when they are finished."""
    if store is not None and name in store:
        yield _Part(tasks, store.get(name)[0].astype(np.int64))
        return
    found = []
    results = run_in_threads(scan, tasks, n_threads=n_threads)
    for task, (left, right) in zip(tasks, results, strict=True):
        keys = left * len(scan.partners) + right
        yield _Part([task], keys)
        if store is not None:
            found.append(keys)
    if store is not None:
        store.put(name, [np.concatenate(found)])


def _chunks_of(partners: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Cut the rows into chunks with enough rows to share what the processor's cache holds."""
    ends = np.cumsum(len(partners) - partners)
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + _COMPARISONS_PER_CHUNK, side="right"))
        stop = min(max(stop, start + _ROWS_PER_CHUNK), len(ends))
        yield slice(start, stop)
        start = stop


class _Scan:
    """All pairs in one pass as a task for threads: a chunk of rows in, the pairs found out."""

    def __init__(
        self,
        words: npt.NDArray[np.uint64],
        partners: npt.NDArray[np.int64],
        plan: PassPlan,
        n_bits: int,
    ) -> None:
        self.words, self.partners = words, partners
        self.everybody = np.arange(len(partners))
        self.end = np.full(len(partners), len(partners))
        # A lane is a partner, so that partners lie side by side, which indexing does not do.
        self.columns = np.ascontiguousarray(words[:, : plan.n_first_bits // 64].T)
        self.most = farthest(n_bits, plan.deviations)
        # The first bits of a near pair differ no more than all of them.
        self.most_first = min(farthest(plan.n_first_bits, plan.first_deviations), self.most)
        self.compiled = has_numba()

    def __call__(self, rows: slice) -> _Found:
        scan = self._compiled_scan if self.compiled else self._plain_scan
        return scan(rows)

    def _plain_scan(self, rows: slice) -> _Found:
        return _pass_reference.scan_pairs(
            self.words, self.everybody, self.partners, self.end, rows.start, rows.stop,
            n_first_words=len(self.columns), most_first=self.most_first, most=self.most,
        )  # fmt: skip

    def _compiled_scan(self, rows: slice) -> _Found:
        from linkkit.linkage.compare.passes import _kernels as _pass_kernels

        kernel: Any = _pass_kernels.scan_pairs
        distance = np.zeros(_pass_kernels.LANES, dtype=np.uint64)
        is_near = np.zeros(_pass_kernels.LANES, dtype=np.uint8)
        capacity = _FIRST_CAPACITY
        while True:
            left = np.empty(capacity, dtype=np.int64)
            right = np.empty(capacity, dtype=np.int64)
            n_found = kernel(
                self.columns, self.words, self.everybody, self.partners, self.end,
                rows.start, rows.stop, self.most_first, self.most, distance, is_near,
                is_near.view(np.uint64), left, right,
            )  # fmt: skip
            if n_found <= capacity:
                return left[:n_found], right[:n_found]
            capacity = int(n_found)
