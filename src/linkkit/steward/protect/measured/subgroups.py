"""Who was withheld and who lost detail, so that no small count can be read or worked out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.dataset import SubgroupSuppression
from linkkit.steward.protect.measured.report import SubgroupFigures

__all__ = ["SubgroupDetail", "detail_by_subgroup", "rough_people", "suppression_by_subgroup"]

OTHERS = "(all other values)"

_STEPS = ((0.5, "50 % or more"), (0.2, "20 to 50 %"), (0.05, "5 to 20 %"))


@dataclass(frozen=True, kw_only=True, slots=True)
class SubgroupDetail:
    """How much detail a subgroup lost, as it may be published.

    ``detail_lost`` is their mean over all quasi-identifiers, in steps: with the exact mean and the
    rows of the file, the few of a value who are shown less exactly could be counted.
    """

    variable: str
    value: str
    detail_lost: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    place: int
    value: str
    people: int
    suppressed: int
    lost: float = 0.0

    def is_shown(self, smallest_cell: int) -> bool:
        """Whether nobody can read a small count off the row."""
        parts = (self.suppressed, self.people - self.suppressed)
        return self.people >= smallest_cell and all(n == 0 or n >= smallest_cell for n in parts)


def suppression_by_subgroup(
    variable: str,
    labels: Sequence[str],
    groups: npt.NDArray[np.integer[Any]],
    suppressed: npt.NDArray[np.bool_],
    *,
    smallest_cell: int,
) -> list[SubgroupSuppression]:
    """Count people and people withheld for each value of a variable, fit to be published.

    A value of which some but fewer than `smallest_cell` people were withheld, or stay, is put together
    with others until the counts of all of them are large enough. What is shown is exact, and
    no small count is hidden behind a total, where a subtraction could find it.

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
    return [
        SubgroupSuppression(
            variable=variable,
            value=row.value,
            people=str(row.people),
            suppressed=str(row.suppressed),
        )
        for row in _large_enough(rows, smallest_cell)
    ]


def detail_by_subgroup(
    figures: Sequence[SubgroupFigures], *, smallest_cell: int
) -> list[SubgroupDetail]:
    """Tell who lost most detail of those who stay, fit to be published.

    Groups that lost less than five percent are left out. Values are put together as :func:`suppression_by_subgroup` does it, so that the two say
    nothing more together. Where somebody was withheld, and too few for that to be told, only
    those who stay are counted, and so are those of each value.

    Parameters
    ----------
    figures : sequence of SubgroupFigures
        All groups of all quasi-identifiers, the values of one next to each other.
    smallest_cell : int
        The smallest count that may be shown.

    Examples
    --------
    >>> figures = [
    ...     SubgroupFigures(variable="sex", value=v, people=n, withheld=0, information_loss=loss)
    ...     for v, n, loss in [("F", 50, 0.1), ("M", 40, 0.2), ("X", 2, 0.9)]
    ... ]
    >>> for row in detail_by_subgroup(figures, smallest_cell=10):
    ...     print(row.value, row.detail_lost)
    F 5 to 20 %
    (all other values) 20 to 50 %
    """
    result: list[SubgroupDetail] = []
    for variable in dict.fromkeys(row.variable for row in figures):
        mine = [row for row in figures if row.variable == variable]
        told = sum(row.withheld for row in mine) >= smallest_cell
        rows = [
            _Row(
                place=i,
                value=row.value,
                people=row.people if told else row.people - row.withheld,
                suppressed=row.withheld if told else 0,
                lost=(row.people - row.withheld) * (row.information_loss or 0.0),
            )
            for i, row in enumerate(mine)
            if told or row.people > row.withheld
        ]
        result += [
            SubgroupDetail(variable=variable, value=row.value, detail_lost=words)
            for row in _large_enough(rows, smallest_cell)
            if row.people > row.suppressed
            for words in [_step(row.lost / (row.people - row.suppressed))]
            if words
        ]
    return result


def _step(loss: float) -> str:
    return next((words for least, words in _STEPS if loss >= least), "")


def rough_people(
    rows: Sequence[SubgroupSuppression], *, smallest_cell: int
) -> list[SubgroupSuppression]:
    """Tell how many people each group had only roughly.

    For variables whose classes have labels of their own: there some rows show a value and others
    a range or set that holds it, so that an exact number would tell how few the latter are.

    Examples
    --------
    >>> rows = [SubgroupSuppression(variable="sex", value="F", people="52", suppressed="20")]
    >>> rough_people(rows, smallest_cell=10)[0].people
    'about 60'
    """
    base = 2 * smallest_cell
    return [
        dataclasses.replace(row, people=f"about {max(1, round(int(row.people) / base)) * base}")
        for row in rows
    ]


def _large_enough(rows: list[_Row], smallest_cell: int) -> list[_Row]:
    """Put small rows together, and others with them, until all can be shown."""
    others = [row for row in rows if not row.is_shown(smallest_cell)]
    spare = sorted(
        (row for row in rows if row.is_shown(smallest_cell)),
        key=lambda row: (row.suppressed == 0, row.suppressed, row.people, row.place),
    )
    while others and spare and not (_together(others).is_shown(smallest_cell) and len(others) > 1):
        others.append(spare.pop(0))
    shown = sorted(spare, key=lambda row: row.place)
    if not others:
        return shown
    together = _together(others)
    return [*shown, together] if together.is_shown(smallest_cell) else []


def _together(rows: Sequence[_Row]) -> _Row:
    return _Row(
        place=-1,
        value=OTHERS,
        people=sum(row.people for row in rows),
        suppressed=sum(row.suppressed for row in rows),
        lost=math.fsum(row.lost for row in rows),
    )
