"""Make up what the offices measure: attendance, grade, program days, hours worked.

Run while the lists are made. In: `People`. Out: one array per variable. The effect of a summer
program on attendance is made up and known, so that an analysis can be checked against it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.synth.people import People
from linkkit.synth.word_lists import Strings, strings

__all__ = [
    "JOBS_EFFECT",
    "SUMMER_EFFECT",
    "attendance_rates",
    "grades",
    "hours_worked",
    "job_sectors",
    "program_days",
    "program_types",
]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

SUMMER_EFFECT = 2.5
"""Percentage points of attendance that a summer program adds."""

JOBS_EFFECT = 0.8
"""Percentage points of attendance that a youth job adds."""

_HARDSHIP_EFFECT = -2.0
_USUAL_ATTENDANCE = 95.5
_PROGRAM_TYPES = ("Academic", "Sports", "Arts", "Outdoor", "STEM")
_PROGRAM_SHARES = (0.34, 0.25, 0.17, 0.14, 0.10)
_JOB_SECTORS = ("Parks and recreation", "Retail", "Child care", "Health", "City office", "Trades")
_JOB_SHARES = (0.29, 0.24, 0.17, 0.12, 0.10, 0.08)


def attendance_rates(people: People, rng: np.random.Generator) -> Floats:
    """Return the share of enrolled days attended, in percent, 30 to 100, to one decimal.

    Hardship lowers attendance and makes participation more likely, so that a plain difference of
    means understates `SUMMER_EFFECT`.
    """
    expected = (
        _USUAL_ATTENDANCE
        + _HARDSHIP_EFFECT * people.hardship
        + SUMMER_EFFECT * people.memberships.in_summer
        + JOBS_EFFECT * people.memberships.in_jobs
    )
    days_missed = rng.gamma(1.2, 3.0, size=len(people))
    rates: Floats = np.round(np.clip(rng.normal(expected - days_missed, 1.0), 30, 100), 1)
    return rates


def grades(people: People, rng: np.random.Generator) -> Codes:
    """Return the school grade, 0 for kindergarten up to 12; a few repeated one."""
    behind = rng.random(len(people)) < 0.04
    return np.clip(np.floor(people.age - 5.8).astype(np.int64) + 1 - behind, 0, 12)


def program_days(n: int, rng: np.random.Generator) -> Codes:
    """Return days attended in one program, 1 to 30."""
    return np.clip(np.round(30 * rng.beta(3.0, 1.5, size=n)), 1, 30).astype(np.int64)


def program_types(n: int, rng: np.random.Generator) -> Strings:
    """Return the kind of each program."""
    return strings(list(_PROGRAM_TYPES))[rng.choice(len(_PROGRAM_TYPES), size=n, p=_PROGRAM_SHARES)]


def hours_worked(n: int, rng: np.random.Generator) -> Floats:
    """Return paid hours, in steps of a quarter, 4 to 320."""
    return np.round(np.clip(rng.normal(120, 45, size=n), 4, 320) * 4) / 4


def job_sectors(n: int, rng: np.random.Generator) -> Strings:
    """Return the sector of each job."""
    return strings(list(_JOB_SECTORS))[rng.choice(len(_JOB_SECTORS), size=n, p=_JOB_SHARES)]
