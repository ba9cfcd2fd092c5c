"""Optimal global recoding: the node of the generalization lattice that loses least.

The search is exact. Two facts prune it, both because a coarser level only merges classes
(Samarati 2001; El Emam et al. 2009, "A globally optimal k-anonymity method"):

- suppressing somebody never costs less than generalizing, so what a node would lose without
  any suppression is a lower bound, known before the node is looked at. Nodes are visited in
  the order of that bound, and the search ends where it exceeds the best loss found;
- where a class that keeps the models still keeps them with anybody added, a node finer than
  one that suppresses too many people suppresses too many itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.equivalence import class_numbers
from linkkit.steward.protect.hierarchies import LOSS_UNITS, Hierarchy
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.methods.matching import expanded_members, fitting_members
from linkkit.steward.protect.models import MissingPolicy

__all__ = ["Optimum", "classes_at", "search_lattice"]

Codes = npt.NDArray[np.int64]
Node = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimum:
    """The best node of a lattice.

    Attributes
    ----------
    levels : tuple of int
        The level of each quasi-identifier.
    loss : int
        What is lost over all people and quasi-identifiers, in `LOSS_UNITS`.
    n_suppressed : int
        How many people are in classes that do not keep every model.
    """

    levels: Node
    loss: int
    n_suppressed: int

    @property
    def rank(self) -> tuple[int, int, int, Node]:
        """What is compared: loss, people suppressed, height, levels."""
        return self.loss, self.n_suppressed, sum(self.levels), self.levels


def search_lattice(
    items: Items,
    hierarchies: Sequence[Hierarchy],
    conditions: Conditions,
    *,
    missing: MissingPolicy = "category",
    max_suppressed: int = 0,
    population: Items | None = None,
) -> Optimum | None:
    """Find the levels that lose least while at most `max_suppressed` people are suppressed.

    Parameters
    ----------
    items : Items
        The distinct combinations of finest groups.
    hierarchies : sequence of Hierarchy
        One for each quasi-identifier.
    conditions : Conditions
        What every class must keep.
    missing : {"category", "wildcard", "suppress"}
        What a missing value is; with ``suppress`` there is none among the items.
    max_suppressed : int
        The most people that may be suppressed.
    population : Items, optional
        The people of a population, in the same finest groups.

    Returns
    -------
    Optimum or None
        Of several nodes with the same loss, the one that suppresses fewest people, then the
        lowest, then the first by its levels. None where no node keeps the models.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> from linkkit.agreement import Generalization
    >>> from linkkit.steward.protect.hierarchies import build_hierarchy
    >>> from linkkit.steward.protect.items import find_items
    >>> sex = build_hierarchy("sex", pa.array(["F"] * 9 + ["M"]), Generalization())
    >>> items = find_items([sex.base], [sex.n_groups])
    >>> conditions = Conditions(k=2, counts=items.counts)
    >>> search_lattice(items, [sex], conditions, max_suppressed=1)
    Optimum(levels=(0,), loss=1000000000, n_suppressed=1)
    """
    search = _Search(
        items,
        hierarchies,
        conditions,
        wildcard=missing == "wildcard",
        max_suppressed=max_suppressed,
        population=population,
    )
    return search.run()


def classes_at(
    node: Node,
    items: Items,
    hierarchies: Sequence[Hierarchy],
    conditions: Conditions,
    *,
    missing: MissingPolicy = "category",
    population: Items | None = None,
) -> Codes:
    """Return the class of each item at a node, shape (n_items,), and -1 where it is suppressed.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from linkkit.agreement import Generalization
    >>> from linkkit.steward.protect.hierarchies import build_hierarchy
    >>> from linkkit.steward.protect.items import find_items
    >>> sex = build_hierarchy("sex", pa.array(["F"] * 9 + ["M"]), Generalization())
    >>> items = find_items([sex.base], [sex.n_groups])
    >>> classes_at((0,), items, [sex], Conditions(k=2, counts=items.counts))
    array([ 0, -1])
    """
    search = _Search(
        items,
        hierarchies,
        conditions,
        wildcard=missing == "wildcard",
        max_suppressed=0,
        population=population,
    )
    numbers, kept = search.divide(node)
    _, classes = np.unique(numbers[kept], return_inverse=True)
    result = np.full(len(items), -1, dtype=np.int64)
    result[kept] = classes.ravel()
    return result


class _Search:
    """The state of one search: what is known of the lattice so far."""

    def __init__(
        self,
        items: Items,
        hierarchies: Sequence[Hierarchy],
        conditions: Conditions,
        *,
        wildcard: bool,
        max_suppressed: int,
        population: Items | None,
    ) -> None:
        columns = [items.codes[:, i].astype(np.int64) for i in range(items.codes.shape[1])]
        self.n_items, self.counts = len(items), items.counts
        self.conditions, self.wildcard, self.max_suppressed = conditions, wildcard, max_suppressed
        self.population = population if conditions.needs_population else None
        if self.population is not None:
            more = self.population.codes
            columns = [np.append(mine, more[:, i]) for i, mine in enumerate(columns)]
        levels = [hierarchy.levels for hierarchy in hierarchies]
        self.groups = [
            [level.groups[column] for level in mine]
            for mine, column in zip(levels, columns, strict=True)
        ]
        self.losses = [
            [level.losses[column[: self.n_items]] for level in mine]
            for mine, column in zip(levels, columns, strict=True)
        ]
        self.n_groups = [[len(level.labels) for level in mine] for mine in levels]
        self.shape = tuple(len(mine) for mine in levels)
        self.hopeless = np.zeros(self.shape, dtype=np.bool_)
        self.known: dict[Node, Optimum] = {}

    def run(self) -> Optimum | None:
        bounds = self._bounds()
        best: Optimum | None = None
        for place in np.argsort(bounds, axis=None, kind="stable"):
            if best is not None and bounds.flat[place] > best.loss:
                break
            if self.hopeless.flat[place]:
                continue
            node: Node = tuple(int(i) for i in np.unravel_index(place, self.shape))
            if not self._is_feasible(node):
                if self.conditions.grow:
                    self._climb(node)
            elif best is None or self._look(node).rank < best.rank:
                best = self._look(node)
        return best

    def divide(self, node: Node) -> tuple[Codes, npt.NDArray[np.bool_]]:
        """Return each item's class number, and which items' classes keep the models."""
        columns = [mine[level] for mine, level in zip(self.groups, node, strict=True)]
        sizes = [mine[level] for mine, level in zip(self.n_groups, node, strict=True)]
        if self.wildcard:
            return self._divide_with_gaps(node, columns, sizes)
        numbers, n_classes = class_numbers(columns, sizes)
        inside = None
        if self.population is not None:
            theirs = numbers[self.n_items :]
            inside = np.bincount(theirs, weights=self.population.counts, minlength=n_classes)
        mine = numbers[: self.n_items]
        everybody = np.arange(self.n_items)
        met = self.conditions.met(everybody, mine, n_classes=n_classes, population=inside)
        return mine, met[mine]

    def _divide_with_gaps(
        self, node: Node, columns: list[Codes], sizes: list[int]
    ) -> tuple[Codes, npt.NDArray[np.bool_]]:
        """Divide where a missing value fits any; who is suppressed fits nobody any more."""
        numbers, _ = class_numbers(columns, sizes)
        _, first, mine = np.unique(numbers[: self.n_items], return_index=True, return_inverse=True)
        table = np.column_stack(columns)
        top = [level == n - 1 for level, n in zip(node, self.shape, strict=True)]
        gaps = np.array([-1 if t else n - 1 for t, n in zip(top, sizes, strict=True)])
        fitting = {"missing": gaps, "n_groups": np.array(sizes)}
        of_class = mine.ravel()
        inside = None
        if self.population is not None:
            people, fit = fitting_members(table[self.n_items :], table[first], **fitting)
            weights = self.population.counts[people]
            inside = np.bincount(fit, weights=weights, minlength=len(first))
        other, fit = fitting_members(table[first], table[first], **fitting)
        kept = np.ones(len(first), dtype=np.bool_)
        while True:
            live = kept[other] & kept[fit]
            member, of = expanded_members(other[live], fit[live], of_class, n_looks=len(first))
            met = kept & self.conditions.met(member, of, n_classes=len(first), population=inside)
            if np.array_equal(met, kept):
                return of_class, kept[of_class]
            kept = met

    def _bounds(self) -> Codes:
        """Return what each node loses when nobody is suppressed, shape of the lattice."""
        bounds = np.zeros(self.shape, dtype=np.int64)
        for axis, levels in enumerate(self.losses):
            totals = np.array([int((loss * self.counts).sum()) for loss in levels])
            bounds += totals.reshape([-1 if i == axis else 1 for i in range(len(self.shape))])
        return bounds

    def _look(self, node: Node) -> Optimum:
        if node not in self.known:
            self.known[node] = self._measure(node)
        return self.known[node]

    def _measure(self, node: Node) -> Optimum:
        _, kept = self.divide(node)
        lost = np.zeros(self.n_items, dtype=np.int64)
        for mine, level in zip(self.losses, node, strict=True):
            lost += mine[level]
        lost[~kept] = LOSS_UNITS * len(node)
        return Optimum(
            levels=node,
            loss=int((lost * self.counts).sum()),
            n_suppressed=int(self.counts[~kept].sum()),
        )

    def _is_feasible(self, node: Node) -> bool:
        return self._look(node).n_suppressed <= self.max_suppressed

    def _climb(self, node: Node) -> None:
        """Find the highest hopeless node on a path to the top, and mark all that is finer."""
        path = self._path(node)
        low, high = 0, len(path)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._is_feasible(path[middle]) else (middle, high)
        self.hopeless[tuple(slice(0, level + 1) for level in path[low])] = True

    def _path(self, node: Node) -> list[Node]:
        path = [node]
        while any(level < n - 1 for level, n in zip(path[-1], self.shape, strict=True)):
            for axis, n in enumerate(self.shape):
                here = path[-1]
                if here[axis] < n - 1:
                    path.append((*here[:axis], here[axis] + 1, *here[axis + 1 :]))
        return path
