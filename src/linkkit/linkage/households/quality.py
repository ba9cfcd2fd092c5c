"""How right households are, as far as the linkage can tell itself, and how far that can be off.

What people of one home do not have in common is seen of those only who have something else in common. So how many
never met is between what the pairs that met say, and what is usual of homes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.households.model import HomeModel, prior_tables
from linkkit.linkage.households.states import (
    AGREES,
    DIFFERS,
    EQUAL,
    N_AREAS,
    N_LEVELS,
    StateTable,
)
from linkkit.linkage.quality import links_in_groups

__all__ = ["HomesQuality", "estimate_homes"]

_LEAST_EXPECTED = 0.5
_DEVIATIONS = 1.645
_PAIRS_ANYWAY = 3.0
"""One family more or less, as pairs of one come together."""
_CERTAIN = 1e-12
_LESS, _MORE = -1.5, 2.0
"""By so many nats the evidence can be off. It errs on the careful side, above all of other surnames at one address."""
_UNSEEN_MORE = 1.5
_FEWEST_SEEN = 0.2

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_States = npt.NDArray[np.uint8]


class HomesQuality(NamedTuple):
    """Estimated shares of pairs of people of one household, 0 to 1, and their intervals."""

    precision: float
    recall: float
    precision_interval: tuple[float, float]
    recall_interval: tuple[float, float]


class _Links(NamedTuple):
    """Probabilities of all pairs of one household: each by its own evidence, and through others of the household.

    The first is too low, as a family is known by its pairs together, and the second too high, as what misleads about
    one pair of a home, such as an institution's address, misleads about all of them. `n_through` never met.
    """

    alone: _Floats
    together: _Floats
    n_through: float


class _Scene(NamedTuple):
    """One way that things can be: nats that evidence is off by, how many never met, how far pairs help others."""

    nats: float
    n_unseen: float
    together: float


def estimate_homes(
    table: StateTable, model: HomeModel, scored: ScoredPairs, home: _Ints
) -> HomesQuality:
    """Estimate precision and recall of households, of pairs of people.

    Parameters
    ----------
    table : StateTable
        Tells states, and what records say of homes.
    model : HomeModel
        What was learned of homes.
    scored : ScoredPairs
        Candidate pairs of people, with their states.
    home : ndarray of int64, shape (n_people,)
        For each person the smallest number of somebody of the same household.
    """
    linked = home[scored.left] == home[scored.right]
    links, others = _links(scored, home, linked), scored.probability[~linked]
    learned, usual = (
        max(_never_met(table, tables, scored) - links.n_through, 0.0)
        for tables in (tuple(x[0] for x in model.tables), prior_tables(table))
    )
    fewest, most = min(learned, usual) / _UNSEEN_MORE, max(learned, usual) * _UNSEEN_MORE
    middle = _Scene(0.0, (learned + usual) / 2, 0.5)
    ends = [
        _Scene(nats, n_unseen, together)
        for nats, together in ((_LESS, 0.0), (_MORE, 1.0))
        for n_unseen in (fewest, most)
    ]
    shares = [_shares(links, others, scene) for scene in (middle, *ends)]
    doubt = float((links.alone * (1 - links.alone)).sum())
    doubt_of_all = doubt + float((others * (1 - others)).sum()) + middle.n_unseen
    expected = float(links.alone.sum() + others.sum()) + middle.n_unseen
    return HomesQuality(
        precision=shares[0][0],
        recall=shares[0][1],
        precision_interval=_interval([x[0] for x in shares], doubt, len(links.together)),
        recall_interval=_interval([x[1] for x in shares], doubt_of_all, expected),
    )


def _links(scored: ScoredPairs, home: _Ints, linked: npt.NDArray[np.bool_]) -> _Links:
    n_people = np.bincount(home, minlength=len(home))
    of_two = linked & (n_people[home[scored.left]] == 2)
    of_more, through = links_in_groups(scored, np.flatnonzero(linked & ~of_two), home, n_people)
    together = np.concatenate([scored.probability[of_two], of_more])
    met = scored.probability[linked]
    # Of those who never met, nothing is known; they are as likely as the others.
    unmet = np.full(len(together) - len(met), met.mean() if len(met) else 0.0)
    return _Links(np.append(met, unmet), together, through)


def _shares(links: _Links, others: _Floats, scene: _Scene) -> tuple[float, float]:
    """Return precision and recall in one scene."""
    alone, together = (float(_shifted(p, scene.nats).sum()) for p in (links.alone, links.together))
    n_links = len(links.together)
    right = (1 - scene.together) * alone + scene.together * together
    every = right + float(_shifted(others, scene.nats).sum()) + scene.n_unseen
    return (
        right / n_links if n_links else 1.0,
        right / every if every > _LEAST_EXPECTED else 1.0,
    )


def _shifted(probability: _Floats, nats: float) -> _Floats:
    return np.asarray(expit(logit(np.clip(probability, _CERTAIN, 1 - _CERTAIN)) + nats))


def _interval(shares: list[float], variance: float, n: float) -> tuple[float, float]:
    """Return the reach of some shares of `n` pairs, and of chance about them."""
    chance = (_DEVIATIONS * float(np.sqrt(variance)) + _PAIRS_ANYWAY) / max(n, 1.0)
    return max(min(shares) - chance, 0.0), min(max(shares) + chance, 1.0)


def _never_met(table: StateTable, at_home: tuple[_Floats, ...], scored: ScoredPairs) -> float:
    """Return how many pairs of one home are expected not to be candidates.

    Each pair that met stands for those in which the same is known, and that did not meet (Horvitz and
    Thompson, 1952).
    """
    known, number = np.unique(_known(table, scored.levels), axis=0, return_inverse=True)
    n_at_home = np.bincount(number.ravel(), weights=scored.probability, minlength=len(known))
    missed = np.array([_share_missed(table, at_home, row) for row in known.tolist()])
    missed = np.minimum(missed, 1 - _FEWEST_SEEN)
    return float((n_at_home * missed / (1 - missed)).sum())


def _known(table: StateTable, levels: npt.NDArray[np.integer]) -> npt.NDArray[np.int8]:
    """Return what is known of each pair: of a place 0 nothing, 1 areas, 2 addresses, 3 both; else whether."""
    known = (levels > 0).astype(np.int8)
    if table.names[0] == "place":
        state = levels[:, 0].astype(np.int64)
        known[:, 0] = np.where(state // N_AREAS > 0, 2, 0) + np.where(state % N_AREAS > 0, 1, 0)
    return known


def _share_missed(table: StateTable, at_home: tuple[_Floats, ...], known: list[int]) -> float:
    """Return how many pairs of one home, of whom so much is known, agree in none of the ways to meet."""
    missed, namesakes = 1.0, 0.0
    elsewhere, in_area = (1.0, 0.0) if table.evidence.areas is not None else (0.0, 1.0)
    for g, (states, has) in enumerate(zip(at_home, known, strict=True)):
        if not has:
            continue
        if table.values[g] is None:
            elsewhere, in_area = _not_at_one_address(table, states, has)
        elif table.kinds[g] == "surname":
            namesakes = float(states[EQUAL:].sum())
        else:
            missed *= 1 - float(states[EQUAL + 1 :].sum())
    return missed * (elsewhere + in_area * (1 - namesakes))


def _not_at_one_address(table: StateTable, states: _Floats, has: int) -> tuple[float, float]:
    """Return how many pairs of one home have other addresses and do not, or do, have one area."""
    if table.n_states[0] == N_AREAS:
        return float(states[DIFFERS]), float(states[AGREES])
    grid = states.reshape(N_LEVELS, N_AREAS)
    if has == 1:
        return float(grid[0, DIFFERS]), float(grid[0, AGREES])
    if has == 2:
        alone = float(grid[1:EQUAL, 0].sum())
        return (alone, 0.0) if table.evidence.areas is not None else (0.0, alone)
    return float(grid[1:EQUAL, DIFFERS].sum()), float(grid[1:EQUAL, AGREES].sum())
