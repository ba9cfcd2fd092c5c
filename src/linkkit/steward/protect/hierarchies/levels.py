"""Hierarchies: the levels of a quasi-identifier, counted out over its finest groups.

Missing values are a category of their own, `MISSING`, at every level but the last, where
everything is `TOP`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.steward.protect.hierarchies.steps import TOP, Ends

__all__ = ["LOSS_UNITS", "MISSING", "TOP", "Hierarchy", "Level"]

MISSING = "(missing)"

LOSS_UNITS = 10**9
"""What a complete loss of one value counts. Losses are integers, so that their sums are exact
and do not depend on the order in which people are added up."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Level:
    """One level of a hierarchy.

    Attributes
    ----------
    description : str
        What happens to the variable, in words.
    groups : ndarray of int64, shape (n_base,)
        The group that each group of the finest level belongs to.
    labels : tuple of str
        The name of each group.
    losses : ndarray of int64, shape (n_base,)
        What is lost of a value, from 0 to `LOSS_UNITS`.
    keeps_values : bool
        Whether values stay as they are, in their own type.
    """

    description: str
    groups: npt.NDArray[np.int64]
    labels: tuple[str, ...]
    losses: npt.NDArray[np.int64]
    keeps_values: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Hierarchy:
    """The levels of one quasi-identifier, from fine to coarse; the last is `TOP`.

    Attributes
    ----------
    variable : str
        Its name.
    base : ndarray of int32, shape (n_people,)
        The group of each person at the finest level; the last group is missing.
    levels : tuple of Level
        At least one; each only merges groups of the one before.
    shown_as : {"range", "set", "level"}
        What a class that mixes finest groups may show of them: the range that they span, the
        set of their values, or only the finest level at which they are one group.
    lows, highs : ndarray of float64, shape (n_base,)
        The smallest and largest value of each finest group; for a ``range``, else empty. Not
        a number for the missing group. Numbers as they are, dates in days, ordered categories
        by their rank. Finest groups are numbered in ascending order.
    sizes : ndarray of int64, shape (n_base,)
        How many distinct values each finest group holds; 1 for the missing group.
    ends : Ends, optional
        How the two ends of each finest group are written; for a ``range``.
    """

    variable: str
    base: npt.NDArray[np.int32]
    levels: tuple[Level, ...]
    shown_as: Literal["range", "set", "level"]
    lows: npt.NDArray[np.float64]
    highs: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.int64]
    ends: Ends | None = None

    @property
    def n_groups(self) -> int:
        """How many finest groups there are, the missing one included."""
        return len(self.sizes)

    def recode(self, level: int, original: pa.Array) -> pa.Array:
        """Return the column at a level: as it was, or as text; missing values stay missing."""
        chosen = self.levels[level]
        if chosen.keeps_values:
            return original
        labels: list[str | None] = list(chosen.labels)
        if level < len(self.levels) - 1:
            labels[-1] = None
        return pa.array(labels, pa.string()).take(pa.array(chosen.groups[self.base]))

    def range_label(self, first: int, last: int) -> str:
        """Return how the range of the finest groups from one to another is written.

        It never tells more than the labels of the finest level do: an end is that of a finest
        group, and open where the group is, as in ``88+`` for 88 to ``90+``.

        Parameters
        ----------
        first, last : int
            Finest groups of a hierarchy that is shown as a range, `first` not above `last`.
        """
        if first == last or self.ends is None:
            return self.levels[0].labels[first] if first == last else TOP
        return self.ends.label(first, last)
