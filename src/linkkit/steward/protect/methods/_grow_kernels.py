"""What growing and refining classes costs, compiled by numba when first used.

Pure: arrays in, arrays out. :mod:`linkkit.steward.protect.methods._grow_arrays` is the twin, and
says what each computes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part, popcount, wide_vectors

__all__ = ["find_destinations", "find_partners", "losses_without"]


# So many classes are looked at together that what is added up for them stays in the fastest memory.
# Classes are numbered without sign in loops: a place that may be negative keeps the compiler from
# working on many of them at once.
CHUNK = 512

# Further than any position.
FAR = 2**40


@kernel_part
def _add_spans(
    joined: Any, start: Any, end: Any, low: Any, high: Any, groups: Any, mine_low: Any, mine_high: Any,
    mine_groups: Any, mine: Any, n_levels: Any, n_places: Any, offsets: Any, paths: Any, losses: Any,
    unit: Any,
) -> None:  # fmt: skip
    """Add what ranges and levels lose when bounds are joined with those from start to end.

    On a level, a class loses with each rung that it climbs until both are in one group; each rung
    is taken by all classes at once.
    """
    zero, rung = np.int32(0), 0
    for v in range(low.shape[0]):
        bottom, top = mine_low[v, mine], mine_high[v, mine]
        if n_levels[v] == 0:
            for b in range(start, end):
                spread = np.int32(max(top, high[v, b]) - min(bottom, low[v, b]))
                joined[b] = np.int32(joined[b] + min(max(spread, zero), unit))
            continue
        width, first, n_rungs = n_places[v], offsets[v], n_levels[v] - 1
        if bottom > top:
            for b in range(start, end):
                if low[v, b] <= high[v, b]:
                    place = first
                    while paths[place + low[v, b]] != paths[place + high[v, b]]:
                        place += width
                    joined[b] = np.int32(joined[b] + losses[place + low[v, b]])
            rung += n_rungs
            continue
        level = 0
        while level < n_rungs and mine_groups[rung + level, mine] < 0:
            level += 1
        place = first + level * width + bottom
        lost = losses[place]
        for b in range(start, end):
            joined[b] = np.int32(joined[b] + lost)
        for r in range(rung + level, rung + n_rungs):
            group = mine_groups[r, mine]
            more = np.int32(losses[place + width] - losses[place])
            place += width
            for b in range(start, end):
                climbs = groups[r, b] != group and groups[r, b] != -2
                joined[b] = np.int32(joined[b] + (more if climbs else zero))
        rung += n_rungs


@kernel_part
def _add_unions(
    joined: Any, held: Any, start: Any, end: Any, words: Any, mine: Any, set_starts: Any, set_units: Any
) -> None:  # fmt: skip
    """Add what sets lose when bounds are joined with those from start to end."""
    for t in range(len(set_units)):
        first, last, unit = set_starts[t], set_starts[t + 1], set_units[t]
        for b in range(start, end):
            held[b] = 0
        for w in range(first, last):
            word = words[w, mine]
            for b in range(start, end):
                union = np.uint32(words[w, b] | word)
                held[b] = np.int32(held[b] + np.int32(popcount(np.uint64(union))))
        for b in range(start, end):
            lost = np.int32(held[b] * unit)
            joined[b] = np.int32(joined[b] + (lost if held[b] > 1 else np.int32(0)))


@kernel_part
def _weigh(
    scores: Any, joined: Any, start: Any, end: Any, counts: Any, own: Any, my_people: Any, my_loss: Any,
    need: Any,
) -> None:  # fmt: skip
    """Turn the losses of joined classes into what a merge costs for each person it helps."""
    for b in range(start, end):
        people = my_people + counts[b]
        cost = people * np.int64(joined[b]) - my_loss - own[b]
        # Unlike the sign for division, this has no branch for zero.
        scores[b] = np.true_divide(np.float64(cost), np.float64(min(people, need)))


@kernel_part
def _price(
    costs: Any, joined: Any, start: Any, end: Any, counts: Any, own: Any, weight: Any
) -> None:
    """Turn the losses of classes with one item more into what moving it there costs."""
    for b in range(start, end):
        people = counts[b] + weight
        costs[b] = people * np.int64(joined[b]) - own[b]


@kernel
def find_partners(
    asking: Any, low: Any, high: Any, words: Any, groups: Any, n_levels: Any, n_places: Any, offsets: Any, paths: Any,
    losses: Any, unit: Any, set_starts: Any, set_units: Any, counts: Any, own: Any, need: Any,
    joined: Any, held: Any, scores: Any, score: Any, partner: Any,
) -> None:  # fmt: skip
    """Find the class that each asking class is best merged with."""
    wide_vectors()
    n_classes, step = np.uint64(len(counts)), np.uint64(CHUNK)
    for q in asking:
        best, found = np.inf, np.int64(-1)
        my_people, my_loss = counts[q], own[q]
        for start in range(np.uint64(0), n_classes, step):
            end = min(start + step, n_classes)
            for b in range(start, end):
                joined[b] = 0
            _add_spans(
                joined, start, end, low, high, groups, low, high, groups, q,
                n_levels, n_places, offsets, paths, losses, unit,
            )  # fmt: skip
            _add_unions(joined, held, start, end, words, q, set_starts, set_units)
            _weigh(scores, joined, start, end, counts, own, my_people, my_loss, need)
            if start <= np.uint64(q) < end:
                scores[q] = np.inf
            n_better = 0
            for b in range(start, end):
                n_better += 1 if scores[b] < best else 0
            if n_better:
                for b in range(start, end):
                    if scores[b] < best:
                        best, found = scores[b], np.int64(b)
        score[q], partner[q] = best, found


@kernel
def find_destinations(
    asking: Any, home: Any, weights: Any, item_low: Any, item_high: Any, item_groups: Any, word_of: Any,
    bit_of: Any, n_bits: Any, low: Any, high: Any, words: Any, groups: Any, held: Any, counts: Any, own: Any, ids: Any, n_levels: Any,
    n_places: Any, offsets: Any, paths: Any, losses: Any, unit: Any, set_units: Any, joined: Any,
    costs: Any, cost: Any, destination: Any,
) -> None:  # fmt: skip
    """Find the class that each asking item is best moved to."""
    wide_vectors()
    n_classes, step = np.uint64(len(counts)), np.uint64(CHUNK)
    none = np.int32(0)
    for i in asking:
        best, found, weight = cost[i], destination[i], weights[i]
        for start in range(np.uint64(0), n_classes, step):
            end = min(start + step, n_classes)
            for b in range(start, end):
                joined[b] = 0
            _add_spans(
                joined, start, end, low, high, groups, item_low, item_high, item_groups, i,
                n_levels, n_places, offsets, paths, losses, unit,
            )  # fmt: skip
            for t in range(len(set_units)):
                word, bit, more, each = word_of[t, i], bit_of[t, i], n_bits[t, i], set_units[t]
                for b in range(start, end):
                    n = np.int32(held[t, b] + (none if words[word, b] & bit else more))
                    lost = np.int32(n * each)
                    joined[b] = np.int32(joined[b] + (lost if n > 1 else none))
            _price(costs, joined, start, end, counts, own, weight)
            n_better = 0
            for b in range(start, end):
                n_better += 1 if costs[b] <= best else 0
            if n_better:
                for b in range(start, end):
                    better = costs[b] < best or (costs[b] == best and ids[b] < found)
                    if better and ids[b] != home[i]:
                        best, found = costs[b], ids[b]
        cost[i], destination[i] = best, found


@kernel_part
def _two_largest(values: Any, v: Any, sign: Any, members: Any, start: Any, end: Any) -> Any:
    """Return the largest and the second largest of members' values, each times a sign."""
    most, after = np.int64(-FAR), np.int64(-FAR)
    for p in range(start, end):
        value = sign * np.int64(values[v, members[p]])
        if value > most:
            most, after = value, most
        elif value > after:
            after = value
    return most, after


