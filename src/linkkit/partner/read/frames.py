"""Frames: pandas, Polars and Arrow tables, through narwhals."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.errors import ExtractError
from linkkit.partner.read.extract import (
    NOT_TEXT,
    Extract,
    SetAside,
    checked_header,
    is_text,
    require_rows,
)

__all__ = ["cell_text", "extract_from_frame", "extract_of_portion"]

_NOT_A_VALUE = ("NaT", "<NA>", "nan", "NaN")


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
        When it is not a frame, has no columns or rows, or names a column twice.
    """
    table, names = _opened(frame, source)
    header = checked_header(names, source=source)
    require_rows(len(table), source=source)
    if not header:
        raise ExtractError(f"{source} has no columns", hint="Export the table again.")
    extract = _extract_of(table, header, first_row=1, source=source)
    if not len(extract):
        raise ExtractError(
            f"{source}: none of the {len(table)} rows is valid text", hint="Export it again."
        )
    return extract


def extract_of_portion(portion: pa.Table, *, first_row: int, source: str) -> Extract:
    """Read some rows of a larger Arrow table, none of which need be valid.

    `first_row` is the number of the first of them, from 1.
    """
    table, names = _opened(portion, source)
    header = checked_header(names, source=source)
    return _extract_of(table, header, first_row=first_row, source=source)


def _extract_of(
    table: nw.DataFrame[Any], header: list[str], *, first_row: int, source: str
) -> Extract:
    bad = np.zeros(len(table), dtype=np.bool_)
    arrays = []
    for position, name in enumerate(table.columns):
        arrays.append(_text_array(table[name], bad, f"{source}, column {position + 1}"))
    good = np.flatnonzero(~bad)
    whole = pa.table(dict(zip(header, arrays, strict=True)))
    aside = tuple(SetAside(row=int(i) + first_row, reason=NOT_TEXT) for i in np.flatnonzero(bad))
    return Extract(
        table=whole if not aside else whole.take(pa.array(good)),
        rows=good.astype(np.int64) + first_row,
        set_aside=aside,
    )


def _opened(frame: Any, source: str) -> tuple[nw.DataFrame[Any], list[str]]:
    names: list[str] | None = None
    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    if nw.dependencies.is_pandas_dataframe(frame):
        # pandas allows any names, twice even; columns are told apart by their position.
        names = [_column_name(name) for name in frame.columns]
        frame = frame.set_axis([str(i) for i in range(len(names))], axis=1)
    elif isinstance(frame, pa.Table):
        names = list(frame.column_names)
        frame = frame.rename_columns([str(i) for i in range(len(names))])
    table: nw.DataFrame[Any] | None = None
    try:
        table = nw.from_native(frame, eager_only=True)
    except (TypeError, ValueError):
        pass
    if table is None:
        lazy = "; collect it first" if type(frame).__name__ == "LazyFrame" else ""
        raise ExtractError(
            f"{source} is not a table that linkkit can read, but {type(frame).__name__}{lazy}",
            hint="Give a pandas, Polars or Arrow frame, or the path of a file.",
        )
    return table, table.columns if names is None else names


def _column_name(name: Any) -> str:
    try:
        return " ".join(str(part) for part in name) if isinstance(name, tuple) else str(name)
    except Exception:  # noqa: BLE001  # an object's own error holds what it likes
        return ""


def _text_array(series: nw.Series[Any], bad: npt.NDArray[np.bool_], where: str) -> pa.Array:
    array = _arrow_text(series)
    if array is not None:
        return array
    cells: list[Any] | None = None
    try:
        cells = series.to_list()
    except Exception:  # noqa: BLE001  # an engine's own error holds the cell
        pass
    if cells is None:
        cells = _one_by_one(series, bad)
    texts = _texts_of(cells, bad)
    if len(texts) != len(bad):
        raise ExtractError(f"{where} cannot be read", hint="Export the table again.")
    return pa.array(texts, type=pa.large_string())


def _texts_of(cells: Sequence[Any], bad: npt.NDArray[np.bool_]) -> list[str | None]:
    texts: list[str | None] = []
    for row, cell in enumerate(cells):
        text: str | None = None
        is_good = False
        try:
            text = cell_text(cell)
            is_good = text is None or is_text(text)
        except Exception:  # noqa: BLE001  # an object's own error holds what it likes
            pass
        texts.append(text if is_good else None)
        bad[row] |= not is_good
    return texts


def _arrow_text(series: nw.Series[Any]) -> pa.Array | None:
    if not (series.dtype == nw.String or series.dtype.is_integer()):
        return None
    try:
        array = series.to_arrow().cast(pa.large_string())
        array.validate(full=True)
    except (pa.ArrowException, TypeError, ValueError):
        return None
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _one_by_one(series: nw.Series[Any], bad: npt.NDArray[np.bool_]) -> list[Any]:
    cells: list[Any] = []
    for row in range(len(series)):
        try:
            cells.append(series[row : row + 1].to_list()[0])
        except Exception:  # noqa: BLE001  # an engine's own error holds the cell
            cells.append(None)
            bad[row] = True
    return cells


def cell_text(value: Any) -> str | None:
    """Return a cell as text: whole numbers without a decimal point, dates as YYYY-MM-DD."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="surrogateescape")
    if isinstance(value, dt.datetime):
        return None if value != value else _moment_text(value)  # noqa: PLR0124  # NaT
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, (float, np.floating, Decimal)):
        return _number_text(float(value), value)
    text = str(value)
    return None if text in _NOT_A_VALUE else text


def _number_text(number: float, value: Any) -> str | None:
    if math.isnan(number):
        return None
    return str(int(value)) if math.isfinite(number) and number.is_integer() else str(value)


def _moment_text(value: dt.datetime) -> str:
    midnight = value.time() == dt.time(0)
    return value.date().isoformat() if midnight else value.isoformat(sep=" ")
