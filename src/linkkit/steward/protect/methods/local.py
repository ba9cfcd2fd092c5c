"""Local recoding: classes are grown from neighbors, then refined.

Close to what is lowest for classes of any shape: nobody's values become coarser than their own
class needs. Items are first put into blocks of neighbors, so that work grows with their number
and not with its square; classes are grown within blocks and refined within larger windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.hierarchies import Hierarchy
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.methods.costs import (
    Costs,
    Ints,
    Shown,
    class_bounds,
    compile_costs,
)
from linkkit.steward.protect.methods.grouping import Grouping
from linkkit.steward.protect.methods.grow import Keeps, grow
from linkkit.steward.protect.methods.judge import Judge
from linkkit.steward.protect.methods.partition import split
from linkkit.steward.protect.methods.refine import refine
from linkkit.steward.protect.methods.splits import neighborhoods
from linkkit.steward.protect.models import MissingPolicy

__all__ = ["grow_classes"]

BLOCK_ITEMS = 2_000
WINDOW_ITEMS = 12_000
MAX_ROUNDS = 40
LEAST_GAIN = 5e-4


def grow_classes(
    items: Items,
    hierarchies: Sequence[Hierarchy],
    conditions: Conditions,
    *,
    shown: Shown,
    missing: MissingPolicy,
    max_suppressed: int,
    population: Items | None = None,
) -> Grouping:
    """Find classes by local recoding.

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
        How many people may be withheld. They are withheld only where that lowers the loss,
        counting everything of somebody withheld as lost.
    population : Items, optional
        The people of the population, in the same finest groups; where conditions need it.

    Raises
    ------
    ProtectionError
        When not even all people in one class keep the conditions.
    """
    costs = compile_costs(hierarchies, items.codes, items.counts, shown=shown, missing=missing)
    judge = Judge(items, conditions, costs, population)
    judge.require_possible()
    order, blocks = neighborhoods(costs, items.codes, most=BLOCK_ITEMS)
    classes = _grow_blocks(items, costs, judge, order, blocks)
    parts = _whole_classes(order, _windows(blocks, most=WINDOW_ITEMS), classes)
    classes = _refine_windows(judge, costs, parts, classes, max_suppressed=max_suppressed)
    return _grouping(classes)


def _keeps_of(judge: Judge, mine: npt.NDArray[np.int64]) -> Keeps:
    """Ask the judge about items that are numbered among some of them."""
    return lambda members, classes, n_classes: judge.keeps(mine[members], classes, n_classes)


def _grow_blocks(
    items: Items, costs: Costs, judge: Judge, order: Ints, blocks: Sequence[tuple[int, int]]
) -> Ints:
    """Grow classes block by block.

    A block in which not all classes keep the conditions goes on together with the next one; what
    then still keeps too little grows among all classes.
    """
    classes = np.empty(len(items), dtype=np.int64)
    n_classes, start = 0, 0
    members, good = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_)
    for begin, end in blocks:
        mine = order[start:end]
        members = np.concatenate([members, len(good) + np.arange(end - begin)])
        members, good = grow(
            costs,
            items.codes[mine],
            items.counts[mine],
            members,
            _keeps_of(judge, mine),
            need=judge.need,
        )
        classes[mine] = members + n_classes
        if good.all():
            n_classes, start = n_classes + len(good), end
            members, good = members[:0], good[:0]
    if good.all():
        return classes
    everything = np.arange(len(items))
    classes, _ = grow(
        costs, items.codes, items.counts, classes, _keeps_of(judge, everything), need=judge.need
    )
    return classes


def _windows(blocks: Sequence[tuple[int, int]], *, most: int) -> list[tuple[int, int]]:
    """Put neighboring blocks together as long as they hold few enough items."""
    windows: list[tuple[int, int]] = []
    for start, end in blocks:
        if windows and end - windows[-1][0] <= most:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((start, end))
    return windows


def _refine_windows(
    judge: Judge,
    costs: Costs,
    parts: Sequence[tuple[Ints, bool]],
    classes: Ints,
    *,
    max_suppressed: int,
) -> Ints:
    """Refine classes, window by window."""
    items = judge.items
    refined = np.full(len(items), -1, dtype=np.int64)
    n_classes = 0
    budget, people_left = max_suppressed, int(items.counts.sum())
    for mine, within in parts:
        people = int(items.counts[mine].sum())
        may_go = budget * people // max(1, people_left)
        members = np.unique(classes[mine], return_inverse=True)[1]
        if within:
            members, gone = refine(
                costs,
                items.codes[mine],
                items.counts[mine],
                _better_start(costs, judge, mine, members),
                _keeps_of(judge, mine),
                need=judge.need,
                max_withheld=may_go,
                max_rounds=MAX_ROUNDS,
                least_gain=LEAST_GAIN,
            )
            budget -= gone
        people_left -= people
        refined[mine] = np.where(members >= 0, members + n_classes, -1)
        n_classes += int(members.max(initial=-1)) + 1
    return refined


def _better_start(costs: Costs, judge: Judge, mine: Ints, grown: Ints) -> Ints:
    """Return classes that were grown or those of a partition, whichever lose less.

    Growing looks one merge ahead, which is not enough where nearly all of a quasi-identifier has
    to be given up.
    """
    if not judge.keeps(mine, np.zeros(len(mine), dtype=np.int64), 1)[0]:
        return grown
    parts, _ = split(costs, judge, mine)
    losses = [_loss(costs, judge.items, mine, classes) for classes in (grown, parts)]
    return parts if losses[1] < losses[0] else grown


def _loss(costs: Costs, items: Items, mine: Ints, classes: Ints) -> int:
    n_classes = int(classes.max()) + 1
    bounds = class_bounds(costs, items.codes[mine], classes, n_classes=n_classes)
    return int((bounds.losses[classes] * items.counts[mine]).sum())


def _whole_classes(
    order: Ints, windows: Sequence[tuple[int, int]], classes: Ints
) -> list[tuple[Ints, bool]]:
    """Return the items of the classes that lie whole in each window, then those of the others.

    With each, whether they are of one window.
    """
    n_classes = int(classes.max(initial=-1)) + 1
    window_of = np.empty(len(order), dtype=np.int64)
    for i, (start, end) in enumerate(windows):
        window_of[order[start:end]] = i
    first = np.full(n_classes, len(windows), dtype=np.int64)
    last = np.full(n_classes, -1, dtype=np.int64)
    np.minimum.at(first, classes, window_of)
    np.maximum.at(last, classes, window_of)
    place = np.where(first == last, first, len(windows))[classes]
    by_place = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[by_place], np.arange(len(windows) + 2))
    return [
        (by_place[bounds[i] : bounds[i + 1]], i < len(windows))
        for i in range(len(windows) + 1)
        if bounds[i] < bounds[i + 1]
    ]


def _grouping(classes: Ints) -> Grouping:
    """Number classes by their first item."""
    kept = np.flatnonzero(classes >= 0)
    _, first, numbers = np.unique(classes[kept], return_index=True, return_inverse=True)
    place = np.empty(len(first), dtype=np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    named = np.full(len(classes), -1, dtype=np.int64)
    named[kept] = place[numbers]
    return Grouping(classes=named, n_classes=len(first), method="local")
