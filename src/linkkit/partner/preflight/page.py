"""A preflight report as a page for people who were not there: a lawyer, a board, a parent."""

from __future__ import annotations

from importlib.resources import files

import jinja2

from linkkit.partner.preflight.contents import (
    class_text,
    headline,
    new_reasons,
    risk_text,
    sections,
)
from linkkit.partner.preflight.results import PreflightReport

__all__ = ["report_page"]


def report_page(report: PreflightReport) -> str:
    """Return the report as HTML that needs no other file, script or network."""
    source = files("linkkit.partner.preflight").joinpath("templates", "preflight.html.jinja")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(source.read_text(encoding="utf-8"))
    page = template.render(
        report=report,
        headline=headline(report),
        classes=class_text(),
        sections=sections(report),
        risks=[(risk, risk_text(risk), why) for risk, why in new_reasons(report)],
    )
    return page.replace(" %", "\N{NO-BREAK SPACE}%") + "\n"
