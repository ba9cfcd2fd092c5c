"""Refining classes: items move to classes where they cost less, classes that cost much dissolve.

Work is in rounds. In each, every item looks for the class that it is best moved to; every class
proposes its best move, or to dissolve; the proposals that save most and do not touch each other
are done, all at once; and those after which a class does not keep the conditions, or that saved
nothing together, are undone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.methods.costs import (
    Bounds,
    Costs,
    item_bounds,
    joined_bounds,
    place_bits,
)
from linkkit.steward.protect.methods.grow import Ints, Keeps, first_come, kernels, tables_of

__all__ = ["refine"]

_WORD = 32
_Proposals = tuple[Ints, Ints, Ints, Ints]
"""Items, where they would go, the class that proposes it, and what each class saves by that."""
_FAR = np.iinfo(np.int64).max


def refine(
    costs: Costs,
    codes: npt.NDArray[np.int32],
    counts: Ints,
    members: Ints,
    keeps: Keeps,
    *,
    need: int,
    max_withheld: int,
    max_rounds: int,
    least_gain: float,
) -> tuple[Ints, int]:
    """Lower the loss of classes that keep the conditions.

    Parameters
    ----------
    costs : Costs
        What values lose.
    codes : ndarray of int32, shape (n_items, n_variables)
        Finest groups.
    counts, members : ndarray of int64, shape (n_items,)
        People of each item, and its class, from 0 without gaps.
    keeps : callable
        Which classes keep the conditions.
    need : int
        How many people a class needs at least; more may be needed.
    max_withheld : int
        How many people may be withheld where that lowers the loss.
    max_rounds : int
        How many rounds there are at most.
    least_gain : float
        A round that lowers the loss by a smaller share is the last.

    Returns
    -------
    tuple of ndarray of int64, shape (n_items,), and int
        The class of each item, from 0 without gaps, -1 where withheld; and the people withheld.
    """
    refinement = _Refinement(costs, codes, counts, members, keeps, need=need)
    refinement.budget = max_withheld
    exchange = False
    for _ in range(max_rounds):
        before = refinement.loss
        refinement.run_round(exchange=exchange)
        if before - refinement.loss <= least_gain * before:
            if exchange:
                break
            exchange = True
    return refinement.members, max_withheld - refinement.budget


class _Refinement:
    """Classes that are refined."""

    def __init__(
        self, costs: Costs, codes: Any, counts: Ints, members: Ints, keeps: Keeps, *, need: int
    ) -> None:
        self.costs, self.tables, self.need, self.keeps = costs, tables_of(costs), need, keeps
        self.codes, self.counts, self.members = codes, counts, members.copy()
        self.bits = place_bits(costs, codes)
        self.items: Bounds = item_bounds(costs, codes, self.bits)
        self.budget = 0
        n = len(members)
        self.cost = np.full(n, _FAR)
        self.destination = np.full(n, -1, dtype=np.int64)
        self.barred = np.zeros(n, dtype=np.bool_)
        n_classes = int(members.max(initial=-1)) + 1
        self.barred_classes = np.zeros(n_classes, dtype=np.bool_)
        self._place_groups()
        self._count_out(np.ones(n_classes, dtype=np.bool_))

    def _place_groups(self) -> None:
        """Find word and bit of each item's group, and a number of the group over all sets."""
        bits = self.bits
        takes_part = bits.n_bits > 0
        first = np.where(takes_part, bits.first_bit, 0)
        self.word_of = bits.starts[:-1, None] + first // _WORD
        self.bit_of = (np.uint32(1) << (first % _WORD).astype(np.uint32)).astype(np.uint32)
        n_all = int(bits.starts[-1]) * _WORD
        self.groups = np.where(takes_part, self.word_of * _WORD + first % _WORD, n_all)
        self.occurrences = np.zeros(n_all + 1, dtype=np.int64)

    def _count_out(self, changed: npt.NDArray[np.bool_]) -> None:
        """Bring everything that is known of classes up to date; they are numbered without gaps."""
        self.order = np.argsort(self.members, kind="stable")
        of_order = self.members[self.order]
        self.order = self.order[np.searchsorted(of_order, 0) :]
        n_classes = len(changed)
        self.starts = np.searchsorted(self.members[self.order], np.arange(n_classes + 1))
        self.bounds = joined_bounds(self.costs, self.bits, self.items, self.order, self.starts[:-1])
        self.people = np.add.reduceat(self.counts[self.order], self.starts[:-1])
        self.own = self.people * self.bounds.losses
        self._look_around(changed)

    @property
    def loss(self) -> int:
        """What all people lose who are not withheld, and those who were withheld here."""
        withheld = int(self.counts[self.members < 0].sum())
        return int(self.own.sum()) + withheld * self.costs.withheld

    def _look_around(self, changed: npt.NDArray[np.bool_]) -> None:
        """Find the best destination of every item whose class loses anything."""
        asks = np.zeros(len(self.members), dtype=np.bool_)
        asks[self.order] = self.bounds.losses[self.members[self.order]] > 0
        known = self.destination
        stale = changed[known] | (known < 0) | changed[self.members]
        self.cost[stale], self.destination[stale] = _FAR, -1
        everything = np.arange(len(changed))
        self._find(np.flatnonzero(asks & stale), everything)
        self._find(np.flatnonzero(asks & ~stale), everything[changed])

    def _find(self, asking: Ints, candidates: Ints) -> None:
        if not len(asking) or not len(candidates):
            return
        whole = len(candidates) == len(self.people)
        bounds = self.bounds if whole else self.bounds.take(candidates)
        known = self.people[candidates], self.own[candidates], candidates
        self._search(asking, bounds, known, cost=self.cost, found=self.destination)

    def _search(
        self,
        asking: Ints,
        bounds: Bounds,
        known: tuple[Ints, Ints, Ints],
        *,
        cost: Ints,
        found: Ints,
    ) -> None:
        """Let items look for the class that they are best moved to, among some.

        Of those, `known` are the people, what they lose together, and the numbers.
        """
        items, tables, n = self.items, self.tables, len(known[0])
        held = np.empty((len(self.costs.sets), n), dtype=np.int32)
        for t in range(len(held)):
            words = bounds.words[self.bits.starts[t] : self.bits.starts[t + 1]]
            held[t] = np.bitwise_count(words).sum(axis=0)
        kernels().find_destinations(
            asking, self.members, self.counts, items.low, items.high, items.groups, self.word_of,
            self.bit_of, self.bits.n_bits, bounds.low, bounds.high, bounds.words, bounds.groups, held,
            *known, *tables.of_spans, tables.set_units, np.empty(n, dtype=np.int32),
            np.empty(n, dtype=np.int64), cost, found,
        )  # fmt: skip

    def run_round(self, *, exchange: bool = False) -> None:
        """Do the best proposals that do not touch each other and keep the conditions.

        With `exchange`, classes that cannot spare an item may also ask for another one.
        """
        self._weigh_leaving()
        proposals = [self._moves(), self._exchanges()] if exchange else [self._moves()]
        items, targets, wishes = _ranked(proposals)
        if not len(items):
            return
        homes = self.members[items]
        n_wishes = int(wishes[-1]) + 1
        placed = np.flatnonzero(targets >= 0)
        granted = first_come(
            np.concatenate([wishes, wishes[placed]]),
            np.concatenate([homes, targets[placed]]),
            n_wishes=n_wishes,
            n_things=len(self.people),
        )
        self._stay_in_budget(granted, items, targets, wishes)
        done = granted[wishes]
        self._apply(items[done], targets[done], wishes[done], n_wishes=n_wishes)

    def _weigh_leaving(self) -> None:
        """Find out for every item in order what its class saves without it, and what it costs."""
        order = self.order
        self.class_of = self.members[order]
        self.weight = self.counts[order]
        self.rest = self.people[self.class_of] - self.weight
        self.remainder = self.rest * self._losses_without()
        self.saved = self.own[self.class_of] - self.remainder
        away = self.weight * self.costs.withheld
        withhold = (away < self.cost[order]) & (self.weight <= self.budget)
        self.price = np.where(withhold, away, self.cost[order])
        self.target = np.where(withhold, -1, self.destination[order])
        self.stuck = self.price == _FAR
        self.price[self.stuck] = 0

    def _moves(self) -> _Proposals:
        """Let every class propose its best move, or to dissolve."""
        first, order, class_of = self.starts[:-1], self.order, self.class_of
        gain = self.saved - self.price
        gain[self.stuck | (self.rest < self.need) | self.barred[order]] = 0
        best = np.maximum.reduceat(gain, first)
        n_stuck = np.add.reduceat(self.stuck.astype(np.int64), first)
        dissolved = self.own - np.add.reduceat(self.price, first)
        dissolved[(n_stuck > 0) | self.barred_classes] = 0
        saved = np.maximum(best, dissolved)
        dissolves = (dissolved >= best)[class_of]
        chosen = (saved[class_of] > 0) & (dissolves | _first_equal(gain, best, self.starts))
        return order[chosen], self.target[chosen], class_of[chosen], saved

    def _exchanges(self) -> _Proposals:
        """Let classes that cannot spare an item give it away and take another one for it.

        The class gives the item without which it saves most. Every item that its class can
        spare looks for the class that saves most by taking it instead.
        """
        first, order = self.starts[:-1], self.order
        n_classes = len(self.people)
        gain = self.saved - self.price
        useless = self.stuck | (self.target < 0) | (self.rest >= self.need) | (self.rest == 0)
        gain[useless | self.barred[order]] = 0
        best = np.maximum.reduceat(gain, first)
        given = np.flatnonzero(_first_equal(gain, best, self.starts) & (best[self.class_of] > 0))
        spare = order[(self.rest >= self.need) & ~self.barred[order]]
        if not len(given) or not len(spare):
            nothing = np.empty(0, dtype=np.int64)
            return nothing, nothing, nothing, np.zeros(n_classes, dtype=np.int64)
        spare, taker, saved = self._replacements(given, gain[given], spare)
        total = np.zeros(n_classes, dtype=np.int64)
        total[taker] = saved
        place = np.full(n_classes, -1, dtype=np.int64)
        place[self.class_of[given]] = given
        gone = place[taker]
        return (
            np.concatenate([order[gone], spare]),
            np.concatenate([self.target[gone], taker]),
            np.concatenate([taker, taker]),
            total,
        )

    def _replacements(self, given: Ints, gain: Ints, spare: Ints) -> tuple[Ints, Ints, Ints]:
        """Find an item for classes that give one away.

        Parameters
        ----------
        given, gain : ndarray of int64, shape (n_classes_that_ask,)
            Where the item stands in the order, and what giving it away saves.
        spare : ndarray of int64
            Items that may come.

        Returns
        -------
        tuple of ndarray of int64
            For classes that find one: the item, the class, and what all of it saves.
        """
        n_items, asking = len(self.members), self.class_of[given]
        asks = np.zeros(len(self.people), dtype=np.bool_)
        asks[asking] = True
        stays = asks[self.class_of]
        stays[given] = False
        left = np.flatnonzero(stays)
        starts = np.flatnonzero(np.diff(self.class_of[left], prepend=-1))
        bounds = joined_bounds(self.costs, self.bits, self.items, self.order[left], starts)
        price, taker = np.full(n_items, _FAR), np.full(n_items, -1, dtype=np.int64)
        known = self.rest[given], self.remainder[given] + gain, asking
        self._search(spare, bounds, known, cost=price, found=taker)
        leaving = np.zeros(n_items, dtype=np.int64)
        leaving[self.order] = self.saved
        rest = np.zeros(len(self.people), dtype=np.int64)
        rest[asking] = self.rest[given]
        spare = spare[taker[spare] >= 0]
        saved, taken = leaving[spare] - price[spare], taker[spare]
        fits = np.flatnonzero((saved > 0) & (rest[taken] + self.counts[spare] >= self.need))
        fits = fits[np.lexsort((spare[fits], -saved[fits], taken[fits]))]
        chosen = fits[np.flatnonzero(np.diff(taken[fits], prepend=-1))]
        return spare[chosen], taken[chosen], saved[chosen]

    def _losses_without(self) -> Ints:
        without = np.zeros(len(self.order), dtype=np.int64)
        tables = self.tables
        kernels().losses_without(
            self.order, self.starts, self.items.low, self.items.high, self.groups, self.bits.n_bits,
            self.occurrences, *tables.of_spans, tables.set_units, without,
        )  # fmt: skip
        return without

    def _stay_in_budget(
        self, granted: npt.NDArray[np.bool_], items: Ints, targets: Ints, wishes: Ints
    ) -> None:
        """Take back what withholds too many people together; the first come first."""
        withheld = np.zeros(len(granted), dtype=np.int64)
        away = targets < 0
        np.add.at(withheld, wishes[away], self.counts[items[away]])
        withheld[~granted] = 0
        granted[(withheld > 0) & (np.cumsum(withheld) > self.budget)] = False

    def _apply(self, items: Ints, targets: Ints, wishes: Ints, *, n_wishes: int) -> None:
        before = self.members.copy()
        homes = before[items]
        n_classes = len(self.people)
        wish_of = np.full(n_classes, -1, dtype=np.int64)
        wish_of[homes] = wishes
        placed = targets >= 0
        wish_of[targets[placed]] = wishes[placed]
        self.members[items] = targets
        bad = self._failed(wish_of, items, targets, wishes, n_wishes=n_wishes)
        undone = bad[wishes]
        self.members[items[undone]] = homes[undone]
        self.budget -= int(self.counts[items[~undone & ~placed]].sum())
        self.barred[items[undone]] = True
        self.barred_classes[homes[undone]] = True
        self._renumber(wish_of, bad)

    def _failed(
        self, wish_of: Ints, items: Ints, targets: Ints, wishes: Ints, *, n_wishes: int
    ) -> npt.NDArray[np.bool_]:
        """Return the proposals that break a condition or save nothing."""
        touched = np.flatnonzero((self.members >= 0) & (wish_of[self.members] >= 0))
        touched = touched[np.argsort(self.members[touched], kind="stable")]
        classes = self.members[touched]
        starts = np.flatnonzero(np.diff(classes, prepend=-1))
        found = classes[starts]
        bounds = joined_bounds(self.costs, self.bits, self.items, touched, starts)
        people = np.add.reduceat(self.counts[touched], starts)
        number = np.zeros(len(wish_of), dtype=np.int64)
        number[found] = np.arange(len(found))
        kept = self.keeps(touched, number[classes], len(found))
        saved = np.zeros(n_wishes, dtype=np.int64)
        involved = np.flatnonzero(wish_of >= 0)
        np.add.at(saved, wish_of[involved], self.own[involved])
        np.subtract.at(saved, wish_of[found], people * bounds.losses)
        away = targets < 0
        np.subtract.at(saved, wishes[away], self.counts[items[away]] * self.costs.withheld)
        bad = saved <= 0
        bad[wish_of[found[~kept]]] = True
        return bad

    def _renumber(self, wish_of: Ints, bad: npt.NDArray[np.bool_]) -> None:
        """Close the gaps that dissolved classes leave."""
        changed = (wish_of >= 0) & ~bad[wish_of]
        stays = np.zeros(len(wish_of), dtype=np.bool_)
        stays[self.members[self.members >= 0]] = True
        place = np.where(stays, np.cumsum(stays) - 1, -1)
        lifted = (changed & stays)[self.members] | changed[self.destination]
        self.barred[lifted] = False
        self.destination = np.where(self.destination >= 0, place[self.destination], -1)
        self.members = np.where(self.members >= 0, place[self.members], -1)
        self.barred_classes = (self.barred_classes & ~changed)[stays]
        self._count_out(changed[stays])


