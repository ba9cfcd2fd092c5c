"""Who was withheld, counted by subgroup so that no small count can be read or worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.dataset import SubgroupSuppression

__all__ = ["suppression_by_subgroup"]

OTHERS = "(all other values)"
NOT_SHOWN = "not shown"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    place: int
    value: str
    people: int
    suppressed: int

    def is_small(self, smallest_cell: int) -> bool:
        return (
            0 < self.suppressed < smallest_cell or 0 < self.people - self.suppressed < smallest_cell
        )


def suppression_by_subgroup(
    variable: str,
    labels: Sequence[str],
    groups: npt.NDArray[np.int64],
    suppressed: npt.NDArray[np.bool_],
    *,
    smallest_cell: int,
) -> list[SubgroupSuppression]:
    """Count people and people withheld for each value of a variable, fit to be published.

    Values of fewer than `smallest_cell` people are put together. A small count of people
    withheld, or of people who stay, hides its row, and further rows with it until what is
    hidden adds up to enough people: otherwise a subtraction from the total would show it.

    Parameters
    ----------
    variable : str
        Its name.
    labels : sequence of str, length n_groups
        The name of each group.
    groups : ndarray of int64, shape (n_people,)
        The group of each person.
    suppressed : ndarray of bool, shape (n_people,)
        Who was withheld.
    smallest_cell : int
        The smallest count that may be shown.

    Returns
    -------
    list of SubgroupSuppression
        In the order of the labels; empty when fewer than `smallest_cell` people were withheld
        in all, which no row may then give away.

    Examples
    --------
    >>> import numpy as np
    >>> groups = np.repeat([0, 1, 2, 3], [50, 40, 30, 2])
    >>> withheld = np.zeros(122, dtype=bool)
    >>> withheld[90:] = True
    >>> for row in suppression_by_subgroup("sex", "abcd", groups, withheld, smallest_cell=10):
    ...     print(row.value, row.people, row.suppressed)
    a 50 0
    b 40 0
    (all other values) 32 32
    """
    if int(suppressed.sum()) < smallest_cell:
        return []
    people = np.bincount(groups, minlength=len(labels)).tolist()
    withheld = np.bincount(groups[suppressed], minlength=len(labels)).tolist()
    rows = [
        _Row(place=i, value=label, people=n, suppressed=n_withheld)
        for i, (label, n, n_withheld) in enumerate(zip(labels, people, withheld, strict=True))
        if n
    ]
    rows = _without_rare_values(rows, smallest_cell)
    hidden = _hidden(rows, smallest_cell)
    return [_publish(variable, row, smallest_cell, hide=row in hidden) for row in rows]


def _without_rare_values(rows: list[_Row], smallest_cell: int) -> list[_Row]:
    rare: list[_Row] = []
    n_rare = 0
    for row in sorted(rows, key=lambda row: (row.people, row.place)):
        if row.people >= smallest_cell and (not rare or n_rare >= smallest_cell):
            break
        rare.append(row)
        n_rare += row.people
    if not rare:
        return rows
    left_out = set(rare)
    return [*(row for row in rows if row not in left_out), _together(rare)]


def _together(rows: Sequence[_Row]) -> _Row:
    return _Row(
        place=-1,
        value=OTHERS,
        people=sum(row.people for row in rows),
        suppressed=sum(row.suppressed for row in rows),
    )


def _hidden(rows: Sequence[_Row], smallest_cell: int) -> set[_Row]:
    hidden = [row for row in rows if row.is_small(smallest_cell)]
    spare = sorted(
        (row for row in rows if not row.is_small(smallest_cell)),
        key=lambda row: (row.suppressed == 0, row.people, row.place),
    )
    while hidden and spare and not _is_enough(hidden, smallest_cell):
        hidden.append(spare.pop(0))
    return set(hidden)


def _is_enough(hidden: Sequence[_Row], smallest_cell: int) -> bool:
    return len(hidden) > 1 and not _together(hidden).is_small(smallest_cell)


def _publish(variable: str, row: _Row, smallest_cell: int, *, hide: bool) -> SubgroupSuppression:
    people, suppressed = str(row.people), str(row.suppressed)
    if hide:
        people = NOT_SHOWN
        suppressed = f"<{smallest_cell}" if 0 < row.suppressed < smallest_cell else NOT_SHOWN
    return SubgroupSuppression(
        variable=variable, value=row.value, people=people, suppressed=suppressed
    )
