"""Privacy models: what every class of a protected table has to keep.

A class is the people who share one combination of quasi-identifiers. Models are combined
freely: a class has to keep all of them. Each becomes only easier to keep when classes are
merged, which is what every method relies on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Literal, TypeAlias

from linkkit.errors import OptionError

__all__ = [
    "DeltaPresence",
    "DistinctLDiversity",
    "EntropyLDiversity",
    "HouseholdKAnonymity",
    "KAnonymity",
    "KMap",
    "MissingPolicy",
    "PrivacyModel",
    "RecursiveLDiversity",
    "TCloseness",
    "sensitive_of",
]

MissingPolicy = Literal["category", "wildcard", "suppress"]
"""What a missing value of a quasi-identifier is: ``category``, a value like any other;
``wildcard``, a value that agrees with every value, and stays missing in the result;
``suppress``, a reason to withhold the row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KAnonymity:
    """At least `k` people in every class (Sweeney 2002).

    People, not rows: where a person has several rows, a class counts each person once.

    Parameters
    ----------
    k : int
        2 or more.

    Examples
    --------
    >>> KAnonymity(k=5)
    KAnonymity(k=5)
    """

    k: int

    def __post_init__(self) -> None:
        _set(self, "k", _whole("k", self.k, at_least=2))


@dataclass(frozen=True, kw_only=True, slots=True)
class HouseholdKAnonymity:
    """People of at least `k` households in every class.

    A large family that shares a combination is then no class of its own. Somebody without a
    household counts as a household of one.

    Parameters
    ----------
    k : int
        2 or more.

    Examples
    --------
    >>> HouseholdKAnonymity(k=3)
    HouseholdKAnonymity(k=3)
    """

    k: int

    def __post_init__(self) -> None:
        _set(self, "k", _whole("k", self.k, at_least=2))


@dataclass(frozen=True, kw_only=True, slots=True)
class KMap:
    """At least `k` people of a population who fit what is shown of a class (Sweeney 2002).

    Parameters
    ----------
    k : int
        2 or more.
    population : table
        One row for each person of the population (pandas, Polars or Arrow), with a column for
        each quasi-identifier, in the values of the data before protection.

    Examples
    --------
    >>> import pyarrow as pa
    >>> KMap(k=5, population=pa.table({"age": [9, 9, 10]}))
    KMap(k=5)
    """

    k: int
    population: Any = field(repr=False)

    def __post_init__(self) -> None:
        _set(self, "k", _whole("k", self.k, at_least=2))


@dataclass(frozen=True, kw_only=True, slots=True)
class DistinctLDiversity:
    """At least `l` different values of a sensitive variable in every class.

    Machanavajjhala et al. 2007, "l-diversity: Privacy beyond k-anonymity". A missing value
    counts as one value.

    Parameters
    ----------
    sensitive : str
        The variable.
    l : int
        2 or more.

    Examples
    --------
    >>> DistinctLDiversity(sensitive="diagnosis", l=3)
    DistinctLDiversity(sensitive='diagnosis', l=3)
    """

    sensitive: str
    l: int  # noqa: E741

    def __post_init__(self) -> None:
        _require_name(self.sensitive)
        _set(self, "l", _whole("l", self.l, at_least=2))


