"""A mixture of people of one household, relatives who live elsewhere, and others, learned without truth.

Fellegi and Sunter's model with two kinds of other people, fitted by EM. How often others agree is counted over all
pairs, as agreeing values are known from their encodings; only what is between agreeing and not is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.linkage.households.expected import count_states, states_in_all_pairs
from linkkit.linkage.households.priors import (
    GUARDIANS_OF_NAMESAKES,
    MOST_NEAR_MISSES,
    NEAR_RELATIVES,
    ON_ONE_STREET,
    RELATIVES_IN_AREA,
    RELATIVES_ON_ONE_STREET,
    at_home,
    home_given_equal,
    place_at_home,
)
from linkkit.linkage.households.states import (
    AGREES,
    CONTAINED,
    DIFFERS,
    DISAGREE,
    EQUAL,
    N_AREAS,
    N_LEVELS,
    PARTLY,
    STREET,
    StateTable,
)

__all__ = ["HomeModel", "fit_homes", "prior_tables"]

_HOME, _RELATIVES, _OTHERS = range(3)
_MAX_ROUNDS = 200
_CONVERGED = 1e-4
_PRIOR_PAIRS = 40.0
_PRIOR_RELATIVES = 20.0
_LEAST_BY_CHANCE = 0.02
_FEWEST = 1e-12
_MOST_AT_HOME = 8.0
_FEWEST_AT_HOME = 0.02
_EQUAL_AT_HOME = 0.7
_RELATIVES_AT_ONE_ADDRESS = 0.05
_OTHER_SURNAMES = 0.6
_SMALL_CROWDS = 2
_FEWEST_RELATIVES = 0.05

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_States = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class HomeModel:
    """What was learned of homes.

    Attributes
    ----------
    names : tuple of str
        The groups of fields.
    shares : ndarray of float64, shape (3,)
        Share of all pairs of people who are of one household, relatives elsewhere, others.
    tables : tuple of ndarray of float64, each of shape (3, n_states)
        For each group the probability of its states in each class, 1 where nothing is known.
    n_pairs : int
        All pairs of people.
    n_rounds : int
        Rounds of EM.
    converged : bool
        Whether EM came to rest at a plausible number of households.
    """

    names: tuple[str, ...]
    shares: _Floats
    tables: tuple[_Floats, ...]
    n_pairs: int
    n_rounds: int
    converged: bool

    def __repr__(self) -> str:
        return f"<HomeModel: {len(self.names)} groups of fields, {self.expected_pairs:.0f} pairs>"

    @property
    def expected_pairs(self) -> float:
        """Expected number of pairs of people of one household."""
        return float(self.shares[_HOME] * self.n_pairs)

    def log_likelihoods(self, states: _States) -> _Floats:
        """Return the natural log likelihood of states in each class, shape (n, 3)."""
        total = np.zeros((len(states), 3))
        for g, table in enumerate(self.tables):
            total += np.log(np.maximum(table, _FEWEST)).T[states[:, g]]
        return total

    def weights(self, states: _States, *, with_prior: bool = True) -> _Floats:
        """Return log2 of the odds of one household, or of how much these states change them."""
        logs = self.log_likelihoods(states)
        shares = np.log(np.maximum(self.shares, _FEWEST))
        rest = np.logaddexp(
            logs[:, _RELATIVES] + shares[_RELATIVES], logs[:, _OTHERS] + shares[_OTHERS]
        )
        if with_prior:
            return np.asarray((logs[:, _HOME] + shares[_HOME] - rest) / np.log(2))
        rest -= np.logaddexp(shares[_RELATIVES], shares[_OTHERS])
        return np.asarray((logs[:, _HOME] - rest) / np.log(2))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Task:
    """What EM works on.

    `patterns` and `counts` are the distinct states of candidates and how many pairs have each; `totals` how many of
    all pairs are in each state of a group; `prior` what is expected of them in one household; `supports` which
    states a group has of what is known: states of one support sum to 1.
    """

    patterns: _States
    counts: _Floats
    totals: tuple[_Floats, ...]
    prior: tuple[_Floats, ...]
    supports: tuple[_Ints, ...]
    kinds: tuple[FieldKind, ...]
    has_place: bool
    n_pairs: int
    n_people: int


def fit_homes(table: StateTable, states: _States) -> HomeModel:
    """Learn the model from the states of candidate pairs.

    Parameters
    ----------
    table : StateTable
        Tells states, and what records say of homes.
    states : ndarray of uint8, shape (n_pairs, n_groups)
        States of the candidates.
    """
    task = _task(table, states)
    first = _first(task)
    shares, tables = first
    found, n_rounds, converged = 0.0, 0, False
    while n_rounds < _MAX_ROUNDS and not converged:
        n_rounds += 1
        weighted = _posterior(task.patterns, shares, tables) * task.counts[:, None]
        mass = weighted.sum(axis=0)
        converged = abs(float(mass[_HOME]) - found) < _CONVERGED * max(found, 1.0)
        found = float(mass[_HOME])
        relatives = max(float(mass[_RELATIVES]), _FEWEST_RELATIVES * found)
        shares = _shares(found, relatives if "surname" in task.kinds else 0.0, task)
        tables = _tables(task, weighted)
    plausible = 2 * found <= _MOST_AT_HOME * task.n_people
    if not (converged and plausible):
        shares, tables = first
    return HomeModel(
        names=table.names,
        shares=shares,
        tables=tables,
        n_pairs=task.n_pairs,
        n_rounds=n_rounds,
        converged=converged and plausible,
    )


def _task(table: StateTable, states: _States) -> _Task:
    patterns, counts = _distinct(states)
    seen = count_states(states, table.n_states)
    totals = states_in_all_pairs(table)
    return _Task(
        patterns=patterns,
        counts=counts,
        totals=tuple(np.maximum(a, b) for a, b in zip(totals, seen, strict=True)),
        prior=tuple(_prior(table, g) for g in range(len(table.names))),
        supports=tuple(_supports(n) for n in table.n_states),
        kinds=table.kinds,
        has_place=table.names[0] == "place",
        n_pairs=table.evidence.n_pairs,
        n_people=table.evidence.n_people,
    )


def _distinct(states: _States) -> tuple[_States, _Floats]:
    """Return the different rows of states, and how often each occurs; a row is the bytes of a number."""
    n_groups = states.shape[1]
    wide = np.zeros((len(states), 8), dtype=np.uint8)
    wide[:, :n_groups] = states
    numbers, counts = np.unique(wide.view(np.uint64).ravel(), return_counts=True)
    patterns = numbers.view(np.uint8).reshape(-1, 8)[:, :n_groups]
    return patterns, counts.astype(np.float64)


def _prior(table: StateTable, group: int) -> _Floats:
    """Return the states that are expected in pairs of one household."""
    evidence, values = table.evidence, table.values[group]
    if values is not None:
        return at_home(table.kinds[group], values.pairs)
    if evidence.fields.address is None:
        return np.array([0.0, 0.15, 0.85])
    shared = evidence.places or evidence.values[evidence.fields.address]
    return place_at_home(at_home("street_address", shared.pairs))


def prior_tables(table: StateTable) -> tuple[_Floats, ...]:
    """Return for each group the share of each state that is usual in one household, 1 where nothing is known."""
    return tuple(_normalized(_prior(table, g), _supports(n)) for g, n in enumerate(table.n_states))


def _supports(n_states: int) -> _Ints:
    """Return for each state what is known in it; nothing is in the first."""
    state = np.arange(n_states)
    if n_states != N_LEVELS * N_AREAS:
        return (state > 0).astype(np.int64)
    return np.where(state // N_AREAS > 0, 2, 0) + np.where(state % N_AREAS > 0, 1, 0)


def _first(task: _Task) -> tuple[_Floats, tuple[_Floats, ...]]:
    """Return shares and tables to start from: what is equal and not crowded is of one household."""
    homes = []
    for g, kind in enumerate(task.kinds):
        if kind != "surname" and len(task.totals[g]) >= N_LEVELS:
            equal = _is_equal(task, g)
            homes.append(float(_expected_at_home(task, g)[equal].sum()) / _EQUAL_AT_HOME)
    start = min(max([_FEWEST_AT_HOME * task.n_people, *homes]), task.n_people)
    shares = _shares(start, start if "surname" in task.kinds else 0.0, task)
    others = tuple(
        _normalized(np.maximum(total - _expected_at_home(task, g), _LEAST_BY_CHANCE * total), s)
        for g, (total, s) in enumerate(zip(task.totals, task.supports, strict=True))
    )
    prior = tuple(_normalized(p, s) for p, s in zip(task.prior, task.supports, strict=True))
    return shares, _with_relatives(task, prior, others, RELATIVES_IN_AREA)


def _is_equal(task: _Task, group: int) -> npt.NDArray[np.bool_]:
    n_states = len(task.totals[group])
    step = N_AREAS if n_states == N_LEVELS * N_AREAS else 1
    return np.asarray(np.arange(n_states) // step >= EQUAL)


def _expected_at_home(task: _Task, group: int) -> _Floats:
    """Return how many of all pairs in each state of equal values are expected to be of one home."""
    total = task.totals[group]
    if len(total) < N_LEVELS:
        return np.zeros(len(total))
    share = np.zeros(N_LEVELS)
    share[EQUAL:] = home_given_equal(task.kinds[group])
    if len(total) > N_LEVELS:
        wide = np.repeat(share[:, None], N_AREAS, axis=1)
        wide[:, DIFFERS] /= 4
        share = wide.ravel()
    return np.asarray(share * total)


def _tables(task: _Task, weighted: _Floats) -> tuple[_Floats, ...]:
    """Return the probability of each state in each class, from the classes of the candidates."""
    home, others, in_area = [], [], RELATIVES_IN_AREA
    for g, support in enumerate(task.supports):
        n = len(support)
        mine, theirs = (
            np.bincount(task.patterns[:, g], weights=weighted[:, c], minlength=n)
            for c in (_HOME, _RELATIVES)
        )
        learned = _normalized(mine + _PRIOR_PAIRS * _per_support(task.prior[g], support), support)
        home.append(_plausible(learned, task, g))
        by_chance = np.maximum(task.totals[g] - mine - theirs, _LEAST_BY_CHANCE * task.totals[g])
        others.append(_normalized(np.minimum(by_chance, _most_by_chance(task, g)), support))
        if g == 0 and task.has_place:
            area = np.bincount(np.arange(n) % N_AREAS, weights=theirs, minlength=N_AREAS)
            known = area[AGREES] + area[DIFFERS]
            in_area = (area[AGREES] + _PRIOR_RELATIVES * in_area) / (known + _PRIOR_RELATIVES)
    return _with_relatives(task, tuple(home), tuple(others), float(in_area))


def _plausible(table: _Floats, task: _Task, group: int) -> _Floats:
    """Return what was learned of a group in households, within what households can be like.

    Where an address is all else that is known, those who share it and not the surname could as well
    be others by chance, and nothing in the data says which; so households have no fewer other surnames than
    families have. And what is nearly equal is a slip, which is rarer than what is equal.
    """
    kind = task.kinds[group]
    if kind == "surname":
        least = _OTHER_SURNAMES * task.prior[group][DISAGREE]
        if table[DISAGREE] >= least:
            return table
        raised = table.copy()
        raised[DISAGREE] = least * (1 - table[DISAGREE]) / (1 - least)
        return _normalized(raised, task.supports[group])
    if len(table) < N_LEVELS:
        return table
    grid = table.reshape(N_LEVELS, -1).copy()
    near, equal = grid[PARTLY : CONTAINED + 1].sum(axis=0), grid[EQUAL:].sum(axis=0)
    most = MOST_NEAR_MISSES[kind] * equal
    grid[STREET] = np.minimum(grid[STREET], ON_ONE_STREET * equal)
    grid[PARTLY : CONTAINED + 1] *= np.minimum(1.0, most / np.maximum(near, _FEWEST))
    return _normalized(grid.ravel(), task.supports[group])


def _most_by_chance(task: _Task, group: int) -> _Floats:
    """Return how many pairs in each state may be of others: few of those who are alone with a value."""
    total = task.totals[group]
    most = np.full(len(total), np.inf)
    if task.kinds[group] != "surname" and len(total) >= N_LEVELS:
        n_columns = len(total) // N_LEVELS
        few = slice((N_LEVELS - _SMALL_CROWDS) * n_columns, None)
        most[few] = (total - _expected_at_home(task, group))[few]
    return most


def _with_relatives(
    task: _Task, home: tuple[_Floats, ...], others: tuple[_Floats, ...], in_area: float
) -> tuple[_Floats, ...]:
    """Return the tables of all classes: relatives elsewhere have the surname of a household, and little else."""
    tables = []
    for g, kind in enumerate(task.kinds):
        relatives = others[g]
        if kind == "surname":
            relatives = home[g]
        elif kind == "guardian_name":
            relatives = np.append([1.0, _FEWEST], GUARDIANS_OF_NAMESAKES[:-1])
            equal = others[g][EQUAL:] / max(float(others[g][EQUAL:].sum()), _FEWEST)
            relatives = np.append(relatives, GUARDIANS_OF_NAMESAKES[-1] * equal)
        elif g == 0 and task.has_place:
            relatives = _elsewhere(others[g], task.supports[g], in_area)
        tables.append(np.stack([home[g], relatives, others[g]]))
    return tuple(tables)


def _elsewhere(others: _Floats, support: _Ints, in_area: float) -> _Floats:
    """Return the places of relatives: those of others, but in the same area more often."""
    table = others.copy()
    state = np.arange(len(table))
    area, level = state % N_AREAS, state // N_AREAS
    if len(table) > N_AREAS:
        table[level >= EQUAL] *= _RELATIVES_AT_ONE_ADDRESS
        near = (RELATIVES_ON_ONE_STREET, 0.0, *NEAR_RELATIVES)
        for offset, share in enumerate(near):
            here = (level == STREET + offset) & (area != DIFFERS)
            table[here] = np.maximum(table[here], share * _sums(table, support, area)[here])
    for known in (1, 3):
        for which, share in ((AGREES, in_area), (DIFFERS, 1 - in_area)):
            here = (support == known) & (area == which)
            if here.any() and table[here].sum() > 0:
                table[here] *= share / table[here].sum()
    return _normalized(table, support)


def _sums(table: _Floats, support: _Ints, area: _Ints) -> _Floats:
    """Return for each state the sum of those with the same support and area."""
    cell = N_AREAS * support + area
    return np.asarray(np.bincount(cell, weights=table)[cell], dtype=np.float64)


def _per_support(table: _Floats, support: _Ints) -> _Floats:
    return _normalized(table, support) * (support > 0)


def _normalized(counts: _Floats, support: _Ints) -> _Floats:
    """Return counts as probabilities that sum to 1 in each support; 1 where nothing is known."""
    sums = np.bincount(support, weights=counts, minlength=4)
    table = counts / np.maximum(sums, _FEWEST)[support]
    table[support == 0] = 1.0
    return np.asarray(table)


def _shares(home: float, relatives: float, task: _Task) -> _Floats:
    n = max(task.n_pairs, 1)
    some = np.minimum(np.array([home, relatives]) / n, 0.45)
    return np.array([*some, 1 - some.sum()])


def _posterior(states: _States, shares: _Floats, tables: tuple[_Floats, ...]) -> _Floats:
    logs = np.log(np.maximum(shares, _FEWEST))[None, :] + sum(
        np.log(np.maximum(table, _FEWEST)).T[states[:, g]] for g, table in enumerate(tables)
    )
    logs -= logs.max(axis=1, keepdims=True)
    odds = np.exp(logs)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
