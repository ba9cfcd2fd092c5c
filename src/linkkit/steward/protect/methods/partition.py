"""Multidimensional partitioning: people are split in two again and again.

Each part is cut where the two halves lose least in the quasi-identifier that is cut; a cut is
done only when both halves keep the conditions (after LeFevre, DeWitt and Ramakrishnan 2006,
"Mondrian multidimensional k-anonymity", with cuts chosen by what they save). All parts of a
depth are cut at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba
from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.hierarchies import Hierarchy
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.methods.costs import Costs, Ints, Shown, compile_costs
from linkkit.steward.protect.methods.grouping import Grouping
from linkkit.steward.protect.methods.grow import Tables, tables_of
from linkkit.steward.protect.methods.judge import Judge
from linkkit.steward.protect.models import MissingPolicy

__all__ = ["neighborhoods", "split_people"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class RankTables:
    """What kernels have to know of each rank of each quasi-identifier."""

    lows: Ints
    highs: Ints
    starts: Ints
    is_set: npt.NDArray[np.bool_]
    units: Ints
    n_levels: Ints
    n_places: Ints
    offsets: Ints
    tables: Tables


def rank_tables(costs: Costs) -> RankTables:
    """Lay out what each rank loses."""
    n = costs.n_variables
    tables = tables_of(costs)
    of_span = {span.column: i for i, span in enumerate(costs.spans)}
    of_set = {values.column: values for values in costs.sets}
    lows, highs = [], []
    units = np.full(n, costs.unit, dtype=np.int64)
    n_levels, n_places, offsets = (np.zeros(n, dtype=np.int64) for _ in range(3))
    for v, ranks in enumerate(costs.ranks):
        groups = np.argsort(ranks)
        if v in of_set:
            lows.append(np.zeros(len(groups), dtype=np.int64))
            highs.append(of_set[v].sizes[groups])
            units[v] = of_set[v].unit
            continue
        i = of_span[v]
        lows.append(costs.spans[i].low[groups].astype(np.int64))
        highs.append(costs.spans[i].high[groups].astype(np.int64))
        n_levels[v], n_places[v] = tables.n_levels[i], tables.n_places[i]
        offsets[v] = tables.offsets[i]
    sizes = np.array([len(ranks) for ranks in costs.ranks], dtype=np.int64)
    return RankTables(
        lows=np.concatenate(lows),
        highs=np.concatenate(highs),
        starts=np.cumsum(sizes) - sizes,
        is_set=np.array([v in of_set for v in range(n)], dtype=np.bool_),
        units=units,
        n_levels=n_levels,
        n_places=n_places,
        offsets=offsets,
        tables=tables,
    )


def kernels() -> Any:
    """Return the module of kernels: compiled, or on whole arrays where numba is missing."""
    if has_numba():
        from linkkit.steward.protect.methods import _split_kernels

        return _split_kernels
    from linkkit.steward.protect.methods import _split_arrays

    return _split_arrays


class _Splitting:
    """Items in an order in which parts stand together, and the parts."""

    def __init__(self, costs: Costs, codes: npt.NDArray[np.int32], weights: Ints) -> None:
        self.of_ranks, self.weights = rank_tables(costs), weights
        n_items, n = codes.shape
        self.ranks = np.empty((n_items, n), dtype=np.int32)
        for v in range(n):
            self.ranks[:, v] = costs.ranks[v][codes[:, v]]
        self.order = np.arange(n_items, dtype=np.int32)
        self.spare = np.empty(n_items, dtype=np.int32)
        n_most = max((len(ranks) for ranks in costs.ranks), default=0) + 1
        self.sums, self.after, self.found, self.weight = (
            np.zeros(max(n_most, 64), dtype=np.int64) for _ in range(4)
        )

    def propose(
        self, starts: Ints, ends: Ints, *, least: Ints, barred: npt.NDArray[np.bool_], balanced: bool
    ) -> tuple[Ints, Ints]:
        """Return the quasi-identifier where each part is best cut, -1 for nowhere, and the cut."""
        variable, cut = np.empty(len(starts), np.int64), np.empty(len(starts), np.int64)
        of, tables = self.of_ranks, self.of_ranks.tables
        kernels().propose_cuts(
            self.order, starts, ends, least, barred, balanced, self.ranks, self.weights, of.lows,
            of.highs, of.starts, of.is_set, of.units, of.n_levels, of.n_places, of.offsets,
            tables.paths, tables.losses, self.found, self.weight, self.sums, self.after, variable,
            cut,
        )  # fmt: skip
        return variable, cut

    def cut(self, starts: Ints, ends: Ints, variable: Ints, cut: Ints) -> Ints:
        """Reorder the items of parts by their cuts; return where the second halves begin."""
        middles = np.empty(len(starts), dtype=np.int64)
        kernels().cut_segments(
            self.order, starts, ends, variable, cut, self.ranks, self.spare, middles
        )
        return middles


def split_people(
    items: Items,
    hierarchies: Sequence[Hierarchy],
    conditions: Conditions,
    *,
    shown: Shown,
    missing: MissingPolicy,
    max_suppressed: int,
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

    Raises
    ------
    ProtectionError
        When not even all people in one class keep the conditions.
    """
    del max_suppressed
    costs = compile_costs(hierarchies, items.codes, items.counts, shown=shown, missing=missing)
    judge = Judge(items, conditions, costs)
    judge.require_possible()
    splitting = _Splitting(costs, items.codes, items.counts)
    parts = _Parts(judge, splitting)
    while len(parts.starts):
        parts.go_deeper()
    first = np.zeros(len(items), dtype=np.int64)
    first[np.concatenate(parts.done)] = 1
    classes = np.empty(len(items), dtype=np.int64)
    classes[splitting.order] = np.cumsum(first) - 1
    return Grouping(classes=classes, n_classes=int(first.sum()), method="partition")


