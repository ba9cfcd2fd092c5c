"""The distinct values of a column, in plain types, and what is wrong with them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.errors import ProtectionError

__all__ = ["Values", "dates_of", "distinct_values", "text_of"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

Kind = Literal["whole", "real", "date", "text", "truth"]

_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Values:
    """The distinct values of a column.

    Attributes
    ----------
    items : list
        In ascending order: int, float, datetime.date, str or bool, as `kind` says.
    codes : ndarray of int32, shape (n_rows,)
        The place of each row's value; behind the last where it is missing.
    counts : ndarray of int64, shape (n_items,)
        How many rows have each.
    kind : {"whole", "real", "date", "text", "truth"}
        What they are.
    exact : bool
        Whether an item is all that the column says; not where dates had a time of day.
    """

    items: list[Any]
    codes: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]
    kind: Kind
    exact: bool = True

    @property
    def texts(self) -> list[str]:
        """Each item as text."""
        return [text_of(item) for item in self.items]

    def told(self, wrong: Sequence[bool] | npt.NDArray[np.bool_], what: str) -> list[str]:
        """Say how many values are wrong, and in how many rows; nothing where none is."""
        found = np.flatnonzero(np.asarray(wrong, dtype=np.bool_))
        if not len(found):
            return []
        return [f"{len(found)} values of the data {what} ({int(self.counts[found].sum())} rows)"]


def distinct_values(variable: str, column: pa.Array | pa.ChunkedArray) -> Values:
    """Find the distinct values of a column, whatever its exact type.

    Numbers that are not a number are missing, and -0.0 is 0.0.

    Raises
    ------
    ProtectionError
        When the type is none that can be made coarser, a number is infinite, or numbers differ
        by less than is told apart.

    Examples
    --------
    >>> import pyarrow as pa
    >>> found = distinct_values("v", pa.array(["b", "a", None, "b"]))
    >>> found.items, found.codes.tolist(), found.counts.tolist()
    (['a', 'b'], [1, 0, 2, 1], [1, 2])
    """
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays([pa.array([], column.type), *column.chunks])
    plain, kind, exact = _plain(column)
    if plain is None or kind is None:
        raise ProtectionError(
            f"quasi-identifier '{variable}' is neither numbers, text, dates nor yes or no",
            hint="Make it one of these, or leave it out.",
        )
    encoded = plain.dictionary_encode()
    if kind == "real" and len(encoded.dictionary) < _n_distinct(column):
        raise ProtectionError(
            f"quasi-identifier '{variable}' has numbers of more digits than 64 bits can tell apart",
            hint="Round them, or make them text.",
        )
    keys = encoded.dictionary.cast(pa.int8()) if kind == "truth" else encoded.dictionary
    order = pc.array_sort_indices(keys)
    items = encoded.dictionary.take(order).to_pylist()
    rank = np.empty(len(items) + 1, dtype=np.int32)
    rank[order.to_numpy()] = np.arange(len(items))
    rank[-1] = len(items)
    codes = rank[encoded.indices.fill_null(len(items)).to_numpy(False)]
    found = Values(
        items=items,
        codes=codes,
        counts=np.bincount(codes, minlength=len(items) + 1)[:-1].astype(np.int64),
        kind=kind,
        exact=exact,
    )
    if kind == "real":
        _require_finite(variable, found)
    return found


def text_of(item: Any) -> str:
    """Return a value as text: whole numbers without a point, yes and no as true and false."""
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, float) and item.is_integer():
        return str(int(item))
    return str(item)


def dates_of(values: Values) -> tuple[list[dt.date | None], bool]:
    """Return each value as a date, None where it is none, and whether that is all of it.

    Text is a date as YYYY-MM-DD, with a time of day or without.
    """
    if values.kind == "date":
        return list(values.items), values.exact
    if values.kind != "text":
        return [None] * len(values.items), True
    found = [_date(text) for text in values.items]
    return found, values.exact and all(len(text) == len("YYYY-MM-DD") for text in values.items)


def _date(text: str) -> dt.date | None:
    match = _ISO.fullmatch(text.strip())
    try:
        return dt.date.fromisoformat(match.group(1)) if match else None
    except ValueError:
        return None


def _require_finite(variable: str, values: Values) -> None:
    problems = values.told(~np.isfinite(np.array(values.items, dtype=np.float64)), "are infinite")
    if problems:
        raise ProtectionError(
            [f"quasi-identifier '{variable}': {problem}" for problem in problems],
            hint="Correct them, or make them missing.",
        )


def _plain(column: pa.Array) -> tuple[pa.Array | None, Kind | None, bool]:
    """Return the column in the plainest type of its kind, its kind, and whether nothing is lost."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if pa.types.is_null(kind):
        return column.cast(pa.string()), "text", True
    if pa.types.is_boolean(kind):
        return column, "truth", True
    if pa.types.is_uint64(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        number = pc.add(column.cast(pa.float64(), safe=False), 0.0)
        return pc.if_else(pc.is_nan(number), pa.scalar(None, pa.float64()), number), "real", True
    if pa.types.is_integer(kind):
        return column.cast(pa.int64()), "whole", True
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _days(column)
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if texts or kind == getattr(pa, "string_view", pa.string)():
        return column.cast(pa.string()), "text", True
    return None, None, True


def _n_distinct(column: pa.Array) -> int:
    """Count the values of whole or decimal numbers; 0 of others, which are taken as they are."""
    is_wide = pa.types.is_uint64(column.type) or pa.types.is_decimal(column.type)
    return len(column.drop_null().unique()) if is_wide else 0


def _days(column: pa.Array) -> tuple[pa.Array, Kind, bool]:
    if pa.types.is_timestamp(column.type):
        local = pc.local_timestamp(column) if column.type.tz else column
        days = pc.floor_temporal(local, unit="day")
        exact = column.type.tz is None and bool(pc.all(pc.equal(days, local)).as_py() is not False)
        return days.cast(pa.date32(), safe=False), "date", exact
    return column.cast(pa.date32()), "date", True
