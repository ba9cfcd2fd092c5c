"""How much two people's homes agree: one state for each group of fields, the best over their rows.

Address and area are one group, as an address says in which area it is. A state is higher where more agrees,
so that the best over several rows is the highest. What is equal is told apart by how many people share it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.engines import slices_of
from linkkit.linkage.compare import Comparison, compare_pairs, make_comparison
from linkkit.linkage.compare.fields.pairs import unpack
from linkkit.linkage.households.candidates import HomePairs
from linkkit.linkage.households.evidence import N_CROWDS, Evidence, Values

__all__ = [
    "AGREES",
    "CONTAINED",
    "DIFFERS",
    "DISAGREE",
    "EQUAL",
    "N_AREAS",
    "N_LEVELS",
    "PARTLY",
    "STREET",
    "StateTable",
    "state_table",
    "without_streets",
]

STREET, DISAGREE, PARTLY, CLOSE, CONTAINED, EQUAL = 1, 2, 3, 4, 5, 6
"""Levels of a field; 0 where it is missing. Street: nearly equal to too many to be a slip. Contained: all of one is in the other, as in an address without
its unit. From `EQUAL` on equal values, those that most people share first."""

N_LEVELS = EQUAL + N_CROWDS

DIFFERS, AGREES = 1, 2
"""Whether two areas are equal; 0 where one is missing."""

N_AREAS = 3

_ALL_BITS = 4
_ONLY_SLIPS: tuple[FieldKind, ...] = ("phone", "email")
_MOST_NEAR = 5
_FEWEST_BITS_SHARED = 0.25
_PAIRS_AT_ONCE = 1 << 18

_Ints = npt.NDArray[np.int64]
_States = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class StateTable:
    """Tells the states of pairs of people.

    Attributes
    ----------
    evidence : Evidence
        What records say of homes.
    comparison : Comparison
        What to compare of the rows.
    names : tuple of str
        The groups; ``"place"`` is address and area.
    kinds : tuple of str
        The kind of each group's field; that of ``"place"`` is the address's.
    values : tuple of Values or None
        What people share in each group but ``"place"``.
    n_states : tuple of int
        How many states each group has; 0 is nothing known.
    """

    evidence: Evidence
    comparison: Comparison
    names: tuple[str, ...]
    kinds: tuple[FieldKind, ...]
    values: tuple[Values | None, ...]
    n_states: tuple[int, ...]

    def of_pairs(self, left: _Ints, right: _Ints) -> _States:
        """Return the states of pairs of people by number, shape (n_pairs, n_groups)."""
        out = np.zeros((len(left), len(self.names)), dtype=np.uint8)
        starts = self.evidence.starts
        n_rows = (starts[left + 1] - starts[left]) * (starts[right + 1] - starts[right])
        ends = np.cumsum(n_rows)
        done = 0
        while done < len(left):
            before = int(ends[done - 1]) if done else 0
            end = max(int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")), done + 1)
            out[done:end] = self._best(left[done:end], right[done:end], n_rows[done:end])
            done = end
        return out

    def tells_homes(self, states: _States) -> npt.NDArray[np.bool_]:
        """Return whether something of a home beside surname and area is known of both people."""
        known = np.zeros(len(states), dtype=np.bool_)
        for g in range(len(self.names)):
            if self.values[g] is None:
                known |= (states[:, g] >= N_AREAS) & (self.n_states[g] > N_AREAS)
            elif self.kinds[g] != "surname":
                known |= states[:, g] > 0
        return known

    def _best(self, left: _Ints, right: _Ints, n_rows: _Ints) -> _States:
        starts = self.evidence.starts
        best = np.zeros((len(left), len(self.names)), dtype=np.uint8)
        first = np.cumsum(n_rows) - n_rows
        pair = np.repeat(np.arange(len(left)), n_rows)
        place = np.arange(len(pair)) - first[pair]
        width = (starts[right + 1] - starts[right])[pair]
        rows = starts[left][pair] + place // np.maximum(width, 1)
        others = starts[right][pair] + place % np.maximum(width, 1)
        some = np.flatnonzero(n_rows)
        if len(some):
            states = self._of_rows(rows, others)
            best[some] = np.maximum.reduceat(states, first[some], axis=0)
        return best

    def _of_rows(self, left: _Ints, right: _Ints) -> _States:
        fields = self.evidence.fields
        codes = compare_pairs(self.comparison, left, right)
        levels = unpack(codes, n_fields=self.comparison.n_fields)
        columns = []
        if fields.address is not None or fields.area is not None:
            columns.append(self._places(levels, left, right))
        singles = _single_groups(self.evidence)
        columns += [self._levels(f, levels[:, f], left, right) for f in singles]
        return np.stack(columns, axis=1).astype(np.uint8)

    def _places(
        self, levels: npt.NDArray[np.int8], left: _Ints, right: _Ints
    ) -> npt.NDArray[np.int64]:
        evidence, fields = self.evidence, self.evidence.fields
        area = np.zeros(len(left), dtype=np.int64)
        if fields.area is not None:
            known = levels[:, fields.area]
            area = np.where(known == 0, 0, np.where(known == _ALL_BITS, AGREES, DIFFERS))
        if fields.address is None:
            return area
        level = self._levels(fields.address, levels[:, fields.address], left, right)
        if evidence.places is not None:
            here = (level >= EQUAL) & (area == AGREES)
            level[here] = EQUAL + evidence.places.size_of(left[here])
        return level * N_AREAS + area

    def _levels(
        self, field: int, level: npt.NDArray[np.int8], left: _Ints, right: _Ints
    ) -> npt.NDArray[np.int64]:
        answer = level.astype(np.int64) + (level > 0)  # none is of a street before all are seen
        equal = np.flatnonzero(level == _ALL_BITS)
        answer[equal] = EQUAL + self.evidence.values[field].size_of(left[equal])
        between = np.flatnonzero((answer > DISAGREE) & (level < _ALL_BITS))
        answer[between[self._contained(field, left[between], right[between])]] = CONTAINED
        if self.evidence.pool.spec.filters[field].kind in _ONLY_SLIPS:
            answer[answer == PARTLY] = DISAGREE
        return answer

    def _contained(self, field: int, left: _Ints, right: _Ints) -> npt.NDArray[np.bool_]:
        """Return whether all bits of one filter are in the other, which has not many more."""
        first, last = self.comparison.word_starts[field : field + 2]
        contained = np.zeros(len(left), dtype=np.bool_)
        for rows in slices_of(len(left)):
            one = self.comparison.words[left[rows], first:last]
            other = self.comparison.words[right[rows], first:last]
            both = one & other
            inside = np.all(both == one, axis=1) | np.all(both == other, axis=1)
            n_both = np.bitwise_count(both).sum(axis=1)
            n_either = np.bitwise_count(one | other).sum(axis=1)
            contained[rows] = inside & (n_both >= _FEWEST_BITS_SHARED * n_either)
        return contained


def without_streets(states: _States, n_states: tuple[int, ...], pairs: HomePairs) -> _States:
    """Take addresses as different that are nearly equal because they are of one street.

    A slip leaves an address nearly equal to those of one household. If both people of a pair have
    more than a few others with nearly equal addresses, what is common to all of them is the street.
    """
    if n_states[0] != N_LEVELS * N_AREAS:
        return states
    level = states[:, 0] // N_AREAS
    near = np.flatnonzero((level == PARTLY) | (level == CLOSE))
    n_people = int(pairs.right.max(initial=0)) + 1
    ends = np.concatenate([pairs.left[near], pairs.right[near]])
    n_near = np.bincount(ends, minlength=n_people)
    many = near[np.minimum(n_near[pairs.left[near]], n_near[pairs.right[near]]) > _MOST_NEAR]
    answer = states.copy()
    answer[many, 0] = STREET * N_AREAS + states[many, 0] % N_AREAS
    return answer


def state_table(evidence: Evidence) -> StateTable:
    """Prepare telling the states of people's homes."""
    fields, filters = evidence.fields, evidence.pool.spec.filters
    names: list[str] = []
    kinds: list[FieldKind] = []
    values: list[Values | None] = []
    n_states: list[int] = []
    if fields.address is not None or fields.area is not None:
        names.append("place")
        kinds.append("street_address")
        values.append(None)
        n_states.append(N_AREAS * (1 if fields.address is None else N_LEVELS))
    for f in _single_groups(evidence):
        names.append(filters[f].name)
        kinds.append(filters[f].kind)
        values.append(evidence.values[f])
        n_states.append(N_LEVELS)
    return StateTable(
        evidence=evidence,
        comparison=make_comparison(evidence.pool),
        names=tuple(names),
        kinds=tuple(kinds),
        values=tuple(values),
        n_states=tuple(n_states),
    )


def _single_groups(evidence: Evidence) -> list[int]:
    fields = evidence.fields
    return [*([] if fields.surname is None else [fields.surname]), *fields.others]
