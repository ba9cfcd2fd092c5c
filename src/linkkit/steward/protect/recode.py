"""Recoding: from columns and models to classes that keep them, and what is shown of each.

The core that :func:`~linkkit.steward.protect.table.anonymize` and
:func:`~linkkit.steward.protect.microdata.protect` share.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Generalization
from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect.columns import to_arrow, whole_column
from linkkit.steward.protect.compiled_models import compile_conditions, one_population
from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.dataset import ClassSizes, Recoding
from linkkit.steward.protect.equivalence import class_numbers
from linkkit.steward.protect.feasible import may_be_kept, never_kept, require_kept
from linkkit.steward.protect.hierarchies import Hierarchy, build_hierarchy
from linkkit.steward.protect.items import Items, find_items
from linkkit.steward.protect.methods import (
    Grouping,
    Method,
    choose_method,
    grow_classes,
    seek_levels,
    split_people,
)
from linkkit.steward.protect.models import (
    DeltaPresence,
    MissingPolicy,
    PrivacyModel,
    TCloseness,
    sensitive_of,
)
from linkkit.steward.protect.shown import Shown, ShownAs, show
from linkkit.steward.protect.upheld import uphold

__all__ = ["Recoded", "Request", "joint_column", "population_of", "recode"]

Rows = npt.NDArray[np.int64]

_MOST_SOUGHT_TWICE = 50_000
_WORTH_WITHHOLDING = 0.98


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is asked of a recoding.

    Attributes
    ----------
    quasi_identifiers : mapping of str to Generalization
        How each may become coarser.
    models : tuple of PrivacyModel
        What every class must keep.
    method : {"auto", "optimal", "local", "partition"}
        How classes are sought.
    shown : {"tight", "levels"}
        How a class that mixes values shows them.
    missing : {"category", "wildcard", "suppress"}
        What a missing value of a quasi-identifier is.
    max_suppressed : float
        The share of rows, 0 to 1, that may be withheld.
    """

    quasi_identifiers: Mapping[str, Generalization]
    models: tuple[PrivacyModel, ...]
    method: Method | Literal["auto"] = "auto"
    shown: ShownAs = "tight"
    missing: MissingPolicy = "category"
    max_suppressed: float = 0.0

    def __post_init__(self) -> None:
        _require_one_of("method", self.method, ("auto", *get_args(Method)))
        _require_one_of("shown", self.shown, get_args(ShownAs))
        _require_one_of("missing", self.missing, get_args(MissingPolicy))
        share = self.max_suppressed
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise OptionError(
                "'max_suppressed' must be a share of rows, from 0 to 1", hint="For example 0.05."
            )
        if not self.models or not all(isinstance(m, get_args(PrivacyModel)) for m in self.models):
            raise OptionError(
                "'models' must be one or more privacy models", hint="For example [KAnonymity(k=5)]."
            )


