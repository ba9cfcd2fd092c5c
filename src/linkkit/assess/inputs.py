"""What an assessment starts from: a linkage result or a crosswalk, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.errors import OptionError, WrongStageError
from linkkit.exchange import Crosswalk
from linkkit.exchange.artifacts import token_matrix
from linkkit.linkage import LinkResult

__all__ = ["Records", "people_of_pool", "records_of", "require_result", "shown_count"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Records:
    """The records of a crosswalk.

    Attributes
    ----------
    parties : tuple of str
        Party names, sorted.
    party : ndarray of int64, shape (n_records,)
        Position in `parties` of each record's party.
    person : ndarray of int64, shape (n_records,)
        Number of each record's person, 0 to n_people - 1.
    """

    parties: tuple[str, ...]
    party: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.party)

    def __repr__(self) -> str:
        return f"<Records: {len(self)} of {len(self.parties)} parties>"

    @property
    def n_people(self) -> int:
        """How many different people there are."""
        return int(self.person.max()) + 1 if len(self) else 0


def records_of(crosswalk: Crosswalk) -> Records:
    """Return the records of a crosswalk, in its order.

    Raises
    ------
    WrongStageError
        When something else than a crosswalk is given.
    """
    if not isinstance(crosswalk, Crosswalk):
        raise WrongStageError(
            f"this takes a Crosswalk, not {type(crosswalk).__name__}",
            hint="Give the 'crosswalk' of link()'s result, or load one with Crosswalk.load.",
        )
    parties = crosswalk.parties
    party, names = _numbers(crosswalk.table.column("party").cast(pa.string()))
    person, _ = _numbers(crosswalk.table.column("person_id"))
    position = np.array([parties.index(name) for name in names], dtype=np.int64)
    return Records(parties=parties, party=position[party], person=person)


def require_result(result: object) -> LinkResult:
    """Return `result` if it is a linkage result; raises :class:`WrongStageError` if not."""
    if isinstance(result, LinkResult):
        return result
    raise WrongStageError(
        f"this takes a LinkResult, not {type(result).__name__}",
        hint="Give what link() returned.",
    )


def people_of_pool(result: LinkResult) -> npt.NDArray[np.int64]:
    """Return the number of the person of each record of the linkage's pool, shape (n_records,)."""
    records = records_of(result.crosswalk)
    tokens = token_matrix(result.crosswalk.table.column("token"))
    halves = np.ascontiguousarray(tokens).view(">u8").astype(np.uint64)
    # The pool is sorted by party name and then by token.
    return records.person[np.lexsort((halves[:, 1], halves[:, 0], records.party))]


def shown_count(n: int, smallest_cell: int | None = None) -> str:
    """Return a count as text; one from 1 to below `smallest_cell` only as "<10" and the like.

    Examples
    --------
    >>> shown_count(1234), shown_count(4, 10), shown_count(0, 10)
    ('1,234', '<10', '0')
    """
    return f"<{smallest_cell}" if is_small(n, smallest_cell) else f"{n:,}"


def is_small(n: int, smallest_cell: int | None) -> bool:
    """Whether a count must not be shown; a count of zero is of nobody."""
    return smallest_cell is not None and 0 < n < smallest_cell


def require_smallest_cell(smallest_cell: int | None) -> None:
    """Refuse a smallest cell that hides nothing."""
    if smallest_cell is not None and smallest_cell < 1:
        raise OptionError(
            "'smallest_cell' is the smallest count that is shown, 1 or more",
            hint="Give the agreement's protection.smallest_cell, or None to show every count.",
        )


def _numbers(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Return a number for each value, and the values by number."""
    coded = column.combine_chunks().dictionary_encode()
    numbers = np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    return numbers, coded.dictionary.to_pylist()
