"""Growing classes: those that keep too little merge with the neighbor that costs least.

Work is in rounds, so that conditions are asked for many classes at once. In each, every class
that does not keep the conditions looks for the class that it is best merged with; the cheapest
merges that do not touch each other are done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba
from linkkit.steward.protect.methods.costs import (
    Bounds,
    Costs,
    SetBits,
    item_bounds,
    joined_bounds,
    place_bits,
    with_losses,
)

__all__ = ["Tables", "first_come", "grow", "kernels", "tables_of"]

Ints = npt.NDArray[np.int64]
Keeps = Callable[[Ints, Ints, int], npt.NDArray[np.bool_]]
"""Takes items, their classes and the number of classes; says which classes keep everything."""

_SHARE = 4


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Tables:
    """The tables of ranges and levels, one behind the other, as kernels take them."""

    n_levels: Ints
    n_places: Ints
    offsets: Ints
    paths: npt.NDArray[np.int32]
    losses: npt.NDArray[np.int32]
    unit: np.int32
    set_units: npt.NDArray[np.int32]

    @property
    def of_spans(self) -> tuple[Any, ...]:
        """What a kernel has to know of ranges and levels."""
        return self.n_levels, self.n_places, self.offsets, self.paths, self.losses, self.unit


def tables_of(costs: Costs) -> Tables:
    """Lay the tables of all quasi-identifiers out for kernels."""
    sizes = np.array([span.paths.size for span in costs.spans], dtype=np.int64)
    none = [np.empty(0, dtype=np.int32)]
    return Tables(
        n_levels=np.array([len(span.paths) for span in costs.spans], dtype=np.int64),
        n_places=np.array([span.paths.shape[1] for span in costs.spans], dtype=np.int64),
        offsets=np.cumsum(sizes) - sizes,
        paths=np.concatenate([span.paths.ravel() for span in costs.spans] + none),
        losses=np.concatenate([span.losses.ravel() for span in costs.spans] + none),
        unit=np.int32(costs.unit),
        set_units=np.array([values.unit for values in costs.sets], dtype=np.int32),
    )


def kernels() -> Any:
    """Return the module of kernels: compiled, or on whole arrays where numba is missing."""
    if has_numba():
        from linkkit.steward.protect.methods import _grow_kernels

        return _grow_kernels
    from linkkit.steward.protect.methods import _grow_arrays

    return _grow_arrays


def first_come(
    wish: npt.NDArray[Any], thing: npt.NDArray[Any], *, n_wishes: int, n_things: int
) -> npt.NDArray[np.bool_]:
    """Return the wishes that come first, in their order, for every thing that they need.

    Examples
    --------
    >>> first_come(
    ...     np.array([0, 0, 1, 1, 2]), np.array([5, 6, 6, 7, 8]), n_wishes=3, n_things=9
    ... ).tolist()
    [True, False, True]
    """
    first = np.full(n_things, n_wishes, dtype=np.int64)
    np.minimum.at(first, thing, wish)
    granted = np.ones(n_wishes, dtype=np.bool_)
    granted[wish[first[thing] < wish]] = False
    return granted


def grow(
    costs: Costs,
    codes: npt.NDArray[np.int32],
    counts: Ints,
    members: Ints,
    keeps: Keeps,
    *,
    need: int,
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Merge classes until all keep the conditions, or one is left.

    Parameters
    ----------
    costs : Costs
        What values lose.
    codes : ndarray of int32, shape (n_items, n_variables)
        Finest groups.
    counts : ndarray of int64, shape (n_items,)
        People of each item.
    members : ndarray of int64, shape (n_items,)
        The class of each item at first, from 0 without gaps.
    keeps : callable
        Which classes keep the conditions.
    need : int
        How many people a class needs at least; more than that do not speak for a merge.

    Returns
    -------
    tuple of ndarray of int64, shape (n_items,), and ndarray of bool, shape (n_classes,)
        The class of each item, and which classes keep the conditions.
    """
    growth = _Growth(costs, codes, counts, members, keeps, need=need)
    while growth.merge_once():
        pass
    return growth.members, growth.kept


