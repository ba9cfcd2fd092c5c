"""What the measures need of a recoding: distinct combinations and how many have them.

Nothing here has a row, so that it can be kept until somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.steward.protect.equivalence import class_numbers
from linkkit.steward.protect.hierarchies import Hierarchy
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.measured.fitting import fitting_people, people_in_reach
from linkkit.steward.protect.measured.report import ClassCounts
from linkkit.steward.protect.models import KAnonymity
from linkkit.steward.protect.recode import Recoded, Request
from linkkit.steward.protect.shown import Shown

__all__ = ["Combinations", "Measurable", "measurable"]

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Combinations:
    """Distinct combinations of quasi-identifiers.

    Attributes
    ----------
    codes : ndarray of int64, shape (n, n_variables)
        The group or label in each variable.
    rows, people : ndarray of int64, shape (n,)
        How many rows have each, and how many people: the same unless people have several.
    """

    codes: Integers
    rows: Integers
    people: Integers


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Variable:
    """A quasi-identifier.

    Attributes
    ----------
    labels : tuple of str
        Its finest groups, the missing one last.
    sizes : ndarray of int64, shape (n_groups,)
        How many distinct values each holds.
    totals : ndarray of int64, shape (n_groups,)
        How many rows have each, before.
    shown : Shown
        What is shown of it.
    """

    labels: tuple[str, ...]
    sizes: Integers
    totals: Integers
    shown: Shown


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Measurable:
    """A recoding without its rows.

    Attributes
    ----------
    codes : ndarray of int32, shape (n_items, n_variables)
        The finest groups of each item that was searched.
    counts : ndarray of int64, shape (n_items,)
        Its rows.
    kept : ndarray of bool, shape (n_items,)
        Whether they stay.
    variables : tuple of Variable
        The quasi-identifiers.
    before, after : Combinations
        Of finest groups for all rows; of what is shown for those that stay.
    population : Combinations, optional
        Of finest groups for the people of the population.
    wildcard : bool
        Whether missing values agree with everything.
    n_rows : int
        All rows.
    k : int, optional
        The k that was asked for.
    information_loss : float
        Over all rows.
    """

    codes: npt.NDArray[np.int32]
    counts: Integers
    kept: npt.NDArray[np.bool_]
    variables: tuple[Variable, ...]
    before: Combinations
    after: Combinations
    population: Combinations | None
    wildcard: bool
    n_rows: int
    k: int | None
    information_loss: float

    @property
    def n_kept(self) -> int:
        """How many rows stay."""
        return int(self.counts[self.kept].sum())

    def classes_before(self) -> ClassCounts:
        """Count the classes of all people at the finest level."""
        missing = [len(v.labels) - 1 if self.wildcard else -1 for v in self.variables]
        n_groups = [len(v.labels) for v in self.variables]
        mine, fits, around = self.before, self.before.people, None
        if self.wildcard:
            fits = fitting_people(mine.codes, mine.codes, mine.people, missing, n_groups)
        if self.population is not None:
            them = self.population
            around = fitting_people(mine.codes, them.codes, them.people, missing, n_groups)
        return _counted(mine.people, np.maximum(fits, mine.people), around)

    def classes_after(self) -> ClassCounts:
        """Count the classes of those who stay, as they are shown."""
        mine, fits, around = self.after, self.after.people, None
        if self.wildcard:
            missing = [_unlabelled(v.shown) for v in self.variables]
            n_labels = [len(v.shown.labels) for v in self.variables]
            fits = fitting_people(mine.codes, mine.codes, mine.people, missing, n_labels)
        if self.population is not None:
            reach = [self._reach(variable) for variable in self.variables]
            them = self.population
            around = people_in_reach(mine.codes, reach, them.codes, them.people)
        return _counted(mine.people, np.maximum(fits, mine.people), around)

    def _reach(self, variable: Variable) -> npt.NDArray[np.bool_]:
        """Return which finest groups fit each label, shape (n_labels, n_groups)."""
        reach = np.zeros((len(variable.shown.labels), len(variable.labels)), dtype=np.bool_)
        for label, covers in enumerate(variable.shown.covers):
            reach[label, list(covers)] = True
        if self.wildcard:
            reach[:, -1] = True
            place = _unlabelled(variable.shown)
            if place >= 0:
                reach[place] = True
        return reach


def _unlabelled(shown: Shown) -> int:
    """Return the place of the label that is a missing value, or -1."""
    return shown.labels.index(None) if None in shown.labels else -1


def _counted(people: Integers, fits: Integers, around: Integers | None) -> ClassCounts:
    columns = [people, fits] if around is None else [people, fits, around]
    if not len(people):
        return ClassCounts(sizes=(), fits=(), population=(), n_classes=())
    found, n_classes = np.unique(np.column_stack(columns), axis=0, return_counts=True)
    return ClassCounts(
        sizes=tuple(found[:, 0].tolist()),
        fits=tuple(found[:, 1].tolist()),
        population=() if around is None else tuple(found[:, 2].tolist()),
        n_classes=tuple(n_classes.tolist()),
    )


def measurable(found: Recoded, request: Request, *, persons: pa.Array | None = None) -> Measurable:
    """Take from a recoding what the measures need.

    Parameters
    ----------
    found : Recoded
        The recoding.
    request : Request
        What was asked.
    persons : pyarrow.Array, optional
        The person of each row. A person counts once in each class.
    """
    who = None if persons is None else _numbered(persons)
    of_items = found.grouping.classes >= 0
    ks = [model.k for model in request.models if isinstance(model, KAnonymity)]
    variables = tuple(
        _variable(hierarchy, shown, found)
        for hierarchy, shown in zip(found.hierarchies, found.shown, strict=True)
    )
    return Measurable(
        codes=found.items.codes,
        counts=found.items.counts,
        kept=of_items,
        variables=variables,
        before=_before(found, who),
        after=_after(found, of_items, who),
        population=_population(found),
        wildcard=request.missing == "wildcard",
        n_rows=found.n_rows,
        k=max(ks, default=None),
        information_loss=found.information_loss,
    )


def _numbered(persons: pa.Array) -> Integers:
    """Number people; a missing one is somebody else in each row."""
    encoded = persons.dictionary_encode()
    n_known = len(encoded.dictionary)
    numbers: Integers = encoded.indices.fill_null(-1).to_numpy(False).astype(np.int64)
    unknown = numbers < 0
    numbers[unknown] = n_known + np.arange(int(unknown.sum()))
    return numbers


def _variable(hierarchy: Hierarchy, shown: Shown, found: Recoded) -> Variable:
    base = hierarchy.base[: found.n_rows]
    return Variable(
        labels=hierarchy.levels[0].labels,
        sizes=hierarchy.sizes,
        totals=np.bincount(base, minlength=hierarchy.n_groups).astype(np.int64),
        shown=shown,
    )


def _before(found: Recoded, who: Integers | None) -> Combinations:
    items = found.items
    if len(found.rows) < found.n_rows:
        columns = [hierarchy.base[: found.n_rows] for hierarchy in found.hierarchies]
        items = find_items(columns, [hierarchy.n_groups for hierarchy in found.hierarchies])
    people = items.counts
    if who is not None:
        people = _people(items.of_rows.astype(np.int64), who, len(items))
    return Combinations(codes=items.codes.astype(np.int64), rows=items.counts, people=people)


def _people(of_rows: Integers, who: Integers, n: int) -> Integers:
    """Return how many different people there are in each combination, shape (n,)."""
    pairs = np.unique(np.column_stack([of_rows, who]), axis=0)
    return np.bincount(pairs[:, 0], minlength=n).astype(np.int64)


def _after(found: Recoded, kept: npt.NDArray[np.bool_], who: Integers | None) -> Combinations:
    places = np.flatnonzero(kept)
    columns = [shown.of_items[places] for shown in found.shown]
    numbers, _ = class_numbers(columns, [len(shown.labels) for shown in found.shown])
    _, first, of_places = np.unique(numbers, return_index=True, return_inverse=True)
    of_places, n = of_places.ravel(), len(first)
    rows = np.bincount(of_places, weights=found.items.counts[places], minlength=n)
    people = rows
    if who is not None:
        of_items = np.full(len(kept), -1, dtype=np.int64)
        of_items[places] = of_places
        of_rows = of_items[found.items.of_rows]
        stays = of_rows >= 0
        people = _people(of_rows[stays], who[found.rows][stays], n)
    return Combinations(
        codes=np.column_stack([column[first] for column in columns]),
        rows=rows.astype(np.int64),
        people=people.astype(np.int64),
    )


def _population(found: Recoded) -> Combinations | None:
    if all(len(hierarchy.base) == found.n_rows for hierarchy in found.hierarchies):
        return None
    columns = [hierarchy.base[found.n_rows :] for hierarchy in found.hierarchies]
    items = find_items(columns, [hierarchy.n_groups for hierarchy in found.hierarchies])
    return Combinations(codes=items.codes.astype(np.int64), rows=items.counts, people=items.counts)
