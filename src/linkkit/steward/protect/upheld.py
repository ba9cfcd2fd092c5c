"""Keeping the models in what is shown: combinations are judged as a reader of the table forms them.

A method judges the classes that it makes. A reader sees labels: classes that show the same are
one, and where missing values agree with everything, people of other classes match as well. What
is shown is therefore judged once more; a class that does not keep the models because of others
who match it is put together with them, and where that is no help its people are withheld, or it
is put together with the class that shows most alike.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.equivalence import class_numbers
from linkkit.steward.protect.hierarchies import Hierarchy
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.measured.fitting import fitting_people, people_in_reach
from linkkit.steward.protect.methods import Grouping
from linkkit.steward.protect.methods.matching import fitting_members
from linkkit.steward.protect.models import MissingPolicy
from linkkit.steward.protect.shown import Shown, ShownAs, show

__all__ = ["Upheld", "uphold"]

MOST_PAIRS = 4_000_000

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Upheld:
    """Classes, what is shown of them, and who stays in a combination that keeps too little.

    Attributes
    ----------
    grouping : Grouping
        The classes.
    shown : tuple of Shown
        One for each quasi-identifier.
    broken : ndarray of bool, shape (n_items,)
        The items whose combination does not keep the models; none where all is well.
    """

    grouping: Grouping
    shown: tuple[Shown, ...]
    broken: Flags


def uphold(
    grouping: Grouping,
    items: Items,
    hierarchies: Sequence[Hierarchy],
    conditions: Conditions,
    *,
    shown: ShownAs,
    missing: MissingPolicy,
    max_suppressed: int,
    population: Items | None = None,
) -> Upheld:
    """Judge what is shown of classes, and change the classes until it keeps the conditions.

    Levels that are the same for everybody are judged and left as they are.

    Parameters
    ----------
    grouping : Grouping
        What a method found.
    items, hierarchies, conditions, shown, missing, population
        As the method was given them.
    max_suppressed : int
        How many rows may be withheld, those that the method withheld included.
    """
    table = _Table(items, hierarchies, conditions, population, shown, missing)
    found = table.judge(grouping)
    if grouping.levels is not None:
        return found
    while found.broken.any():
        merged = table.merge_matching(found)
        if merged is None:
            withheld = table.withhold(found, max_suppressed)
            if withheld is not None:
                return withheld
            merged = table.merge_alike(found)
        if merged is None:
            break
        found = table.judge(merged)
    return found


def _renumbered(grouping: Grouping, classes: Integers) -> Grouping:
    """Return a grouping with other classes, numbered in the order of the old numbers."""
    kept = classes >= 0
    found, numbers = np.unique(classes[kept], return_inverse=True)
    renumbered = np.full(len(classes), -1, dtype=np.int64)
    renumbered[kept] = numbers.ravel()
    return dataclasses.replace(grouping, classes=renumbered, n_classes=len(found))


def _joined(grouping: Grouping, pairs: Iterable[tuple[int, int]]) -> Grouping | None:
    """Put pairs of classes together, each class once at most; None where there is no pair."""
    joins = np.arange(grouping.n_classes)
    free = np.ones(grouping.n_classes, dtype=np.bool_)
    for one, another in pairs:
        if free[one] and free[another]:
            free[one] = free[another] = False
            joins[max(one, another)] = min(one, another)
    if free.all():
        return None
    classes = grouping.classes
    return _renumbered(grouping, np.where(classes >= 0, joins[classes], -1))


@dataclass(frozen=True, slots=True, repr=False)
class _Table:
    """All that stays the same while classes change."""

    items: Items
    hierarchies: Sequence[Hierarchy]
    conditions: Conditions
    population: Items | None
    shown: ShownAs
    missing: MissingPolicy

    def judge(self, grouping: Grouping) -> Upheld:
        """Show classes, and find out which combinations do not keep the conditions."""
        shown = show(self.hierarchies, self.items, grouping, shown=self.shown, missing=self.missing)
        broken = np.zeros(len(self.items), dtype=np.bool_)
        kept = np.flatnonzero(grouping.classes >= 0)
        if len(kept):
            looks = _Looks(shown, kept)
            broken[kept] = ~self._met(looks, grouping)[looks.of_kept]
        return Upheld(grouping=grouping, shown=shown, broken=broken)

    def withhold(self, found: Upheld, max_suppressed: int) -> Upheld | None:
        """Withhold who is in a broken combination until none is; None where that is too many."""
        while found.broken.any():
            classes = np.where(found.broken, -1, found.grouping.classes)
            if self.items.counts[classes < 0].sum() > max_suppressed or (classes < 0).all():
                return None
            found = self.judge(_renumbered(found.grouping, classes))
        return found

    def merge_matching(self, found: Upheld) -> Grouping | None:
        """Put classes that are broken together with who matches them; None where nobody does.

        Each with the class that most of those are of.
        """
        if self.missing != "wildcard":
            return None
        classes, counts = found.grouping.classes, self.items.counts
        kept = np.flatnonzero(classes >= 0)
        looks = _Looks(found.shown, kept)
        asked = np.unique(looks.of_kept[found.broken[kept]])
        of_looks = classes[kept[looks.first]]
        people = np.bincount(looks.of_kept, weights=counts[kept]).astype(np.int64)
        n = found.grouping.n_classes
        shared: Counter[int] = Counter()
        for part, others, of in looks.matching(asked):
            mine, theirs = of_looks[part][of], of_looks[others]
            foreign = mine != theirs
            pairs, place = np.unique(mine[foreign] * n + theirs[foreign], return_inverse=True)
            totals = np.bincount(place.ravel(), weights=people[others[foreign]]).astype(np.int64)
            shared.update(dict(zip(pairs.tolist(), totals.tolist(), strict=True)))
        first = sorted(shared, key=lambda pair: (-shared[pair], pair))
        return _joined(found.grouping, (divmod(pair, n) for pair in first))

    def merge_alike(self, found: Upheld) -> Grouping | None:
        """Put classes that are broken together with those that show most labels alike."""
        n = found.grouping.n_classes
        if n < 2:
            return None
        kept = np.flatnonzero(found.grouping.classes >= 0)
        _, first = np.unique(found.grouping.classes[kept], return_index=True)
        looks = _Looks(found.shown, kept)
        labels = looks.labels[looks.of_kept[first]]
        pairs: list[tuple[int, int]] = []
        for one in np.unique(found.grouping.classes[found.broken]).tolist():
            alike = (labels == labels[one]).sum(axis=1)
            alike[one] = -1
            pairs.append((one, int(alike.argmax())))
        return _joined(found.grouping, pairs)

    def _met(self, looks: _Looks, grouping: Grouping) -> Flags:
        """Return which combinations keep the conditions, shape (n_looks,)."""
        n, kept = len(looks.first), looks.kept
        inside = self._fitting(looks)
        wild = self.missing == "wildcard"
        if wild and self.conditions.grow and grouping.levels is None:
            # Who is in the class of somebody matches what is shown of him: if the class keeps
            # them, so does whoever else matches.
            least = _least_of_classes(inside, looks, grouping)
            kept_by = self.conditions.met(
                kept, grouping.classes[kept], n_classes=grouping.n_classes, population=least
            )
            met = np.ones(n, dtype=np.bool_)
            np.logical_and.at(met, looks.of_kept, kept_by[grouping.classes[kept]])
            return met
        if not wild:
            return self.conditions.met(kept, looks.of_kept, n_classes=n, population=inside)
        of_items = np.full(len(self.items), -1, dtype=np.int64)
        of_items[kept] = looks.of_kept
        conditions = self.conditions.of_groups(of_items, n_groups=n)
        met = np.ones(n, dtype=np.bool_)
        for part, others, of in looks.matching(np.arange(n)):
            met[part] = conditions.met(
                others,
                of,
                n_classes=len(part),
                population=None if inside is None else inside[part],
            )
        return met

    def _fitting(self, looks: _Looks) -> Integers | None:
        """Return how many people of the population fit each combination."""
        if not self.conditions.needs_population or self.population is None:
            return None
        wild = self.missing == "wildcard"
        reach = [
            _reach(texts, one, hierarchy.n_groups, wild=wild)
            for texts, one, hierarchy in zip(
                looks.texts, looks.shown, self.hierarchies, strict=True
            )
        ]
        return people_in_reach(
            looks.labels, reach, self.population.codes.astype(np.int64), self.population.counts
        )


class _Looks:
    """The combinations of labels that are shown of the items that stay."""

    def __init__(self, shown: Sequence[Shown], kept: npt.NDArray[np.intp]) -> None:
        self.shown, self.kept = shown, kept.astype(np.int64)
        self.texts: list[list[str | None]] = []
        columns: list[Integers] = []
        for one in shown:
            texts, of_labels = one.texts()
            self.texts.append(texts)
            columns.append(of_labels[one.of_items[kept]])
        numbers, _ = class_numbers(columns, [len(texts) for texts in self.texts])
        _, self.first, of_kept = np.unique(numbers, return_index=True, return_inverse=True)
        self.of_kept = of_kept.ravel().astype(np.int64)
        self.labels = np.column_stack(columns)[self.first]

    def matching(self, asked: Integers) -> Iterator[tuple[Integers, Integers, Integers]]:
        """Go through combinations, some at a time so that memory is bounded.

        With some of those asked, the pairs of a combination that agrees and one of them, by its
        place among them.
        """
        gaps = [texts.index(None) if None in texts else -1 for texts in self.texts]
        sizes = [len(texts) for texts in self.texts]
        one_each = np.ones(len(self.labels), dtype=np.int64)
        ends = np.cumsum(fitting_people(self.labels[asked], self.labels, one_each, gaps, sizes))
        for part in np.split(asked, np.flatnonzero(np.diff(ends // MOST_PAIRS)) + 1):
            others, of = fitting_members(
                self.labels, self.labels[part], missing=np.array(gaps), n_groups=np.array(sizes)
            )
            yield part, others, of


def _reach(texts: list[str | None], one: Shown, n_groups: int, *, wild: bool) -> Flags:
    """Return which finest groups each text stands for, shape (n_texts, n_groups)."""
    reach = np.zeros((len(texts), n_groups), dtype=np.bool_)
    place = {text: i for i, text in enumerate(texts)}
    for label, covers in zip(one.labels, one.covers, strict=True):
        reach[place[label], list(covers)] = True
    if wild:
        reach[:, -1] = True
        if None in place:
            reach[place[None]] = True
    return reach


def _least_of_classes(
    inside: Integers | None, looks: _Looks, grouping: Grouping
) -> Integers | None:
    """Return the fewest people of the population who fit a combination of each class."""
    if inside is None:
        return None
    least = np.full(grouping.n_classes, np.iinfo(np.int64).max)
    np.minimum.at(least, grouping.classes[looks.kept], inside[looks.of_kept])
    return least
