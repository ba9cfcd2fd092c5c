"""Measure how well any table protects people, for notebooks and for comparing tools.

The same measures as of the independent check, on a frame instead of files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from linkkit.errors import OptionError
from linkkit.steward.release import measures
from linkkit.steward.release.classes import Classes, as_codes, find_classes
from linkkit.steward.release.counted import count_in_classes
from linkkit.steward.release.kept import Spread, spread, tree_levels

__all__ = ["PrivacyMeasures", "SensitiveMeasures", "measure_privacy"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


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
        The same where values lie at their ranks; None for text.
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
    missing: Literal["category", "wildcard", "suppress"] = "category",
    person: str | None = None,
    household: str | None = None,
    hierarchies: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
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
        The column that tells whose row it is; each row is somebody else's by default. Somebody
        counts once in a class, and once with each value there.
    household : str, optional
        The column of households; missing is a household of one.
    hierarchies : mapping of str to mapping of str to sequence of str, optional
        For a sensitive variable, the groups of each value from fine to coarse, the same number
        for each, the last the same for all.

    Raises
    ------
    OptionError
        When the table is empty or of an unknown kind, a column is missing or comes twice, or a
        hierarchy does not cover the values.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": ["30-39"] * 2 + ["40-49"] * 2, "score": [1, 1, 1, 2]})
    >>> found = measure_privacy(table, quasi_identifiers=["age"], sensitive=["score"])
    >>> found.k, found.sensitive["score"].distinct_l, found.sensitive["score"].t_equal
    (2, 1, 0.25)
    """
    asked = [*quasi_identifiers, *sensitive, *([person] if person else [])]
    columns = _columns(table, [*asked, *([household] if household else [])])
    if not quasi_identifiers:
        raise OptionError("no quasi-identifier is given", hint="Name at least one column.")
    classes = find_classes(
        [as_codes(columns[name])[0] for name in quasi_identifiers], missing=missing
    )
    whose = None if person is None else _numbered(columns[person])
    sizes = _sizes(classes, whose)
    homes = None if household is None else _homes(as_codes(columns[household])[0], whose)
    return PrivacyMeasures(
        n_people=len(classes.of_rows) if whose is None else len(np.unique(whose)),
        n_classes=len(classes),
        k=int(sizes.min()),
        household_k=None if homes is None else int(_sizes(classes, homes).min()),
        n_with_missing=classes.n_missing,
        sensitive={
            name: _measures(
                classes, columns[name], whose, tree=(hierarchies or {}).get(name), name=name
            )
            for name in sensitive
        },
    )


def _columns(table: Any, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    frame = _opened(table)
    if frame is None:
        raise OptionError(
            "the table is not a pandas, Polars or Arrow table with distinct column names",
            hint="Give one of these, each column once.",
        )
    listed = list(frame.columns)
    wrong = [f"column '{n}' is not in the table once" for n in names if listed.count(n) != 1]
    if wrong or not len(frame):
        raise OptionError(wrong or "the table has no rows", hint="Look at the table's columns.")
    columns: dict[str, pa.ChunkedArray] = {}
    for name in dict.fromkeys(names):
        try:
            columns[name] = _as_arrow(frame.get_column(name))
        except (pa.ArrowException, TypeError, ValueError):
            wrong.append(f"column '{name}' mixes types")
    if wrong:
        raise OptionError(wrong, hint="Give every column one type.")
    return columns


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


def _numbered(column: pa.ChunkedArray) -> _Ints:
    """Number people; a row of which it is not told whose it is, is somebody else's."""
    codes, _ = as_codes(column)
    return np.where(codes < 0, int(codes.max(initial=-1)) + 1 + np.arange(len(codes)), codes)


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
    tree: Mapping[str, Sequence[str]] | None,
    name: str,
) -> SensitiveMeasures:
    found = spread(column, people=people)
    levels = None if tree is None or found is None else tree_levels(found.values, tree)
    if found is None or (tree is not None and levels is None):
        raise OptionError(
            f"the hierarchy of '{name}' does not cover its values",
            hint="Give each value as many groups as the others.",
        )
    has_order = not any(isinstance(value, str | bool) for value in found.values) or (
        pa.types.is_temporal(column.type)
    )
    return _worst(classes, found, people, levels=levels, has_order=has_order)


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
