"""A preflight report for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from linkkit.partner.preflight.contents import (
    Section,
    Table,
    class_text,
    headline,
    new_reasons,
    risk_text,
    sections,
)
from linkkit.partner.preflight.results import PreflightReport

__all__ = ["report_text"]

_WIDTH = 92


def report_text(report: PreflightReport) -> str:
    """Return the whole report as lines of at most 92 characters, tables apart."""
    return "\n".join(_lines(report))


def _lines(report: PreflightReport) -> Iterator[str]:
    yield headline(report)
    yield from ("", "WHO COULD RECOGNIZE HOW MANY PEOPLE")
    for risk, reasons in new_reasons(report):
        yield from _wrapped(f"{risk.who}: {risk_text(risk)}", first=f"  {risk.risk.upper():10}")
        yield from _wrapped(reasons, first=" " * 14)
    yield from _wrapped(class_text(), first="  ")
    yield from ("", "LOOK AT THIS")
    for item in report.advice:
        yield from _wrapped(item.message, first="  ! " if item.severity == "warning" else "  - ")
        yield from _wrapped(item.advice, first="      ")
    for section in sections(report):
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield from ("", section.title.upper())
    yield from _wrapped(section.about, first="  ")
    if section.table is not None:
        yield from _table(section.table)
    for note in section.notes:
        yield from _wrapped(note, first="  ")


def _table(table: Table) -> Iterator[str]:
    widths = [
        max(len(cell) for cell in column) for column in zip(table.header, *table.rows, strict=True)
    ]
    for row in (table.header, *table.rows):
        cells = [
            cell.ljust(width) if i < table.n_text else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"  {'  '.join(cells)}".rstrip()


def _wrapped(text: str, *, first: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))
