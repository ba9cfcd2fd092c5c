"""The protected data set: what may be released, with all that a reader must be told."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from linkkit.agreement import Agreement
from linkkit.errors import SealError
from linkkit.exchange import Identity, Manifest
from linkkit.exchange.artifacts import load_table, save_table, sealed_note
from linkkit.steward.integrate.dataset import (
    people_frame,
    with_households,
    without_households,
)
from linkkit.steward.promises import Promises, promises_from_json, promises_to_json
from linkkit.steward.protect.measured.report import Measurements, ProtectionReport
from linkkit.steward.protect.measured.reported import report_of
from linkkit.steward.protect.transforms.microaggregation import MicroaggregationReport

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ClassSizes",
    "ProtectedDataset",
    "ProtectionSummary",
    "Recoding",
    "Role",
    "SubgroupSuppression",
    "VariableNote",
]

Role = Literal["study id", "quasi-identifier", "participation", "payload"]
"""What a variable is in a protected data set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recoding:
    """What became of one quasi-identifier.

    ``level`` counts from 0, the finest of ``n_levels``; None where classes have levels of their
    own. ``information_loss`` is the mean over the people who stay, from 0 (nothing lost) to 1
    (dropped).
    """

    variable: str
    level: int | None
    n_levels: int
    description: str
    information_loss: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SubgroupSuppression:
    """How many of a subgroup were withheld, as it may be published.

    ``value`` is a value of the quasi-identifier at its finest level. ``people`` and
    ``suppressed`` are numbers as text, ``"<10"`` where a count is smaller than the smallest
    cell, or ``"not shown"`` where it would give such a count away.
    """

    variable: str
    value: str
    people: str
    suppressed: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassSizes:
    """How many people share a combination of quasi-identifiers, and how many combinations."""

    smallest: int
    median: float
    n_classes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class VariableNote:
    """What a reader of the data must know of a variable.

    ``type`` is what the column holds now; ``generalization`` and ``combined`` say what was
    done, and are empty where nothing was; ``sent_by`` names organizations.
    """

    name: str
    type: Literal["text", "integer", "number", "category", "date", "yes or no"]
    label: str
    role: Role
    generalization: str = ""
    combined: str = ""
    sent_by: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtectionSummary:
    """What was promised and what was done, without the data.

    Attributes
    ----------
    agreement_title, project_purpose : str
        From the agreement.
    destroy_by : str
        The agreement's destroy-by date, as YYYY-MM-DD.
    first_year, last_year : int
        The years of the project.
    k : int
        The fewest people who share a combination of quasi-identifiers.
    smallest_cell : int
        The smallest count that is published; never more than `k`.
    max_suppressed : float
        The share of people, 0 to 1, that could be withheld.
    n_people_in, n_suppressed : int
        People before, and people withheld. Not for publication when small.
    information_loss : float
        Mean over people and quasi-identifiers, 0 to 1; somebody withheld counts 1.
    method, why : str
        How classes were sought, and why so.
    classes : ClassSizes
        The classes that were formed.
    recodings : tuple of Recoding
        One for each quasi-identifier.
    variables : tuple of VariableNote
        One for each column, the study id first.
    suppressed_by_subgroup : tuple of SubgroupSuppression
        Who was withheld; empty when nobody was, or too few to tell.
    in_words : tuple of str
        What every class keeps, and what a missing value is, a sentence each.
    measured : Measurements
        Class sizes, utility and subgroups as they are. Not for publication.
    averaging : MicroaggregationReport, optional
        What microaggregation did to those who stay. Not for publication.
    """

    agreement_title: str
    project_purpose: str
    destroy_by: str
    first_year: int
    last_year: int
    k: int
    smallest_cell: int
    max_suppressed: float
    n_people_in: int
    n_suppressed: int
    information_loss: float
    method: str
    why: str
    classes: ClassSizes
    recodings: tuple[Recoding, ...]
    variables: tuple[VariableNote, ...]
    suppressed_by_subgroup: tuple[SubgroupSuppression, ...]
    in_words: tuple[str, ...]
    measured: Measurements
    averaging: MicroaggregationReport | None = None


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ProtectedDataset:
    """A k-anonymous data set of one project, ready to be released.

    Attributes
    ----------
    project : str
        The project of the agreement that it was made for.
    agreement_id, agreement_fingerprint : str
        The agreement that it was made under.
    table : pyarrow.Table
        One row for each person who stays, sorted by ``study_id``; a generalized variable is
        text.
    summary : ProtectionSummary
        What was done, for readers.
    promises : Promises
        What was promised, for the check of the release.
    households : pyarrow.Array, optional
        A pseudonym of each person's household, in the order of the rows; never released.
    """

    project: str
    agreement_id: str
    agreement_fingerprint: str
    table: pa.Table
    summary: ProtectionSummary
    promises: Promises
    households: pa.Array | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return (
            f"<ProtectedDataset for '{self.project}': {len(self)} people, k = {self.k}, "
            f"information loss {self.information_loss:.3f}>"
        )

    @property
    def k(self) -> int:
        """The fewest people who share a combination of quasi-identifiers."""
        return self.summary.k

    @property
    def quasi_identifiers(self) -> tuple[str, ...]:
        """Names of the quasi-identifiers."""
        return tuple(item.variable for item in self.summary.recodings)

    @property
    def n_people_in(self) -> int:
        """How many people there were before."""
        return self.summary.n_people_in

    @property
    def n_people_out(self) -> int:
        """How many people stay."""
        return len(self)

    @property
    def n_suppressed(self) -> int:
        """How many people were withheld."""
        return self.summary.n_suppressed

    @property
    def information_loss(self) -> float:
        """Mean over people and quasi-identifiers, from 0 to 1; somebody withheld counts 1."""
        return self.summary.information_loss

    def report(
        self, *, threshold: float | None = None, sampling_fraction: float | None = None
    ) -> ProtectionReport:
        """Tell risk before and after, what is left, and what befell which group.

        Small counts are in it as they are: it is for the steward, and a release shows only what
        hides them.

        Parameters
        ----------
        threshold : float, optional
            The chance of being pointed at above which a person counts as being at risk;
            ``1 / k`` by default.
        sampling_fraction : float, optional
            The people of the data set over those of the population that they come from, above 0
            and up to 1. With it, risk is also estimated for an attacker who does not know who
            is in the data.

        Raises
        ------
        OptionError
            When an option is not a share, or a population is known and a fraction is given.
        """
        return report_of(
            self.summary.measured, threshold=threshold, sampling_fraction=sampling_fraction
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the data as a frame: ``Int64``, ``float64``, ``string`` and ``bool`` columns."""
        return people_frame(self.table)

    def save(self, path: str | Path, *, agreement: Agreement, identity: Identity) -> Path:
        """Write a file signed by and sealed to the steward.

        Raises
        ------
        NotAuthorizedError
            When the identity is not the steward's.
        MismatchError
            When the data set was made under another agreement.
        SealError
            When the file cannot be written.
        """
        manifest = Manifest(
            kind="protected-dataset",
            agreement_id=self.agreement_id,
            agreement_fingerprint=self.agreement_fingerprint,
            sender="steward",
            n_rows=len(self),
            project=self.project,
        )
        notes = {
            "summary": json.dumps(dataclasses.asdict(self.summary), sort_keys=True),
            "promises": promises_to_json(self.promises),
        }
        table = with_households(self.table, self.households)
        return save_table(
            path, table, manifest, agreement, identity, recipient="steward", notes=notes
        )

    @classmethod
    def load(cls, path: str | Path, *, agreement: Agreement, identity: Identity) -> Self:
        """Verify and open a file at the steward.

        Raises
        ------
        SealError
            When the file was altered or cut short, is from or for somebody else, or lacks the
            summary of its protection.
        MismatchError
            When it was made under another agreement, or holds another artifact.
        """
        manifest, table = load_table(path, "protected-dataset", agreement, identity)
        summary = _parse_summary(sealed_note(table, "summary"))
        promises = _parse_promises(sealed_note(table, "promises"))
        if manifest.project is None or summary is None or promises is None:
            raise SealError(
                "the file does not say how its data are protected",
                hint="Protect the integrated data set again, with this version of linkkit.",
            )
        rows, households = without_households(table.replace_schema_metadata(None))
        return cls(
            project=manifest.project,
            agreement_id=manifest.agreement_id,
            agreement_fingerprint=manifest.agreement_fingerprint,
            table=rows,
            summary=summary,
            promises=promises,
            households=households,
        )


def _parse_summary(text: str) -> ProtectionSummary | None:
    try:
        return TypeAdapter(ProtectionSummary).validate_json(text)
    except ValidationError:
        return None


def _parse_promises(text: str) -> Promises | None:
    try:
        return promises_from_json(text)
    except ValidationError:
        return None
