"""The slow, obvious twin of `costs` and `population`: one class, one person at a time."""

from __future__ import annotations

from collections.abc import Sequence

from linkkit.steward.protect.hierarchies import LOSS_UNITS, Hierarchy
from linkkit.steward.protect.methods.costs import Shown
from linkkit.steward.protect.models import MissingPolicy

__all__ = ["class_loss_reference", "fits_reference"]


def class_loss_reference(
    hierarchies: Sequence[Hierarchy],
    members: Sequence[Sequence[int]],
    everybody: Sequence[Sequence[int]],
    *,
    shown: Shown,
    missing: MissingPolicy,
) -> float:
    """Return what each person of a class loses, from 0 to the number of quasi-identifiers.

    Parameters
    ----------
    hierarchies : sequence of Hierarchy
        One for each quasi-identifier.
    members, everybody : sequence of sequences of int
        The finest groups of the people of the class, and of all people.
    shown : {"tight", "levels"}
        What a class shows.
    missing : {"category", "wildcard", "suppress"}
        What a missing value is.
    """
    total = 0.0
    for column, hierarchy in enumerate(hierarchies):
        last = hierarchy.n_groups - 1
        mine = {codes[column] for codes in members}
        known = mine - {last}
        if missing == "wildcard" or not known:
            mine = known
        if not mine:
            continue
        if shown == "levels" or hierarchy.shown_as == "level":
            total += _level_loss(hierarchy, mine)
        elif hierarchy.shown_as == "range":
            total += 1.0 if last in mine else _range_loss(hierarchy, mine)
        else:
            occurs = any(codes[column] == last for codes in everybody)
            n_values = int(hierarchy.sizes[:-1].sum()) + (occurs and missing != "wildcard")
            held = int(sum(hierarchy.sizes[group] for group in mine))
            total += held / n_values if held > 1 else 0.0
    return total


def _range_loss(hierarchy: Hierarchy, groups: set[int]) -> float:
    low = min(hierarchy.lows[group] for group in groups)
    high = max(hierarchy.highs[group] for group in groups)
    first, last = min(hierarchy.lows[:-1]), max(hierarchy.highs[:-1])
    return float((high - low) / (last - first)) if last > first else 0.0


def _level_loss(hierarchy: Hierarchy, groups: set[int]) -> float:
    for level in hierarchy.levels:
        if len({int(level.groups[group]) for group in groups}) == 1:
            return int(level.losses[min(groups)]) / LOSS_UNITS
    return 1.0


def fits_reference(
    hierarchies: Sequence[Hierarchy],
    members: Sequence[Sequence[int]],
    person: Sequence[int],
    *,
    shown: Shown,
    missing: MissingPolicy,
) -> bool:
    """Return whether a person of the population fits what is shown of a class."""
    for column, hierarchy in enumerate(hierarchies):
        last = hierarchy.n_groups - 1
        mine, value = {codes[column] for codes in members}, person[column]
        if missing == "wildcard":
            mine -= {last}
            if not mine or value == last:
                continue
        if shown == "levels" or hierarchy.shown_as == "level":
            fits = _in_level(hierarchy, mine, value)
        elif hierarchy.shown_as == "set" or mine == {last}:
            fits = value in mine
        elif last in mine:
            fits = True
        else:
            fits = value != last and (
                min(hierarchy.lows[group] for group in mine) <= hierarchy.lows[value]
                and hierarchy.highs[value] <= max(hierarchy.highs[group] for group in mine)
            )
        if not fits:
            return False
    return True


def _in_level(hierarchy: Hierarchy, groups: set[int], value: int) -> bool:
    for level in hierarchy.levels:
        if len({int(level.groups[group]) for group in groups}) == 1:
            return bool(level.groups[value] == level.groups[min(groups)])
    return True
