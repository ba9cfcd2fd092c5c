"""How people are cut in two, compiled by numba when first used.

Pure: arrays in, arrays out. :mod:`linkkit.steward.protect.methods._split_arrays` is the twin, and
says what each computes.
"""

from __future__ import annotations

from typing import Any

from linkkit.engines.compiled import kernel, kernel_part

__all__ = ["cut_segments", "propose_cuts"]

# Segments of fewer items are sorted; longer ones are counted, rank by rank.
FEW = 24

# Further than any position.
FAR = 2**40


@kernel_part
def _sort_few(
    order: Any, start: Any, end: Any, ranks: Any, v: Any, weights: Any, found: Any, weight: Any
) -> Any:
    """Put the distinct ranks of few items into order, with their weights; return how many."""
    n = 0
    for p in range(start, end):
        i = order[p]
        rank = ranks[i, v]
        place = n
        while place > 0 and found[place - 1] > rank:
            place -= 1
        if place > 0 and found[place - 1] == rank:
            weight[place - 1] += weights[i]
            continue
        for q in range(n, place, -1):
            found[q], weight[q] = found[q - 1], weight[q - 1]
        found[place], weight[place] = rank, weights[i]
        n += 1
    return n


@kernel_part
def _count_ranks(
    order: Any, start: Any, end: Any, ranks: Any, v: Any, weights: Any, found: Any, weight: Any,
    sums: Any,
) -> Any:  # fmt: skip
    """Put the distinct ranks of many items into order, with their weights; return how many."""
    lowest = highest = ranks[order[start], v]
    for p in range(start, end):
        rank = ranks[order[p], v]
        lowest, highest = min(lowest, rank), max(highest, rank)
    if lowest == highest:
        return 1
    for p in range(start, end):
        i = order[p]
        sums[ranks[i, v]] += weights[i]
    n = 0
    for rank in range(lowest, highest + 1):
        if sums[rank] > 0:
            found[n], weight[n] = rank, sums[rank]
            sums[rank] = 0
            n += 1
    return n


@kernel_part
def _side_loss(
    low: Any, high: Any, size: Any, is_set: Any, unit: Any, n_levels: Any, n_places: Any, offset: Any,
    paths: Any, losses: Any,
) -> Any:  # fmt: skip
    """Return what each person loses in one quasi-identifier."""
    if is_set:
        return size * unit if size > 1 else 0
    if high < low:
        return 0
    if n_levels == 0:
        return min(high - low, unit)
    place = offset
    while paths[place + low] != paths[place + high]:
        place += n_places
    return losses[place + low] * 1


@kernel_part
def _best_cut(
    n: Any, least: Any, balanced: Any, first: Any, lows: Any, highs: Any, is_set: Any, unit: Any,
    n_levels: Any, n_places: Any, offset: Any, paths: Any, losses: Any, found: Any, weight: Any,
    after: Any,
) -> Any:  # fmt: skip
    """Return what the best cut between the ranks found saves, 0 if none does, and the cut."""
    low, high, size, total = FAR, -FAR, 0, 0
    for r in range(n - 1, -1, -1):
        at = first + found[r]
        if is_set:
            size += highs[at]
        elif lows[at] <= highs[at]:
            low, high = min(low, lows[at]), max(high, highs[at])
        total += weight[r]
        after[r] = _side_loss(
            low, high, size, is_set, unit, n_levels, n_places, offset, paths, losses
        )
    whole = total * after[0]
    low, high, size, left = FAR, -FAR, 0, 0
    best, cut, most = 0, 0, 0
    for r in range(n - 1):
        at = first + found[r]
        if is_set:
            size += highs[at]
        elif lows[at] <= highs[at]:
            low, high = min(low, lows[at]), max(high, highs[at])
        left += weight[r]
        if left < least or total - left < least:
            continue
        before = _side_loss(
            low, high, size, is_set, unit, n_levels, n_places, offset, paths, losses
        )
        saved = whole - left * before - (total - left) * after[r + 1]
        fit = min(left, total - left) if balanced else saved
        if saved > 0 and fit > best:
            best, cut, most = fit, found[r] + 1, saved
    return most, cut


@kernel
def propose_cuts(
    order: Any, starts: Any, ends: Any, least: Any, barred: Any, balanced: Any, ranks: Any, weights: Any,
    lows: Any, highs: Any, rank_starts: Any, is_set: Any, units: Any, n_levels: Any, n_places: Any,
    offsets: Any, paths: Any, losses: Any, found: Any, weight: Any, sums: Any, after: Any, variable: Any,
    cut: Any,
) -> None:  # fmt: skip
    """Find the cut of each segment that saves most."""
    for s in range(len(starts)):
        start, end = starts[s], ends[s]
        most, variable[s], cut[s] = 0, -1, 0
        for v in range(ranks.shape[1]):
            if barred[s, v]:
                continue
            if end - start <= FEW:
                n = _sort_few(order, start, end, ranks, v, weights, found, weight)
            else:
                n = _count_ranks(order, start, end, ranks, v, weights, found, weight, sums)
            if n >= 2:
                saved, rank = _best_cut(
                    n, least[s], balanced, rank_starts[v], lows, highs, is_set[v], units[v],
                    n_levels[v], n_places[v], offsets[v], paths, losses, found, weight, after,
                )  # fmt: skip
                if saved > most:
                    most, variable[s], cut[s] = saved, v, rank


@kernel
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
    """Put the items of each segment that rank below its cut before the others."""
    for s in range(len(starts)):
        v, bar, place, n_after = variable[s], cut[s], starts[s], 0
        for p in range(starts[s], ends[s]):
            i = order[p]
            if ranks[i, v] < bar:
                order[place] = i
                place += 1
            else:
                spare[n_after] = i
                n_after += 1
        middles[s] = place
        for q in range(n_after):
            order[place + q] = spare[q]
