"""Write the extracts as the files that such offices really export.

Run by `SyntheticPartnership.write`. In: the extracts and a path each. Out: files, which take their
place only when they are complete.
"""

from __future__ import annotations

import importlib.util
from datetime import date
from pathlib import Path

import pandas as pd

from linkkit.errors import DependencyError, OptionError
from linkkit.exchange.atomic import atomic_file

__all__ = [
    "check_workbook_possible",
    "write_district",
    "write_jobs",
    "write_summer",
    "write_truth",
]

_WORKBOOK_ROWS = 1_048_576
_TITLES = ("Alder Bend Summer Programs", "All registrations, all sessions")
_SHEET = "Registrations"
_TEXT_EVERY = 4


def _write_csv(
    table: pd.DataFrame, path: Path, *, encoding: str, lineterminator: str, sep: str = ","
) -> None:
    with atomic_file(path) as file:
        table.to_csv(
            file, mode="wb", index=False, sep=sep, encoding=encoding, lineterminator=lineterminator
        )


def write_truth(truth: pd.DataFrame, path: Path) -> None:
    """Write which record is about whom."""
    _write_csv(truth, path, encoding="utf-8", lineterminator="\n")


def write_district(extract: pd.DataFrame, path: Path) -> None:
    """Write commas, UTF-8 with a byte order mark and Windows line ends."""
    _write_csv(extract, path, encoding="utf-8-sig", lineterminator="\r\n")


def write_jobs(extract: pd.DataFrame, path: Path) -> None:
    """Write semicolons, Windows code page 1252 and Windows line ends."""
    _write_csv(extract, path, sep=";", encoding="cp1252", lineterminator="\r\n")


def check_workbook_possible(n_rows: int) -> None:
    """Raise unless an Excel workbook of so many rows can be written.

    Raises
    ------
    DependencyError
        openpyxl is not installed.
    OptionError
        A worksheet cannot hold so many rows.
    """
    if importlib.util.find_spec("openpyxl") is None:
        raise DependencyError(
            "openpyxl is needed to write the summer programs' Excel workbook",
            hint="pip install 'linkkit[excel]'",
        )
    if n_rows + len(_TITLES) + 1 > _WORKBOOK_ROWS:
        raise OptionError(
            f"summer: {n_rows} registrations do not fit into an Excel worksheet",
            hint="Use a smaller n_summer, or take the table from extracts['summer'].",
        )


def _birth_date_cell(cell: object, row: int) -> object:
    """Return a date that Excel knows as one for most dates typed in ISO form."""
    if not isinstance(cell, str) or cell[4:5] != "-" or row % _TEXT_EVERY == 0:
        return cell
    # Excel's calendar has a 29 February 1900, so that placeholder stays text
    return cell if cell < "1901" else date.fromisoformat(cell)


def _number_cell(cell: object, _row: int) -> object:
    return int(cell) if isinstance(cell, str) and cell.isdecimal() else cell


_CELLS = {
    "Birthdate": _birth_date_cell,
    "Zip Code": _number_cell,
    "Days Attended": _number_cell,
}


def _sheet_column(cells: pd.Series, name: str) -> list[object]:
    plain: list[object] = [
        None if missing else cell for cell, missing in zip(cells, cells.isna(), strict=True)
    ]
    as_cell = _CELLS.get(name)
    return plain if as_cell is None else [as_cell(cell, row) for row, cell in enumerate(plain)]


def write_summer(extract: pd.DataFrame, path: Path) -> None:
    """Write an Excel workbook with two title rows above the header row."""
    from openpyxl import Workbook  # an optional package, loaded when used

    book = Workbook(write_only=True)
    sheet = book.create_sheet(_SHEET)
    for title in _TITLES:
        sheet.append([title])
    sheet.append(list(extract.columns))
    columns = [_sheet_column(extract[name], name) for name in extract.columns]
    for row in zip(*columns, strict=True):
        sheet.append(row)
    with atomic_file(path) as file:
        book.save(file)
