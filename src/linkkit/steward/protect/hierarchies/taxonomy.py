"""Categories: named groups of values, and orders with groups of neighbors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from linkkit.agreement import Generalization
from linkkit.errors import ProtectionError
from linkkit.steward.protect.hierarchies.steps import TOP, Plan, Step, range_text, refines
from linkkit.steward.protect.hierarchies.values import Values

__all__ = ["plan_categories", "plan_order"]

Taxonomies = Sequence[Mapping[str, Sequence[str]]]


def plan_categories(variable: str, values: Values, ways: Generalization) -> Plan:
    """Plan the values themselves, and then one level for each taxonomy.

    Raises
    ------
    ProtectionError
        When a taxonomy does not cover every value, names one twice, or splits a group of the
        level before.
    """
    texts = values.texts
    kept = Step(description="kept as it is", labels=texts, keeps_values=True)
    steps = _taxonomy_steps(variable, values, ways.groups or ())
    return Plan(steps=[kept, *steps] if ways.keep_values else steps, shown_as="set")


def plan_order(variable: str, values: Values, ways: Generalization) -> Plan:
    """Plan the values in their order, and then groups of neighbors.

    Raises
    ------
    ProtectionError
        When the order does not have every value, or as for taxonomies.
    """
    order = ways.order or ()
    texts = values.texts
    place = {value: i for i, value in enumerate(order)}
    problems = values.told([text not in place for text in texts], "are not in the order")
    if problems:
        raise ProtectionError(
            [f"quasi-identifier '{variable}': {problem}" for problem in problems],
            hint=f"Complete 'order' of quasi-identifier '{variable}'.",
        )
    ranks = [place[text] for text in texts]
    taxonomies = _taxonomy_steps(variable, values, ways.groups or ())
    named = [(step.description, step.labels) for step in taxonomies]
    levels = [(words, [(label, label) for label in labels]) for words, labels in named]
    levels += [_runs(order, ranks, n, ways) for n in ways.adjacent or ()]
    if ways.keep_values:
        levels.insert(0, ("kept as it is", [(text, text) for text in texts]))
    coded = _Coded(order, ranks, ways)
    steps = [coded.step(words, ends) for words, ends in levels]
    first = coded.ends(levels[0][1])
    return Plan(
        steps=steps,
        shown_as="range",
        positions=ranks,
        lows=[low for low, _ in first],
        highs=[high for _, high in first],
        kind="rank",
    )


def _runs(
    order: Sequence[str], ranks: Sequence[int], n: int, ways: Generalization
) -> tuple[str, list[tuple[str, str]]]:
    """Return groups of so many neighbors, by the values at their two ends."""
    lowest = 0 if ways.bottom is None else order.index(str(ways.bottom)) + 1
    highest = len(order) - 1 if ways.top is None else order.index(str(ways.top)) - 1
    ends = [(max(rank // n * n, lowest), min(rank // n * n + n - 1, highest)) for rank in ranks]
    texts = [(order[low], order[high]) if low <= high else ("", "") for low, high in ends]
    return f"{n} neighbors together", texts


class _Coded:
    """An order whose lowest and highest values may each be one group."""

    def __init__(self, order: Sequence[str], ranks: Sequence[int], ways: Generalization) -> None:
        self.ranks = ranks
        self.bottom, self.top = ways.bottom, ways.top
        self.lowest = -1 if ways.bottom is None else order.index(str(ways.bottom))
        self.highest = len(order) if ways.top is None else order.index(str(ways.top))
        self.coded = any(not self.lowest < rank < self.highest for rank in ranks)

    def step(self, words: str, ends: Sequence[tuple[str, str]]) -> Step:
        """Return a level with its labels."""
        bounds = [
            *([range_text("", str(self.bottom), "rank")] if self.bottom is not None else []),
            *([range_text(str(self.top), "", "rank")] if self.top is not None else []),
        ]
        together = f", {' and '.join(bounds)} together" if bounds else ""
        return Step(
            description=words + together,
            labels=[range_text(low, high, "rank") for low, high in self.ends(ends)],
            keeps_values=words == "kept as it is" and not self.coded,
        )

    def ends(self, ends: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the ends of each value's group."""
        return [self._end(rank, end) for rank, end in zip(self.ranks, ends, strict=True)]

    def _end(self, rank: int, end: tuple[str, str]) -> tuple[str, str]:
        if rank <= self.lowest:
            return "", str(self.bottom)
        return (str(self.top), "") if rank >= self.highest else end


def _taxonomy_steps(variable: str, values: Values, taxonomies: Taxonomies) -> list[Step]:
    found = list(_tell(values, taxonomies))
    problems = [problem for _, wrong in found for problem in wrong]
    steps = [step for step, _ in found]
    if not problems:
        problems = [
            f"taxonomy {i + 1} splits a group of taxonomy {i}"
            for i in range(1, len(steps))
            if not refines(steps[i - 1].labels, steps[i].labels)
        ]
    if problems:
        raise ProtectionError(
            [f"quasi-identifier '{variable}': {problem}" for problem in problems],
            hint=f"Correct 'groups' of quasi-identifier '{variable}': every value "
            "must stand in exactly one group of each taxonomy.",
        )
    return steps


def _tell(values: Values, taxonomies: Taxonomies) -> Iterator[tuple[Step, list[str]]]:
    texts = values.texts
    for i, taxonomy in enumerate(taxonomies, start=1):
        group = {value: name for name, members in taxonomy.items() for value in members}
        named = Counter(value for members in taxonomy.values() for value in set(members))
        n_twice = sum(n > 1 for n in named.values())
        problems = values.told(
            [text not in group for text in texts], f"are in no group of taxonomy {i}"
        )
        if n_twice:
            problems.append(f"{n_twice} values are in more than one group of taxonomy {i}")
        labels = [group.get(text, TOP) for text in texts]
        yield Step(description=f"grouped by taxonomy {i}", labels=labels), problems
