"""Compile privacy models for one table: from dataclasses and columns to arrays.

Values become numbers, people and households are told apart, and what is asked twice is kept
once. What a model cannot be asked of, such as an order of texts, is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.errors import ProtectionError
from linkkit.steward.protect import rules
from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.models import (
    DeltaPresence,
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    KMap,
    PrivacyModel,
    RecursiveLDiversity,
    TCloseness,
)
from linkkit.steward.protect.tally import Entries, find_entries

__all__ = ["coded_values", "compile_conditions", "one_population"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_Ints = npt.NDArray[np.int64]
_Group = tuple[Entries, tuple[rules.Rule, ...]]
_Sensitive = DistinctLDiversity | EntropyLDiversity | RecursiveLDiversity | TCloseness


def compile_conditions(
    models: Sequence[PrivacyModel],
    items: Items,
    *,
    sensitive: Mapping[str, pa.Array | pa.ChunkedArray] | None = None,
    person: _Ints | None = None,
    household: _Ints | None = None,
) -> Conditions:
    """Compile privacy models for the items of one table.

    Parameters
    ----------
    models : sequence of PrivacyModel
        One or more; a class has to keep all of them.
    items : Items
        Of the table.
    sensitive : mapping of str to array, optional
        The columns that models name, each of n_rows values; null and not-a-number are
        missing, which is a value like any other, ordered behind the last.
    person : ndarray of int64, shape (n_rows,), optional
        A number for each person, where somebody may have several rows. Everything counts
        people then: somebody once in a class, and once with each value there.
    household : ndarray of int64, shape (n_rows,), optional
        A number for each household, negative for somebody without one.

    Raises
    ------
    ProtectionError
        When a model asks for a column or households that are not given, an order of what has
        none, or a hierarchy or an order that does not cover the values; everything that is
        wrong is told.

    Examples
    --------
    >>> import numpy as np
    >>> from linkkit.steward.protect.items import find_items
    >>> items = find_items([np.array([0, 0, 1, 1])], [2])
    >>> conditions = compile_conditions(
    ...     [KAnonymity(k=2), DistinctLDiversity(sensitive="score", l=2)],
    ...     items,
    ...     sensitive={"score": pa.array([1, 1, 1, 2])},
    ... )
    >>> conditions.met(np.array([0, 1]), np.array([0, 1]), n_classes=2)
    array([False,  True])
    """
    _require_possible(models, sensitive or {}, household)
    people, counts = None, items.counts
    if person is not None:
        of_rows = items.of_rows.astype(np.int64)
        entries = find_entries(np.zeros_like(of_rows), of_rows, person)
        people = entries if len(entries.who) else None
        counts = np.bincount(entries.items, weights=entries.counts, minlength=len(items)).astype(
            np.int64
        )
    groups = _households(models, items, person, household)
    for name in dict.fromkeys(model.sensitive for model in models if isinstance(model, _Sensitive)):
        mine = [m for m in models if isinstance(m, _Sensitive) and m.sensitive == name]
        groups += _sensitive(mine, (sensitive or {})[name], items, person)
    shares = [(model.low, model.high) for model in models if isinstance(model, DeltaPresence)]
    return Conditions(
        k=max((model.k for model in models if isinstance(model, KAnonymity)), default=1),
        counts=counts,
        people=people,
        rules=tuple(groups),
        population_k=max((model.k for model in models if isinstance(model, KMap)), default=0),
        shares=tuple(dict.fromkeys(shares)),
    )


def one_population(models: Sequence[PrivacyModel]) -> Any:
    """Return the population that models ask for, or None.

    Raises
    ------
    ProtectionError
        When they ask for several.
    """
    asked = [model.population for model in models if isinstance(model, KMap | DeltaPresence)]
    if any(population is not asked[0] for population in asked):
        raise ProtectionError(
            "the models name more than one population",
            hint="Give the same table to all of them.",
        )
    return asked[0] if asked else None


def _require_possible(
    models: Sequence[PrivacyModel],
    sensitive: Mapping[str, pa.Array | pa.ChunkedArray],
    household: _Ints | None,
) -> None:
    problems = [] if models else ["no privacy model is given"]
    if household is None and any(isinstance(model, HouseholdKAnonymity) for model in models):
        problems.append("household k-anonymity is asked for and there are no households")
    for model in models:
        if not isinstance(model, _Sensitive):
            continue
        if model.sensitive not in sensitive:
            problems.append(f"sensitive variable '{model.sensitive}' is not in the table")
        elif isinstance(model, TCloseness):
            problems += _distance_problems(model, sensitive[model.sensitive])
    if problems:
        is_ordered = any(isinstance(m, TCloseness) and m.distance == "ordered" for m in models)
        raise ProtectionError(
            list(dict.fromkeys(problems)),
            hint="Correct the privacy models or the table."
            + (
                " For text and categories give 'order', all values from least to most; numbers "
                "and dates have an order of their own."
                if is_ordered
                else ""
            ),
        )


def _distance_problems(model: TCloseness, column: pa.Array | pa.ChunkedArray) -> list[str]:
    if model.distance == "ordered":
        return _order_problems(model, column)
    if model.hierarchy is None:
        return []
    paths = list(model.hierarchy.values())
    name = f"the hierarchy of sensitive variable '{model.sensitive}'"
    if len({len(path) for path in paths}) != 1 or not paths[0]:
        return [f"{name} does not have the same number of groups for every value"]
    problems = [] if len({path[-1] for path in paths}) == 1 else [f"{name} has several tops"]
    if any(_splits(paths, level) for level in range(1, len(paths[0]))):
        problems.append(f"{name} splits a group at a coarser level")
    n_open = _n_open(column, model.hierarchy)
    if n_open:
        problems.append(f"{name} does not cover {n_open} values")
    return problems


def _order_problems(model: TCloseness, column: pa.Array | pa.ChunkedArray) -> list[str]:
    name = f"sensitive variable '{model.sensitive}'"
    if _has_order(column.type):
        has_own = "is of numbers or dates, which have an order of their own"
        return [] if model.order is None else [f"{name} {has_own}"]
    if model.order is None:
        return [f"{name} has no order: it is text, a category or yes and no"]
    n_open = _n_open(column, model.order)
    return [f"the order of {name} does not cover {n_open} values"] if n_open else []


def _n_open(column: pa.Array | pa.ChunkedArray, covered: Collection[str]) -> int:
    """Count the values that a hierarchy or an order does not have."""
    return len(set(_texts(coded_values(column)[0])) - {None} - set(covered))


def _splits(paths: Sequence[Sequence[str]], level: int) -> bool:
    return len({(p[level - 1], p[level]) for p in paths}) > len({p[level - 1] for p in paths})


def _has_order(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_temporal(kind)
    )


def coded_values(column: pa.Array | pa.ChunkedArray) -> tuple[list[Any], _Ints]:
    """Return the distinct values in ascending order, and the place of each row's among them.

    Missing is None, behind the last.

    Examples
    --------
    >>> values, codes = coded_values(pa.array([5, None, 3, 5]))
    >>> values, codes.tolist()
    ([3, 5, None], [1, 2, 0, 1])
    """
    column = pa.chunked_array(column) if isinstance(column, pa.Array) else column
    column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(column, pa.DictionaryArray):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        number = pc.add(column.cast(pa.float64()), 0.0)
        column = pc.if_else(pc.is_nan(number), pa.scalar(None, pa.float64()), number)
    encoded = column.dictionary_encode()
    found = encoded.dictionary.to_pylist()
    order = sorted(range(len(found)), key=found.__getitem__)
    rank = np.empty(len(found) + 1, dtype=np.int64)
    rank[order] = np.arange(len(found))
    rank[-1] = len(found)
    codes = rank[encoded.indices.fill_null(len(found)).to_numpy(zero_copy_only=False)]
    missing = [None] if encoded.null_count else []
    return [*(found[i] for i in order), *missing], codes


def _texts(values: Sequence[Any]) -> list[str | None]:
    return [
        None if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in values
    ]


def _households(
    models: Sequence[PrivacyModel], items: Items, person: _Ints | None, household: _Ints | None
) -> list[_Group]:
    asked = [model.k for model in models if isinstance(model, HouseholdKAnonymity)]
    if not asked or household is None:
        return []
    alone = np.arange(len(household)) if person is None else person
    homes = np.where(household < 0, alone - alone.min(initial=0), household)
    _, codes = np.unique(np.column_stack([household < 0, homes]), axis=0, return_inverse=True)
    entries = find_entries(
        np.zeros_like(items.of_rows.astype(np.int64)),
        items.of_rows.astype(np.int64),
        codes.reshape(-1).astype(np.int64),
    )
    return [(entries, (rules.People(k=max(asked)),))]


def _sensitive(
    models: Sequence[_Sensitive],
    column: pa.Array | pa.ChunkedArray,
    items: Items,
    person: _Ints | None,
) -> list[_Group]:
    """Compile the models of one variable; a hierarchy and an order place its values anew."""
    values, codes = coded_values(column)
    placed = [m for m in models if isinstance(m, TCloseness) and (m.hierarchy or m.order)]
    plain = [model for model in models if model not in placed]
    of_rows = items.of_rows.astype(np.int64)
    overall = _overall(codes, len(values), person)
    groups: list[_Group] = []
    if plain:
        entries = find_entries(codes, of_rows, person)
        groups.append((entries, tuple(_rule(model, overall) for model in plain)))
    for model in placed:
        place, rule = _placed(model, _texts(values), overall)
        groups.append((find_entries(place[codes], of_rows, person), (rule,)))
    return groups


def _placed(
    model: TCloseness, texts: Sequence[str | None], overall: _Ints
) -> tuple[_Ints, rules.Rule]:
    """Return where the values lie in the hierarchy or order of a model, and its rule there."""
    moved = np.empty_like(overall)
    if model.hierarchy is not None:
        place, levels = _paths(texts, model.hierarchy)
        moved[place] = overall
        return place, rules.LevelledCloseness(t=model.t, overall=moved, groups=levels)
    place = _ranks(texts, model.order or ())
    moved[place] = overall
    return place, rules.RankedCloseness(t=model.t, overall=moved)


def _ranks(texts: Sequence[str | None], order: Sequence[str]) -> _Ints:
    """Return the rank of each value among those that occur, missing behind the last."""
    at: dict[str | None, int] = {text: i for i, text in enumerate(order)}
    at[None] = len(order)
    return np.argsort(np.argsort([at[text] for text in texts])).astype(np.int64)


def _overall(codes: _Ints, n_values: int, person: _Ints | None) -> _Ints:
    """Return how many people have each value, somebody once with each of theirs."""
    if person is not None:
        pairs = np.unique(np.column_stack([codes, person]), axis=0)
        codes = pairs[:, 0]
    return np.bincount(codes, minlength=n_values).astype(np.int64)


def _rule(model: _Sensitive, overall: _Ints) -> rules.Rule:
    if isinstance(model, DistinctLDiversity):
        return rules.Distinct(l=model.l)
    if isinstance(model, EntropyLDiversity):
        return rules.Entropy(l=model.l)
    if isinstance(model, RecursiveLDiversity):
        return rules.Recursive(c=model.c, l=model.l)
    kinds: Mapping[str, Callable[..., rules.Rule]] = {
        "equal": rules.Closeness,
        "ordered": rules.RankedCloseness,
    }
    return kinds[model.distance](t=model.t, overall=overall)


def _paths(
    texts: Sequence[str | None], hierarchy: Mapping[str, Sequence[str]]
) -> tuple[_Ints, _Ints]:
    """Return a place for each value so that groups lie together, and the groups by place.

    Missing is in no group but the top.
    """
    height = len(next(iter(hierarchy.values())))
    paths = [
        ("1",) * (height + 1)
        if text is None
        else tuple(f"0{name}" for name in (*reversed(hierarchy[text]), text))
        for text in texts
    ]
    order = sorted(range(len(paths)), key=paths.__getitem__)
    place = np.empty(len(paths), dtype=np.int64)
    place[order] = np.arange(len(paths))
    groups = np.empty((height, len(paths)), dtype=np.int64)
    for level in range(height):
        nodes: dict[tuple[str, ...], int] = {}
        for at, i in enumerate(order):
            groups[level, at] = nodes.setdefault(paths[i][: height + 1 - level], len(nodes))
    return place, groups
