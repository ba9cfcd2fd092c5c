"""Field evidence: what the linkage learned of each linkage field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from linkkit.assess.inputs import require_result
from linkkit.linkage import LinkResult
from linkkit.linkage.compare import LEVELS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FieldEvidence", "LevelEvidence", "field_evidence"]

_COMMON = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelEvidence:
    """What it means when a field agrees at one level.

    Attributes
    ----------
    field : str
        The linkage field.
    level : str
        ``"disagree"``, ``"partly"``, ``"close"`` or ``"equal"``.
    m : float
        Share of pairs of one person that agree at this level, 0 to 1.
    u : float
        Share of other pairs that do, 0 to 1.
    weight : float
        Match weight in bits: log2 of m / u.
    occurs : bool
        Whether the level is ever seen; sex, for one, cannot agree partly. The m and u of a
        level that is not seen are what was assumed beforehand.
    """

    field: str
    level: str
    m: float
    u: float
    weight: float
    occurs: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldEvidence:
    """The m and u probabilities and match weights of every field and level.

    Attributes
    ----------
    levels : tuple of LevelEvidence
        Fields in the order of the agreement, in each from "disagree" to "equal".
    """

    levels: tuple[LevelEvidence, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Field names, in the order of the agreement."""
        return tuple(dict.fromkeys(item.field for item in self.levels))

    def of(self, field: str) -> dict[str, LevelEvidence]:
        """Return the levels of one field, by name."""
        return {item.level: item for item in self.levels if item.field == field}

    def as_frame(self) -> pd.DataFrame:
        """Return columns ``field``, ``level``, ``m``, ``u``, ``weight`` and ``occurs``."""
        import pandas as pd

        names = ("field", "level", "m", "u", "weight", "occurs")
        return pd.DataFrame({name: [getattr(x, name) for x in self.levels] for name in names})


def field_evidence(result: LinkResult) -> FieldEvidence:
    """Return what the linkage learned of each field.

    Parameters
    ----------
    result : LinkResult
        What :func:`~linkkit.link` returned.

    Returns
    -------
    FieldEvidence

    Raises
    ------
    WrongStageError
        When something else than a linkage result is given.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> evidence = field_evidence(example_linkage().result)
    >>> evidence.fields
    ('given_name', 'surname', 'birth_date', 'postal_code', 'phone')
    >>> surname = evidence.of("surname")
    >>> surname["equal"].weight > 0 > surname["disagree"].weight
    True
    """
    weights = require_result(result).model.field_weights()
    seen = result.pairs.scored.levels
    return FieldEvidence(
        levels=tuple(
            LevelEvidence(
                field=item.field,
                level=level,
                m=item.m[i],
                u=item.u[i],
                weight=item.weight[i],
                # Pairs that are no candidates are not kept, so a common level counts as seen.
                occurs=max(item.m[i], item.u[i]) >= _COMMON
                or bool(np.any(seen[:, f] == LEVELS.index(level))),
            )
            for f, item in enumerate(weights)
            for i, level in enumerate(item.levels)
        )
    )