@kernel_part
def _spans_without(
    members: Any, start: Any, end: Any, low: Any, high: Any, n_levels: Any, n_places: Any, offsets: Any,
    paths: Any, losses: Any, unit: Any, without: Any,
) -> None:  # fmt: skip
    """Add what ranges and levels lose without each member of a class."""
    for v in range(len(n_levels)):
        most, after_most = _two_largest(high, v, 1, members, start, end)
        least, after_least = _two_largest(low, v, -1, members, start, end)
        for p in range(start, end):
            i = members[p]
            top = after_most if np.int64(high[v, i]) == most else most
            bottom = -(after_least if -np.int64(low[v, i]) == least else least)
            if n_levels[v] == 0:
                without[p] += min(max(top - bottom, 0), np.int64(unit))
            elif bottom <= top:
                place = offsets[v]
                while paths[place + bottom] != paths[place + top]:
                    place += n_places[v]
                without[p] += losses[place + bottom]


@kernel_part
def _sets_without(
    members: Any, start: Any, end: Any, groups: Any, n_bits: Any, occurrences: Any, set_units: Any,
    without: Any,
) -> None:  # fmt: skip
    """Add what sets lose without each member of a class."""
    for t in range(len(set_units)):
        n_held = 0
        for p in range(start, end):
            group = groups[t, members[p]]
            if occurrences[group] == 0:
                n_held += n_bits[t, members[p]]
            occurrences[group] += 1
        for p in range(start, end):
            n = n_held
            if occurrences[groups[t, members[p]]] == 1:
                n -= n_bits[t, members[p]]
            if n > 1:
                without[p] += n * np.int64(set_units[t])
        for p in range(start, end):
            occurrences[groups[t, members[p]]] = 0


@kernel
def losses_without(
    members: Any, starts: Any, low: Any, high: Any, groups: Any, n_bits: Any, occurrences: Any,
    n_levels: Any, n_places: Any, offsets: Any, paths: Any, losses: Any, unit: Any, set_units: Any,
    without: Any,
) -> None:  # fmt: skip
    """Count out what each class would lose without each of its members."""
    for c in range(len(starts) - 1):
        start, end = starts[c], starts[c + 1]
        for p in range(start, end):
            without[p] = 0
        if end - start >= 2:
            _spans_without(
                members, start, end, low, high, n_levels, n_places, offsets, paths, losses, unit,
                without,
            )  # fmt: skip
            _sets_without(members, start, end, groups, n_bits, occurrences, set_units, without)
