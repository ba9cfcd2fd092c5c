"""The data themselves, as CSV and as Parquet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["CSV_NAME", "PARQUET_NAME", "write_csv", "write_parquet"]

CSV_NAME = "data.csv"
PARQUET_NAME = "data.parquet"

_CHUNK_ROWS = 65_536


def write_csv(table: pa.Table, path: Path) -> None:
    """Write a table as CSV: RFC 4180 in UTF-8, with a header, empty where missing.

    Numbers are written so that they read back to the same bits, and truth values as ``true``
    and ``false``. Cells are written as they are: putting an apostrophe before those that a
    spreadsheet program would take for a formula would change the data. The check counts such
    columns, and the disclosure report names them.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(table.column_names)
        for batch in table.to_batches(max_chunksize=_CHUNK_ROWS):
            writer.writerows(zip(*(_cells(column) for column in batch.columns), strict=True))


def _cells(column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    if pa.types.is_boolean(column.type):
        return ["" if value is None else str(value).lower() for value in values]
    return values


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet, without metadata of its own."""
    pq.write_table(table.replace_schema_metadata(None), path, compression="zstd")