def _require_one_of(name: str, value: object, allowed: Sequence[str]) -> None:
    if value not in allowed:
        words = ", ".join(f"'{word}'" for word in allowed)
        raise OptionError(
            f"'{name}' must be one of {words}", hint=f"Leave it out for '{allowed[0]}'."
        )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Recoded:
    """Classes that keep the models, and what is shown of them.

    Attributes
    ----------
    hierarchies : tuple of Hierarchy
        One for each quasi-identifier; first all rows, then the people of the population.
    rows : ndarray of int64, shape (n_searched,)
        The rows that were searched: those without a missing value where these are withheld.
    items : Items
        Their items.
    grouping : Grouping
        The class of each item.
    shown : tuple of Shown
        One for each quasi-identifier.
    n_rows : int
        All rows.
    why : str
        Why the method was used, in a sentence.
    """

    hierarchies: tuple[Hierarchy, ...]
    rows: Rows
    items: Items
    grouping: Grouping
    shown: tuple[Shown, ...]
    n_rows: int
    why: str

    @property
    def classes(self) -> Rows:
        """The class of each row, shape (n_rows,); -1 where it is withheld."""
        result = np.full(self.n_rows, -1, dtype=np.int64)
        result[self.rows] = self.grouping.classes[self.items.of_rows]
        return result

    @property
    def suppressed(self) -> npt.NDArray[np.bool_]:
        """Which rows are withheld, shape (n_rows,)."""
        return self.classes < 0

    @property
    def information_loss(self) -> float:
        """The normalized certainty penalty: mean over rows and quasi-identifiers, 0 to 1."""
        lost = sum(float((one.losses * self.items.counts).sum()) for one in self.shown)
        n_left_out = self.n_rows - len(self.rows)
        return (lost / len(self.shown) + n_left_out) / max(1, self.n_rows)

    @property
    def loss_by_variable(self) -> dict[str, float]:
        """The same for each quasi-identifier, over the rows that stay."""
        kept = np.where(self.grouping.classes >= 0, self.items.counts, 0)
        n = max(1, int(kept.sum()))
        return {one.variable: float((one.losses * kept).sum()) / n for one in self.shown}

    def class_sizes(self) -> ClassSizes:
        """Return how large the classes are that can be told apart in what is shown."""
        kept = np.flatnonzero(self.grouping.classes >= 0)
        texts = [one.texts() for one in self.shown]
        columns = [
            of_labels[one.of_items[kept]]
            for one, (_, of_labels) in zip(self.shown, texts, strict=True)
        ]
        numbers, n = class_numbers(columns, [len(known) for known, _ in texts])
        sizes = np.bincount(numbers, weights=self.items.counts[kept], minlength=n)
        sizes = sizes[sizes > 0].astype(np.int64)
        return ClassSizes(
            smallest=int(sizes.min()), median=float(np.median(sizes)), n_classes=len(sizes)
        )

    def recodings(self) -> tuple[Recoding, ...]:
        """Describe what became of each quasi-identifier."""
        lost = self.loss_by_variable
        return tuple(
            Recoding(
                variable=hierarchy.variable,
                level=None if self.grouping.levels is None else self.grouping.levels[i],
                n_levels=len(hierarchy.levels),
                description=self._description(i),
                information_loss=lost[hierarchy.variable],
            )
            for i, hierarchy in enumerate(self.hierarchies)
        )

    def _description(self, i: int) -> str:
        hierarchy, one = self.hierarchies[i], self.shown[i]
        if self.grouping.levels is not None:
            return hierarchy.levels[self.grouping.levels[i]].description
        if one.keeps_values:
            return hierarchy.levels[0].description
        kept = np.where(self.grouping.classes >= 0, self.items.counts, 0)
        people: Counter[str] = Counter()
        for label, n in enumerate(np.bincount(one.of_items + 1, weights=kept)[1:]):
            people[one.kinds[label]] += int(n)
        words = list(dict.fromkeys([*(level.description for level in hierarchy.levels), *people]))
        said = [kind for kind in words if people[kind]]
        if len(said) == 1:
            return said[0]
        return ", ".join(f"{kind} for {_percent(people[kind], kept.sum())}" for kind in said)

    def apply(self, table: pa.Table) -> pa.Table:
        """Return the rows that stay, with the quasi-identifiers as they are shown."""
        kept = self.grouping.classes[self.items.of_rows] >= 0
        items, rows = self.items.of_rows[kept], self.rows[kept]
        if len(rows) < table.num_rows:
            table = table.take(pa.array(rows))
        for one in self.shown:
            place = table.column_names.index(one.variable)
            column = one.column(items, table.column(place))
            table = table.set_column(place, one.variable, column)
        return table


def recode(
    table: pa.Table,
    request: Request,
    *,
    persons: pa.Array | None = None,
    households: pa.Array | None = None,
) -> Recoded:
    """Find classes that keep the models of a request and lose little.

    Parameters
    ----------
    table : pyarrow.Table
        With the quasi-identifiers and the sensitive variables of the models.
    request : Request
        What is asked.
    persons, households : pyarrow.Array, optional
        The person and the household of each row.

    Raises
    ------
    ProtectionError
        When the values do not fit the hierarchies, or the models cannot be kept.
    """
    rows = _searched(table, request)
    allowed = math.floor(Decimal(repr(float(request.max_suppressed))) * table.num_rows)
    allowed -= table.num_rows - len(rows)
    if allowed < 0:
        raise ProtectionError(
            f"{table.num_rows - len(rows)} rows have a missing quasi-identifier, more than may be "
            "withheld",
            hint="Allow more to be withheld, or let missing values be a category or a wildcard.",
        )
    population = population_of(request.models)
    hierarchies = _hierarchies(table, request.quasi_identifiers, population)
    while True:
        found = _search(
            table, rows, hierarchies, request, allowed, persons=persons, households=households
        )
        kept = found.suppressed[rows] == 0
        if kept.all() or not _depends_on_all(request.models):
            return found
        allowed -= int((~kept).sum())
        rows = rows[kept]


def _depends_on_all(models: Sequence[PrivacyModel]) -> bool:
    """Whether withholding somebody changes what other classes must keep."""
    return any(isinstance(model, (TCloseness, DeltaPresence)) for model in models)


def _searched(table: pa.Table, request: Request) -> Rows:
    if request.missing != "suppress":
        return np.arange(table.num_rows, dtype=np.int64)
    whole = np.ones(table.num_rows, dtype=np.bool_)
    for name in request.quasi_identifiers:
        whole &= table.column(name).is_valid().to_numpy()
    return np.flatnonzero(whole).astype(np.int64)


def _items(hierarchies: Sequence[Hierarchy], rows: Rows, n_rows: int) -> tuple[Items, Items | None]:
    """Return the items of the rows that are searched, and of the population behind all rows."""
    columns = [hierarchy.base for hierarchy in hierarchies]
    n_groups = [hierarchy.n_groups for hierarchy in hierarchies]
    whole = len(rows) == n_rows
    searched = [column[: len(rows)] if whole else column[rows] for column in columns]
    items = find_items(searched, n_groups)
    if len(columns[0]) == n_rows:
        return items, None
    return items, find_items([column[n_rows:] for column in columns], n_groups)


