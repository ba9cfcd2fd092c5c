"""Files: CSV and its relatives, Excel workbooks, Parquet."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from linkkit.errors import DependencyError, ExtractError
from linkkit.partner.read.extract import Extract, SetAside, checked_header, require_rows
from linkkit.partner.read.frames import cell_text, extract_from_frame
from linkkit.partner.read.text_encoding import decode_file

__all__ = ["read_extract"]

_DELIMITERS = ",;\t|"
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
    path = Path(path)
    suffix = path.suffix.lower()
    _require_file(path)
    if header_row < 1:
        raise ExtractError("header_row counts from 1", hint="Give the row of the column names.")
    if suffix in _EXCEL:
        return _read_excel(path, header_row=header_row, sheet=sheet)
    if suffix == ".parquet":
        return _read_parquet(path)
    if suffix in _TEXT:
        return _read_text(path, header_row=header_row, encoding=encoding, delimiter=delimiter)
    raise ExtractError(
        f"'{path.name}' is of a kind that linkkit cannot read",
        hint=f"Export it as one of: {', '.join((*_TEXT, *_EXCEL, '.parquet'))}.",
    )


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise ExtractError(f"there is no file at '{path}'", hint="Check the path.")
    if path.stat().st_size == 0:
        raise ExtractError(f"'{path.name}' is empty", hint="Export the table again.")


def _read_text(
    path: Path, *, header_row: int, encoding: str | None, delimiter: str | None
) -> Extract:
    text, found = decode_file(path, encoding=encoding)
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    for _ in range(header_row - 1):
        lines.readline()
    if delimiter is None:
        start = lines.tell()
        delimiter = _find_delimiter(lines.readline())
        lines.seek(start)
    csv.field_size_limit(sys.maxsize)
    records = csv.reader(lines, delimiter=delimiter)
    header: list[str] = []
    rows: list[list[str]] = []
    problem = ""
    try:
        header = next(records, [])
        rows = list(records)
    except csv.Error:
        problem = f"'{path.name}' is not a table of cells, near line {records.line_num}"
    if problem or not any(cell.strip() for cell in header):
        raise ExtractError(
            problem or f"'{path.name}' has no column names in row {header_row}",
            hint="Check header_row, and export the table again if it is damaged.",
        )
    notes = (f"read as {found}, cells separated by {delimiter!r}",)
    return _from_rows(header, rows, source=f"'{path.name}'", notes=notes)


def _find_delimiter(line: str) -> str:
    outside = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=lambda mark: (outside.count(mark), -_DELIMITERS.index(mark)))


def _from_rows(
    header: list[str], rows: list[list[str]], *, source: str, notes: tuple[str, ...]
) -> Extract:
    names = checked_header(header, source=source)
    rows = _without_blank_end(rows)
    require_rows(len(rows), source=source)
    width = len(names)
    good = [i for i, row in enumerate(rows) if len(row) == width]
    aside = [
        SetAside(row=i + 1, reason=f"{len(row)} cells where the header has {width}")
        for i, row in enumerate(rows)
        if len(row) != width and row
    ]
    cells = zip(*(rows[i] for i in good), strict=True) if good else [()] * width
    arrays = [pa.array(list(column), type=pa.large_string()) for column in cells]
    return Extract(
        table=pa.table(dict(zip(names, arrays, strict=True))),
        rows=np.asarray(good, dtype=np.int64) + 1,
        set_aside=tuple(aside),
        notes=notes,
    )


def _without_blank_end(rows: list[list[str]]) -> list[list[str]]:
    end = len(rows)
    while end and not any(cell.strip() for cell in rows[end - 1]):
        end -= 1
    return rows[:end]


def _read_excel(path: Path, *, header_row: int, sheet: str | None) -> Extract:
    try:
        import openpyxl
    except ImportError:
        openpyxl = None  # type: ignore[assignment]
    if openpyxl is None:
        raise DependencyError(
            "reading Excel needs the package openpyxl", hint="pip install 'linkkit[excel]'"
        )
    workbook = None
    try:
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception:  # noqa: BLE001  # any failure here means one thing: no workbook
        pass
    if workbook is None:
        raise ExtractError(
            f"'{path.name}' is not an Excel workbook", hint="Save it again as .xlsx."
        )
    try:
        name = sheet if sheet is not None else workbook.sheetnames[0]
        if name not in workbook.sheetnames:
            raise ExtractError(
                f"'{path.name}' has no sheet '{name}'",
                hint=f"Its sheets are: {', '.join(workbook.sheetnames)}.",
            )
        cells = workbook[name].iter_rows(min_row=header_row, values_only=True)
        grid = [[cell_text(cell) or "" for cell in row] for row in cells]
    finally:
        workbook.close()
    if not grid or not any(grid[0]):
        raise ExtractError(
            f"'{path.name}' has no column names in row {header_row}", hint="Check header_row."
        )
    width = max(i + 1 for i, cell in enumerate(grid[0]) if cell)
    rows = [_padded(row, width) for row in grid[1:]]
    return _from_rows(grid[0][:width], rows, source=f"'{path.name}'", notes=(f"sheet '{name}'",))


def _padded(row: list[str], width: int) -> list[str]:
    filled = row + [""] * (width - len(row))
    return filled if any(filled[width:]) else filled[:width]


def _read_parquet(path: Path) -> Extract:
    table: pa.Table | None = None
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError):
        pass
    if table is None:
        raise ExtractError(f"'{path.name}' is not a Parquet file", hint="Write it again.")
    return extract_from_frame(table, source=f"'{path.name}'")
