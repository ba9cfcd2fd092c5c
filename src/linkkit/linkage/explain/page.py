"""An explanation as a piece of HTML for notebooks: a waterfall of bars, without a plotting package."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Bar", "as_html", "bars", "bits_text"]

_WIDTH = 260.0
_UP, _DOWN = "#14596b", "#b5532a"


class Bar(NamedTuple):
    """A part of a match weight as a bar: what it is of, its bits, and where it lies, 0 to 1."""

    label: str
    bits: float
    note: str
    start: float
    width: float


def bars(rows: Sequence[tuple[str, float, str]]) -> list[Bar]:
    """Return the bars of a waterfall, from where the one before ended, and that of their sum.

    Parameters
    ----------
    rows : sequence of (str, float, str)
        Name, bits and note of each part of the weight.

    Examples
    --------
    >>> [
    ...     (bar.label, bar.start, bar.width)
    ...     for bar in bars([("prior", -1.0, ""), ("name", 3.0, "")])
    ... ]
    [('prior', 0.0, 0.333...), ('name', 0.0, 1.0), ('match weight', 0.333..., 0.666...)]
    """
    totals = [0.0]
    for _, bits, _ in rows:
        totals.append(totals[-1] + bits)
    lowest, scale = min(totals), 1 / max(max(totals) - min(totals), 1e-9)
    ends = [*pairwise(totals), (0.0, totals[-1])]
    return [
        Bar(name, bits, note, (min(ends[i]) - lowest) * scale, abs(bits) * scale)
        for i, (name, bits, note) in enumerate([*rows, ("match weight", totals[-1], "")])
    ]


def bits_text(bits: float, digits: int = 2) -> str:
    """Return bits with a sign, and none of a number that is rounded to nothing.

    Examples
    --------
    >>> bits_text(1.25), bits_text(-3.0, 1), bits_text(-0.001)
    ('+1.25', '-3.0', '0.00')
    """
    text = f"{bits:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]


def as_html(
    headline: str,
    why: Sequence[str],
    rows: Sequence[tuple[str, float, str]],
    blocks: Sequence[str],
) -> str:
    """Return the piece of HTML.

    Parameters
    ----------
    headline : str
        What it is about.
    why : sequence of str
        What decided.
    rows : sequence of (str, float, str)
        Name, bits and note of each part of the weight.
    blocks : sequence of str
        What blocking did.
    """
    lines = [f"<p><b>{escape(headline)}</b></p>", _listed(why), "<table><tbody>"]
    lines += [_row(bar) for bar in bars(rows)]
    return "\n".join([*lines, "</tbody></table>", "<p>Blocking:</p>", _listed(blocks)])


def _row(bar: Bar) -> str:
    drawn = (
        f'<svg width="{_WIDTH + 2:.0f}" height="12" role="img" '
        f'aria-label="{bits_text(bar.bits)} bits">'
        f'<rect x="{bar.start * _WIDTH:.1f}" y="1" width="{max(bar.width * _WIDTH, 1):.1f}" height="10" '
        f'fill="{_UP if bar.bits >= 0 else _DOWN}"/></svg>'
    )
    cells = (escape(bar.label), drawn, bits_text(bar.bits), escape(bar.note))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _listed(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
