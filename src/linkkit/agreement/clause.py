"""What every clause of an agreement is: frozen, closed, silent about values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Clause", "Whole"]

Whole = Annotated[int, Field(strict=True)]
"""A whole number, written as one."""


class Clause(BaseModel):
    """Base of all clauses: frozen, closed, silent about values."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
