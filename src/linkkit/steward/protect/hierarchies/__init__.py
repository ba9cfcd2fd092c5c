"""Generalization hierarchies: how each quasi-identifier may become coarser, level by level."""

from linkkit.steward.protect.hierarchies.levels import (
    LOSS_UNITS,
    MISSING,
    TOP,
    Hierarchy,
    Level,
    build_hierarchy,
)

__all__ = ["LOSS_UNITS", "MISSING", "TOP", "Hierarchy", "Level", "build_hierarchy"]
