"""How many people of a population fit each class, for k-map and delta-presence.

Pure: arrays in, arrays out. A method says which finest groups each class shows as one; the
population is given in the same groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.items import find_items

__all__ = ["Population", "count_fitting", "find_population"]

_Bools = npt.NDArray[np.bool_]
_Ints = npt.NDArray[np.int64]

_BITS_AT_ONCE = 2**27


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Population:
    """The distinct combinations of finest groups in a population, and how often each occurs.

    Attributes
    ----------
    codes : ndarray of int32, shape (n_combinations, n_variables)
        The finest group in each quasi-identifier.
    counts : ndarray of int64, shape (n_combinations,)
        How many people have each.
    """

    codes: npt.NDArray[np.int32]
    counts: _Ints


def find_population(columns: Sequence[_Ints], n_groups: Sequence[int]) -> Population:
    """Find the distinct combinations of a population.

    Parameters
    ----------
    columns : sequence of ndarray of int64, each of shape (n_people,)
        The finest group of each person in each quasi-identifier, from 0.
    n_groups : sequence of int
        How many finest groups each has, the missing one included.
    """
    found = find_items(columns, n_groups)
    return Population(codes=found.codes, counts=found.counts)


def count_fitting(population: Population, covered: Sequence[_Bools]) -> _Ints:
    """Count the people of a population who fit each class, shape (n_classes,).

    Parameters
    ----------
    population : Population
        In the same finest groups.
    covered : sequence over variables of ndarray of bool, shape (n_classes, n_groups)
        Which finest groups each class shows as one: for a range all that lie in it, whether or
        not somebody of the class is in them; where missing agrees with everything, the missing
        group too, and all groups for a class that shows nothing.

    Examples
    --------
    >>> population = find_population([np.array([0, 1, 1, 2])], [3])
    >>> count_fitting(population, [np.array([[True, True, False], [False, False, True]])])
    array([3, 1])
    """
    n_classes, n_combinations = len(covered[0]), len(population.counts)
    total = np.zeros(n_classes, dtype=np.int64)
    bits = [_packed(mine, codes) for mine, codes in zip(covered, population.codes.T, strict=True)]
    step = max(1, _BITS_AT_ONCE // max(1, n_combinations))
    counts = np.zeros((-(-n_combinations // 8), 8), dtype=np.int64)
    counts.reshape(-1)[:n_combinations] = population.counts
    for first in range(0, n_classes, step):
        rows = slice(first, min(n_classes, first + step))
        fitting = bits[0].rows(rows)
        for mine in bits[1:]:
            fitting &= mine.rows(rows)
        one, byte = np.nonzero(fitting)
        inside = np.unpackbits(fitting[one, byte][:, None], axis=1)
        people = (inside * counts[byte]).sum(axis=1)
        total[rows] = np.bincount(one, weights=people, minlength=len(fitting)).astype(np.int64)
    return total


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Packed:
    """The combinations that each distinct coverage of a variable fits, a bit each."""

    of_classes: _Ints
    bits: npt.NDArray[np.uint8]

    def rows(self, classes: slice) -> npt.NDArray[np.uint8]:
        """Return the bits of some classes."""
        return self.bits[self.of_classes[classes]]


def _packed(covered: _Bools, codes: npt.NDArray[np.int32]) -> _Packed:
    """Pack what each distinct row of coverage fits: many classes show the same of a variable."""
    packed = np.packbits(covered, axis=1)
    _, first, of_classes = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    bits = np.packbits(covered[first][:, codes], axis=1)
    return _Packed(of_classes=of_classes.reshape(-1).astype(np.int64), bits=bits)
