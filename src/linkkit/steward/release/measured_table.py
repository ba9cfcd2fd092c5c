"""Measure how well any table protects people, for notebooks and for comparing tools.

The same measures as of the independent check, on a frame instead of files.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from linkkit.errors import OptionError
from linkkit.steward.release import measures
from linkkit.steward.release.classes import Classes, as_codes, find_classes
from linkkit.steward.release.counted import count_in_classes
from linkkit.steward.release.kept import (
    Spread,
    has_own_order,
    in_order,
    n_uncovered,
    spread,
    tree_levels,
)

__all__ = ["PrivacyMeasures", "SensitiveMeasures", "measure_privacy"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Missing = Literal["category", "wildcard", "suppress"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SensitiveMeasures:
    """What can be learned of a sensitive variable in the class that shows most of it.

    Attributes
    ----------
    distinct_l : int
        The fewest different values in a class.
    entropy_l : float
        The smallest number of equally common values that has the entropy of a class.
    recursive_c : dict of int to float
        For each l from 2 to `distinct_l`: the table is recursively (c, l)-diverse for every c
        above this number.
    largest_share : float
        The largest share of one value in a class (alpha).
    t_equal : float
        The largest distance of a class from the whole table, all values equally far apart.
    t_ordered : float or None
        The same where values lie at their ranks; None for text whose order is not given.
    t_hierarchical : float or None
        The same in a hierarchy, if one is given.
    """

    distinct_l: int
    entropy_l: float
    recursive_c: dict[int, float]
    largest_share: float
    t_equal: float
    t_ordered: float | None
    t_hierarchical: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivacyMeasures:
    """How well a table protects people.

    Attributes
    ----------
    n_people, n_classes : int
        People, and combinations of quasi-identifiers.
    k : int
        The fewest people in a class.
    household_k : int or None
        The fewest households in a class, where they are told.
    n_with_missing : int
        Rows that lack a quasi-identifier.
    sensitive : dict of str to SensitiveMeasures
        For each sensitive variable.
    """

    n_people: int
    n_classes: int
    k: int
    household_k: int | None
    n_with_missing: int
    sensitive: dict[str, SensitiveMeasures]


def measure_privacy(
    table: Any,
    *,
    quasi_identifiers: Sequence[str],
    sensitive: Sequence[str] = (),
    missing: _Missing = "category",
    person: str | None = None,
    household: str | None = None,
    hierarchies: Mapping[str, Mapping[str, str | Sequence[str]]] | None = None,
    orders: Mapping[str, Sequence[str]] | None = None,
) -> PrivacyMeasures:
    """Measure k, l and t of a table.

    Parameters
    ----------
    table : table
        pandas, Polars or Arrow; one row or more.
    quasi_identifiers : sequence of str
        The columns whose combinations form classes.
    sensitive : sequence of str, optional
        The columns whose values in a class are looked at; missing is a value, the last in order.
    missing : {"category", "wildcard", "suppress"}, default "category"
        What a missing quasi-identifier is: a value; something that agrees with every value, so
        that the class of a record is all that match it; something that only counts in
        ``n_with_missing``, where it should be 0.
    person : str, optional
        The column that tells whose row it is, never missing; each row is somebody else's by default. Somebody
        counts once in a class, and once with each value there.
    household : str, optional
        The column of households; missing is a household of one.
    hierarchies : mapping of str to mapping of str to sequence of str, optional
        For a sensitive variable, the groups of each value from fine to coarse, the same number
        for each, the last the same for all. A text is the only group of a value.
    orders : mapping of str to sequence of str, optional
        For a sensitive variable of text or categories, its values from least to most, as text;
        only those that occur have ranks.

    Raises
    ------
    OptionError
        When the table is empty or of an unknown kind, a column is missing or comes twice, a row
        has no person, an option is not one of those named, a hierarchy does not cover the
        values, has several tops or splits a group, or an order does not cover the values, has
        one twice or is of a variable of numbers or dates.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": ["30-39"] * 2 + ["40-49"] * 2, "score": [1, 1, 1, 2]})
    >>> found = measure_privacy(table, quasi_identifiers=["age"], sensitive=["score"])
    >>> found.k, found.sensitive["score"].distinct_l, found.sensitive["score"].t_equal
    (2, 1, 0.25)
    >>> table["risk"] = ["low", "low", "low", "high"]
    >>> found = measure_privacy(
    ...     table,
    ...     quasi_identifiers=["age"],
    ...     sensitive=["risk"],
    ...     orders={"risk": ["low", "middle", "high"]},
    ... )
    >>> found.sensitive["risk"].t_ordered
    0.25
    """
    _require_options(quasi_identifiers, sensitive, missing, hierarchies or {}, orders or {})
    asked = [*quasi_identifiers, *sensitive, *([person] if person else [])]
    columns = _columns(table, [*asked, *([household] if household else [])])
    # Missing as a value is what a reader sees: not a number and nothing at all are two values.
    given = [columns[name] for name in quasi_identifiers]
    coded = [as_codes(column, nan_is_missing=missing != "category")[0] for column in given]
    classes = find_classes(coded, missing=missing)
    whose = None if person is None else _numbered(columns[person], person)
    sizes = _sizes(classes, whose)
    homes = None if household is None else _homes(as_codes(columns[household])[0], whose)
    return PrivacyMeasures(
        n_people=len(classes.of_rows) if whose is None else len(np.unique(whose)),
        n_classes=len(classes),
        k=int(sizes.min()),
        household_k=None if homes is None else int(_sizes(classes, homes).min()),
        n_with_missing=int(
            np.any([_lacks(*each) for each in zip(given, coded, strict=True)], axis=0).sum()
        ),
        sensitive={
            name: _measures(
                classes,
                columns[name],
                whose,
                tree=(hierarchies or {}).get(name),
                order=(orders or {}).get(name),
                name=name,
            )
            for name in sensitive
        },
    )


def _lacks(column: pa.ChunkedArray, codes: _Ints) -> npt.NDArray[np.bool_]:
    """Return in which rows nothing is known; `codes` may number what is not a number as a value."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return (as_codes(column)[0] if pa.types.is_floating(kind) else codes) < 0


