"""Several values of one person become one: the kernel, on sorted arrays.

Pure: arrays in, arrays out. `_reference` holds the slow twin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.agreement import Combination

__all__ = ["Combined", "combine_values"]

Values = npt.NDArray[np.int64] | npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Combined:
    """One value for each person.

    Attributes
    ----------
    values : ndarray of int64 or float64, shape (n_people,)
        The value; zero where there is none.
    present : ndarray of bool, shape (n_people,)
        Whether the person has a value.
    n_conflicts : int
        How many people have rows with different values.
    """

    values: npt.NDArray[Any]
    present: npt.NDArray[np.bool_]
    n_conflicts: int


def combine_values(
    people: npt.NDArray[np.int64], values: Values, *, n_people: int, how: Combination
) -> Combined:
    """Combine the values of each person.

    Values are sorted before they are added, so that the result does not depend on the order
    of the rows, to the last bit.

    Parameters
    ----------
    people : ndarray of int64, shape (n_rows,)
        The person of each row, from 0 to n_people - 1.
    values : ndarray of int64 or float64, shape (n_rows,)
        A value for each row; finite, none missing.
    n_people : int
        How many people there are, with or without a row.
    how : {"mean", "sum", "min", "max", "most_common"}
        What becomes of several values. The most common value is the smallest of those that
        are equally common.

    Returns
    -------
    Combined
        Means are float64, all else has the type of `values`.

    Examples
    --------
    >>> import numpy as np
    >>> people, values = np.array([0, 2, 0, 0]), np.array([7, 5, 7, 3])
    >>> result = combine_values(people, values, n_people=3, how="most_common")
    >>> result.values.tolist(), result.present.tolist(), result.n_conflicts
    ([7, 0, 5], [True, False, True], 1)
    """
    order = np.lexsort((values, people))
    person, value = people[order], values[order]
    starts = np.flatnonzero(_changes(person))
    result = _segments(person, value, starts, how)
    combined: npt.NDArray[Any] = np.zeros(n_people, dtype=result.dtype)
    present = np.zeros(n_people, dtype=np.bool_)
    combined[person[starts]] = result
    present[person[starts]] = True
    last = value[np.append(starts, len(value))[1:] - 1]
    return Combined(
        values=combined, present=present, n_conflicts=int((value[starts] != last).sum())
    )


def _changes(ordered: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    changes = np.ones(len(ordered), dtype=np.bool_)
    changes[1:] = ordered[1:] != ordered[:-1]
    return changes


def _segments(
    person: npt.NDArray[np.int64], value: Values, starts: npt.NDArray[np.intp], how: Combination
) -> npt.NDArray[Any]:
    ends = np.append(starts, len(value))[1:]
    if not len(starts) or how == "min":
        return np.take(value, starts)
    if how == "max":
        return np.take(value, ends - 1)
    if how == "most_common":
        return _most_common(person, value)
    total: Values = np.add.reduceat(value, starts)
    return total if how == "sum" else np.true_divide(total, ends - starts)


def _most_common(person: npt.NDArray[np.int64], value: Values) -> npt.NDArray[Any]:
    runs = np.flatnonzero(_changes(person) | _changes(value))
    length = np.diff(np.append(runs, len(value)))
    owner = person[runs]
    # Longest run of each person first; runs of one length stay in the order of their values.
    order = np.lexsort((-length, owner))
    firsts = order[_changes(owner[order])]
    return value[runs[firsts]]
