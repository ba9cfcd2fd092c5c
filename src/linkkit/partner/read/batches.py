"""A party's file some rows at a time, for files that are larger than the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from linkkit.errors import ExtractError
from linkkit.partner.read.csv_files import CsvRows
from linkkit.partner.read.extract import (
    Extract,
    SetAside,
    checked_header,
    extract_of_rows,
    require_readable,
)
from linkkit.partner.read.frames import extract_of_portion

__all__ = ["ExtractBatches", "batches_of_csv", "batches_of_extract", "batches_of_parquet"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ExtractBatches:
    """The rows of a file in batches, to be gone through once.

    Attributes
    ----------
    columns : tuple of str
        Names of the columns.
    most_rows : int
        No row of the file has a larger number.
    describe : callable
        Returns how the file was read, as far as it was.
    batches : iterator of Extract
        Batches of rows; one may have no row that can be read.
    close : callable
        Closes the file; at the end of a ``with`` block it is called.
    """

    columns: tuple[str, ...]
    most_rows: int
    describe: Callable[[], tuple[str, ...]]
    batches: Iterator[Extract]
    close: Callable[[], None]

    def __repr__(self) -> str:
        return f"<ExtractBatches: at most {self.most_rows} rows, {len(self.columns)} columns>"

    @property
    def notes(self) -> tuple[str, ...]:
        """How the file was read; complete after the last batch."""
        return self.describe()

    def __iter__(self) -> Iterator[Extract]:
        return self.batches

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def batches_of_csv(rows: CsvRows, path: Path, *, n_rows: int) -> ExtractBatches:
    """Return the rows of a text file in batches."""
    source = f"'{path.name}'"
    names = _header(rows.header, source, rows.close)

    def batches() -> Iterator[Extract]:
        first = 1
        notes = rows.notes
        for portion in rows.portions(n_rows):
            yield extract_of_rows(names, portion, first_row=first, notes=notes)
            first += len(portion)

    return ExtractBatches(
        columns=tuple(names),
        most_rows=rows.most_rows,
        describe=lambda: rows.notes,
        batches=_readable(batches(), source),
        close=rows.close,
    )


def batches_of_parquet(path: Path, *, n_rows: int) -> ExtractBatches:
    """Return the rows of a Parquet file in batches."""
    source = f"'{path.name}'"
    file: pq.ParquetFile | None = None
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError, ValueError):
        pass
    if file is None:
        raise ExtractError(f"{source} is not a Parquet file", hint="Write it again.")
    opened = file
    names = _header(opened.schema_arrow.names, source, opened.close)

    def batches() -> Iterator[Extract]:
        first = 1
        for portion in _portions(opened, source, n_rows):
            yield extract_of_portion(portion, first_row=first, source=source)
            first += len(portion)

    return ExtractBatches(
        columns=tuple(names),
        most_rows=opened.metadata.num_rows,
        describe=lambda: (),
        batches=_readable(batches(), source),
        close=opened.close,
    )


def batches_of_extract(extract: Extract, path: Path, *, n_rows: int) -> ExtractBatches:
    """Return the rows of an extract in batches."""

    def batches() -> Iterator[Extract]:
        aside = extract.set_aside
        for start in range(0, max(len(extract), 1), n_rows):
            rows = slice(start, start + n_rows)
            table = extract.table.slice(start, n_rows)
            yield replace(extract, table=table, rows=extract.rows[rows], set_aside=aside)
            aside = ()

    return ExtractBatches(
        columns=extract.columns,
        most_rows=max(
            [*extract.rows[-1:].tolist(), *(item.row for item in extract.set_aside[-1:])]
        ),
        describe=lambda: extract.notes,
        batches=_readable(batches(), f"'{path.name}'"),
        close=lambda: None,
    )


def _header(names: Sequence[str], source: str, close: Callable[[], None]) -> list[str]:
    try:
        return checked_header(names, source=source)
    except ExtractError:
        close()
        raise


def _portions(file: pq.ParquetFile, source: str, n_rows: int) -> Iterator[pa.Table]:
    # One row group at a time: over several, Arrow reads ahead as far as the file goes.
    with file:
        for number in range(file.num_row_groups):
            portions = file.iter_batches(batch_size=n_rows, row_groups=[number])
            while True:
                portion: pa.RecordBatch | None = None
                damaged = False
                try:
                    portion = next(portions, None)
                except (pa.ArrowException, OSError, ValueError):
                    damaged = True
                if damaged:
                    raise ExtractError(
                        f"{source} is a damaged Parquet file", hint="Write it again."
                    )
                if portion is None:
                    break
                yield pa.Table.from_batches([portion])


def _readable(batches: Iterator[Extract], source: str) -> Iterator[Extract]:
    n_good = n_aside = 0
    first_aside: tuple[SetAside, ...] = ()
    for extract in batches:
        n_good += len(extract)
        n_aside += len(extract.set_aside)
        first_aside = first_aside or extract.set_aside[:1]
        yield extract
    require_readable(n_good, first_aside, n_aside, source=source)
