"""Tables as they come in: any frame as an Arrow table, and whole columns of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import narwhals as nw
import pyarrow as pa

from linkkit.errors import ProtectionError

__all__ = ["to_arrow", "whole_column"]


def to_arrow(frame: Any, *, name: str = "the table") -> pa.Table:
    """Return a pandas, Polars or Arrow frame as an Arrow table.

    Raises
    ------
    ProtectionError
        When it is no frame, has no rows, repeats a column name, or mixes types in a column.

    Examples
    --------
    >>> to_arrow(pa.table({"age": [7, 8]})).num_rows
    2
    """
    columns = list(getattr(frame, "columns", ())) if not isinstance(frame, pa.Table) else None
    names = frame.column_names if columns is None else [str(column) for column in columns]
    problems = [
        f"{name} has column '{column}' {n} times" for column, n in Counter(names).items() if n > 1
    ]
    if problems:
        raise ProtectionError(problems, hint="Give each column a name of its own.")
    table = frame if isinstance(frame, pa.Table) else _converted(frame, names, name)
    if not table.num_rows or not table.num_columns:
        raise ProtectionError(f"{name} has no rows or no columns", hint="Give the people's table.")
    return table


def _converted(frame: Any, names: list[str], name: str) -> pa.Table:
    try:
        opened = nw.from_native(frame, eager_only=True)
    except TypeError:
        opened = None
    if opened is None:
        raise ProtectionError(
            f"{name} is a {type(frame).__name__}, not a frame",
            hint="Give a pandas or Polars data frame, or an Arrow table.",
        )
    columns: dict[str, pa.Array] = {}
    problems: list[str] = []
    for place, column in enumerate(names):
        try:
            columns[column] = opened[:, place].to_arrow()
        except (pa.ArrowException, TypeError, ValueError):
            problems.append(f"{name}: column '{column}' mixes values of different types")
    if problems:
        raise ProtectionError(problems, hint="Make the column all text, all numbers or all dates.")
    return pa.table(columns)


def whole_column(table: pa.Table, name: str) -> pa.Array:
    """Return a column as one array, dictionaries resolved.

    Examples
    --------
    >>> whole_column(pa.table({"age": [7, 8]}), "age").to_pylist()
    [7, 8]
    """
    column = table.column(name)
    whole = pa.concat_arrays([pa.array([], column.type), *column.chunks])
    if pa.types.is_dictionary(whole.type):
        return whole.dictionary_decode()
    return whole.cast(pa.string()) if pa.types.is_large_string(whole.type) else whole
