"""The three offices, and the table that each would see.

Run by `partnership`. In: `People`. Out: a `Listing` per office, in the office's own columns and
spellings, every cell a string or missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from anyascii import anyascii

from linkkit.synth.outcomes import (
    attendance_rates,
    grades,
    hours_worked,
    job_sectors,
    program_days,
    program_types,
)
from linkkit.synth.people import People
from linkkit.synth.recording import Habits, Records, lose_cells, record
from linkkit.synth.word_lists import Strings, strings

__all__ = ["Listing", "list_applicants", "list_pupils", "list_registrations"]

Codes = npt.NDArray[np.int64]

_CHRONICALLY_ABSENT_BELOW = 90.0

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August",
           "September", "October", "November", "December")  # fmt: skip

_DISTRICT = Habits(
    moved=0.05, phone_changed=0.06, nickname=0.005, name_typo=0.008, name_swapped=0.001,
    name_placeholder=0.0005, surname_shortened=0.05, surname_rejoined=0.05, marks_dropped=0.45,
    punctuation_changed=0.12, day_month_swapped=0.003, year_typo=0.002, day_typo=0.002,
    birth_date_placeholder=0.001, birth_date_missing=0.001, sex_wrong=0.002, sex_missing=0.002,
    street_abbreviated=0.5, street_typo=0.01, unit_left_out=0.05, address_missing=0.008,
    postal_code_typo=0.003, postal_code_missing=0.005, phone_typo=0.01, phone_placeholder=0.01,
    phone_missing=0.03, payload_missing=0.012,
)  # fmt: skip
_SUMMER = Habits(
    own_phone=0.05, moved=0.09, phone_changed=0.10, nickname=0.10, middle_with_given=0.04,
    name_typo=0.03, name_swapped=0.006, name_placeholder=0.002, name_missing=0.002,
    surname_shortened=0.25, surname_rejoined=0.15, marks_dropped=0.55, punctuation_changed=0.25,
    all_upper=0.08, all_lower=0.10, space_left=0.01, day_month_swapped=0.012, year_typo=0.008,
    day_typo=0.006, birth_date_placeholder=0.004, birth_date_missing=0.012,
    street_abbreviated=0.65, street_typo=0.03, unit_left_out=0.15, address_missing=0.03,
    postal_code_typo=0.006, postal_code_missing=0.02, phone_typo=0.02, phone_placeholder=0.01,
    phone_missing=0.04, payload_missing=0.02,
)  # fmt: skip
_JOBS = Habits(
    own_phone=0.45, moved=0.12, phone_changed=0.10, nickname=0.12, middle_with_given=0.06,
    name_typo=0.02, name_swapped=0.008, name_placeholder=0.002, name_missing=0.001,
    surname_shortened=0.20, surname_rejoined=0.12, marks_dropped=0.40, punctuation_changed=0.20,
    all_upper=0.07, all_lower=0.06, space_left=0.01, day_month_swapped=0.010, year_typo=0.006,
    day_typo=0.004, birth_date_placeholder=0.003, birth_date_missing=0.006, sex_wrong=0.003,
    sex_missing=0.03, postal_code_typo=0.006, postal_code_missing=0.02, phone_typo=0.015,
    phone_placeholder=0.006, phone_missing=0.03, payload_missing=0.012,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One office's table, and whom each row is about.

    Parameters
    ----------
    extract : pandas.DataFrame
        All columns strings; a missing cell is None or NA.
    record_id : ndarray of object, shape (n,)
        The office's own row ids, which are in the extract too.
    person : ndarray of int64, shape (n,)
    """

    extract: pd.DataFrame
    record_id: Strings
    person: Codes


def _each(cells: Strings, spell: Callable[[str], str]) -> Strings:
    """Spell every cell that is not missing."""
    return strings([None if cell is None else spell(cell) for cell in cells])


def _styled(
    cells: Strings,
    styles: tuple[Callable[[str], str], ...],
    shares: tuple[float, ...],
    rng: np.random.Generator,
) -> Strings:
    """Spell every cell in one of several styles, picked at random."""
    chosen = rng.choice(len(styles), size=len(cells), p=shares)
    spelled = [
        None if cell is None else styles[style](cell)
        for cell, style in zip(cells, chosen, strict=True)
    ]
    return strings(spelled)


