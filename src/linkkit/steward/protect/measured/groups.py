"""What protection did to the people with each value, and whether small groups paid for it.

Pure: a :class:`~linkkit.steward.protect.measured.measurable.Measurable` in, numbers and words
out. Nothing is hidden here; :mod:`~linkkit.steward.protect.measured.subgroups` makes what may
be published.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import hypergeom

from linkkit.steward.protect.measured.charts import percent
from linkkit.steward.protect.measured.measurable import Measurable
from linkkit.steward.protect.measured.report import Finding, SubgroupFigures

__all__ = ["find_imbalance", "measure_subgroups", "withheld_by_lot"]

SMALL_SHARE = 0.1
"""The groups with the fewest people that together have at most this share are the small ones."""

_RATIO, _P_VALUE = 2.0, 0.01
_DETAIL_RATIO, _DETAIL_GAP = 1.5, 0.02

Integers = npt.NDArray[np.int64]


class _Counts(NamedTuple):
    people: float
    withheld: float
    lost: float
    """The sum of what was lost by those who stay."""

    @property
    def rate(self) -> float:
        return self.withheld / self.people if self.people else 0.0

    @property
    def loss(self) -> float:
        stay = self.people - self.withheld
        return self.lost / stay if stay else 0.0


def measure_subgroups(of: Measurable) -> tuple[SubgroupFigures, ...]:
    """Count people and people withheld, and the loss of those who stay, for each value."""
    loss = np.mean([variable.shown.losses for variable in of.variables], axis=0)
    kept_rows = np.where(of.kept, of.counts, 0)
    result: list[SubgroupFigures] = []
    for i, variable in enumerate(of.variables):
        values, n = of.codes[:, i], len(variable.labels)
        stay = np.bincount(values, weights=kept_rows, minlength=n).astype(np.int64)
        lost = np.bincount(values, weights=kept_rows * loss, minlength=n)
        result += [
            SubgroupFigures(
                variable=variable.shown.variable,
                value=label,
                people=total,
                withheld=total - stays,
                information_loss=sum_lost / stays if stays else None,
            )
            for label, total, stays, sum_lost in zip(
                variable.labels,
                variable.totals.tolist(),
                stay.tolist(),
                lost.tolist(),
                strict=True,
            )
            if total
        ]
    return tuple(result)


def find_imbalance(
    subgroups: Sequence[SubgroupFigures], *, withheld_together: Integers
) -> tuple[Finding, ...]:
    """Say where small groups were withheld more than others, or lost more detail.

    The small groups of a quasi-identifier are those with the fewest people which together have
    at most a tenth of all. They were withheld more when they were so at least twice as often as
    others, and by lot that would happen in less than one of a hundred tables; they lost more
    detail when it is at least half as much again and two percent of all detail.

    Parameters
    ----------
    subgroups : sequence of SubgroupFigures
        All groups of all quasi-identifiers.
    withheld_together : ndarray of int64
        How many people were withheld together, for each combination that was withheld.
    """
    names = dict.fromkeys(row.variable for row in subgroups)
    together = float((withheld_together**2).sum()) / max(1, int(withheld_together.sum()))
    result: list[Finding] = []
    for name in names:
        rows = sorted((r for r in subgroups if r.variable == name), key=lambda r: r.people)
        n_small = _n_small([row.people for row in rows])
        if not n_small:
            continue
        small, others = _total(rows[:n_small]), _total(rows[n_small:])
        p = withheld_by_lot(small, others, together=together) * len(names)
        if p < _P_VALUE and small.rate >= _RATIO * others.rate:
            result.append(_withheld_finding(name, n_small, small, others, p))
        gap = small.loss - others.loss
        if gap >= _DETAIL_GAP and small.loss >= _DETAIL_RATIO * others.loss:
            result.append(_detail_finding(name, n_small, small, others))
    return tuple(sorted(result, key=_least_striking_last))


def _least_striking_last(finding: Finding) -> tuple[bool, float]:
    ratio = math.inf if finding.ratio is None else finding.ratio
    return finding.kind == "detail", -ratio


def _n_small(people: Sequence[int]) -> int:
    """Return how many of the smallest groups are small: all or none of those of one size."""
    limit, n, total = SMALL_SHARE * sum(people), 0, 0
    while n < len(people):
        same = people[n:].count(people[n])
        if total + same * people[n] > limit:
            break
        n, total = n + same, total + same * people[n]
    return n


def _total(rows: Sequence[SubgroupFigures]) -> _Counts:
    stay = [(row.people - row.withheld) * (row.information_loss or 0.0) for row in rows]
    return _Counts(
        sum(row.people for row in rows), sum(row.withheld for row in rows), math.fsum(stay)
    )


def withheld_by_lot(
    small: _Counts | tuple[float, float, float],
    others: _Counts | tuple[float, float, float],
    *,
    together: float = 1.0,
) -> float:
    """Return the chance that lot withholds as many of the small groups, or more.

    Fisher's exact test, one-sided. People of one combination are withheld together, so all
    counts are divided by the mean size of such a combination, as it is met by a person (the
    design effect of Kish 1965).

    Parameters
    ----------
    small, others : tuple
        The people of each side, and those withheld.
    together : float, default 1.0
        What counts are divided by.

    Examples
    --------
    >>> round(withheld_by_lot((10, 5, 0), (90, 5, 0)), 6)
    0.000672
    """
    scale = max(1.0, together)
    n_small, n_all = round(small[0] / scale), round((small[0] + others[0]) / scale)
    drawn = min(n_all, round((small[1] + others[1]) / scale))
    found = min(n_small, drawn, math.floor(small[1] / scale))
    return float(hypergeom.sf(found - 1, n_all, n_small, drawn))


def _withheld_finding(
    name: str, n_small: int, small: _Counts, others: _Counts, p: float
) -> Finding:
    ratio = small.rate / others.rate if others.rate else None
    share = small.withheld / (small.withheld + others.withheld)
    of_all = small.people / (small.people + others.people)
    most = "mostly" if share > 0.5 else "more of"
    return Finding(
        kind="withheld",
        variable=name,
        n_groups=n_small,
        n_people=int(small.people),
        ratio=ratio,
        p_value=min(1.0, p),
        message=(
            f"Suppression removes {most} the smallest groups of "
            f"'{name}': they are {percent(of_all)} of the people and {percent(share)} of those withheld"
            + ("." if ratio is None else f", {ratio:.1f} times as often as others.")
        ),
    )


def _detail_finding(name: str, n_small: int, small: _Counts, others: _Counts) -> Finding:
    return Finding(
        kind="detail",
        variable=name,
        n_groups=n_small,
        n_people=int(small.people),
        ratio=small.loss / others.loss if others.loss else None,
        p_value=None,
        message=(
            f"The smallest groups of '{name}' lost more detail: {percent(small.loss)} of it, and "
            f"others {percent(others.loss)}."
        ),
    )
