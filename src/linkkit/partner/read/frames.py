"""Frames: pandas, Polars and Arrow tables, through narwhals."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from linkkit.errors import ExtractError
from linkkit.partner.read.extract import Extract, checked_header, require_rows

__all__ = ["cell_text", "extract_from_frame"]


def extract_from_frame(frame: Any, *, source: str = "the frame") -> Extract:
    """Read a frame, every cell as text.

    Parameters
    ----------
    frame : pandas, Polars or Arrow frame
        One row for each record.
    source : str
        What errors call it.

    Raises
    ------
    ExtractError
        When it is not a frame, has no rows, or names a column twice.
    """
    native_names = getattr(frame, "columns", None)
    if isinstance(frame, pa.Table):
        native_names = frame.column_names
    names = [] if native_names is None else [str(name) for name in native_names]
    header = checked_header(names, source=source)
    table: nw.DataFrame[Any] | None = None
    try:
        table = nw.from_native(frame, eager_only=True)
    except (TypeError, ValueError):
        pass
    if table is None:
        raise ExtractError(
            f"{source} is not a table that linkkit can read, but {type(frame).__name__}",
            hint="Give a pandas, Polars or Arrow frame, or the path of a file.",
        )
    require_rows(len(table), source=source)
    arrays = [_text_array(table[name]) for name in table.columns]
    return Extract(
        table=pa.table(dict(zip(header, arrays, strict=True))),
        rows=np.arange(1, len(table) + 1, dtype=np.int64),
    )


def _text_array(series: nw.Series[Any]) -> pa.Array:
    array: Any = None
    if series.dtype == nw.String or series.dtype.is_integer():
        try:
            array = series.to_arrow().cast(pa.large_string())
        except (pa.ArrowException, TypeError, ValueError):
            array = None
    if array is None:
        array = pa.array([cell_text(value) for value in series.to_list()], type=pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def cell_text(value: Any) -> str | None:
    """Return a cell as text: whole numbers without a decimal point, dates as YYYY-MM-DD."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, dt.datetime):
        return None if value != value else _moment_text(value)  # noqa: PLR0124  # NaT
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    text = str(value)
    return None if text in ("NaT", "<NA>", "nan") else text


def _moment_text(value: dt.datetime) -> str:
    midnight = value.time() == dt.time(0)
    return value.date().isoformat() if midnight else value.isoformat(sep=" ")
