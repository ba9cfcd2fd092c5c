"""What is shown of each quasi-identifier in place of its values, and what that loses.

The one place that decides it: the columns that are written, the losses that are reported and
the code book all come from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.steward.protect.hierarchies import LOSS_UNITS, MISSING, TOP, Hierarchy
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.methods.grouping import Grouping
from linkkit.steward.protect.models import MissingPolicy

__all__ = ["Shown", "ShownAs", "show"]

ShownAs = Literal["tight", "levels"]
"""``tight``: the range or set of the values that are in the class, as they are; ``levels``:
the finest level of the hierarchy at which the class has one value."""

_ROWS_AT_ONCE = 1_000_000

Integers = npt.NDArray[np.int64]
Name = tuple[tuple[int, ...], str | None, float, str]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Shown:
    """One quasi-identifier as it is shown.

    Attributes
    ----------
    variable : str
        Its name.
    labels : tuple of str or None
        The different things that are shown; None is a missing value.
    of_items : ndarray of int64, shape (n_items,)
        The label of each item; -1 where its people are withheld.
    losses : ndarray of float64, shape (n_items,)
        What is lost of the value, from 0 to 1; 1 where its people are withheld.
    covers : tuple of tuple of int
        For each label, the finest groups of the hierarchy that it stands for.
    kinds : tuple of str
        For each label, how it stands for them, in words.
    keeps_values : bool
        Whether all values are shown as they were, in their own type.
    """

    variable: str
    labels: tuple[str | None, ...]
    of_items: Integers
    losses: npt.NDArray[np.float64]
    covers: tuple[tuple[int, ...], ...]
    kinds: tuple[str, ...]
    keeps_values: bool

    def texts(self) -> tuple[list[str | None], Integers]:
        """Return the different texts, and which of them each label has: labels may look alike."""
        place: dict[str | None, int] = {}
        of_labels = [place.setdefault(label, len(place)) for label in self.labels]
        return list(place), np.array(of_labels, dtype=np.int64)

    def column(
        self, rows: npt.NDArray[np.integer[Any]], original: pa.ChunkedArray
    ) -> pa.ChunkedArray:
        """Return the column of some rows; `rows` are their items, `original` their values."""
        if self.keeps_values:
            return original
        labels = pa.array(list(self.labels), pa.string())
        # In portions, as a column of text holds two gigabytes at most.
        portions = [
            labels.take(pa.array(self.of_items[rows[start : start + _ROWS_AT_ONCE]]))
            for start in range(0, len(rows), _ROWS_AT_ONCE)
        ]
        return pa.chunked_array(portions, pa.string())


def show(
    hierarchies: Sequence[Hierarchy],
    items: Items,
    grouping: Grouping,
    *,
    shown: ShownAs,
    missing: MissingPolicy,
) -> tuple[Shown, ...]:
    """Decide what is shown of each quasi-identifier in each class.

    A class with one value shows it. Otherwise, as `shown` says, it shows the range or set of
    its values, or a level of the hierarchy; ``*`` where that is everything. A missing value
    stays missing where all of the class are missing or where it agrees with everything
    (``wildcard``); elsewhere it is one more value of a set, and makes a range or level ``*``.

    Parameters
    ----------
    hierarchies : sequence of Hierarchy
        One for each quasi-identifier.
    items : Items
        The items that were grouped.
    grouping : Grouping
        What a method found. With `levels`, these levels are shown.
    shown : {"tight", "levels"}
        How a class that mixes values shows them.
    missing : {"category", "wildcard", "suppress"}
        What a missing value is.

    Returns
    -------
    tuple of Shown
        One for each quasi-identifier.
    """
    kept = np.flatnonzero(grouping.classes >= 0)
    return tuple(
        _show_level(hierarchy, items.codes[:, i], kept, grouping.levels[i])
        if grouping.levels is not None
        else _show_classes(
            hierarchy,
            items.codes[:, i],
            kept,
            grouping,
            kind="level" if shown == "levels" else hierarchy.shown_as,
            missing=missing,
        )
        for i, hierarchy in enumerate(hierarchies)
    )


def _show_level(
    hierarchy: Hierarchy, codes: npt.NDArray[np.int32], kept: npt.NDArray[np.intp], level: int
) -> Shown:
    chosen = hierarchy.levels[level]
    last = len(chosen.labels) - 1
    is_top = level == len(hierarchy.levels) - 1
    labels = [None if i == last and not is_top else name for i, name in enumerate(chosen.labels)]
    of_items = np.full(len(codes), -1, dtype=np.int64)
    of_items[kept] = chosen.groups[codes[kept]]
    losses = np.ones(len(codes))
    losses[kept] = chosen.losses[codes[kept]] / LOSS_UNITS
    return Shown(
        variable=hierarchy.variable,
        labels=tuple(labels),
        of_items=of_items,
        losses=losses,
        covers=_members(chosen.groups, len(labels)),
        kinds=(chosen.description,) * len(labels),
        keeps_values=chosen.keeps_values,
    )


def _members(groups: Integers, n: int) -> tuple[tuple[int, ...], ...]:
    order = np.argsort(groups, kind="stable")
    ends = np.searchsorted(groups[order], np.arange(n + 1))
    return tuple(tuple(order[ends[i] : ends[i + 1]].tolist()) for i in range(n))


def _show_classes(
    hierarchy: Hierarchy,
    codes: npt.NDArray[np.int32],
    kept: npt.NDArray[np.intp],
    grouping: Grouping,
    *,
    kind: str,
    missing: MissingPolicy,
) -> Shown:
    gap = hierarchy.n_groups - 1
    counted = kept[codes[kept] != gap] if missing == "wildcard" else kept
    pairs = np.unique(grouping.classes[counted] * hierarchy.n_groups + codes[counted])
    classes, groups = pairs // hierarchy.n_groups, pairs % hierarchy.n_groups
    found, start = np.unique(classes, return_index=True)
    end = np.append(start[1:], len(classes))
    namer = _Namer(
        hierarchy,
        kind,
        n_more=int(missing != "wildcard" and bool((codes == gap).any())),
    )
    number = np.full(grouping.n_classes, -1, dtype=np.int64)
    alone = end - start == 1
    single, which = np.unique(groups[start[alone]], return_inverse=True)
    named = np.array([namer.number(single[i : i + 1]) for i in range(len(single))], dtype=np.int64)
    number[found[alone]] = named[which.ravel()] if len(single) else named
    for of_class, a, b in zip(
        found[~alone].tolist(), start[~alone].tolist(), end[~alone].tolist(), strict=True
    ):
        number[of_class] = namer.number(groups[a:b])
    of_items = np.full(len(codes), -1, dtype=np.int64)
    of_items[kept] = number[grouping.classes[kept]]
    if missing == "wildcard":
        of_items[kept[codes[kept] == gap]] = namer.number(np.array([gap]))
    losses = np.append(namer.losses, 1.0)[of_items]
    return Shown(
        variable=hierarchy.variable,
        labels=tuple(namer.labels),
        of_items=of_items,
        losses=losses,
        covers=tuple(namer.covers),
        kinds=tuple(namer.kinds),
        keeps_values=hierarchy.levels[0].keeps_values and all(len(c) == 1 for c in namer.covers),
    )


class _Namer:
    """Names sets of finest groups and says what they lose, each name once."""

    def __init__(self, hierarchy: Hierarchy, kind: str, *, n_more: int) -> None:
        self.hierarchy, self.kind = hierarchy, kind
        self.gap = hierarchy.n_groups - 1
        self.n_values = int(hierarchy.sizes[: self.gap].sum()) + n_more
        self.lows, self.highs = hierarchy.lows[: self.gap], hierarchy.highs[: self.gap]
        self.known: dict[bytes, int] = {}
        self.named: dict[tuple[int, ...], int] = {}
        self.labels: list[str | None] = []
        self.losses: list[float] = []
        self.covers: list[tuple[int, ...]] = []
        self.kinds: list[str] = []

    def number(self, groups: Integers) -> int:
        key = groups.tobytes()
        if key not in self.known:
            covers, label, loss, kind = self._name(groups)
            if covers not in self.named:
                self.named[covers] = len(self.labels)
                self.labels.append(label)
                self.losses.append(loss)
                self.covers.append(covers)
                self.kinds.append(kind)
            self.known[key] = self.named[covers]
        return self.known[key]

    def _name(self, groups: Integers) -> Name:
        if len(groups) == 1:
            return self._single(int(groups[0]))
        if self.kind == "level":
            return self._level(groups)
        if self.kind == "set":
            return self._set(groups)
        return self._everything() if groups[-1] == self.gap else self._range(groups)

    def _single(self, group: int) -> Name:
        finest = self.hierarchy.levels[0]
        if group == self.gap:
            return (group,), None, 0.0, finest.description
        loss = float(finest.losses[group]) / LOSS_UNITS
        return (group,), finest.labels[group], loss, finest.description

    def _level(self, groups: Integers) -> Name:
        for level in self.hierarchy.levels[:-1]:
            at = level.groups[groups]
            if (at == at[0]).all():
                covers = np.flatnonzero(level.groups == at[0])
                loss = float(level.losses[groups].max()) / LOSS_UNITS
                return tuple(covers.tolist()), level.labels[at[0]], loss, level.description
        return self._everything()

    def _set(self, groups: Integers) -> Name:
        n = int(self.hierarchy.sizes[groups].sum())
        if n >= self.n_values:
            return self._everything()
        names = self.hierarchy.levels[0].labels
        text = ", ".join(MISSING if g == self.gap else names[g] for g in groups.tolist())
        return tuple(groups.tolist()), f"{{{text}}}", n / self.n_values, "sets of values"

    def _range(self, groups: Integers) -> Name:
        low, high = float(self.lows[groups].min()), float(self.highs[groups].max())
        covers = np.flatnonzero((self.lows >= low) & (self.highs <= high))
        first = int(covers[self.lows[covers].argmin()])
        last = int(covers[self.highs[covers].argmax()])
        spread = float(self.highs.max() - self.lows.min())
        label = self.hierarchy.range_label(first, last)
        return tuple(covers.tolist()), label, (high - low) / spread, "ranges"

    def _everything(self) -> Name:
        return tuple(range(self.gap + 1)), TOP, 1.0, self.hierarchy.levels[-1].description
