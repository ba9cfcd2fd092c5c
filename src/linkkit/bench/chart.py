"""Time and memory against the size of the files, both on logarithmic scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from linkkit.bench.options import BenchOptions
from linkkit.bench.results import OWN, BenchRun, Measurement
from linkkit.errors import OptionError
from linkkit.exchange.atomic import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["can_be_drawn", "plot_scaling", "require_plot_possible", "save_plot"]

_FORMATS = (".png", ".svg", ".pdf")
_OWN_COLORS = ("#14596b", "#3a9188", "#7a6bb0")
_PEER_COLORS = {"splink": "#b5532a", "recordlinkage": "#c79a2b", "anonlink": "#7d8a94"}
_OTHER_COLOR = "#55636f"
_MARKERS = {
    "encode": "s",
    "stream": "P",
    "link": "o",
    "compare": "^",
    "assign": "D",
    "cluster": "v",
}
_DASHES = {"encode": (0, (4, 1.6)), "link": "-", "compare": "-.", "assign": (0, (1, 1.2))}
_JOURNEY = ("encode", "link")
_SMALLEST_GAP = 0.05
_MEASURES = (("cpu_seconds", "CPU seconds"), ("peak_memory_mb", "Peak memory in MB"))


class _Line(NamedTuple):
    name: str
    is_own: bool
    color: str
    stage: str
    items: list[Measurement]

    def points(self, measure: str) -> tuple[list[int], list[float]]:
        known = [(i.n_rows, i.medians[measure]) for i in self.items if i.medians.get(measure)]
        return [rows for rows, _ in known], [value for _, value in known]


def can_be_drawn(run: BenchRun) -> bool:
    """Return whether anything was measured that has a size."""
    return bool(_lines(run))


def require_plot_possible(path: Path, options: BenchOptions) -> None:
    """Refuse what cannot be drawn before anything is measured.

    Raises
    ------
    OptionError
        When the file's name ends with no format that is known, or no stage has a size.
    DependencyError
        When matplotlib is not installed.
    """
    from linkkit.report.style import chart_style

    if path.suffix.lower() not in _FORMATS:
        raise OptionError(
            f"the plot '{path}' has no known format",
            hint=f"Let its name end with {', '.join(_FORMATS)}.",
        )
    if set(options.stages) <= {"import"}:
        raise OptionError(
            "importing has no size that a plot could show", hint="Name further stages, or no plot."
        )
    with chart_style():
        pass


def plot_scaling(run: BenchRun) -> Figure:
    """Draw CPU time and peak memory against rows, for every tool and stage.

    Parameters
    ----------
    run : BenchRun
        What :func:`~linkkit.bench.run_bench` measured.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DependencyError
        When matplotlib is not installed.
    OptionError
        When the run measured nothing that has a size.
    """
    from linkkit.report.style import SOFT, chart_style, new_figure

    lines = _lines(run)
    if not lines:
        raise OptionError("nothing was measured that could be drawn", hint="See what failed.")
    journey = [line for line in lines if line.stage in _JOURNEY]
    single = [line for line in lines if line.stage not in _JOURNEY]
    rows = [(title, part) for title, part in (("", journey), (" of a stage", single)) if part]
    with chart_style():
        figure = new_figure(11, 4.9 * len(rows))
        grid = figure.subplots(len(rows), 2, squeeze=False)
        for panels, (of, part) in zip(grid, rows, strict=True):
            for axes, (measure, title) in zip(panels, _MEASURES, strict=True):
                _draw(axes, part, measure)
                axes.set_title(title + of, color=SOFT)
        figure.supxlabel(_caption(run), fontsize=8, color=SOFT)
    return figure


def save_plot(figure: Figure, path: Path) -> None:
    """Write a figure as its name's ending says, whole or not at all."""
    from linkkit.report.style import chart_style

    with chart_style(), atomic_file(path) as file:
        figure.savefig(file, format=path.suffix.lower()[1:], dpi=180)


def _lines(run: BenchRun) -> list[_Line]:
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for item in run.measurements:
        if item.is_measured and item.n_rows:
            groups.setdefault((item.label, item.stage), []).append(item)
    return [
        _Line(
            f"{label}: {stage}", items[0].tool == OWN, _color(items[0], run.profiles), stage, items
        )
        for (label, stage), items in groups.items()
    ]


def _color(item: Measurement, profiles: Sequence[str]) -> str:
    if item.tool == OWN:
        return _OWN_COLORS[profiles.index(item.profile) if item.profile else 0]
    return _PEER_COLORS.get(item.tool, _OTHER_COLOR)


def _caption(run: BenchRun) -> str:
    about = run.machine
    return (
        f"rows of each of two files of made-up people  ·  {about['processor']}, {about['cores']} "
        f"cores  ·  {str(about['date'])[:10]}  ·  medians of {run.options['repeat']}"
    )


