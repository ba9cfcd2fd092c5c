"""Columns out of pandas, Polars and Arrow tables, and back into a table of the same kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import pyarrow as pa

from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect.columns import COLUMN_HINT, arrow_of

__all__ = ["arrow_column", "open_frame", "require_columns", "with_columns"]


def open_frame(table: Any) -> Any:
    """Return a table as narwhals sees it.

    Raises
    ------
    OptionError
        When it is no frame in memory, or names a column twice.
    """
    frame: Any = None
    twice = False
    try:
        frame = nw.from_native(table, eager_only=True)
        names = list(frame.columns)
        twice = len(set(names)) < len(names)
    except nw.exceptions.DuplicateError:
        twice = True
    except TypeError:
        pass
    if twice:
        raise OptionError("the table names a column twice", hint="Rename one of them.")
    if frame is None:
        raise OptionError(
            f"a pandas, Polars or Arrow table is needed, not a {type(table).__name__}",
            hint="Collect a lazy frame first.",
        )
    return frame


def require_columns(frame: Any, names: Sequence[str]) -> None:
    """Refuse columns that the table does not have, or that are named twice."""
    if isinstance(names, str) or not names:
        raise OptionError("'columns' is a list of one or more names", hint="Write ['name'].")
    known = set(frame.columns)
    problems = [f"the table has no column '{name}'" for name in names if name not in known]
    if len(set(names)) < len(names):
        problems.append("a column is named twice in 'columns'")
    if problems:
        raise OptionError(problems, hint=f"The table has {len(known)} columns; check the names.")


def arrow_column(frame: Any, name: str) -> pa.Array:
    """Return a column as one Arrow array, missing values as null.

    Raises
    ------
    ProtectionError
        When it mixes types, or holds what Arrow cannot.
    """
    column, problem = arrow_of(frame.get_column(name))
    if column is None:
        raise ProtectionError(f"column '{name}' {problem}", hint=COLUMN_HINT)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def with_columns(frame: Any, columns: Mapping[str, pa.Array]) -> Any:
    """Return the table, of its own kind, with some of its columns replaced."""
    made = nw.from_arrow(pa.table(dict(columns)), backend=frame.implementation)
    return frame.with_columns(*(made.get_column(name) for name in columns)).to_native()
