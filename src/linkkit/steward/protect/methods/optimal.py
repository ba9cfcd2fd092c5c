"""Optimal global recoding: each quasi-identifier at one level for everybody."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linkkit.errors import ProtectionError
from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.hierarchies import Hierarchy
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.methods.grouping import Grouping
from linkkit.steward.protect.methods.lattice import classes_at, search_lattice
from linkkit.steward.protect.models import MissingPolicy

__all__ = ["MAX_NODES", "n_nodes", "seek_levels"]

MAX_NODES = 2_000_000


def n_nodes(hierarchies: Sequence[Hierarchy]) -> float:
    """Return in how many ways the levels can be combined."""
    return float(np.prod([float(len(hierarchy.levels)) for hierarchy in hierarchies]))


def seek_levels(
    items: Items,
    hierarchies: Sequence[Hierarchy],
    conditions: Conditions,
    *,
    missing: MissingPolicy = "category",
    max_suppressed: int = 0,
    population: Items | None = None,
) -> Grouping:
    """Choose the levels that lose least and leave at most `max_suppressed` people withheld.

    Parameters
    ----------
    items, hierarchies, conditions, missing, max_suppressed, population
        As for :func:`~linkkit.steward.protect.methods.lattice.search_lattice`.

    Raises
    ------
    ProtectionError
        When the hierarchies have too many levels to try them all, no levels keep the models,
        or nobody would stay.
    """
    _require_searchable(hierarchies)
    best = search_lattice(
        items,
        hierarchies,
        conditions,
        missing=missing,
        max_suppressed=max_suppressed,
        population=population,
    )
    if best is None:
        raise ProtectionError(
            "no levels of the quasi-identifiers keep the privacy models, even where all of them "
            "are dropped, without withholding more people than may be",
            hint="Allow more to be withheld, or ask for less of the models.",
        )
    classes = classes_at(
        best.levels, items, hierarchies, conditions, missing=missing, population=population
    )
    if (classes < 0).all():
        raise ProtectionError(
            "nobody would be left: no class keeps the privacy models",
            hint="Ask for fewer quasi-identifiers.",
        )
    return Grouping(
        classes=classes,
        n_classes=int(classes.max()) + 1,
        method="optimal",
        levels=best.levels,
    )


def _require_searchable(hierarchies: Sequence[Hierarchy]) -> None:
    if n_nodes(hierarchies) > MAX_NODES:
        raise ProtectionError(
            f"the quasi-identifiers' levels can be combined in {n_nodes(hierarchies):.0f} ways, "
            f"more than the {MAX_NODES} that can be searched",
            hint="Use method='local' or 'partition', fewer quasi-identifiers, or fewer levels.",
        )
