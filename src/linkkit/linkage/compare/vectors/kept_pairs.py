"""Compares all pairs of filters so that what is finished is kept, and not compared again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from linkkit.engines import Partitions, Progress, ProgressEvent, run_in_threads
from linkkit.linkage.compare.kept import groups_of
from linkkit.linkage.compare.vectors.similar import VectorScan, too_many

__all__ = ["Done", "similar_and_kept"]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

_Ints = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


class Done:
    """Adds up the progress of several comparisons."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total = progress, total
        self.before = self.here = 0

    def __call__(self, event: ProgressEvent) -> None:
        """Tell how far all comparisons are."""
        self.here = event.done
        self.progress(dataclasses.replace(event, done=self.before + event.done, total=self.total))

    def end(self) -> None:
        """Tell that all is done, what could not be similar enough too."""
        self.progress(
            ProgressEvent(stage="compare", done=self.total, total=self.total, unit="comparisons")
        )

    def block(self) -> None:
        """Note that a comparison is finished."""
        self.before, self.here = self.before + self.here, 0


def similar_and_kept(
    words: _Words,
    blocks: Sequence[tuple[slice, slice]],
    *,
    threshold: float,
    max_pairs: int,
    store: Partitions,
    n_threads: int | None,
    progress: Done,
) -> tuple[_Ints, _Ints]:
    """Find all pairs that are at least so similar by Dice's measure.

    Parameters
    ----------
    words : ndarray of uint64, shape (n, n_words)
        Filters.
    blocks : sequence of two slices
        Which rows are compared with which later ones; with each other where both are the same.
    threshold : float
        The least similarity, 0 to 1.
    max_pairs : int
        Refuse to find more in one block.
    store : Partitions
        Where finished partitions are kept; what it has is not compared again.
    n_threads : int, optional
        As many as there are processors by default.
    progress : Done
        Told how many comparisons are done.

    Returns
    -------
    ndarray of int64, ndarray of int64
        Rows of each pair, sorted, the smaller left.

    Raises
    ------
    LinkageError
        When there are more than `max_pairs`.
    """
    found = [np.zeros(0, dtype=np.uint64)]
    for b, (rows, others) in enumerate(blocks):
        scan = VectorScan(
            words[rows], None if rows == others else words[others],
            measure="dice", threshold=threshold, max_pairs=max_pairs,
        )  # fmt: skip
        first = np.uint64(rows.start << 32 | others.start)
        total, done, n_found = scan.n_comparisons, 0, 0
        for group in groups_of(scan.chunks(), store, n_scans=len(blocks)):
            # Where chunks end depends on a trial: only of the same rows is a partition the same.
            name = f"similar-{b:04d}-{group[0].start:010d}-{group[-1].stop:010d}"
            for n, keys in _parts(scan, group, name, store, n_threads):
                found.append(keys + first)
                done, n_found = done + n, n_found + len(keys)
                if n_found > max_pairs:
                    raise too_many(max_pairs, threshold, n_found, f"{done:,} of {total:,}")
                progress(ProgressEvent(stage="compare", done=done, total=total, unit="comparisons"))
        progress.block()
    united = np.concatenate(found)
    united.sort()
    return (united >> _HALF).astype(np.int64), (united & _LOW).astype(np.int64)


def _parts(
    scan: VectorScan, tasks: Sequence[slice], name: str, store: Partitions, n_threads: int | None
) -> Iterator[tuple[int, _Words]]:
    """Yield after how many comparisons which pairs are found, as numbers with the left row above."""
    if name in store:
        yield sum(map(scan.comparisons_of, tasks)), store.get(name)[0]
        return
    found = []
    for task, (left, right, _) in zip(
        tasks, run_in_threads(scan, tasks, n_threads=n_threads), strict=True
    ):
        keys = (left.astype(np.uint64) << _HALF) | right.astype(np.uint64)
        found.append(keys)
        yield scan.comparisons_of(task), keys
    store.put(name, [np.concatenate(found)])
