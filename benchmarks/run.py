"""Measures linkkit beside the tools that a user would pick instead, on public data.

Every tool runs in a process of its own, with its own environment, on the same files; repeats are
interleaved (A B C A B C) and medians are shown. See README.md for what each tool is set to.
Takes some minutes, and more when it builds the peers' environments on first use.

This file and `harness` use the standard library alone: on Linux a child's peak memory starts from
its parent's, so the parent has to be small.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from harness import environments, machine, table
from harness.evaluate import quality, true_pairs

HERE = Path(__file__).resolve().parent
DATA_SETS = ("febrl4", "pseudopeople")
START, END = "<!-- measured -->", "<!-- /measured -->"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=[*DATA_SETS, "all"], default="all")
    parser.add_argument("--repeats", type=int, default=3, help="interleaved runs (default 3)")
    parser.add_argument("--json", type=Path, help="where to write; by default into results/")
    parser.add_argument(
        "--peers", default=",".join(environments.PEERS), help="comma-separated; '' for none"
    )
    parser.add_argument(
        "--source", type=Path, default=environments.OWN_SOURCE, help="folder that has linkkit in it"
    )
    parser.add_argument(
        "--update-readme", action="store_true", help="put the tables into README.md"
    )
    given = parser.parse_args()
    given.peers = [peer for peer in given.peers.split(",") if peer]
    unknown = sorted(set(given.peers) - set(environments.PEERS))
    if unknown:
        parser.error(f"unknown peers {', '.join(unknown)}; known: {', '.join(environments.PEERS)}")
    if given.repeats < 1:
        parser.error("--repeats must be 1 or more")
    return given


@dataclass(frozen=True, kw_only=True)
class Linkkit:
    """Which linkkit is measured, and where its compiled kernels are kept meanwhile."""

    source: Path
    numba_cache: Path


def run_tool(tool: str, mode: str, data: Path, ours: Linkkit) -> dict[str, Any]:
    """Run one tool script once, and time the process from start to end."""
    script = HERE / "tools" / f"run_{tool.replace('-', '_')}.py"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [environments.python_of(tool), str(script), mode, str(data), str(out)]
        variables = environments.variables_of(
            tool, source=ours.source, numba_cache=ours.numba_cache
        )
        start = time.perf_counter()
        ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
        if ended.returncode:
            sys.exit(f"{tool} failed on {data.name} ({mode}):\n{ended.stderr[-2000:]}")
        return {**json.loads(out.read_text()), "seconds": seconds}


def prepared(name: str) -> Path:
    """Return the folder of a data set; write it if it is not there."""
    folder = HERE / "data" / name
    if not (folder / "data.json").exists():
        print(f"preparing {name} (once) ...", flush=True)
        python = environments.python_of("recordlinkage")
        command = [python, str(HERE / "prepare.py"), name, str(folder)]
        variables = environments.variables_of("recordlinkage", source=HERE, numba_cache=HERE)
        ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if ended.returncode:
            sys.exit(f"preparing {name} failed:\n{ended.stderr[-2000:]}")
    return folder


def measure(name: str, tools: list[str], *, repeats: int, ours: Linkkit) -> dict[str, Any]:
    folder = prepared(name)
    truth = true_pairs(folder)
    for tool in tools:
        environments.python_of(tool)
    links: dict[str, list[dict[str, Any]]] = {tool: [] for tool in tools}
    rates: dict[str, list[dict[str, Any]]] = {tool: [] for tool in tools}
    for repeat in range(repeats):
        for tool in tools:
            print(f"{name}, repeat {repeat + 1} of {repeats}: {tool} ...", flush=True)
            links[tool].append(run_tool(tool, "link", folder, ours))
            rates[tool].append(run_tool(tool, "rates", folder, ours))
    return {tool: summary(links[tool], rates[tool], truth) for tool in tools}


def summary(links: list[dict[str, Any]], rates: list[dict[str, Any]], truth: Any) -> dict[str, Any]:
    """Return medians; quality is that of the run with the median F1."""
    judged = sorted((quality(run["links"], truth) for run in links), key=lambda q: q["f1"])
    return {
        "seconds": median(run["seconds"] for run in links),
        "seconds_of_runs": [run["seconds"] for run in links],
        "stages": _medians([run["stages"] for run in links]),
        "peak_memory_mb": median(run["peak_memory_mb"] for run in links),
        "rates": _medians([run["rates"] for run in rates]),
        "quality": judged[len(judged) // 2],
        "versions": links[0]["versions"],
    }


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(run[name] for run in runs) for name in runs[0]}


def write(given: argparse.Namespace, document: dict[str, Any], text: str) -> None:
    stamp = str(document["machine"]["date"]).replace(":", "")
    path = given.json or HERE / "results" / f"{stamp}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1))
    print(f"\nwritten: {path}")
    if given.update_readme:
        readme = HERE / "README.md"
        before, _, rest = readme.read_text().partition(START)
        after = rest.partition(END)[2]
        readme.write_text(f"{before}{START}\n{text}\n{END}{after}")


def main() -> None:
    given = options()
    names = DATA_SETS if given.data == "all" else (given.data,)
    tools = ["linkkit", *given.peers]
    digest = machine.digest_of(given.source)
    document: dict[str, Any] = {"machine": machine.describe(), "repeats": given.repeats}
    document["linkkit_source"] = digest
    with tempfile.TemporaryDirectory() as cache:
        ours = Linkkit(source=given.source.resolve(), numba_cache=Path(cache))
        # The first run ever compiles; all later ones load what it left on disk.
        first = run_tool("linkkit", "link", prepared(names[0]), ours)
        document["first_run_seconds"] = first["seconds"]
        document["data"] = {
            name: measure(name, tools, repeats=given.repeats, ours=ours) for name in names
        }
    if machine.digest_of(given.source) != digest:
        sys.exit("linkkit's source changed during the measurement; run again")
    text = summary_text(document)
    print("\n" + text)
    write(given, document, text)


def summary_text(document: dict[str, Any]) -> str:
    about = document["machine"]
    results = next(iter(document["data"].values()))
    versions: dict[str, str] = {}
    for figures in results.values():
        versions = {**figures["versions"], **versions}
    named = ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
    intro = (
        f"{about['date'][:10]}, {about['processor']}, {about['cores']} cores, "
        f"{about['memory_gb']} GB, Python {about['python']}, linkkit source {document['linkkit_source']}, {named}; "
        f"medians of {document['repeats']} interleaved runs. "
        f"linkkit's first run ever, which compiles: {document['first_run_seconds']:.2f} s."
    )
    parts = [intro, *(table.report(name, found) for name, found in document["data"].items())]
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
