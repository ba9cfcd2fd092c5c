"""Chart of what the match weight of one pair consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from linkkit.linkage import PairExplanation
from linkkit.report.style import ACCENT, INK, MUTED, SOFT, WARM, chart_style, new_figure, tidy_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_waterfall"]

_NOTHING = 0.005


@chart_style()
def plot_waterfall(explanation: PairExplanation) -> Figure:
    """Draw how a pair's match weight comes about: from what is known of all pairs, part by part.

    Parameters
    ----------
    explanation : PairExplanation
        What to draw; its ``to_pandas()`` has the data.

    Returns
    -------
    matplotlib.figure.Figure
        A bar for each part that adds something, from where the one before ended. It has no token.

    Raises
    ------
    DependencyError
        When matplotlib is not installed.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> result = example_linkage().result
    >>> best = result.pairs.to_pandas().nlargest(1, "match_weight").iloc[0]
    >>> explanation = result.explain(best["left_token"], best["right_token"])
    >>> figure = plot_waterfall(explanation)
    >>> figure.axes[0].get_yticklabels()[0].get_text()
    'prior'
    """
    parts = [part for part in explanation.parts if abs(part.bits) >= _NOTHING]
    bits = np.array([part.bits for part in parts] + [explanation.match_weight])
    ends = np.append(np.cumsum(bits[:-1]), 0.0)
    starts = np.append(ends[:-1] - bits[:-1], 0.0)
    colors = [*(ACCENT if value > 0 else WARM for value in bits[:-1]), INK]
    places = np.arange(len(bits))
    figure = new_figure(8, 0.8 + 0.28 * len(bits))
    axes = figure.add_subplot()
    tidy_axes(axes, grid="x")
    axes.barh(places, bits, 0.68, left=starts, color=colors)
    for i in range(len(parts) - 1):
        axes.plot([ends[i], ends[i]], [i - 0.34, i + 1.34], color=MUTED, linewidth=0.8)
    for place, value, start in zip(places, bits, starts, strict=True):
        right = max(start, start + value)
        axes.annotate(
            f"{value:+.1f}", (right, place), xytext=(3, 0), textcoords="offset points",
            va="center", color=SOFT, fontsize=7.5,
        )  # fmt: skip
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.set_yticks(places, [*(part.label for part in parts), "match weight"])
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_title("match weight in bits: log2 of the odds that they are one person", color=SOFT)
    return figure
