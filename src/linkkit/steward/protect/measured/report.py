"""What was measured of a protection, as plain data: numbers, text and tuples of these.

Nothing here is fit to be published as it is: small counts are not hidden. What a release
shows is made from it by the release.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ClassCounts",
    "Finding",
    "Measurements",
    "PopulationUniques",
    "ProtectionReport",
    "RecordRisk",
    "RiskFigures",
    "RiskReport",
    "SizeBand",
    "SubgroupFigures",
    "UtilityReport",
    "VariableUtility",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassCounts:
    """How many classes have which size; all tuples have the same length.

    Attributes
    ----------
    sizes : tuple of int
        The people of the file in a class.
    fits : tuple of int
        The people of the file who fit it: more than `sizes` only where missing values agree
        with everything.
    population : tuple of int
        The people of the population who fit it; empty where no population is known.
    n_classes : tuple of int
        How many classes are so.
    """

    sizes: tuple[int, ...]
    fits: tuple[int, ...]
    population: tuple[int, ...]
    n_classes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeBand:
    """Classes of like size: from ``lowest`` to ``highest`` people, None for no bound."""

    lowest: int
    highest: int | None
    n_classes: int
    n_people: int

    @property
    def label(self) -> str:
        """The band in words, such as ``5-9``."""
        if self.highest is None:
            return f"{self.lowest}+"
        return str(self.lowest) if self.highest == self.lowest else f"{self.lowest}-{self.highest}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordRisk:
    """The chance that a person is pointed at correctly, over all people of a file.

    Attributes
    ----------
    highest : float
        Of the person who is worst off, 0 to 1.
    average : float
        The share of people expected to be pointed at correctly.
    share_above : float
        The share of people whose chance is above the threshold.
    """

    highest: float
    average: float
    share_above: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PopulationUniques:
    """People who are alone with their combination in the whole population.

    Attributes
    ----------
    in_population : float, optional
        How many of the population; None where no model could be fitted, or only those who are
        in the file can be counted.
    in_file : float, optional
        How many of them are in the file.
    model : {"counted", "pitman", "slide negative binomial", "zayatz"}
        Where the numbers come from.
    pitman, slide_negative_binomial, zayatz : float, optional
        What each model says of the population; None where it was not asked or not fitted.
    not_fitted : tuple of str
        The models whose equations had no solution.
    """

    in_population: float | None
    in_file: float | None
    model: Literal["counted", "pitman", "slide negative binomial", "zayatz"]
    pitman: float | None = None
    slide_negative_binomial: float | None = None
    zayatz: float | None = None
    not_fitted: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskFigures:
    """The risk of one file.

    Attributes
    ----------
    n_people, n_classes, smallest_class : int
        Who is in it, in how many combinations, and how many people fit the rarest.
    prosecutor : RecordRisk
        For an attacker who knows that a person is in the file.
    journalist : RecordRisk, optional
        For one who does not; None where nothing is known of the population.
    marketer : float
        The share of people expected to be pointed at when all are attempted; where nothing is
        known of the population, as if the file were all of it, which is the most it can be.
    sample_uniques : int
        People who are alone with their combination in the file.
    population_uniques : PopulationUniques, optional
        Who is alone in the population; None where nothing is known of it.
    class_sizes : tuple of SizeBand
        How large classes are.
    """

    n_people: int
    n_classes: int
    smallest_class: int
    prosecutor: RecordRisk
    journalist: RecordRisk | None
    marketer: float
    sample_uniques: int
    population_uniques: PopulationUniques | None
    class_sizes: tuple[SizeBand, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskReport:
    """Risk before and after protection.

    Attributes
    ----------
    threshold : float
        The chance above which a person counts as being at risk, 0 to 1.
    sampling_fraction : float, optional
        The people of the file over those of the population, where it was given.
    before, after : RiskFigures
        Of all people, at the finest level; and of those who stay, as they are shown.
    """

    threshold: float
    sampling_fraction: float | None
    before: RiskFigures
    after: RiskFigures


@dataclass(frozen=True, kw_only=True, slots=True)
class VariableUtility:
    """What is left of one quasi-identifier for the people who stay.

    Attributes
    ----------
    variable : str
        Its name.
    information_loss : float
        Normalized certainty penalty, 0 (nothing lost) to 1.
    entropy_loss : float
        Non-uniform entropy, 0 to 1: the bits that are missing to tell the values.
    n_values, n_labels : int
        Distinct values before, at the finest level; distinct things shown after.
    share_unchanged : float
        The share of people whose value is shown as it is.
    shift_by_withholding : float
        Total variation distance, 0 to 1, between the values of all people and of those who
        stay.
    shift_as_read : float
        The same between all people and what a reader has who takes all values that a label
        stands for as equally likely.
    """

    variable: str
    information_loss: float
    entropy_loss: float
    n_values: int
    n_labels: int
    share_unchanged: float
    shift_by_withholding: float
    shift_as_read: float


@dataclass(frozen=True, kw_only=True, slots=True)
class UtilityReport:
    """What is left of a table.

    Attributes
    ----------
    information_loss : float
        Normalized certainty penalty (Xu et al. 2006): mean over people and quasi-identifiers,
        0 to 1; somebody withheld counts 1.
    information_loss_kept : float
        The same over those who stay.
    discernibility : int
        Bayardo and Agrawal 2005: for each person who stays the size of the class, and for each
        withheld the size of the file.
    discernibility_share : float
        The same over the square of the size of the file, 0 to 1.
    average_class_ratio : float, optional
        C_avg of LeFevre et al. 2006: mean class size over k; 1 is the best there is. None
        where no k was asked for.
    n_people, n_withheld : int
        People before, and withheld.
    variables : tuple of VariableUtility
        One for each quasi-identifier.
    """

    information_loss: float
    information_loss_kept: float
    discernibility: int
    discernibility_share: float
    average_class_ratio: float | None
    n_people: int
    n_withheld: int
    variables: tuple[VariableUtility, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SubgroupFigures:
    """What protection did to the people with one value.

    ``value`` is a value of the quasi-identifier at its finest level; ``information_loss`` is
    the mean over those of them who stay and all quasi-identifiers, None where nobody stays.
    """

    variable: str
    value: str = field(repr=False)
    people: int = field(repr=False)
    withheld: int = field(repr=False)
    information_loss: float | None = field(repr=False)

    @property
    def share_withheld(self) -> float:
        """The share of them who were withheld, 0 to 1."""
        return self.withheld / self.people if self.people else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something about small groups that whoever uses the data must know.

    Attributes
    ----------
    kind : {"withheld", "detail"}
        Whether small groups were withheld more, or lost more detail.
    variable : str
        The quasi-identifier whose groups they are.
    n_groups, n_people : int
        How many groups count as small, and how many people they have.
    ratio : float, optional
        How many times as much befell them as others; None where nothing befell others.
    p_value : float, optional
        The chance of so much or more if people were withheld by lot, for all
        quasi-identifiers together.
    message : str
        The same in words.
    """

    kind: Literal["withheld", "detail"]
    variable: str
    n_groups: int
    n_people: int
    ratio: float | None
    p_value: float | None
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurements:
    """All that is kept of a protection so that its risk can be told later.

    Attributes
    ----------
    k : int, optional
        The k that was asked for.
    before, after : ClassCounts
        The classes of all people at the finest level, and of those who stay as shown.
    utility : UtilityReport
        What is left.
    subgroups : tuple of SubgroupFigures
        One for each value of each quasi-identifier.
    findings : tuple of Finding
        What stands out about small groups.
    """

    k: int | None
    before: ClassCounts
    after: ClassCounts
    utility: UtilityReport
    subgroups: tuple[SubgroupFigures, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ProtectionReport:
    """Risk, utility and subgroups of a protected table, for the steward's eyes.

    Small counts are in it as they are. `to_dict` and `to_json` give plain data, `to_frames`
    pandas frames, and `to_html` a page; a notebook shows the page.

    Attributes
    ----------
    risk : RiskReport
        Before and after.
    utility : UtilityReport
        What is left.
    subgroups : tuple of SubgroupFigures
        What befell whom.
    findings : tuple of Finding
        What stands out about small groups.
    """

    risk: RiskReport
    utility: UtilityReport
    subgroups: tuple[SubgroupFigures, ...]
    findings: tuple[Finding, ...]

    def __repr__(self) -> str:
        before, after = self.risk.before.prosecutor, self.risk.after.prosecutor
        return (
            f"<ProtectionReport: highest risk {before.highest:.3g} before and "
            f"{after.highest:.3g} after>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: dicts, tuples, numbers, text and None."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """Return JSON with sorted keys."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def to_frames(self) -> dict[str, pd.DataFrame]:
        """Return frames: ``risk``, ``class_sizes``, ``variables``, ``subgroups``, ``findings``."""
        from linkkit.steward.protect.measured.frames import frames

        return frames(self)

    def to_html(self) -> str:
        """Return a page that needs no other file, script or network."""
        from linkkit.steward.protect.measured.drawn import page

        return page(self)

    def _repr_html_(self) -> str:
        from linkkit.steward.protect.measured.drawn import body

        return body(self)
