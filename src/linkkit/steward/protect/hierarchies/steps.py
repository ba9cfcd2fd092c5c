"""What a technique makes of the distinct values of a variable, before it is counted out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["TOP", "Ends", "Plan", "Step", "refines"]

TOP = "*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A level before it is counted out: a label for each distinct value."""

    description: str
    labels: list[str]
    keeps_values: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Ends:
    """How the two ends of a range are written.

    Attributes
    ----------
    lows, highs : tuple of str
        Where each finest group begins and ends; empty where it is open on that side.
    kind : {"number", "date", "rank"}
        What is ordered.

    Examples
    --------
    >>> ends = Ends(lows=("17", "18", "90"), highs=("17", "18", ""), kind="number")
    >>> ends.label(0, 1), ends.label(1, 2)
    ('17-18', '18+')
    """

    lows: tuple[str, ...]
    highs: tuple[str, ...]
    kind: Literal["number", "date", "rank"]

    def label(self, first: int, last: int) -> str:
        """Return how the range from one group to another is written."""
        return range_text(self.lows[first], self.highs[last], self.kind)


def range_text(low: str, high: str, kind: Literal["number", "date", "rank"]) -> str:
    """Write a range, of which an end may be open.

    Examples
    --------
    >>> (
    ...     range_text("-3", "4", "number"),
    ...     range_text("", "12", "number"),
    ...     range_text("low", "", "rank"),
    ... )
    ('-3 to 4', '<=12', 'low or higher')
    """
    if low == high or not (low or high):
        return low or TOP
    if low and high:
        plain = kind == "number" and low[0].isdigit() and high[0].isdigit()
        return f"{low}-{high}" if plain else f"{low} to {high}"
    if kind == "rank":
        return f"{low} or higher" if low else f"{high} or lower"
    if kind == "date":
        return f">={low}" if low else f"<={high}"
    if not low:
        return f"<={high}" if high[0] in "-0123456789" else high
    return f"{low}+" if low[0] in "-0123456789" else low


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Plan:
    """The levels of a variable, finest first, in words for each distinct value.

    Attributes
    ----------
    steps : list of Step
        At least one.
    shown_as : {"range", "set", "level"}
        As in :class:`~linkkit.steward.protect.hierarchies.levels.Hierarchy`.
    positions : sequence of float
        Where each distinct value stands in the order; empty where there is none.
    lows, highs : list of str
        The ends of the finest group of each distinct value; empty where there is no order.
    kind : {"number", "date", "rank"}
        What is ordered.
    """

    steps: list[Step]
    shown_as: Literal["range", "set", "level"]
    positions: Sequence[float] = ()
    lows: list[str] = field(default_factory=list)
    highs: list[str] = field(default_factory=list)
    kind: Literal["number", "date", "rank"] = "number"


def refines(fine: Sequence[str], coarse: Sequence[str]) -> bool:
    """Whether each group of one labeling lies in one group of the other."""
    return len(set(zip(fine, coarse, strict=True))) == len(set(fine))
