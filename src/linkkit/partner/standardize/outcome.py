"""What becomes of one cell: a standard form, or nothing and a reason."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BLANK", "Outcome"]


class Outcome(NamedTuple):
    """A standard form, or None with the rule that rejected the cell.

    A blank cell is None without a rule: it is missing, and that is no issue.
    """

    value: str | None
    rule: str | None = None


BLANK = Outcome(None)
