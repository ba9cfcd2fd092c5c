"""What the tool scripts share: arguments, CSV files in, JSON out. Standard library only.

Every script runs in its own process, in one of these ways:

    python TOOL.py link FOLDER OUT.json     the whole linkage once, stage by stage
    python TOOL.py rates FOLDER OUT.json    encoding and comparing alone, after a warm-up
    python TOOL.py tuned FOLDER OUT.json    the groups of records that many settings find
"""

from __future__ import annotations

import csv
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

Record = tuple[str, str]
"""Party and record id."""


class Data:
    """One prepared data set."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        document = json.loads((self.folder / "data.json").read_text())
        self.name: str = document["name"]
        self.fields: list[str] = document["fields"]
        self.parties: list[str] = list(document["parties"])
        self.clean: bool = document.get("clean", True)

    def path(self, party: str) -> Path:
        return self.folder / f"{party}.csv"

    def rows(self, party: str) -> list[list[str]]:
        """Return the rows below the header: the record id, then the fields."""
        with self.path(party).open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))[1:]


class Stages:
    """Wall-clock seconds by stage, in the order in which they ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def seconds_of(function: Callable[[], Any]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def pairs_of(groups: Sequence[Sequence[Record]]) -> list[tuple[Record, Record]]:
    """Return every pair within each group of records."""
    return [pair for group in groups for pair in combinations(sorted(group), 2)]


def one_record_of_each_party(best_first: Sequence[tuple[Record, Record]]) -> list[list[Record]]:
    """Join records pair by pair, never two of one party into one group."""
    group_of: dict[Record, list[Record]] = {}
    for one, other in best_first:
        left = group_of.setdefault(one, [one])
        right = group_of.setdefault(other, [other])
        if left is right or {party for party, _ in left} & {party for party, _ in right}:
            continue
        left += right
        group_of.update(dict.fromkeys(right, left))
    return list({id(group): group for group in group_of.values()}.values())


def components(pairs: Sequence[tuple[Record, Record]]) -> list[list[Record]]:
    """Join records pair by pair, whoever they are."""
    group_of: dict[Record, list[Record]] = {}
    for one, other in pairs:
        left = group_of.setdefault(one, [one])
        right = group_of.setdefault(other, [other])
        if left is not right:
            left += right
            group_of.update(dict.fromkeys(right, left))
    return list({id(group): group for group in group_of.values()}.values())


def peak_memory_mb() -> float:
    """Return the largest memory of this process or of one that it started, in MB."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    largest = max(resource.getrusage(kind).ru_maxrss for kind in kinds)
    return largest / (1024 * 1024 if sys.platform == "darwin" else 1024)


def main(
    *,
    link: Callable[[Data, Stages], list[tuple[Record, Record]]],
    rates: Callable[[Data], dict[str, float]],
    packages: Sequence[str],
    tuned: Callable[[Data], Iterator[tuple[str, list[list[Record]]]]] | None = None,
) -> None:
    """Run a tool script; `tuned` yields each setting and the groups of records that it finds."""
    mode, folder, out = sys.argv[1:]
    data = Data(folder)
    answer: dict[str, Any] = {}
    if mode == "link":
        stages = Stages()
        answer["links"] = link(data, stages)
        answer["stages"] = stages.seconds
        answer["peak_memory_mb"] = peak_memory_mb()
    elif mode == "tuned" and tuned is not None:
        answer["settings"] = [
            {"setting": setting, "groups": groups} for setting, groups in tuned(data)
        ]
    else:
        answer["rates"] = rates(data)
    answer["versions"] = {name: version(name) for name in packages}
    Path(out).write_text(json.dumps(answer))
