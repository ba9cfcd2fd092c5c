"""A party's table as it was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.errors import ExtractError

__all__ = ["Extract", "SetAside", "checked_header"]


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
        String columns under the party's own names, spaces at the ends removed.
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
    """Trim column names, name blank ones by position, and refuse duplicates."""
    trimmed = [" ".join(str(name).replace("\ufeff", "").split()) for name in names]
    header = [name or f"column {i + 1}" for i, name in enumerate(trimmed)]
    repeated = sorted(name for name, n in Counter(header).items() if n > 1)
    if repeated:
        raise ExtractError(
            [f"{source}: column '{name}' appears more than once" for name in repeated],
            hint="Give each column its own name in the header row.",
        )
    return header


def require_rows(n_rows: int, *, source: str) -> None:
    """Refuse a table without rows."""
    if n_rows == 0:
        raise ExtractError(
            f"{source}: there is a header and no row below it",
            hint="Export the table again; nothing was encoded.",
        )
