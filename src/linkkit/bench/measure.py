"""Runs every task in a process of its own, repeats interleaved, and collects the figures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import linkkit
from linkkit.bench.judge import judge
from linkkit.bench.machine import describe, digest_of
from linkkit.bench.options import PEERS, BenchOptions, Peer
from linkkit.bench.results import OWN, BenchRun, Measurement
from linkkit.bench.tables import progress_line

__all__ = ["run_bench"]

_HERE = Path(__file__).resolve().parent
_OWN_PACKAGES = ("linkkit", "numba", "numpy", "pandas", "pyarrow", "scipy")
_CHAIN = ("encode", "link")
_NEED_FILES = (*_CHAIN, "stream")
_WARM_UP_ROWS = 30_000

Figures = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """What is run for a measurement; `shown` is None for what is only needed by another."""

    module: str
    name: str
    tool: str
    profile: str | None
    shown: Measurement | None


class _Failed(Exception):  # noqa: N818  # an answer, not an error of this program
    """A process did not end well."""


def run_bench(
    options: BenchOptions,
    *,
    tell: Callable[[str], Any] = print,
    save: Callable[[BenchRun], Any] | None = None,
) -> BenchRun:
    """Measure linkkit, and peers beside it, at growing sizes.

    Every task runs in a process of its own, so that peak memory is that of the task and nothing is
    warm from another. Repeats are interleaved. Quality is judged against the truth of the made-up
    files, in the same way for every tool.

    Parameters
    ----------
    options : BenchOptions
        What to measure.
    tell : callable
        Told, line by line, what was measured.
    save : callable, optional
        Given the run whenever a measurement was added, so that nothing is lost when it is stopped.

    Returns
    -------
    BenchRun
        Also holds what was not installed, left out or failed.
    """
    run = BenchRun(machine=describe(), options=_as_json(options))
    run.versions["linkkit"] = linkkit.__version__
    run.versions["linkkit source"] = digest_of(_HERE.parent)
    with tempfile.TemporaryDirectory(prefix="linkkit-bench-") as folder:
        work = _Work(options, run, Path(folder), tell, save or (lambda _run: None))
        work.prepare()
        for size in options.all_sizes:
            work.measure(size)
    run.is_complete = True
    work.save(run)
    return run


def _as_json(options: BenchOptions) -> dict[str, Any]:
    chosen = asdict(options)
    chosen["sizes"] = list(options.all_sizes)
    chosen["interpreters"] = sorted(options.interpreters)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in chosen.items()}


class _Work:
    """A run in progress."""

    def __init__(
        self,
        options: BenchOptions,
        run: BenchRun,
        folder: Path,
        tell: Callable[[str], Any],
        save: Callable[[BenchRun], Any],
    ) -> None:
        self.options, self.run, self.folder = options, run, folder
        self.tell, self.save = tell, save
        self.peers = [PEERS[name] for name in options.peers]

    def prepare(self) -> None:
        """Compile what has to be compiled, and measure what has no size."""
        for profile in self.options.profiles:
            job = {"profile": profile, "n": min(_WARM_UP_ROWS, self.options.all_sizes[-1])}
            try:
                figures = self._child("own_tasks.py", "warm_up", OWN, **job)
            except _Failed as failure:
                self.tell(f"warming up '{profile}' failed: {failure}")
                continue
            self.tell(f"warmed up '{profile}' in {figures['clock_seconds']:.1f} s")
        if "import" in self.options.stages:
            item = Measurement(tool=OWN, stage="import", n_rows=0)
            task = _Task(
                module="own_tasks.py", name="import_linkkit", tool=OWN, profile=None, shown=item
            )
            self._repeat([task], 0)

    def measure(self, size: int) -> None:
        """Make up the files of a size, measure everything with them, and remove them."""
        needs_files = set(_NEED_FILES) & set(self.options.stages)
        here = self.folder / str(size)
        here.mkdir()
        try:
            if needs_files and not self._make_files(size):
                return
            self._repeat(list(self._tasks(size)), size)
        finally:
            shutil.rmtree(here, ignore_errors=True)

    def _make_files(self, size: int) -> bool:
        chosen = self.options
        csv = any(peer.name == "anonlink" and size <= peer.most_rows for peer in self.peers)
        try:
            figures = self._child(
                "own_tasks.py",
                "make_files",
                OWN,
                n=size,
                overlap=chosen.overlap,
                errors=chosen.errors,
                names=chosen.names,
                csv=csv,
            )
        except _Failed as failure:
            item = Measurement(tool=OWN, stage="make files", n_rows=size)
            item.status, item.note = "failed", str(failure)
            self.run.measurements.append(item)
            self.tell(progress_line(item))
            return False
        self.tell(
            f"\nmade up 2 x {size:,} people, {figures['n_matches']:,} of them in both files, "
            f"in {figures['clock_seconds']:.1f} s"
        )
        return True

    def _tasks(self, size: int) -> Iterator[_Task]:
        for stage in self.options.stages:
            if stage not in ("import", *_NEED_FILES):
                yield self._task("own_tasks.py", OWN, stage, size)
        for profile in self.options.profiles:
            if "stream" in self.options.stages:
                yield self._task("own_tasks.py", OWN, "stream", size, profile=profile)
            yield from self._chain("own_tasks.py", OWN, size, profile)
        for peer in self.peers:
            stages = [stage for stage in peer.stages if stage in self.options.stages]
            reason = self._why_not(peer, size)
            if reason is None:
                yield from self._chain(peer.module, peer.name, size, None, stages=peer.stages)
                continue
            for stage in stages:
                item = Measurement(tool=peer.name, stage=stage, n_rows=size)
                item.status, item.note = reason
                self.run.measurements.append(item)
                if item.status != "not installed" or size == self.options.all_sizes[0]:
                    self.tell(progress_line(item))

    def _chain(
        self,
        module: str,
        tool: str,
        size: int,
        profile: str | None,
        *,
        stages: tuple[str, ...] = _CHAIN,
    ) -> Iterator[_Task]:
        """Yield encoding and linking; encoding also where only linking is asked for."""
        wanted = [stage for stage in stages if stage in self.options.stages]
        for stage in stages:
            if stage in wanted or (stage == "encode" and "link" in wanted):
                yield self._task(
                    module, tool, stage, size, profile=profile, is_shown=stage in wanted
                )

    def _task(
        self,
        module: str,
        tool: str,
        stage: str,
        size: int,
        *,
        profile: str | None = None,
        is_shown: bool = True,
    ) -> _Task:
        item = Measurement(tool=tool, stage=stage, n_rows=size, profile=profile)
        return _Task(
            module=module,
            name=stage,
            tool=tool,
            profile=profile,
            shown=item if is_shown else None,
        )

    def _why_not(self, peer: Peer, size: int) -> tuple[Any, str] | None:
        if peer.name not in self.options.interpreters and peer.missing:
            return "not installed", f"pip install {' '.join(peer.missing)}"
        if size > peer.most_rows:
            return "left out", f"above {peer.most_rows:,} rows, because {peer.because}"
        return None

    def _repeat(self, tasks: list[_Task], size: int) -> None:
        """Run tasks in turn (A B C A B C); one that failed, and what needs it, is not run again."""
        failed: set[tuple[str, str | None]] = set()

        def chain(task: _Task) -> tuple[str, str | None]:
            return task.tool, task.profile if task.name in _CHAIN else task.name

        for repeat in range(self.options.repeat):
            for task in tasks:
                if chain(task) in failed or (repeat and task.shown is None):
                    continue
                if not self._once(task, size, repeat):
                    failed.add(chain(task))

    def _once(self, task: _Task, size: int, repeat: int) -> bool:
        item = task.shown
        keep = repeat == 0 and task.name == "encode" and "link" in self.options.stages
        links = self.folder / str(size) / "links"
        try:
            figures = self._child(
                task.module,
                task.name,
                task.tool,
                n=size,
                profile=task.profile,
                keep=keep,
                links=str(links),
            )
            if links.exists():
                figures |= judge(links, links.with_name("truth.npz"), n_rows=size)
                links.unlink()
        except _Failed as failure:
            item = item or Measurement(tool=task.tool, stage=task.name, n_rows=size)
            item.status, item.note = "failed", str(failure)
        else:
            if item is None:
                return True
            item.runs.append(figures)
        if item not in self.run.measurements:
            self.run.measurements.append(item)
        self.save(self.run)
        self.tell(progress_line(item, repeat=repeat, of=self.options.repeat))
        return item.status != "failed"

    def _child(self, module: str, task: str, tool: str, **job: Any) -> Figures:
        """Run a task in a fresh process; return its figures."""
        answer = self.folder / "answer.json"
        answer.unlink(missing_ok=True)
        packages = _OWN_PACKAGES if tool == OWN else PEERS[tool].packages
        spec = self.folder / "job.json"
        content = {
            "module": str(_HERE / module),
            "task": task,
            "packages": packages,
            "folder": str(self.folder / str(job.get("n", 0))),
            "answer": str(answer),
            "seed": self.options.seed,
            **job,
        }
        spec.write_text(json.dumps(content), encoding="utf-8")
        ended = _run(self._python(tool), spec, _variables(tool))
        if not answer.exists():
            raise _Failed(_how_it_ended(ended))
        figures: Figures = json.loads(answer.read_text(encoding="utf-8"))
        if "error" in figures:
            raise _Failed(figures["error"])
        self._note_versions(tool, figures.pop("versions"))
        return figures

    def _note_versions(self, tool: str, versions: dict[str, str]) -> None:
        """Keep versions; where a peer has another of the same package, with the peer's name."""
        known = self.run.versions
        for name, number in versions.items():
            if known.setdefault(name, number) != number:
                known[f"{name} ({tool})"] = number

    def _python(self, tool: str) -> str:
        return str(self.options.interpreters.get(tool, sys.executable))


def _run(python: str, spec: Path, variables: dict[str, str]) -> int:
    """Run the measuring process; end it if this one is interrupted."""
    command = [python, str(_HERE / "child.py"), str(spec)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=variables, stdout=quiet, stderr=quiet) as process:  # noqa: S603
        try:
            return process.wait()
        except BaseException:
            process.kill()
            raise


def _variables(tool: str) -> dict[str, str]:
    """Return the environment: linkkit's processes import the linkkit that runs this one."""
    # Modules beside the script must not be taken for packages of the same name.
    variables = {**os.environ, "PYTHONSAFEPATH": "1"}
    given = variables.pop("PYTHONPATH", "")
    if tool == OWN:
        source = str(_HERE.parents[1])
        variables["PYTHONPATH"] = os.pathsep.join(part for part in (source, given) if part)
    return variables


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f"ended by signal {-status}; too little memory, perhaps"
    return f"ended with status {status}"
