"""The rule of each privacy model: which classes keep it, from what was counted in them.

Pure: arrays in, arrays out. Parameters mean the decimal numbers that they are written as. A
class whose measure is so close to the bound that rounding could decide is measured again in
whole numbers, so that it is never rounding that lets a class through.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.tally import Tally

__all__ = [
    "Closeness",
    "Distinct",
    "Entropy",
    "LevelledCloseness",
    "People",
    "RankedCloseness",
    "Recursive",
    "Rule",
    "share_within",
]

_Bools = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

_NEAR = 1e-9
"""Measures are sums of at most some thousand numbers of size 1: closer than this to a bound,
whole numbers decide."""

_LARGEST_POWER = 30_000
"""People in a class up to which the entropy is settled in whole numbers; of a larger one that is
so close to the bound it is taken that it does not keep it."""


class Rule(Protocol):
    """What a class must keep."""

    def met(self, found: Tally) -> _Bools:
        """Return which classes keep it, shape (n_classes,); one without anybody does not."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """At least `k` people, or households, each counted once."""

    k: int

    def met(self, found: Tally) -> _Bools:
        """Return which classes keep it."""
        return np.asarray(found.total(found.counts) >= self.k)


@dataclass(frozen=True, kw_only=True, slots=True)
class Distinct:
    """At least `l` different values."""

    l: int  # noqa: E741

    def met(self, found: Tally) -> _Bools:
        """Return which classes keep it."""
        return np.asarray(np.bincount(found.classes, minlength=found.n_classes) >= self.l)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entropy:
    """An entropy of at least ``log(l)``."""

    l: float  # noqa: E741

    def met(self, found: Tally) -> _Bools:
        """Return which classes keep it."""
        people = found.total(found.counts)
        n = np.maximum(people, 1)
        entropy = np.log(n) - found.total(found.counts * np.log(found.counts)) / n
        return _settled(math.log(self.l) - entropy, found, lambda _, counts: self._exactly(counts))

    def _exactly(self, counts: _Ints) -> bool:
        return _has_entropy(tuple(sorted(counts.tolist())), Fraction(str(float(self.l))))


@lru_cache(maxsize=4096)
def _has_entropy(counts: tuple[int, ...], least: Fraction) -> bool:
    """Return whether ``n**n / product(c**c) >= l**n``, which is the entropy without logarithms."""
    shared = math.gcd(*counts)
    counts = tuple(n // shared for n in counts)
    n = sum(counts)
    if n > _LARGEST_POWER:
        return False
    rest = math.prod(c**c for c in counts)
    return bool((n * least.denominator) ** n >= least.numerator**n * rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recursive:
    """The most common value is less than `c` times all from the `l`-th on together."""

    c: float
    l: int  # noqa: E741

    def met(self, found: Tally) -> _Bools:
        """Return which classes keep it."""
        most = int(found.counts.max(initial=0))
        order = np.argsort(found.classes * (most + 1) + (most - found.counts))
        classes, counts = found.classes[order], found.counts[order]
        n_values = np.bincount(classes, minlength=found.n_classes)
        starts = np.cumsum(n_values) - n_values
        place = np.arange(len(classes)) - starts[classes]
        rest = np.bincount(
            classes, weights=np.where(place >= self.l - 1, counts, 0), minlength=found.n_classes
        )
        largest = np.zeros(found.n_classes)
        largest[classes[place == 0]] = counts[place == 0]
        over = (largest - self.c * rest) / np.maximum(largest, 1)
        kept = _settled(over, found, lambda _, counts: self._exactly(counts))
        return kept & (n_values >= self.l)

    def _exactly(self, counts: _Ints) -> bool:
        ranked = sorted(counts.tolist(), reverse=True)
        return bool(ranked[0] < Fraction(str(float(self.c))) * sum(ranked[self.l - 1 :]))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Closeness:
    """A distance of at most `t` to `overall`, where all values are equally far apart.

    ``overall`` holds how many people have each value, shape (n_values,), none of them 0.
    """

    t: float
    overall: _Ints

    def met(self, found: Tally) -> _Bools:
        """Return which classes keep it."""
        return _settled(_variation(found, self.overall) - self.t, found, self._exactly)

    def _exactly(self, values: _Ints, counts: _Ints) -> bool:
        n, everybody = int(counts.sum()), int(self.overall.sum())
        apart = _whole_variation(values, counts, self.overall)
        return bool(apart <= Fraction(str(float(self.t))) * 2 * n * everybody)


def _variation(found: Tally, overall: _Ints) -> _Floats:
    """Return half the sum of differences of shares; values that a class lacks count too."""
    n = np.maximum(found.total(found.counts), 1)
    share = (overall / overall.sum())[found.values]
    differences = np.abs(found.counts / n[found.classes] - share) - share
    return (found.total(differences) + 1) / 2


def _whole_variation(values: _Ints, counts: _Ints, overall: _Ints) -> int:
    """Return the sum of differences of shares, times both numbers of people."""
    n, everybody = int(counts.sum()), int(overall.sum())
    pairs = zip(counts.tolist(), overall[values].tolist(), strict=True)
    return n * everybody + int(sum(abs(c * everybody - q * n) - q * n for c, q in pairs))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class RankedCloseness:
    """A distance of at most `t` to `overall`, where values lie at their ranks.

    The distance is the area between the two cumulative shares, over the ranks less one. A class
    has few of the values: between two of them its cumulative share is level, and the area is
    found from sums over ranks that are prepared once.
    """

    t: float
    overall: _Ints
    below: _Ints = field(init=False)
    area: _Floats = field(init=False)

    def __post_init__(self) -> None:
        below = np.cumsum(self.overall)
        object.__setattr__(self, "below", below)
        object.__setattr__(self, "area", np.concatenate([[0.0], np.cumsum(below / below[-1])]))

    def met(self, found: Tally) -> _Bools:
        """Return which classes keep it."""
        return _settled(self._distance(found) - self.t, found, self._exactly)

    def _distance(self, found: Tally) -> _Floats:
        n_ranks = len(self.overall)
        if n_ranks == 1 or not len(found.classes):
            return np.zeros(found.n_classes)
        n = found.total(found.counts)[found.classes]
        first = np.append([True], found.classes[1:] != found.classes[:-1])
        last = np.append(first[1:], [True])
        before = np.cumsum(found.counts) - found.counts
        before -= np.repeat(before[first], np.diff(np.append(np.flatnonzero(first), len(before))))
        end = np.append(found.values[1:], n_ranks)
        end[last] = n_ranks
        share = (before + found.counts) / n
        # Where `overall` overtakes the class: left of it the class has more below, right less.
        meet = np.searchsorted(self.below / self.below[-1], share).clip(found.values, end)
        area = self.area
        between = share * (2 * meet - found.values - end)
        between += area[end] + area[found.values] - 2 * area[meet]
        between[first] += area[found.values[first]]
        return found.total(between) / (n_ranks - 1)

    def _exactly(self, values: _Ints, counts: _Ints) -> bool:
        n, everybody = int(counts.sum()), int(self.overall.sum())
        in_class = np.zeros(len(self.overall), dtype=np.int64)
        in_class[values] = counts
        pairs = zip(np.cumsum(in_class).tolist(), self.below.tolist(), strict=True)
        apart = sum(abs(c * everybody - q * n) for c, q in pairs)
        most = Fraction(str(float(self.t))) * n * everybody * max(1, len(self.overall) - 1)
        return bool(apart <= most)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class LevelledCloseness:
    """A distance of at most `t` to `overall`, where values are groups of groups.

    With the distance of two values the height of their lowest common group, what has to move
    is the mean over the levels below the top of half the sum of differences between the
    groups' shares. ``groups`` holds for each such level, the values' own first, the group of
    each value, shape (n_levels, n_values); the values of a group come one after another.
    """

    t: float
    overall: _Ints
    groups: _Ints

    def met(self, found: Tally) -> _Bools:
        """Return which classes keep it."""
        distance = np.zeros(found.n_classes)
        for group in self.groups:
            distance += _variation(_merged(found, group), _summed(self.overall, group))
        return _settled(distance / len(self.groups) - self.t, found, self._exactly)

    def _exactly(self, values: _Ints, counts: _Ints) -> bool:
        n, everybody = int(counts.sum()), int(self.overall.sum())
        apart = 0
        for group in self.groups:
            inside = np.bincount(group[values], weights=counts).astype(np.int64)
            there = np.flatnonzero(inside)
            apart += _whole_variation(there, inside[there], _summed(self.overall, group))
        return bool(apart <= Fraction(str(float(self.t))) * len(self.groups) * 2 * n * everybody)


def _summed(overall: _Ints, group: _Ints) -> _Ints:
    return np.bincount(group, weights=overall).astype(np.int64)


def _merged(found: Tally, group: _Ints) -> Tally:
    """Return a tally of groups; those of a class come one after another."""
    values = group[found.values]
    changed = np.ones(len(values), dtype=np.bool_)
    changed[1:] = (values[1:] != values[:-1]) | (found.classes[1:] != found.classes[:-1])
    first = np.flatnonzero(changed)
    counts = np.add.reduceat(found.counts, first) if len(first) else found.counts
    return Tally(
        classes=found.classes[first],
        values=values[first],
        counts=counts,
        n_classes=found.n_classes,
    )


def _settled(over: _Floats, found: Tally, exactly: Callable[[_Ints, _Ints], bool]) -> _Bools:
    """Return which classes are not over the bound; those very close to it are decided exactly."""
    inside = np.bincount(found.classes, minlength=found.n_classes) > 0
    kept = (over < 0) & inside
    for one in np.flatnonzero((np.abs(over) < _NEAR) & inside):
        low, high = np.searchsorted(found.classes, [one, one + 1])
        kept[one] = exactly(found.values[low:high], found.counts[low:high])
    return kept


def share_within(people: _Floats, population: _Ints, low: float, high: float) -> _Bools:
    """Return where people are from `low` to `high` of the population that fits, exactly."""
    share = people / np.maximum(population, 1)
    kept: Any = (population > 0) & (share >= low) & (share <= high)
    near = (np.abs(share - low) < _NEAR) | (np.abs(share - high) < _NEAR)
    bounds = Fraction(str(float(low))), Fraction(str(float(high)))
    for one in np.flatnonzero(near & (population > 0)):
        kept[one] = bounds[0] <= Fraction(int(people[one]), int(population[one])) <= bounds[1]
    return np.asarray(kept)
