"""Threads of this machine, for kernels that release the interpreter lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["n_threads_available", "run_in_threads", "slices_of"]

Task = TypeVar("Task")
Answer = TypeVar("Answer")


_ROWS_AT_ONCE = 1 << 21


def slices_of(n: int) -> Iterator[slice]:
    """Yield slices of `n` rows, so many at a time that what is made of them stays small.

    Examples
    --------
    >>> list(slices_of(3_000_000))
    [slice(0, 2097152, None), slice(2097152, 3000000, None)]
    """
    for start in range(0, n, _ROWS_AT_ONCE):
        yield slice(start, min(start + _ROWS_AT_ONCE, n))


def n_threads_available() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_in_threads(
    function: Callable[[Task], Answer], tasks: Sequence[Task], *, n_threads: int | None = None
) -> Iterator[Answer]:
    """Yield ``function(task)`` for each task, in the order of the tasks.

    Parameters
    ----------
    function : callable
        Must release the interpreter lock to gain from threads.
    tasks : sequence
        What to work on.
    n_threads : int, optional
        As many as there are processors by default; results never depend on it.
    """
    n_threads = n_threads or n_threads_available()
    if n_threads == 1 or len(tasks) <= 1:
        yield from (function(task) for task in tasks)
        return
    pool = ThreadPoolExecutor(max_workers=n_threads)
    try:
        yield from pool.map(function, tasks)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
