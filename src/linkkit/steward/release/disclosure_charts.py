"""The charts of a disclosure report, from what may be published and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from linkkit.steward.protect import SubgroupSuppression
from linkkit.steward.protect.measured.charts import (
    AFTER,
    BEFORE,
    BEFORE_AND_AFTER,
    OTHER,
    Bar,
    Series,
    draw_bars,
    draw_columns,
    percent,
    shorten,
)
from linkkit.steward.release.published import PublishedRisk, PublishedUtility

__all__ = ["draw_disclosure"]

_N_GROUPS = 15


def draw_disclosure(
    risk: PublishedRisk,
    utility: PublishedUtility,
    withheld: Sequence[SubgroupSuppression],
) -> dict[str, str]:
    """Return the charts by name; a chart that would show nothing is left out."""
    charts = {"risk": _risk(risk), "loss": _loss(utility)}
    if risk.class_sizes:
        charts["class_sizes"] = _class_sizes(risk)
    if any(int(row.suppressed) for row in withheld):
        charts["withheld"] = _withheld(withheld)
    return charts


def _class_sizes(risk: PublishedRisk) -> str:
    bands = risk.class_sizes
    return draw_columns(
        [band.people_in_class for band in bands],
        [
            Series(name="before", color=BEFORE, values=[band.before for band in bands]),
            Series(name="after", color=AFTER, values=[band.after for band in bands]),
        ],
        label="Share of people in classes of each size, before and after.",
        below="people in a class",
    )


def _risk(risk: PublishedRisk) -> str:
    return draw_bars(
        [
            Bar(
                label=row.measure,
                values=(row.before, row.after),
                texts=tuple(
                    "not shown" if value is None else percent(value)
                    for value in (row.before, row.after)
                ),
            )
            for row in risk.rows
        ],
        BEFORE_AND_AFTER,
        label="Chance of being pointed at, before and after; the table has the numbers.",
    )


def _loss(utility: PublishedUtility) -> str:
    return draw_bars(
        [
            Bar(
                label=shorten(item.variable),
                values=(item.information_loss, item.entropy_loss),
                texts=(percent(item.information_loss), percent(item.entropy_loss)),
            )
            for item in utility.variables
        ],
        (("certainty penalty", AFTER), ("entropy", OTHER)),
        label="What each quasi-identifier lost; the table has the numbers.",
    )


def _withheld(rows: Sequence[SubgroupSuppression]) -> str:
    shares = [(min(1.0, int(row.suppressed) / max(1, _people(row))), row) for row in rows]
    worst = sorted(shares, key=lambda pair: (-pair[0], -_people(pair[1])))[:_N_GROUPS]
    return draw_bars(
        [
            Bar(
                label=shorten(f"{row.variable}: {row.value}"),
                values=(share,),
                texts=(f"{percent(share)} ({row.suppressed} of {row.people})",),
            )
            for share, row in worst
            if share
        ],
        (("share withheld", OTHER),),
        label="Groups of which most were withheld; the table has the numbers.",
        scale=max(share for share, _ in worst),
    )


def _people(row: SubgroupSuppression) -> int:
    return int(row.people.removeprefix("about "))