def _texts(numbers: npt.NDArray[np.generic]) -> Strings:
    return numbers.astype(str).astype(object)


def _row_ids(n: int, rng: np.random.Generator, *, prefix: str, start: int) -> Strings:
    """Return ids that say nothing about the order of the rows."""
    numbers = start + rng.permutation(n)
    return strings([f"{prefix}{number}" for number in numbers])


def _years(n: int, rng: np.random.Generator) -> Strings:
    return strings(["2024", "2025"])[rng.integers(2, size=n)]


def _dashed_phone(digits: str) -> str:
    return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"


def _bracketed_phone(digits: str) -> str:
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"


_PHONE_STYLES: tuple[Callable[[str], str], ...] = (
    _bracketed_phone,
    _dashed_phone,
    lambda digits: f"{digits[:3]}.{digits[3:6]}.{digits[6:]}",
    lambda digits: digits,
    lambda digits: f"+1 {_dashed_phone(digits).replace('-', ' ')}",
)


def _month_first(born: str) -> str:
    """Return mm/dd/YYYY."""
    return f"{born[5:7]}/{born[8:]}/{born[:4]}"


def _unpadded(born: str) -> str:
    """Return m/d/YYYY."""
    return f"{int(born[5:7])}/{int(born[8:])}/{born[:4]}"


def _two_digit_year(born: str) -> str:
    """Return mm/dd/yy, but the year in full where two digits would mean another century."""
    year = born[:4] if born < "1970" else born[2:4]
    return f"{born[5:7]}/{born[8:]}/{year}"


def _dashed_two_digit_year(born: str) -> str:
    return _two_digit_year(born).replace("/", "-") if born >= "1970" else _month_first(born)


def _month_in_words(born: str) -> str:
    """Return such as March 5, 2009."""
    return f"{_MONTHS[int(born[5:7]) - 1]} {int(born[8:])}, {born[:4]}"


def _short_month_in_words(born: str) -> str:
    """Return such as Mar 5, 2009."""
    return f"{_MONTHS[int(born[5:7]) - 1][:3]} {int(born[8:])}, {born[:4]}"


def _day_first_in_words(born: str) -> str:
    """Return such as 5-Mar-09."""
    if born < "1970":
        return born
    return f"{int(born[8:])}-{_MONTHS[int(born[5:7]) - 1][:3]}-{born[2:4]}"


def _street_with_unit(records: Records) -> Strings:
    pairs = zip(records.street, records.unit, strict=True)
    return strings([None if street is None else f"{street} {unit}".strip()
                    for street, unit in pairs])  # fmt: skip


def _full_name(records: Records) -> Strings:
    """Return such as GARCÍA LÓPEZ, SOFÍA M."""
    parts = zip(records.surname, records.given_name, records.middle_name, strict=True)
    return strings([f"{last}, {first} {middle[:1]}".strip().upper()
                    for last, first, middle in parts])  # fmt: skip


def as_cp1252(text: str) -> str:
    """Return text with the letters that Windows code page 1252 lacks spelled without their marks.

    Examples
    --------
    >>> as_cp1252("Nguyễn Muñoz")
    'Nguyen Muñoz'
    """
    if text.isascii():
        return text
    return "".join(
        letter if letter.encode("cp1252", "ignore") else anyascii(letter) for letter in text
    )


