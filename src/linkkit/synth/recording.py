"""What an office wrote down about people: out of date here, misspelled there, or not at all.

Run once for each office. In: `People`, who registered, and the office's `Habits`. Out: `Records`,
still in one common form; `offices` brings them into the form of each office.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from linkkit.synth import errors_made as made
from linkkit.synth.households import Home
from linkkit.synth.people import People
from linkkit.synth.word_lists import Strings

__all__ = ["Habits", "Records", "lose_cells", "record"]

Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_FAMILY_FIRST_SWAPS = 4.0


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How likely an office is to make each error in one record, 0 to 1.

    Parameters
    ----------
    own_phone : float
        The person's own phone is noted instead of the household's; no error, so never scaled.
    """

    own_phone: float = 0.0
    moved: float = 0.0
    phone_changed: float = 0.0
    other_surname: float = 0.5
    nickname: float = 0.0
    middle_with_given: float = 0.0
    name_typo: float = 0.0
    name_swapped: float = 0.0
    name_placeholder: float = 0.0
    name_missing: float = 0.0
    surname_shortened: float = 0.0
    surname_rejoined: float = 0.0
    marks_dropped: float = 0.0
    punctuation_changed: float = 0.0
    all_upper: float = 0.0
    all_lower: float = 0.0
    space_left: float = 0.0
    day_month_swapped: float = 0.0
    year_typo: float = 0.0
    day_typo: float = 0.0
    birth_date_placeholder: float = 0.0
    birth_date_missing: float = 0.0
    sex_wrong: float = 0.0
    sex_missing: float = 0.0
    street_abbreviated: float = 0.0
    street_typo: float = 0.0
    unit_left_out: float = 0.0
    address_missing: float = 0.0
    postal_code_typo: float = 0.0
    postal_code_missing: float = 0.0
    phone_typo: float = 0.0
    phone_placeholder: float = 0.0
    phone_missing: float = 0.0
    payload_missing: float = 0.0

    def scaled(self, error_rate: float) -> Habits:
        """Return habits whose errors are `error_rate` times as likely, up to certainty.

        Examples
        --------
        >>> Habits(name_typo=0.02, own_phone=0.4).scaled(0.5).name_typo
        0.01
        """
        scaled = {
            field.name: min(1.0, getattr(self, field.name) * error_rate) for field in fields(self)
        }
        return Habits(**scaled | {"own_phone": self.own_phone})


@dataclass(frozen=True, kw_only=True)
class Records:
    """What was written down, one row per record; a missing cell is None.

    Parameters
    ----------
    person : ndarray of int64, shape (n,)
        Whom the record is about, as a row of `People`.
    given_name, middle_name, surname, sex : ndarray of object, shape (n,)
    born : ndarray of object, shape (n,)
        ``YYYY-MM-DD``.
    number, street, unit, postal_code : ndarray of object, shape (n,)
    phone : ndarray of object, shape (n,)
        Ten digits.
    """

    person: Codes
    given_name: Strings
    middle_name: Strings
    surname: Strings
    born: Strings
    sex: Strings
    number: Strings
    street: Strings
    unit: Strings
    postal_code: Strings
    phone: Strings

    def __len__(self) -> int:
        return len(self.person)


class _Clerk:
    """Somebody who makes errors of a given likelihood in whole columns."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self._rng = rng
        self._n = n

    def happens(self, probability: float | npt.NDArray[np.float64]) -> Flags:
        """Return which of the records it happens to."""
        return self._rng.random(self._n) < probability

    def spoil(self, cells: Strings, error: made.CellError, probability: float) -> None:
        """Make an error in some cells, in place."""
        for row in np.flatnonzero(self.happens(probability)):
            if cells[row]:
                cells[row] = error(cells[row], self._rng)

    def overwrite(self, cells: Strings, text: str | None, probability: float) -> None:
        """Put the same text into some cells, in place."""
        cells[self.happens(probability)] = text


def _note_home(people: People, person: Codes, clerk: _Clerk, moved: float) -> Home:
    """Return copies of each person's current or former address."""
    former, household = clerk.happens(moved), people.household[person]

    def either(part: str) -> Strings:
        new, old = getattr(people.home, part), getattr(people.old_home, part)
        noted: Strings = np.where(former, old[household], new[household])
        return noted

    return Home(
        number=either("number"),
        street=either("street"),
        unit=either("unit"),
        postal_code=either("postal_code"),
    )


def _note_phone(people: People, person: Codes, clerk: _Clerk, habits: Habits) -> Strings:
    changed, own = clerk.happens(habits.phone_changed), clerk.happens(habits.own_phone)
    household = np.where(changed, people.old_phone[person], people.phone[person])
    noted: Strings = np.where(own, people.cell_phone[person], household)
    return noted


