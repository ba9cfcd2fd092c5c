"""Chart of what each linkage field told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from linkkit.assess import FieldEvidence, LevelEvidence, field_evidence
from linkkit.linkage import LinkResult
from linkkit.report.style import ACCENT, INK, MUTED, SOFT, WARM, chart_style, new_figure, tidy_axes
from linkkit.report.words import share_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_field_weights"]

_GAP = 0.7


@chart_style()
def plot_field_weights(assessed: LinkResult | FieldEvidence) -> Figure:
    """Draw the match weight, m and u probability of every level of every field.

    Levels that never occur are left out.

    Parameters
    ----------
    assessed : LinkResult or FieldEvidence
        What to draw.

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
    >>> figure = plot_field_weights(example_linkage().result)
    >>> len(figure.axes)
    3
    """
    evidence = assessed if isinstance(assessed, FieldEvidence) else field_evidence(assessed)
    rows = [item for item in _best_first(evidence) if item.occurs]
    places = _places(rows)
    height = places[-1] + 1 if places else 1
    figure = new_figure(9, 0.9 + 0.2 * height)
    grid = figure.add_gridspec(1, 3, width_ratios=(2.2, 1, 1))
    weights = figure.add_subplot(grid[0, 0])
    _draw_weights(weights, rows, places)
    shares = (
        ("share, one person (m)", [item.m for item in rows], ACCENT),
        ("share, others (u)", [item.u for item in rows], MUTED),
    )
    for column, (title, values, color) in enumerate(shares, start=1):
        axes = figure.add_subplot(grid[0, column], sharey=weights)
        _draw_shares(axes, values, places, color=color)
        axes.set_title(title, color=SOFT)
    weights.set_ylim(height - 0.3, -1.6)
    return figure


def _best_first(evidence: FieldEvidence) -> Sequence[LevelEvidence]:
    return [
        item for field in evidence.fields for item in reversed(list(evidence.of(field).values()))
    ]


def _places(rows: Sequence[LevelEvidence]) -> list[float]:
    """Return where each row stands, with a gap before each field for its name."""
    places: list[float] = []
    for i, item in enumerate(rows):
        new_field = i > 0 and rows[i - 1].field != item.field
        places.append((places[-1] + 1 + (1 + _GAP) * new_field) if i else 0.0)
    return places


def _draw_weights(axes: Axes, rows: Sequence[LevelEvidence], places: Sequence[float]) -> None:
    tidy_axes(axes, grid="x")
    colors = [ACCENT if item.weight > 0 else WARM for item in rows]
    axes.barh(places, [item.weight for item in rows], 0.72, color=colors)
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.set_yticks(places, [item.level for item in rows])
    for i, item in enumerate(rows):
        if i == 0 or rows[i - 1].field != item.field:
            axes.annotate(
                item.field.replace("_", " "), (0, places[i] - 0.95), xytext=(-62, 0),
                xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                color=INK, fontweight="bold", va="center", annotation_clip=False,
            )  # fmt: skip
        end = 3 if item.weight >= 0 else -3
        axes.annotate(
            f"{item.weight:+.1f}", (item.weight, places[i]), xytext=(end, 0),
            textcoords="offset points", ha="left" if end > 0 else "right", va="center",
            color=SOFT, fontsize=7.5,
        )  # fmt: skip
    axes.margins(x=0.12)
    axes.set_title("match weight in bits", color=SOFT)


def _draw_shares(
    axes: Axes, values: Sequence[float], places: Sequence[float], *, color: str
) -> None:
    tidy_axes(axes, grid="x")
    axes.barh(places, values, 0.72, color=color)
    for y, value in zip(places, values, strict=True):
        axes.annotate(
            share_text(value), (value, y), xytext=(3, 0), textcoords="offset points",
            va="center", color=SOFT, fontsize=7.5,
        )  # fmt: skip
    axes.set_xlim(0, 1.32)
    axes.set_xticks((0, 0.5, 1), ("0%", "50%", "100%"))
    axes.tick_params(axis="y", labelleft=False)
