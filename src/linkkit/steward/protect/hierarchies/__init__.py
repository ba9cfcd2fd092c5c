"""Generalization hierarchies: how each quasi-identifier may become coarser, level by level."""

from linkkit.steward.protect.hierarchies.build import build_hierarchy
from linkkit.steward.protect.hierarchies.levels import LOSS_UNITS, MISSING, Hierarchy, Level
from linkkit.steward.protect.hierarchies.steps import TOP
from linkkit.steward.protect.hierarchies.table import hierarchy_from

__all__ = [
    "LOSS_UNITS",
    "MISSING",
    "TOP",
    "Hierarchy",
    "Level",
    "build_hierarchy",
    "hierarchy_from",
]
