"""A made-up partnership of three offices that serve the same young people.

Run by demos, docs and benchmarks. In: a seed and sizes. Out: `SyntheticPartnership`, the tables of
the three offices, the agreement between them, and the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from linkkit.errors import OptionError
from linkkit.exchange.atomic import atomic_text
from linkkit.synth.export import (
    check_workbook_possible,
    write_district,
    write_jobs,
    write_summer,
    write_truth,
)
from linkkit.synth.memberships import plan_memberships
from linkkit.synth.offices import Listing, list_applicants, list_pupils, list_registrations
from linkkit.synth.people import People, make_people
from linkkit.synth.word_lists import packaged_text

__all__ = ["SyntheticPartnership", "youth_partnership"]


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class SyntheticPartnership:
    """The tables of made-up offices, their agreement, and the truth about their records.

    Parameters
    ----------
    extracts : dict of str to pandas.DataFrame
        Each party's table as that office would see it, under ``"district"``, ``"summer"`` and
        ``"jobs"``. All columns are strings; a missing cell is None or NA.
    truth : pandas.DataFrame
        One row per record of all parties: ``party`` and ``record_id`` (str), ``person`` (int64).
    households : pandas.DataFrame
        One row per person: ``person`` and ``household`` (int64). Households move, change their phone, and have
        half brothers and sisters of other surnames.
    agreement : dict
        The agreement document, as `yaml.safe_load` reads it.
    """

    extracts: dict[str, pd.DataFrame]
    truth: pd.DataFrame
    households: pd.DataFrame
    agreement: dict[str, Any]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{party}: {len(table)}" for party, table in self.extracts.items())
        return f"SyntheticPartnership({sizes} records of {self.truth['person'].nunique()} people)"

    def agreement_yaml(self) -> str:
        """Return the agreement as a YAML document, in the order that it is read in."""
        document: str = yaml.safe_dump(
            self.agreement,
            sort_keys=False,
            default_flow_style=None,
            width=100,
            allow_unicode=True,
        )
        return document

    def write(self, folder: str | Path) -> dict[str, Path]:
        """Write the files that such offices really export, the agreement and the truth.

        Parameters
        ----------
        folder : str or Path
            Made if it is not there.

        Returns
        -------
        dict of str to Path
            ``district`` (CSV, UTF-8 with byte order mark), ``summer`` (Excel, header in row 3),
            ``jobs`` (semicolons, code page 1252), ``truth`` (CSV) and ``agreement`` (YAML).

        Raises
        ------
        DependencyError
            openpyxl is not installed.
        OptionError
            There are more registrations than a worksheet has rows.
        SealError
            A file cannot be written.
        """
        check_workbook_possible(len(self.extracts["summer"]))
        names = ("district.csv", "summer.xlsx", "jobs.csv", "truth.csv", "agreement.yaml")
        paths = {Path(name).stem: Path(folder) / name for name in names}
        write_district(self.extracts["district"], paths["district"])
        write_summer(self.extracts["summer"], paths["summer"])
        write_jobs(self.extracts["jobs"], paths["jobs"])
        write_truth(self.truth, paths["truth"])
        atomic_text(paths["agreement"], self.agreement_yaml())
        return paths


def _is_whole(number: object, *, at_least: int) -> bool:
    whole = isinstance(number, Integral) and not isinstance(number, bool)
    return whole and int(number) >= at_least  # type: ignore[call-overload]


def _check_options(*, seed: int, sizes: dict[str, int], error_rate: float) -> None:
    problems = [
        f"{name} must be a whole number, 1 or more"
        for name, size in sizes.items()
        if not _is_whole(size, at_least=1)
    ]
    if not _is_whole(seed, at_least=0):
        problems.append("seed must be a whole number, 0 or more")
    if not (math.isfinite(error_rate) and error_rate >= 0):
        problems.append("error_rate must be a finite number, 0 or more")
    if problems:
        raise OptionError(problems)


def _list_all(
    seed: int, sizes: dict[str, int], *, error_rate: float
) -> tuple[People, dict[str, Listing]]:
    """Make the people and each office's listing of them."""
    # a stream for each office, so that the errors of one do not move those of another
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]
    people = make_people(plan_memberships(**sizes), streams[0])
    n_summer = sizes["n_summer"]
    return people, {
        "district": list_pupils(people, streams[1], error_rate=error_rate),
        "summer": list_registrations(people, streams[2], n=n_summer, error_rate=error_rate),
        "jobs": list_applicants(people, streams[3], error_rate=error_rate),
    }


def _collect_truth(listings: dict[str, Listing]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"party": party, "record_id": made.record_id, "person": made.person})
        for party, made in listings.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _collect_households(people: People) -> pd.DataFrame:
    person = np.arange(len(people), dtype=np.int64)
    return pd.DataFrame({"person": person, "household": people.household})


def youth_partnership(
    *,
    seed: int = 2026,
    n_district: int = 8000,
    n_summer: int = 3000,
    n_jobs: int = 1500,
    error_rate: float = 1.0,
) -> SyntheticPartnership:
    """Make up a school district, its summer programs and its youth jobs office.

    About 70 % of the summer children and 75 % of the applicants are pupils of the district; some
    are on all three lists. About 6 % of the registrations are of a child registered already. A
    summer program adds 2.5 points to attendance; hardship lowers it and leads to programs.

    Parameters
    ----------
    seed : int
        0 or more. The same options give the same tables; `error_rate` changes no person.
    n_district, n_summer, n_jobs : int
        Number of records of each office, 1 or more.
    error_rate : float
        Scales the likelihood of every error, 0 or more: 0 gives clean records, 1 plausible ones.

    Returns
    -------
    SyntheticPartnership

    Raises
    ------
    OptionError
        A size, the seed or the error rate is out of range.

    Examples
    --------
    >>> made = youth_partnership(n_district=80, n_summer=50, n_jobs=15)
    >>> made
    SyntheticPartnership(district: 80, summer: 50, jobs: 15 records of 98 people)
    >>> list(made.truth.columns)
    ['party', 'record_id', 'person']
    >>> int(made.truth.query("party == 'summer'")["person"].duplicated().sum())
    3
    """
    sizes = {"n_district": n_district, "n_summer": n_summer, "n_jobs": n_jobs}
    _check_options(seed=seed, sizes=sizes, error_rate=error_rate)
    people, listings = _list_all(seed, sizes, error_rate=error_rate)
    return SyntheticPartnership(
        extracts={party: made.extract for party, made in listings.items()},
        truth=_collect_truth(listings),
        households=_collect_households(people),
        agreement=yaml.safe_load(packaged_text("agreement.yaml")),
    )
