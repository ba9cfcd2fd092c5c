"""Tables as they come in: any frame as an Arrow table, and whole columns of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import narwhals as nw
import pyarrow as pa
import pyarrow.compute

from linkkit.errors import ProtectionError

__all__ = ["COLUMN_HINT", "arrow_of", "to_arrow", "whole_column"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

COLUMN_HINT = (
    "Make the column all text, all numbers or all dates; text must be Unicode without halves of "
    "characters, whole numbers must fit into 64 bits."
)


def arrow_of(column: Any) -> tuple[pa.Array | None, str]:
    """Return a narwhals column as one Arrow array, missing values of every kind as null.

    Numbers that are not a number are missing. Where it cannot be done, say what is wrong with
    the column instead, without a value.

    Examples
    --------
    >>> made, problem = arrow_of(nw.from_native(pa.table({"age": [7.0, float("nan")]}))["age"])
    >>> made.to_pylist(), problem
    ([7.0, None], '')
    """
    made: Any = None
    problem = "mixes values of different types"
    try:
        made = column.to_arrow()
    except OverflowError:
        problem = "holds whole numbers of more than 64 bits"
    except UnicodeError:
        problem = f"holds text that is not Unicode in {_n_broken(column)} cells"
    except (pa.ArrowException, TypeError, ValueError):
        problem = _strange_type(column) or problem
    return (None, problem) if made is None else (_plain(made), "")


def _n_broken(column: Any) -> int:
    """Count the texts with half a character in them."""
    return sum(
        any("\ud800" <= letter <= "\udfff" for letter in cell)
        for cell in column.to_list()
        if isinstance(cell, str)
    )


def _strange_type(column: Any) -> str:
    """Say of what one type all values are, where it is none that a table can hold."""
    kind = getattr(column.to_native(), "dtype", None)
    is_complex = getattr(kind, "kind", "") == "c"
    return "holds complex numbers" if is_complex else ""


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return one array, in which what is not a number is null."""
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays([pa.array([], column.type), *column.unify_dictionaries().chunks])
    if pa.types.is_dictionary(column.type) and pa.types.is_floating(column.type.value_type):
        column = column.dictionary_decode()
    if not pa.types.is_floating(column.type):
        return column
    is_none = pc.is_nan(column.cast(pa.float64())).fill_null(False)
    if not pc.any(is_none, min_count=0).as_py():
        return column
    return pc.if_else(is_none, pa.scalar(None, column.type), column)


def to_arrow(frame: Any, *, name: str = "the table") -> pa.Table:
    """Return a pandas, Polars or Arrow frame as an Arrow table, missing values as null.

    Raises
    ------
    ProtectionError
        When it is no frame, has no rows, repeats a column name, or mixes types in a column.

    Examples
    --------
    >>> to_arrow(pa.table({"age": [7, 8]})).num_rows
    2
    """
    names = _names(frame)
    problems = [
        f"{name} has column '{column}' {n} times" for column, n in Counter(names).items() if n > 1
    ]
    if problems:
        raise ProtectionError(problems, hint="Give each column a name of its own.")
    table = _converted(frame, names, name)
    if not table.num_rows or not table.num_columns:
        raise ProtectionError(f"{name} has no rows or no columns", hint="Give the people's table.")
    return table


def _names(frame: Any) -> list[str]:
    """Return the names of the columns; none of what is no frame in memory."""
    if isinstance(frame, pa.Table):
        return list(frame.column_names)
    is_lazy = hasattr(frame, "collect_schema") and hasattr(frame, "collect")
    return [] if is_lazy else [str(column) for column in getattr(frame, "columns", ())]


def _converted(frame: Any, names: list[str], name: str) -> pa.Table:
    try:
        opened = nw.from_native(frame, eager_only=True)
    except TypeError:
        opened = None
    if opened is None:
        raise ProtectionError(
            f"{name} is a {type(frame).__name__}, not a frame",
            hint="Give a pandas or Polars data frame, or an Arrow table; collect a lazy one.",
        )
    columns: dict[str, pa.Array | None] = {}
    problems: list[str] = []
    for place, column in enumerate(names):
        made, problem = arrow_of(opened[:, place])
        if problem:
            problems.append(f"{name}: column '{column}' {problem}")
        columns[column] = made
    if problems:
        raise ProtectionError(problems, hint=COLUMN_HINT)
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
