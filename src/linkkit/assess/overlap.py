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

    def ordered(self, smallest_cell: int | None = None) -> tuple[Combination, ...]:
        """Return the combinations, the largest first; hidden ones last, in an order that tells nothing."""
        hidden = [x for x in self.combinations if is_small(x.n_people, smallest_cell)]
        shown = [x for x in self.combinations if not is_small(x.n_people, smallest_cell)]
        return (*shown, *sorted(hidden, key=lambda x: (len(x.parties), x.parties)))

    def shown_shared(self, party: str, smallest_cell: int | None = None) -> str:
        """Return a party's shared people as text; not where that would give a small count away.

        Together with its people they tell how many are with this party alone, and together
        with these how many of its records are duplicates.
        """
        item = self.by_party[self.parties.index(party)]
        parts = (item.n_people - item.n_shared, item.n_duplicates)
        if any(is_small(n, smallest_cell) for n in parts):
            return "not shown"
        return shown_count(item.n_shared, smallest_cell)

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
        ordered = self.ordered(smallest_cell)
        columns: dict[str, object] = {
            party: [party in item.parties for item in ordered] for party in self.parties
        }
        counts = [item.n_people for item in ordered]
        columns["n_people"] = _shown(counts, smallest_cell)
        return pd.DataFrame(columns)

    def party_frame(self, smallest_cell: int | None = None) -> pd.DataFrame:
        """Return one row for each party: records, people, duplicates and shared people.

        With `smallest_cell` the counts are text, as in :meth:`as_frame`, and where few records
        are duplicates, the number of people is a range. Shared people are not shown where
        they would give one of the other counts away.
        """
        import pandas as pd

        require_smallest_cell(smallest_cell)
        people: list[object] = [item.n_people for item in self.by_party]
        shared: list[object] = [item.n_shared for item in self.by_party]
        if smallest_cell is not None:
            people = [item.shown_people(smallest_cell) for item in self.by_party]
            shared = [self.shown_shared(party, smallest_cell) for party in self.parties]
        return pd.DataFrame(
            {
                "party": list(self.parties),
                "n_records": _shown([x.n_records for x in self.by_party], smallest_cell),
                "n_people": people,
                "n_duplicates": _shown([x.n_duplicates for x in self.by_party], smallest_cell),
                "n_shared": shared,
            }
        )

    def can_be_worked_out(self, smallest_cell: int) -> bool:
        """Whether a hidden count follows from the totals and the parties' counts of people.

        Each of these is a sum of combinations: all people, those who are shared, and those of
        each party. A hidden combination follows from them when the sums, after what is shown
        has been subtracted, have only one solution for it; hidden duplicates follow when the
        people of their party do. That counts are not negative narrows them down further;
        this is not looked at.
        """
        require_smallest_cell(smallest_cell)
        hidden = [x for x in self.combinations if is_small(x.n_people, smallest_cell)]
        veiled = {x.party for x in self.by_party if is_small(x.n_duplicates, smallest_cell)}
        of_party = {p: [float(p in x.parties) for x in hidden] for p in self.parties}
        totals = [[1.0] * len(hidden), [float(len(x.parties) > 1) for x in hidden]]
        known = totals + [row for party, row in of_party.items() if party not in veiled]
        asked = np.eye(len(hidden)).tolist() + [of_party[party] for party in sorted(veiled)]
        return any(_follows(row, known) for row in asked)


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


def _follows(asked: list[float], known: list[list[float]]) -> bool:
    """Whether a sum of unknowns is a linear combination of known sums."""
    if not asked:
        return True
    rank = np.linalg.matrix_rank(np.array(known))
    return bool(np.linalg.matrix_rank(np.array([*known, asked])) == rank)
