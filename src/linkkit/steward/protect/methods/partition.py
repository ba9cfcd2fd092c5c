"""Multidimensional partitioning: people are split in two again and again.

Each part is cut where the two halves lose least in the quasi-identifier that is cut; a cut is
done only when both halves keep the conditions (after LeFevre, DeWitt and Ramakrishnan 2006,
"Mondrian multidimensional k-anonymity", with cuts chosen by what they save). All parts of a
depth are cut at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.hierarchies import Hierarchy
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.methods.costs import Costs, Ints, Shown, compile_costs
from linkkit.steward.protect.methods.grouping import Grouping
from linkkit.steward.protect.methods.judge import Judge
from linkkit.steward.protect.methods.splits import Splitting
from linkkit.steward.protect.models import MissingPolicy

__all__ = ["split", "split_people"]


def split_people(
    items: Items,
    hierarchies: Sequence[Hierarchy],
    conditions: Conditions,
    *,
    shown: Shown,
    missing: MissingPolicy,
    max_suppressed: int,
    population: Items | None = None,
) -> Grouping:
    """Find classes by multidimensional partitioning.

    Parameters
    ----------
    items : Items
        The distinct combinations of finest groups.
    hierarchies : sequence of Hierarchy
        One for each quasi-identifier.
    conditions : Conditions
        What every class must keep.
    shown : {"tight", "levels"}
        What a class shows, which is what its loss is counted from.
    missing : {"category", "wildcard", "suppress"}
        What a missing value is.
    max_suppressed : int
        Taken as all methods take it; everybody is in a part, so nobody is withheld.
    population : Items, optional
        The people of the population, in the same finest groups; where conditions need it.

    Raises
    ------
    ProtectionError
        When not even all people in one class keep the conditions.
    """
    del max_suppressed
    costs = compile_costs(hierarchies, items.codes, items.counts, shown=shown, missing=missing)
    judge = Judge(items, conditions, costs, population)
    judge.require_possible()
    classes, n_classes = split(costs, judge, np.arange(len(items)))
    return Grouping(classes=classes, n_classes=n_classes, method="partition")


def split(costs: Costs, judge: Judge, mine: Ints) -> tuple[Ints, int]:
    """Split some items, who keep the conditions together, into classes.

    Parameters
    ----------
    costs : Costs
        What values lose.
    judge : Judge
        What every class must keep.
    mine : ndarray of int64, shape (n_mine,)
        The items.

    Returns
    -------
    tuple of ndarray of int64, shape (n_mine,), and int
        The class of each, and how many classes there are.
    """
    splitting = Splitting(costs, judge.items.codes[mine], judge.items.counts[mine])
    parts = _Parts(judge, splitting, mine)
    while len(parts.starts):
        parts.go_deeper()
    first = np.zeros(len(mine), dtype=np.int64)
    first[np.concatenate(parts.done)] = 1
    classes = np.empty(len(mine), dtype=np.int64)
    classes[splitting.order] = np.cumsum(first) - 1
    return classes, int(first.sum())


class _Parts:
    """The parts that may still be cut, all of one depth, and where those that are done begin."""

    def __init__(self, judge: Judge, splitting: Splitting, mine: Ints) -> None:
        self.judge, self.splitting, self.mine = judge, splitting, mine
        self.starts = np.zeros(1, dtype=np.int64)
        self.ends = np.full(1, len(splitting.order), dtype=np.int64)
        self.done: list[Ints] = []

    def go_deeper(self) -> None:
        """Cut every part once, or call it done.

        Where the cut that saves most leaves a half that keeps too little, the other
        quasi-identifiers are tried; then all of them once more, cut as evenly as possible.
        """
        n, n_variables = len(self.starts), self.splitting.ranks.shape[1]
        halves: list[tuple[Ints, Ints]] = []
        open_parts = np.arange(n)
        for balanced in (False, True):
            barred = np.zeros((n, n_variables), dtype=np.bool_)
            trying = open_parts
            while len(trying):
                trying, accepted = self._try(trying, barred, balanced=balanced)
                halves += accepted
                open_parts = np.setdiff1d(open_parts, self._accepted, assume_unique=True)
            if self.judge.conditions.only_k:
                break
        self.done.append(self.starts[open_parts])
        self.starts = np.concatenate([np.empty(0, dtype=np.int64)] + [start for start, _ in halves])
        self.ends = np.concatenate([np.empty(0, dtype=np.int64)] + [end for _, end in halves])

    def _try(
        self, trying: Ints, barred: npt.NDArray[np.bool_], *, balanced: bool
    ) -> tuple[Ints, list[tuple[Ints, Ints]]]:
        """Cut parts; return those to try again, and the halves of the others."""
        least = np.full(len(trying), self.judge.need, dtype=np.int64)
        starts, ends = self.starts[trying], self.ends[trying]
        variable, cut = self.splitting.propose(
            starts, ends, least=least, barred=barred[trying], balanced=balanced
        )
        found = np.flatnonzero(variable >= 0)
        trying, starts, ends = trying[found], starts[found], ends[found]
        middles = self.splitting.cut(starts, ends, variable[found], cut[found])
        good = self._halves_keep(starts, middles, ends)
        self._accepted = trying[good]
        barred[trying[~good], variable[found][~good]] = True
        halves = [(starts[good], middles[good]), (middles[good], ends[good])]
        return trying[~good], halves

    def _halves_keep(self, starts: Ints, middles: Ints, ends: Ints) -> npt.NDArray[np.bool_]:
        n = len(starts)
        if self.judge.conditions.only_k or not n:
            return np.ones(n, dtype=np.bool_)
        lengths = np.column_stack([middles - starts, ends - middles]).ravel()
        classes = np.repeat(np.arange(2 * n), lengths)
        places = np.repeat(starts, ends - starts) + _within(ends - starts)
        kept = self.judge.keeps(self.mine[self.splitting.order[places]], classes, 2 * n)
        return kept[0::2] & kept[1::2]


def _within(lengths: Ints) -> Ints:
    """Number the places of segments, each from 0.

    Examples
    --------
    >>> _within(np.array([2, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1])) - np.repeat(ends - lengths, lengths)
