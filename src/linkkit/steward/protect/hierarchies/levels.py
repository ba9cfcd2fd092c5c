"""Generalization hierarchies: how each quasi-identifier may become coarser, level by level.

Missing values are a category of their own, `MISSING`, at every level but the last, where
everything is `TOP`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Generalization
from linkkit.errors import ProtectionError

__all__ = ["LOSS_UNITS", "MISSING", "TOP", "Hierarchy", "Level", "build_hierarchy"]

TOP = "*"
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
    base : ndarray of int64, shape (n_people,)
        The group of each person at the finest level; the last group is missing.
    levels : tuple of Level
        At least one; each only merges groups of the one before.
    shown_as : {"range", "set", "level"}
        What a class that mixes finest groups may show of them: the range that they span, the
        set of their values, or only the finest level at which they are one group.
    lows, highs : ndarray of float64, shape (n_base,)
        The smallest and largest value of each finest group; for a ``range``, else empty. Not
        a number for the missing group.
    sizes : ndarray of int64, shape (n_base,)
        How many distinct values each finest group holds; 1 for the missing group.
    """

    variable: str
    base: npt.NDArray[np.int64]
    levels: tuple[Level, ...]
    shown_as: Literal["range", "set", "level"]
    lows: npt.NDArray[np.float64]
    highs: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.int64]

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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    """A level before it is counted out: a label for each distinct value."""

    description: str
    labels: list[str]
    keeps_values: bool = False


