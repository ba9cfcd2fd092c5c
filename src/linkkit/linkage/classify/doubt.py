"""How far a model may be off, for the intervals of what is estimated from it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["USUAL_DOUBT", "Doubt"]


class Doubt(NamedTuple):
    """How far a model may be off, for the intervals.

    `nats`: all match weights may be so much too high or too low. `times_unseen`: as many times more, or
    fewer, matches may be no candidates.
    """

    nats: float = 1.0
    times_unseen: float = 2.0


USUAL_DOUBT = Doubt()
