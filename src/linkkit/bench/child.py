"""Runs one task in a fresh process and measures it. Standard library only.

Started by path, in linkkit's own environment or in a peer's, which has no linkkit:

    PYTHONSAFEPATH=1 python child.py JOB.json

A task is a generator. What it does up to the mark "imported" is importing, up to "ready" loading
what it works on, and what it does from there to "done" is measured. Afterwards it saves its
results and returns figures of its own.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

Job = dict[str, Any]
Mark = Literal["imported", "ready", "done"]
Task = Callable[[Job], Generator[Mark, None, dict[str, Any]]]


def main(path: str) -> int:
    """Run the job of a file and write what was measured where it says; returns the exit status."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    answer: dict[str, Any]
    try:
        warnings.simplefilter("ignore")
        answer = measured(_tasks_of(job["module"])[job["task"]], job)
        answer["versions"] = _versions_of(job["packages"])
    except Exception as error:  # noqa: BLE001  # whatever a tool raises is its result; data are made up
        lines = str(error).strip().splitlines()
        answer = {"error": f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]}
    Path(job["answer"]).write_text(json.dumps(answer), encoding="utf-8")
    return 1 if "error" in answer else 0


def _tasks_of(path: str) -> dict[str, Task]:
    spec = importlib.util.spec_from_file_location("linkkit_bench_tasks", path)
    if spec is None or spec.loader is None:
        raise ImportError("the file of the task is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.TASKS)


def _versions_of(packages: list[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def measured(task: Task, job: Job) -> dict[str, Any]:
    """Run a task; return its figures with seconds and peak memory."""
    start = _clocks()
    marks: dict[str, tuple[float, float]] = {}
    memory: float | None = None
    steps = task(job)
    while True:
        try:
            mark = next(steps)
        except StopIteration as end:
            own = dict(end.value or {})
            break
        marks[mark] = _clocks()
        if mark == "done":
            memory = peak_memory_mb()
    clock, cpu = (b - a for a, b in zip(marks["ready"], marks["done"], strict=True))
    figures = {"clock_seconds": clock, "cpu_seconds": cpu, "peak_memory_mb": memory, **own}
    if "imported" in marks:
        figures["import_cpu_seconds"] = marks["imported"][1] - start[1]
    return figures


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def peak_memory_mb() -> float | None:
    """Return the most memory this process had, in MB; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would begin with what the parent had
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
