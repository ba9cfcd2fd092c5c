"""Households as rows of texts: how many there are of each size, with no small count among them."""

from __future__ import annotations

from linkkit.assess.inputs import is_small, shown_count
from linkkit.linkage.households import Households
from linkkit.report.words import percent

__all__ = ["household_facts", "size_rows"]

_SIZES_ALONE = 6


def size_rows(sizes: dict[int, int], cell: int | None) -> tuple[tuple[str, str], ...]:
    """Return how many households have so many people; large ones together, and small counts, too.

    A count that would be below `cell` is joined with that of smaller households, as a hidden one could be
    worked out from the totals.

    Examples
    --------
    >>> size_rows({1: 40, 2: 30, 3: 12, 4: 2, 9: 1}, 10)
    (('1 person', '40'), ('2 people', '30'), ('3 people and more', '15'))
    >>> size_rows({1: 40, 8: 3, 9: 1}, None)
    (('1 person', '40'), ('7 people and more', '4'))
    """
    counts: dict[int, int] = {}
    for size, n in sorted(sizes.items()):
        at = min(size, _SIZES_ALONE + 1)
        counts[at] = counts.get(at, 0) + n
    steps = sorted(counts)
    joined = len(sizes) > 0 and max(sizes) > _SIZES_ALONE
    while len(steps) > 1 and any(is_small(counts[step], cell) for step in steps):
        last = steps.pop()
        counts[steps[-1]] += counts.pop(last)
        joined = True
    return tuple(
        (_size(step, more=joined and step == steps[-1]), shown_count(counts[step], cell))
        for step in steps
    )


def _size(n: int, *, more: bool) -> str:
    people = "1 person" if n == 1 else f"{n} people"
    return f"{people} and more" if more else people


def household_facts(found: Households, cell: int | None) -> tuple[tuple[str, str], ...]:
    """Return what the report says of all households."""
    return (
        ("Households", shown_count(found.n_households, cell)),
        ("Fields that tell of a home", ", ".join(x.replace("_", " ") for x in found.evidence)),
        ("People without any of them", shown_count(found.n_without_evidence, cell)),
        (
            "Pairs of one household that are right, estimated",
            _with_interval(found.precision, found.precision_interval),
        ),
        (
            "Pairs of one household that were found, estimated",
            _with_interval(found.recall, found.recall_interval),
        ),
    )


def _with_interval(share: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{percent(share)} ({percent(low)} to {percent(high)})"
