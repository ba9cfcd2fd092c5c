"""Optimal global recoding: the node of the generalization lattice that loses least.

Pure: arrays in, arrays out; `_reference` holds the slow twin. The search is exact. Two facts
prune it, both because a coarser level only merges classes (Samarati 2001; El Emam et al. 2009,
"A globally optimal k-anonymity method"):

- a node finer than one that suppresses too many people suppresses too many itself;
- suppressing somebody never costs less than generalizing, so what a node would lose without
  any suppression is a lower bound, known before the node is looked at. Nodes are visited in
  the order of that bound, and the search ends where it exceeds the best loss found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.equivalence import class_numbers, class_totals
from linkkit.steward.protect.hierarchies import LOSS_UNITS

__all__ = ["Optimum", "search_lattice"]

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
        How many people are in classes of fewer than k.
    """

    levels: Node
    loss: int
    n_suppressed: int

    @property
    def rank(self) -> tuple[int, int, int, Node]:
        """What is compared: loss, people suppressed, height, levels."""
        return self.loss, self.n_suppressed, sum(self.levels), self.levels


def search_lattice(
    combinations: Codes,
    counts: Codes,
    *,
    groups: Sequence[Sequence[Codes]],
    losses: Sequence[Sequence[Codes]],
    k: int,
    max_suppressed: int,
) -> Optimum:
    """Find the levels that lose least while at most `max_suppressed` people are suppressed.

    Parameters
    ----------
    combinations : ndarray of int64, shape (n_combinations, n_variables)
        The distinct combinations of the variables' finest groups.
    counts : ndarray of int64, shape (n_combinations,)
        How many people have each.
    groups, losses : sequence over variables of sequences over levels of ndarray of int64
        For each finest group, the group that it belongs to at a level, and what is lost of
        it there, from 0 to `LOSS_UNITS`. At the last level all are in one group.
    k : int
        The fewest people in a class.
    max_suppressed : int
        The most people that may be suppressed.

    Returns
    -------
    Optimum
        Of several nodes with the same loss, the one that suppresses fewest people, then the
        lowest, then the first by its levels.

    Raises
    ------
    ValueError
        When there are fewer than k people, so that no node is feasible.

    Examples
    --------
    >>> import numpy as np
    >>> keep, drop = np.array([0, 1]), np.array([0, 0])
    >>> search_lattice(
    ...     np.array([[0], [1]]),
    ...     np.array([9, 1]),
    ...     groups=[[keep, drop]],
    ...     losses=[[drop, drop + LOSS_UNITS]],
    ...     k=2,
    ...     max_suppressed=1,
    ... )
    Optimum(levels=(0,), loss=1000000000, n_suppressed=1)
    """
    search = _Search(
        combinations, counts, groups=groups, losses=losses, k=k, max_suppressed=max_suppressed
    )
    return search.run()


class _Search:
    """The state of one search: what is known of the lattice so far."""

    def __init__(
        self,
        combinations: Codes,
        counts: Codes,
        *,
        groups: Sequence[Sequence[Codes]],
        losses: Sequence[Sequence[Codes]],
        k: int,
        max_suppressed: int,
    ) -> None:
        columns = list(combinations.T)
        self.counts, self.k, self.max_suppressed = counts, k, max_suppressed
        self.groups = _gather(groups, columns)
        self.losses = _gather(losses, columns)
        self.n_groups = [[int(level.max(initial=0)) + 1 for level in mine] for mine in groups]
        self.shape = tuple(len(levels) for levels in groups)
        self.hopeless = np.zeros(self.shape, dtype=np.bool_)
        self.known: dict[Node, Optimum] = {}

    def run(self) -> Optimum:
        bounds = self._bounds()
        best: Optimum | None = None
        for place in np.argsort(bounds, axis=None, kind="stable"):
            if best is not None and bounds.flat[place] > best.loss:
                break
            if self.hopeless.flat[place]:
                continue
            node: Node = tuple(int(i) for i in np.unravel_index(place, self.shape))
            if not self._is_feasible(node):
                self._climb(node)
            elif best is None or self._look(node).rank < best.rank:
                best = self._look(node)
        if best is None:
            raise ValueError("there are fewer people than k")
        return best

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
        columns = [mine[level] for mine, level in zip(self.groups, node, strict=True)]
        sizes = [mine[level] for mine, level in zip(self.n_groups, node, strict=True)]
        numbers, n_classes = class_numbers(columns, sizes)
        totals = class_totals(numbers, self.counts, n_classes=n_classes)
        kept = totals[numbers] >= self.k
        lost = np.zeros(len(kept), dtype=np.int64)
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


def _gather(tables: Sequence[Sequence[Codes]], columns: Sequence[Codes]) -> list[list[Codes]]:
    """Look each level up for every combination."""
    return [
        [level[column] for level in levels] for levels, column in zip(tables, columns, strict=True)
    ]
