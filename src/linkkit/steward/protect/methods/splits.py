"""Cutting items in two: the machinery of partitioning, and of blocks of neighbors.

Items stand in an order in which every part is in one piece; a cut reorders a part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba
from linkkit.steward.protect.methods.costs import Costs, Ints
from linkkit.steward.protect.methods.grow import Tables, tables_of

__all__ = ["Splitting", "neighborhoods"]


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


class Splitting:
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
        self,
        starts: Ints,
        ends: Ints,
        *,
        least: Ints,
        barred: npt.NDArray[np.bool_],
        balanced: bool,
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
    splitting = Splitting(costs, codes, np.ones(len(codes), dtype=np.int64))
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