def _draw(axes: Axes, lines: Sequence[_Line], measure: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from linkkit.report.style import PAPER, tidy_axes

    axes.set_xscale("log")
    axes.set_yscale("log")
    drawn = [(line, *line.points(measure)) for line in lines]
    drawn = [(line, rows, values) for line, rows, values in drawn if rows]
    for line, rows, values in drawn:
        axes.plot(
            rows,
            values,
            color=line.color,
            linestyle=_DASHES.get(line.stage, ":"),
            linewidth=2.2 if line.is_own else 1.6,
            marker=_MARKERS.get(line.stage, "o"),
            markersize=5,
            markeredgecolor=PAPER,
            markeredgewidth=0.8,
            zorder=3 if line.is_own else 2,
            label=line.name,
        )
    if drawn:
        _limit(axes, drawn)
        _proportional(axes, drawn)
        _name_lines(axes, drawn)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, subs=(1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        axis.set_minor_formatter(NullFormatter())
    _ticks_at_sizes(axes, drawn)
    tidy_axes(axes)
    axes.grid(visible=True, axis="x", alpha=0.6)


_Drawn = Sequence[tuple[_Line, list[int], list[float]]]


def _limit(axes: Axes, drawn: _Drawn) -> None:
    rows = [row for _, xs, _ in drawn for row in xs]
    values = [value for _, _, ys in drawn for value in ys]
    low, high = min(values), max(values)
    if high / low < 10:
        middle = math.sqrt(low * high)
        low, high = min(low, middle / 3.2), max(high, middle * 3.2)
    axes.set_xlim(min(rows) / 1.25, max(rows) * 1.25)
    axes.set_ylim(low / 1.6, high * 1.6)


def _ticks_at_sizes(axes: Axes, drawn: _Drawn) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    sizes = sorted({row for _, rows, _ in drawn for row in rows})
    if 1 <= len(sizes) <= 8:
        axes.xaxis.set_major_locator(FixedLocator(sizes))
        axes.xaxis.set_minor_locator(NullLocator())


def _proportional(axes: Axes, drawn: _Drawn) -> None:
    """Draw a line along which twice the rows take twice as much, from the lowest point."""
    from linkkit.report.style import MUTED, SOFT

    left, right = axes.get_xlim()
    lowest = min(drawn, key=lambda item: item[2][0])
    per_row = lowest[2][0] / lowest[1][0]
    (line,) = axes.plot(
        [left, right],
        [per_row * left, per_row * right],
        color=MUTED,
        linewidth=1.0,
        linestyle=(0, (1, 2.2)),
        zorder=1,
    )
    axes.legend(
        [line], ["in proportion to the rows"], loc="lower right", frameon=False, labelcolor=SOFT
    )


def _name_lines(axes: Axes, drawn: _Drawn) -> None:
    """Write each line's name at its end; at the right margin, pushed apart where ends are close."""
    from matplotlib.patheffects import withStroke

    from linkkit.report.style import PAPER

    bottom, top = axes.get_ylim()
    largest = max(rows[-1] for _, rows, _ in drawn)
    ends = sorted(
        (
            (math.log(values[-1] / bottom) / math.log(top / bottom), rows[-1], values[-1], line)
            for line, rows, values in drawn
        ),
        key=lambda end: end[0],
    )
    for _, row, value, line in ends:
        if row < largest:
            axes.annotate(
                line.name,
                (row, value),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                color=line.color,
                fontsize=8,
                path_effects=[withStroke(linewidth=2.5, foreground=PAPER)],
                zorder=4,
            )
    ends = [end for end in ends if end[1] == largest]
    for place, (_, row, value, line) in zip(_apart([e[0] for e in ends]), ends, strict=True):
        axes.annotate(
            line.name,
            (row, value),
            xytext=(1.02, place),
            textcoords="axes fraction",
            va="center",
            color=line.color,
            fontsize=8.5,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": line.color,
                "linewidth": 0.6,
                "alpha": 0.55,
                "relpos": (0.0, 0.5),
                "shrinkA": 1,
                "shrinkB": 5,
            },
        )


def _apart(places: list[float]) -> list[float]:
    """Move ascending places as little as is needed for none to be too near another."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _bounds(groups[-1])[0] < _bounds(groups[-2])[1]:
            groups[-2:] = [groups[-2] + groups[-1]]
    return [
        _bounds(group)[0] + (i + 0.5) * _SMALLEST_GAP for group in groups for i in range(len(group))
    ]


def _bounds(group: list[float]) -> tuple[float, float]:
    """Return the room that names need which stand around the middle of their places."""
    half = len(group) * _SMALLEST_GAP / 2
    middle = min(max(sum(group) / len(group), half), 1 - half)
    return middle - half, middle + half


def _short(value: float) -> str:
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