def build_hierarchy(variable: str, column: pa.Array, ways: Generalization) -> Hierarchy:
    """Build the hierarchy of a quasi-identifier from its values and the agreement's clause.

    - ``intervals``: one level for each width, aligned at zero; width 1 keeps whole numbers.
    - ``prefixes``: one level for each length; what is cut off is shown as ``*``.
    - ``groups``: the values themselves, then one level for each taxonomy.
    - nothing given: the values themselves.

    A last level drops the variable. What a level loses is the normalized certainty penalty
    (Xu et al. 2006, "Utility-based anonymization using local recoding"): for a number, the
    spread of the values in its interval over the spread of all values; for a category, the
    number of values in its group over the number of all values, 0 where the group has one
    value; 1 at the last level.

    Parameters
    ----------
    variable : str
        Its name, for messages.
    column : pyarrow.Array, length n_people
        int64, double, string or bool; null where missing.
    ways : Generalization
        The clause of the agreement.

    Raises
    ------
    ProtectionError
        When numbers are needed and the column has none, or a taxonomy does not cover every
        value, names one twice, or splits a group of the level before.

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
    values, codes = _distinct(column)
    steps = _steps(variable, column, values, ways)
    base, n_base = _numbered(steps[0].labels)
    first = np.unique(base, return_index=True)[1]
    numeric = values if ways.intervals is not None else None
    levels = [_level(step, first, numeric) for step in steps]
    lows, highs = _extremes(base, n_base, numeric)
    return Hierarchy(
        variable=variable,
        base=np.append(base, n_base)[codes],
        levels=(*levels, _top(n_base + 1)),
        shown_as="range" if numeric is not None else "level" if ways.prefixes else "set",
        lows=lows,
        highs=highs,
        sizes=np.append(np.bincount(base, minlength=n_base), 1),
    )


def _distinct(column: pa.Array) -> tuple[list[Any], npt.NDArray[np.int64]]:
    """Return the distinct values in ascending order, and each row's place among them.

    Missing values get the place behind the last.
    """
    encoded = column.dictionary_encode()
    found = encoded.dictionary.to_pylist()
    order = sorted(range(len(found)), key=found.__getitem__)
    rank = np.empty(len(found) + 1, dtype=np.int64)
    rank[order] = np.arange(len(found))
    rank[-1] = len(found)
    return [found[i] for i in order], rank[encoded.indices.fill_null(len(found)).to_numpy(False)]


def _steps(variable: str, column: pa.Array, values: list[Any], ways: Generalization) -> list[_Step]:
    if ways.intervals is not None:
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise ProtectionError(
                f"quasi-identifier '{variable}' has intervals in the agreement and its values "
                "are not numbers",
                hint="Correct the type of the variable in the agreement.",
            )
        whole = pa.types.is_integer(column.type)
        return [_interval_step(values, width, whole=whole) for width in ways.intervals]
    texts = [_text(value) for value in values]
    if ways.prefixes is not None:
        return [_prefix_step(texts, length) for length in ways.prefixes]
    kept = _Step(description="kept as it is", labels=texts, keeps_values=True)
    return [kept, *_taxonomy_steps(variable, texts, ways.groups or ())]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _interval_step(values: Sequence[float], width: int, *, whole: bool) -> _Step:
    if whole and width == 1:
        labels = [str(value) for value in values]
        return _Step(description="kept as it is", labels=labels, keeps_values=True)
    label: Callable[[int, int], str] = _whole_interval if whole else _open_interval
    return _Step(
        description=f"intervals of {width}",
        labels=[label(math.floor(value) // width * width, width) for value in values],
    )


def _whole_interval(low: int, width: int) -> str:
    joint = "-" if low >= 0 else " to "
    return f"{low}{joint}{low + width - 1}"


def _open_interval(low: int, width: int) -> str:
    return f"{low} to under {low + width}"


def _prefix_step(texts: Sequence[str], length: int) -> _Step:
    longest = max(map(len, texts), default=0)
    stars = TOP * max(0, longest - length)
    if not stars:
        return _Step(description="kept as it is", labels=list(texts), keeps_values=True)
    return _Step(
        description=f"first {length} characters" if length > 1 else "first character",
        labels=[text[:length] + stars for text in texts],
    )


def _taxonomy_steps(
    variable: str, texts: Sequence[str], taxonomies: Sequence[Mapping[str, Sequence[str]]]
) -> list[_Step]:
    steps: list[_Step] = []
    problems: list[str] = []
    for i, taxonomy in enumerate(taxonomies, start=1):
        group = {value: name for name, members in taxonomy.items() for value in members}
        named = Counter(value for members in taxonomy.values() for value in set(members))
        n_open = sum(text not in group for text in texts)
        n_twice = sum(n > 1 for n in named.values())
        if n_open:
            problems.append(f"{n_open} values of the data are in no group of taxonomy {i}")
        if n_twice:
            problems.append(f"{n_twice} values are in more than one group of taxonomy {i}")
        labels = [group.get(text, TOP) for text in texts]
        if steps and not problems and not _refines(steps[-1].labels, labels):
            problems.append(f"taxonomy {i} splits a group of taxonomy {i - 1}")
        steps.append(_Step(description=f"grouped by taxonomy {i} of the agreement", labels=labels))
    if problems:
        raise ProtectionError(
            [f"quasi-identifier '{variable}': {problem}" for problem in problems],
            hint=f"Correct clause 'protection.quasi_identifiers.{variable}.groups': every value "
            "must stand in exactly one group of each taxonomy.",
        )
    return steps


def _refines(fine: Sequence[str], coarse: Sequence[str]) -> bool:
    return len(set(zip(fine, coarse, strict=True))) == len(set(fine))


def _numbered(labels: Sequence[str]) -> tuple[npt.NDArray[np.int64], int]:
    """Number labels in the order in which they first appear."""
    place = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return np.array([place[label] for label in labels], dtype=np.int64), len(place)


def _level(step: _Step, first: npt.NDArray[np.intp], numeric: Sequence[float] | None) -> Level:
    """Count out a step; `first` is the place of the first value of each base group."""
    group, n_groups = _numbered(step.labels)
    losses = _spread(group, n_groups, numeric) if numeric is not None else _share(group, n_groups)
    if step.keeps_values:
        losses = np.zeros(n_groups, dtype=np.int64)
    of_base = group[first]
    return Level(
        description=step.description,
        groups=np.append(of_base, n_groups),
        labels=(*dict.fromkeys(step.labels), MISSING),
        losses=np.append(losses[of_base], 0),
        keeps_values=step.keeps_values,
    )


def _extremes(
    base: npt.NDArray[np.int64], n_base: int, values: Sequence[float] | None
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
    group: npt.NDArray[np.int64], n_groups: int, values: Sequence[float]
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
