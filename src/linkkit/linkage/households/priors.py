"""What is expected of homes before any pair is seen: how far people of one household agree in each kind of field.

The data correct it. It decides where they are silent, and what of two groups of pairs is the households.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.linkage.households.evidence import N_CROWDS
from linkkit.linkage.households.states import (
    AGREES,
    DIFFERS,
    DISAGREE,
    EQUAL,
    N_AREAS,
    N_LEVELS,
    STREET,
)

__all__ = [
    "GUARDIANS_OF_NAMESAKES",
    "MOST_NEAR_MISSES",
    "NEAR_RELATIVES",
    "ON_ONE_STREET",
    "RELATIVES_IN_AREA",
    "RELATIVES_ON_ONE_STREET",
    "at_home",
    "home_given_equal",
    "place_at_home",
]

_Floats = npt.NDArray[np.float64]

RELATIVES_IN_AREA = 0.35
"""Share of relatives who live elsewhere, but in the same area."""

_LEVELS: dict[FieldKind, tuple[float, ...]] = {
    # disagree, partly, close, contained, equal
    "street_address": (0.12, 0.02, 0.06, 0.08, 0.72),
    "surname": (0.15, 0.02, 0.04, 0.06, 0.73),
    "phone": (0.27, 0.01, 0.02, 0.01, 0.69),
    "email": (0.60, 0.02, 0.02, 0.01, 0.35),
    "guardian_name": (0.20, 0.03, 0.07, 0.06, 0.64),
}
GUARDIANS_OF_NAMESAKES = (0.45, 0.30, 0.20, 0.03, 0.02)
"""How far guardians' names agree where children of two homes have one surname."""

NEAR_RELATIVES = (0.04, 0.05, 0.02)
"""Share of relatives in the same area whose addresses agree partly, closely, or but for the unit."""

ON_ONE_STREET = 0.002
"""Share of pairs of one home whose addresses differ on one street: a move to the neighbors."""

RELATIVES_ON_ONE_STREET = 0.10

MOST_NEAR_MISSES: dict[FieldKind, float] = {
    "street_address": 0.35,
    "phone": 0.15,
    "email": 0.25,
    "guardian_name": 0.60,
}
"""How many values of one home may be nearly equal, for each that is equal: near misses are slips."""

_AREA_AGREES = (0.35, 0.80, 0.94, 0.96, 0.97)
_HOME_GIVEN_EQUAL: dict[FieldKind, tuple[float, ...]] = {
    # shared by more than 64 people, by up to 64, 16, 8, 4, 2
    "street_address": (0.003, 0.06, 0.35, 0.80, 0.95, 0.96),
    "phone": (0.002, 0.05, 0.40, 0.85, 0.96, 0.97),
    "email": (0.002, 0.05, 0.40, 0.85, 0.96, 0.97),
    "guardian_name": (0.002, 0.04, 0.25, 0.70, 0.88, 0.92),
    "surname": (0.0005, 0.001, 0.004, 0.02, 0.10, 0.30),
}


def home_given_equal(kind: FieldKind) -> _Floats:
    """Return the share of pairs with an equal value that are of one home, by the size of its crowd."""
    return np.array(_HOME_GIVEN_EQUAL[kind])


def at_home(kind: FieldKind, pairs: _Floats) -> _Floats:
    """Return the expected share of each level in pairs of one household, shape (n_levels,).

    Parameters
    ----------
    kind : str
        Kind of the field.
    pairs : ndarray of float64, shape (n_crowds,)
        How many pairs of people share a value, by the size of its crowd.
    """
    table = np.zeros(N_LEVELS)
    table[STREET] = ON_ONE_STREET
    table[DISAGREE : EQUAL + 1] = _LEVELS[kind]
    homes = pairs * home_given_equal(kind) + 1e-3
    table[EQUAL:] = _LEVELS[kind][-1] * homes / homes.sum()
    return table


def place_at_home(address: _Floats) -> _Floats:
    """Return the expected share of each state of a place in pairs of one household.

    The states in which address and area are known sum to 1, as do those of the address alone, and
    those of the area alone.
    """
    table = np.zeros((N_LEVELS, N_AREAS))
    agrees = np.array([0.0, 1.0, *_AREA_AGREES[:-1], *[_AREA_AGREES[-1]] * N_CROWDS])
    table[:, 0] = address
    table[:, AGREES] = address * agrees
    table[:, DIFFERS] = address * (1 - agrees)
    in_area = float(table[1:, AGREES].sum())
    table[0] = (0.0, 1 - in_area, in_area)
    return table.ravel()
