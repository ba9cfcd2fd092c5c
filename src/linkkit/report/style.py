"""How charts look: one palette, one way to make a figure, and SVG that takes the page's colors."""

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Generator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from linkkit.errors import DependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bare_axes", "chart_style", "inline_svg", "new_figure", "tidy_axes"]

INK, SOFT, LINE, PAPER = "#1b2733", "#55636f", "#d5dce2", "#fefefe"
ACCENT, WARM, MUTED, PALE = "#14596b", "#b5532a", "#9fadb8", "#d9e3e8"

_VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--line",
    PAPER: "--paper",
    ACCENT: "--accent",
    WARM: "--warm",
    MUTED: "--muted",
    PALE: "--pale",
}
_SALT = "linkkit"
_RC: dict[str, Any] = {
    "svg.hashsalt": _SALT,
    "svg.fonttype": "none",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "hatch.linewidth": 0.8,
}


@contextmanager
def chart_style() -> Generator[None]:
    """Draw with matplotlib's defaults and linkkit's palette, whatever the user has set.

    matplotlib keeps such settings for the whole process, so they are put back at the end.

    Raises
    ------
    DependencyError
        When matplotlib is not installed.
    """
    matplotlib = _require_matplotlib()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def _require_matplotlib() -> Any:
    found: Any = None
    try:
        found = importlib.import_module("matplotlib")
    except ImportError:
        pass
    if found is None:
        raise DependencyError(
            "matplotlib is needed to draw charts and is not installed",
            hint="pip install 'linkkit[plots]'",
        )
    return found


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Return an empty figure that belongs to no window and no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inches, height_inches), layout="constrained", facecolor=PAPER)


def tidy_axes(axes: Axes, *, grid: Literal["x", "y"] = "y") -> None:
    """Leave on the axes only what helps to read them."""
    axes.grid(visible=True, axis=grid)
    axes.spines["left"].set_visible(False)


def bare_axes(axes: Axes) -> None:
    """Leave nothing on the axes but what is drawn in them."""
    axes.tick_params(bottom=False, labelbottom=False, labelleft=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def inline_svg(figure: Figure, *, name: str, label: str) -> str:
    """Return a figure as an ``<svg>`` element for a page.

    Its colors are variables of the page's style sheet, its text is text, its ids begin with
    `name`, and the same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to embed.
    name : str
        Unique in the page.
    label : str
        What a screen reader says.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    content = io.StringIO()
    with chart_style():
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(content, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _fit_for_page(content.getvalue(), name=name, label=label)


def _renumbered(text: str, *, name: str) -> str:
    """Number the ids in the order in which they stand.

    matplotlib derives some of them from the last bits of coordinates, which differ by machine.
    """
    pattern = re.compile(rf'(?<=["#]){re.escape(name)}-[\w.-]+')
    places = {old: i for i, old in enumerate(dict.fromkeys(pattern.findall(text)), start=1)}
    return pattern.sub(lambda found: f"{name}-{places[found[0]]}", text)


def _fit_for_page(text: str, *, name: str, label: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*|<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(
        r'<g id="(?:figure|axes|patch|text|line2d|matplotlib|xtick|ytick)[^"]*"', "<g", text
    )
    text = re.sub(r'\b(id="|url\(#|href="#)', rf"\1{name}-", text).replace("xlink:href", "href")
    text = _renumbered(text, name=name)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    box = re.search(r'viewBox="([^"]*)"', text)
    opening = f'<svg viewBox="{box[1] if box else ""}" role="img" aria-label="{escape(label)}">'
    return re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1).strip()
