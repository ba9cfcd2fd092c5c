"""Judges links against the truth, the same way for every tool."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

Pair = frozenset[tuple[str, str]]


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
