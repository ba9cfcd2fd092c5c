"""The population: how many of its people fit what is shown of each class.

Pure: arrays in, arrays out. A person fits a class who has one of its values in every set, lies
within its ranges, and belongs to its group in every level; a range or level that mixes missing
with values is shown as ``*`` and fits everybody. A missing value that is a wildcard fits every
class, and a class that knows nothing else of a quasi-identifier fits every person.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba
from linkkit.steward.protect.methods.costs import (
    Bounds,
    Costs,
    Ints,
    SetBits,
    Span,
    all_bits,
    class_members,
    item_bounds,
    joined_bounds,
)
from linkkit.steward.protect.methods.splits import neighborhoods

__all__ = ["Population"]

LEAF_ITEMS = 64


class Population:
    """People who may or may not be in the data, ready to be counted.

    Parameters
    ----------
    costs : Costs
        What values lose, and with it what is shown.
    codes : ndarray of int32, shape (n_items, n_variables)
        Distinct combinations of finest groups in the population.
    counts : ndarray of int64, shape (n_items,)
        How many people have each.
    """

    def __init__(self, costs: Costs, codes: npt.NDArray[np.int32], counts: Ints) -> None:
        self.costs = costs
        order, leaves = neighborhoods(costs, codes, most=LEAF_ITEMS)
        codes, self.counts = codes[order], counts[order]
        bits = all_bits(costs, codes)
        self.people: Bounds = item_bounds(costs, codes, bits)
        self.anywhere = bits.n_bits == 0
        self.starts = np.array([*(start for start, _ in leaves), len(codes)], dtype=np.int64)

    def people_inside(
        self, codes: npt.NDArray[np.int32], classes: npt.NDArray[Any], *, n_classes: int
    ) -> Ints:
        """Return how many people fit each class, shape (n_classes,).

        Parameters
        ----------
        codes : ndarray of int32, shape (n_members, n_variables)
            Finest groups of the members of classes.
        classes : ndarray of int, shape (n_members,)
            The class of each member, from 0; none is empty.
        n_classes : int
            How many classes there are.
        """
        bits = all_bits(self.costs, codes)
        order, starts = class_members(classes, n_classes=n_classes)
        bounds = joined_bounds(
            self.costs, bits, item_bounds(self.costs, codes, bits), order, starts
        )
        low, high = bounds.low.copy(), bounds.high.copy()
        for i, span in enumerate(self.costs.spans):
            low[i], high[i] = _shown_places(span, low[i], high[i])
        words = bounds.words.copy()
        for t in range(len(self.costs.sets)):
            mine = words[bits.starts[t] : bits.starts[t + 1]]
            held = np.bitwise_count(mine).sum(axis=0, dtype=np.int64)
            everything = (held == 0) | ((held > 1) & (held >= self.costs.sets[t].n_values))
            mine[:, everything] = np.iinfo(np.uint32).max
        return self._count(low, high, words, bits)

    def _count(self, low: Any, high: Any, words: Any, bits: SetBits) -> Ints:
        inside = np.zeros(low.shape[1] if len(low) else words.shape[1], dtype=np.int64)
        if not len(self.counts):
            return inside
        if not has_numba():
            return self._count_on_arrays(low, high, words, bits)
        from linkkit.steward.protect.methods import _population_kernels

        people, first = self.people, self.starts[:-1]
        count: Any = _population_kernels.count_inside
        count(
            low, high, words, people.low, people.high, people.words, self.anywhere, self.counts,
            self.starts,
            *(
                join.reduceat(side, first, axis=1)
                for side in (people.low, people.high)
                for join in (np.minimum, np.maximum)
            ),
            np.bitwise_or.reduceat(people.words, first, axis=1),
            np.logical_or.reduceat(self.anywhere, first, axis=1),
            np.add.reduceat(self.counts, first),
            bits.starts,
            inside,
        )  # fmt: skip
        return inside

    def _count_on_arrays(self, low: Any, high: Any, words: Any, bits: SetBits) -> Ints:
        """Go through the classes one by one; what the compiled kernel must equal."""
        people = self.people
        inside = np.zeros(low.shape[1] if len(low) else words.shape[1], dtype=np.int64)
        for c in range(len(inside)):
            fits = (people.low >= low[:, c, None]).all(axis=0)
            fits &= (people.high <= high[:, c, None]).all(axis=0)
            shared = people.words & words[:, c, None]
            for t in range(len(self.anywhere)):
                mine = shared[bits.starts[t] : bits.starts[t + 1]]
                fits &= mine.any(axis=0) | self.anywhere[t]
            inside[c] = self.counts[fits].sum()
        return inside


def _shown_places(
    span: Span, low: npt.NDArray[np.int32], high: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the places that fit what classes show of a range or level."""
    lowest, highest = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    nothing = low > high
    if not len(span.paths):
        mixed = (low < 0) & (high >= 0)
        everyone = nothing | mixed
        return np.where(everyone, lowest, low), np.where(everyone, highest, high)
    first, last = np.where(nothing, 0, low), np.where(nothing, 0, high)
    level = np.argmax(span.paths[:, first] == span.paths[:, last], axis=0)
    group_low, group_high = _group_places(span.paths)
    shown_low = np.where(nothing, lowest, group_low[level, first])
    shown_high = np.where(nothing, highest, group_high[level, first])
    return shown_low.astype(np.int32), shown_high.astype(np.int32)


def _group_places(paths: npt.NDArray[np.int32]) -> tuple[Ints, Ints]:
    """Return the first and last place of each place's group, at every level."""
    places = np.arange(paths.shape[1])
    lows, highs = np.empty(paths.shape, np.int64), np.empty(paths.shape, np.int64)
    for level, path in enumerate(paths):
        starts = np.flatnonzero(np.diff(path, prepend=-1))
        lengths = np.diff(np.append(starts, len(places)))
        lows[level] = np.repeat(starts, lengths)
        highs[level] = np.repeat(starts + lengths - 1, lengths)
    return lows, highs
