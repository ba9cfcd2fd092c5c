"""Builds a hierarchy from the values of a column and the agreement's clause."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Generalization
from linkkit.steward.protect.hierarchies.dates import plan_dates
from linkkit.steward.protect.hierarchies.levels import LOSS_UNITS, MISSING, Hierarchy, Level
from linkkit.steward.protect.hierarchies.numbers import plan_numbers
from linkkit.steward.protect.hierarchies.postal import plan_postal, plan_prefixes
from linkkit.steward.protect.hierarchies.steps import TOP, Ends, Plan, Step
from linkkit.steward.protect.hierarchies.table import plan_table
from linkkit.steward.protect.hierarchies.taxonomy import plan_categories, plan_order
from linkkit.steward.protect.hierarchies.values import Values, distinct_values

__all__ = ["build_hierarchy"]


def build_hierarchy(
    variable: str, column: pa.Array | pa.ChunkedArray, ways: Generalization
) -> Hierarchy:
    """Build the hierarchy of a quasi-identifier from its values and the agreement's clause.

    - ``intervals``: one level for each width, aligned at zero; width 1 keeps whole numbers.
    - ``cut_points`` and ``quantiles``: the numbers themselves, then a level for each list.
    - ``ages``: as ``intervals``, in completed years, with 90 and over as one group.
    - ``dates``: one level for each unit.
    - ``prefixes``: one level for each length; what is cut off is shown as ``*``.
    - ``postal``: one level for each part of the code.
    - ``groups``: the values themselves, then one level for each taxonomy.
    - ``order``: the values themselves, then one level for each grouping of neighbors.
    - ``table``: the values themselves, then one level for each further column.
    - nothing given: the values themselves; numbers and dates are shown as ranges.

    With ``keep_values`` false the values themselves are no level. ``bottom`` and ``top`` make
    values at or beyond them one group at every level. A last level drops the variable: a
    method that recodes locally may take it for some classes and not for others, which is cell
    suppression.

    What a level loses is the normalized certainty penalty (Xu et al. 2006, "Utility-based
    anonymization using local recoding"): for numbers, dates and ordered categories, the spread
    of the values in its interval over the spread of all values; for a category, the number of
    values in its group over the number of all values, 0 where the group has one value; 1 at
    the last level.

    Parameters
    ----------
    variable : str
        Its name, for messages.
    column : pyarrow.Array or ChunkedArray, length n_people
        Numbers, text, dates or bool; null where missing.
    ways : Generalization
        The clause of the agreement.

    Raises
    ------
    ProtectionError
        When values are not of the kind that the clause is for, or it does not cover all of
        them, names one twice, or splits a group of the level before.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from linkkit.agreement import Generalization
    >>> years = pa.array([2004, 2005, None])
    >>> hierarchy = build_hierarchy("birth_year", years, Generalization(intervals=(1, 2)))
    >>> [level.description for level in hierarchy.levels]
    ['kept as it is', 'intervals of 2', 'dropped']
    >>> hierarchy.recode(1, years).to_pylist()
    ['2004-2005', '2004-2005', None]
    """
    values = distinct_values(variable, column)
    plan = _plan(variable, values, ways)
    order = _order(plan, len(values.items))
    base, n_base = _numbered([plan.steps[0].labels[i] for i in order])
    first = np.unique(base, return_index=True)[1]
    ranged = plan.shown_as == "range"
    numeric = np.array(plan.positions, dtype=np.float64)[order] if ranged else None
    levels = [_level(step, order, first, numeric) for step in plan.steps]
    lows, highs = _extremes(base, n_base, numeric)
    place = np.empty(len(order) + 1, dtype=np.int32)
    place[order] = base
    place[-1] = n_base
    return Hierarchy(
        variable=variable,
        base=place[values.codes],
        levels=(*levels, _top(n_base + 1)),
        shown_as="level" if ways.shown == "levels" else plan.shown_as,
        lows=lows,
        highs=highs,
        sizes=np.append(np.bincount(base, minlength=n_base), 1),
        ends=_ends(plan, order[first]) if ranged else None,
    )


def _plan(variable: str, values: Values, ways: Generalization) -> Plan:
    way = ways.way
    if way == "postal" and ways.postal is not None:
        return plan_postal(variable, values, ways.postal)
    if way == "prefixes":
        return plan_prefixes(values, ways)
    if way == "dates":
        return plan_dates(variable, values, ways)
    if way == "order":
        return plan_order(variable, values, ways)
    if way == "table":
        return plan_table(variable, values, ways)
    numbers = way in ("intervals", "cut_points", "quantiles", "ages") or _bounded(ways)
    if numbers or (way is None and values.kind in ("whole", "real")):
        return plan_numbers(variable, values, ways)
    if way is None and values.kind == "date":
        return plan_dates(variable, values, ways)
    return plan_categories(variable, values, ways)


def _bounded(ways: Generalization) -> bool:
    return ways.bottom is not None or ways.highest is not None


def _order(plan: Plan, n_values: int) -> npt.NDArray[np.int64]:
    """Return the places of the distinct values in the order in which groups are numbered."""
    if plan.shown_as != "range":
        return np.arange(n_values)
    return np.argsort(np.array(plan.positions, dtype=np.float64), kind="stable").astype(np.int64)


def _ends(plan: Plan, firsts: npt.NDArray[np.int64]) -> Ends:
    return Ends(
        lows=(*[plan.lows[i] for i in firsts.tolist()], MISSING),
        highs=(*[plan.highs[i] for i in firsts.tolist()], MISSING),
        kind=plan.kind,
    )


def _numbered(labels: Sequence[str]) -> tuple[npt.NDArray[np.int64], int]:
    """Number labels in the order in which they first appear."""
    place = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return np.array([place[label] for label in labels], dtype=np.int64), len(place)


def _level(
    step: Step,
    order: npt.NDArray[np.int64],
    first: npt.NDArray[np.intp],
    numeric: npt.NDArray[np.float64] | None,
) -> Level:
    """Count out a step; `first` is the place of the first value of each base group."""
    labels = [step.labels[i] for i in order]
    group, n_groups = _numbered(labels)
    losses = _spread(group, n_groups, numeric) if numeric is not None else _share(group, n_groups)
    if step.keeps_values:
        losses = np.zeros(n_groups, dtype=np.int64)
    of_base = group[first]
    return Level(
        description=step.description,
        groups=np.append(of_base, n_groups),
        labels=(*dict.fromkeys(labels), MISSING),
        losses=np.append(losses[of_base], 0),
        keeps_values=step.keeps_values,
    )


def _extremes(
    base: npt.NDArray[np.int64], n_base: int, values: npt.NDArray[np.float64] | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the smallest and largest value of each finest group, the missing one last."""
    if values is None:
        return np.empty(0), np.empty(0)
    low, high = np.full(n_base + 1, np.inf), np.full(n_base + 1, -np.inf)
    np.minimum.at(low, base, np.asarray(values, dtype=np.float64))
    np.maximum.at(high, base, np.asarray(values, dtype=np.float64))
    low[n_base] = high[n_base] = np.nan
    return low, high


def _spread(
    group: npt.NDArray[np.int64], n_groups: int, values: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    if n_groups == 0 or values[-1] == values[0]:
        return np.zeros(n_groups, dtype=np.int64)
    low, high = _extremes(group, n_groups, values)
    spread = (high - low)[:-1] / (values[-1] - values[0])
    losses: npt.NDArray[np.int64] = np.rint(spread * LOSS_UNITS).astype(np.int64)
    return losses


def _share(group: npt.NDArray[np.int64], n_groups: int) -> npt.NDArray[np.int64]:
    n_values = np.bincount(group, minlength=n_groups)
    share = np.where(n_values > 1, n_values / max(1, len(group)), 0.0)
    losses: npt.NDArray[np.int64] = np.rint(share * LOSS_UNITS).astype(np.int64)
    return losses


def _top(n_base: int) -> Level:
    return Level(
        description="dropped",
        groups=np.zeros(n_base, dtype=np.int64),
        labels=(TOP,),
        losses=np.full(n_base, LOSS_UNITS, dtype=np.int64),
    )
