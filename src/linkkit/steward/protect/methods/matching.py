"""Who fits a class when missing values agree with everything.

Pure: arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.equivalence import class_numbers

__all__ = ["expanded_members", "fitting_members"]

Codes = npt.NDArray[np.int64]


def fitting_members(
    members: Codes, classes: Codes, *, missing: Codes, n_groups: Codes
) -> tuple[Codes, Codes]:
    """Return all pairs of a member and a class that agree wherever neither is missing.

    Parameters
    ----------
    members, classes : ndarray of int64, shape (n_members, n_variables), (n_classes, n_variables)
        The group of each in each variable.
    missing : ndarray of int64, shape (n_variables,)
        The group that stands for a missing value; -1 where a variable has none.
    n_groups : ndarray of int64, shape (n_variables,)
        How many groups each variable has.

    Returns
    -------
    tuple of ndarray of int64, each of shape (n_pairs,)
        The member and the class of each pair, in the order of classes, then members.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[0, 0], [1, 0], [2, 0]])
    >>> fitting_members(rows, rows, missing=np.array([2, -1]), n_groups=np.array([3, 1]))
    (array([0, 2, 1, 2, 0, 1, 2]), array([0, 0, 1, 1, 2, 2, 2]))
    """
    pairs = [
        _joined(members[mine][:, both], classes[theirs][:, both], mine, theirs, n_groups[both])
        for theirs, with_class in _patterns(classes, missing)
        for mine, with_member in _patterns(members, missing)
        for both in [with_member & with_class]
    ]
    empty = np.empty(0, dtype=np.int64)
    member = np.concatenate([empty, *(pair[0] for pair in pairs)])
    of_class = np.concatenate([empty, *(pair[1] for pair in pairs)])
    order = np.lexsort((member, of_class))
    return member[order], of_class[order]


def _patterns(
    rows: Codes, missing: Codes
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]]:
    """Yield the rows that have the same variables, and which variables these are."""
    present = rows != missing
    found, number = np.unique(present, axis=0, return_inverse=True)
    for i, pattern in enumerate(found):
        yield np.flatnonzero(number.ravel() == i), pattern


def _joined(
    members: Codes,
    classes: Codes,
    member_places: npt.NDArray[np.intp],
    class_places: npt.NDArray[np.intp],
    n_groups: Codes,
) -> tuple[Codes, Codes]:
    """Pair the rows that are equal in all columns; without columns, all with all."""
    n = len(members)
    both = np.vstack([members, classes])
    columns = [np.zeros(len(both), dtype=np.int64), *both.T]
    numbers, _ = class_numbers(columns, [1, *n_groups.tolist()])
    order = np.argsort(numbers[:n], kind="stable")
    ordered = numbers[:n][order]
    start = np.searchsorted(ordered, numbers[n:], side="left")
    end = np.searchsorted(ordered, numbers[n:], side="right")
    size = end - start
    place = np.repeat(start - np.concatenate([[0], np.cumsum(size)[:-1]]), size) + np.arange(
        size.sum()
    )
    return (
        member_places[order[place]].astype(np.int64),
        np.repeat(class_places, size).astype(np.int64),
    )


def expanded_members(
    looks: Codes, classes: Codes, of_items: Codes, *, n_looks: int
) -> tuple[Codes, Codes]:
    """Turn pairs of a look and a class into pairs of an item with that look and the class.

    Parameters
    ----------
    looks, classes : ndarray of int64, shape (n_pairs,)
        The pairs.
    of_items : ndarray of int64, shape (n_items,)
        The look of each item.
    n_looks : int
        How many looks there are.

    Examples
    --------
    >>> import numpy as np
    >>> of_items = np.array([0, 1, 0])
    >>> expanded_members(np.array([0, 1]), np.array([7, 7]), of_items, n_looks=2)
    (array([0, 2, 1]), array([7, 7, 7]))
    """
    order = np.argsort(of_items, kind="stable")
    start = np.searchsorted(of_items[order], np.arange(n_looks + 1))
    size = start[looks + 1] - start[looks]
    offset = np.repeat(start[looks] - np.concatenate([[0], np.cumsum(size)[:-1]]), size)
    place = offset + np.arange(size.sum())
    return order[place].astype(np.int64), np.repeat(classes, size)
