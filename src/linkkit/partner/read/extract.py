"""A party's table as it was read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.errors import ExtractError

__all__ = ["Extract", "SetAside", "checked_header", "extract_from_cells"]

NOT_TEXT = "a cell that is not valid text"


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAside:
    """A row that is not sent, and why.

    ``row`` counts the rows below the header from 1.
    """

    row: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Extract:
    """A party's extract: its columns as text, with the number of each row.

    Attributes
    ----------
    table : pyarrow.Table
        String columns under the party's own names, cells as they were.
    rows : ndarray of int64, shape (n_rows,)
        Number of each row below the header, from 1.
    set_aside : tuple of SetAside
        Rows that could not be read.
    notes : tuple of str
        How the file was read, such as the text encoding that was found.
    """

    table: pa.Table
    rows: npt.NDArray[np.int64]
    set_aside: tuple[SetAside, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"<Extract: {len(self)} rows, {self.table.num_columns} columns>"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.table.column_names)


def checked_header(names: Sequence[str], *, source: str) -> list[str]:
    """Trim column names, name blank ones by position, and refuse duplicates.

    The message gives positions and not names: where the header row is missing or wrongly
    stated, the first row is somebody's record.
    """
    trimmed = [" ".join(str(name).replace("\ufeff", "").split()) for name in names]
    header = [name or f"column {i + 1}" for i, name in enumerate(trimmed)]
    places: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(header):
        places[name].append(i + 1)
    repeated = [where for where in places.values() if len(where) > 1]
    if repeated:
        raise ExtractError(
            [
                f"{source}: a name appears more than once in the header row, "
                f"in columns {', '.join(str(i) for i in where)}"
                for where in repeated
            ],
            hint="Give each column its own name, and check that the header row is the right one.",
        )
    return header


def require_rows(n_rows: int, *, source: str) -> None:
    """Refuse a table without rows."""
    if n_rows == 0:
        raise ExtractError(
            f"{source}: there is a header and no row below it",
            hint="Export the table again; nothing was encoded.",
        )


def extract_from_cells(
    header: Sequence[str],
    rows: Sequence[Sequence[str | None]],
    *,
    source: str,
    notes: tuple[str, ...] = (),
) -> Extract:
    """Make an extract of a header and rows of cells.

    A row that has another number of cells than the header, or a cell that is not valid text,
    is set aside; blank rows are left out.
    """
    names = checked_header(header, source=source)
    extract = extract_of_rows(names, rows, first_row=1, notes=notes)
    require_readable(len(extract), extract.set_aside[:1], len(extract.set_aside), source=source)
    return extract


def extract_of_rows(
    names: Sequence[str],
    rows: Sequence[Sequence[str | None]],
    *,
    first_row: int,
    notes: tuple[str, ...] = (),
) -> Extract:
    """Make an extract of some rows of a table, which may all be blank or set aside.

    `first_row` is the number of the first of them below the header, from 1.
    """
    reasons = [_reason(row, len(names)) for row in rows]
    filled = [i for i, row in enumerate(rows) if any(cell and cell.strip() for cell in row)]
    good = [i for i in filled if not reasons[i]]
    columns = list(zip(*(rows[i] for i in good), strict=True)) or [()] * len(names)
    arrays = [pa.array(list(column), type=pa.large_string()) for column in columns]
    return Extract(
        table=pa.table(dict(zip(names, arrays, strict=True))),
        rows=np.asarray(good, dtype=np.int64) + first_row,
        set_aside=tuple(
            SetAside(row=i + first_row, reason=reasons[i]) for i in filled if reasons[i]
        ),
        notes=notes,
    )


def require_readable(
    n_good: int, first_aside: Sequence[SetAside], n_aside: int, *, source: str
) -> None:
    """Refuse a table without rows, or none of whose rows can be read."""
    require_rows(n_good + n_aside, source=source)
    if not n_good:
        raise ExtractError(
            f"{source}: none of the {n_aside} rows can be read, the first because of "
            f"{first_aside[0].reason}",
            hint="Check the delimiter and the header row, or export the table again.",
        )


def _reason(row: Sequence[str | None], width: int) -> str:
    if len(row) != width:
        return f"{len(row)} cells where the header has {width}"
    return "" if all(cell is None or is_text(cell) for cell in row) else NOT_TEXT


def is_text(cell: str) -> bool:
    """Whether a cell can be written as UTF-8, which lone halves of surrogate pairs cannot."""
    if cell.isascii():
        return True
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True