def _note(people: People, person: Codes, clerk: _Clerk, habits: Habits) -> Records:
    """Return records without slips of the pen, though perhaps out of date."""
    home = _note_home(people, person, clerk, habits.moved)
    other = clerk.happens(habits.other_surname)
    return Records(
        person=person,
        given_name=people.given_name[person],
        middle_name=people.middle_name[person],
        surname=np.where(other, people.other_surname[person], people.surname[person]),
        born=people.born[person],
        sex=people.sex[person],
        number=home.number,
        street=home.street,
        unit=home.unit,
        postal_code=home.postal_code,
        phone=_note_phone(people, person, clerk, habits),
    )


def _add_middle_names(records: Records, clerk: _Clerk, habits: Habits) -> None:
    both = clerk.happens(habits.middle_with_given) & (records.middle_name != "")
    records.given_name[both] += " " + records.middle_name[both]


def _swap_names(records: Records, clerk: _Clerk, probability: npt.NDArray[np.float64]) -> None:
    swapped = clerk.happens(probability)
    given = records.given_name[swapped]
    records.given_name[swapped] = records.surname[swapped]
    records.surname[swapped] = given


def _spoil_names(records: Records, clerk: _Clerk, habits: Habits) -> None:
    clerk.spoil(records.given_name, made.use_nickname, habits.nickname)
    _add_middle_names(records, clerk, habits)
    clerk.spoil(records.surname, made.shorten_surname, habits.surname_shortened)
    clerk.spoil(records.surname, made.rejoin_surnames, habits.surname_rejoined)
    for cells in (records.given_name, records.surname):
        clerk.spoil(cells, made.drop_marks, habits.marks_dropped)
        clerk.spoil(cells, made.change_punctuation, habits.punctuation_changed)
        clerk.spoil(cells, made.misspell, habits.name_typo)
        clerk.spoil(cells, made.stray_space, habits.space_left)
        clerk.overwrite(cells, "UNKNOWN", habits.name_placeholder)
        clerk.overwrite(cells, None, habits.name_missing)


def _change_case(records: Records, clerk: _Clerk, habits: Habits) -> None:
    """Change given name and surname of a record alike, as whoever typed it has one way."""
    for way, probability in ((str.upper, habits.all_upper), (str.lower, habits.all_lower)):
        alike = np.flatnonzero(clerk.happens(probability))
        for cells in (records.given_name, records.surname):
            cells[alike] = [way(cell) if cell else cell for cell in cells[alike]]


def _spoil_birth_dates(born: Strings, clerk: _Clerk, habits: Habits) -> None:
    clerk.spoil(born, made.swap_day_and_month, habits.day_month_swapped)
    clerk.spoil(born, made.mistype_year, habits.year_typo)
    clerk.spoil(born, made.mistype_day, habits.day_typo)
    clerk.overwrite(born, "1900-01-01", habits.birth_date_placeholder)
    clerk.overwrite(born, None, habits.birth_date_missing)


def _spoil_sexes(sex: Strings, clerk: _Clerk, habits: Habits) -> None:
    wrong = clerk.happens(habits.sex_wrong)
    sex[wrong] = np.where(sex[wrong] == "F", "M", "F")
    clerk.overwrite(sex, None, habits.sex_missing)


def _spoil_contacts(records: Records, clerk: _Clerk, habits: Habits) -> None:
    clerk.spoil(records.street, made.misspell, habits.street_typo)
    clerk.spoil(records.street, made.abbreviate, habits.street_abbreviated)
    clerk.spoil(records.unit, made.abbreviate, habits.street_abbreviated / 2)
    clerk.overwrite(records.unit, "", habits.unit_left_out)
    missing = clerk.happens(habits.address_missing)
    for cells in (records.number, records.street, records.unit):
        cells[missing] = None
    clerk.spoil(records.postal_code, made.mistype_digit, habits.postal_code_typo)
    clerk.overwrite(records.postal_code, None, habits.postal_code_missing)
    clerk.spoil(records.phone, made.mistype_digit, habits.phone_typo)
    clerk.overwrite(records.phone, "9999999999", habits.phone_placeholder)
    clerk.overwrite(records.phone, None, habits.phone_missing)


def record(people: People, person: Codes, rng: np.random.Generator, *, habits: Habits) -> Records:
    """Write down what an office knows about people, with its errors.

    Parameters
    ----------
    people : People
    person : ndarray of int64, shape (n,)
        Whom each record is about, as a row of `people`; a row may come more than once.
    rng : numpy.random.Generator
    habits : Habits

    Returns
    -------
    Records
        `n` records, in the order of `person`.
    """
    clerk = _Clerk(rng, len(person))
    records = _note(people, person, clerk, habits)
    _spoil_names(records, clerk, habits)
    swaps = np.where(people.family_first[person], _FAMILY_FIRST_SWAPS, 1.0) * habits.name_swapped
    _swap_names(records, clerk, swaps)
    _change_case(records, clerk, habits)
    _spoil_birth_dates(records.born, clerk, habits)
    _spoil_sexes(records.sex, clerk, habits)
    _spoil_contacts(records, clerk, habits)
    return records


def lose_cells(cells: Strings, rng: np.random.Generator, *, probability: float) -> Strings:
    """Return the cells of a column with some missing."""
    kept = cells.copy()
    kept[rng.random(len(cells)) < probability] = None
    return kept
