"""How long work tells how far it is, and a bar that shows it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task

__all__ = ["Progress", "ProgressEvent", "progress_bar", "silent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressEvent:
    """How far a stage is: `done` of `total` in `unit`."""

    stage: str
    done: int
    total: int
    unit: str


Progress = Callable[[ProgressEvent], None]
"""Receives an event now and then; an exception from it stops the work."""


def silent(event: ProgressEvent) -> None:
    """Ignore an event."""


@contextmanager
def progress_bar(console: Console | None = None) -> Generator[Progress]:
    """Draw a bar with the rate and the time left, and wipe it off at the end.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to draw. By default in a notebook's output or on standard error, and there only
        if somebody watches.

    Yields
    ------
    callable
        To be given as `progress` to whatever takes one.

    Examples
    --------
    >>> with progress_bar() as progress:
    ...     progress(ProgressEvent(stage="compare", done=1, total=2, unit="comparisons"))
    """
    from rich import progress as bars
    from rich.console import Console as NewConsole
    from rich.text import Text

    class Rate(bars.ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            text = "" if speed is None else f"{_short(speed)} {task.fields['unit']}/s"
            return Text(text, style="progress.data.speed")

    console = console or NewConsole(stderr="ipykernel" not in sys.modules)
    if not (console.is_terminal or console.is_jupyter):
        yield silent
        return
    columns = (
        "{task.description}", bars.BarColumn(), bars.TaskProgressColumn(), Rate(),
        bars.TimeRemainingColumn(elapsed_when_finished=True),
    )  # fmt: skip
    with bars.Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, bars.TaskID] = {}

        def show(event: ProgressEvent) -> None:
            if event.stage not in tasks:
                tasks[event.stage] = bar.add_task(event.stage, total=event.total, unit=event.unit)
            bar.update(tasks[event.stage], completed=event.done, total=event.total)

        yield show


def _short(number: float) -> str:
    for letter, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.1f} {letter}"
    return f"{number:.0f}"
