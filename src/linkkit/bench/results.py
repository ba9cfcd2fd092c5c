"""What was measured: figures by tool, stage and size, their medians, growth and ratios; the history.

In: what each process measured. Out: one JSON document, format ``linkkit-bench/1``, to which every
run is added.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Literal

from linkkit.errors import BenchmarkError, OptionError
from linkkit.exchange.atomic import atomic_text

__all__ = [
    "FORMAT",
    "BenchRun",
    "Measurement",
    "add_to_history",
    "read_history",
    "require_no_failure",
    "require_writable",
]

FORMAT = "linkkit-bench/1"
OWN = "linkkit"

Status = Literal["measured", "not installed", "left out", "failed"]
_SECONDS_OF = "cpu_seconds"


@dataclass(kw_only=True, slots=True)
class Measurement:
    """One tool at one stage and size.

    Attributes
    ----------
    tool, stage : str
        What was measured.
    profile : str or None
        Of linkkit's encodings, where there are any.
    n_rows : int
        Rows of each file; 0 where there is none.
    status : {"measured", "not installed", "left out", "failed"}
        Whether there are figures.
    note : str
        Why not.
    runs : list of dict
        The figures of each repeat: ``clock_seconds``, ``cpu_seconds``, ``peak_memory_mb`` and, where
        they are known, ``n_comparisons``, ``n_candidates``, ``n_links``, ``precision``, ``recall`` and
        ``recall_with_errors``.
    """

    tool: str
    stage: str
    n_rows: int
    profile: str | None = None
    status: Status = "measured"
    note: str = ""
    runs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def medians(self) -> dict[str, float]:
        """The median of every figure that is a number."""
        names = dict.fromkeys(name for run in self.runs for name in run)
        found: dict[str, float] = {}
        for name in names:
            numbers = [run[name] for run in self.runs if _is_number(run.get(name))]
            if numbers:
                found[name] = median(numbers)
        for what in ("records", "comparisons"):
            if f"n_{what}" in found and found[_SECONDS_OF] > 0:
                found[f"{what}_per_cpu_second"] = found[f"n_{what}"] / found[_SECONDS_OF]
        return found

    @property
    def label(self) -> str:
        """What is measured, in words."""
        return f"{self.tool}, {self.profile}" if self.profile else self.tool

    @property
    def is_measured(self) -> bool:
        """Whether there are figures."""
        return self.status == "measured" and bool(self.runs)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(kw_only=True, slots=True)
class BenchRun:
    """One run of the benchmark: machine, versions, options and all measurements.

    Attributes
    ----------
    machine, options, versions : dict
        What it was measured on, how, and with what.
    measurements : list of Measurement
        In the order in which they were made.
    is_complete : bool
        False when the run was interrupted.
    """

    machine: dict[str, object]
    options: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    is_complete: bool = False

    @property
    def profiles(self) -> list[str]:
        """The profiles that were measured, the first to compare with first."""
        return list(self.options["profiles"])

    @property
    def failures(self) -> list[str]:
        """What failed, and why."""
        return [
            f"{item.label}, {item.stage}, {item.n_rows:,} rows: {item.note}"
            for item in self.measurements
            if item.status == "failed"
        ]

    def find(
        self, tool: str, stage: str, n_rows: int, profile: str | None = None
    ) -> Measurement | None:
        """Return the measurement of that name, if there is one with figures."""
        for item in self.measurements:
            key = (item.tool, item.stage, item.n_rows, item.profile)
            if key == (tool, stage, n_rows, profile) and item.is_measured:
                return item
        return None

    def ordered(self) -> list[Measurement]:
        """Return the measurements by stage, tool and size."""
        stages, tools = (
            list(dict.fromkeys(names))
            for names in (
                (*self.options["stages"], *(item.stage for item in self.measurements)),
                (OWN, *self.options["peers"]),
            )
        )
        return sorted(
            self.measurements,
            key=lambda item: (
                stages.index(item.stage),
                tools.index(item.tool),
                self.profiles.index(item.profile) if item.profile else 0,
                item.n_rows,
            ),
        )

    def growth(self) -> list[dict[str, Any]]:
        """Return how CPU time and memory grow from one size to the next, and over all sizes."""
        lines: dict[tuple[str, str, str | None], list[Measurement]] = {}
        for item in self.ordered():
            if item.is_measured and item.n_rows:
                lines.setdefault((item.tool, item.stage, item.profile), []).append(item)
        found = []
        for line in lines.values():
            steps = list(pairwise(line))
            if len(steps) > 1:
                steps.append((line[0], line[-1]))
            found += [_growth(small, large) for small, large in steps]
        return found

    def ratios(self) -> list[dict[str, Any]]:
        """Return the figures of peers, and of further profiles, divided by linkkit's first profile's.

        Peers that link plain text are compared with encoding and linking together as well.
        """
        found = []
        for item in self.ordered():
            is_first = item.tool == OWN and item.profile in (None, self.profiles[0])
            if item.is_measured and item.n_rows and not is_first:
                for name in _compared_with(item):
                    ratio = self._ratio(item, name)
                    found += [ratio] if ratio else []
        return found

    def _ratio(self, item: Measurement, stages: str) -> dict[str, Any] | None:
        first = self.profiles[0]
        per_profile = ("encode", "stream", "link")
        own = [
            self.find(OWN, stage, item.n_rows, first if stage in per_profile else None)
            for stage in stages.split(" + ")
        ]
        known = [part for part in own if part is not None]
        if not known or len(known) < len(own):
            return None
        ours, theirs = [part.medians for part in known], item.medians
        ratio: dict[str, Any] = {
            "of": item.label,
            "stage": item.stage,
            "to": f"{OWN}, {first}: {stages}" if known[-1].profile else f"{OWN}: {stages}",
            "n_rows": item.n_rows,
        }
        for name, total in (("cpu_seconds", sum), ("clock_seconds", sum), ("peak_memory_mb", max)):
            below = total([part.get(name, 0.0) for part in ours])
            ratio[name] = round(theirs[name] / below, 3) if below and name in theirs else None
        for name in ("precision", "recall", "recall_with_errors"):
            if name in theirs and name in ours[-1]:
                ratio[f"{name}_difference"] = round(theirs[name] - ours[-1][name], 4)
        return ratio

    def as_document(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return {
            "machine": self.machine,
            "versions": dict(sorted(self.versions.items())),
            "options": self.options,
            "is_complete": self.is_complete,
            "measurements": [
                {
                    "tool": item.tool,
                    "stage": item.stage,
                    "profile": item.profile,
                    "n_rows": item.n_rows,
                    "status": item.status,
                    "note": item.note,
                    "medians": item.medians,
                    "runs": item.runs,
                }
                for item in self.measurements
            ],
            "growth": self.growth(),
            "ratios": self.ratios(),
        }


def _compared_with(item: Measurement) -> tuple[str, ...]:
    if item.tool != OWN and item.stage == "link" and item.tool != "anonlink":
        return ("link", "encode + link")
    return (item.stage,)


def _growth(small: Measurement, large: Measurement) -> dict[str, Any]:
    found: dict[str, Any] = {
        "of": small.label,
        "stage": small.stage,
        "from_rows": small.n_rows,
        "to_rows": large.n_rows,
        "rows": round(large.n_rows / small.n_rows, 3),
    }
    for name in ("cpu_seconds", "clock_seconds", "peak_memory_mb"):
        before, after = small.medians.get(name), large.medians.get(name)
        found[name] = round(after / before, 3) if before and after is not None else None
    return found


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the runs of a file of earlier runs; none if there is no file.

    Raises
    ------
    OptionError
        When there is something else at that place, or it cannot be read.
    """
    problem = ""
    document: Any = None
    try:
        if not path.exists():
            return []
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problem = f"'{path}' cannot be read as JSON ({type(error).__name__})"
    if problem == "" and not (
        isinstance(document, dict)
        and document.get("format") == FORMAT
        and isinstance(document.get("runs"), list)
    ):
        problem = f"'{path}' exists and holds no results of format {FORMAT}"
    if problem:
        raise OptionError(problem, hint="Choose another path for the results.")
    return list(document["runs"])


def add_to_history(path: Path, earlier: Iterable[dict[str, Any]], run: BenchRun) -> None:
    """Write earlier runs and this one, whole or not at all.

    Raises
    ------
    SealError
        When the file cannot be written.
    """
    document = {"format": FORMAT, "runs": [*earlier, run.as_document()]}
    atomic_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def require_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before hours are spent on what it is to hold.

    Raises
    ------
    OptionError
        When no file can be made there.
    """
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        if path.is_dir():
            problem = "it is a folder"
    except OSError as error:
        problem = type(error).__name__
    if problem:
        raise OptionError(
            f"'{path}' cannot be written ({problem})", hint="Choose another path, or its rights."
        )


def require_no_failure(run: BenchRun) -> None:
    """Say what failed, once everything else is written.

    Raises
    ------
    BenchmarkError
        When a task of linkkit or of a peer failed.
    """
    if run.failures:
        raise BenchmarkError(
            run.failures,
            hint="All other figures are complete. Try smaller sizes, or leave it out.",
        )
