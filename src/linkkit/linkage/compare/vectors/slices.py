"""Compares all pairs of filters slice by slice, each kept when it is finished."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import Partitions, Progress, ProgressEvent
from linkkit.errors import LinkageError
from linkkit.linkage.compare.vectors.similar import similar_pairs

__all__ = ["Done", "similar_in_slices"]

_COMPARISONS_PER_SLICE = 10_000_000_000
"""Half a minute of one processor, much longer than to prepare the comparison of a slice."""

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

    def block(self) -> None:
        """Note that a comparison is finished."""
        self.before, self.here = self.before + self.here, 0

    def up_to(self, done: int) -> None:
        """Tell how many comparisons are done with those that no result can come from."""
        self.before, self.here = done, 0
        self(ProgressEvent(stage="compare", done=0, total=self.total, unit="comparisons"))


class _Slice(NamedTuple):
    """Some rows, those that they are compared with, and whether also with each other."""

    rows: slice
    others: slice
    within: bool

    @property
    def n_comparisons(self) -> int:
        n, n_others = (len(range(of.start, of.stop)) for of in (self.rows, self.others))
        return n * n_others + self.within * n * (n - 1) // 2


def similar_in_slices(
    words: _Words,
    blocks: Sequence[tuple[slice, slice]],
    *,
    threshold: float,
    max_pairs: int,
    store: Partitions,
    n_threads: int | None,
    progress: Progress,
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
        Where the pairs of finished slices are kept; what it has is not compared again.
    n_threads : int, optional
        As many as there are processors by default.
    progress : callable
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
    cut = [list(_slices_of(*block)) for block in blocks]
    total = sum(part.n_comparisons for parts in cut for part in parts)
    done, n_done = Done(progress, total), 0
    found = [np.zeros(0, dtype=np.uint64)]
    for b, parts in enumerate(cut):
        n_found = 0
        for s, part in enumerate(parts):
            name = f"similar-{b:04d}-{s:05d}"
            if name not in store:
                keys = _keys_of(
                    words, part, threshold=threshold, max_pairs=max_pairs, n_threads=n_threads,
                    done=done,
                )  # fmt: skip
                store.put(name, [keys])
            found.append(store.get(name)[0])
            n_found, n_done = n_found + len(found[-1]), n_done + part.n_comparisons
            _require_few(n_found, max_pairs, threshold)
            done.up_to(n_done)
    keys = np.concatenate(found)
    keys.sort()
    return (keys >> _HALF).astype(np.int64), (keys & _LOW).astype(np.int64)


def _require_few(n_found: int, max_pairs: int, threshold: float) -> None:
    if n_found > max_pairs:
        raise LinkageError(
            f"more than {max_pairs:,} pairs are at least {threshold:g} alike",
            hint="Raise the threshold, or link smaller extracts.",
        )


def _slices_of(rows: slice, others: slice) -> Iterator[_Slice]:
    """Cut rows so that each slice takes about as many comparisons."""
    within, start = rows == others, rows.start
    while start < rows.stop:
        n_others = others.stop - (start if within else others.start)
        stop = min(start + max(_COMPARISONS_PER_SLICE // max(n_others, 1), 1), rows.stop)
        if within and n_others * (n_others - 1) // 2 <= _COMPARISONS_PER_SLICE:
            stop = rows.stop
        mine = slice(start, stop)
        yield _Slice(mine, slice(stop, others.stop) if within else others, within)
        start = stop


def _keys_of(
    words: _Words,
    part: _Slice,
    *,
    threshold: float,
    max_pairs: int,
    n_threads: int | None,
    done: Done,
) -> _Words:
    """Return the pairs of a slice as numbers, the left row in their upper half."""
    keys = []
    for others in [part.rows, part.others] if part.within else [part.others]:
        found = similar_pairs(
            words[part.rows], None if others is part.rows else words[others],
            threshold=threshold, max_pairs=max_pairs, n_threads=n_threads, progress=done,
        )  # fmt: skip
        left, right = (
            side.astype(np.uint64) + np.uint64(of.start)
            for side, of in ((found.left, part.rows), (found.right, others))
        )
        keys.append((left << _HALF) | right)
        done.block()
    return np.concatenate(keys)
