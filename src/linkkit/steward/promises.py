"""What a protected data set promises, as plain data that goes with it.

`protect` writes the promises down and `release` measures them again; this is all that the two
share. Nothing here computes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, TypeAdapter

__all__ = [
    "Codebook",
    "ModelPromise",
    "PromisedAverages",
    "PromisedCloseness",
    "PromisedDistinctL",
    "PromisedEntropyL",
    "PromisedHouseholdK",
    "PromisedK",
    "PromisedKMap",
    "PromisedPresence",
    "PromisedRecursiveL",
    "PromisedSafeHarbor",
    "PromisedShift",
    "Promises",
    "Shown",
    "promises_from_json",
    "promises_to_json",
]

Plain: TypeAlias = str | int | float | bool | None
"""A value as JSON has it; a date is its ISO 8601 text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedK:
    """At least `k` people in each class."""

    k: int
    model: Literal["k-anonymity"] = "k-anonymity"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedHouseholdK:
    """People of at least `k` households in each class; without a household, of one's own."""

    k: int
    model: Literal["household k-anonymity"] = "household k-anonymity"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedKMap:
    """At least `k` people of the population fit what is shown of each class."""

    k: int
    model: Literal["k-map"] = "k-map"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedDistinctL:
    """At least `l` different values in each class; missing is one of them."""

    sensitive: str
    l: int  # noqa: E741
    model: Literal["distinct l-diversity"] = "distinct l-diversity"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedEntropyL:
    """An entropy of at least ``log(l)`` in each class."""

    sensitive: str
    l: float  # noqa: E741
    model: Literal["entropy l-diversity"] = "entropy l-diversity"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedRecursiveL:
    """The commonest value is less than `c` times those from the `l`-th commonest on."""

    sensitive: str
    c: float
    l: int  # noqa: E741
    model: Literal["recursive l-diversity"] = "recursive l-diversity"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PromisedCloseness:
    """A distance of at most `t` between the values of each class and those of everybody.

    Attributes
    ----------
    sensitive : str
        The variable.
    t : float
        The largest distance.
    distance : {"equal", "ordered", "hierarchical"}
        How far two values are apart.
    hierarchy : mapping of str to tuple of str, optional
        For each value, its groups from fine to coarse; with ``hierarchical``.
    order : tuple of str, optional
        The values from least to most; with ``ordered``, where they are no numbers or dates.
    overall : tuple of (value, int), optional
        How many people of the data had each value before anybody was withheld; None for those
        of the file.
    """

    sensitive: str
    t: float
    distance: Literal["equal", "ordered", "hierarchical"] = "equal"
    hierarchy: Mapping[str, tuple[str, ...]] | None = None
    order: tuple[str, ...] | None = None
    overall: tuple[tuple[Plain, int], ...] | None = None
    model: Literal["t-closeness"] = "t-closeness"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedPresence:
    """Of the population that fits what is shown of a class, a share from `low` to `high` is in it."""

    low: float
    high: float
    model: Literal["delta-presence"] = "delta-presence"


ModelPromise: TypeAlias = (
    PromisedK
    | PromisedHouseholdK
    | PromisedKMap
    | PromisedDistinctL
    | PromisedEntropyL
    | PromisedRecursiveL
    | PromisedCloseness
    | PromisedPresence
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedAverages:
    """At least `k` people share each combination of these variables.

    Each value is the mean or median of theirs. Rows that lack all of the variables show nothing
    and are not counted; a row that lacks some of them shares its combination with `k` people who
    lack the same.
    """

    variables: tuple[str, ...]
    k: int
    statistic: Literal["mean", "median"] = "mean"


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedShift:
    """All dates of a person in these variables are moved by one number of days, never zero.

    Up to `max_days` in either direction. Nothing in a file tells whether that was done, so this is
    promised and not measured.
    """

    variables: tuple[str, ...]
    max_days: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PromisedSafeHarbor:
    """The data keep to 45 CFR 164.514(b)(2)(i), of which the files tell this much.

    No column is of dates; no cell of `zips` has more than three digits or begins with one of
    `hidden_zips`; no cell of `ages` tells an age of 90 or over.
    """

    zips: tuple[str, ...] = ()
    hidden_zips: tuple[str, ...] = ()
    ages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a label that is shown covers of the values before protection.

    With neither values nor bounds it covers everything, missing included.

    Attributes
    ----------
    label : str
        As it is in the file.
    values : tuple of str, optional
        The values, as text; truth values as ``true`` and ``false``.
    low, high : float or str, optional
        The smallest and largest value, both covered; an ISO 8601 date for dates.
    missing : bool
        Whether it covers missing values too.
    """

    label: str
    values: tuple[str, ...] | None = None
    low: float | str | None = None
    high: float | str | None = None
    missing: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Codebook:
    """All labels of a quasi-identifier; a label that is not listed covers the value it is."""

    variable: str
    shown: tuple[Shown, ...]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Promises:
    """All that is promised of a file.

    Attributes
    ----------
    models : tuple of ModelPromise
        Each is kept by every class.
    quasi_identifiers : tuple of str
        The columns that form classes.
    missing : {"category", "wildcard", "suppress"}
        What an empty cell of these is: a value like any other; one that agrees with every
        value; something that does not occur.
    codebook : tuple of Codebook
        Of quasi-identifiers that show something else than values; needed with a population.
    averages : PromisedAverages, optional
        Variables that are microaggregated.
    shift : PromisedShift, optional
        Dates that are moved.
    safe_harbor : PromisedSafeHarbor, optional
        That the data keep to HIPAA Safe Harbor.
    """

    models: tuple[Annotated[ModelPromise, Discriminator("model")], ...]
    quasi_identifiers: tuple[str, ...]
    missing: Literal["category", "wildcard", "suppress"] = "category"
    codebook: tuple[Codebook, ...] = ()
    averages: PromisedAverages | None = None
    shift: PromisedShift | None = None
    safe_harbor: PromisedSafeHarbor | None = None


_PROMISES = TypeAdapter(Promises)


def promises_to_json(promises: Promises) -> str:
    """Write promises as JSON."""
    return _PROMISES.dump_json(promises).decode("utf-8")


def promises_from_json(text: str) -> Promises:
    """Read promises from JSON.

    Raises
    ------
    ValueError
        When the text is something else.

    Examples
    --------
    >>> promises = Promises(models=(PromisedK(k=5),), quasi_identifiers=("age",))
    >>> promises_from_json(promises_to_json(promises)) == promises
    True
    """
    return _PROMISES.validate_json(text)
