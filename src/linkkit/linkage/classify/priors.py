"""What is expected of each kind of field before any pair is seen.

For every class of pairs and every kind of field, the expected share of pairs that disagree,
agree partly, agree closely, and are equal. The data correct them; they decide where the data
are silent, and which class is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind

__all__ = [
    "CLASSES",
    "IDENTIFYING",
    "N_MATCHING",
    "PairClass",
    "expected_levels",
    "has_own",
    "learned_levels",
    "names_at_once",
    "of_unknown_use",
]

PairClass = Literal[
    "match",
    "moved",
    "misnamed",
    "twins",
    "household",
    "relatives",
    "namesakes",
    "area",
    "unrelated",
]
"""Same person; the same with another address; the same with both names otherwise; twins; other people of
one family or address; of one family with another address; strangers of one name; strangers of one area;
of nothing in common."""

CLASSES: tuple[PairClass, ...] = (
    "match", "moved", "misnamed", "twins", "household", "relatives", "namesakes", "area", "unrelated",
)  # fmt: skip

N_MATCHING = 3
"""The first classes are of pairs of one person."""

IDENTIFYING: frozenset[FieldKind] = frozenset(
    {"given_name", "surname", "name", "date", "identifier", "ssn4", "email"}
)
"""Kinds that two records of one person hardly ever both differ in."""

_NAMES: frozenset[FieldKind] = frozenset({"given_name", "surname"})

_AT_HOME: tuple[PairClass, ...] = ("household", "area")
_SHARED_IF_KNOWN = 0.3

_Levels = tuple[float, float, float, float]

_MATCH: dict[FieldKind, _Levels] = {
    "given_name": (0.10, 0.03, 0.07, 0.80),
    "surname": (0.07, 0.03, 0.07, 0.83),
    "name": (0.06, 0.06, 0.12, 0.76),
    "guardian_name": (0.25, 0.05, 0.10, 0.60),
    "date": (0.03, 0.03, 0.06, 0.88),
    "sex": (0.02, 0.00, 0.00, 0.98),
    "street_address": (0.25, 0.05, 0.12, 0.58),
    "city": (0.14, 0.03, 0.05, 0.78),
    "postal_code": (0.14, 0.04, 0.05, 0.77),
    "phone": (0.25, 0.02, 0.05, 0.68),
    "email": (0.30, 0.03, 0.05, 0.62),
    "identifier": (0.05, 0.01, 0.04, 0.90),
    "ssn4": (0.05, 0.01, 0.04, 0.90),
    "number": (0.15, 0.04, 0.06, 0.75),
    "text": (0.20, 0.05, 0.10, 0.65),
}

_AFTER_MOVE: dict[FieldKind, _Levels] = {
    "street_address": (0.85, 0.05, 0.03, 0.07),
    "city": (0.50, 0.02, 0.03, 0.45),
    "postal_code": (0.70, 0.05, 0.03, 0.22),
    "phone": (0.60, 0.03, 0.02, 0.35),
}

_SHARED_AT_HOME: dict[FieldKind, _Levels] = {
    "surname": (0.12, 0.03, 0.05, 0.80),
    "guardian_name": (0.20, 0.04, 0.10, 0.66),
    "street_address": (0.10, 0.03, 0.07, 0.80),
    "city": (0.03, 0.02, 0.03, 0.92),
    "postal_code": (0.03, 0.02, 0.03, 0.92),
    "phone": (0.15, 0.02, 0.03, 0.80),
}

_SHARED_BY_RELATIVES: dict[FieldKind, _Levels] = {
    kind: _SHARED_AT_HOME[kind] for kind in ("surname", "guardian_name", "phone")
}

_SHARED_IN_AREA: dict[FieldKind, _Levels] = {
    "city": (0.03, 0.02, 0.03, 0.92),
    "postal_code": (0.03, 0.02, 0.03, 0.92),
}

_SHARED_BY_NAMESAKES: dict[FieldKind, _Levels] = {
    "given_name": (0.05, 0.05, 0.05, 0.85),
    "surname": (0.05, 0.05, 0.05, 0.85),
    "name": (0.05, 0.05, 0.05, 0.85),
    "sex": (0.10, 0.00, 0.00, 0.90),
}

_SHARED: dict[PairClass, dict[FieldKind, _Levels]] = {
    "match": _MATCH,
    "moved": {**_MATCH, **_AFTER_MOVE},
    "misnamed": {kind: levels for kind, levels in _MATCH.items() if kind not in _NAMES},
    "twins": {
        **_SHARED_AT_HOME,
        "date": (0.02, 0.02, 0.03, 0.93),
        "sex": (0.35, 0.00, 0.00, 0.65),
    },
    "household": _SHARED_AT_HOME,
    "relatives": _SHARED_BY_RELATIVES,
    "namesakes": _SHARED_BY_NAMESAKES,
    "area": _SHARED_IN_AREA,
    "unrelated": {},
}


def has_own(kind: FieldKind, pair_class: PairClass) -> bool:
    """Whether a class learns levels of its own for a kind, not with matches or strangers."""
    if pair_class == "misnamed":
        return False
    return kind in (_AFTER_MOVE if pair_class == "moved" else _SHARED[pair_class])


def names_at_once(kinds: Sequence[FieldKind]) -> npt.NDArray[np.bool_]:
    """Return the fields that one mistake makes disagree together; none where little else tells a person.

    The given name and the surname are written in each other's place, or are those of another tongue.
    """
    is_name = np.array([kind in _NAMES for kind in kinds], dtype=np.bool_)
    tells = any(kind in IDENTIFYING - _NAMES - {"name"} for kind in kinds)
    return is_name if tells and set(kinds) >= _NAMES else np.zeros_like(is_name)


def expected_levels(
    kind: FieldKind, pair_class: PairClass, unrelated: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the expected shares of the levels from "disagree" to "equal".

    Parameters
    ----------
    kind : str
        Kind of the field.
    pair_class : str
        Which pairs.
    unrelated : ndarray of float64, shape (4,)
        The shares among random pairs, which hold for whatever a class does not share.

    Returns
    -------
    ndarray of float64, shape (4,), summing to 1
    """
    shared = _SHARED[pair_class].get(kind)
    levels = unrelated if shared is None else np.array(shared)
    levels = np.maximum(levels, 1e-6)
    return np.asarray(levels / levels.sum(), dtype=np.float64)


def of_unknown_use(kinds: Sequence[FieldKind]) -> npt.NDArray[np.bool_]:
    """Return which fields may be of a person or of the home, as only the data tell.

    A text may be a district or a middle initial, and a second name in the record is perhaps a parent's.
    """
    names = [f for f, kind in enumerate(kinds) if kind in ("given_name", "name")]
    return np.array([kind in ("text", "number") or f in names[1:] for f, kind in enumerate(kinds)])


def learned_levels(
    kind: FieldKind, pair_class: PairClass, unrelated: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64] | None:
    """Return the levels that a class starts from for a field of unknown use; None where it learns none."""
    if pair_class not in _AT_HOME:
        return None
    shared = expected_levels(kind, "match", unrelated)
    return np.asarray(_SHARED_IF_KNOWN * shared + (1 - _SHARED_IF_KNOWN) * unrelated)
