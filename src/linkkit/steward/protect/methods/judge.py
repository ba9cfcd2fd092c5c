"""Asking the conditions: classes of some of the items, with the population where it counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.errors import ProtectionError
from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.methods.costs import Costs
from linkkit.steward.protect.methods.population import Population

__all__ = ["Judge"]

Ints = npt.NDArray[np.int64]


class Judge:
    """Says which classes keep the conditions.

    Parameters
    ----------
    items : Items
        All items of the table.
    conditions : Conditions
        What every class must keep.
    costs : Costs
        What values lose; also says who of the population fits a class.
    population : Items, optional
        The people of the population, in the same finest groups; where conditions need it.

    Raises
    ------
    ValueError
        When conditions need the population and it is not given.
    """

    def __init__(
        self, items: Items, conditions: Conditions, costs: Costs, population: Items | None
    ) -> None:
        self.items, self.conditions = items, conditions
        self.need = max(1, conditions.k)
        self.population: Population | None = None
        if conditions.needs_population:
            if population is None:
                raise ValueError("these conditions need the population")
            self.population = Population(costs, population.codes, population.counts)

    def keeps(
        self, members: npt.NDArray[Any], classes: npt.NDArray[Any], n_classes: int
    ) -> npt.NDArray[np.bool_]:
        """Return which classes keep everything, shape (n_classes,), none of them empty.

        Parameters
        ----------
        members : ndarray of int, shape (n_members,)
            Items.
        classes : ndarray of int, shape (n_members,)
            The class of each, from 0 to `n_classes` - 1.
        n_classes : int
            How many classes there are.
        """
        if self.conditions.only_k:
            people = np.bincount(classes, self.items.counts[members], minlength=n_classes)
            return people >= self.conditions.k
        inside = None
        if self.population is not None:
            codes = self.items.codes[members]
            inside = self.population.people_inside(codes, classes, n_classes=n_classes)
        return self.conditions.met(
            members.astype(np.int64),
            classes.astype(np.int64),
            n_classes=n_classes,
            population=inside,
        )

    def require_possible(self) -> None:
        """Refuse a table in which not even all people together keep the conditions.

        Where a share of the population is demanded, that says nothing of smaller classes.

        Raises
        ------
        ProtectionError
            When that is so.
        """
        n = len(self.items)
        if n and self.conditions.shares:
            return
        if not n or not self.keeps(np.arange(n), np.zeros(n, dtype=np.int64), 1)[0]:
            raise ProtectionError(
                "not even all people in one class keep what is demanded of a class",
                hint="Demand less of a class, or protect a data set of more people.",
            )
