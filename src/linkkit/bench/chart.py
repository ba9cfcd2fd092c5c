"""Time and memory against the size of the files, both on logarithmic scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from linkkit.bench.results import OWN, BenchRun, Measurement
from linkkit.errors import OptionError
from linkkit.exchange.atomic import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_scaling", "require_plot_possible", "save_plot"]

_FORMATS = (".png", ".svg", ".pdf")
_OWN_COLORS = ("#14596b", "#3a9188", "#7a6bb0")
_PEER_COLORS = {"splink": "#b5532a", "recordlinkage": "#c79a2b", "anonlink": "#7d8a94"}
_OTHER_COLOR = "#55636f"
_MARKERS = {"encode": "s", "link": "o", "compare": "^", "assign": "D", "cluster": "v"}
_DASHES = {"encode": (0, (4, 1.6)), "link": "-", "compare": "-.", "assign": (0, (1, 1.2))}
_SMALLEST_GAP = 0.055
_MEASURES = (("cpu_seconds", "CPU seconds"), ("peak_memory_mb", "peak memory, MB"))


class _Line(NamedTuple):
    name: str
    color: str
    stage: str
    items: list[Measurement]

    def points(self, measure: str) -> tuple[list[int], list[float]]:
        known = [(i.n_rows, i.medians[measure]) for i in self.items if i.medians.get(measure)]
        return [rows for rows, _ in known], [value for _, value in known]


def require_plot_possible(path: Path) -> None:
    """Refuse what cannot be drawn before anything is measured.

    Raises
    ------
    OptionError
        When the file's name ends with no format that is known.
    DependencyError
        When matplotlib is not installed.
    """
    from linkkit.report.style import chart_style

    if path.suffix.lower() not in _FORMATS:
        raise OptionError(
            f"the plot '{path}' has no known format",
            hint=f"Let its name end with {', '.join(_FORMATS)}.",
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
        raise OptionError(
            "nothing was measured that could be drawn", hint="Measure a stage other than 'import'."
        )
    with chart_style():
        figure = new_figure(10.5, 4.6)
        for axes, (measure, title) in zip(figure.subplots(1, 2), _MEASURES, strict=True):
            _draw(axes, lines, measure)
            axes.set_title(title, color=SOFT)
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
        _Line(f"{label}: {stage}", _color(items[0], run.profiles), stage, items)
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

    from linkkit.report.style import tidy_axes

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
            linewidth=1.8,
            marker=_MARKERS.get(line.stage, "o"),
            markersize=4.5,
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
    """Draw lines along which twice the rows take twice as much."""
    from linkkit.report.style import MUTED

    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    lowest = min(range(len(drawn)), key=lambda i: drawn[i][2][0])
    rows, values = drawn[lowest][1], drawn[lowest][2]
    start = values[0] / rows[0]
    axes.plot(
        [left, right],
        [start * left, start * right],
        color=MUTED,
        linewidth=1.0,
        linestyle=(0, (1, 2.2)),
        zorder=1,
    )
    # Where the line is well inside, say what it is.
    at = min(right / (right / left) ** 0.28, top / start / (top / bottom) ** 0.08)
    if start * at > bottom:
        axes.annotate(
            "in proportion",
            (at, start * at),
            xytext=(0, -3),
            textcoords="offset points",
            rotation=_slope_in_degrees(axes),
            rotation_mode="anchor",
            ha="center",
            va="top",
            color=MUTED,
            fontsize=7.5,
        )


def _slope_in_degrees(axes: Axes) -> float:
    """Return how steep a line of slope 1 looks; layout is not known yet, so the shape is assumed."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    wide, high = 3.6, 3.5
    return math.degrees(
        math.atan2(high / math.log10(top / bottom), wide / math.log10(right / left))
    )


def _name_lines(axes: Axes, drawn: _Drawn) -> None:
    """Write each line's name at its right end, pushed apart where ends are close."""
    bottom, top = axes.get_ylim()
    height = math.log(top / bottom)
    ends = sorted(
        ((math.log(values[-1] / bottom) / height, line) for line, _, values in drawn),
        key=lambda end: end[0],
    )
    places: list[float] = []
    for place, _ in ends:
        places.append(max(place, places[-1] + _SMALLEST_GAP if places else place))
    over = max(places[-1] - 0.99, 0.0)
    for i in reversed(range(len(places))):
        limit = places[i + 1] - _SMALLEST_GAP if i + 1 < len(places) else 0.99
        places[i] = min(places[i], limit) if over else places[i]
    for place, (_, line) in zip(places, ends, strict=True):
        axes.annotate(
            line.name,
            (1.015, place),
            xycoords="axes fraction",
            va="center",
            color=line.color,
            fontsize=8,
            annotation_clip=False,
        )


def _short(value: float) -> str:
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
