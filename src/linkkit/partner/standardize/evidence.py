"""What only a whole column shows of how its cells are written, gathered part by part."""

from __future__ import annotations

from collections import Counter

from linkkit.agreement import Agreement
from linkkit.partner.read import Extract
from linkkit.partner.standardize.codes import postal_codes_by_votes, zip_votes
from linkkit.partner.standardize.columns import CellReader, cell_counts, source_column
from linkkit.partner.standardize.dates import dates_by_votes, order_votes

__all__ = ["ColumnEvidence"]


class ColumnEvidence:
    """Votes of the cells of a party's columns on how the columns are to be read.

    It holds some numbers for each column, however many rows are added, and leads to the same
    readers as the whole column.

    Parameters
    ----------
    agreement : Agreement
        Says which column is what.
    party : str
        Whose extract it is.
    """

    def __init__(self, agreement: Agreement, *, party: str) -> None:
        self._latest_year = agreement.years.last
        sources = agreement.party(party).linkage_fields
        kinds = {name: agreement.linkage.fields[name].kind for name in sources}
        self._dates = {
            name: source
            for name, source in sources.items()
            if kinds[name] == "date" and source.formats is None
        }
        self._codes = {
            name: source for name, source in sources.items() if kinds[name] == "postal_code"
        }
        self._votes: dict[str, Counter[str]] = {
            name: Counter() for name in (*self._dates, *self._codes)
        }

    def add(self, extract: Extract) -> None:
        """Take in the next rows."""
        for name, source in self._dates.items():
            counts = cell_counts(source_column(extract, source), "date")
            self._votes[name].update(order_votes(counts, latest_year=self._latest_year))
        for name, source in self._codes.items():
            counts = cell_counts(source_column(extract, source), "postal_code")
            self._votes[name].update(zip_votes(counts))

    def readers(self) -> dict[str, CellReader]:
        """Return how the columns are read, by field."""
        dates = {
            name: dates_by_votes(self._votes[name], latest_year=self._latest_year)
            for name in self._dates
        }
        return {**dates, **{n: postal_codes_by_votes(self._votes[n]) for n in self._codes}}
