"""What privacy models measure in a class, each from its definition.

Part of the independent check: it shares no code with what protects. Each measure is taken in
floating point for all classes at once; whether a class keeps a bound that it lies very close to
is decided in whole numbers by its twin, with the parameter as the decimal that it is written as.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from linkkit.steward.release.counted import Counted

__all__ = [
    "distinct_values",
    "entropies",
    "exact",
    "has_entropy",
    "is_recursive",
    "largest_shares",
    "level_distances",
    "n_over",
    "rank_distances",
    "recursive_ratios",
    "variations",
    "whole_level_distance",
    "whole_rank_distance",
    "whole_variation",
]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

_CLOSE = 1e-10
_MOST_PEOPLE = 30_000


def exact(number: float) -> Fraction:
    """Return the decimal number that a parameter is written as.

    Examples
    --------
    >>> exact(0.1)
    Fraction(1, 10)
    """
    return Fraction(str(float(number)))


def distinct_values(found: Counted) -> _Ints:
    """Return how many values each class has."""
    return np.diff(found.starts)


def largest_shares(found: Counted) -> _Floats:
    """Return the share of the commonest value in each class."""
    largest = np.zeros(found.n_classes)
    np.maximum.at(largest, found.classes, found.counts)
    return largest / found.people


def entropies(found: Counted) -> _Floats:
    """Return the entropy of each class, in natural units."""
    share = found.counts / found.people[found.classes]
    return found.sum(-share * np.log(share))


def has_entropy(counts: Sequence[int], least: Fraction) -> bool:
    """Return whether the entropy is at least ``log(least)``, without a logarithm.

    ``H >= log(l)`` is ``product((n / c) ** c) >= l ** n``, n the sum of all counts c. Of
    more people than can be settled so it is taken that they do not.

    Examples
    --------
    >>> has_entropy([3, 3], Fraction(2)), has_entropy([3, 2], Fraction(2))
    (True, False)
    """
    shared = math.gcd(*counts)
    counts = [c // shared for c in counts]
    n = sum(counts)
    if n > _MOST_PEOPLE:
        return False
    left = math.prod(n**c for c in counts) * least.denominator**n
    return bool(left >= math.prod(c**c for c in counts) * least.numerator**n)


def recursive_ratios(found: Counted, least_values: int) -> _Floats:
    """Return the commonest value's count over those from the l-th commonest on, in each class.

    A class keeps recursive (c, l)-diversity when this is less than c; it is infinite for one
    of fewer than l values.
    """
    order = np.lexsort((found.counts, found.classes))[::-1]
    counts, classes = found.counts[order], found.classes[order]
    n_values = distinct_values(found)
    ends = np.cumsum(n_values[::-1])[::-1]
    place = np.arange(len(order)) - (ends - n_values)[classes]
    is_rest, is_first = place >= least_values - 1, place == 0
    rest = np.bincount(classes[is_rest], weights=counts[is_rest], minlength=found.n_classes)
    first = np.zeros(found.n_classes)
    first[classes[is_first]] = counts[is_first]
    with np.errstate(divide="ignore"):
        return np.asarray(first / rest)


def is_recursive(counts: Sequence[int], c: Fraction, least_values: int) -> bool:
    """Return whether the counts of a class keep recursive (c, l)-diversity.

    Examples
    --------
    >>> is_recursive([4, 2, 1], Fraction(2), 2), is_recursive([6, 2, 1], Fraction(2), 2)
    (True, False)
    """
    falling = sorted(counts, reverse=True)
    return falling[0] < c * sum(falling[least_values - 1 :])


def variations(found: Counted, overall: _Ints) -> _Floats:
    """Return how much of each class has to change to be as `overall`: total variation.

    Only values of the class can be commoner in it, so that the others need no look.
    """
    share = found.counts / found.people[found.classes]
    return found.sum(np.maximum(share - (overall / overall.sum())[found.values], 0))


def whole_variation(values: _Ints, counts: _Ints, overall: _Ints) -> Fraction:
    """Return the total variation of one class exactly.

    Examples
    --------
    >>> import numpy as np
    >>> whole_variation(np.array([0]), np.array([2]), np.array([2, 4]))
    Fraction(2, 3)
    """
    n, everybody = int(counts.sum()), int(overall.sum())
    excess = [
        max(0, c * everybody - q * n)
        for c, q in zip(counts.tolist(), overall[values].tolist(), strict=True)
    ]
    return Fraction(sum(excess), n * everybody)


def rank_distances(found: Counted, overall: _Ints) -> _Floats:
    """Return how far the values of each class are from those of `overall` by rank, from 0 to 1.

    What lies at each quantile of the class moves to what lies there in `overall`: the mean
    difference of ranks over all quantiles, over the ranks less one.
    """
    if len(overall) == 1:
        return np.zeros(found.n_classes)
    shares = np.append(0.0, np.cumsum(overall) / overall.sum())
    ranks = np.append(np.arange(len(overall), dtype=np.float64), len(overall) - 1.0)
    moments = np.append(0.0, np.cumsum(ranks[:-1] * np.diff(shares)))

    def moment(quantile: _Floats) -> _Floats:
        """Return the integral of the ranks of `overall` up to a quantile."""
        at = np.searchsorted(shares, quantile, side="right") - 1
        return np.asarray(moments[at] + ranks[at] * (quantile - shares[at]))

    people, starts = found.people, found.starts[:-1]
    through = np.cumsum(found.counts)
    before = np.append(0, through)[starts][found.classes]
    high = (through - before) / people[found.classes]
    low = (through - found.counts - before) / people[found.classes]
    middle = np.clip(shares[found.values], low, high)
    rank = found.values
    upward = rank * (middle - low) - (moment(middle) - moment(low))
    downward = (moment(high) - moment(middle)) - rank * (high - middle)
    return found.sum(upward + downward) / (len(overall) - 1)


def whole_rank_distance(values: _Ints, counts: _Ints, overall: _Ints) -> Fraction:
    """Return the distance by rank of one class exactly.

    Examples
    --------
    >>> import numpy as np
    >>> whole_rank_distance(np.array([0]), np.array([2]), np.array([1, 1, 1]))
    Fraction(1, 2)
    """
    n, everybody = int(counts.sum()), int(overall.sum())
    mine = dict(zip(values.tolist(), counts.tolist(), strict=True))
    carried = moved = 0
    for value, q in enumerate(overall.tolist()):
        carried += mine.get(value, 0) * everybody - q * n
        moved += abs(carried)
    return Fraction(moved, n * everybody * max(1, len(overall) - 1))


def level_distances(found: Counted, overall: _Ints, groups: Sequence[_Ints]) -> _Floats:
    """Return how far the values of each class are from those of `overall` in a tree.

    `groups` are the group of each value at each level below the top, the values' own first.
    A unit climbs to where it meets its lack, so that at each level what is in excess in the
    groups still has to climb; the height is the number of levels.
    """
    total = np.zeros(found.n_classes)
    for group in groups:
        n_groups = int(group.max()) + 1
        keys, place = np.unique(found.classes * n_groups + group[found.values], return_inverse=True)
        merged = Counted(
            first=found.first,
            n_classes=found.n_classes,
            classes=keys // n_groups,
            values=keys % n_groups,
            counts=np.bincount(place, weights=found.counts).astype(np.int64),
        )
        total += variations(merged, np.bincount(group, weights=overall).astype(np.int64))
    return total / len(groups)


def whole_level_distance(
    values: _Ints, counts: _Ints, overall: _Ints, groups: Sequence[_Ints]
) -> Fraction:
    """Return the distance in a tree of one class exactly."""
    total = Fraction(0)
    for group in groups:
        inside = np.bincount(group[values], weights=counts, minlength=int(group.max()) + 1)
        there = np.flatnonzero(inside)
        whole = np.bincount(group, weights=overall).astype(np.int64)
        total += whole_variation(there, inside[there].astype(np.int64), whole)
    return total / len(groups)


def n_over(found: Counted, over: _Floats, keeps: Callable[[_Ints, _Ints], bool]) -> int:
    """Count the classes that break a bound.

    Parameters
    ----------
    found : Counted
        The values in each class.
    over : ndarray of float64, shape (n_classes,)
        How far each class is over its bound; below 0 where it keeps it.
    keeps : callable
        Decides exactly from values and counts of a class that is very close to the bound.
    """
    starts = found.starts
    close = np.flatnonzero(np.abs(over) < _CLOSE)
    spans = [slice(int(starts[one]), int(starts[one + 1])) for one in close]
    broken = sum(not keeps(found.values[span], found.counts[span]) for span in spans)
    return int((over >= _CLOSE).sum()) + broken
