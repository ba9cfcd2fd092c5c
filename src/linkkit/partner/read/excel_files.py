"""Excel workbooks."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from linkkit.errors import DependencyError, ExtractError
from linkkit.partner.read.extract import Extract, extract_from_cells
from linkkit.partner.read.frames import cell_text

__all__ = ["read_excel"]


def read_excel(path: Path, *, header_row: int, sheet: str | None) -> Extract:
    """Read a sheet; raises :class:`ExtractError` and :class:`DependencyError`."""
    openpyxl = _openpyxl()
    names: list[str] = []
    grid: list[list[str | None]] | None = None
    # openpyxl puts cells into its warnings and errors, so neither gets out.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
            names = [page.title for page in workbook.worksheets]  # and no charts
            if not names:
                grid = []
            elif sheet is None or sheet in names:
                grid = _grid(workbook[sheet or names[0]], header_row)
            workbook.close()
        except Exception:  # noqa: BLE001  # whatever it is, the workbook cannot be read
            grid = None
    if grid is None:
        _refuse(path, names, sheet)
    if not grid or not any(grid[0]):
        raise ExtractError(
            f"'{path.name}' has no column names in row {header_row}", hint="Check header_row."
        )
    width = max(i + 1 for i, cell in enumerate(grid[0]) if cell)
    rows = [_padded(row, width) for row in grid[1:]]
    header = [cell or "" for cell in grid[0][:width]]
    notes = (f"sheet '{sheet or names[0]}'",)
    return extract_from_cells(header, rows, source=f"'{path.name}'", notes=notes)


def _openpyxl() -> Any:
    try:
        import openpyxl
    except ImportError:
        openpyxl = None  # type: ignore[assignment]
    if openpyxl is None:
        raise DependencyError(
            "reading Excel needs the package openpyxl", hint="pip install 'linkkit[excel]'"
        )
    return openpyxl


def _refuse(path: Path, names: list[str], sheet: str | None) -> None:
    if sheet is not None and names and sheet not in names:
        raise ExtractError(
            f"'{path.name}' has no sheet '{sheet}'", hint=f"Its sheets are: {', '.join(names)}."
        )
    problem = "has a sheet that is damaged" if names else "is not an Excel workbook"
    raise ExtractError(f"'{path.name}' {problem}", hint="Save it again as .xlsx.")


def _grid(sheet: Any, header_row: int) -> list[list[str | None]]:
    cells = sheet.iter_rows(min_row=header_row, values_only=True)
    return [[cell_text(cell) for cell in row] for row in cells]


def _padded(row: list[str | None], width: int) -> list[str | None]:
    filled = row + [None] * (width - len(row))
    return filled if any(filled[width:]) else filled[:width]
