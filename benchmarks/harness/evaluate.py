"""Judges links against the truth, the same way for every tool."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

Record = tuple[str, str]
Pair = frozenset[Record]


def true_pairs(folder: Path) -> set[Pair]:
    """Return all pairs of records of one person, each record as party and record id."""
    people: dict[str, list[tuple[str, str]]] = {}
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            people.setdefault(row["person"], []).append((row["party"], row["record_id"]))
    return {frozenset(pair) for group in people.values() for pair in combinations(group, 2)}


def quality(links: Iterable[Sequence[Sequence[str]]], truth: set[Pair]) -> dict[str, float]:
    """Return pair precision, recall and F1, 0 to 1, and the counts behind them."""
    found = {frozenset((one[0], one[1]) for one in link) for link in links}
    right = len(found & truth)
    precision = right / len(found) if found else 0.0
    recall = right / len(truth)
    both = precision + recall
    return {
        "n_found": len(found),
        "n_true": len(truth),
        "n_right": right,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / both if both else 0.0,
    }


def people_of(folder: Path) -> dict[Record, str]:
    """Return the person of each record, given as party and record id."""
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        return {(row["party"], row["record_id"]): row["person"] for row in csv.DictReader(file)}


def group_quality(
    groups: Iterable[Sequence[Sequence[str]]], people: dict[Record, str]
) -> dict[str, float]:
    """Return precision, recall and F1, 0 to 1, of pairs and of whole groups.

    A group is right if it holds all records of a person with two records or more, and no other.
    """
    size_of = Counter(people.values())
    n_pairs = n_right = n_groups = n_whole = 0
    for group in groups:
        n = len(group)
        if n < 2:
            continue
        persons = Counter(people[record[0], record[1]] for record in group)
        n_pairs += n * (n - 1) // 2
        n_right += sum(m * (m - 1) // 2 for m in persons.values())
        n_groups += 1
        n_whole += len(persons) == 1 and size_of[next(iter(persons))] == n
    n_true = sum(n * (n - 1) // 2 for n in size_of.values())
    n_several = sum(n > 1 for n in size_of.values())
    pairs = _rates(n_right, n_pairs, n_true)
    whole = _rates(n_whole, n_groups, n_several)
    return {**pairs, **{f"group_{name}": value for name, value in whole.items()}}


def _rates(n_right: int, n_found: int, n_true: int) -> dict[str, float]:
    precision = n_right / n_found if n_found else 0.0
    recall = n_right / n_true if n_true else 0.0
    both = precision + recall
    f1 = 2 * precision * recall / both if both else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}
