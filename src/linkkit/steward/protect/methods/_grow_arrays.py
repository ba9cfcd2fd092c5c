"""What growing and refining classes costs, on whole arrays: what the compiled kernels must equal.

It also runs where numba has no wheel. The workspaces that kernels need are taken and left alone.

Bounds are those of :mod:`linkkit.steward.protect.methods.costs`; `own` is what all people of a
class lose together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["find_destinations", "find_partners", "losses_without"]

_FAR = 2**40
Ints = npt.NDArray[np.int64]


def find_partners(
    asking: Any, low: Any, high: Any, words: Any, groups: Any, n_levels: Any, n_places: Any, offsets: Any, paths: Any,
    losses: Any, unit: Any, set_starts: Any, set_units: Any, counts: Any, own: Any, need: Any,
    joined: Any, held: Any, scores: Any, score: Any, partner: Any,
) -> None:  # fmt: skip
    """Find the class that each asking class is best merged with.

    Best is what adds least to the loss of all people, for each person of the merged class up to
    `need`; of several the first. Fills `score` and `partner` of those that ask.
    """
    del groups, joined, held, scores
    for q in asking:
        lost = _lost_together(
            low, high, low[:, q], high[:, q], n_levels, n_places, offsets, paths, losses, unit
        )
        for t, each in enumerate(set_units):
            rows = slice(set_starts[t], set_starts[t + 1])
            union = np.bitwise_count(words[rows] | words[rows, q, None]).sum(axis=0, dtype=np.int64)
            lost += np.where(union > 1, union * int(each), 0)
        people = counts[q] + counts
        cost = people * lost - own[q] - own
        weighed = cost.astype(np.float64) / np.minimum(people, need).astype(np.float64)
        weighed[q] = np.inf
        best = int(np.argmin(weighed))
        if weighed[best] < np.inf:
            score[q], partner[q] = weighed[best], best
        else:
            score[q], partner[q] = np.inf, -1


def find_destinations(
    asking: Any, home: Any, weights: Any, item_low: Any, item_high: Any, item_groups: Any, word_of: Any,
    bit_of: Any, n_bits: Any, low: Any, high: Any, words: Any, groups: Any, held: Any, counts: Any, own: Any, ids: Any, n_levels: Any,
    n_places: Any, offsets: Any, paths: Any, losses: Any, unit: Any, set_units: Any, joined: Any,
    costs: Any, cost: Any, destination: Any,
) -> None:  # fmt: skip
    """Find the class that each asking item is best moved to.

    Best is what adds least to the loss of all people, the item's own included. `cost` and
    `destination` hold what was found before among other classes, and are filled; of several
    that are equally good it is the one with the smallest of `ids`.
    """
    del item_groups, groups, joined, costs
    for i in asking:
        lost = _lost_together(
            low, high, item_low[:, i], item_high[:, i], n_levels, n_places, offsets, paths, losses,
            unit,
        )  # fmt: skip
        for t, each in enumerate(set_units):
            inside = (words[word_of[t, i]] & bit_of[t, i]) != 0
            union = held[t].astype(np.int64) + np.where(inside, 0, int(n_bits[t, i]))
            lost += np.where(union > 1, union * int(each), 0)
        price = (counts + weights[i]) * lost - own
        other = np.flatnonzero(ids != home[i])
        if not len(other):
            continue
        best = other[np.lexsort((ids[other], price[other]))[0]]
        if (price[best], ids[best]) < (cost[i], destination[i]) or price[best] < cost[i]:
            cost[i], destination[i] = price[best], ids[best]


def losses_without(
    members: Any, starts: Any, low: Any, high: Any, groups: Any, n_bits: Any, occurrences: Any,
    n_levels: Any, n_places: Any, offsets: Any, paths: Any, losses: Any, unit: Any, set_units: Any,
    without: Any,
) -> None:  # fmt: skip
    """Count out what each class would lose without each of its members.

    Members stand class by class; class c from `starts[c]` on. Fills `without` for each; nothing
    is lost where a class has no other member.
    """
    del occurrences
    lengths = np.diff(starts)
    class_of = np.repeat(np.arange(len(lengths)), lengths)
    without[:] = 0
    for v in range(len(n_levels)):
        top = _largest_of_others(high[v, members].astype(np.int64), class_of, starts)
        bottom = -_largest_of_others(-low[v, members].astype(np.int64), class_of, starts)
        without += _span_losses(
            bottom, top, n_levels[v], n_places[v], offsets[v], paths, losses, unit
        )
    for t, each in enumerate(set_units):
        n_all = int(groups[t].max(initial=0)) + 1
        key = class_of * n_all + groups[t, members]
        _, first, inverse, times = np.unique(
            key, return_index=True, return_inverse=True, return_counts=True
        )
        sizes = n_bits[t, members].astype(np.int64)
        n_held = np.bincount(class_of[first], sizes[first], minlength=len(lengths)).astype(np.int64)
        left = n_held[class_of] - np.where(times[inverse] == 1, sizes, 0)
        without += np.where(left > 1, left * int(each), 0)
    without[lengths[class_of] < 2] = 0


def _lost_together(
    low: Any, high: Any, my_low: Any, my_high: Any, n_levels: Any, n_places: Any, offsets: Any,
    paths: Any, losses: Any, unit: Any,
) -> Ints:  # fmt: skip
    """Return what ranges and levels lose when one is joined with each of many."""
    lost = np.zeros(low.shape[1], dtype=np.int64)
    for v in range(len(low)):
        one, other = np.minimum(low[v], my_low[v]), np.maximum(high[v], my_high[v])
        lost += _span_losses(one, other, n_levels[v], n_places[v], offsets[v], paths, losses, unit)
    return lost


def _span_losses(
    low: Any, high: Any, n_levels: Any, n_places: Any, offset: Any, paths: Any, losses: Any, unit: Any
) -> Ints:  # fmt: skip
    if n_levels == 0:
        spread: Ints = np.clip(high.astype(np.int64) - low, 0, int(unit))
        return spread
    end = offset + n_levels * n_places
    path, loss = (table[offset:end].reshape(n_levels, n_places) for table in (paths, losses))
    taken = np.flatnonzero(low <= high)
    first, last = low[taken], high[taken]
    lost = np.zeros(len(low), dtype=np.int64)
    lost[taken] = loss[np.argmax(path[:, first] == path[:, last], axis=0), first]
    return lost


def _largest_of_others(values: Ints, class_of: Ints, starts: Ints) -> Ints:
    """Return for each member the largest value of the others in its class."""
    order = np.lexsort((-values, class_of))
    most = values[order[starts[:-1]]]
    second = np.full(len(most), -_FAR, dtype=np.int64)
    several = np.diff(starts) > 1
    second[several] = values[order[starts[:-1][several] + 1]]
    return np.where(values == most[class_of], second[class_of], most[class_of])
