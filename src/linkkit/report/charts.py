"""Charts of the match weights and of the threshold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from linkkit.assess import ThresholdCurve, WeightHistogram, threshold_curve, weight_histogram
from linkkit.assess.inputs import require_smallest_cell
from linkkit.linkage import LinkResult
from linkkit.report.style import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    SOFT,
    WARM,
    chart_style,
    new_figure,
    tidy_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_match_weights", "plot_threshold_curve"]


@chart_style()
def plot_match_weights(
    assessed: LinkResult | WeightHistogram, *, smallest_cell: int | None = None
) -> Figure:
    """Draw how many candidate pairs have which match weight.

    Parameters
    ----------
    assessed : LinkResult or WeightHistogram
        What to draw.
    smallest_cell : int, optional
        Smaller counts are drawn with one common height, hatched.

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
    >>> figure = plot_match_weights(example_linkage().result)
    >>> figure.axes[0].get_xlabel()
    'match weight in bits'
    """
    require_smallest_cell(smallest_cell)
    histogram = assessed if isinstance(assessed, WeightHistogram) else weight_histogram(assessed)
    figure = new_figure(9, 3.3)
    axes = figure.add_subplot()
    tidy_axes(axes)
    _draw_bins(axes, histogram, smallest_cell)
    axes.set_xlabel("match weight in bits")
    axes.set_title("candidate pairs of records", color=SOFT)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.locator_params(axis="y", integer=True)
    axes.margins(y=0.12)
    if histogram.starts and math.isfinite(histogram.threshold_bits):
        _mark(axes, histogram.threshold_bits, "threshold")
    if histogram.starts:
        axes.legend(loc="upper center", frameon=False, ncols=3, bbox_to_anchor=(0.5, 1.16))
    return figure


def _draw_bins(axes: Axes, histogram: WeightHistogram, smallest_cell: int | None) -> None:
    starts, width = np.array(histogram.starts), histogram.bin_bits
    linked, other = np.array(histogram.n_linked), np.array(histogram.n_not_linked)
    base = np.zeros(len(starts))
    veiled: set[float] = set()
    for counts, color, label in ((linked, ACCENT, "linked"), (other, MUTED, "not linked")):
        small = (counts > 0) & (counts < (smallest_cell or 0))
        shown = np.where(small, 0, counts)
        axes.bar(
            starts, shown, width, bottom=base, align="edge",
            color=color, edgecolor=PAPER, linewidth=0.4, label=label,
        )  # fmt: skip
        veiled |= set(starts[small].tolist())
        base = base + shown
    if veiled and smallest_cell is not None:
        where = sorted(veiled)
        bottom = [float(base[histogram.starts.index(start)]) for start in where]
        axes.bar(
            where, smallest_cell, width, bottom=bottom, align="edge", color=PAPER,
            edgecolor=MUTED, hatch="////", linewidth=0.4, label=f"fewer than {smallest_cell}",
        )  # fmt: skip


def _mark(axes: Axes, x: float, label: str) -> None:
    axes.axvline(x, color=WARM, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.annotate(
        label, (x, 1), xycoords=axes.get_xaxis_transform(), xytext=(4, -2),
        textcoords="offset points", color=WARM, va="top",
    )  # fmt: skip


@chart_style()
def plot_threshold_curve(assessed: LinkResult | ThresholdCurve) -> Figure:
    """Draw estimated precision and recall at each threshold.

    Parameters
    ----------
    assessed : LinkResult or ThresholdCurve
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
    >>> figure = plot_threshold_curve(example_linkage().result)
    >>> [line.get_label() for line in figure.axes[0].lines[:3]]
    ['precision', 'recall', 'F1']
    """
    curve = assessed if isinstance(assessed, ThresholdCurve) else threshold_curve(assessed)
    figure = new_figure(9, 3.3)
    axes = figure.add_subplot()
    tidy_axes(axes)
    lines = (
        ("precision", curve.precision, ACCENT, "-"),
        ("recall", curve.recall, WARM, "-"),
        ("F1", curve.f1, INK, (0, (1, 1.2))),
    )
    for label, values, color, style in lines:
        axes.plot(
            curve.thresholds, values, color=color, linewidth=1.8, linestyle=style, label=label
        )
    least = min(*curve.precision, *curve.recall)
    axes.set_ylim(max(0.0, least - 0.15 * (1 - least) - 0.005), 1 + 0.03 * (1 - least) + 0.001)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g}%")
    axes.set_xlabel("threshold: least match probability of a link")
    axes.set_title("estimated share", color=SOFT)
    axes.axvline(curve.used, color=SOFT, linewidth=1, linestyle=(0, (4, 2)), label="used here")
    axes.legend(loc="upper center", frameon=False, ncols=4, bbox_to_anchor=(0.5, 1.16))
    return figure