class _Growth:
    """Classes that grow."""

    def __init__(
        self, costs: Costs, codes: Any, counts: Ints, members: Ints, keeps: Keeps, *, need: int
    ) -> None:
        self.costs, self.tables, self.need, self.keeps = costs, tables_of(costs), need, keeps
        self.bits: SetBits = place_bits(costs, codes)
        self.members = members
        items = item_bounds(costs, codes, self.bits)
        order = np.argsort(members, kind="stable")
        starts = np.flatnonzero(np.diff(members[order], prepend=-1))
        self.bounds: Bounds = joined_bounds(costs, self.bits, items, order, starts)
        self.counts = np.add.reduceat(counts[order], starts)
        n = len(starts)
        self.kept = keeps(np.arange(len(members)), members, n)
        self.score, self.partner = np.full(n, np.inf), np.full(n, -1, dtype=np.int64)

    def merge_once(self) -> bool:
        """Do the cheapest merges that classes in need ask for; say whether there were any."""
        wanting = np.flatnonzero(~self.kept)
        if not len(wanting) or len(self.kept) == 1:
            return False
        self._look_around(wanting[self.partner[wanting] < 0])
        order = wanting[np.argsort(self.score[wanting], kind="stable")]
        order = order[self.score[order] <= self.score[order[int(len(order) / _SHARE)]]]
        other = self.partner[order]
        wish = np.arange(len(order))
        granted = first_come(
            np.concatenate([wish, wish]),
            np.concatenate([order, other]),
            n_wishes=len(wish),
            n_things=len(self.kept),
        )
        if _SHARE * int(granted.sum()) < len(order):
            granted |= self._takes_for_free(order, other, granted)
        self._merge(order[granted], other[granted])
        return True

    def _takes_for_free(
        self, order: Ints, other: Ints, granted: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Return more merges, into classes that lose nothing more by any number of them.

        Without these, all who are best merged with one large class would have to wait in line.
        """
        busy = np.zeros(len(self.kept), dtype=np.bool_)
        busy[order[granted]] = busy[other[granted]] = True
        goes = np.zeros(len(self.kept), dtype=np.bool_)
        goes[order[granted]] = True
        open_to_all = self._joined(order, other).losses == self.bounds.losses[other]
        free = open_to_all & ~busy[order] & ~goes[other]
        wanted = np.zeros(len(self.kept), dtype=np.bool_)
        wanted[other[free]] = True
        result: npt.NDArray[np.bool_] = free & ~wanted[order]
        return result

    def _joined(self, one: Ints, other: Ints) -> Bounds:
        """Return the bounds of classes joined in pairs."""
        bounds = self.bounds
        return with_losses(
            self.costs,
            self.bits,
            np.minimum(bounds.low[:, one], bounds.low[:, other]),
            np.maximum(bounds.high[:, one], bounds.high[:, other]),
            bounds.words[:, one] | bounds.words[:, other],
        )

    def _look_around(self, asking: Ints) -> None:
        bounds, tables, n = self.bounds, self.tables, len(self.kept)
        kernels().find_partners(
            asking, bounds.low, bounds.high, bounds.words, bounds.groups, *tables.of_spans,
            self.bits.starts, tables.set_units, self.counts, self.counts * bounds.losses, self.need,
            np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32), np.empty(n),
            self.score, self.partner,
        )  # fmt: skip

    def _merge(self, gone: Ints, into: Ints) -> None:
        bounds, n = self.bounds, len(self.kept)
        for join, side in (
            (np.minimum, bounds.low),
            (np.maximum, bounds.high),
            (np.bitwise_or, bounds.words),
        ):
            for row in side:
                join.at(row, into, row[gone])
        grown = np.unique(into)
        joined = self._joined(grown, grown)
        bounds.groups[:, grown], bounds.losses[grown] = joined.groups, joined.losses
        np.add.at(self.counts, into, self.counts[gone])
        touched = np.zeros(n, dtype=np.bool_)
        touched[gone] = touched[into] = True
        stale = touched | touched[self.partner]
        stays = np.ones(n, dtype=np.bool_)
        stays[gone] = False
        place = np.cumsum(stays) - 1
        place[gone] = place[into]
        self.members = place[self.members]
        self.partner = np.where(stale, -1, place[self.partner])[stays]
        self.score, self.counts = self.score[stays], self.counts[stays]
        self.bounds = bounds.take(np.flatnonzero(stays))
        self._ask(place[grown], self.kept[stays])

    def _ask(self, changed: Ints, kept: npt.NDArray[np.bool_]) -> None:
        """Find out whether changed classes keep the conditions."""
        number = np.full(len(kept), -1, dtype=np.int64)
        number[changed] = np.arange(len(changed))
        mine = number[self.members]
        items = np.flatnonzero(mine >= 0)
        kept[changed] = self.keeps(items, mine[items], len(changed))
        self.kept = kept
