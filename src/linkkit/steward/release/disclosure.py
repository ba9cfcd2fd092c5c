"""The disclosure report: what was promised, what was measured, and what is not claimed.

First as data, then as a page that needs no other file.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from importlib.resources import files

import jinja2
from markupsafe import Markup

from linkkit._version import __version__
from linkkit.steward.protect import ProtectedDataset, Recoding, SubgroupSuppression
from linkkit.steward.protect.measured.charts import percent
from linkkit.steward.protect.measured.subgroups import (
    SubgroupDetail,
    detail_by_subgroup,
    rough_people,
)
from linkkit.steward.release.check import Measured
from linkkit.steward.release.disclosure_charts import draw_disclosure
from linkkit.steward.release.published import (
    PublishedRisk,
    PublishedUtility,
    publish_findings,
    publish_risk,
    publish_utility,
)

__all__ = ["DisclosureReport", "disclosure_html", "disclosure_json", "report_disclosure"]

_SAME = 0.01

LIMITS = (
    "This is not a promise of anonymity. The data remain data about people, and the law and the "
    "agreement continue to govern them.",
    "People who share a combination may also share the rest of their data. Whoever knows that a "
    "person is in such a group then knows the rest as well, without knowing which row it is.",
    "Only the listed quasi-identifiers were made coarser. Somebody who knows another variable of "
    "a person, such as an exact score, may recognize the row by it.",
    "The data may show that somebody of a kind took part in a program.",
    "Two releases about the same people can show more together than each does alone. Compare a "
    "new release with the earlier ones before it goes out.",
    "People who were withheld are not a random sample: small groups are withheld first. Results "
    "about small groups must be read with that in mind.",
)


SHIFT_LIMIT = (
    "Shifted dates are of about the same time as the true ones, and days between two dates of a "
    "person are true. Whoever knows the true day of one of them knows all of them."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedVariable:
    """A variable that is no quasi-identifier, and what was done to it.

    ``variance_lost`` is the share of the variance of the people in the files that averaging took,
    0 to 1 in whole percents; None for dates.
    """

    variable: str
    description: str
    variance_lost: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DisclosureReport:
    """What a release tells about itself; every small count in it is hidden.

    Attributes
    ----------
    project, project_purpose, agreement_id, agreement_title, agreement_fingerprint : str
        What the release was made for and under.
    years : str
        The years of the project.
    k, smallest_cell : int
        What was promised: people in a combination, and the smallest count that is shown.
    max_suppressed : float
        The share of people that could be withheld, from 0 to 1.
    measured : Measured
        What the check found in the files as written.
    people_before, people_withheld : str
        Counts as text, hidden where they are small.
    information_loss : float
        Mean over people and quasi-identifiers, 0 to 1, rounded so that no count shows.
    recodings : tuple of Recoding
        What became of each quasi-identifier.
    withheld_by_subgroup : tuple of SubgroupSuppression
        Who was withheld.
    unprotected : tuple of str
        Variables that were left as they are.
    changed : tuple of ChangedVariable
        Variables that are no quasi-identifiers and were shifted or averaged.
    promises : tuple of str
        What every class keeps, a sentence each.
    risk : PublishedRisk
        Before and after.
    utility : PublishedUtility
        What is left.
    detail_by_subgroup : tuple of SubgroupDetail
        Who lost most detail.
    findings : tuple of str
        What stands out about small groups.
    limits : tuple of str
        What is not claimed, in plain words.
    made_by : str
        The program and its version.
    """

    project: str
    project_purpose: str
    agreement_id: str
    agreement_title: str
    agreement_fingerprint: str
    years: str
    k: int
    smallest_cell: int
    max_suppressed: float
    measured: Measured
    people_before: str
    people_withheld: str
    information_loss: float
    recodings: tuple[Recoding, ...]
    withheld_by_subgroup: tuple[SubgroupSuppression, ...]
    unprotected: tuple[str, ...]
    changed: tuple[ChangedVariable, ...]
    promises: tuple[str, ...]
    risk: PublishedRisk
    utility: PublishedUtility
    detail_by_subgroup: tuple[SubgroupDetail, ...]
    findings: tuple[str, ...]
    limits: tuple[str, ...] = LIMITS
    made_by: str = f"linkkit {__version__}"


def report_disclosure(safe: ProtectedDataset, measured: Measured) -> DisclosureReport:
    """Put together what was promised of a data set and what was measured in its files."""
    summary = safe.summary
    before, withheld = _publishable(safe)
    return DisclosureReport(
        project=safe.project,
        project_purpose=summary.project_purpose,
        agreement_id=safe.agreement_id,
        agreement_title=summary.agreement_title,
        agreement_fingerprint=safe.agreement_fingerprint,
        years=f"{summary.first_year} to {summary.last_year}",
        k=summary.k,
        smallest_cell=summary.smallest_cell,
        max_suppressed=summary.max_suppressed,
        measured=measured,
        people_before=before,
        people_withheld=withheld,
        information_loss=_kept_only(safe),
        recodings=tuple(_rounded(item) for item in summary.recodings),
        withheld_by_subgroup=_withheld(safe),
        unprotected=tuple(
            note.name
            for note in summary.variables
            if note.role in ("payload", "participation") and not note.generalization
        ),
        changed=_changed(safe),
        promises=summary.in_words,
        risk=publish_risk(safe),
        utility=publish_utility(safe),
        detail_by_subgroup=_detail(safe),
        findings=publish_findings(safe),
        limits=LIMITS if safe.promises.shift is None else (*LIMITS, SHIFT_LIMIT),
    )


def _changed(safe: ProtectedDataset) -> tuple[ChangedVariable, ...]:
    averaging = safe.summary.averaging
    losses = dict(averaging.losses) if averaging is not None else {}
    return tuple(
        ChangedVariable(
            variable=note.name,
            description=note.generalization,
            variance_lost=round(losses[note.name], 2) if note.name in losses else None,
        )
        for note in safe.summary.variables
        if note.role == "payload" and note.generalization
    )


def _withheld(safe: ProtectedDataset) -> tuple[SubgroupSuppression, ...]:
    """Return who was withheld; of variables without one level for all, people only roughly."""
    summary = safe.summary
    local = {item.variable for item in summary.recodings if item.level is None}
    return tuple(
        shown
        for row in summary.suppressed_by_subgroup
        for shown in (
            rough_people([row], smallest_cell=summary.smallest_cell)
            if row.variable in local
            else [row]
        )
    )


def _detail(safe: ProtectedDataset) -> tuple[SubgroupDetail, ...]:
    """Return who lost most detail; nobody where all groups lost about the same."""
    summary = safe.summary
    losses = [row.information_loss for row in summary.measured.subgroups]
    known = [loss for loss in losses if loss is not None]
    if max(known) - min(known) < _SAME:
        return ()
    return tuple(
        detail_by_subgroup(summary.measured.subgroups, smallest_cell=summary.smallest_cell)
    )


def _publishable(safe: ProtectedDataset) -> tuple[str, str]:
    """Return people before and withheld; the first would give a small second away."""
    cell = safe.summary.smallest_cell
    if 0 < safe.n_suppressed < cell:
        return f"fewer than {safe.n_people_out + cell}", f"fewer than {cell}"
    return str(safe.n_people_in), str(safe.n_suppressed)


def _kept_only(safe: ProtectedDataset) -> float:
    """Return the loss of those who stay: with the others, a small count could be worked out."""
    losses = [item.information_loss for item in safe.summary.recodings]
    return round(sum(losses) / len(losses), 4)


def _rounded(item: Recoding) -> Recoding:
    return dataclasses.replace(item, information_loss=round(item.information_loss, 4))


def disclosure_json(report: DisclosureReport) -> str:
    """Return the report as JSON, with sorted keys."""
    return (
        json.dumps(dataclasses.asdict(report), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    )


def disclosure_html(report: DisclosureReport) -> str:
    """Return the report as a page that needs no other file, script or network."""
    source = files("linkkit.steward.release").joinpath("templates", "disclosure.html.jinja")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(source.read_text(encoding="utf-8"))
    # The charts are linkkit's own SVG, in which every label is escaped.
    charts = {
        name: Markup(svg)  # noqa: S704
        for name, svg in draw_disclosure(
            report.risk, report.utility, report.withheld_by_subgroup
        ).items()
    }
    return template.render(report=report, charts=charts, percent=percent) + "\n"
