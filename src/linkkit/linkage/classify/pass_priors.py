"""What is expected of passes before any pair is seen, for each class of pairs.

How much of its tokens two records share in each kind of field, and how often they have the same
salt. The data correct both; these decide which class is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.exchange import EncodingSpec, PassField, PassSpec

__all__ = [
    "PASS_CLASSES",
    "expected_overlap",
    "expected_same",
    "is_shared",
    "kinds_of",
]

PassClass = Literal["match", "twins", "household", "unrelated"]
"""Same person; twins; other people of one family or address; of nothing in common."""

PASS_CLASSES: tuple[PassClass, ...] = ("match", "twins", "household", "unrelated")

_BY_CHANCE: dict[FieldKind, float] = {
    "given_name": 0.08,
    "surname": 0.08,
    "name": 0.10,
    "date": 0.28,
    "sex": 0.50,
    "street_address": 0.10,
    "city": 0.10,
    "postal_code": 0.20,
    "phone": 0.20,
    "email": 0.12,
    "identifier": 0.18,
    "ssn4": 0.15,
    "number": 0.10,
    "text": 0.12,
}
"""Share of tokens that two strangers have in common."""

_AT_HOME: dict[FieldKind, float] = {
    "surname": 0.90,
    "street_address": 0.90,
    "city": 0.97,
    "postal_code": 0.97,
    "phone": 0.85,
}

_SAME_SALT: dict[FieldKind, float] = {
    "given_name": 0.88,
    "surname": 0.90,
    "name": 0.88,
    "date": 0.95,
    "city": 0.85,
    "postal_code": 0.85,
    "phone": 0.72,
    "email": 0.68,
    "identifier": 0.93,
}
"""Share of pairs of one person that have the same salt, by the salt's kind."""

_OF_ONE_PERSON = 0.90
_SELDOM_KNOWN = 0.85


def kinds_of(spec: EncodingSpec) -> dict[str, FieldKind]:
    """Return the kind of every field that some pass covers."""
    return {field.name: field.kind for item in spec.passes for field in item.fields}


def expected_overlap(fields: Sequence[PassField], pair_class: PassClass) -> float:
    """Return the share of tokens, weighted by their bits, that two records have in common."""
    weights = [field.n_hashes * field.typical_tokens for field in fields]
    shares = [_overlap(field.kind, pair_class) for field in fields]
    return float(np.average(shares, weights=weights)) if fields else 0.0


def _overlap(kind: FieldKind, pair_class: PassClass) -> float:
    if pair_class == "match":
        return _OF_ONE_PERSON
    if pair_class == "twins" and kind == "date":
        return 0.97
    return _BY_CHANCE[kind] if pair_class == "unrelated" else _AT_HOME.get(kind, _BY_CHANCE[kind])


def expected_same(
    passes: Sequence[PassSpec], kinds: dict[str, FieldKind], by_chance: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return how probable it is that two records of a class have the same salt.

    Parameters
    ----------
    passes : sequence of PassSpec
        The passes.
    kinds : dict of str to str
        Kind of each field.
    by_chance : ndarray of float64, shape (n_passes,)
        Share among all pairs that have a salt.

    Returns
    -------
    ndarray of float64, shape (n_classes, n_passes)
    """
    table = np.tile(by_chance, (len(PASS_CLASSES), 1))
    for k, item in enumerate(passes):
        kind = kinds.get(item.salt)
        table[0, k] = _SAME_SALT.get(kind, _SELDOM_KNOWN) if kind else _SELDOM_KNOWN
        for c, pair_class in enumerate(PASS_CLASSES[1:-1], start=1):
            if kind is not None and is_shared(kind, pair_class):
                table[c, k] = _overlap(kind, pair_class)
    return table


def is_shared(kind: FieldKind, pair_class: PassClass) -> bool:
    """Whether a class has a kind's salt in common oftener than strangers have."""
    if pair_class == "match" or (pair_class, kind) == ("twins", "date"):
        return True
    return pair_class != "unrelated" and kind in _AT_HOME
