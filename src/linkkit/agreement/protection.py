"""The clause on protection: what every release must keep."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from linkkit.agreement.clause import Clause, Whole
from linkkit.agreement.clauses import Name
from linkkit.agreement.frozen import FROZEN_EMPTY, Frozen
from linkkit.agreement.generalization import Generalization, Text

__all__ = ["Averaging", "Identifier", "Preset", "Protection", "SensitiveRule", "ShiftedDates"]


class SensitiveRule(Clause):
    """What people who share a combination must not have in common in a sensitive variable.

    ``distinct_l``, ``entropy_l`` and ``recursive_l`` with ``recursive_c`` are l-diversity; ``t``
    is t-closeness under a ``distance``, ``ordered`` for numbers and dates, and for categories with
    an ``order``, all of them from least to most. All that are given are kept.
    """

    distinct_l: Whole | None = Field(default=None, ge=2)
    entropy_l: float | None = Field(default=None, gt=1.0, allow_inf_nan=False)
    recursive_l: Whole | None = Field(default=None, ge=2)
    recursive_c: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    t: float | None = Field(default=None, gt=0.0, le=1.0)
    distance: Literal["equal", "ordered"] = "equal"
    order: tuple[Text, ...] | None = Field(default=None, min_length=2)

    @model_validator(mode="after")
    def _some_rule(self) -> SensitiveRule:
        given = (self.distinct_l, self.entropy_l, self.recursive_l, self.t)
        if all(rule is None for rule in given):
            raise ValueError("give 'distinct_l', 'entropy_l', 'recursive_l' or 't'")
        if (self.recursive_l is None) != (self.recursive_c is None):
            raise ValueError("'recursive_l' and 'recursive_c' go together")
        if self.t is None and self.distance != "equal":
            raise ValueError("'distance' goes with 't'")
        if self.order is not None and self.distance != "ordered":
            raise ValueError("'order' goes with distance 'ordered'")
        if len(set(self.order or ())) < len(self.order or ()):
            raise ValueError("'order' has a value twice")
        return self


Identifier = Literal["zip", "age", "birth_year", "not_identifier"]
"""What a variable is under a preset; ``not_identifier`` says that it only looks like one."""

Preset = Literal["hipaa_safe_harbor"]
"""Rules of a law that an agreement keeps to: 45 CFR 164.514(b)(2)."""


class ShiftedDates(Clause):
    """Dates that move: all of a person by one number of days, up to `max_days` in each direction.

    The number follows from the steward's study key and is another in each project.
    """

    max_days: Whole = Field(default=182, ge=1, le=36_525)
    variables: tuple[Name, ...] = Field(min_length=1)


class Averaging(Clause):
    """Numbers that become the ``mean`` or ``median`` of a group of people who are alike in them.

    A group has as many people as a class, or more. All variables together form the groups.
    """

    variables: tuple[Name, ...] = Field(min_length=1, max_length=32)
    statistic: Literal["mean", "median"] = "mean"


class Protection(Clause):
    """What every release must keep.

    ``smallest_cell`` is k: the fewest people who share one combination of quasi-identifiers,
    and the smallest count that is published. ``max_suppressed`` is the share of people, 0 to
    1, whose record may be withheld to reach it. ``missing`` says what a missing value of a
    quasi-identifier is, ``households`` how many households a combination must belong to, and
    ``sensitive`` what else its people must not share. ``shift_dates`` and ``microaggregate``
    name variables beside these that are changed before they are released. Under a ``preset``
    the agreement is held to the rules of a law, and ``declared`` says what variables are.
    """

    smallest_cell: Whole = Field(ge=2, le=1_000_000)
    quasi_identifiers: Frozen[Name, Generalization] = Field(min_length=1)
    max_suppressed: float = Field(default=0.05, ge=0.0, le=1.0, strict=True)
    missing: Literal["category", "wildcard", "suppress"] = "category"
    households: Whole | None = Field(default=None, ge=2)
    sensitive: Frozen[Name, SensitiveRule] = Field(default_factory=FROZEN_EMPTY)
    shift_dates: ShiftedDates | None = None
    microaggregate: Averaging | None = None
    preset: Preset | None = None
    declared: Frozen[Name, Identifier] = Field(default_factory=FROZEN_EMPTY)
