"""How often each value of a variable occurs in each class of a file.

Part of the independent check: it shares no code with what protects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.steward.release.classes import Classes, Linked

__all__ = ["Counted", "count_in_classes", "pooled"]

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Counted:
    """How many people of each class have each value; class by class, values ascending.

    ``first`` is the first of the `n_classes` classes, and ``classes`` counts from it.
    """

    first: int
    n_classes: int
    classes: _Ints
    values: _Ints
    counts: _Ints

    @property
    def people(self) -> _Ints:
        """How many people each class has, one for each value that somebody has."""
        return self.sum(self.counts).astype(np.int64)

    @property
    def starts(self) -> _Ints:
        """Where each class begins, and where the last one ends."""
        return np.searchsorted(self.classes, np.arange(self.n_classes + 1)).astype(np.int64)

    def sum(self, weights: _Floats | _Ints) -> _Floats:
        """Return the sum of a weight of each value over each class."""
        total = np.bincount(self.classes, weights=weights, minlength=self.n_classes)
        return total.astype(np.float64, copy=False)


def count_in_classes(
    classes: Classes, values: _Ints | None = None, *, people: _Ints | None = None
) -> Iterator[Counted]:
    """Count the values in each class, some classes at a time.

    Parameters
    ----------
    classes : Classes
        Of the file.
    values : ndarray of int64, shape (n_rows,), optional
        The value of each row, from 0; the same for all by default, so that people are counted.
    people : ndarray of int64, shape (n_rows,), optional
        Whose row it is; each is somebody else's by default. Somebody counts once for each
        value in a class.

    Examples
    --------
    >>> import numpy as np
    >>> from linkkit.steward.release.classes import find_classes
    >>> classes = find_classes([np.array([0, 0, 1])], missing="category")
    >>> [found.counts.tolist() for found in count_in_classes(classes, np.array([4, 5, 5]))]
    [[1, 1, 1]]
    """
    rows = np.zeros_like(classes.of_rows) if values is None else values
    own, whose = _of_combinations(classes, rows, people)
    for linked in classes.linked():
        if classes.are_wild:
            yield _in_linked(own, whose, linked)
        elif whose is None:
            yield own
        else:
            yield _distinct(own.classes, own.values, own.counts, n_classes=len(classes))


def _of_combinations(
    classes: Classes, values: _Ints, people: _Ints | None
) -> tuple[Counted, _Ints | None]:
    """Count in each combination; or list whose value it is, where people have several rows."""
    n = len(classes)
    if people is None:
        counts = np.ones(len(values), dtype=np.int64)
        return _distinct(classes.of_rows, values, counts, n_classes=n), None
    rows = np.unique(np.column_stack([classes.of_rows, values, people]), axis=0)
    ones = np.ones(len(rows), dtype=np.int64)
    own = Counted(first=0, n_classes=n, classes=rows[:, 0], values=rows[:, 1], counts=ones)
    return own, rows[:, 2]


def _in_linked(own: Counted, whose: _Ints | None, linked: Linked) -> Counted:
    """Count in classes of several combinations."""
    starts = own.starts
    low, high = starts[linked.combinations], starts[linked.combinations + 1]
    n = high - low
    entry = np.arange(n.sum()) + np.repeat(low - (np.cumsum(n) - n), n)
    inside = np.repeat(linked.classes, n)
    values, counts = own.values[entry], own.counts[entry]
    if whose is not None:
        rows = np.unique(np.column_stack([inside, values, whose[entry]]), axis=0)
        inside, values = rows[:, 0], rows[:, 1]
        counts = np.ones(len(rows), dtype=np.int64)
    return _distinct(inside, values, counts, n_classes=linked.n_classes, first=linked.first)


def _distinct(
    classes: _Ints, values: _Ints, counts: _Ints, *, n_classes: int, first: int = 0
) -> Counted:
    """Add up the counts of equal pairs of class and value."""
    n_values = int(values.max(initial=0)) + 1
    keys = classes * n_values + values
    bound = n_classes * n_values
    if bound <= 8 * len(keys) + 4096:
        summed = np.bincount(keys, weights=counts, minlength=bound)
        found = np.flatnonzero(summed)
        totals = summed[found].astype(np.int64)
    else:
        order = np.argsort(keys, kind="stable")
        new = np.flatnonzero(np.diff(keys[order], prepend=-1))
        found = keys[order][new]
        totals = np.add.reduceat(counts[order], new) if len(new) else counts
    return Counted(
        first=first,
        n_classes=n_classes,
        classes=found // n_values,
        values=found % n_values,
        counts=totals,
    )


def pooled(values: _Ints, people: _Ints | None, *, n_values: int) -> _Ints:
    """Return how many people of the whole file have each value, shape (n_values,)."""
    if people is not None:
        values = np.unique(np.column_stack([values, people]), axis=0)[:, 0]
    return np.bincount(values, minlength=n_values).astype(np.int64)
