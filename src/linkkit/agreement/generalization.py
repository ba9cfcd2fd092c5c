"""The clause that says how a quasi-identifier may be made coarser."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from linkkit.agreement.clause import Clause, Whole
from linkkit.agreement.frozen import Frozen

__all__ = ["DateUnit", "Generalization", "PostalCodes", "PostalCountry"]

DateUnit = Literal["day", "week", "month", "quarter", "year", "decade"]
"""What of a date is told, from fine to coarse. A week is no part of one month or year."""

PostalCountry = Literal["US", "CA", "GB", "DE"]
"""The countries whose postal codes are understood, by ISO 3166."""

DATE_UNITS: tuple[DateUnit, ...] = ("day", "week", "month", "quarter", "year", "decade")

POSTAL_LEVELS: dict[PostalCountry, tuple[int | str, ...]] = {
    "US": (9, 5, 4, 3, 2, 1),
    "CA": (6, 3, 1),
    "GB": ("unit", "sector", "district", "area"),
    "DE": (5, 4, 3, 2, 1),
}
POSTAL_DEFAULTS: dict[PostalCountry, tuple[int | str, ...]] = {
    "US": (5, 3, 1),
    "CA": (6, 3, 1),
    "GB": ("unit", "sector", "district", "area"),
    "DE": (5, 3, 2, 1),
}

OLDEST = 90
"""Ages from here are one group unless the agreement says otherwise, as 45 CFR 164.514(b) has it."""


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("write a number")
    return value


def _bound(value: object) -> int | float | str:
    if isinstance(value, dt.datetime):
        raise ValueError("write the date as YYYY-MM-DD")
    if isinstance(value, dt.date):
        return value.isoformat()
    return value if isinstance(value, str) and value else _number(value)


def _text(value: object) -> str:
    """Take numbers for text, so that codes need no quotes."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, float)) or not isinstance(value, int):
        raise ValueError("write text; put quotes around what may be read as something else")
    return str(value)


def _lists(value: object) -> object:
    """Take one list for a list of one."""
    single = isinstance(value, (list, tuple)) and not any(
        isinstance(x, (list, tuple)) for x in value
    )
    return [value] if single and value else value


Number = Annotated[int | float, BeforeValidator(_number)]
Bound = Annotated[int | float | str, BeforeValidator(_bound)]
Text = Annotated[str, BeforeValidator(_text)]
Size = Annotated[Whole, Field(ge=1)]
Sizes = Annotated[tuple[Size, ...], Field(min_length=1)]
CutPoints = Annotated[
    tuple[Annotated[tuple[Number, ...], Field(min_length=1)], ...],
    BeforeValidator(_lists),
    Field(min_length=1),
]
Row = Annotated[tuple[Text, ...], Field(min_length=2)]


class PostalCodes(Clause):
    """How postal codes of a country become coarser.

    ``levels`` are, from fine to coarse, numbers of characters that are kept; for ``GB`` the
    ``unit``, ``sector``, ``district`` or ``area``. Without them: 5, 3, 1 for ``US``; 6, 3, 1 for
    ``CA``; 5, 3, 2, 1 for ``DE``; all four for ``GB``.

    Examples
    --------
    >>> PostalCodes(country="CA").kept
    (6, 3, 1)
    """

    country: PostalCountry
    levels: tuple[Whole | Literal["unit", "sector", "district", "area"], ...] | None = Field(
        default=None, min_length=1
    )

    @model_validator(mode="after")
    def _known(self) -> PostalCodes:
        known = POSTAL_LEVELS[self.country]
        places = [known.index(level) for level in self.kept if level in known]
        if len(places) < len(self.kept) or not _grows(places):
            names = ", ".join(map(str, known))
            raise ValueError(f"'levels' of {self.country} are some of {names}, in this order")
        return self

    @property
    def kept(self) -> tuple[int | str, ...]:
        """The levels, from fine to coarse."""
        return self.levels or POSTAL_DEFAULTS[self.country]


