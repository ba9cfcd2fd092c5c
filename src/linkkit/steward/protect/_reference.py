"""The slow, obvious twin of `conditions`: one class at a time, in fractions, from the rows.

It is written from the definitions of the models and shares nothing with what it is held
against; entropy, which has no fraction, is compared as a product of powers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from linkkit.steward.protect.models import (
    DeltaPresence,
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    KMap,
    PrivacyModel,
    RecursiveLDiversity,
    TCloseness,
)

__all__ = ["keeps"]


def keeps(
    model: PrivacyModel,
    rows: Sequence[int],
    *,
    sensitive: Mapping[str, Sequence[Any]],
    person: Sequence[int],
    household: Sequence[int],
    population: int = 0,
) -> bool:
    """Return whether the class of the given rows keeps a model.

    Parameters
    ----------
    model : PrivacyModel
        What is asked.
    rows : sequence of int
        The rows of the class.
    sensitive : mapping of str to sequence
        Whole columns; None where missing.
    person, household : sequence of int
        Whose row it is, and which household theirs is, negative for none.
    population : int
        How many people of the population fit the class.

    Examples
    --------
    >>> keeps(KAnonymity(k=2), [0, 1], sensitive={}, person=[7, 7], household=[-1, -1])
    False
    """
    people = {person[row] for row in rows}
    match model:
        case KAnonymity():
            return len(people) >= model.k
        case HouseholdKAnonymity():
            homes = {
                ("home", household[row]) if household[row] >= 0 else ("alone", person[row])
                for row in rows
            }
            return len(homes) >= model.k
        case KMap():
            return bool(people) and population >= model.k
        case DeltaPresence():
            if not population:
                return False
            share = Fraction(len(people), population)
            return _exact(model.low) <= share <= _exact(model.high)
    column = sensitive[model.sensitive]
    inside = Counter(value for value, _ in {(column[row], person[row]) for row in rows})
    if isinstance(model, TCloseness):
        whole = Counter(value for value, _ in set(zip(column, person, strict=True)))
        return bool(people) and _distance(model, inside, whole) <= _exact(model.t)
    return bool(people) and _is_diverse(model, sorted(inside.values(), reverse=True))


def _exact(number: float) -> Fraction:
    return Fraction(str(number))


def _is_diverse(
    model: DistinctLDiversity | EntropyLDiversity | RecursiveLDiversity, counts: Sequence[int]
) -> bool:
    if isinstance(model, DistinctLDiversity):
        return len(counts) >= model.l
    if isinstance(model, RecursiveLDiversity):
        return bool(counts[0] < _exact(model.c) * sum(counts[model.l - 1 :]))
    n = sum(counts)
    return bool(n**n >= _exact(model.l) ** n * math.prod(c**c for c in counts))


def _distance(model: TCloseness, inside: Counter[Any], whole: Counter[Any]) -> Fraction:
    """Return how much must move how far, from one spread of values to the other."""
    extra = {
        value: Fraction(inside[value], inside.total()) - Fraction(n, whole.total())
        for value, n in whole.items()
    }
    if model.distance == "equal":
        return sum((abs(x) for x in extra.values()), Fraction(0)) / 2
    if model.distance == "ordered":
        order = list(model.order or sorted(value for value in extra if value is not None))
        ranked = [value for value in (*order, None) if value in extra]
        carried, moved = Fraction(0), Fraction(0)
        for value in ranked:
            carried += extra[value]
            moved += abs(carried)
        return moved / max(1, len(ranked) - 1)
    return _climbing(model.hierarchy or {}, extra)


def _climbing(hierarchy: Mapping[str, Sequence[str]], extra: Mapping[Any, Fraction]) -> Fraction:
    """Let surplus and lack meet in the lowest group where they can, level by level."""
    height = len(next(iter(hierarchy.values())))
    open_: dict[Any, list[Fraction]] = {}
    for value, x in extra.items():
        path = ("missing",) * (height - 1) if value is None else tuple(hierarchy[str(value)][:-1])
        node = (value is None, *reversed(path)) if height > 1 else ("top",)
        open_.setdefault(node, []).append(x)
    moved = Fraction(0)
    for level in range(1, height + 1):
        above: dict[Any, list[Fraction]] = {}
        for node, parts in open_.items():
            surplus = sum((x for x in parts if x > 0), Fraction(0))
            lack = -sum((x for x in parts if x < 0), Fraction(0))
            moved += min(surplus, lack) * Fraction(level, height)
            above.setdefault(node[:-1] if len(node) > 2 else ("top",), []).append(surplus - lack)
        open_ = above
    return moved
