"""What is expected of passes before any pair is seen, for each class of pairs.

How much of its tokens two records share in each kind of field, and how often they have the same
salt. The data correct both; these decide which class is which.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind, SaltPart
from linkkit.exchange import EncodingSpec, PassSpec, SaltField

__all__ = [
    "N_MATCHING",
    "PASS_CLASSES",
    "WORN",
    "coincidences",
    "equal_by_chance",
    "expected_overlap",
    "expected_same",
    "n_values",
]

PassClass = Literal["match", "worn", "twins", "household", "namesakes", "unrelated"]
"""Same person; same person with errors in most fields; twins; other people of one family or address;
of one name; of nothing in common."""

PASS_CLASSES: tuple[PassClass, ...] = (
    "match",
    "worn",
    "twins",
    "household",
    "namesakes",
    "unrelated",
)
N_MATCHING = 2
"""The first classes are of one person."""

WORN = 1
"""The second of them has errors in most fields."""

_BY_CHANCE: dict[FieldKind, float] = {
    "given_name": 0.08,
    "surname": 0.08,
    "name": 0.10,
    "guardian_name": 0.10,
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

_EQUAL_BY_CHANCE: dict[FieldKind, float] = {
    "given_name": 0.01,
    "surname": 0.004,
    "name": 0.0005,
    "guardian_name": 0.0005,
    "date": 0.0005,
    "street_address": 0.001,
    "city": 0.05,
    "postal_code": 0.02,
    "phone": 0.001,
    "email": 0.0005,
    "identifier": 0.0005,
    "ssn4": 0.0005,
    "number": 0.01,
    "text": 0.01,
}
"""Share of pairs of strangers whose values are equal, or nearly so."""

_AT_HOME: dict[FieldKind, float] = {
    "surname": 0.90,
    "guardian_name": 0.85,
    "street_address": 0.90,
    "city": 0.97,
    "postal_code": 0.97,
    "phone": 0.85,
}
_OF_TWINS: dict[FieldKind, float] = {**_AT_HOME, "date": 0.97}
_OF_NAMESAKES: dict[FieldKind, float] = {"given_name": 0.95, "surname": 0.95, "name": 0.95}

_SAME_IN: dict[PassClass, dict[FieldKind, float]] = {
    "match": {},
    "worn": {},
    "twins": _OF_TWINS,
    "household": _AT_HOME,
    "namesakes": _OF_NAMESAKES,
    "unrelated": {},
}
_SAME_SALT: dict[FieldKind, float] = {
    "given_name": 0.88,
    "surname": 0.90,
    "name": 0.88,
    "date": 0.92,
    "city": 0.85,
    "postal_code": 0.82,
    "phone": 0.70,
    "street_address": 0.72,
    "email": 0.68,
    "identifier": 0.85,
}
"""Share of pairs of one person that have the same salt, by the salt's kind."""

_SAME_INITIAL = 0.95
_SAME_WORN = 0.75
"""Of pairs with errors in most fields: how much more seldom each part of a salt is the same."""

_DATES: dict[SaltPart, float] = {"year": 60, "year_day": 1_000, "month_day": 366}
_WHOLE: dict[FieldKind, float] = {
    "date": 15_000,
    "postal_code": 150,
    "surname": 500,
    "given_name": 150,
    "name": 5_000,
    "city": 30,
}
_WHOLE_NUMBERS = 3_000.0
_OF_DIGITS: tuple[FieldKind, ...] = ("identifier", "phone")
_PREFIXES = (12.0, 70.0, 250.0, 400.0)
"""How many values are as good as equally common: so seldom do strangers have the same."""


def coincidences(item: PassSpec) -> list[tuple[float, float]]:
    """Return what strangers with one salt have in common: overlaps, and how often each occurs.

    Most share what chance gives in every field; some have one field's value in common besides the
    salt, a given name, say. In a town with few postal codes that is many pairs.
    """
    in_salt = {source.name for source in item.salt}
    beside = [field for field in item.fields if field.name not in in_salt]
    rare = [
        (expected_overlap(item, "unrelated", equal={field.name}), _EQUAL_BY_CHANCE[field.kind])
        for field in beside
        if field.kind in _EQUAL_BY_CHANCE
    ]
    usual = (expected_overlap(item, "unrelated"), 1 - sum(share for _, share in rare))
    return [usual, *rare]


def equal_by_chance(kind: FieldKind) -> float:
    """Return the share of pairs of strangers whose values are equal, or nearly so."""
    return _EQUAL_BY_CHANCE.get(kind, 0.0)


def expected_overlap(item: PassSpec, pair_class: PassClass, *, equal: Container[str] = ()) -> float:
    """Return the share of tokens, weighted by their bits, that two records with one salt share.

    With `equal`, of those who have the values of these fields in common.
    """
    parts: dict[str, SaltPart] = {source.name: source.part for source in item.salt}
    weights = [field.n_hashes * field.typical_tokens for field in item.fields]
    shares = [
        max(
            _SAME_IN[pair_class].get(field.kind, _BY_CHANCE[field.kind]),
            _in_salt(parts[field.name]) if field.name in parts else 0.0,
            1.0 if field.name in equal else 0.0,
        )
        for field in item.fields
    ]
    return float(np.average(shares, weights=weights))


def _in_salt(part: SaltPart) -> float:
    """Return the share of a value's tokens that follows from a part of it."""
    if part == "whole":
        return 1.0
    return min(0.15 + 0.12 * abs(part), 0.9) if isinstance(part, int) else 0.65


def expected_same(spec: EncodingSpec) -> npt.NDArray[np.float64]:
    """Return how probable it is that two records of a class have the same salt.

    Returns
    -------
    ndarray of float64, shape (n_classes, n_passes)
    """
    kinds: dict[str, FieldKind] = {
        field.name: field.kind for item in spec.passes for field in item.fields
    }
    return np.array(
        [[_same(item.salt, kinds, c) for item in spec.passes] for c in PASS_CLASSES],
        dtype=np.float64,
    )


def _same(
    salt: Sequence[SaltField], kinds: Mapping[str, FieldKind], pair_class: PassClass
) -> float:
    probability = 1.0
    for source in salt:
        kind = kinds.get(source.name)
        if pair_class in PASS_CLASSES[:N_MATCHING]:
            is_initial = isinstance(source.part, int) and abs(source.part) == 1
            usual = _SAME_SALT.get(kind, 0.85) if kind else 0.85
            probability *= max(usual, _SAME_INITIAL) if is_initial else usual
            probability *= _SAME_WORN if pair_class == "worn" else 1.0
        else:
            shared = _SAME_IN[pair_class].get(kind, 0.0) if kind else 0.0
            probability *= max(shared, 1 / n_values(kind, source.part))
    return probability


def n_values(kind: FieldKind | None, part: SaltPart) -> float:
    """Return how many values a part of a salt has, were they equally common."""
    if isinstance(part, int):
        n = abs(part)
        if kind in _OF_DIGITS:
            return float(min(10**n, _WHOLE_NUMBERS))
        return _PREFIXES[min(n, len(_PREFIXES)) - 1]
    if part == "house":
        return _WHOLE_NUMBERS
    if part != "whole":
        return _DATES[part]
    return _WHOLE.get(kind, _WHOLE_NUMBERS) if kind else _WHOLE_NUMBERS
