"""What an agreement has done to variables that are no quasi-identifiers: shifts and averages.

Dates move before classes are sought. Numbers are averaged afterwards, over the people who stay, so
that nobody who is withheld is missing from a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.errors import OptionError, SecretError
from linkkit.steward.integrate import IntegratedDataset, StudyKey
from linkkit.steward.integrate.dataset import STUDY_ID
from linkkit.steward.promises import PromisedAverages, PromisedShift
from linkkit.steward.protect.models import PrivacyModel
from linkkit.steward.protect.transforms import (
    MicroaggregationReport,
    microaggregate,
    shift_dates,
)

__all__ = ["Changes", "agreed_changes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What is to be done to a data set.

    Attributes
    ----------
    averages : PromisedAverages, optional
        The variables to average.
    shift : PromisedShift, optional
        The dates to move.
    key : StudyKey, optional
        Present where dates are to be moved.
    """

    averages: PromisedAverages | None = None
    shift: PromisedShift | None = None
    key: StudyKey | None = None

    def move_dates(self, table: pa.Table, *, agreement_id: str, project: str) -> pa.Table:
        """Return a table in which the dates are moved.

        Raises
        ------
        ProtectionError
            When a column holds no dates, or one would leave the years that can be written.
        """
        if self.shift is None or self.key is None:
            return table
        moved: pa.Table = shift_dates(
            table,
            columns=self.shift.variables,
            person=STUDY_ID,
            key=self.key,
            agreement_id=agreement_id,
            project=project,
            max_days=self.shift.max_days,
        )
        return moved

    def average(self, table: pa.Table) -> tuple[pa.Table, MicroaggregationReport | None]:
        """Return a table in which the numbers are averaged, and what that did.

        Raises
        ------
        ProtectionError
            When a column does not hold numbers.
        """
        if self.averages is None:
            return table, None
        made = microaggregate(
            table,
            columns=self.averages.variables,
            k=self.averages.k,
            statistic=self.averages.statistic,
            person=STUDY_ID,
        )
        return made.table, made.report

    def descriptions(self) -> dict[str, str]:
        """Say for each variable what is done to it, for the readers of the data."""
        said: dict[str, str] = {}
        if self.shift is not None:
            text = (
                "all dates of a person moved by the same secret number of days, "
                f"up to {self.shift.max_days}"
            )
            said |= dict.fromkeys(self.shift.variables, text)
        if self.averages is not None:
            text = f"{self.averages.statistic} of groups of at least {self.averages.k} people"
            if len(self.averages.variables) > 1:
                text += f" who are alike in {_listed(self.averages.variables)}"
            said |= dict.fromkeys(self.averages.variables, text)
        return said

    def in_words(self) -> tuple[str, ...]:
        """Say what is promised, a sentence each."""
        said: list[str] = []
        if self.shift is not None:
            said.append(
                f"Shifted dates: all dates of a person in {_quoted(self.shift.variables)} are "
                f"moved by the same secret number of days, from 1 to {self.shift.max_days} in "
                "either direction. No check of the files can tell that it was done."
            )
        if self.averages is not None:
            names = _quoted(self.averages.variables)
            said.append(
                f"Microaggregation: every combination of {names} belongs to at least "
                f"{self.averages.k} people, and shows the {self.averages.statistic} of a group of "
                "them. Who has none of these values is not counted."
            )
        return tuple(said)


def agreed_changes(
    people: IntegratedDataset,
    agreement: Agreement,
    *,
    k: int,
    models: Sequence[PrivacyModel],
    study_key: StudyKey | None,
) -> Changes:
    """Return what the agreement has done to the variables of a data set.

    Raises
    ------
    SecretError
        When dates are to be moved and there is no study key.
    OptionError
        When a model names a variable that is changed.
    """
    if study_key is not None and not isinstance(study_key, StudyKey):
        raise SecretError(
            f"'study_key' must be a StudyKey, not a {type(study_key).__name__}",
            hint="Load it: StudyKey.load('own.study-key').",
        )
    averages = _averages(people, agreement, k)
    shift = _shift(people, agreement)
    if shift is not None and study_key is None:
        raise SecretError(
            f"the agreement has the dates in {_quoted(shift.variables)} shifted, which takes your "
            "study key",
            hint="Give the key that integrate() had: study_key=StudyKey.load('own.study-key'), or "
            "'linkkit protect --study-key FILE'.",
        )
    changes = Changes(averages=averages, shift=shift, key=study_key)
    changed = changes.descriptions()
    problems = [
        f"a model is about '{name}', which the agreement has shifted or averaged"
        for name in dict.fromkeys(getattr(model, "sensitive", None) for model in models)
        if name in changed
    ]
    if problems:
        raise OptionError(
            problems, hint="Models are about values as they are: leave these out of 'models'."
        )
    return changes


def _averages(people: IntegratedDataset, agreement: Agreement, k: int) -> PromisedAverages | None:
    agreed = agreement.protection.microaggregate
    names = _here(people, agreed.variables if agreed else ())
    if agreed is None or not names:
        return None
    return PromisedAverages(variables=names, k=k, statistic=agreed.statistic)


def _shift(people: IntegratedDataset, agreement: Agreement) -> PromisedShift | None:
    agreed = agreement.protection.shift_dates
    names = _here(people, agreed.variables if agreed else ())
    if agreed is None or not names:
        return None
    return PromisedShift(variables=names, max_days=agreed.max_days)


def _here(people: IntegratedDataset, names: Sequence[str]) -> tuple[str, ...]:
    """Return those of the variables that the data set has, in the order of its columns."""
    return tuple(name for name in people.variables if name in names)


def _quoted(names: Sequence[str]) -> str:
    return _listed([f"'{name}'" for name in names])


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