def list_pupils(people: People, rng: np.random.Generator, *, error_rate: float) -> Listing:
    """Make the school district's student list, one row per pupil."""
    habits = _DISTRICT.scaled(error_rate)
    person = rng.permutation(np.flatnonzero(people.memberships.in_district))
    records = record(people, person, rng, habits=habits)
    n = len(person)
    attendance = attendance_rates(people, rng)[person]
    absent = np.where(attendance < _CHRONICALLY_ABSENT_BELOW, "Y", "N").astype(object)
    rates = lose_cells(_texts(attendance), rng, probability=habits.payload_missing)
    absent[pd.isna(rates)] = None
    record_id = _row_ids(n, rng, prefix="", start=2_400_001)
    date_styles = (_month_first, _unpadded, _two_digit_year)
    columns = {
        "STUDENT_NO": record_id,
        "STUDENT NAME": _full_name(records),
        "DOB": _styled(records.born, date_styles, (0.85, 0.10, 0.05), rng),
        "SEX": records.sex,
        "Gr.": _texts(grades(people, rng)[person]),
        "RACE/ETH": lose_cells(people.race[person], rng, probability=habits.payload_missing),
        "HOME LANG": lose_cells(people.language[person], rng, probability=habits.payload_missing),
        "STREET_NO": records.number,
        "STREET_NAME": _each(_street_with_unit(records), str.upper),
        "ZIP": records.postal_code,
        "HOME PHONE #": _each(records.phone, _bracketed_phone),
        "SCHOOL_YR": np.full(n, "2024-25", dtype=object),
        "Att. %": rates,
        "CHRON ABS?": absent,
    }
    return Listing(extract=pd.DataFrame(columns), record_id=record_id, person=person)


def _draw_registrants(people: People, rng: np.random.Generator, n: int) -> Codes:
    """Return the summer children in random order, some of them more than once."""
    children = np.flatnonzero(people.memberships.in_summer)
    again = rng.choice(children, size=n - len(children))
    return rng.permutation(np.concatenate([children, again]))


def list_registrations(
    people: People, rng: np.random.Generator, *, n: int, error_rate: float
) -> Listing:
    """Make the summer programs' `n` registrations, about 6 % of them of a child already there."""
    habits = _SUMMER.scaled(error_rate)
    person = _draw_registrants(people, rng, n)
    records = record(people, person, rng, habits=habits)
    address = strings([None if number is None else f"{number} {street}"
                       for number, street in zip(records.number, _street_with_unit(records),
                                                 strict=True)])  # fmt: skip
    record_id = _row_ids(n, rng, prefix="REG-", start=10_001)
    date_styles = (str, _month_in_words, _day_first_in_words)
    lost = habits.payload_missing
    columns = {
        "Reg ID": record_id,
        "Session": "Summer " + _years(n, rng),
        "Child First Name": records.given_name,
        "Child Last Name": records.surname,
        "Birthdate": _styled(records.born, date_styles, (0.62, 0.20, 0.18), rng),
        "Home Address": address,
        "Zip Code": records.postal_code,
        "Parent Phone": _styled(records.phone, _PHONE_STYLES, (0.3, 0.3, 0.15, 0.15, 0.1), rng),
        "Program Type": lose_cells(program_types(n, rng), rng, probability=lost),
        "Days Attended": lose_cells(_texts(program_days(n, rng)), rng, probability=lost),
    }
    return Listing(extract=pd.DataFrame(columns), record_id=record_id, person=person)


def list_applicants(people: People, rng: np.random.Generator, *, error_rate: float) -> Listing:
    """Make the youth jobs office's applicants, one row each, as a Windows program would."""
    habits = _JOBS.scaled(error_rate)
    person = rng.permutation(np.flatnonzero(people.memberships.in_jobs))
    records = record(people, person, rng, habits=habits)
    n = len(person)
    record_id = _row_ids(n, rng, prefix="YJ", start=50_001)
    date_styles = (_two_digit_year, _unpadded, _dashed_two_digit_year, _short_month_in_words)
    words = {"F": "Female", "M": "Male", "X": "Nonbinary"}
    lost = habits.payload_missing
    columns = {
        "Applicant ID": record_id,
        "Applicant First Name": _each(records.given_name, as_cp1252),
        "Applicant Last Name": _each(records.surname, as_cp1252),
        "D.O.B. (mm/dd/yy)": _styled(records.born, date_styles, (0.88, 0.06, 0.04, 0.02), rng),
        "Gender": _each(records.sex, words.__getitem__),
        "Zip": records.postal_code,
        "Cell Phone ": _styled(records.phone, _PHONE_STYLES[1:4], (0.7, 0.1, 0.2), rng),
        "Program Yr": _years(n, rng),
        "Job Sector": lose_cells(job_sectors(n, rng), rng, probability=lost),
        "Hours Worked": lose_cells(_texts(hours_worked(n, rng)), rng, probability=lost),
    }
    return Listing(extract=pd.DataFrame(columns), record_id=record_id, person=person)
