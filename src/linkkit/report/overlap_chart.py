"""Chart of the overlaps: people by exact combination of parties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from linkkit.assess import Overlaps, overlaps
from linkkit.assess.inputs import is_small, require_smallest_cell, shown_count
from linkkit.linkage import LinkResult
from linkkit.report.style import (
    ACCENT,
    INK,
    LINE,
    MUTED,
    PALE,
    PAPER,
    SOFT,
    bare_axes,
    chart_style,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from linkkit.assess import Combination

__all__ = ["plot_overlaps"]

_MOST_COLUMNS = 20
_MOST_ROWS = 12
_MOST_LETTERS = 22


@chart_style()
def plot_overlaps(assessed: LinkResult | Overlaps, *, smallest_cell: int | None = None) -> Figure:
    """Draw people by exact combination of parties, as an UpSet plot.

    Each column is a combination: filled dots are its parties, the bar its people (Lex and
    others, "UpSet", 2014). The 12 largest parties are drawn, and the 20 largest
    combinations of no other than these.

    Parameters
    ----------
    assessed : LinkResult or Overlaps
        What to draw.
    smallest_cell : int, optional
        Smaller counts are drawn with one common height and labeled "<10" or the like.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DependencyError
        When matplotlib is not installed.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> figure = plot_overlaps(example_linkage().result)
    >>> len(figure.axes)
    3
    """
    require_smallest_cell(smallest_cell)
    found = assessed if isinstance(assessed, Overlaps) else overlaps(assessed.crosswalk)
    largest = sorted(found.by_party, key=lambda item: (-item.n_people, item.party))[:_MOST_ROWS]
    parties = [item.party for item in largest]
    drawable = [x for x in found.ordered(smallest_cell) if set(x.parties) <= set(parties)]
    shown = drawable[:_MOST_COLUMNS]
    figure = new_figure(9, 2.5 + 0.32 * len(parties))
    grid = figure.add_gridspec(
        2, 2, height_ratios=(2.1, 0.32 * len(parties)), width_ratios=(1, 2.6)
    )
    dots = figure.add_subplot(grid[1, 1])
    _draw_dots(dots, shown, parties)
    _draw_columns(figure.add_subplot(grid[0, 1], sharex=dots), shown, smallest_cell)
    sizes = figure.add_subplot(grid[1, 0], sharey=dots)
    labels = [item.shown_people(smallest_cell) for item in largest]
    _draw_sizes(sizes, [item.n_people for item in largest], labels, parties, smallest_cell)
    return figure


def _draw_columns(axes: Axes, shown: Sequence[Combination], smallest_cell: int | None) -> None:
    for x, item in enumerate(shown):
        small = is_small(item.n_people, smallest_cell)
        height = smallest_cell if small and smallest_cell else item.n_people
        axes.bar(
            x, height, 0.62, color=PAPER if small else ACCENT, hatch="////" if small else None,
            edgecolor=MUTED if small else ACCENT, linewidth=0.6,
        )  # fmt: skip
        axes.annotate(
            shown_count(item.n_people, smallest_cell), (x, height), xytext=(0, 3),
            textcoords="offset points", ha="center", color=INK,
            fontsize=9 if len(shown) <= 12 else 7.5,
        )  # fmt: skip
    axes.set_title("people with exactly these parties", color=SOFT)
    bare_axes(axes)
    axes.margins(y=0.14)


def _draw_dots(axes: Axes, shown: Sequence[Combination], parties: Sequence[str]) -> None:
    for y in range(0, len(parties), 2):
        axes.axhspan(y - 0.5, y + 0.5, color=PALE, alpha=0.45, linewidth=0)
    for x, item in enumerate(shown):
        rows = [y for y, party in enumerate(parties) if party in item.parties]
        axes.scatter([x] * len(parties), range(len(parties)), s=34, color=LINE, zorder=2)
        if rows:
            axes.plot([x, x], [min(rows), max(rows)], color=INK, linewidth=1.6, zorder=3)
            axes.scatter([x] * len(rows), rows, s=46, color=INK, zorder=4)
    axes.set_xlim(-0.6, max(len(shown), 4) - 0.4)
    axes.set_ylim(len(parties) - 0.5, -0.5)
    bare_axes(axes)


def _draw_sizes(
    axes: Axes,
    counts: Sequence[int],
    labels: Sequence[str],
    parties: Sequence[str],
    smallest_cell: int | None,
) -> None:
    widths = [(smallest_cell or 0) if is_small(n, smallest_cell) else n for n in counts]
    axes.barh(range(len(parties)), widths, 0.5, color=MUTED)
    most = max(widths, default=1)
    for y, (width, party, label) in enumerate(zip(widths, parties, labels, strict=True)):
        axes.annotate(
            f"{_shortened(party)}  {label}", (width, y), xytext=(-5, 0), textcoords="offset points",
            ha="right", va="center", color=INK,
        )  # fmt: skip
    axes.set_xlim(2.6 * most, 0)
    axes.set_title("people of each party", color=SOFT)
    bare_axes(axes)


def _shortened(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
