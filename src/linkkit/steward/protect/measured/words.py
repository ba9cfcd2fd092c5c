"""What was promised, in sentences for a reader who knows no model."""

from __future__ import annotations

from collections.abc import Sequence

from linkkit.steward.protect.models import (
    DeltaPresence,
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    KMap,
    MissingPolicy,
    PrivacyModel,
    RecursiveLDiversity,
    TCloseness,
)

__all__ = ["promise_words"]

_MISSING: dict[MissingPolicy, str] = {
    "category": "A missing value counts as a value of its own.",
    "wildcard": "A missing value agrees with every value, and stays missing.",
    "suppress": "Nobody with a missing value among these variables is in the data.",
}

_DISTANCES = {
    "equal": "all values are equally far apart",
    "ordered": "values are as far apart as their ranks",
    "hierarchical": "values are as far apart as their lowest common group is high",
}


def promise_words(models: Sequence[PrivacyModel], *, missing: MissingPolicy) -> tuple[str, ...]:
    """Return a sentence for each model, and one on missing values.

    Examples
    --------
    >>> for sentence in promise_words([KAnonymity(k=5)], missing="category"):
    ...     print(sentence)
    k-anonymity: every class has at least 5 people.
    A missing value counts as a value of its own.
    """
    return (*(_words(model) for model in models), _MISSING[missing])


def _words(model: PrivacyModel) -> str:
    match model:
        case KAnonymity(k=k):
            return f"k-anonymity: every class has at least {k} people."
        case HouseholdKAnonymity(k=k):
            return f"Households: every class has people of at least {k} households."
        case KMap(k=k):
            return f"k-map: at least {k} people of the population fit every class."
        case DeltaPresence(low=low, high=high):
            return (
                "Delta-presence: of the people of the population who fit a class, between "
                f"{low:.4g} and {high:.4g} of all are in the data."
            )
        case TCloseness(sensitive=name, t=t, distance=distance, order=order):
            where = _DISTANCES[distance]
            if order is not None:
                where += " in the order " + ", ".join(f"'{value}'" for value in order)
            return (
                f"t-closeness: '{name}' is spread in every class as in all people, up to a "
                f"distance of {t:.4g}, where {where}."
            )
        case _:
            return _diversity(model)


def _diversity(model: DistinctLDiversity | EntropyLDiversity | RecursiveLDiversity) -> str:
    name = model.sensitive
    match model:
        case DistinctLDiversity(l=l):
            return f"l-diversity: every class has at least {l} different values of '{name}'."
        case EntropyLDiversity(l=l):
            return (
                f"Entropy l-diversity: '{name}' is as uncertain in every class as {l:.4g} equally "
                "common values."
            )
        case RecursiveLDiversity(c=c, l=l):
            return (
                f"Recursive l-diversity: in every class the most common value of '{name}' has "
                f"fewer than {c:.4g} times the people of all values from the {l}th most common on."
            )
