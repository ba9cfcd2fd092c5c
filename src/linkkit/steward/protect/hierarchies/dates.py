"""Dates: the day, week, month, quarter, year or decade."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from linkkit.agreement import DateUnit, Generalization
from linkkit.errors import ProtectionError
from linkkit.steward.protect.hierarchies.steps import Plan, Step, range_text
from linkkit.steward.protect.hierarchies.values import Values, dates_of

__all__ = ["plan_dates"]


def plan_dates(variable: str, values: Values, ways: Generalization) -> Plan:
    """Plan the levels of dates: the units that the agreement names, weeks by ISO 8601.

    Raises
    ------
    ProtectionError
        When values are no dates.
    """
    days, exact = dates_of(values)
    problems = values.told([day is None for day in days], "are no dates as YYYY-MM-DD")
    if problems:
        raise ProtectionError(
            [f"quasi-identifier '{variable}': {problem}" for problem in problems],
            hint="Write dates as YYYY-MM-DD, or make what is no date missing.",
        )
    known = [day for day in days if day is not None]
    bottom, top = _day(ways.bottom), _day(ways.top)
    units: tuple[DateUnit, ...] = ways.dates or ("day",)
    steps = [_step(known, unit, bottom, top, exact=exact) for unit in units]
    ends = [_ends(day, units[0], bottom, top) for day in known]
    return Plan(
        steps=steps,
        shown_as="range",
        positions=[day.toordinal() for day in known],
        lows=[low for low, _ in ends],
        highs=[high for _, high in ends],
        kind="date",
    )


def _step(
    days: Sequence[dt.date],
    unit: DateUnit,
    bottom: dt.date | None,
    top: dt.date | None,
    *,
    exact: bool,
) -> Step:
    pairs = [_ends(day, unit, bottom, top) for day in days]
    kept = unit == "day" and exact and all(low == high for low, high in pairs)
    bounds = [
        *([range_text("", bottom.isoformat(), "date")] if bottom else []),
        *([range_text(top.isoformat(), "", "date")] if top else []),
    ]
    words = "kept as it is" if unit == "day" and exact else f"the {unit}"
    return Step(
        description=", ".join([words, *([" and ".join(bounds) + " together"] if bounds else [])]),
        labels=[range_text(low, high, "date") for low, high in pairs],
        keeps_values=kept,
    )


def _ends(
    day: dt.date, unit: DateUnit, bottom: dt.date | None, top: dt.date | None
) -> tuple[str, str]:
    if bottom is not None and day <= bottom:
        return "", bottom.isoformat()
    if top is not None and day >= top:
        return top.isoformat(), ""
    name = _NAMES[unit](day)
    return name, name


def _day(bound: float | str | None) -> dt.date | None:
    return dt.date.fromisoformat(bound) if isinstance(bound, str) else None


def _week(day: dt.date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{week:02}"


_NAMES: Mapping[DateUnit, Callable[[dt.date], str]] = {
    "day": dt.date.isoformat,
    "week": _week,
    "month": lambda day: f"{day.year:04}-{day.month:02}",
    "quarter": lambda day: f"{day.year:04}-Q{(day.month + 2) // 3}",
    "year": lambda day: f"{day.year:04}",
    "decade": lambda day: f"{day.year // 10 * 10:04}s",
}
