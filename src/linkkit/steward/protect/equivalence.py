"""Equivalence classes and how large they are: pure functions on codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["class_numbers", "class_totals", "ranks"]

_LARGEST_KEY = 2**62
_DENSE_SLACK = 4096


def class_numbers(
    columns: Sequence[npt.NDArray[np.integer[Any]]], n_groups: Sequence[int]
) -> tuple[npt.NDArray[np.int64], int]:
    """Number the equivalence classes that several coded columns form together.

    Parameters
    ----------
    columns : sequence of ndarray of int, each of shape (n,)
        The group of each row in each column, from 0.
    n_groups : sequence of int
        How many groups each column can have.

    Returns
    -------
    tuple of ndarray of int64, shape (n,), and int
        The number of each row's class, and a bound that all numbers lie below. Classes are
        numbered in the order of their codes; numbers may be skipped.

    Examples
    --------
    >>> import numpy as np
    >>> class_numbers([np.array([0, 0, 1]), np.array([2, 2, 0])], [2, 3])
    (array([2, 2, 3]), 6)
    """
    n_rows = len(columns[0])
    numbers, bound = np.zeros(n_rows, dtype=np.int64), 1
    for column, n in zip(columns, n_groups, strict=True):
        if bound * n > _LARGEST_KEY:
            numbers, bound = _renumbered(numbers)
        numbers, bound = numbers * n + column, bound * n
    return (numbers, bound) if bound <= 4 * n_rows + _DENSE_SLACK else _renumbered(numbers)


def _renumbered(numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], int]:
    place, n = ranks(numbers)
    return place.astype(np.int64), max(1, n)


def ranks(numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int32], int]:
    """Return the rank of each number among the distinct ones, and how many these are.

    By hashing: what is sorted are the distinct numbers alone.

    Examples
    --------
    >>> import numpy as np
    >>> ranks(np.array([30, 10, 30]))
    (array([1, 0, 1], dtype=int32), 2)
    """
    encoded = pa.array(numbers).dictionary_encode()
    distinct = encoded.dictionary.to_numpy()
    place = np.empty(len(distinct), dtype=np.int32)
    place[np.argsort(distinct)] = np.arange(len(distinct), dtype=np.int32)
    found: npt.NDArray[np.int32] = place[encoded.indices.to_numpy()]
    return found, len(distinct)


def class_totals(
    numbers: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], *, n_classes: int
) -> npt.NDArray[np.int64]:
    """Return how many people are in each class, shape (n_classes,).

    Examples
    --------
    >>> import numpy as np
    >>> class_totals(np.array([0, 2, 2]), np.array([5, 1, 3]), n_classes=3)
    array([5, 0, 4])
    """
    totals: npt.NDArray[Any] = np.bincount(numbers, weights=counts, minlength=n_classes)
    return totals.astype(np.int64)
