"""HIPAA Safe Harbor: 45 CFR 164.514(b)(2).

The rule: Standards for Privacy of Individually Identifiable Health Information, 45 CFR
164.514(b)(2)(i)(A) to (R). The list of ZIP codes: U.S. Department of Health and Human Services,
Office for Civil Rights, "Guidance Regarding Methods for De-identification of Protected Health
Information in Accordance with the HIPAA Privacy Rule", 26 November 2012, from the 2000 Census.

The rule also asks that the covered entity does not know that what is left could identify
somebody, (b)(2)(ii). No program can see to that.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from linkkit.agreement import Generalization, PostalCodes
from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect.hierarchies.postal import standard_code
from linkkit.steward.protect.hierarchies.values import Values, dates_of, distinct_values
from linkkit.steward.protect.presets.identifiers import (
    Declared,
    IdentifierClass,
    Suspicion,
    undeclared_identifiers,
)
from linkkit.steward.protect.transforms.frames import (
    arrow_column,
    open_frame,
    require_columns,
    with_columns,
)

__all__ = [
    "RESTRICTED_ZIP3",
    "SafeHarborReport",
    "SafeHarborResult",
    "safe_harbor",
    "safe_harbor_ways",
]

RESTRICTED_ZIP3 = frozenset(
    "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split()
)
"""Areas of 20,000 people or fewer in the 2000 Census, from the guidance of 2012. The guidance says
to use newer figures where the Census Bureau has published them: give `zip_population`."""

OLDEST = 90
MOST_PEOPLE_RESTRICTED = 20_000
_OLDEST_POSSIBLE = 130
_NOWHERE = "000"
_CHANGED = ("zip", "date", "birth_date", "birth_year", "age")

Coding = Literal["labels", "numbers"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SafeHarborReport:
    """What was done; counts are not for publication.

    Attributes
    ----------
    dropped : tuple of str
        Columns of identifiers that are gone.
    changed : tuple of (str, str)
        Each column that was changed, and how.
    n_restricted : int
        Cells of ZIP codes that became ``000``.
    n_oldest : int
        Cells that went into the group of 90 and over.
    suspicions : tuple of Suspicion
        Columns that look like identifiers and were not declared.
    """

    dropped: tuple[str, ...]
    changed: tuple[tuple[str, str], ...]
    n_restricted: int
    n_oldest: int
    suspicions: tuple[Suspicion, ...]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class SafeHarborResult:
    """A table without the 18 classes of identifiers.

    Attributes
    ----------
    table : pandas, Polars or Arrow table
        Of the kind that was given.
    report : SafeHarborReport
        What was done.
    """

    table: Any
    report: SafeHarborReport

    def __repr__(self) -> str:
        return (
            f"<SafeHarborResult: {len(self.report.dropped)} columns dropped, "
            f"{len(self.report.changed)} changed>"
        )


def safe_harbor(
    table: Any,
    *,
    columns: Mapping[str, Declared],
    identifiers: Literal["refuse", "drop"] = "refuse",
    undeclared: Literal["refuse", "report"] = "refuse",
    zip_population: Mapping[str, int] | None = None,
    as_of: dt.date | None = None,
    coding: Coding = "labels",
) -> SafeHarborResult:
    """Remove or coarsen identifiers as HIPAA's Safe Harbor method asks (45 CFR 164.514(b)(2)).

    - ``zip``: the first three digits, or ``000`` where the area has 20,000 people or fewer.
    - ``date``: the year.
    - ``birth_date`` and ``birth_year``: the year; years of birth of people who are, or this year
      become, 90 are one group.
    - ``age``: in completed years; 90 and over are one group.
    - all other classes: refused, or dropped.

    States may stay; every smaller area is ``geography``. A year of birth that stays tells ages
    below 90 on `as_of` only: do not release the same table again years later.

    Parameters
    ----------
    table : pandas, Polars or Arrow table
        One or more rows for each person.
    columns : mapping of str to Declared
        What each column is that is an identifier, and ``not_identifier`` for columns that only
        look like one.
    identifiers : {"refuse", "drop"}
        What becomes of columns that no transformation makes safe.
    undeclared : {"refuse", "report"}
        What becomes of a table with columns that look like identifiers and are not declared.
    zip_population : mapping of str to int, optional
        People by ZIP code of three or five digits, such as the Census Bureau's ZCTAs; areas that
        it does not have count as empty. Without it, the list of the guidance decides.
    as_of : datetime.date, optional
        The day for which ages are worked out from births; needed for births.
    coding : {"labels", "numbers"}
        Ages and years of birth as text, with ``90+`` and ``1936 or earlier``; or as numbers, the
        groups by their bound, for a following step whose hierarchies have the group, too: see
        :func:`safe_harbor_ways`.

    Returns
    -------
    SafeHarborResult
        The table and a report.

    Raises
    ------
    OptionError
        When a column is not there or an option is not of its kind.
    ProtectionError
        When a column is an identifier, looks like one, or has cells that are not what it is
        declared as. All problems are told at once, by column and count.

    Examples
    --------
    >>> import pandas as pd
    >>> visits = pd.DataFrame(
    ...     {"zip": ["98101", "03601"], "seen": ["2025-03-04", "2025-07-01"], "age": [41, 93]}
    ... )
    >>> made = safe_harbor(visits, columns={"zip": "zip", "seen": "date", "age": "age"})
    >>> made.table.to_dict("list")
    {'zip': ['981', '000'], 'seen': [2025, 2025], 'age': ['41', '90+']}
    """
    frame = open_frame(table)
    _require_options(frame, columns, identifiers, undeclared, coding)
    _require_as_of(columns, as_of)
    restricted = _restriction(zip_population)
    suspicions = undeclared_identifiers(table, declared=columns)
    problems: list[str] = []
    if undeclared == "refuse":
        problems += [_told(item) for item in suspicions]
    dropped = [name for name, what in columns.items() if what in get_args(IdentifierClass)]
    dropped = [name for name in dropped if columns[name] != "date"]
    if identifiers == "refuse":
        problems += [f"column '{name}' is an identifier ({columns[name]})" for name in dropped]
    work = _Work(as_of, restricted, coding)
    made: dict[str, pa.Array] = {}
    for name, what in columns.items():
        if what in _CHANGED:
            try:
                made[name] = work.change(name, what, arrow_column(frame, name))
            except ProtectionError as error:
                problems += error.problems
    if problems:
        raise ProtectionError(
            problems,
            hint="Drop identifiers with identifiers='drop', declare in 'columns' what other columns "
            "are, and correct cells or make them missing.",
        )
    return SafeHarborResult(
        table=_result(frame, made, dropped),
        report=SafeHarborReport(
            dropped=tuple(dropped),
            changed=tuple((name, _WORDS[columns[name]]) for name in made),
            n_restricted=work.counts["restricted"],
            n_oldest=work.counts["oldest"],
            suspicions=suspicions,
        ),
    )


def safe_harbor_ways(
    columns: Mapping[str, Declared], *, as_of: dt.date | None = None
) -> dict[str, Generalization]:
    """Return hierarchies whose finest levels keep to the rule, for the columns that have them.

    They are for tables that :func:`safe_harbor` made with ``coding="numbers"``, and no level of
    them tells more than the rule allows.

    Parameters
    ----------
    columns : mapping of str to Declared
        As for :func:`safe_harbor`.
    as_of : datetime.date, optional
        As for :func:`safe_harbor`.

    Examples
    --------
    >>> safe_harbor_ways({"age": "age"})["age"].ages
    (1, 5, 10, 20)
    """
    _require_as_of(columns, as_of)
    ways: dict[str, Generalization] = {}
    for name, what in columns.items():
        if what == "zip":
            ways[name] = Generalization(postal=PostalCodes(country="US", levels=(3, 1)))
        elif what == "age":
            ways[name] = Generalization(ages=(1, 5, 10, 20), top=OLDEST)
        elif what == "date":
            ways[name] = Generalization(intervals=(1, 5, 10))
        elif what in ("birth_date", "birth_year") and as_of is not None:
            ways[name] = Generalization(intervals=(1, 5, 10), bottom=as_of.year - OLDEST)
    return ways


_WORDS: Mapping[Declared, str] = {
    "zip": "first three digits, 000 where 20,000 people or fewer live",
    "date": "year",
    "birth_date": "year of birth, those of people of 90 and over together",
    "birth_year": "year of birth, those of people of 90 and over together",
    "age": "completed years, 90 and over together",
}


def _require_options(
    frame: Any, columns: Mapping[str, Declared], identifiers: str, undeclared: str, coding: str
) -> None:
    problems = []
    if not isinstance(columns, Mapping):
        problems.append("'columns' is a mapping of each column to what it is")
    else:
        known = {*get_args(IdentifierClass), *_CHANGED, "not_identifier"}
        problems += [
            f"'columns': column '{name}' is declared as something that is not known"
            for name, what in columns.items()
            if what not in known
        ]
    if identifiers not in ("refuse", "drop"):
        problems.append("'identifiers' must be 'refuse' or 'drop'")
    if undeclared not in ("refuse", "report"):
        problems.append("'undeclared' must be 'refuse' or 'report'")
    if coding not in ("labels", "numbers"):
        problems.append("'coding' must be 'labels' or 'numbers'")
    if problems:
        hint = "Leave out what is not needed; all options have a default."
        if any("'columns'" in problem for problem in problems):
            names = (*get_args(IdentifierClass), *_CHANGED, "not_identifier")
            hint = f"A column is one of: {', '.join(dict.fromkeys(names))}."
        raise OptionError(problems, hint=hint)
    if columns:
        require_columns(frame, list(columns))


def _require_as_of(columns: Mapping[str, Declared], as_of: dt.date | None) -> None:
    if as_of is not None and not isinstance(as_of, dt.date):
        raise OptionError(
            f"'as_of' must be a date, not a {type(as_of).__name__}",
            hint="For example datetime.date(2030, 1, 31).",
        )
    births = any(what in ("birth_date", "birth_year") for what in columns.values())
    if births and as_of is None:
        raise OptionError(
            "'as_of' is needed to tell which years of birth are of people of 90 and over",
            hint="Give the day of the release.",
        )


def _restriction(zip_population: Mapping[str, int] | None) -> Callable[[str], bool]:
    """Return what says of the first three digits whether they must not be told."""
    if zip_population is None:
        return RESTRICTED_ZIP3.__contains__
    n_wrong = 0
    people: Counter[str] = Counter()
    for code, n in zip_population.items():
        sound = isinstance(code, str) and code.isdigit() and len(code) in (3, 5)
        if not sound or isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 0:
            n_wrong += 1
        else:
            people[code[:3]] += int(n)
    if n_wrong or len({len(code) for code in zip_population}) > 1:
        raise OptionError(
            "'zip_population' is a mapping of ZIP codes, all of three or all of five digits, as "
            f"text, to numbers of people; {n_wrong} of its items are none",
            hint="Keep the zeros in front of ZIP codes: read them as text.",
        )
    return lambda code: people[code] <= MOST_PEOPLE_RESTRICTED


class _Work:
    """Changes columns, and counts what went into the groups of the rule."""

    def __init__(
        self, as_of: dt.date | None, restricted: Callable[[str], bool], coding: Coding
    ) -> None:
        self.restricted, self.coding = restricted, coding
        self.earliest = None if as_of is None else as_of.year - OLDEST
        self.counts: Counter[str] = Counter()

    def change(self, name: str, what: Declared, column: pa.Array) -> pa.Array:
        """Return a column as the rule allows it."""
        values = distinct_values(name, column)
        if what == "zip":
            made = self._zips(name, values)
        elif what == "age":
            made = self._ages(name, values)
        else:
            made = self._years(name, values, what)
        return made.take(pa.array(values.codes))

    def _zips(self, name: str, values: Values) -> pa.Array:
        number = values.kind in ("whole", "real")
        codes = [standard_code(text, "US", number=number) for text in values.texts]
        _require_read(name, values, [code is None for code in codes], "are no ZIP codes")
        told = [code[:3] for code in codes if code is not None]
        hidden = [self.restricted(code) for code in told]
        self._count("restricted", values, hidden)
        shown = [_NOWHERE if hide else code for code, hide in zip(told, hidden, strict=True)]
        return pa.array([*shown, None], pa.string())

    def _ages(self, name: str, values: Values) -> pa.Array:
        ages = [_whole(item, 0, _OLDEST_POSSIBLE) for item in values.items]
        _require_read(name, values, [age is None for age in ages], "are no ages in years")
        known = [age for age in ages if age is not None]
        old = [age >= OLDEST for age in known]
        self._count("oldest", values, old)
        if self.coding == "numbers":
            return pa.array([*(min(age, OLDEST) for age in known), None], pa.int64())
        shown = [f"{OLDEST}+" if age >= OLDEST else str(age) for age in known]
        return pa.array([*shown, None], pa.string())

    def _years(self, name: str, values: Values, what: Declared) -> pa.Array:
        if what == "birth_year":
            years = [_whole(item, 1, 9999) for item in values.items]
        else:
            years = [None if day is None else day.year for day in dates_of(values)[0]]
        words = "are no years" if what == "birth_year" else "are no dates as YYYY-MM-DD"
        _require_read(name, values, [year is None for year in years], words)
        known = [year for year in years if year is not None]
        if what == "date" or self.earliest is None:
            return pa.array([*known, None], pa.int64())
        earliest = self.earliest
        self._count("oldest", values, [year <= earliest for year in known])
        if self.coding == "numbers":
            return pa.array([*(max(year, earliest) for year in known), None], pa.int64())
        shown = [f"{earliest} or earlier" if year <= earliest else str(year) for year in known]
        return pa.array([*shown, None], pa.string())

    def _count(self, what: str, values: Values, which: list[bool]) -> None:
        self.counts[what] += int(values.counts[np.array(which, dtype=np.bool_)].sum())


def _whole(item: Any, least: int, most: int) -> int | None:
    """Return a number without its fraction, from text, too; None where it is none in range."""
    if isinstance(item, str):
        text = item.strip()
        item = int(text) if text.isdecimal() and len(text) <= len(str(most)) else None
    if isinstance(item, bool) or not isinstance(item, (int, float)):
        return None
    return int(item) if least <= item <= most else None


def _require_read(name: str, values: Values, wrong: list[bool], what: str) -> None:
    problems = values.told(wrong, what)
    if problems:
        raise ProtectionError([f"column '{name}': {problem}" for problem in problems])


def _told(item: Suspicion) -> str:
    where = {"name": "by its name", "cells": "by its cells", "type": "by its type"}[item.found_in]
    return (
        f"column '{item.column}' looks like an identifier ({item.identifier}) {where} and is not "
        f"declared: {item.n_cells} cells"
    )


def _result(frame: Any, made: Mapping[str, pa.Array], dropped: list[str]) -> Any:
    changed = open_frame(with_columns(frame, made)) if made else frame
    return changed.drop(dropped).to_native() if dropped else changed.to_native()