def _ranked(proposals: list[_Proposals]) -> tuple[Ints, Ints, Ints]:
    """Number proposals from the one that saves most, and put their moves in that order.

    Returns items, where they would go (-1: withheld) and the number of the proposal.
    """
    items, targets, keys, gains = [], [], [], []
    n_keys = 0
    for item, target, source, saved in proposals:
        items.append(item)
        targets.append(target)
        keys.append(source + n_keys)
        gains.append(saved)
        n_keys += len(saved)
    gain, key = np.concatenate(gains), np.concatenate(keys)
    wanted = np.unique(key)
    wanted = wanted[np.argsort(-gain[wanted], kind="stable")]
    number = np.empty(n_keys, dtype=np.int64)
    number[wanted] = np.arange(len(wanted))
    order = np.argsort(number[key], kind="stable")
    return np.concatenate(items)[order], np.concatenate(targets)[order], number[key][order]


def _first_equal(gain: Ints, best: Ints, starts: Ints) -> npt.NDArray[np.bool_]:
    """Return for each class its first member with the best gain."""
    class_of = np.repeat(np.arange(len(best)), np.diff(starts))
    equal = np.flatnonzero(gain == best[class_of])
    chosen = np.zeros(len(gain), dtype=np.bool_)
    chosen[equal[np.flatnonzero(np.diff(class_of[equal], prepend=-1))]] = True
    return chosen