WAYS = (
    "intervals",
    "cut_points",
    "quantiles",
    "ages",
    "dates",
    "prefixes",
    "postal",
    "groups",
    "order",
    "table",
)
"""The keys that say how values become coarser. Only ``order`` and ``groups`` go together."""

BOUNDED = ("intervals", "cut_points", "quantiles", "ages", "dates", "order")
WITH_VALUES = ("cut_points", "quantiles", "groups", "order", "table")


class Generalization(Clause):
    """How a quasi-identifier may be made coarser, from fine to coarse.

    One of these says how; with none of them a variable is kept, or replaced by ``*``.

    - ``intervals``: widths for numbers, each a multiple of the one before.
    - ``cut_points``: for numbers, where groups begin; several lists are several levels, each
      with some of the cut points of the one before.
    - ``quantiles``: for numbers, so many groups of about equal size, each number a divisor of
      the one before.
    - ``ages``: widths for ages in completed years; ages of 90 and over are one group.
    - ``dates``: the units that are told.
    - ``prefixes``: lengths for codes.
    - ``postal``: postal codes of a country.
    - ``groups``: taxonomies for categories, group name to its values.
    - ``order``: the categories from low to high; ``adjacent`` are numbers of neighbors that
      become one group, or ``groups`` are named groups of neighbors.
    - ``table``: a row for each value: the value, then its group at each level.

    These go with them:

    - ``bottom`` and ``top``: values at or below, at or above which all are one group.
    - ``keep_values``: false where the values themselves are never shown, only their groups.
    - ``shown``: ``tight`` when a class may show just the range or set of its values, ``levels``
      when it may only show the finest level at which its people are alike. With no way given,
      ``levels`` keeps a cell or makes it ``*``, class by class.

    Examples
    --------
    >>> Generalization(ages=(5, 10)).highest
    90
    >>> Generalization(cut_points=[18, 65]).cut_points
    ((18, 65),)
    """

    intervals: Sizes | None = None
    cut_points: CutPoints | None = None
    quantiles: tuple[Annotated[Whole, Field(ge=2, le=1_000)], ...] | None = Field(
        default=None, min_length=1
    )
    ages: Sizes | None = None
    dates: tuple[DateUnit, ...] | None = Field(default=None, min_length=1)
    prefixes: Sizes | None = None
    postal: PostalCodes | None = None
    groups: tuple[Frozen[str, tuple[Text, ...]], ...] | None = Field(default=None, min_length=1)
    order: tuple[Text, ...] | None = Field(default=None, min_length=2)
    adjacent: tuple[Annotated[Whole, Field(ge=2)], ...] | None = Field(default=None, min_length=1)
    table: tuple[Row, ...] | None = Field(default=None, min_length=1)
    bottom: Bound | None = None
    top: Bound | None = None
    keep_values: Annotated[bool, Field(strict=True)] = True
    shown: Literal["tight", "levels"] = "tight"

    @model_validator(mode="after")
    def _consistent(self) -> Generalization:
        problems = [*self._together()]
        if not problems:
            problems = [*self._nested(), *self._bounds(), *self._categories(), *self._rows()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show what was given, and not what was left out."""
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            if name is None or value != fields[name].default:
                yield name, value

    @property
    def way(self) -> str | None:
        """The key that says how values become coarser; ``order`` where groups have one."""
        if self.order is not None:
            return "order"
        return next((name for name in WAYS if getattr(self, name) is not None), None)

    @property
    def highest(self) -> int | float | str | None:
        """The value from which all are one group."""
        return OLDEST if self.top is None and self.ages is not None else self.top

    def _together(self) -> Iterator[str]:
        given = [name for name in WAYS if getattr(self, name) is not None]
        if len(given) > 1 and given != ["groups", "order"]:
            yield f"give only one of {_listed(given)}"
        if self.adjacent is not None and self.order is None:
            yield "'adjacent' goes with 'order'"
        if self.adjacent is not None and self.groups is not None:
            yield "give only one of 'groups' and 'adjacent'"
        if (self.bottom is not None or self.top is not None) and self.way not in (None, *BOUNDED):
            yield f"'bottom' and 'top' say nothing about '{self.way}'"
        if not self.keep_values and self.way not in WITH_VALUES:
            yield f"'keep_values' goes with {_listed(WITH_VALUES, 'or')}"
        if not self.keep_values and self.order and not (self.groups or self.adjacent):
            yield "'keep_values' is false and there are no groups to show"

    def _nested(self) -> Iterator[str]:
        for name in ("intervals", "ages", "adjacent"):
            yield from _multiples(name, getattr(self, name))
        if self.prefixes is not None and not _grows([-n for n in self.prefixes]):
            yield "'prefixes' must shrink"
        quantiles = self.quantiles or ()
        if any(fine <= wide or fine % wide for fine, wide in pairwise(quantiles)):
            yield "each of 'quantiles' must be a divisor of the one before"
        levels = self.cut_points or ()
        if not all(map(_grows, levels)):
            yield "'cut_points' must grow"
        elif any(not set(wide) < set(fine) for fine, wide in pairwise(levels)):
            yield "each level of 'cut_points' must be some of the cut points of the one before"
        units = [DATE_UNITS.index(unit) for unit in self.dates or ()]
        if not _grows(units):
            yield f"'dates' are some of {', '.join(DATE_UNITS)}, in this order"
        elif self.dates and "week" in self.dates[:-1]:
            yield "a week is in no one month or year, so nothing coarser follows it in 'dates'"

    def _bounds(self) -> Iterator[str]:
        low, high = self.bottom, self.highest
        bounds = [bound for bound in (low, high) if bound is not None]
        if self.order is not None:
            if any(bound not in self.order for bound in map(str, bounds)):
                yield "'bottom' and 'top' of categories are some of 'order'"
                return
            bounds = [self.order.index(str(bound)) for bound in bounds]
        elif self.dates is not None:
            if not all(isinstance(bound, str) and _is_date(bound) for bound in bounds):
                yield "'bottom' and 'top' of dates are dates; write them as YYYY-MM-DD"
                return
        elif any(isinstance(bound, str) for bound in bounds):
            yield "'bottom' and 'top' of numbers are numbers"
            return
        if not _grows(bounds):
            yield "'bottom' must be below 'top'"

    def _categories(self) -> Iterator[str]:
        if self.order is None:
            return
        if len(set(self.order)) < len(self.order):
            yield "'order' has a value twice"
            return
        place = {value: i for i, value in enumerate(self.order)}
        for i, taxonomy in enumerate(self.groups or (), start=1):
            for members in taxonomy.values():
                ranks = sorted(place.get(member, -2) for member in members)
                if any(b - a != 1 for a, b in pairwise([*ranks])) or -2 in ranks:
                    yield f"a group of level {i} of 'groups' is not of neighbors in 'order'"

    def _rows(self) -> Iterator[str]:
        rows = self.table or ()
        if len({len(row) for row in rows}) > 1:
            yield "the rows of 'table' have different lengths"
            return
        if len({row[0] for row in rows}) < len(rows):
            yield "'table' has several rows for a value"
            return
        for i in range(1, len(rows[0]) - 1 if rows else 0):
            pairs = {(row[i], row[i + 1]) for row in rows}
            n_split = len(pairs) - len({fine for fine, _ in pairs})
            if n_split:
                yield f"column {i + 2} of 'table' splits groups of column {i + 1}: {n_split} times"


def _grows(numbers: Sequence[Any]) -> bool:
    return all(a < b for a, b in pairwise(numbers))


def _multiples(name: str, widths: Sequence[int] | None) -> Iterator[str]:
    if widths is not None and not _grows(widths):
        yield f"'{name}' must grow"
    elif widths is not None and any(wide % fine for fine, wide in pairwise(widths)):
        yield f"each of '{name}' must be a multiple of the one before"


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _listed(names: Iterable[str], joint: str = "and") -> str:
    *most, last = [f"'{name}'" for name in names]
    return f"{', '.join(most)} {joint} {last}"
