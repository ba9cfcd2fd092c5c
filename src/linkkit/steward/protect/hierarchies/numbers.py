"""Numbers: intervals of given widths, cut points, quantiles, ages, and top and bottom coding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.agreement import Generalization
from linkkit.errors import ProtectionError
from linkkit.steward.protect.hierarchies.steps import Plan, Step, range_text
from linkkit.steward.protect.hierarchies.values import Values, text_of

__all__ = ["plan_numbers"]

OLDEST_POSSIBLE = 130


class Cell(NamedTuple):
    """An interval: its first number, and the first number behind it."""

    low: float
    behind: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Level:
    description: str
    cells: list[Cell] | None = None  # None where every number stays as it is


def plan_numbers(variable: str, values: Values, ways: Generalization) -> Plan:
    """Plan the levels of numbers.

    Raises
    ------
    ProtectionError
        When they are no numbers, or no ages where ages are meant.
    """
    way = ways.way or "bounds"
    if values.kind not in ("whole", "real"):
        raise ProtectionError(
            f"quasi-identifier '{variable}' has {way.replace('_', ' ')} and its "
            f"values are not numbers ({int(values.counts.sum())} rows)",
            hint="Give the column numbers; under an agreement, correct the type of the variable.",
        )
    numbers: list[float] = values.items
    # Whole numbers beside missing ones often come as floats.
    own = whole = all(float(number).is_integer() for number in numbers)
    if way == "ages":
        numbers, whole = _ages(variable, values), True
    levels = list(_levels(numbers, values.counts, ways, whole=whole, own=own))
    writer = _Writer(numbers, ways, whole=whole)
    steps = [writer.step(level) for level in levels]
    ends = writer.ends(levels[0])
    return Plan(
        steps=steps,
        shown_as="range",
        positions=numbers,
        lows=[low for low, _ in ends],
        highs=[high for _, high in ends],
    )


def _ages(variable: str, values: Values) -> list[float]:
    problems = values.told(
        [not 0 <= item <= OLDEST_POSSIBLE for item in values.items],
        f"are no ages from 0 to {OLDEST_POSSIBLE} years",
    )
    if problems:
        raise ProtectionError(
            [f"quasi-identifier '{variable}': {problem}" for problem in problems],
            hint="Correct the ages, make them missing, or use 'intervals' for other numbers.",
        )
    return [math.floor(item) for item in values.items]


def _levels(
    numbers: Sequence[float],
    counts: npt.NDArray[np.int64],
    ways: Generalization,
    *,
    whole: bool,
    own: bool,
) -> Iterator[_Level]:
    """Yield the levels, finest first; `own` when the column itself has only whole numbers."""
    widths = ways.intervals or ways.ages
    if widths:
        for width in widths:
            if whole and width == 1:
                words = "kept as it is" if own else "completed years"
                yield _Level(description=words)
            else:
                cells = [_interval(number, width) for number in numbers]
                yield _Level(description=f"intervals of {width}", cells=cells)
        return
    if ways.keep_values:
        yield _Level(description="kept as it is")
    for i, cuts in enumerate(ways.cut_points or (), start=1):
        cells = _cells(numbers, cuts, whole=whole)
        yield _Level(description=f"cut points {i}", cells=cells)
    if ways.quantiles:
        fine = _quantiles(numbers, counts, ways.quantiles[0])
        for n in ways.quantiles:
            step = ways.quantiles[0] // n
            cells = _cells(numbers, sorted({*fine[step - 1 :: step]}), whole=whole)
            yield _Level(description=f"{n} groups of about equal size", cells=cells)


def _interval(number: float, width: int) -> Cell:
    low = math.floor(number) // width * width
    return Cell(low, low + width)


def _cells(numbers: Sequence[float], cuts: Sequence[float], *, whole: bool) -> list[Cell]:
    bounds = [-math.inf, *(math.ceil(cut) if whole else cut for cut in cuts), math.inf]
    cells = [Cell(low, behind) for low, behind in pairwise(bounds)]
    places = np.searchsorted(np.array(bounds), np.array(numbers, dtype=np.float64), side="right")
    return [cells[place - 1] for place in places.tolist()]


def _quantiles(numbers: Sequence[float], counts: npt.NDArray[np.int64], n: int) -> list[float]:
    """Return where each of n groups but the first begins, in ascending order.

    A group begins at the value that the row at its share of all rows has, so that rows of one
    value are in one group.
    """
    if not len(numbers):
        return []
    behind = np.cumsum(counts)
    rows = [-(-int(behind[-1]) * i // n) for i in range(1, n)]
    places = np.searchsorted(behind, rows, side="right")
    return [numbers[min(int(place), len(numbers) - 1)] for place in places]


class _Writer:
    """Writes numbers and intervals, with what lies beyond the bounds as one group each."""

    def __init__(self, numbers: Sequence[float], ways: Generalization, *, whole: bool) -> None:
        self.numbers, self.whole = numbers, whole
        self.bottom = _number(ways.bottom, -math.inf)
        self.top = _number(ways.highest, math.inf)
        self.low_text = text_of(self.bottom) if self.bottom > -math.inf else ""
        self.high_text = text_of(self.top) if self.top < math.inf else ""
        beyond = [not self.bottom < number < self.top for number in numbers]
        self.coded = any(beyond)
        bounds = [
            range_text("", self.low_text, "number") if self.low_text else "",
            range_text(self.high_text, "", "number") if self.high_text else "",
        ]
        self.bounds = " and ".join(text for text in bounds if text)

    def step(self, level: _Level) -> Step:
        """Return a level with its labels."""
        pairs = self.ends(level)
        written = {pair: range_text(*pair, "number") for pair in set(pairs)}
        keeps = level.description == "kept as it is" and not self.coded
        words = f"{level.description}, {self.bounds} together" if self.bounds else level.description
        return Step(description=words, labels=[written[pair] for pair in pairs], keeps_values=keeps)

    def ends(self, level: _Level) -> list[tuple[str, str]]:
        """Return where the group of each number begins and ends."""
        if level.cells is None:
            pairs = [(text, text) for text in map(text_of, self.numbers)]
        else:
            written = {
                cell: (self._low(cell.low), self._high(cell.behind)) for cell in set(level.cells)
            }
            pairs = [written[cell] for cell in level.cells]
        return self._beyond(pairs) if self.coded else pairs

    def _beyond(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Put what lies beyond the bounds into their groups."""
        low, high = ("", self.low_text), (self.high_text, "")
        return [
            low if number <= self.bottom else high if number >= self.top else pair
            for number, pair in zip(self.numbers, pairs, strict=True)
        ]

    def _low(self, low: float) -> str:
        if low > self.bottom:
            return text_of(low)
        if self.bottom == -math.inf:
            return ""
        return text_of(math.floor(self.bottom) + 1) if self.whole else f"over {self.low_text}"

    def _high(self, behind: float) -> str:
        behind = min(behind, self.top)
        if behind == math.inf:
            return ""
        return text_of(math.ceil(behind) - 1) if self.whole else f"under {text_of(behind)}"


def _number(bound: float | str | None, otherwise: float) -> float:
    return otherwise if bound is None else float(bound)