def _require_options(
    quasi_identifiers: Sequence[str],
    sensitive: Sequence[str],
    missing: str,
    hierarchies: Mapping[str, Mapping[str, str | Sequence[str]]],
    orders: Mapping[str, Sequence[str]],
) -> None:
    problems: list[str] = []
    for option, names in (("quasi_identifiers", quasi_identifiers), ("sensitive", sensitive)):
        if isinstance(names, str):
            problems.append(f"'{option}' is a list of names, and a text was given")
            continue
        repeated = [name for name, n in Counter(names).items() if n > 1]
        problems += [f"'{option}' has '{name}' more than once" for name in repeated]
    if not quasi_identifiers:
        problems.append("no quasi-identifier is given")
    if missing not in get_args(_Missing):
        problems.append("'missing' must be 'category', 'wildcard' or 'suppress'")
    problems += [
        f"the hierarchy of '{n}' is a {type(tree).__name__}, not a mapping"
        for n, tree in hierarchies.items()
        if not isinstance(tree, Mapping)
    ]
    problems += [
        f"the {what} of '{n}' is of no sensitive variable"
        for what, given in (("hierarchy", hierarchies), ("order", orders))
        for n in given
        if n not in sensitive
    ]
    problems += [
        f"the order of '{n}' {problem}"
        for n, order in orders.items()
        if (problem := _order_problem(order))
    ]
    if problems:
        raise OptionError(problems, hint="For example quasi_identifiers=['age', 'sex'].")


def _order_problem(order: object) -> str:
    if not isinstance(order, Sequence) or isinstance(order, str | bytes):
        return f"is a {type(order).__name__}, not a list of values"
    n_others = sum(not isinstance(value, str) for value in order)
    if n_others:
        return f"has {n_others} values that are not text"
    n_repeated = len(order) - len(set(order))
    return f"has {n_repeated} values more than once" if n_repeated else ""


