"""Items: the distinct combinations of finest groups, which is what every method works on.

People who are alike in all quasi-identifiers at their finest level are one item: they are in
the same class whatever is done, so that work grows with the combinations and not with people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.equivalence import class_numbers, ranks

__all__ = ["Items", "find_items"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Items:
    """Distinct combinations, in the order of their codes.

    Attributes
    ----------
    codes : ndarray of int32, shape (n_items, n_variables)
        The finest group in each quasi-identifier; the last group of a variable is missing.
    counts : ndarray of int64, shape (n_items,)
        How many people have each.
    of_rows : ndarray of int32, shape (n_rows,)
        The item of each row.
    """

    codes: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]
    of_rows: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.counts)


def find_items(columns: Sequence[npt.NDArray[np.integer[Any]]], n_groups: Sequence[int]) -> Items:
    """Find the distinct combinations of coded columns.

    Parameters
    ----------
    columns : sequence of ndarray of int64, each of shape (n_rows,)
        The finest group of each row in each quasi-identifier, from 0.
    n_groups : sequence of int
        How many finest groups each has, the missing one included.

    Examples
    --------
    >>> import numpy as np
    >>> items = find_items([np.array([1, 0, 1]), np.array([0, 0, 0])], [2, 1])
    >>> items.codes.tolist(), items.counts.tolist(), items.of_rows.tolist()
    ([[0, 0], [1, 0]], [1, 2], [1, 0, 1])
    """
    numbers, _ = class_numbers(columns, n_groups)
    of_rows, n = ranks(numbers)
    del numbers
    first = np.empty(n, dtype=np.int64)
    # Assigned backwards, so that the first row of each stays.
    first[of_rows[::-1]] = np.arange(len(of_rows) - 1, -1, -1)
    return Items(
        codes=np.column_stack([column[first] for column in columns]).astype(np.int32),
        counts=np.bincount(of_rows, minlength=n).astype(np.int64),
        of_rows=of_rows,
    )
