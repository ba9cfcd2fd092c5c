"""How people are cut in two, on whole arrays: what the compiled kernels must equal.

It also runs where numba has no wheel. The workspaces that kernels need are taken and left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["cut_segments", "propose_cuts"]

_FAR = 2**31
Ints = npt.NDArray[np.int64]


def propose_cuts(
    order: Any, starts: Any, ends: Any, least: Any, barred: Any, balanced: Any, ranks: Any, weights: Any,
    lows: Any, highs: Any, rank_starts: Any, is_set: Any, units: Any, n_levels: Any, n_places: Any,
    offsets: Any, paths: Any, losses: Any, found: Any, weight: Any, sums: Any, after: Any, variable: Any,
    cut: Any,
) -> None:  # fmt: skip
    """Find the cut of each segment that saves most.

    A cut puts the people below a rank in one quasi-identifier on one side, with at least `least`
    on both, and saves what they then lose less in it. With `balanced`, each quasi-identifier has
    one cut only, the one that is most even. Fills `variable` (-1: nowhere) and `cut`; of several
    equally good ones it is the first.
    """
    del found, weight, sums, after
    variable[:], cut[:] = -1, 0
    most = np.zeros(len(starts), dtype=np.int64)
    lengths = ends - starts
    if not len(lengths):
        return
    segment = np.repeat(np.arange(len(starts)), lengths)
    last = np.cumsum(lengths)
    places = np.arange(last[-1]) - np.repeat(last - lengths - starts, lengths)
    items = order[places]
    for v in range(ranks.shape[1]):
        n_ranks = int(ranks[:, v].max()) + 1
        key, place = np.unique(segment * n_ranks + ranks[items, v], return_inverse=True)
        people = np.bincount(place, weights[items]).astype(np.int64)
        of, rank = key // n_ranks, key % n_ranks
        at = rank_starts[v] + rank
        if is_set[v]:
            before, after_it = _set_losses(highs[at], of, int(units[v]))
        else:
            tables = (n_levels[v], n_places[v], offsets[v], paths, losses, units[v])
            before, after_it = _span_losses(lows[at], highs[at], of, tables)
        left = _running(people, of)
        total = np.bincount(of, people, minlength=len(starts)).astype(np.int64)[of]
        whole = total * before[_last_of(of)[of]]
        following = np.append(after_it[1:], 0)
        saved = whole - left * before - (total - left) * following
        good = (np.append(of[1:], -1) == of) & (left >= least[of]) & (total - left >= least[of])
        good &= (saved > 0) & ~barred[of, v]
        fit = np.minimum(left, total - left) if balanced else saved
        chosen = np.flatnonzero(good)
        chosen = chosen[np.lexsort((chosen, -fit[chosen], of[chosen]))]
        chosen = chosen[np.flatnonzero(np.diff(of[chosen], prepend=-1))]
        better = chosen[saved[chosen] > most[of[chosen]]]
        most[of[better]] = saved[better]
        variable[of[better]], cut[of[better]] = v, rank[better] + 1


def cut_segments(
    order: Any,
    starts: Any,
    ends: Any,
    variable: Any,
    cut: Any,
    ranks: Any,
    spare: Any,
    middles: Any,
) -> None:
    """Put the items of each segment that rank below its cut before the others.

    Reorders `order`, and fills `middles` with where the others begin.
    """
    del spare
    for s in range(len(starts)):
        mine = order[starts[s] : ends[s]].copy()
        below = ranks[mine, variable[s]] < cut[s]
        middles[s] = starts[s] + int(below.sum())
        order[starts[s] : middles[s]] = mine[below]
        order[middles[s] : ends[s]] = mine[~below]


def _last_of(of: Ints) -> Ints:
    """Return the last place of each segment that occurs, shape (largest segment + 1,)."""
    last = np.zeros(int(of.max()) + 1, dtype=np.int64)
    last[of] = np.arange(len(of))
    return last


def _running(values: Ints, of: Ints) -> Ints:
    """Add values up within segments."""
    sums = np.cumsum(values)
    first = np.flatnonzero(np.diff(of, prepend=-1))
    lengths = np.diff(np.append(first, len(of)))
    result: Ints = sums - np.repeat(sums[first] - values[first], lengths)
    return result


def _set_losses(sizes: Ints, of: Ints, unit: int) -> tuple[Ints, Ints]:
    """Return what is lost of the values up to each place, and from each place on."""
    up_to = _running(sizes, of)
    onward = up_to[_last_of(of)[of]] - up_to + sizes
    before, after = (np.where(held > 1, held * unit, 0) for held in (up_to, onward))
    return before, after


def _span_losses(lows: Ints, highs: Ints, of: Ints, tables: Any) -> tuple[Ints, Ints]:
    """Return what is lost of the positions up to each place, and from each place on."""
    taken = lows <= highs
    low, high = np.where(taken, lows, _FAR), np.where(taken, highs, -_FAR)
    apart = 4 * _FAR * of
    before = _lost(
        -(np.maximum.accumulate(-low + apart) - apart),
        np.maximum.accumulate(high + apart) - apart,
        tables,
    )
    back = 4 * _FAR * (of.max() - of[::-1])
    onward_low = -(np.maximum.accumulate(-low[::-1] + back) - back)[::-1]
    onward_high = (np.maximum.accumulate(high[::-1] + back) - back)[::-1]
    return before, _lost(onward_low, onward_high, tables)


def _lost(low: Ints, high: Ints, tables: Any) -> Ints:
    n_levels, n_places, offset, paths, losses, unit = tables
    if n_levels == 0:
        spread: Ints = np.clip(high - low, 0, int(unit))
        return spread
    end = offset + n_levels * n_places
    path, loss = (table[offset:end].reshape(n_levels, n_places) for table in (paths, losses))
    taken = np.flatnonzero(low <= high)
    first, last = low[taken], high[taken]
    lost = np.zeros(len(low), dtype=np.int64)
    lost[taken] = loss[np.argmax(path[:, first] == path[:, last], axis=0), first]
    return lost
