"""What an agreement document holds: its clauses by name, before they are checked as a whole."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from linkkit.agreement.clause import Clause, Whole
from linkkit.agreement.clauses import (
    Label,
    LinkageClause,
    Name,
    Organization,
    Party,
    Project,
    Slug,
    Variable,
    Years,
)
from linkkit.agreement.frozen import FROZEN_EMPTY, Frozen
from linkkit.agreement.protection import Protection

__all__ = ["Content"]


class Content(Clause):
    """All clauses of an agreement, each sound by itself."""

    format: Literal["linkkit-agreement/1"]
    id: Slug
    title: Label
    purpose: Label
    legal_basis: Label
    years: Years
    destroy_by: dt.date
    linkage: LinkageClause
    variables: Frozen[Name, Variable] = Field(default_factory=FROZEN_EMPTY)
    parties: Frozen[Name, Party] = Field(min_length=1)
    linkage_unit: Organization
    steward: Organization
    protection: Protection
    projects: Frozen[Slug, Project] = Field(default_factory=FROZEN_EMPTY)
    epoch: Whole = Field(default=1, ge=1, le=1_000_000)
