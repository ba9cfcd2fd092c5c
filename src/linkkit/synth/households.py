"""Put young people into households and give each household a home.

Run while the population is made. In: ages and memberships. Out: which household each person lives
in, with siblings and twins of plausible ages, and each household's addresses and phones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.synth.word_lists import Strings, read_word_list

__all__ = ["Home", "draw_homes", "draw_phones", "group_into_households"]

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_CHILDREN = (0.38, 0.37, 0.18, 0.07)
_TWINS = 0.024
_TWIN_GAP_YEARS = 0.15
_POSTAL_CODES = ("92903", "92901", "92904", "90912", "92902", "90911")
_POSTAL_SHARES = (0.22, 0.21, 0.17, 0.14, 0.15, 0.11)
_UNIT_SHARE = 0.28


@dataclass(frozen=True, kw_only=True)
class Home:
    """Where households live, one row per household.

    Parameters
    ----------
    number, street, unit, postal_code : ndarray of object, shape (n_households,)
        Parts of the address in their full spelling; the unit is empty where there is none.
    """

    number: Strings
    street: Strings
    unit: Strings
    postal_code: Strings


def _slots(n: int, rng: np.random.Generator) -> tuple[Codes, Floats]:
    """Return `n` places in households, and the age that each place has in mind."""
    sizes = rng.choice(len(_CHILDREN), size=n, p=_CHILDREN) + 1
    household = np.repeat(np.arange(n), sizes)[:n]
    rank = np.arange(n) - np.searchsorted(household, household)
    gap = np.where(rank == 0, 0.0, rng.uniform(1.2, 4.5, size=n))
    gap[(rank == 1) & (rng.random(n) < _TWINS)] = 0.0
    total = np.cumsum(gap)
    youngest = rng.uniform(5.0, 20.0, size=household[-1] + 1)
    return household, youngest[household] + total - total[np.arange(n) - rank]


def group_into_households(ages: Floats, rng: np.random.Generator) -> tuple[Codes, Floats]:
    """Group people into households of one to four and make twins of the same age.

    Places in households are made first, with the spacing of siblings; then the youngest person
    takes the place for the youngest, and so on, so that the given ages are kept.

    Parameters
    ----------
    ages : ndarray of float64, shape (n,)
        Age in years.
    rng : numpy.random.Generator

    Returns
    -------
    household : ndarray of int64, shape (n,)
    ages : ndarray of float64, shape (n,)
        The same ages, but for second twins, who get the age of the first.
    """
    household_of_slot, age_of_slot = _slots(len(ages), rng)
    people = np.argsort(ages, kind="stable")
    slots = np.argsort(age_of_slot, kind="stable")
    household = np.empty(len(ages), dtype=np.int64)
    household[people] = household_of_slot[slots]
    settled = ages.copy()
    alike = np.diff(age_of_slot[slots]) == 0
    alike &= np.diff(household[people]) == 0
    alike &= np.diff(ages[people]) < _TWIN_GAP_YEARS
    settled[people[1:][alike]] = ages[people[:-1][alike]]
    return household, settled


def _draw_streets(n: int, rng: np.random.Generator) -> Strings:
    (_, street_names), (_, kinds) = read_word_list("streets.tsv")
    kind_weights = 1.0 / (np.arange(len(kinds)) + 1.5)
    chosen = rng.choice(len(kinds), size=n, p=kind_weights / kind_weights.sum())
    streets: Strings = street_names[rng.integers(len(street_names), size=n)] + " " + kinds[chosen]
    return streets


def _draw_units(n: int, rng: np.random.Generator) -> Strings:
    number = rng.integers(1, 40, size=n)
    letter = np.array(["", "", "A", "B", "C", "D"], dtype=object)[rng.integers(6, size=n)]
    word = np.array(["Apt ", "Apt ", "Unit "], dtype=object)[rng.integers(3, size=n)]
    lived_in = rng.random(n) < _UNIT_SHARE
    return np.where(lived_in, word + number.astype(str).astype(object) + letter, "")


def draw_homes(hardship: Floats, rng: np.random.Generator) -> Home:
    """Draw a home for each household; hardship is not spread evenly over the ZIP codes.

    No ZIP code beginning with 929 or 909 is in use.

    Parameters
    ----------
    hardship : ndarray of float64, shape (n_households,)
        About standard normal; more is worse.
    rng : numpy.random.Generator
    """
    n = len(hardship)
    standing = hardship + rng.normal(0.0, 0.9, size=n)
    cuts = np.cumsum(_POSTAL_SHARES)[:-1]
    area = np.searchsorted(np.quantile(standing, cuts), standing)
    number = (rng.integers(1, 240, size=n) * 10 ** rng.integers(0, 2, size=n)) + rng.integers(
        1, 10, size=n
    )
    return Home(
        number=number.astype(str).astype(object),
        street=_draw_streets(n, rng),
        unit=_draw_units(n, rng),
        postal_code=np.array(_POSTAL_CODES, dtype=object)[area],
    )


def draw_phones(n: int, rng: np.random.Generator) -> Strings:
    """Draw `n` ten-digit phone numbers in the area code 555, where nobody can be called."""
    numbers = 5_550_000_000 + rng.integers(200, 999, size=n) * 10_000 + rng.integers(10_000, size=n)
    return numbers.astype(str).astype(object)
