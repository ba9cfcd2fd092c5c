"""How often each value of a variable occurs in each class: what most privacy models look at.

Pure: arrays in, arrays out. Work grows with the distinct pairs of item and value, not with
people. A kernel counts where numba is installed; elsewhere its numpy twin gives the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba

__all__ = ["Entries", "Members", "Tally", "find_entries", "regrouped", "tally"]

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Entries:
    """The values that occur in each item, ordered by value and then by who.

    Attributes
    ----------
    values, items, counts : ndarray of int64, shape (n_entries,)
        A value, an item, and how many people of the item have it.
    who : ndarray of int64, shape (n_entries,) or (0,)
        Whose entry it is, where somebody may be in several items and counts once for each
        value; every count is 1 then. Empty where nobody is in two items.
    """

    values: _Ints
    items: _Ints
    counts: _Ints
    who: _Ints


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Members:
    """The classes of each item.

    Attributes
    ----------
    starts : ndarray of int64, shape (n_items + 1,)
        Where the classes of each item begin and end.
    classes : ndarray of int64, shape (n_members,)
        The classes, item by item.
    n_classes : int
        How many classes there are.
    """

    starts: _Ints
    classes: _Ints
    n_classes: int

    @classmethod
    def of(cls, items: _Ints, classes: _Ints, *, n_items: int, n_classes: int) -> Members:
        """Order pairs of item and class by item."""
        starts = np.zeros(n_items + 1, dtype=np.int64)
        np.cumsum(np.bincount(items, minlength=n_items), out=starts[1:])
        if (items[1:] < items[:-1]).any():
            classes = classes[np.argsort(items, kind="stable")]
        return cls(
            starts=starts,
            classes=np.ascontiguousarray(classes, dtype=np.int64),
            n_classes=n_classes,
        )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Tally:
    """How often each value occurs in each class, ordered by class and then by value.

    Attributes
    ----------
    classes, values, counts : ndarray of int64, shape (n_pairs,)
        A class, a value that occurs in it, and how many people have it.
    n_classes : int
        How many classes there are; some may have no value.
    """

    classes: _Ints
    values: _Ints
    counts: _Ints
    n_classes: int

    def total(self, weights: npt.NDArray[np.float64] | _Ints) -> npt.NDArray[np.float64]:
        """Return the sum of a weight for each pair over each class, shape (n_classes,)."""
        total = np.bincount(self.classes, weights=weights, minlength=self.n_classes)
        return total.astype(np.float64, copy=False)


def find_entries(values: _Ints, items: _Ints, people: _Ints | None) -> Entries:
    """Count rows, or people where they are told, by value and item.

    Parameters
    ----------
    values, items : ndarray of int64, shape (n_rows,)
        The value and the item of each row.
    people : ndarray of int64, shape (n_rows,), optional
        Whose row it is; each row is somebody else's by default. Somebody counts once for
        each value in a class, however many rows say so.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([1, 0, 1]), np.array([0, 0, 0])
    >>> entries = find_entries(*rows, None)
    >>> entries.values.tolist(), entries.items.tolist(), entries.counts.tolist()
    ([0, 1], [0, 0], [1, 2])
    """
    none = np.empty(0, dtype=np.int64)
    if people is None:
        return _counted(values, items, none)
    order = np.lexsort((items, people, values))
    values, items, people = values[order], items[order], people[order]
    new = _changes(values, people, items)
    values, items, people = values[new], items[new], people[new]
    if _is_in_one_item_each(people, items):
        return _counted(values, items, none)
    return Entries(values=values, items=items, counts=np.ones(len(values), np.int64), who=people)


def _counted(values: _Ints, items: _Ints, who: _Ints) -> Entries:
    order = np.lexsort((items, values))
    values, items = values[order], items[order]
    first = np.flatnonzero(_changes(values, items))
    counts = np.diff(np.append(first, len(values)))
    return Entries(values=values[first], items=items[first], counts=counts, who=who)


def regrouped(entries: Entries, groups: _Ints) -> Entries:
    """Return the entries of groups of items; `groups` has the group of each item, -1 for none.

    Examples
    --------
    >>> import numpy as np
    >>> entries = find_entries(np.array([5, 5, 7]), np.array([0, 1, 1]), None)
    >>> both = regrouped(entries, np.array([3, 3]))
    >>> both.values.tolist(), both.items.tolist(), both.counts.tolist()
    ([5, 7], [3, 3], [2, 1])
    """
    items = groups[entries.items]
    who = entries.who if len(entries.who) else np.zeros_like(items)
    order = np.lexsort((items, who, entries.values))
    order = order[items[order] >= 0]
    values, items, who = entries.values[order], items[order], who[order]
    first = np.flatnonzero(_changes(values, who, items))
    counts = entries.counts[order]
    if len(entries.who):
        counts = counts[first]
    elif len(first):
        counts = np.add.reduceat(counts, first)
    return Entries(
        values=values[first],
        items=items[first],
        counts=counts,
        who=who[first] if len(entries.who) else entries.who,
    )


def _is_in_one_item_each(people: _Ints, items: _Ints) -> bool:
    order = np.lexsort((items, people))
    people, items = people[order], items[order]
    return not ((people[1:] == people[:-1]) & (items[1:] != items[:-1])).any()


def _changes(*columns: _Ints) -> npt.NDArray[np.bool_]:
    """Return where a row differs from the one before it."""
    changed = np.ones(len(columns[0]), dtype=np.bool_)
    if len(changed):
        changed[1:] = False
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return changed


def tally(entries: Entries, members: Members) -> Tally:
    """Count the values in each class.

    Examples
    --------
    >>> import numpy as np
    >>> entries = find_entries(np.array([5, 5, 7]), np.array([0, 1, 1]), None)
    >>> items = np.array([0, 1])
    >>> members = Members.of(items, np.array([2, 2]), n_items=2, n_classes=3)
    >>> found = tally(entries, members)
    >>> found.classes.tolist(), found.values.tolist(), found.counts.tolist()
    ([2, 2], [5, 7], [2, 1])
    """
    return _tally_compiled(entries, members) if has_numba() else tally_with_numpy(entries, members)


def _tally_compiled(entries: Entries, members: Members) -> Tally:
    from linkkit.steward.protect._tally_kernels import count_values

    n_items, n_classes = len(members.starts) - 1, members.n_classes
    n_of_item = np.bincount(entries.items, minlength=n_items)
    room = np.repeat(n_of_item, np.diff(members.starts))
    starts = np.zeros(n_classes + 1, dtype=np.int64)
    np.cumsum(
        np.bincount(members.classes, weights=room, minlength=n_classes).astype(np.int64),
        out=starts[1:],
    )
    out = np.empty((3, int(starts[-1])), dtype=np.int64)
    scratch = np.empty((2, n_classes), dtype=np.int64)
    used = count_values(
        entries.values,
        entries.items,
        entries.counts,
        entries.who,
        members.starts,
        members.classes,
        starts,
        *scratch,
        *out,
    )
    classes, values, counts = out[:, :used]
    return Tally(classes=classes, values=values, counts=counts, n_classes=n_classes)


def tally_with_numpy(entries: Entries, members: Members) -> Tally:
    """Return what :func:`tally` does, without a kernel."""
    n_of_item = np.diff(members.starts)
    times = n_of_item[entries.items]
    entry = np.repeat(np.arange(len(times)), times)
    nth = np.arange(len(entry)) - np.repeat(np.cumsum(times) - times, times)
    classes = members.classes[members.starts[entries.items[entry]] + nth]
    order = np.argsort(classes, kind="stable")
    classes, entry = classes[order], entry[order]
    values, counts = entries.values[entry], entries.counts[entry]
    if len(entries.who):
        new = _changes(classes, values, entries.who[entry])
        classes, values, counts = classes[new], values[new], counts[new]
    first = np.flatnonzero(_changes(classes, values))
    summed = np.add.reduceat(counts, first) if len(first) else counts
    return Tally(
        classes=classes[first], values=values[first], counts=summed, n_classes=members.n_classes
    )
