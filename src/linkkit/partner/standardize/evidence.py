"""What only a whole column shows of how its cells are written, gathered part by part."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from linkkit.agreement import Agreement
from linkkit.partner.read import Extract
from linkkit.partner.standardize.columns import column_counts

__all__ = ["MOST_CELLS", "ColumnEvidence"]

MOST_CELLS = 200_000
"""Of a column with more distinct cells, so many speak for all: more than there are days in five
hundred years, or ZIP codes."""


class ColumnEvidence:
    """The distinct cells of a party's columns that are read by what the whole column looks like.

    The memory does not grow with the rows. Of more than `most` distinct cells, those with the
    smallest digests are kept, and counted in full: a sample that depends on the cells alone, and
    not on the order of the rows or how they were parted.

    Parameters
    ----------
    agreement : Agreement
        Says which column is what.
    party : str
        Whose extract it is.
    most : int
        Distinct cells that are kept of a column.
    """

    def __init__(self, agreement: Agreement, *, party: str, most: int = MOST_CELLS) -> None:
        self._agreement, self._party = agreement, party
        self._most = most
        self._columns: dict[str, _Sample] = {}

    def add(self, extract: Extract) -> None:
        """Take in the next rows."""
        counts = column_counts(extract, self._agreement, party=self._party)
        for name, found in counts.items():
            self._columns.setdefault(name, _Sample(self._most)).add(found)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the cells and how often each occurs, by field."""
        return {name: column.smallest() for name, column in self._columns.items()}


class _Sample:
    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[str, int] = {}
        self._limit: bytes | None = None

    def add(self, found: Mapping[str, int]) -> None:
        for cell, n in found.items():
            if cell in self._counts:
                self._counts[cell] += n
            elif self._limit is None or _digest(cell) <= self._limit:
                self._counts[cell] = n
        if len(self._counts) > 2 * self._most:
            self.smallest()

    def smallest(self) -> dict[str, int]:
        """Drop all but the cells of the smallest digests; returns those."""
        if len(self._counts) > self._most:
            kept = sorted(self._counts, key=_digest)[: self._most]
            self._limit = _digest(kept[-1])
            self._counts = {cell: self._counts[cell] for cell in kept}
        return self._counts


def _digest(cell: str) -> bytes:
    return hashlib.blake2b(cell.encode(), digest_size=8).digest()
