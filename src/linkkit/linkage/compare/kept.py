"""What is kept of pairs while work goes on, so that interrupted work need not find them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from linkkit.engines import Partitions

__all__ = ["PAIR_TYPES", "TOO_MANY", "groups_of", "lasting"]

PAIR_TYPES = {"pair": np.uint64}
"""Column of pairs that are found, each as one number, on their way to disk."""

TOO_MANY = (
    "Allow more, or look for placeholders and repeated records in the extracts, which make many "
    "pairs alike."
)
"""What to do about it."""

_PARTITIONS = 200
_LEAST_TASKS = 8

_Task = TypeVar("_Task")


def lasting(store: Partitions | None) -> Partitions | None:
    """Return the store if what it keeps may outlast memory."""
    return store if store is not None and store.may_be_on_disk else None


def groups_of(
    tasks: Sequence[_Task], store: Partitions | None, *, n_scans: int = 1
) -> Iterator[Sequence[_Task]]:
    """Yield the tasks of each partition: all together, or where they are kept on disk, some hundreds.

    Parameters
    ----------
    tasks : sequence
        The tasks of one scan.
    store : Partitions, optional
        Where partitions are kept.
    n_scans : int
        How many scans share the hundreds.
    """
    size = len(tasks)
    if lasting(store) is not None:
        size = max(len(tasks) * n_scans // _PARTITIONS, _LEAST_TASKS)
    for start in range(0, len(tasks), max(size, 1)):
        yield tasks[start : start + size]