@dataclass(frozen=True, kw_only=True, slots=True)
class EntropyLDiversity:
    """The entropy of a sensitive variable in every class is at least ``log(l)``.

    Machanavajjhala et al. 2007.

    Parameters
    ----------
    sensitive : str
        The variable.
    l : float
        More than 1.

    Examples
    --------
    >>> EntropyLDiversity(sensitive="diagnosis", l=2.5)
    EntropyLDiversity(sensitive='diagnosis', l=2.5)
    """

    sensitive: str
    l: float  # noqa: E741

    def __post_init__(self) -> None:
        _require_name(self.sensitive)
        _set(self, "l", _number("l", self.l, above=1.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class RecursiveLDiversity:
    """Recursive (c, l)-diversity: the most common value is less than `c` times the rarer ones.

    With the counts of the values in a class from large to small, ``r[1] < c * (r[l] + r[l+1]
    + ...)`` (Machanavajjhala et al. 2007).

    Parameters
    ----------
    sensitive : str
        The variable.
    c : float
        More than 0.
    l : int
        2 or more.

    Examples
    --------
    >>> RecursiveLDiversity(sensitive="diagnosis", c=3, l=2)
    RecursiveLDiversity(sensitive='diagnosis', c=3, l=2)
    """

    sensitive: str
    c: float
    l: int  # noqa: E741

    def __post_init__(self) -> None:
        _require_name(self.sensitive)
        _set(self, "c", _number("c", self.c, above=0.0))
        _set(self, "l", _whole("l", self.l, at_least=2))


@dataclass(frozen=True, kw_only=True, slots=True)
class TCloseness:
    """A sensitive variable is spread in every class as in all people, up to a distance `t`.

    Li, Li and Venkatasubramanian 2007, "t-closeness: Privacy beyond k-anonymity and
    l-diversity". The distance is the earth mover's:

    - ``equal``: all values are equally far from each other (total variation);
    - ``ordered``: the distance of two values is the difference of their ranks among the
      distinct values that occur, over the number of these less one;
    - ``hierarchical``: the height of their lowest common group over the height of `hierarchy`.

    Parameters
    ----------
    sensitive : str
        The variable.
    t : float
        From 0 up to 1, not 0.
    distance : {"equal", "ordered", "hierarchical"}, default "equal"
        Ordered is for numbers and dates, and with `order` for text and categories.
    hierarchy : mapping of str to sequence of str, optional
        For each value, its groups from fine to coarse, all of the same length; the last group
        must be the same for all. A text is the only group of a value. Only with ``distance="hierarchical"``.
    order : sequence of str, optional
        The values of a column of text or categories from least to most, two or more, all that
        occur among them. What does not occur has no rank: an order that is padded with values
        that nobody has would make all distances smaller. Only with ``distance="ordered"``.

    Examples
    --------
    >>> TCloseness(sensitive="score", t=0.2, distance="ordered")
    TCloseness(sensitive='score', t=0.2, distance='ordered')
    >>> TCloseness(sensitive="risk", t=0.2, distance="ordered", order=("low", "middle", "high"))
    TCloseness(sensitive='risk', t=0.2, distance='ordered')
    """

    sensitive: str
    t: float
    distance: Literal["equal", "ordered", "hierarchical"] = "equal"
    hierarchy: Mapping[str, tuple[str, ...]] | None = field(default=None, repr=False)
    order: tuple[str, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _require_name(self.sensitive)
        _set(self, "t", _number("t", self.t, above=0.0, at_most=1.0))
        if self.distance not in ("equal", "ordered", "hierarchical"):
            raise OptionError(
                "'distance' must be 'equal', 'ordered' or 'hierarchical'",
                hint="Use 'ordered' for what has an order, 'equal' for other categories.",
            )
        if (self.distance == "hierarchical") != (self.hierarchy is not None):
            raise OptionError(
                "'hierarchy' and distance 'hierarchical' go together",
                hint="Give the groups of each value, or another distance.",
            )
        if self.hierarchy is not None:
            _set(self, "hierarchy", _paths(self.hierarchy))
        if self.order is not None:
            if self.distance != "ordered":
                raise OptionError(
                    "'order' goes with distance 'ordered'",
                    hint="Leave 'order' out, or write distance='ordered'.",
                )
            _set(self, "order", _ordered(self.order))


@dataclass(frozen=True, kw_only=True, slots=True)
class DeltaPresence:
    """Whether a person of a population is in the data can be told only within bounds.

    Nergiz, Atzori and Clifton 2007, "Hiding the presence of individuals from shared
    databases": among the people of the population who fit a class, the share who are in the
    data lies from `low` to `high`.

    Parameters
    ----------
    low, high : float
        From 0 to 1, ``low < high``.
    population : table
        As for :class:`KMap`; the people of the data are among them.

    Examples
    --------
    >>> import pyarrow as pa
    >>> DeltaPresence(low=0.0, high=0.5, population=pa.table({"age": [9, 9, 10]}))
    DeltaPresence(low=0.0, high=0.5)
    """

    low: float
    high: float
    population: Any = field(repr=False)

    def __post_init__(self) -> None:
        _set(self, "low", _number("low", self.low, above=None, at_least=0.0, at_most=1.0))
        _set(self, "high", _number("high", self.high, above=0.0, at_most=1.0))
        if self.low >= self.high:
            raise OptionError(
                "'low' must be smaller than 'high'", hint="For example low=0, high=0.5."
            )


PrivacyModel: TypeAlias = (
    KAnonymity
    | HouseholdKAnonymity
    | KMap
    | DistinctLDiversity
    | EntropyLDiversity
    | RecursiveLDiversity
    | TCloseness
    | DeltaPresence
)


def sensitive_of(models: Iterable[PrivacyModel]) -> tuple[str, ...]:
    """Return the sensitive variables that models name, each once.

    Examples
    --------
    >>> sensitive_of([KAnonymity(k=5), DistinctLDiversity(sensitive="grade", l=2)])
    ('grade',)
    """
    return tuple(
        dict.fromkeys(
            model.sensitive
            for model in models
            if isinstance(
                model, DistinctLDiversity | EntropyLDiversity | RecursiveLDiversity | TCloseness
            )
        )
    )


def _set(model: object, name: str, value: object) -> None:
    """Put a value of a frozen model into its plain type."""
    object.__setattr__(model, name, value)


def _paths(hierarchy: object) -> dict[str, tuple[str, ...]]:
    """Return the groups of each value, from fine to coarse."""
    problem = ""
    paths: dict[str, tuple[str, ...]] = {}
    if isinstance(hierarchy, Mapping):
        for value, path in hierarchy.items():
            if isinstance(path, Sequence):
                paths[value] = (path,) if isinstance(path, str) else tuple(path)
        n_wrong = len(hierarchy) - len(paths)
        n_wrong += sum(not all(isinstance(group, str) for group in p) for p in paths.values())
        if n_wrong:
            problem = f"'hierarchy' does not give groups as text for {n_wrong} values"
    else:
        problem = f"'hierarchy' must be a mapping, not a {type(hierarchy).__name__}"
    if problem:
        raise OptionError(
            problem, hint="Give the groups of each value, from fine to coarse, as a list of texts."
        )
    return paths


def _ordered(order: object) -> tuple[str, ...]:
    """Return the values of an order, from least to most."""
    values: list[object] = []
    problem = ""
    if isinstance(order, Iterable) and not isinstance(order, str | bytes | Mapping | Set):
        values = list(order)
    else:
        problem = f"'order' must be a sequence of texts, not a {type(order).__name__}"
    texts = tuple(str(value) for value in values if isinstance(value, str))
    n_repeated = len(texts) - len(set(texts))
    if len(texts) < len(values):
        problem = f"'order' has {len(values) - len(texts)} values that are not text"
    elif n_repeated:
        problem = f"'order' has {n_repeated} values more than once"
    elif not problem and len(texts) < 2:
        problem = "'order' must name two values or more"
    if problem:
        raise OptionError(
            problem, hint="Give each value once, from least to most: order=('low', 'high')."
        )
    return texts


def _require_name(value: object) -> None:
    if not isinstance(value, str) or not value:
        raise OptionError(
            "'sensitive' must be the name of a variable", hint="Give a column's name."
        )


def _whole(name: str, value: object, *, at_least: int) -> int:
    """Return a whole number of Python, or of numpy."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < at_least:
        raise OptionError(
            f"'{name}' must be a whole number of {at_least} or more", hint=f"For example {name}=5."
        )
    return int(value)


def _number(
    name: str,
    value: object,
    *,
    above: float | None,
    at_least: float = -math.inf,
    at_most: float = math.inf,
) -> float:
    """Return a number of Python, or of numpy; whole ones stay whole."""
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        number = int(value) if isinstance(value, Integral) else float(value)
    lowest = at_least if above is None else above
    if not math.isfinite(number) or not lowest <= number <= at_most or number == above:
        bounds = f"more than {above:g}" if above is not None else f"{at_least:g} or more"
        upper = f", at most {at_most:g}" if at_most < math.inf else ""
        raise OptionError(f"'{name}' must be a number, {bounds}{upper}", hint="Correct the model.")
    return number
