"""Overlaps: how many people each combination of parties serves, each person counted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from linkkit.assess.inputs import (
    Records,
    is_small,
    records_of,
    require_smallest_cell,
    shown_count,
)
from linkkit.exchange import Crosswalk

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Combination", "Overlaps", "PartyPeople", "overlaps"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Combination:
    """How many people are with exactly these parties and no other."""

    parties: tuple[str, ...]
    n_people: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyPeople:
    """The people of one party.

    Attributes
    ----------
    party : str
        Its name.
    n_records : int
        Its records in the crosswalk.
    n_people : int
        Different people among them.
    n_shared : int
        Those of them whom another party serves too.
    """

    party: str
    n_records: int
    n_people: int
    n_shared: int

    @property
    def n_duplicates(self) -> int:
        """Records beyond the first of each person."""
        return self.n_records - self.n_people

    def shown_people(self, smallest_cell: int | None = None) -> str:
        """Return the number of people as text, a range where it would give duplicates away."""
        if smallest_cell is not None and is_small(self.n_duplicates, smallest_cell):
            least = max(self.n_records - smallest_cell + 1, 1)
            return f"{least:,} to {self.n_records - 1:,}"
        return shown_count(self.n_people, smallest_cell)


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlaps:
    """Who serves whom, in unduplicated counts.

    Attributes
    ----------
    combinations : tuple of Combination
        Every combination of parties with at least one person, the largest first.
    by_party : tuple of PartyPeople
        Each party's people.
    n_records : int
        All records.
    n_people : int
        All people, each counted once.
    """

    combinations: tuple[Combination, ...]
    by_party: tuple[PartyPeople, ...]
    n_records: int
    n_people: int

    @property
    def parties(self) -> tuple[str, ...]:
        """Party names, sorted."""
        return tuple(item.party for item in self.by_party)

    @property
    def n_shared(self) -> int:
        """People with two or more parties."""
        return sum(item.n_people for item in self.combinations if len(item.parties) > 1)

    def n_common(self, one: str, other: str) -> int:
        """Return how many people two parties have in common."""
        return sum(x.n_people for x in self.combinations if {one, other} <= set(x.parties))

    def as_frame(self, smallest_cell: int | None = None) -> pd.DataFrame:
        """Return one row for each combination: a bool column for each party, and ``n_people``.

        Parameters
        ----------
        smallest_cell : int, optional
            The smallest count that is shown. With it ``n_people`` is text, and a smaller
            count reads "<10" or the like.

        Notes
        -----
        This hides small counts and nothing else. A hidden count can sometimes be worked out
        by subtracting the others from a total (complementary disclosure), and a combination
        that has no row has no people. See :meth:`can_be_worked_out`; where it is true, do
        not publish the totals beside this table.

        Raises
        ------
        OptionError
            When `smallest_cell` is less than 1.
        """
        import pandas as pd

        require_smallest_cell(smallest_cell)
        columns: dict[str, object] = {
            party: [party in item.parties for item in self.combinations] for party in self.parties
        }
        counts = [item.n_people for item in self.combinations]
        columns["n_people"] = _shown(counts, smallest_cell)
        return pd.DataFrame(columns)

    def party_frame(self, smallest_cell: int | None = None) -> pd.DataFrame:
        """Return one row for each party: records, people, duplicates and shared people.

        With `smallest_cell` the counts are text, as in :meth:`as_frame`, and where few records
        are duplicates, the number of people is a range.
        """
        import pandas as pd

        require_smallest_cell(smallest_cell)
        people: list[object] = [item.n_people for item in self.by_party]
        if smallest_cell is not None:
            people = [item.shown_people(smallest_cell) for item in self.by_party]
        return pd.DataFrame(
            {
                "party": list(self.parties),
                "n_records": _shown([x.n_records for x in self.by_party], smallest_cell),
                "n_people": people,
                "n_duplicates": _shown([x.n_duplicates for x in self.by_party], smallest_cell),
                "n_shared": _shown([x.n_shared for x in self.by_party], smallest_cell),
            }
        )

    def can_be_worked_out(self, smallest_cell: int) -> bool:
        """Whether a hidden count follows from the total and the parties' counts of people.

        Each of these is a sum of combinations. A hidden combination follows from them when the
        sums, after what is shown has been subtracted, have only one solution for it. That
        counts are not negative narrows them down further; this is not looked at.
        """
        require_smallest_cell(smallest_cell)
        hidden = [x for x in self.combinations if is_small(x.n_people, smallest_cell)]
        veiled = {x.party for x in self.by_party if is_small(x.n_duplicates, smallest_cell)}
        open_parties = [party for party in self.parties if party not in veiled]
        sums = np.array(
            [[1.0] * len(hidden)]
            + [[float(party in x.parties) for x in hidden] for party in open_parties]
        )
        if _has_determined_unknown(sums):
            return True
        uncertain = {party for x in hidden for party in x.parties}
        return bool(veiled - uncertain)


def overlaps(crosswalk: Crosswalk) -> Overlaps:
    """Count the people of every combination of parties, each person once.

    Parameters
    ----------
    crosswalk : Crosswalk
        What the linkage found.

    Returns
    -------
    Overlaps

    Raises
    ------
    WrongStageError
        When something else than a crosswalk is given.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> found = overlaps(example_linkage().result.crosswalk)
    >>> found.parties, found.n_records
    (('clinic', 'school', 'shelter'), 380)
    >>> sum(item.n_people for item in found.combinations) == found.n_people
    True
    >>> list(found.as_frame().columns)
    ['clinic', 'school', 'shelter', 'n_people']
    """
    records = records_of(crosswalk)
    served = np.zeros((records.n_people, len(records.parties)), dtype=np.bool_)
    served[records.person, records.party] = True
    return Overlaps(
        combinations=_combinations(served, records.parties),
        by_party=tuple(_of_party(records, served, i) for i in range(len(records.parties))),
        n_records=len(records),
        n_people=records.n_people,
    )


def _combinations(
    served: npt.NDArray[np.bool_], parties: tuple[str, ...]
) -> tuple[Combination, ...]:
    patterns, counts = np.unique(np.packbits(served, axis=1), axis=0, return_counts=True)
    masks = np.unpackbits(patterns, axis=1, count=len(parties)).astype(bool)
    found = [
        Combination(
            parties=tuple(name for name, there in zip(parties, mask, strict=True) if there),
            n_people=int(n),
        )
        for mask, n in zip(masks, counts, strict=True)
    ]
    return tuple(sorted(found, key=lambda x: (-x.n_people, len(x.parties), x.parties)))


def _of_party(records: Records, served: npt.NDArray[np.bool_], party: int) -> PartyPeople:
    there = served[:, party]
    return PartyPeople(
        party=records.parties[party],
        n_records=int((records.party == party).sum()),
        n_people=int(there.sum()),
        n_shared=int((there & (served.sum(axis=1) > 1)).sum()),
    )


def _shown(counts: list[int], smallest_cell: int | None) -> list[object]:
    if smallest_cell is None:
        return list(counts)
    return [shown_count(n, smallest_cell) for n in counts]


def _has_determined_unknown(sums: npt.NDArray[np.float64]) -> bool:
    """Whether some column of a linear system has the same value in all of its solutions."""
    if not sums.size:
        return False
    rank = np.linalg.matrix_rank(sums)
    units = np.eye(sums.shape[1])
    return any(np.linalg.matrix_rank(np.vstack([sums, unit])) == rank for unit in units)
