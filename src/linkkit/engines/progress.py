"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress", "ProgressEvent", "silent"]


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
