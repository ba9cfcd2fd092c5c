"""What a release tells of risk and utility, with everything small hidden.

Figures of the data as written can be worked out from the data by anybody, and are exact. Those
of the people before are shares in whole percents, of no fewer people than the smallest cell.
Where somebody was withheld, and too few for that to be told, nothing is told that depends on
who was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linkkit.steward.protect import ProtectedDataset
from linkkit.steward.protect.measured.report import (
    Finding,
    RiskFigures,
    SizeBand,
    UtilityReport,
    VariableUtility,
)

__all__ = [
    "PublishedBand",
    "PublishedRisk",
    "PublishedUtility",
    "PublishedVariable",
    "RiskRow",
    "publish_findings",
    "publish_risk",
    "publish_utility",
]

_STEPS = (1.5, 2, 3, 5, 10, 20, 50)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedBand:
    """People in classes of like size: their share before, and after; both 0 to 1."""

    people_in_class: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskRow:
    """One measure of risk before and after, 0 to 1; None where it may not be told."""

    measure: str
    before: float | None
    after: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedRisk:
    """Risk as a release tells it.

    Attributes
    ----------
    threshold : float
        The chance above which a person counts as being at risk.
    rows : tuple of RiskRow
        The measures.
    class_sizes : tuple of PublishedBand
        How large classes are.
    """

    threshold: float
    rows: tuple[RiskRow, ...]
    class_sizes: tuple[PublishedBand, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedVariable:
    """One quasi-identifier as a release tells it; shares from 0 to 1.

    ``shift_by_withholding`` and ``shift_as_read`` are None where too few were withheld to tell.
    """

    variable: str
    information_loss: float
    entropy_loss: float
    n_labels: int
    share_unchanged: float
    shift_by_withholding: float | None
    shift_as_read: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedUtility:
    """Utility as a release tells it, over those who stay.

    Attributes
    ----------
    discernibility : int
        The sum of the squares of class sizes.
    average_class_ratio : float, optional
        The mean class size over k.
    variables : tuple of PublishedVariable
        One for each quasi-identifier.
    """

    discernibility: int
    average_class_ratio: float | None
    variables: tuple[PublishedVariable, ...]


def publish_risk(safe: ProtectedDataset) -> PublishedRisk:
    """Return what may be told of the risk before and after."""
    risk, cell = safe.report().risk, safe.summary.smallest_cell
    before, after = risk.before, risk.after
    bands = _wide_enough(before.class_sizes, after.class_sizes, cell)
    above = f"above {risk.threshold:.3g}"
    rows = [
        _row("Prosecutor, highest", before.prosecutor.highest, after.prosecutor.highest),
        _row("Prosecutor, average", before.prosecutor.average, after.prosecutor.average),
        RiskRow(
            measure=f"Prosecutor, people {above}",
            before=_large_share(before.prosecutor.share_above, before, cell),
            after=after.prosecutor.share_above,
        ),
    ]
    if before.journalist is not None and after.journalist is not None:
        rows += [
            _row("Journalist, highest", before.journalist.highest, after.journalist.highest),
            _row("Journalist, average", before.journalist.average, after.journalist.average),
        ]
    rows += [
        _row("Marketer, people found", before.marketer, after.marketer),
        RiskRow(measure="Alone in the file", before=_alone(bands), after=_alone_after(after)),
    ]
    return PublishedRisk(threshold=round(risk.threshold, 4), rows=tuple(rows), class_sizes=bands)


def _row(measure: str, before: float, after: float) -> RiskRow:
    return RiskRow(measure=measure, before=_whole(before), after=round(after, 4))


def _whole(share: float) -> float:
    """Return whole percents; 0 and 1 only where that is what it is."""
    return share if share in (0, 1) else min(0.99, max(0.01, round(share, 2)))


def _large_share(share: float, side: RiskFigures, cell: int) -> float | None:
    """Return a share in whole percents, unless it or what it leaves is of few people."""
    n = round(share * side.n_people)
    small = any(0 < part < cell for part in (n, side.n_people - n))
    return None if small else _whole(share)


def _alone(bands: Sequence[PublishedBand]) -> float | None:
    """Return the share of people who were alone, where a band of their own tells it."""
    if not bands:
        return None
    if bands[0].people_in_class == "1":
        return bands[0].before
    return None if bands[0].people_in_class.startswith("1-") else 0.0


def _alone_after(side: RiskFigures) -> float:
    return side.sample_uniques / max(1, side.n_people)


def _wide_enough(
    before: Sequence[SizeBand], after: Sequence[SizeBand], cell: int
) -> tuple[PublishedBand, ...]:
    """Put bands together until each has no people before, or enough; leave out empty ends."""
    used = [
        i for i, (b, a) in enumerate(zip(before, after, strict=True)) if b.n_people + a.n_people
    ]
    groups: list[list[int]] = []
    for i in range(min(used, default=0), max(used, default=-1) + 1):
        if groups and 0 < _people(before, groups[-1]) < cell:
            groups[-1].append(i)
        else:
            groups.append([i])
    while len(groups) > 1 and 0 < _people(before, groups[-1]) < cell:
        last = groups.pop()
        groups[-1] += last
    if len(groups) == 1 and 0 < _people(before, groups[0]) < cell:
        return ()
    n_before, n_after = _people(before, range(len(before))), _people(after, range(len(after)))
    return tuple(
        PublishedBand(
            people_in_class=_joint_label(before, places),
            before=_whole(_people(before, places) / max(1, n_before)),
            after=_people(after, places) / max(1, n_after),
        )
        for places in groups
    )


def _people(bands: Sequence[SizeBand], places: Sequence[int]) -> int:
    return sum(bands[i].n_people for i in places)


def _joint_label(bands: Sequence[SizeBand], places: Sequence[int]) -> str:
    first, last = bands[places[0]], bands[places[-1]]
    return SizeBand(lowest=first.lowest, highest=last.highest, n_classes=0, n_people=0).label


def publish_utility(safe: ProtectedDataset) -> PublishedUtility:
    """Return what may be told of what is left."""
    utility, after = safe.summary.measured.utility, safe.summary.measured.after
    told = not 0 < utility.n_withheld < safe.summary.smallest_cell
    sizes, n_classes = np.array(after.sizes, dtype=object), np.array(after.n_classes, dtype=object)
    return PublishedUtility(
        discernibility=int((sizes * sizes * n_classes).sum()),
        average_class_ratio=_rounded_ratio(utility),
        variables=tuple(_variable(item, told=told) for item in utility.variables),
    )


def _rounded_ratio(utility: UtilityReport) -> float | None:
    ratio = utility.average_class_ratio
    return None if ratio is None else round(ratio, 2)


def _variable(item: VariableUtility, *, told: bool) -> PublishedVariable:
    return PublishedVariable(
        variable=item.variable,
        information_loss=round(item.information_loss, 4),
        entropy_loss=round(item.entropy_loss, 2),
        n_labels=item.n_labels,
        share_unchanged=round(item.share_unchanged, 4),
        shift_by_withholding=_whole(item.shift_by_withholding) if told else None,
        shift_as_read=_whole(item.shift_as_read) if told else None,
    )


def publish_findings(safe: ProtectedDataset) -> tuple[str, ...]:
    """Return what stands out about small groups, in words that give no count away."""
    measured, cell = safe.summary.measured, safe.summary.smallest_cell
    n_withheld = measured.utility.n_withheld
    return tuple(
        _finding_words(finding)
        for finding in measured.findings
        if finding.n_people >= cell and (finding.kind == "detail" or n_withheld >= cell)
    )


def _finding_words(finding: Finding) -> str:
    ratio = math.inf if finding.ratio is None else finding.ratio
    steps = [step for step in _STEPS if step <= ratio]
    times = f"more than {max(steps, default=1):g} times"
    if finding.kind == "withheld":
        return (
            f"Suppression removes people of the smallest groups of '{finding.variable}' {times} "
            "as often as others."
        )
    return (
        f"People of the smallest groups of '{finding.variable}' lost {times} as much detail as "
        "others."
    )
