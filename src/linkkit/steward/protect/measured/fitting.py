"""How many people fit a combination: where missing values agree, and in a population.

Pure: arrays in, counts out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.equivalence import class_numbers

__all__ = ["fitting_people", "people_in_reach"]

Integers = npt.NDArray[np.int64]


def fitting_people(
    asked: Integers,
    codes: Integers,
    people: Integers,
    missing: Sequence[int],
    n_groups: Sequence[int],
) -> Integers:
    """Count the people who agree with each combination wherever neither is missing.

    Work grows with the patterns of missing values and not with the pairs that agree.

    Parameters
    ----------
    asked : ndarray of int64, shape (n_asked, n_variables)
        The combinations.
    codes : ndarray of int64, shape (n_codes, n_variables)
        The combinations of the people.
    people : ndarray of int64, shape (n_codes,)
        How many have each.
    missing : sequence of int
        The code that is a missing value in each variable; -1 where none is.
    n_groups : sequence of int
        How many codes each variable has.

    Returns
    -------
    ndarray of int64, shape (n_asked,)

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0, 0], [1, 0], [2, 0]])
    >>> fitting_people(rows, rows, np.array([5, 3, 1]), [2, -1], [3, 1]).tolist()
    [6, 4, 9]
    """
    result = np.zeros(len(asked), dtype=np.int64)
    if not len(asked) or not len(codes):
        return result
    of_codes = _patterns(codes, missing)
    for pattern, mine in _patterns(asked, missing):
        for other, theirs in of_codes:
            both = np.flatnonzero(pattern & other)
            together = np.vstack([asked[mine][:, both], codes[theirs][:, both]])
            columns = [np.zeros(len(together), dtype=np.int64), *together.T]
            numbers, bound = class_numbers(columns, [1, *(n_groups[i] for i in both.tolist())])
            counts = np.bincount(
                numbers[len(mine) :], weights=people[theirs], minlength=bound
            ).astype(np.int64)
            result[mine] += counts[numbers[: len(mine)]]
    return result


def _patterns(
    codes: Integers, missing: Sequence[int]
) -> list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]]:
    """Return which variables are there together, and the combinations that have them so."""
    present = codes != np.asarray(missing, dtype=np.int64)
    found, number = np.unique(present, axis=0, return_inverse=True)
    return [(pattern, np.flatnonzero(number.ravel() == i)) for i, pattern in enumerate(found)]


def people_in_reach(
    asked: Integers,
    reach: Sequence[npt.NDArray[np.bool_]],
    codes: Integers,
    people: Integers,
) -> Integers:
    """Count the people whose codes are within what is shown of each combination.

    Parameters
    ----------
    asked : ndarray of int64, shape (n_asked, n_variables)
        The labels of each combination.
    reach : sequence of ndarray of bool, each of shape (n_labels, n_groups)
        Which codes each label of a variable stands for.
    codes : ndarray of int64, shape (n_codes, n_variables)
        The combinations of the people.
    people : ndarray of int64, shape (n_codes,)
        How many have each.

    Returns
    -------
    ndarray of int64, shape (n_asked,)

    Examples
    --------
    >>> import numpy as np
    >>> reach = [np.array([[True, True, False], [False, True, True]])]
    >>> people = np.array([[0], [1], [2]])
    >>> people_in_reach(np.array([[0], [1]]), reach, people, np.array([7, 2, 4])).tolist()
    [9, 6]
    """
    result = np.zeros(len(asked), dtype=np.int64)
    if not len(asked):
        return result
    order = np.argsort(asked[:, 0], kind="stable")
    first, inside = -1, np.empty(0, dtype=np.intp)
    for place in order.tolist():
        labels = asked[place]
        if labels[0] != first:
            first = int(labels[0])
            inside = np.flatnonzero(reach[0][first][codes[:, 0]])
        left = inside
        for i in range(1, asked.shape[1]):
            left = left[reach[i][labels[i]][codes[left, i]]]
        result[place] = people[left].sum()
    return result