def _columns(table: Any, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    frame = _opened(table)
    if frame is None:
        raise OptionError(
            "the table is not a pandas, Polars or Arrow table with distinct column names",
            hint="Give one of these, each column once.",
        )
    n_named = Counter(frame.columns)
    wrong = [
        f"column '{name}' is {n_named[name]} times in the table"
        if n_named[name]
        else f"the table has no column '{name}'"
        for name in dict.fromkeys(names)
        if n_named[name] != 1
    ]
    if wrong or not len(frame):
        raise OptionError(wrong or "the table has no rows", hint="Look at the table's columns.")
    columns: dict[str, pa.ChunkedArray] = {}
    for name in dict.fromkeys(names):
        made, problem = _attempt(frame.get_column(name))
        if made is None:
            wrong.append(f"column '{name}' {problem}")
        else:
            columns[name] = made
    if wrong:
        raise OptionError(wrong, hint="Make every column all text, all numbers or all dates.")
    return columns


def _attempt(column: Any) -> tuple[pa.ChunkedArray | None, str]:
    """Return a column, or what is wrong with it, without a value."""
    made: Any = None
    problem = "mixes types, or holds what Arrow cannot"
    try:
        made = _as_arrow(column)
    except UnicodeError:
        n_broken = sum(_is_broken(cell) for cell in column.to_list())
        problem = f"holds text that is not Unicode in {n_broken} cells"
    except OverflowError:
        problem = "holds whole numbers of more than 64 bits"
    except (pa.ArrowException, TypeError, ValueError):
        pass
    if made is not None and pa.types.is_nested(made.type):
        made, problem = None, "holds lists or records"
    return made, problem


def _is_broken(cell: object) -> bool:
    return isinstance(cell, str) and any("\ud800" <= letter <= "\udfff" for letter in cell)


def _opened(table: Any) -> Any:
    try:
        return nw.from_native(table, eager_only=True)
    except (TypeError, ValueError, KeyError):
        return None


def _as_arrow(column: Any) -> pa.ChunkedArray:
    """Return a column of any library; texts that are Python objects are numbered first."""
    native = column.to_native()
    if isinstance(native, pd.Series) and native.dtype == object:
        codes, found = pd.factorize(native)
        if all(isinstance(value, str) for value in found):
            indices = pa.array(codes.astype(np.int32), mask=codes < 0)
            encoded = pa.DictionaryArray.from_arrays(indices, pa.array(found, pa.string()))
            return pa.chunked_array([encoded])
    return column.to_arrow()


def _numbered(column: pa.ChunkedArray, name: str) -> _Ints:
    """Number people."""
    codes, _ = as_codes(column)
    n_missing = int((codes < 0).sum())
    if n_missing:
        raise OptionError(
            f"column '{name}': {n_missing} rows have no person",
            hint="Leave those rows out, or say whose they are.",
        )
    return codes


def _homes(codes: _Ints, whose: _Ints | None) -> _Ints:
    alone = np.arange(len(codes)) if whose is None else whose
    return np.where(codes < 0, -1 - alone, codes)


def _sizes(classes: Classes, people: _Ints | None) -> _Ints:
    return np.concatenate([part.people for part in count_in_classes(classes, people=people)])


def _measures(
    classes: Classes,
    column: pa.ChunkedArray,
    people: _Ints | None,
    *,
    tree: Mapping[str, str | Sequence[str]] | None,
    order: Sequence[str] | None,
    name: str,
) -> SensitiveMeasures:
    found = spread(column, people=people)
    if found is not None and order is not None:
        _require_coverage(found, order, column.type, name)
        found = in_order(found, order)
    paths = None if tree is None else _tree(tree, name)
    levels = None if paths is None or found is None else tree_levels(found.values, paths)
    if found is None or (paths is not None and levels is None):
        raise OptionError(
            f"the hierarchy of '{name}' does not cover its values",
            hint="Give each value as many groups as the others.",
        )
    has_order = order is not None or has_own_order(column.type)
    return _worst(classes, found, people, levels=levels, has_order=has_order)


def _require_coverage(found: Spread, order: Sequence[str], kind: pa.DataType, name: str) -> None:
    n_open = n_uncovered(found, order)
    problem = ""
    if has_own_order(kind) and not pa.types.is_dictionary(kind):
        problem = f"column '{name}' has numbers or dates, which have an order of their own"
    elif n_open:
        problem = f"the order of '{name}' does not cover {n_open} values"
    if problem:
        raise OptionError(
            problem, hint="Give all values of a column of text or categories, from least to most."
        )


def _tree(tree: Mapping[str, str | Sequence[str]], name: str) -> dict[str, tuple[str, ...]]:
    """Return a hierarchy as paths of groups, from fine to coarse."""
    paths = {
        value: (path,) if isinstance(path, str) else tuple(path)
        for value, path in tree.items()
        if isinstance(path, str | Sequence)
    }
    heights = {len(path) for path in paths.values()}
    problems: list[str] = []
    if len(paths) < len(tree) or len(heights) != 1 or heights == {0}:
        problems.append("does not have the same number of groups for every value")
    elif len({path[-1] for path in paths.values()}) > 1:
        problems.append("has several tops")
    elif any(
        len({path[level:] for path in paths.values()}) > len({p[level] for p in paths.values()})
        for level in range(heights.pop())
    ):
        problems.append("splits a group at a coarser level")
    if problems:
        raise OptionError(
            [f"the hierarchy of '{name}' {problem}" for problem in problems],
            hint="Give each value its groups from fine to coarse, the last the same for all.",
        )
    return paths


def _worst(
    classes: Classes,
    found: Spread,
    people: _Ints | None,
    *,
    levels: Sequence[_Ints] | None,
    has_order: bool,
) -> SensitiveMeasures:
    distinct, entropy = len(found.values), math.inf
    share = equal = ordered = levelled = 0.0
    ratios: dict[int, float] = {}
    parts = list(count_in_classes(classes, found.codes, people=people))
    distinct = min(int(measures.distinct_values(part).min()) for part in parts)
    for part in parts:
        entropy = min(entropy, float(measures.entropies(part).min()))
        share = max(share, float(measures.largest_shares(part).max()))
        equal = max(equal, float(measures.variations(part, found.overall).max()))
        if has_order:
            ordered = max(ordered, float(measures.rank_distances(part, found.overall).max()))
        if levels is not None:
            far = measures.level_distances(part, found.overall, levels)
            levelled = max(levelled, float(far.max()))
        for l in range(2, distinct + 1):  # noqa: E741
            worst = float(measures.recursive_ratios(part, l).max())
            ratios[l] = max(ratios.get(l, 0.0), worst)
    return SensitiveMeasures(
        distinct_l=distinct,
        entropy_l=math.exp(max(0.0, entropy)),
        recursive_c=ratios,
        largest_share=share,
        t_equal=equal,
        t_ordered=ordered if has_order else None,
        t_hierarchical=None if levels is None else levelled,
    )
