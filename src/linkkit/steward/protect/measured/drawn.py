"""A protection report as a page, in the look of linkkit's other reports."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, TypeAlias

import jinja2
from markupsafe import Markup

from linkkit._version import __version__
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
from linkkit.steward.protect.measured.report import (
    ProtectionReport,
    RecordRisk,
    RiskFigures,
    RiskReport,
    SizeBand,
    SubgroupFigures,
    VariableUtility,
)

__all__ = ["body", "draw_class_sizes", "draw_loss", "draw_risk", "page"]

N_GROUPS = 15
"""How many groups a chart shows."""

_VISIBLE = 0.005
_MODEL_NAMES = {
    "counted": "of a file that is the whole population",
    "pitman": "of Pitman",
    "slide negative binomial": "of slide negative binomial class sizes",
    "zayatz": "of Zayatz",
}

RiskRow: TypeAlias = tuple[str, float | None, float | None]
"""The name of a measure, and its value before and after."""


def draw_class_sizes(before: Sequence[SizeBand], after: Sequence[SizeBand]) -> str:
    """Draw the share of people in classes of each size, before and after."""
    used = [
        i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a.n_people + b.n_people
    ]
    bands = range(min(used, default=0), max(used, default=0) + 1)
    shares = [
        Series(name=name, color=color, values=[_share(side, i) for i in bands])
        for name, color, side in (("before", BEFORE, before), ("after", AFTER, after))
    ]
    return draw_columns(
        [before[i].label for i in bands],
        shares,
        label="Share of people in classes of each size, before and after.",
        below="people in a class",
    )


def _share(side: Sequence[SizeBand], i: int) -> float:
    return side[i].n_people / max(1, sum(band.n_people for band in side))


def draw_risk(rows: Sequence[RiskRow]) -> str:
    """Draw chances before and after; each row has a label and both."""
    return draw_bars(
        [
            Bar(label=label, values=(before, after), texts=(percent(before), percent(after)))
            for label, before, after in rows
        ],
        BEFORE_AND_AFTER,
        label="Chance of being pointed at, before and after; the table has the numbers.",
    )


def draw_loss(variables: Sequence[VariableUtility]) -> str:
    """Draw what each quasi-identifier lost, by both measures."""
    return draw_bars(
        [
            Bar(
                label=shorten(item.variable),
                values=(item.information_loss, item.entropy_loss),
                texts=(percent(item.information_loss), percent(item.entropy_loss)),
            )
            for item in variables
        ],
        (("certainty penalty", AFTER), ("entropy", OTHER)),
        label="What each quasi-identifier lost; the table has the numbers.",
    )


def risk_rows(risk: RiskReport) -> list[RiskRow]:
    """Return label, value before and value after of each measure of risk."""
    before, after = risk.before, risk.after
    rows = _record_rows("Prosecutor", before.prosecutor, after.prosecutor, risk.threshold)
    if before.journalist is not None and after.journalist is not None:
        rows += _record_rows("Journalist", before.journalist, after.journalist, risk.threshold)
    return [
        *rows,
        ("Marketer, people found", before.marketer, after.marketer),
        ("Alone in the file", _alone(before), _alone(after)),
    ]


def _record_rows(
    name: str, before: RecordRisk, after: RecordRisk, threshold: float
) -> list[RiskRow]:
    return [
        (f"{name}, highest", before.highest, after.highest),
        (f"{name}, average", before.average, after.average),
        (f"{name}, people above {threshold:.3g}", before.share_above, after.share_above),
    ]


def _alone(side: RiskFigures) -> float:
    return side.sample_uniques / max(1, side.n_people)


def _draw_withheld(rows: Sequence[SubgroupFigures]) -> str:
    """Draw the groups of which the largest share was withheld."""
    worst = sorted(rows, key=lambda row: (-row.share_withheld, -row.people))[:N_GROUPS]
    bars = [
        Bar(
            label=shorten(f"{row.variable}: {row.value}"),
            values=(row.share_withheld,),
            texts=(f"{percent(row.share_withheld)} ({row.withheld:,} of {row.people:,})",),
        )
        for row in worst
        if row.withheld
    ]
    return draw_bars(
        bars,
        (("share withheld", OTHER),),
        label="Groups of which most were withheld; the table has the numbers.",
        scale=worst[0].share_withheld if worst else 1.0,
    )


def _draw_detail(rows: Sequence[tuple[float, SubgroupFigures]]) -> str:
    """Draw the groups that lost most detail; each comes with its loss."""
    worst = sorted(rows, key=lambda pair: (-pair[0], -pair[1].people))[:N_GROUPS]
    bars = [
        Bar(
            label=shorten(f"{row.variable}: {row.value}"),
            values=(loss,),
            texts=(f"{percent(loss)} ({row.people - row.withheld:,} rows)",),
        )
        for loss, row in worst
    ]
    return draw_bars(
        bars,
        (("detail lost", AFTER),),
        label="Groups whose people lost most detail; the table has the numbers.",
        scale=worst[0][0],
    )


def body(report: ProtectionReport) -> str:
    """Return the report as a piece of HTML with its own style, for a notebook."""
    return _template("body.html.jinja").render(report=report, **_contents(report))


def page(report: ProtectionReport) -> str:
    """Return the report as a page that needs no other file, script or network."""
    return (
        _template("page.html.jinja").render(
            # The body is linkkit's own HTML, in which jinja has escaped every value.
            body=Markup(body(report)),  # noqa: S704
            version=__version__,
        )
        + "\n"
    )


def _contents(report: ProtectionReport) -> dict[str, Any]:
    risk, utility = report.risk, report.utility
    charts = {
        "class_sizes": draw_class_sizes(risk.before.class_sizes, risk.after.class_sizes),
        "risk": draw_risk(risk_rows(risk)),
        "loss": draw_loss(utility.variables),
    }
    lost = [(r.information_loss, r) for r in report.subgroups if r.information_loss is not None]
    losses = [loss for loss, _ in lost]
    if losses and max(losses) - min(losses) > _VISIBLE:
        charts["detail"] = _draw_detail(lost)
    if utility.n_withheld:
        charts["withheld"] = _draw_withheld(report.subgroups)
    return {
        # The charts are linkkit's own SVG, in which every label is escaped.
        "charts": {name: Markup(svg) for name, svg in charts.items()},  # noqa: S704
        "risk_rows": risk_rows(risk),
        "percent": percent,
        "model_names": _MODEL_NAMES,
        "style": Markup(_text("style.css")),  # noqa: S704
    }


def _text(name: str) -> str:
    source = files("linkkit.steward.protect.measured").joinpath("templates", name)
    return source.read_text(encoding="utf-8")


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_text(name))
