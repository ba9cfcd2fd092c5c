"""Conditions: the privacy models of one table as arrays, and which classes keep them.

Pure: arrays in, arrays out. The methods know no model; all of them ask :meth:`Conditions.met`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.rules import Distinct, People, Rule, share_within
from linkkit.steward.protect.tally import Entries, Members, regrouped, tally

__all__ = ["Conditions"]

_Bools = npt.NDArray[np.bool_]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Conditions:
    """What every class must keep; :func:`~.compiled_models.compile_conditions` makes them.

    Attributes
    ----------
    k : int
        The fewest people in a class.
    counts : ndarray of int64, shape (n_items,)
        How many people each item has.
    people : Entries, optional
        Who is in each item, where somebody is in several; else `counts` add up.
    rules : tuple of (Entries, tuple of Rule)
        What is counted in a class, and what its counts must keep.
    population_k : int
        The fewest people of the population who fit a class; 0 where nothing is asked.
    shares : tuple of (float, float)
        From and up to which share of them may be in the class.
    """

    k: int
    counts: _Ints
    people: Entries | None = None
    rules: tuple[tuple[Entries, tuple[Rule, ...]], ...] = ()
    population_k: int = 0
    shares: tuple[tuple[float, float], ...] = ()

    @property
    def only_k(self) -> bool:
        """Whether the number of people is all that counts, so that a kernel may decide alone."""
        return self.people is None and not self.rules and not self.needs_population

    @property
    def grow(self) -> bool:
        """Whether a class that keeps the models keeps them with anybody added."""
        rules = [rule for _, mine in self.rules for rule in mine]
        return not self.shares and all(isinstance(rule, (People, Distinct)) for rule in rules)

    @property
    def needs_population(self) -> bool:
        """Whether `met` has to be told how many people of the population fit each class."""
        return self.population_k > 0 or bool(self.shares)

    def met(
        self,
        items: _Ints,
        classes: _Ints,
        *,
        n_classes: int,
        population: _Ints | None = None,
    ) -> _Bools:
        """Return which classes keep every model, shape (n_classes,).

        Parameters
        ----------
        items, classes : ndarray of int64, shape (n_members,)
            An item and a class that it is in, each pair once. An item is in several classes
            only where missing values agree with everything.
        n_classes : int
            How many classes there are; one without members keeps nothing.
        population : ndarray of int64, shape (n_classes,), optional
            How many people of the population fit each class.

        Raises
        ------
        ValueError
            When `population` is needed and not given.
        """
        people: npt.NDArray[Any] = np.bincount(
            classes, weights=self.counts[items], minlength=n_classes
        )
        kept: _Bools = people >= max(1, self.k)
        if self.only_k or not kept.any():
            return kept
        if not kept.all():
            stays = kept[classes]
            items, classes = items[stays], classes[stays]
        members = Members.of(items, classes, n_items=len(self.counts), n_classes=n_classes)
        if self.people is not None:
            found = tally(self.people, members)
            people = found.total(found.counts)
            kept &= people >= self.k
        for entries, rules in self.rules:
            found = tally(entries, members)
            for rule in rules:
                kept &= rule.met(found)
        return kept & self._fits(people, population) if self.needs_population else kept

    def of_groups(self, groups: _Ints, *, n_groups: int) -> Conditions:
        """Return the same conditions with groups of items in place of items.

        Parameters
        ----------
        groups : ndarray of int64, shape (n_items,)
            The group of each item; -1 for items that are in none.
        n_groups : int
            How many groups there are.
        """
        inside = groups >= 0
        people = np.bincount(groups[inside], weights=self.counts[inside], minlength=n_groups)
        return replace(
            self,
            counts=people.astype(np.int64),
            people=None if self.people is None else regrouped(self.people, groups),
            rules=tuple((regrouped(entries, groups), mine) for entries, mine in self.rules),
        )

    def _fits(self, people: npt.NDArray[np.float64], population: _Ints | None) -> _Bools:
        if population is None:
            raise ValueError("these models need the population of each class")
        kept: _Bools = population >= self.population_k
        for low, high in self.shares:
            kept &= share_within(people, population, low, high)
        return kept