def _search(
    table: pa.Table,
    rows: Rows,
    hierarchies: Sequence[Hierarchy],
    request: Request,
    allowed: int,
    *,
    persons: pa.Array | None,
    households: pa.Array | None,
) -> Recoded:
    part = table if len(rows) == table.num_rows else table.take(pa.array(rows))
    items, people = _items(hierarchies, rows, table.num_rows)
    compiled = functools.partial(
        compile_conditions,
        items=items,
        sensitive={name: part.column(name) for name in sensitive_of(request.models)},
        person=None if persons is None else _numbered(persons)[rows],
        household=None if households is None else _numbered(households)[rows],
    )
    conditions = compiled(request.models)
    if not may_be_kept(items, conditions, people, allowed=allowed):
        raise never_kept(
            [m for m in request.models if not may_be_kept(items, compiled([m]), people, allowed=0)]
        )
    method, why = _method(request, items, only_k=conditions.only_k)
    grouping = _grouping(
        method,
        items,
        hierarchies,
        conditions,
        request=request,
        allowed=allowed,
        population=people,
    )
    upheld = uphold(
        grouping,
        items,
        hierarchies,
        conditions,
        shown=request.shown,
        missing=request.missing,
        max_suppressed=allowed,
        population=people,
    )
    require_kept(upheld, items.counts, allowed)
    return Recoded(
        hierarchies=tuple(hierarchies),
        rows=rows,
        items=items,
        grouping=upheld.grouping,
        shown=upheld.shown,
        n_rows=table.num_rows,
        why=why,
    )


def _grouping(
    method: Method,
    items: Items,
    hierarchies: Sequence[Hierarchy],
    conditions: Conditions,
    *,
    request: Request,
    allowed: int,
    population: Items | None,
) -> Grouping:
    if method == "optimal":
        return seek_levels(
            items,
            hierarchies,
            conditions,
            missing=request.missing,
            max_suppressed=allowed,
            population=population,
        )
    people = dataclasses.replace(items, counts=conditions.counts)
    seek = functools.partial(
        grow_classes if method == "local" else split_people,
        people,
        hierarchies,
        conditions,
        shown=request.shown,
        missing=request.missing,
        population=population,
    )
    if method == "partition" or not allowed:
        return seek(max_suppressed=allowed)
    found: list[Grouping] = []
    problem: ProtectionError | None = None
    for may_go in (0, allowed):
        # Who is withheld is mostly of a small group, so that it has to be worth it.
        if may_go and found and len(items) > _MOST_SOUGHT_TWICE:
            break
        try:
            found.append(seek(max_suppressed=may_go))
        except ProtectionError as error:
            problem = error
    if not found and problem is not None:
        raise problem
    losses = [_loss_of(one, items, hierarchies, request) for one in found]
    return found[-1] if losses[-1] < _WORTH_WITHHOLDING * losses[0] else found[0]


def _loss_of(
    grouping: Grouping, items: Items, hierarchies: Sequence[Hierarchy], request: Request
) -> float:
    shown = show(hierarchies, items, grouping, shown=request.shown, missing=request.missing)
    return sum(float((one.losses * items.counts).sum()) for one in shown)


def _numbered(column: pa.Array) -> Rows:
    """Return a number for each different value, -1 where it is missing."""
    indices = column.dictionary_encode().indices
    numbers: Rows = indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return numbers


def population_of(models: Sequence[PrivacyModel]) -> pa.Table | None:
    """Return the population that models name, as an Arrow table; None where none does."""
    found = one_population(models)
    return None if found is None else to_arrow(found, name="the population")


def _hierarchies(
    table: pa.Table, ways: Mapping[str, Generalization], population: pa.Table | None
) -> list[Hierarchy]:
    """Build all hierarchies, so that the problems of all of them are told at once."""
    hierarchies: list[Hierarchy] = []
    problems: list[str] = []
    hint = ""
    for name, way in ways.items():
        column = joint_column(table, name, population)
        try:
            hierarchies.append(build_hierarchy(name, column, way))
        except ProtectionError as error:
            problems += error.problems
            hint = error.hint
    if problems:
        raise ProtectionError(problems, hint=hint)
    return hierarchies


def joint_column(table: pa.Table, name: str, population: pa.Table | None) -> pa.Array:
    """Return a column of the table with the population's behind it, where there is one."""
    column = whole_column(table, name)
    if population is None:
        return column
    return pa.concat_arrays([column, _like(population, name, column.type)])


def _like(population: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    column = None
    if name in population.column_names:
        try:
            column = whole_column(population, name).cast(kind)
        except pa.ArrowException:
            column = None
    if column is None:
        raise ProtectionError(
            f"the population has no column '{name}' of the same type as the data",
            hint="Give the population every quasi-identifier, in the values of the data.",
        )
    return column


def _method(request: Request, items: Items, *, only_k: bool) -> tuple[Method, str]:
    if request.method == "auto":
        return choose_method(items, only_k=only_k)
    return request.method, f"{request.method}, as asked"


def _percent(part: int, whole: int) -> str:
    percent = round(100 * part / whole)
    return f"{percent} %" if 0 < percent < 100 else "under 1 %" if percent == 0 else "over 99 %"
