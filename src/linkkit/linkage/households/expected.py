"""How many of all pairs of people are in each state: counted where values agree, sampled where they do not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.households.evidence import Evidence
from linkkit.linkage.households.states import (
    AGREES,
    DIFFERS,
    EQUAL,
    N_AREAS,
    N_LEVELS,
    StateTable,
)

__all__ = ["count_states", "states_in_all_pairs"]

_SAMPLED_PAIRS = 200_000
_FEWEST = 0.3
_SEED = 0

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_States = npt.NDArray[np.uint8]


def count_states(states: _States, n_states: tuple[int, ...]) -> tuple[_Floats, ...]:
    """Return how many pairs are in each state, for each group."""
    return tuple(
        np.bincount(states[:, g], minlength=n).astype(np.float64) for g, n in enumerate(n_states)
    )


def states_in_all_pairs(table: StateTable) -> tuple[_Floats, ...]:
    """Return for each group how many of all pairs of people are expected in each state."""
    evidence = table.evidence
    sample = table.of_pairs(*_any_pairs(evidence))
    counts = count_states(sample, table.n_states)
    scale = evidence.n_pairs / max(len(sample), 1)
    totals = [np.maximum(count, _FEWEST) * scale for count in counts]
    for g, values in enumerate(table.values):
        if values is not None:
            totals[g][EQUAL:] = np.maximum(values.pairs, 1.0)
    if table.names[0] == "place":
        _count_places(table, totals[0])
    return tuple(totals)


def _count_places(table: StateTable, totals: _Floats) -> None:
    """Put in what is known of equal addresses, and of addresses in the same area."""
    evidence, fields = table.evidence, table.evidence.fields
    if fields.address is None:
        return
    grid = totals.reshape(N_LEVELS, N_AREAS)
    address = evidence.values[fields.address]
    here = np.zeros_like(address.pairs)
    if evidence.places is not None and evidence.areas is not None:
        here = evidence.places.pairs
        in_area = count_states(table.of_pairs(*_pairs_in_area(evidence)), table.n_states)[0]
        near = in_area.reshape(N_LEVELS, N_AREAS)[:, AGREES]
        n_in_area = float(evidence.areas.pairs.sum())
        grid[:, AGREES] = np.maximum(near, _FEWEST) * n_in_area / max(near.sum(), 1.0)
    elsewhere = np.maximum(address.pairs - here, 1.0)
    grid[EQUAL:, AGREES] = np.maximum(here, 1.0)
    grid[EQUAL:, DIFFERS] = elsewhere
    grid[EQUAL:, 0] = elsewhere if fields.area is not None else np.maximum(address.pairs, 1.0)


def _any_pairs(evidence: Evidence) -> tuple[_Ints, _Ints]:
    n = evidence.n_people
    rng = np.random.default_rng(_SEED)
    left = rng.integers(0, n, size=_SAMPLED_PAIRS)
    right = (left + rng.integers(1, max(n, 2), size=_SAMPLED_PAIRS)) % n
    different = left != right
    return np.minimum(left, right)[different], np.maximum(left, right)[different]


def _pairs_in_area(evidence: Evidence) -> tuple[_Ints, _Ints]:
    """Draw pairs of people with a row each in the same area."""
    areas = evidence.areas
    if areas is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    rng = np.random.default_rng(_SEED + 1)
    rows = np.flatnonzero(areas.keys)
    rows = rows[np.argsort(areas.keys[rows], kind="stable")]
    keys = areas.keys[rows]
    first, last = np.searchsorted(keys, keys), np.searchsorted(keys, keys, side="right")
    pairs = np.cumsum(last - first - 1)
    if not len(pairs) or not pairs[-1]:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    drawn = np.searchsorted(pairs, rng.integers(0, pairs[-1], size=_SAMPLED_PAIRS), side="right")
    others = rng.integers(first[drawn], last[drawn])
    one, other = evidence.person[rows[drawn]], evidence.person[rows[others]]
    different = one != other
    return np.minimum(one, other)[different], np.maximum(one, other)[different]
