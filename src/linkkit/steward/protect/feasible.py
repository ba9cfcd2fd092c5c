"""Whether privacy models can be kept at all, and whether what was found keeps them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from linkkit.errors import ProtectionError
from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.models import PrivacyModel
from linkkit.steward.protect.upheld import Upheld

__all__ = ["may_be_kept", "never_kept", "require_kept"]


def may_be_kept(
    items: Items, conditions: Conditions, population: Items | None, *, allowed: int
) -> bool:
    """Return whether the models may be kept: not where they break with all people in one class.

    A share of the population may be: all people together may fit many more than they are.
    """
    n_people = int(items.counts.sum())
    if n_people < conditions.k:
        raise ProtectionError(
            f"there are fewer people than k = {conditions.k}",
            hint="No class of k people can be formed; ask for less, or bring more people.",
        )
    if conditions.shares or (allowed and not conditions.grow):
        return True
    inside = None if population is None else np.array([population.counts.sum()])
    everybody = np.arange(len(items), dtype=np.int64)
    together = np.zeros(len(items), dtype=np.int64)
    return bool(conditions.met(everybody, together, n_classes=1, population=inside)[0])


def never_kept(models: Sequence[PrivacyModel]) -> ProtectionError:
    """Return the error that names models which cannot be kept."""
    return ProtectionError(
        [f"{model} is not kept even where all people are one class" for model in models],
        hint="Ask for less: a smaller k or l, or a larger t; see what the data have.",
    )


def require_kept(upheld: Upheld, counts: npt.NDArray[np.int64], allowed: int) -> None:
    """Refuse a table of which not everything that is shown keeps the models."""
    kept = upheld.grouping.classes >= 0
    if not kept.any():
        raise ProtectionError(
            "nobody would be left: no class keeps the privacy models",
            hint="Ask for less of the models, or for fewer quasi-identifiers.",
        )
    if upheld.broken.any() or counts[~kept].sum() > allowed:
        raise ProtectionError(
            f"method '{upheld.grouping.method}' found no classes that keep the privacy models "
            "without withholding more than may be",
            hint="Use another method, allow more to be withheld, or ask for less of the models.",
        )
