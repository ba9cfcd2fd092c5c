"""How many people of a population fit what a file shows of each class.

Part of the independent check: it shares no code with what protects.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.steward.promises import Codebook, Shown
from linkkit.steward.release.classes import as_codes, find_classes

__all__ = ["covered_values", "fitting_people", "n_overstated"]

_Bools = npt.NDArray[np.bool_]
_Ints = npt.NDArray[np.int64]

_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)(?:-| to )(-?\d+(?:\.\d+)?)")


def fitting_people(
    shown: _Ints,
    labels: Sequence[Sequence[str]],
    population: Sequence[pa.ChunkedArray],
    *,
    codebook: Sequence[Codebook | None],
    missing_fits_all: bool,
) -> _Ints:
    """Count the people of a population who fit each class, shape (n_classes,).

    Parameters
    ----------
    shown : ndarray of int64, shape (n_classes, n_variables)
        The label of each quasi-identifier that a class shows, -1 where the cell is empty.
    labels : sequence over variables of sequences of str
        The labels.
    population : sequence of pyarrow.ChunkedArray
        A column for each quasi-identifier, in values as they were before protection.
    codebook : sequence of Codebook or None
        What the labels of each cover.
    missing_fits_all : bool
        Whether an empty cell, shown or of the population, agrees with everything.

    Examples
    --------
    >>> import numpy as np
    >>> ages = Codebook(variable="age", shown=(Shown(label="3-5", low=3, high=5),))
    >>> fitting_people(
    ...     np.array([[0]]),
    ...     [["3-5"]],
    ...     [pa.chunked_array([[2, 3, 4, 5, 5, None]])],
    ...     codebook=[ages],
    ...     missing_fits_all=False,
    ... )
    array([4])
    """
    coded = [as_codes(column) for column in population]
    people = find_classes([codes for codes, _ in coded], missing="category")
    counts = np.bincount(people.of_rows, minlength=len(people))
    covers = [
        covered_values(names, values, book, missing_fits_all=missing_fits_all)
        for names, (_, values), book in zip(labels, coded, codebook, strict=True)
    ]
    total = np.zeros(len(shown), dtype=np.int64)
    search = _Search(shown=shown, codes=people.codes, counts=counts, covers=covers, total=total)
    search.descend(np.arange(len(shown)), np.arange(len(people)), depth=0)
    return total


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Search:
    """Classes that show the same so far are one branch, and who fits it is narrowed down."""

    shown: _Ints
    codes: _Ints
    counts: _Ints
    covers: Sequence[_Bools]
    total: _Ints

    def descend(self, classes: _Ints, people: _Ints, *, depth: int) -> None:
        """Count who of `people` fits `classes`, which agree in the variables before `depth`."""
        if depth == len(self.covers):
            self.total[classes] = self.counts[people].sum()
            return
        mine = self.shown[classes, depth]
        theirs = self.codes[people, depth]
        order = np.argsort(mine, kind="stable")
        labels, starts = np.unique(mine[order], return_index=True)
        for label, these in zip(labels, np.split(classes[order], starts[1:]), strict=True):
            fitting = people[self.covers[depth][label][theirs]]
            if len(fitting):
                self.descend(these, fitting, depth=depth + 1)


def covered_values(
    labels: Sequence[str], values: pa.Array, book: Codebook | None, *, missing_fits_all: bool
) -> _Bools:
    """Return which values each label covers, shape (n_labels + 1, n_values + 1).

    The last row is for an empty cell, the last column for a missing value; a label that the
    codebook does not list covers the value whose text it is.
    """
    listed = {} if book is None else {item.label: item for item in book.shown}
    texts = [_text(value) for value in values.to_pylist()]
    place = {text: i for i, text in enumerate(texts)}
    covers = np.zeros((len(labels) + 1, len(texts) + 1), dtype=np.bool_)
    for row, label in enumerate(labels):
        item = listed.get(label)
        if item is not None:
            covers[row] = _covers(item, values, texts)
        elif label in place:
            covers[row, place[label]] = True
    covers[-1, -1] = True
    if missing_fits_all:
        covers[-1] = True
        covers[:, -1] = True
    return covers


def n_overstated(book: Codebook) -> int:
    """Count the labels that say a range of numbers and are listed to cover more than that.

    Examples
    --------
    >>> told = Shown(label="3-5", low=3, high=5), Shown(label="6-7", low=0, high=7)
    >>> n_overstated(Codebook(variable="age", shown=told))
    1
    """
    n = 0
    for item in book.shown:
        said = _RANGE.fullmatch(item.label)
        if said and isinstance(item.low, int | float) and isinstance(item.high, int | float):
            n += item.low < float(said[1]) or item.high > float(said[2])
    return n


def _covers(item: Shown, values: pa.Array, texts: Sequence[str]) -> _Bools:
    if item.values is None and item.low is None and item.high is None:
        return np.ones(len(texts) + 1, dtype=np.bool_)
    if item.values is not None:
        listed = set(item.values)
        inside = [text in listed for text in texts]
    else:
        inside = [_is_between(value, item.low, item.high) for value in values.to_pylist()]
    return np.array([*inside, item.missing], dtype=np.bool_)


def _is_between(value: Any, low: float | str | None, high: float | str | None) -> bool:
    """Return whether a number or date lies in bounds; anything else does not."""
    if isinstance(value, dt.date):
        value = value.isoformat()[:10]
    kind: Any = str if isinstance(value, str) else (int, float)
    least: Any = value if low is None else low
    most: Any = value if high is None else high
    if not all(isinstance(one, kind) for one in (value, least, most)):
        return False
    return bool(least <= value <= most)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
