"""Whether the classes of a file keep what was promised: each promise measured on its own.

Part of the independent check: it shares no code with what protects.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.steward.promises import (
    ModelPromise,
    PromisedAverages,
    PromisedCloseness,
    PromisedDistinctL,
    PromisedEntropyL,
    PromisedHouseholdK,
    PromisedK,
    PromisedKMap,
    PromisedPresence,
    PromisedRecursiveL,
)
from linkkit.steward.release import measures
from linkkit.steward.release.classes import Classes, as_codes, find_classes
from linkkit.steward.release.counted import Counted, count_in_classes, pooled

__all__ = [
    "Data",
    "MeasuredModel",
    "Spread",
    "has_own_order",
    "in_order",
    "measure_averages",
    "measure_promise",
    "n_uncovered",
    "spread",
    "tree_levels",
]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredModel:
    """What was measured of one promise.

    Attributes
    ----------
    model : str
        The name of the model.
    sensitive : str
        The variable that it is about, several with commas, or an empty text.
    promised : dict of str to number or str
        Its parameters.
    least, most : float
        The measure of the classes with the smallest and the largest: people, households, people
        of the population, values, the number of equally common values with the same entropy,
        the ratio that must stay below c, the distance, the share in the data.
    n_broken : int
        How many classes do not keep it.
    problem : str
        What is wrong, in words without any value; empty where all is well.
    """

    model: str
    sensitive: str
    promised: dict[str, float | str]
    least: float
    most: float
    n_broken: int
    problem: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Spread:
    """A sensitive variable: the value of each row, and how common each is in all people."""

    values: tuple[Any, ...]
    codes: _Ints
    overall: _Ints


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Data:
    """What the promises are measured on.

    Attributes
    ----------
    classes : Classes
        Of the file.
    sensitive : dict of str to pyarrow.ChunkedArray
        The columns that promises name.
    households : ndarray of int64, shape (n_rows,), optional
        The household of each row; each row its own where there is none.
    fitting : ndarray of int64, shape (n_classes,), optional
        How many people of the population fit what each combination shows.
    """

    classes: Classes
    sensitive: Mapping[str, pa.ChunkedArray]
    households: _Ints | None = None
    fitting: _Ints | None = None


def measure_promise(promise: ModelPromise, data: Data) -> MeasuredModel:
    """Measure one promise.

    Examples
    --------
    >>> from linkkit.steward.release.classes import find_classes
    >>> classes = find_classes([np.array([0, 0, 1])], missing="category")
    >>> measured = measure_promise(PromisedK(k=2), Data(classes=classes, sensitive={}))
    >>> measured.least, measured.n_broken
    (1.0, 1)
    """
    match promise:
        case PromisedK(k=k):
            return _people(promise, data, None, k, "belong to fewer than {} people")
        case PromisedHouseholdK(k=k):
            if data.households is None:
                return _unknown(promise, "no households are given")
            text = "belong to people of fewer than {} households"
            return _people(promise, data, data.households, k, text)
        case PromisedKMap() | PromisedPresence():
            return _of_population(promise, data)
        case _:
            return _of_sensitive(promise, data)


def measure_averages(
    promise: PromisedAverages, cells: Sequence[pa.Array | pa.ChunkedArray]
) -> MeasuredModel:
    """Measure how many people share each combination of averaged values.

    Parameters
    ----------
    promise : PromisedAverages
        What is promised.
    cells : sequence of pyarrow array
        The columns as they were written, in the order of the promise.

    Examples
    --------
    >>> promise = PromisedAverages(variables=("income",), k=2)
    >>> measured = measure_averages(promise, [pa.array(["1.5", "1.5", "9.0", None])])
    >>> measured.least, measured.n_broken, measured.problem
    (1.0, 1, '1 combinations of averaged variables belong to fewer than 2 people')
    """
    found = find_classes([as_codes(column)[0] for column in cells], missing="category")
    n_people = np.bincount(found.of_rows, minlength=len(found))
    n_people = n_people[np.any(found.codes >= 0, axis=1)]
    n_broken = int((n_people < promise.k).sum())
    text = f"combinations of averaged variables belong to fewer than {promise.k} people"
    return MeasuredModel(
        model="microaggregation",
        sensitive=", ".join(promise.variables),
        promised={"k": promise.k, "statistic": promise.statistic},
        least=float(n_people.min()) if len(n_people) else 0.0,
        most=float(n_people.max(initial=0)),
        n_broken=n_broken,
        problem=f"{n_broken} {text}" if n_broken else "",
    )


def _unknown(promise: ModelPromise, why: str) -> MeasuredModel:
    problem = f"{promise.model} is promised and cannot be measured: {why}"
    return _result(promise, least=math.nan, most=math.nan, n_broken=0, problem=problem)


def _told(promise: ModelPromise, values: _Floats, n_broken: int, text: str) -> MeasuredModel:
    return _result(
        promise,
        least=float(values.min()),
        most=float(values.max()),
        n_broken=n_broken,
        problem=f"{n_broken} combinations of quasi-identifiers {text}" if n_broken else "",
    )


def _result(
    promise: ModelPromise, *, least: float, most: float, n_broken: int, problem: str
) -> MeasuredModel:
    """Say what was measured of a promise; what it tells of people stays behind."""
    names = ("k", "l", "c", "t", "distance", "low", "high")
    return MeasuredModel(
        model=promise.model,
        sensitive=getattr(promise, "sensitive", ""),
        promised={name: getattr(promise, name) for name in names if hasattr(promise, name)},
        least=least,
        most=most,
        n_broken=n_broken,
        problem=problem,
    )


def _n_people(data: Data, people: _Ints | None) -> _Ints:
    found = count_in_classes(data.classes, people=people)
    return np.concatenate([part.people for part in found])


def _people(
    promise: ModelPromise, data: Data, people: _Ints | None, k: int, text: str
) -> MeasuredModel:
    n = _n_people(data, people)
    return _told(promise, n.astype(np.float64), int((n < k).sum()), text.format(k))


def _of_population(promise: PromisedKMap | PromisedPresence, data: Data) -> MeasuredModel:
    if data.fitting is None:
        return _unknown(promise, "no population is given")
    fitting = data.fitting
    if isinstance(promise, PromisedKMap):
        text = f"fit fewer than {promise.k} people of the population"
        n_broken = int((fitting < promise.k).sum())
        return _told(promise, fitting.astype(np.float64), n_broken, text)
    people = _n_people(data, None)
    low, high = measures.exact(promise.low), measures.exact(promise.high)
    n_broken = sum(
        not (
            f > 0
            and low.numerator * f <= n * low.denominator
            and n * high.denominator <= high.numerator * f
        )
        for n, f in zip(people.tolist(), fitting.tolist(), strict=True)
    )
    with np.errstate(divide="ignore"):
        share = people / fitting
    text = f"hold a share of the population that is not from {promise.low:g} to {promise.high:g}"
    return _told(promise, share, n_broken, text)


def _of_sensitive(
    promise: PromisedDistinctL | PromisedEntropyL | PromisedRecursiveL | PromisedCloseness,
    data: Data,
) -> MeasuredModel:
    name = promise.sensitive
    if name not in data.sensitive:
        return _unknown(promise, f"column '{name}' is missing")
    overall = promise.overall if isinstance(promise, PromisedCloseness) else None
    found = spread(data.sensitive[name], overall=overall)
    if found is None:
        return _unknown(promise, f"column '{name}' has values that the data did not have before")
    if isinstance(promise, PromisedCloseness) and promise.distance == "ordered":
        problem = _order_problem(found, promise.order, data.sensitive[name].type)
        if problem:
            return _unknown(promise, f"{problem} column '{name}'")
        found = found if promise.order is None else in_order(found, promise.order)
    tree: Sequence[_Ints] = ()
    if isinstance(promise, PromisedCloseness) and promise.hierarchy is not None:
        levels = tree_levels(found.values, promise.hierarchy)
        if levels is None:
            return _unknown(promise, f"the hierarchy does not cover column '{name}'")
        tree = levels
    measured, n_broken = [], 0
    for part in count_in_classes(data.classes, found.codes):
        values, broken = _in_part(promise, part, found.overall, tree)
        measured.append(values)
        n_broken += broken
    return _told(promise, np.concatenate(measured), n_broken, _wording(promise))


def _order_problem(found: Spread, order: Sequence[str] | None, kind: pa.DataType) -> str:
    if has_own_order(kind):
        return "an order is promised beside that of the numbers or dates of" if order else ""
    if order is None:
        return "no order is promised for the texts of"
    if len(set(order)) < len(order):
        return "the order repeats a value of"
    return "the order does not cover" if n_uncovered(found, order) else ""


def _in_part(
    promise: PromisedDistinctL | PromisedEntropyL | PromisedRecursiveL | PromisedCloseness,
    part: Counted,
    overall: _Ints,
    tree: Sequence[_Ints],
) -> tuple[_Floats, int]:
    """Return the measure of each class, and how many classes break the promise."""
    match promise:
        case PromisedDistinctL():
            n = measures.distinct_values(part)
            return n.astype(np.float64), int((n < promise.l).sum())
        case PromisedEntropyL():
            least = measures.exact(promise.l)
            entropy = measures.entropies(part)
            broken = measures.n_over(
                part,
                math.log(promise.l) - entropy,
                lambda _, counts: measures.has_entropy(counts.tolist(), least),
            )
            return np.exp(entropy), broken
        case PromisedRecursiveL():
            c, ratio = measures.exact(promise.c), measures.recursive_ratios(part, promise.l)
            broken = measures.n_over(
                part,
                ratio - promise.c,
                lambda _, counts: measures.is_recursive(counts.tolist(), c, promise.l),
            )
            return ratio, broken
    return _distances(promise, part, overall, tree)


def _distances(
    promise: PromisedCloseness, part: Counted, overall: _Ints, tree: Sequence[_Ints]
) -> tuple[_Floats, int]:
    most = measures.exact(promise.t)
    if promise.distance == "equal":
        distance = measures.variations(part, overall)
        whole = measures.whole_variation
    elif promise.distance == "ordered":
        distance = measures.rank_distances(part, overall)
        whole = measures.whole_rank_distance
    else:
        distance = measures.level_distances(part, overall, tree)

        def whole(values: _Ints, counts: _Ints, overall: _Ints) -> Any:
            return measures.whole_level_distance(values, counts, overall, tree)

    broken = measures.n_over(
        part, distance - promise.t, lambda values, counts: whole(values, counts, overall) <= most
    )
    return distance, broken


def _wording(promise: ModelPromise) -> str:
    match promise:
        case PromisedDistinctL():
            return f"show fewer than {promise.l} different values of '{promise.sensitive}'"
        case PromisedEntropyL():
            return f"have less entropy of '{promise.sensitive}' than {promise.l:g} values can have"
        case PromisedRecursiveL():
            return (
                f"are not recursively ({promise.c:g}, {promise.l})-diverse in '{promise.sensitive}'"
            )
        case PromisedCloseness():
            return (
                f"are farther than {promise.t:g} ({promise.distance}) from everybody's "
                f"'{promise.sensitive}'"
            )
    return ""


def spread(
    column: pa.Array | pa.ChunkedArray,
    *,
    overall: Sequence[tuple[Any, int]] | None = None,
    people: _Ints | None = None,
) -> Spread | None:
    """Rank the values of a sensitive variable, missing behind the last.

    Parameters
    ----------
    column : pyarrow array
        The values; null and not-a-number are missing.
    overall : sequence of (value, int), optional
        How many people had each value before anybody was withheld, dates as ISO 8601 text;
        those of the column by default.
    people : ndarray of int64, shape (n_rows,), optional
        Whose row it is.

    Returns
    -------
    Spread or None
        None when the column has a value that `overall` does not have.

    Examples
    --------
    >>> spread(pa.array([7, None, 3, 7])).codes.tolist()
    [1, 2, 0, 1]
    """
    codes, dictionary = as_codes(column)
    # A category may have values that nobody has, and these have no rank.
    occurs = np.bincount(codes + 1, minlength=len(dictionary) + 1) > 0
    listed = zip(dictionary.to_pylist(), occurs[1:], strict=True)
    mine: list[Any] = [_plain(value) for value, there in listed if there]
    codes = np.append(np.cumsum(occurs[1:]) - 1, len(mine))[codes]
    if occurs[0]:
        mine.append(None)
    known = mine if overall is None else [value for value, n in overall if n > 0]
    ranked = sorted(known, key=lambda value: (value is None, 0 if value is None else value))
    place = {value: i for i, value in enumerate(ranked)}
    if any(value not in place for value in mine):
        return None
    codes = np.array([place[value] for value in mine], dtype=np.int64)[codes]
    if overall is None:
        counts = pooled(codes, people, n_values=len(ranked))
    else:
        counts = np.zeros(len(ranked), dtype=np.int64)
        for value, n in overall:
            if n > 0:
                counts[place[value]] += n
    return Spread(values=tuple(ranked), codes=codes, overall=counts)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def has_own_order(kind: pa.DataType) -> bool:
    """Return whether values of a type, or of categories of it, are numbers or dates.

    Examples
    --------
    >>> has_own_order(pa.date32()), has_own_order(pa.dictionary(pa.int32(), pa.string()))
    (True, False)
    """
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return bool(is_number or pa.types.is_temporal(kind))


def n_uncovered(found: Spread, order: Sequence[str]) -> int:
    """Count the values that an order does not have; missing needs no place in it."""
    return len({_text(value) for value in found.values} - {None} - set(order))


def in_order(found: Spread, order: Sequence[str]) -> Spread:
    """Rank values as an order has them, which covers them and has each once.

    Missing lies behind the last, and what nobody has takes no rank.

    Examples
    --------
    >>> grades = spread(pa.array(["high", "low", None, "low"]))
    >>> in_order(grades, ["low", "middle", "high"]).codes.tolist()
    [1, 0, 2, 0]
    """
    code = {_text(value): i for i, value in enumerate(found.values)}
    ranked = [code[text] for text in (*order, None) if text in code]
    rank = np.empty(len(ranked), dtype=np.int64)
    rank[ranked] = np.arange(len(ranked))
    return Spread(
        values=tuple(found.values[i] for i in ranked),
        codes=rank[found.codes],
        overall=found.overall[ranked],
    )


def tree_levels(
    values: Sequence[Any], hierarchy: Mapping[str, Sequence[str]]
) -> list[_Ints] | None:
    """Return the group of each value at each level below the top, or None where one has none.

    The values' own level comes first; missing is alone at every level.
    """
    texts = [_text(value) for value in values]
    if any(text is not None and text not in hierarchy for text in texts):
        return None
    heights = {len(path) for path in hierarchy.values()}
    if len(heights) != 1 or heights == {0}:
        return None
    levels = []
    for level in range(heights.pop()):
        nodes: dict[Any, int] = {}
        names = [
            None if text is None else (text,) if level == 0 else tuple(hierarchy[text][level - 1 :])
            for text in texts
        ]
        levels.append(np.array([nodes.setdefault(n, len(nodes)) for n in names], dtype=np.int64))
    return levels
