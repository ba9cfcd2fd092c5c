"""Charts as SVG, drawn from numbers and words, in the colors of the page that they stand in.

They need no other package, so that a release can be made wherever linkkit runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = [
    "AFTER",
    "BEFORE",
    "BEFORE_AND_AFTER",
    "OTHER",
    "Bar",
    "Series",
    "draw_bars",
    "draw_columns",
    "percent",
    "shorten",
]

BEFORE, AFTER, OTHER = "var(--muted)", "var(--accent)", "var(--warm)"
BEFORE_AND_AFTER = (("before", BEFORE), ("after", AFTER))

_WIDTH = 820
_N_LETTERS = 34
_LABEL, _BAR_END = 240, 660
_BAR, _GAP, _TOP = 13, 11, 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Values of one color, each from 0 to 1; None where there is none."""

    name: str
    color: str
    values: Sequence[float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A row of a bar chart: its label, and for each series a value and what is written at it."""

    label: str
    values: Sequence[float | None]
    texts: Sequence[str]


def percent(share: float | None) -> str:
    """Return a share in percent, as few digits as tell it from 0 and 100.

    Examples
    --------
    >>> [percent(share) for share in (0, 0.0001, 0.0123, 0.5, 0.99999, 1, None)]
    ['0 %', '< 0.1 %', '1.2 %', '50 %', '> 99.9 %', '100 %', '-']
    """
    if share is None:
        return "-"
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    if share < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if share > 0.999 else f"{100 * share:.1f}".removesuffix(".0") + " %"


def shorten(text: str) -> str:
    """Return a label that fits beside a bar."""
    return text if len(text) <= _N_LETTERS else text[: _N_LETTERS - 1] + "…"


def draw_bars(
    rows: Sequence[Bar], series: Sequence[tuple[str, str]], *, label: str, scale: float = 1.0
) -> str:
    """Draw horizontal bars, one of each series below each other in a row.

    Parameters
    ----------
    rows : sequence of Bar
        From top to bottom.
    series : sequence of tuple of str and str
        Name and color of each.
    label : str
        What a screen reader says.
    scale : float, default 1.0
        The value at which a bar is full.
    """
    row_height = _BAR * len(series) + _GAP
    legend = _legend([(name, color) for name, color in series]) if len(series) > 1 else []
    top = _TOP if legend else 6
    parts = [*legend]
    for i, row in enumerate(rows):
        y = top + i * row_height
        middle = y + _BAR * len(series) / 2 + 4
        parts.append(_text(_LABEL - 12, middle, row.label, anchor="end", color="var(--ink)"))
        for j, (value, text) in enumerate(zip(row.values, row.texts, strict=True)):
            width = (_BAR_END - _LABEL) * min(1.0, (value or 0.0) / (scale or 1.0))
            at = y + j * _BAR
            color = series[j][1]
            parts.append(_box(_LABEL, at + 1, max(width, 0.0), _BAR - 2, color))
            parts.append(_text(_LABEL + width + 6, at + _BAR - 2.5, text, anchor="start"))
    height = top + len(rows) * row_height
    axis = (
        f'<line x1="{_LABEL}" y1="{top - 3}" x2="{_LABEL}" y2="{height - 6}" stroke="var(--line)"/>'
    )
    return _svg([axis, *parts], height=height, label=label)


def draw_columns(names: Sequence[str], series: Sequence[Series], *, label: str, below: str) -> str:
    """Draw columns, those of all series side by side over each name.

    Parameters
    ----------
    names : sequence of str
        What stands below the columns.
    series : sequence of Series
        Their values, from 0 to 1.
    label, below : str
        What a screen reader says, and the title of the axis.
    """
    left, bottom, height = 46, 210, 252
    known = [v for one in series for v in one.values if v is not None]
    most = _ceiling(max(known, default=0.0))
    step = (_WIDTH - left) / max(1, len(names))
    width = min(34.0, step * 0.8 / max(1, len(series)))
    parts = _legend([(one.name, one.color) for one in series])
    for i in range(5):
        y = bottom - (bottom - _TOP - 12) * i / 4
        parts.append(
            f'<line x1="{left}" y1="{y:.1f}" x2="{_WIDTH}" y2="{y:.1f}" stroke="var(--line)"/>'
        )
        parts.append(_text(left - 8, y + 4, f"{100 * most * i / 4:.3g} %", anchor="end"))
    for i, name in enumerate(names):
        middle = left + step * (i + 0.5)
        parts.append(_text(middle, bottom + 18, name, anchor="middle"))
        start = middle - width * len(series) / 2
        for j, one in enumerate(series):
            tall = (bottom - _TOP - 12) * (one.values[i] or 0.0) / most
            parts.append(_box(start + j * width, bottom - tall, width - 1.5, tall, one.color))
    parts.append(_text((left + _WIDTH) / 2, height - 4, below, anchor="middle"))
    return _svg(parts, height=height, label=label)


def _ceiling(value: float) -> float:
    """Return the next round share above."""
    rounds = (0.02, 0.04, 0.08, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
    return next((share for share in rounds if value <= share), 1.0)


def _legend(series: Sequence[tuple[str, str]]) -> list[str]:
    parts: list[str] = []
    x = float(_LABEL)
    for name, color in series:
        parts += [_box(x, 4, 11, 11, color), _text(x + 17, 14, name, anchor="start")]
        x += 40 + 7.2 * len(name)
    return parts


def _box(x: float, y: float, width: float, height: float, color: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="1.5" '
        f'fill="{color}"/>'
    )


def _text(x: float, y: float, text: str, *, anchor: str, color: str = "var(--soft)") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" font-size="12">'
        f"{escape(text)}</text>"
    )


def _svg(parts: Sequence[str], *, height: float, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )
