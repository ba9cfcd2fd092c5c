"""Files: CSV and its relatives, Excel workbooks, Parquet."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from linkkit.errors import ExtractError, OptionError
from linkkit.partner.read.batches import (
    ExtractBatches,
    batches_of_csv,
    batches_of_extract,
    batches_of_parquet,
)
from linkkit.partner.read.csv_files import CsvRows, read_csv
from linkkit.partner.read.excel_files import read_excel
from linkkit.partner.read.extract import Extract
from linkkit.partner.read.frames import extract_from_frame

__all__ = ["read_extract", "read_extract_batches"]

_EXCEL = (".xlsx", ".xlsm")
_TEXT = (".csv", ".tsv", ".txt", ".tab")


def read_extract(
    path: str | Path,
    *,
    header_row: int = 1,
    sheet: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Extract:
    r"""Read a party's file as it is, every cell as text.

    Parameters
    ----------
    path : str or Path
        A CSV, TSV or text file, an Excel workbook (``.xlsx``) or a Parquet file.
    header_row : int
        Number of the row that holds the column names, from 1. Rows above it are skipped.
    sheet : str, optional
        Name of the Excel sheet; the first by default.
    encoding : str, optional
        Text encoding. Found from the bytes by default: UTF-8, UTF-16 or Windows-1252.
    delimiter : str, optional
        What separates the cells of a text file. Found from the header by default.

    Returns
    -------
    Extract
        The table; rows that have another number of cells than the header are set aside.

    Raises
    ------
    OptionError
        When an option is of another type.
    ExtractError
        When the file is missing, empty, of an unknown kind, in an unknown encoding, has no
        row below its header, or names a column twice.
    DependencyError
        When reading it needs a package that is not installed.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "made-up.csv"
    >>> _ = path.write_text("ID;First Name\n1;Ana\n2;Bo\n")
    >>> read_extract(path)
    <Extract: 2 rows, 2 columns>
    """
    path = _checked_types(path, header_row, sheet=sheet, encoding=encoding, delimiter=delimiter)
    suffix = _checked_kind(path, header_row=header_row, sheet=sheet, encoding=encoding or delimiter)
    if suffix in _EXCEL:
        return read_excel(path, header_row=header_row, sheet=sheet)
    if suffix == ".parquet":
        return _read_parquet(path)
    if suffix in _TEXT:
        return read_csv(path, header_row=header_row, encoding=encoding, delimiter=delimiter)
    raise _unknown_kind(path)


def read_extract_batches(
    path: str | Path,
    *,
    header_row: int = 1,
    sheet: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    n_rows: int = 65_536,
) -> ExtractBatches:
    r"""Read a party's file as :func:`read_extract` does, some rows at a time.

    Parameters
    ----------
    path, header_row, sheet, encoding, delimiter
        As for :func:`read_extract`. An Excel workbook is read at once, as it cannot be large.
    n_rows : int
        Most rows of a batch.

    Returns
    -------
    ExtractBatches
        To be gone through once. That the file is a table throughout, and has a row that can be
        read, is known only after the last batch.

    Raises
    ------
    OptionError
        As :func:`read_extract`.
    ExtractError
        As :func:`read_extract`, and when a line of text has more than 16 million characters.
    DependencyError
        When reading it needs a package that is not installed.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "made-up.csv"
    >>> _ = path.write_text("ID;First Name\n1;Ana\n2;Bo\n3;Cy\n")
    >>> with read_extract_batches(path, n_rows=2) as batches:
    ...     list(batches)
    [<Extract: 2 rows, 2 columns>, <Extract: 1 rows, 2 columns>]
    """
    path = _checked_types(path, header_row, sheet=sheet, encoding=encoding, delimiter=delimiter)
    suffix = _checked_kind(path, header_row=header_row, sheet=sheet, encoding=encoding or delimiter)
    if suffix in _EXCEL:
        return batches_of_extract(
            read_excel(path, header_row=header_row, sheet=sheet), path, n_rows=n_rows
        )
    if suffix == ".parquet":
        return batches_of_parquet(path, n_rows=n_rows)
    if suffix in _TEXT:
        rows = CsvRows(path, header_row=header_row, encoding=encoding, delimiter=delimiter)
        return batches_of_csv(rows, path, n_rows=n_rows)
    raise _unknown_kind(path)


def _checked_types(path: object, header_row: object, **texts: object) -> Path:
    """Return the path, and refuse options of another type."""
    if not isinstance(path, (str, os.PathLike)) or isinstance(path, bytes):
        raise OptionError(
            f"the file to read is named by its path, not by {type(path).__name__}",
            hint="Give the path as text. What is in memory already goes to linkkit.encode.",
        )
    problems = [
        f"'{name}' is text, not {type(text).__name__}"
        for name, text in texts.items()
        if not isinstance(text, str | None)
    ]
    if not isinstance(header_row, int) or isinstance(header_row, bool):
        problems.append(f"'header_row' is a whole number, not {type(header_row).__name__}")
    if problems:
        raise OptionError(problems, hint="See the docstring of linkkit.read_extract.")
    return Path(path)


def _checked_kind(path: Path, *, header_row: int, sheet: str | None, encoding: str | None) -> str:
    suffix = path.suffix.lower()
    _require_used(suffix, header_row=header_row, sheet=sheet, encoding=encoding)
    _require_file(path)
    return suffix


def _unknown_kind(path: Path) -> ExtractError:
    return ExtractError(
        f"'{path.name}' is of a kind that linkkit cannot read",
        hint=f"Export it as one of: {', '.join((*_TEXT, *_EXCEL, '.parquet'))}.",
    )


def _require_used(suffix: str, *, header_row: int, sheet: str | None, encoding: str | None) -> None:
    """Refuse options that a file of this kind would ignore."""
    problems = []
    if header_row < 1 or (header_row > 1 and suffix == ".parquet"):
        problems.append("the header row counts from 1, and a Parquet file has none")
    if sheet is not None and suffix not in _EXCEL:
        problems.append("only an Excel workbook has a sheet")
    if encoding is not None and suffix not in _TEXT:
        problems.append("only a text file has an encoding and a delimiter")
    if problems:
        raise ExtractError(problems, hint="Leave out what does not fit this kind of file.")


def _require_file(path: Path) -> None:
    problem = ""
    try:
        if not path.is_file():
            problem = f"there is no file at '{path}'"
        elif path.stat().st_size == 0:
            problem = f"'{path.name}' is empty"
    except (OSError, ValueError) as error:
        problem = f"the file cannot be read ({type(error).__name__})"
    if problem:
        raise ExtractError(problem, hint="Check the path, or export the table again.")


def _read_parquet(path: Path) -> Extract:
    table: pa.Table | None = None
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError):
        pass
    if table is None:
        raise ExtractError(f"'{path.name}' is not a Parquet file", hint="Write it again.")
    return extract_from_frame(table, source=f"'{path.name}'")
