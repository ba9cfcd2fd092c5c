"""An explanation as a piece of HTML for notebooks: a waterfall of bars, without a plotting package."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["as_html"]

_WIDTH = 260.0
_UP, _DOWN = "#14596b", "#b5532a"


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
    totals = [0.0]
    for _, bits, _ in rows:
        totals.append(totals[-1] + bits)
    lowest, highest = min(totals), max(totals)
    scale = _WIDTH / max(highest - lowest, 1e-9)
    for (name, bits, note), before, after in zip(rows, totals[:-1], totals[1:], strict=True):
        lines.append(_row(name, bits, note, (min(before, after) - lowest) * scale, scale))
    lines.append(
        _row("match weight", totals[-1], "", (min(0.0, totals[-1]) - lowest) * scale, scale)
    )
    return "\n".join([*lines, "</tbody></table>", "<p>Blocking:</p>", _listed(blocks)])


def _row(name: str, bits: float, note: str, start: float, scale: float) -> str:
    bar = (
        f'<svg width="{_WIDTH + 2:.0f}" height="12" role="img" aria-label="{bits:+.2f} bits">'
        f'<rect x="{start:.1f}" y="1" width="{max(abs(bits) * scale, 1):.1f}" height="10" '
        f'fill="{_UP if bits >= 0 else _DOWN}"/></svg>'
    )
    cells = (escape(name), bar, f"{bits:+.2f}", escape(note))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _listed(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
