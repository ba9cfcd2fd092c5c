"""HIPAA Safe Harbor on a data set of an agreement that has it: what the document cannot tell.

ZIP codes of areas with few people are hidden, ages and years of birth that tell 90 and over are
grouped, and columns whose cells look like an identifier are refused.
"""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.agreement.safe_harbor import identifiers_of
from linkkit.errors import NotAuthorizedError, ProtectionError
from linkkit.steward.integrate.dataset import STUDY_ID
from linkkit.steward.promises import PromisedSafeHarbor
from linkkit.steward.protect.presets import Declared, safe_harbor
from linkkit.steward.protect.presets.hipaa import OLDEST, RESTRICTED_ZIP3

__all__ = ["SAFE_HARBOR_WORDS", "ZIP_WORDS", "agreed_safe_harbor"]

SAFE_HARBOR_WORDS = (
    "HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i): no date is finer than a year, no ZIP code longer "
    "than three digits, those of areas of 20,000 people or fewer are 000, and ages of 90 and over "
    "are one group. Identifiers that look like none are not found."
)
ZIP_WORDS = "first three digits, 000 where 20,000 people or fewer live"


def agreed_safe_harbor(
    table: pa.Table, agreement: Agreement, *, today: dt.date
) -> tuple[pa.Table, PromisedSafeHarbor | None]:
    """Return a table as Safe Harbor allows it, and what is promised of it.

    Nothing is done where the agreement does not have the preset.

    Raises
    ------
    NotAuthorizedError
        When years of birth would tell who is 90 or older on that day.
    ProtectionError
        When a column looks like an identifier that is not declared, or has cells that are not
        what it is declared as.
    """
    protection = agreement.protection
    if protection.preset is None:
        return table, None
    columns: dict[str, Declared] = {
        name: what
        for name, what in identifiers_of(agreement).items()
        if name in table.column_names and name != STUDY_ID
    }
    earliest = today.year - OLDEST
    for name, what in columns.items():
        ways = protection.quasi_identifiers.get(name)
        bottom = None if ways is None else ways.bottom
        if what == "birth_year" and not (isinstance(bottom, (int, float)) and bottom >= earliest):
            raise NotAuthorizedError(
                f"years of birth in '{name}' would tell who is 90 or older",
                clause=f"protection.quasi_identifiers.{name}",
                hint=f"Amend the agreement: 'bottom: {earliest}' or later.",
            )
    for name, ways in protection.quasi_identifiers.items():
        if ways.dates is not None and name in table.column_names:
            columns[name] = "not_identifier"  # the agreement shows its year at most
    made: pa.Table | None = None
    problems: tuple[str, ...] = ()
    try:
        made = safe_harbor(table, columns=columns, as_of=today, coding="numbers").table
    except ProtectionError as error:
        problems = error.problems
    if made is None:
        raise ProtectionError(
            problems,
            hint="Leave identifiers out of the project; where a variable only looks like one, or "
            "its kind must be said, say so in clause 'protection.declared'.",
        )
    return made, PromisedSafeHarbor(
        zips=tuple(name for name in made.column_names if columns.get(name) == "zip"),
        hidden_zips=tuple(sorted(RESTRICTED_ZIP3)),
        ages=tuple(name for name in made.column_names if columns.get(name) == "age"),
    )
