"""Settle who is on whose list, before anybody has a name.

Run first when a city is made. In: the sizes of the three lists. Out: one row per young person with
three flags, and an age that fits them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Memberships", "draw_ages", "plan_memberships", "repeat_count"]

Flags = npt.NDArray[np.bool_]

_SUMMER_REPEATS = 0.06
_SUMMER_ENROLLED = 0.70
_JOBS_ENROLLED = 0.75
_ENROLLED_IN_BOTH = 0.15
_OTHERS_IN_BOTH = 0.10


@dataclass(frozen=True, kw_only=True)
class Memberships:
    """Which lists each young person is on.

    Parameters
    ----------
    in_district, in_summer, in_jobs : ndarray of bool, shape (n,)
        Every person is on at least one list.
    """

    in_district: Flags
    in_summer: Flags
    in_jobs: Flags

    def __len__(self) -> int:
        return len(self.in_district)


def repeat_count(n_summer: int) -> int:
    """Return how many of the summer registrations register a child once more.

    Examples
    --------
    >>> repeat_count(3000), repeat_count(1)
    (180, 0)
    """
    return round(_SUMMER_REPEATS * n_summer)


def _spread(n_summer: int, n_jobs: int, n_both: int) -> tuple[Flags, Flags]:
    """Return the flags of people of whom the middle `n_both` are on both lists."""
    place = np.arange(n_summer + n_jobs - n_both)
    return place < n_summer, place >= n_summer - n_both


def plan_memberships(*, n_district: int, n_summer: int, n_jobs: int) -> Memberships:
    """Plan who is on which list.

    About 70 % of the summer children and 75 % of the job applicants are pupils of the district as
    far as its size allows, and some are on all three lists.

    Parameters
    ----------
    n_district, n_summer, n_jobs : int
        Number of records of each list, 1 or more; the summer list holds about 6 % repeats.

    Examples
    --------
    >>> people = plan_memberships(n_district=80, n_summer=30, n_jobs=15)
    >>> len(people), int(people.in_district.sum()), int(people.in_jobs.sum())
    (92, 80, 15)
    """
    n_children = n_summer - repeat_count(n_summer)
    summer = min(round(_SUMMER_ENROLLED * n_children), n_district)
    jobs = min(round(_JOBS_ENROLLED * n_jobs), n_district)
    both = max(round(_ENROLLED_IN_BOTH * min(summer, jobs)), summer + jobs - n_district)
    others_both = round(_OTHERS_IN_BOTH * min(n_children - summer, n_jobs - jobs))
    pupils = _spread(summer, jobs, both)
    others = _spread(n_children - summer, n_jobs - jobs, others_both)
    rest = np.zeros(n_district - len(pupils[0]), dtype=np.bool_)
    enrolled = np.arange(n_district + len(others[0])) < n_district
    return Memberships(
        in_district=enrolled,
        in_summer=np.concatenate([pupils[0], rest, others[0]]),
        in_jobs=np.concatenate([pupils[1], rest, others[1]]),
    )


def draw_ages(people: Memberships, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw an age in years, on 1 July 2025, that lets each person be on their lists.

    Returns
    -------
    ndarray of float64, shape (n,)
        5 up to 22: pupils are 5 to 18, summer children 5 to 16, applicants 14 to 21.
    """
    oldest = np.where(people.in_summer, 17.0, np.where(people.in_district, 19.0, 22.0))
    youngest = np.where(people.in_jobs, 14.0, 5.0)
    ages: npt.NDArray[np.float64] = rng.uniform(youngest, oldest)
    return ages
