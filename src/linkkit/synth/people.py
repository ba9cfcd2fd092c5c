"""Make the young people of the city: the truth that no office holds in full.

Run by `partnership`. In: the sizes of the lists and a generator. Out: `People`, one row per person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.synth.households import Home, draw_homes, draw_phones, group_into_households
from linkkit.synth.memberships import Memberships, draw_ages
from linkkit.synth.names import draw_given_names, draw_surnames
from linkkit.synth.origins import ORIGINS
from linkkit.synth.word_lists import Strings, strings

__all__ = ["People", "make_people"]

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_REFERENCE_DAY = np.datetime64("2025-07-01")
_DAYS_PER_YEAR = 365.25
_SEX_SHARES = {"F": 0.488, "M": 0.508, "X": 0.004}
_TWO_OR_MORE_RACES = 0.05
_OTHER_ORIGIN = 0.04
_OTHER_SURNAME = 0.10
_STEP_SIBLING = 0.06
_HAS_MIDDLE_NAME = 0.7
_CELL_PHONE_AGE = 13.0


@dataclass(frozen=True, kw_only=True)
class People:
    """Every young person and what is true of them, one row each.

    Parameters
    ----------
    memberships : Memberships
        Which lists each person is on.
    household : ndarray of int64, shape (n,)
        The household that each person lives in, which is the row of `home` and `old_home`.
    age : ndarray of float64, shape (n,)
        In years, on 1 July 2025.
    born : ndarray of object, shape (n,)
        Birth date as ``YYYY-MM-DD``.
    sex, given_name, middle_name, surname, race, language : ndarray of object, shape (n,)
    other_surname : ndarray of object, shape (n,)
        The surname before or after it changed; the same as `surname` where it never did.
    family_first : ndarray of bool, shape (n,)
        Whether the family says its family name first.
    hardship : ndarray of float64, shape (n,)
        Of the household, about standard normal; more is worse.
    home, old_home : Home
        Where each household lives and where it lived before.
    phone, old_phone, cell_phone : ndarray of object, shape (n,)
        The household's number, the one before, and the person's own or the household's.
    """

    memberships: Memberships
    household: Codes
    age: Floats
    born: Strings
    sex: Strings
    given_name: Strings
    middle_name: Strings
    surname: Strings
    other_surname: Strings
    family_first: npt.NDArray[np.bool_]
    race: Strings
    language: Strings
    hardship: Floats
    home: Home
    old_home: Home
    phone: Strings
    old_phone: Strings
    cell_phone: Strings

    def __len__(self) -> int:
        return len(self.born)


def _birth_dates(ages: Floats) -> Strings:
    days = np.ceil(ages * _DAYS_PER_YEAR).astype("timedelta64[D]")
    return np.datetime_as_string(_REFERENCE_DAY - days, unit="D").astype(object)


def _draw_origins(n: int, rng: np.random.Generator) -> Codes:
    shares = np.array([origin.share for origin in ORIGINS])
    return rng.choice(len(ORIGINS), size=n, p=shares / shares.sum())


def _draw_sexes(n: int, rng: np.random.Generator) -> Strings:
    codes = strings(list(_SEX_SHARES))
    return codes[rng.choice(len(codes), size=n, p=list(_SEX_SHARES.values()))]


def _draw_hardship(household: Codes, memberships: Memberships, rng: np.random.Generator) -> Floats:
    """Draw each household's hardship; programs reach the worse off, which confounds."""
    n = int(household.max()) + 1
    in_summer = np.bincount(household, memberships.in_summer, minlength=n) > 0
    in_jobs = np.bincount(household, memberships.in_jobs, minlength=n) > 0
    hardship: Floats = rng.normal(-0.2 + 0.5 * in_summer + 0.3 * in_jobs, 1.0)
    return hardship


def _draw_family_names(
    origins: Codes, household: Codes, rng: np.random.Generator
) -> tuple[Strings, Strings]:
    """Return each person's surname and the other surname that some also go by."""
    ours, theirs = draw_surnames(origins, rng), draw_surnames(origins, rng)
    n = len(household)
    step = rng.random(n) < _STEP_SIBLING
    surname = np.where(step, theirs[household], ours[household])
    other = np.where(step, ours[household], theirs[household])
    return surname, np.where(rng.random(n) < _OTHER_SURNAME, other, surname)


def _draw_races(origins: Codes, rng: np.random.Generator) -> Strings:
    main = strings([origin.race for origin in ORIGINS])[origins]
    return np.where(rng.random(len(origins)) < _TWO_OR_MORE_RACES, "Two or More Races", main)


def _draw_languages(origins: Codes, rng: np.random.Generator) -> Strings:
    language = strings([origin.language for origin in ORIGINS])[origins]
    speaks = np.array([origin.speaks for origin in ORIGINS])[origins]
    return np.where(rng.random(len(origins)) < speaks, language, "English")


def make_people(memberships: Memberships, rng: np.random.Generator) -> People:
    """Make the people who have the given memberships.

    Parameters
    ----------
    memberships : Memberships
    rng : numpy.random.Generator

    Returns
    -------
    People
    """
    household, age = group_into_households(draw_ages(memberships, rng), rng)
    n, n_households = len(age), int(household.max()) + 1
    family_origin = _draw_origins(n_households, rng)
    origin = family_origin[household]
    mixed = rng.random(n) < _OTHER_ORIGIN
    names_origin = np.where(mixed, _draw_origins(n, rng), origin)
    sex = _draw_sexes(n, rng)
    hardship = _draw_hardship(household, memberships, rng)
    surname, other_surname = _draw_family_names(family_origin, household, rng)
    middle = draw_given_names(names_origin, sex, rng, families=household)
    phone = draw_phones(n_households, rng)[household]
    has_cell = (age >= _CELL_PHONE_AGE) & (rng.random(n) < 0.8)
    return People(
        memberships=memberships,
        household=household,
        age=age,
        born=_birth_dates(age),
        sex=sex,
        given_name=draw_given_names(names_origin, sex, rng, families=household),
        middle_name=np.where(rng.random(n) < _HAS_MIDDLE_NAME, middle, ""),
        surname=surname,
        other_surname=other_surname,
        family_first=np.array([made.family_first for made in ORIGINS])[origin],
        race=_draw_races(family_origin, rng)[household],
        language=_draw_languages(family_origin, rng)[household],
        hardship=hardship[household],
        home=draw_homes(hardship, rng),
        old_home=draw_homes(hardship, rng),
        phone=phone,
        old_phone=draw_phones(n_households, rng)[household],
        cell_phone=np.where(has_cell, draw_phones(n, rng), phone),
    )
