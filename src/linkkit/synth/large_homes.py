"""Households of the people of large files: who lives with whom, and who moves together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["LargeHomes", "draw_large_homes"]

_SAME_SURNAME = 0.88

_Ids = npt.NDArray[np.int32]


class LargeHomes(NamedTuple):
    """Households of people, as positions of people whose home or name stands for theirs.

    Attributes
    ----------
    household : ndarray of int32, shape (n_people,)
        The number of each person's household.
    home : ndarray of int32, shape (n_people,)
        Whose home each person shares.
    later_home : ndarray of int32, shape (n_people,)
        Whose home each person shares later; from `n_people` on, homes that are nobody's before.
    named_after : ndarray of int32, shape (n_people,)
        Whose surname each person has.
    n_homes : int
        How many homes are needed: one for each person and each household that moves.
    """

    household: _Ids
    home: _Ids
    later_home: _Ids
    named_after: _Ids
    n_homes: int


def draw_large_homes(
    n_people: int, *, household_size: float, moved: float, rng: np.random.Generator
) -> LargeHomes:
    """Group people at random into households of one and more, some of which move.

    Parameters
    ----------
    n_people : int
        How many people there are.
    household_size : float
        Mean size of a household; sizes beyond one follow Poisson's law.
    moved : float
        Share of households that move, 0 to 1.
    rng : numpy.random.Generator
    """
    sizes = 1 + rng.poisson(household_size - 1, size=n_people)
    n_households = int(np.searchsorted(np.cumsum(sizes), n_people)) + 1
    in_turn = np.repeat(np.arange(n_households, dtype=np.int32), sizes[:n_households])[:n_people]
    order = rng.permutation(n_people).astype(np.int32)
    household = np.empty(n_people, dtype=np.int32)
    household[order] = in_turn
    first = order[np.searchsorted(in_turn, np.arange(n_households))]
    moves = rng.random(n_households) < moved
    later = first.copy()
    later[moves] = n_people + np.arange(int(moves.sum()), dtype=np.int32)
    own_name = rng.random(n_people) >= _SAME_SURNAME
    people = np.arange(n_people, dtype=np.int32)
    return LargeHomes(
        household=household,
        home=first[household],
        later_home=later[household],
        named_after=np.where(own_name, people, first[household]),
        n_homes=n_people + int(moves.sum()),
    )
