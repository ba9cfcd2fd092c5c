"""From people to households: the step of the linkage that runs after records are clustered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.linkage.households.candidates import find_candidates
from linkkit.linkage.households.evidence import Evidence, gather_evidence
from linkkit.linkage.households.groups import join_people, score_homes
from linkkit.linkage.households.model import HomeModel, fit_homes
from linkkit.linkage.households.quality import HomesQuality, estimate_homes
from linkkit.linkage.households.states import state_table, without_streets
from linkkit.linkage.pool import Pool

__all__ = ["FoundHomes", "Households", "find_households"]

_LARGE = 16

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Households:
    """How people were grouped into households, as far as the linkage can tell itself.

    Attributes
    ----------
    n_households, n_people : int
        How many there are; somebody without any evidence is a household of one.
    sizes : dict of int to int
        How many households have so many people, ascending.
    precision, recall : float
        Estimated share of pairs of people of one household that are right, and of all those of the files
        that were found, 0 to 1.
    precision_interval, recall_interval : tuple of float
        Where the true values are expected. They allow for evidence that is off by some nats, and for homes whose
        people have more, or less, in common than what is seen of them.
    evidence : tuple of str
        Linkage fields that were used.
    n_without_evidence : int
        People none of whose records has a value in any of these fields.
    warnings : tuple of str
        What is to be looked at.
    model : HomeModel
        What was learned of homes.
    """

    n_households: int
    n_people: int
    sizes: dict[int, int]
    precision: float
    recall: float
    precision_interval: tuple[float, float]
    recall_interval: tuple[float, float]
    evidence: tuple[str, ...]
    n_without_evidence: int
    warnings: tuple[str, ...]
    model: HomeModel

    def __repr__(self) -> str:
        return f"<Households: {self.n_households} of {self.n_people} people>"

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def __str__(self) -> str:
        (p_low, p_high), (r_low, r_high) = self.precision_interval, self.recall_interval
        return (
            f"{self.n_households} of {self.n_people} people, estimated precision "
            f"{self.precision:.3f} ({p_low:.3f} to {p_high:.3f}), "
            f"recall {self.recall:.3f} ({r_low:.3f} to {r_high:.3f})"
        )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class FoundHomes:
    """The household of each record, as the smallest position of a record of it, and the summary."""

    household: _Ints
    summary: Households


def find_households(pool: Pool, person: _Ints) -> FoundHomes:
    """Group people into households by what all their records say of the home.

    Parameters
    ----------
    pool : Pool
        All records, with a filter for each field.
    person : ndarray of int64, shape (n_records,)
        For each record the position of the first record of the same person.
    """
    firsts, number = np.unique(person, return_inverse=True)
    evidence = gather_evidence(pool, number.astype(np.int64))
    pairs, table = find_candidates(evidence), state_table(evidence)
    states = without_streets(table.of_pairs(pairs.left, pairs.right), table.n_states, pairs)
    model = fit_homes(table, states)
    scored = score_homes(table, model, pairs, states)
    home = join_people(table, model, scored)
    return FoundHomes(
        household=firsts[home][number],
        summary=_summary(
            evidence,
            model,
            home,
            estimate_homes(table, model, scored, home),
            n_crowded=pairs.n_crowded,
        ),
    )


def _summary(
    evidence: Evidence, model: HomeModel, home: _Ints, quality: HomesQuality, *, n_crowded: int
) -> Households:
    sizes, counts = np.unique(np.bincount(home)[np.unique(home)], return_counts=True)
    return Households(
        n_households=int(counts.sum()),
        n_people=evidence.n_people,
        sizes=dict(zip(sizes.tolist(), counts.tolist(), strict=True)),
        **quality._asdict(),
        evidence=tuple(item.name for item in evidence.pool.spec.filters),
        n_without_evidence=int((np.diff(evidence.starts) == 0).sum()),
        warnings=_warnings(model, sizes, n_crowded + evidence.n_set_aside),
        model=model,
    )


def _warnings(model: HomeModel, sizes: _Ints, n_crowded: int) -> tuple[str, ...]:
    found = []
    if not model.converged:
        found.append(
            "what homes have in common could not be learned from these records, so households "
            "rest on what is usual"
        )
    if np.any(sizes > _LARGE):
        found.append(
            f"some households have more than {_LARGE} people: look whether they are institutions"
        )
    if n_crowded:
        found.append(
            f"{n_crowded:,} times a value was too common to bring people together, as those of "
            "institutions and placeholders are"
        )
    return tuple(found)
