"""What classes lose: the tight bounds of any number of items, and the loss of what is shown.

Pure: arrays in, arrays out. Losses are whole numbers, so that sums are exact and compiled
kernels and their twins agree to the last digit.

Every quasi-identifier is one of three kinds:

- ``range``: a class shows its smallest and largest value; the spread of the class over the
  spread of the file is lost;
- ``set``: a class shows the values that occur; their number over the number of values in the
  file is lost, nothing where there is one (Xu et al. 2006, "Utility-based anonymization using
  local recoding");
- ``level``: a class shows the finest group of the hierarchy that holds all its values, and
  loses what that group loses.

Ranges and levels are both kept as a low and a high position, sets as bits. A missing value is,
as a ``category``, one more value of a set; in a range or a level, mixing it with values loses
everything. As a ``wildcard`` it takes no part and loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.hierarchies import LOSS_UNITS, Hierarchy
from linkkit.steward.protect.models import MissingPolicy

__all__ = [
    "Bounds",
    "Costs",
    "SetBits",
    "Shown",
    "Span",
    "ValueSet",
    "all_bits",
    "class_bounds",
    "class_members",
    "compile_costs",
    "item_bounds",
    "joined_bounds",
    "place_bits",
    "with_losses",
]

Shown = Literal["tight", "levels"]
"""``tight``: each class shows the range or set of its own values; ``levels``: groups of the
hierarchy only."""

_MOST_UNITS = 2**24
_WORD = 32
Ints = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Span:
    """A range or a level: positions on a line.

    Attributes
    ----------
    column : int
        The quasi-identifier.
    low, high : ndarray of int32, shape (n_groups,)
        The positions that each finest group takes; low above high takes none.
    paths, losses : ndarray of int32, shape (n_levels, n_positions)
        For a level: the group of each position, from fine to coarse, and what is lost there.
        Without rows for a range, which loses high less low, at most one unit.
    """

    column: int
    low: Int32s
    high: Int32s
    paths: Int32s
    losses: Int32s


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ValueSet:
    """A set of values.

    Attributes
    ----------
    column : int
        The quasi-identifier.
    sizes : ndarray of int64, shape (n_groups,)
        How many values each finest group holds; 0 where a missing value takes no part.
    n_values : int
        How many there are to be shown; with all of them, everything is shown.
    unit : int
        What each value of a class loses, where there is more than one.
    """

    column: int
    sizes: Ints
    n_values: int
    unit: int


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Costs:
    """What all quasi-identifiers of a table lose, ready for kernels.

    Attributes
    ----------
    n_variables : int
        How many quasi-identifiers there are.
    unit : int
        What the complete loss of one value counts.
    spans, sets : tuple
        The quasi-identifiers, by kind.
    ranks : tuple of ndarray of int32, each of shape (n_groups,)
        For each quasi-identifier, an order of its finest groups in which neighbors are alike.
    """

    n_variables: int
    unit: int
    spans: tuple[Span, ...]
    sets: tuple[ValueSet, ...]
    ranks: tuple[Int32s, ...]

    @property
    def withheld(self) -> int:
        """What a person loses who is withheld."""
        return self.unit * self.n_variables


def compile_costs(
    hierarchies: Sequence[Hierarchy],
    codes: Int32s,
    counts: Ints,
    *,
    shown: Shown,
    missing: MissingPolicy,
) -> Costs:
    """Prepare what classes of a table lose.

    Parameters
    ----------
    hierarchies : sequence of Hierarchy
        One for each quasi-identifier.
    codes : ndarray of int32, shape (n_items, n_variables)
        Finest groups.
    counts : ndarray of int64, shape (n_items,)
        How many people have each item.
    shown : {"tight", "levels"}
        What a class shows.
    missing : {"category", "wildcard", "suppress"}
        What a missing value is; where they were suppressed before, there are none.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> from linkkit.agreement import Generalization
    >>> from linkkit.steward.protect.hierarchies import build_hierarchy
    >>> color = build_hierarchy("color", pa.array(["red", "blue", "green"]), Generalization())
    >>> codes = color.base.astype(np.int32)[:, None]
    >>> costs = compile_costs(
    ...     [color], codes, np.ones(3, np.int64), shown="tight", missing="category"
    ... )
    >>> bounds = class_bounds(costs, codes, np.array([0, 0, 1]), n_classes=2)
    >>> (bounds.losses / costs.unit).round(2).tolist()
    [0.67, 0.0]
    """
    unit = min(_MOST_UNITS, 2**30 // max(1, len(hierarchies)))
    spans, sets, ranks = _by_kind(
        hierarchies, codes, counts, unit=unit, shown=shown, wildcard=missing == "wildcard"
    )
    return Costs(
        n_variables=len(hierarchies),
        unit=unit,
        spans=tuple(spans),
        sets=tuple(sets),
        ranks=tuple(ranks),
    )


def _by_kind(
    hierarchies: Sequence[Hierarchy],
    codes: Int32s,
    counts: Ints,
    *,
    unit: int,
    shown: Shown,
    wildcard: bool,
) -> tuple[list[Span], list[ValueSet], list[Int32s]]:
    spans: list[Span] = []
    sets: list[ValueSet] = []
    ranks: list[Int32s] = []
    for column, hierarchy in enumerate(hierarchies):
        if shown == "levels" or hierarchy.shown_as == "level":
            spans.append(_level_span(column, hierarchy, unit=unit, wildcard=wildcard))
            ranks.append(_places(_tree_order(hierarchy)))
        elif hierarchy.shown_as == "range":
            spans.append(_range_span(column, hierarchy, unit=unit, wildcard=wildcard))
            ranks.append(_places(np.argsort(spans[-1].low, kind="stable")))
        else:
            people = np.bincount(codes[:, column], counts, minlength=hierarchy.n_groups)
            sets.append(_value_set(column, hierarchy, people, unit=unit, wildcard=wildcard))
            ranks.append(_places(np.argsort(-people, kind="stable")))
    return spans, sets, ranks


def _places(order: npt.NDArray[np.intp]) -> Int32s:
    places = np.empty(len(order), dtype=np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    return places


def _tree_order(hierarchy: Hierarchy) -> npt.NDArray[np.intp]:
    """Order the finest groups so that every group of every level is in one piece."""
    return np.lexsort([level.groups for level in hierarchy.levels])


def _level_span(column: int, hierarchy: Hierarchy, *, unit: int, wildcard: bool) -> Span:
    order = _tree_order(hierarchy)
    place = _places(order)
    paths = np.array([level.groups[order] for level in hierarchy.levels], dtype=np.int32)
    losses = np.array([level.losses[order] for level in hierarchy.levels], dtype=np.float64)
    top = np.zeros((1, len(order)), dtype=np.int32)
    low, high = place.copy(), place.copy()
    if wildcard:
        low[-1], high[-1] = len(order), -1
    return Span(
        column=column,
        low=low,
        high=high,
        paths=np.concatenate([paths, top]),
        losses=np.concatenate([np.rint(losses * (unit / LOSS_UNITS)).astype(np.int32), top + unit]),
    )


def _range_span(column: int, hierarchy: Hierarchy, *, unit: int, wildcard: bool) -> Span:
    """Place values from 0 to one unit, and a missing one a whole unit below them."""
    n_groups = hierarchy.n_groups
    low, high = np.full(n_groups, -unit, dtype=np.int32), np.full(n_groups, -unit, dtype=np.int32)
    if n_groups > 1:
        first, last = hierarchy.lows[:-1].min(), hierarchy.highs[:-1].max()
        scale = unit / (last - first) if last > first else 0.0
        low[:-1] = np.rint((hierarchy.lows[:-1] - first) * scale)
        high[:-1] = np.rint((hierarchy.highs[:-1] - first) * scale)
    if wildcard:
        low[-1], high[-1] = unit, 0
    none = np.empty((0, 0), dtype=np.int32)
    return Span(column=column, low=low, high=high, paths=none, losses=none)


def _value_set(
    column: int, hierarchy: Hierarchy, people: npt.NDArray[Any], *, unit: int, wildcard: bool
) -> ValueSet:
    sizes = hierarchy.sizes.copy()
    sizes[-1] = 0 if wildcard else 1
    n_values = max(1, int(sizes[:-1].sum()) + (not wildcard and people[-1] > 0))
    return ValueSet(column=column, sizes=sizes, n_values=n_values, unit=unit // n_values)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Bounds:
    """The tight bounds of classes (or of items, which are classes of one).

    Attributes
    ----------
    low, high : ndarray of int32, shape (n_spans, n)
        The positions that each takes in every range and level.
    words : ndarray of uint32, shape (n_words, n)
        The values that each has in every set, as bits.
    groups : ndarray of int32, shape (n_rungs, n)
        For every level but the top, the one group of the hierarchy that all values are in; -1
        where there is none, -2 where no value takes part.
    losses : ndarray of int64, shape (n,)
        What each person of a class loses, over all quasi-identifiers.
    """

    low: Int32s
    high: Int32s
    words: npt.NDArray[np.uint32]
    groups: Int32s
    losses: Ints

    def take(self, places: npt.NDArray[np.integer[Any]]) -> Bounds:
        """Return some of them, in an order; rows stay in one piece, as kernels need them."""
        return Bounds(
            low=np.take(self.low, places, axis=1),
            high=np.take(self.high, places, axis=1),
            words=np.take(self.words, places, axis=1),
            groups=np.take(self.groups, places, axis=1),
            losses=self.losses[places],
        )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class SetBits:
    """Where the values of some items are in the words of their sets.

    Only groups that occur among those items have bits, so that words stay few.

    Attributes
    ----------
    starts : ndarray of int64, shape (n_sets + 1,)
        The first word of each set.
    first_bit, n_bits : ndarray of int32, shape (n_sets, n_items)
        The bit where the values of an item begin, and how many there are.
    """

    starts: Ints
    first_bit: Int32s
    n_bits: Int32s


def place_bits(costs: Costs, codes: Int32s) -> SetBits:
    """Give bits to the groups of every set that occur among items."""
    return _bits_of(costs, codes, only_present=True)


def all_bits(costs: Costs, codes: Int32s) -> SetBits:
    """Give bits to all groups of every set, the same for all items that there may be."""
    return _bits_of(costs, codes, only_present=False)


def _bits_of(costs: Costs, codes: Int32s, *, only_present: bool) -> SetBits:
    first = np.zeros((len(costs.sets), len(codes)), dtype=np.int32)
    n_bits = np.zeros_like(first)
    starts = np.zeros(len(costs.sets) + 1, dtype=np.int64)
    for i, values in enumerate(costs.sets):
        mine = codes[:, values.column]
        occurs = np.full(len(values.sizes), not only_present)
        occurs[mine] = True
        sizes = np.where(occurs, values.sizes, 0)
        ends = np.cumsum(sizes)
        starts[i + 1] = starts[i] + max(1, -(-int(ends[-1]) // _WORD))
        first[i], n_bits[i] = (ends - sizes)[mine], sizes[mine]
    return SetBits(starts=starts, first_bit=first, n_bits=n_bits)


def item_bounds(costs: Costs, codes: Int32s, bits: SetBits) -> Bounds:
    """Return the bounds of every item."""
    n_items = len(codes)
    low = np.empty((len(costs.spans), n_items), dtype=np.int32)
    high = np.empty_like(low)
    for i, span in enumerate(costs.spans):
        low[i], high[i] = span.low[codes[:, span.column]], span.high[codes[:, span.column]]
    words = np.zeros((int(bits.starts[-1]), n_items), dtype=np.uint32)
    for i in range(len(costs.sets)):
        n_most = int(bits.n_bits[i].max(initial=0))
        for step in range(n_most):
            has = np.flatnonzero(bits.n_bits[i] > step)
            bit = bits.first_bit[i, has] + step
            word = bits.starts[i] + bit // _WORD
            words[word, has] |= np.uint32(1) << (bit % _WORD).astype(np.uint32)
    return with_losses(costs, bits, low, high, words)


def with_losses(
    costs: Costs, bits: SetBits, low: Int32s, high: Int32s, words: npt.NDArray[np.uint32]
) -> Bounds:
    """Count out what bounds lose."""
    n = low.shape[1] if len(low) else words.shape[1]
    losses = np.zeros(n, dtype=np.int64)
    groups = np.empty((sum(max(0, len(span.paths) - 1) for span in costs.spans), n), dtype=np.int32)
    rung = 0
    for i, span in enumerate(costs.spans):
        if len(span.paths):
            n_rungs = len(span.paths) - 1
            losses += _climb(span, low[i], high[i], groups[rung : rung + n_rungs])
            rung += n_rungs
        else:
            losses += np.clip(high[i].astype(np.int64) - low[i], 0, costs.unit)
    for i, values in enumerate(costs.sets):
        mine = words[bits.starts[i] : bits.starts[i + 1]]
        held = np.bitwise_count(mine).sum(axis=0, dtype=np.int64)
        losses += np.where(held > 1, held * values.unit, 0)
    return Bounds(low=low, high=high, words=words, groups=groups, losses=losses)


def _climb(span: Span, low: Int32s, high: Int32s, groups: Int32s) -> Ints:
    """Return what is lost between the positions of a level, and fill in the groups that hold both."""
    none = low > high
    first, last = np.where(none, 0, low), np.where(none, 0, high)
    mine = span.paths[:, first]
    level = np.argmax(mine == span.paths[:, last], axis=0)
    for rung, group in enumerate(groups):
        group[:] = np.where(none, -2, np.where(rung >= level, mine[rung], -1))
    return np.where(none, 0, span.losses[level, first]).astype(np.int64)


def joined_bounds(
    costs: Costs, bits: SetBits, items: Bounds, order: npt.NDArray[Any], starts: npt.NDArray[Any]
) -> Bounds:
    """Return the bounds of classes whose members stand together in an order, none empty."""
    return with_losses(
        costs,
        bits,
        np.minimum.reduceat(items.low[:, order], starts, axis=1),
        np.maximum.reduceat(items.high[:, order], starts, axis=1),
        np.bitwise_or.reduceat(items.words[:, order], starts, axis=1),
    )


def class_members(classes: npt.NDArray[Any], *, n_classes: int) -> tuple[Ints, Ints]:
    """Return items class by class, and where each class begins; those of class -1 come first."""
    order = np.argsort(classes, kind="stable")
    return order, np.searchsorted(classes[order], np.arange(n_classes))


def class_bounds(
    costs: Costs, codes: Int32s, classes: npt.NDArray[Any], *, n_classes: int
) -> Bounds:
    """Return the bounds of classes of items, none of them empty.

    Parameters
    ----------
    costs : Costs
        What values lose.
    codes : ndarray of int32, shape (n_items, n_variables)
        Finest groups.
    classes : ndarray of int, shape (n_items,)
        The class of each item; -1 for those that are withheld.
    n_classes : int
        How many classes there are.
    """
    bits = place_bits(costs, codes)
    order, starts = class_members(classes, n_classes=n_classes)
    return joined_bounds(costs, bits, item_bounds(costs, codes, bits), order, starts)