class _Parts:
    """The parts that may still be cut, all of one depth, and where those that are done begin."""

    def __init__(self, judge: Judge, splitting: _Splitting) -> None:
        self.judge, self.splitting = judge, splitting
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
        kept = self.judge.keeps(self.splitting.order[places], classes, 2 * n)
        return kept.reshape(n, 2).all(axis=1)


def _within(lengths: Ints) -> Ints:
    """Number the places of segments, each from 0.

    Examples
    --------
    >>> _within(np.array([2, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1])) - np.repeat(ends - lengths, lengths)


def neighborhoods(
    costs: Costs, codes: npt.NDArray[np.int32], *, most: int
) -> tuple[Ints, list[tuple[int, int]]]:
    """Put items into an order of neighbors, and into blocks of it.

    Parameters
    ----------
    costs : Costs
        What values lose.
    codes : ndarray of int32, shape (n_items, n_variables)
        Finest groups.
    most : int
        How many items a block holds at most, if they can be told apart.

    Returns
    -------
    tuple of ndarray of int64, shape (n_items,), and list of (start, end)
        The order, and where blocks begin and end in it.
    """
    splitting = _Splitting(costs, codes, np.ones(len(codes), dtype=np.int64))
    starts, ends = np.zeros(1, dtype=np.int64), np.full(1, len(codes), dtype=np.int64)
    done: list[tuple[int, int]] = []
    while len(starts):
        small = ends - starts <= most
        done += zip(starts[small].tolist(), ends[small].tolist(), strict=True)
        starts, ends = starts[~small], ends[~small]
        barred = np.zeros((len(starts), codes.shape[1]), dtype=np.bool_)
        least = (ends - starts) // 4
        variable, cut = splitting.propose(starts, ends, least=least, barred=barred, balanced=False)
        again = np.flatnonzero(variable < 0)
        variable[again], cut[again] = splitting.propose(
            starts[again],
            ends[again],
            least=np.ones(len(again), dtype=np.int64),
            barred=barred[again],
            balanced=True,
        )
        whole = variable < 0
        done += zip(starts[whole].tolist(), ends[whole].tolist(), strict=True)
        starts, ends, variable, cut = starts[~whole], ends[~whole], variable[~whole], cut[~whole]
        middles = splitting.cut(starts, ends, variable, cut)
        starts, ends = np.concatenate([starts, middles]), np.concatenate([middles, ends])
    return splitting.order.astype(np.int64), sorted(done)
