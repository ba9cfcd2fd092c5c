"""Prints how well linkkit links without being told a threshold, beside peers tuned on the truth.

    python benchmarks/link_quality.py                          # all rows, some minutes
    python benchmarks/link_quality.py --data febrl4 --secrets 5
    python benchmarks/link_quality.py --data anonlink5 --profiles field --peers ''

linkkit links with `threshold="auto"` under each profile, with several fresh secrets, as hashes alone
move the figures; medians are shown, and the lowest F1. clkhash with anonlink, and Splink on plain
text with all default settings of its examples, try many thresholds (Splink also both ways to
group), and the one that the truth says is best for pairs is shown: better than a user could do. F1
is of pairs of records of one person; a group counts as right if it is all records of a person
and no other. anonlink cannot find duplicates within a file. The last columns are linkkit's own
estimates less the truth, in points.

The five files of anonlink's tutorial are read from the folder `anonlink5` in the folder that
LINKKIT_EXTRA_DATA names; without it they are skipped. `--json` keeps all figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import environments, machine
from harness.evaluate import group_quality, people_of
from run import prepared

HERE = Path(__file__).resolve().parent
DATA = ("febrl4", "febrl2", "febrl3", "anonlink5", "pseudopeople", "school-3x", "five", "five-3x")
PROFILES = ("field", "standard", "hardened")
PEERS = ("clkhash-anonlink", "splink")


def by_linkkit(folder: Path, profile: str, n_secrets: int) -> dict[str, Any]:
    """Link with some secrets; return medians."""
    from common import Data
    from run_linkkit import agreement_of, groups_of

    import linkkit as lk

    data = Data(str(folder))
    agreement, people = agreement_of(data, profile), people_of(folder)
    extracts = {party: lk.read_extract(data.path(party)) for party in data.parties}
    runs = []
    for _ in range(n_secrets):
        secret = lk.Secret.generate()
        encoded = {p: lk.encode(e, agreement, secret, party=p) for p, e in extracts.items()}
        linked = lk.link([result.encodings for result in encoded.values()])
        found = group_quality(groups_of(linked, encoded), people)
        runs.append(
            {
                **found,
                "threshold": linked.threshold,
                "precision_off": 100 * (linked.quality.precision - found["precision"]),
                "recall_off": 100 * (linked.quality.recall - found["recall"]),
            }
        )
    middle = {name: median(run[name] for run in runs) for name in runs[0]}
    lowest = min(run["f1"] for run in runs)
    return {**middle, "lowest_f1": lowest, "setting": "auto", "runs": runs}


def by_peer(tool: str, folder: Path) -> dict[str, Any]:
    """Let a peer try its settings; return what the best one for pairs finds."""
    people = people_of(folder)
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out.json"
        script = HERE / "tools" / f"run_{tool.replace('-', '_')}.py"
        command = [environments.python_of(tool), str(script), "tuned", str(folder), str(out)]
        variables = environments.variables_of(tool, source=HERE, numba_cache=HERE)
        ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if ended.returncode:
            sys.exit(f"{tool} failed on {folder.name}:\n{ended.stderr[-2000:]}")
        settings = json.loads(out.read_text())["settings"]
    judged = [
        {"setting": one["setting"], **group_quality(one["groups"], people)} for one in settings
    ]
    best = max(judged, key=lambda one: one["f1"])
    return {**best, "group_f1": max(one["group_f1"] for one in judged), "settings": judged}


def rows_of(name: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    folder = prepared(name)
    rows = []
    for profile in given.profiles:
        rows.append({"tool": f"linkkit {profile}", **by_linkkit(folder, profile, given.secrets)})
        print(line_of(rows[-1]), flush=True)
    for tool in given.peers:
        if tool == "clkhash-anonlink" and name in ("febrl2", "febrl3"):
            continue
        rows.append({"tool": tool, **by_peer(tool, folder)})
        print(line_of(rows[-1]), flush=True)
    return rows


HEADER = (
    "| tool | setting | pair F1 | lowest | precision | recall | group F1 | precision estimated less true"
    " | recall estimated less true |\n|---|---|---|---|---|---|---|---|---|"
)


def line_of(row: dict[str, Any]) -> str:
    def points(name: str) -> str:
        return f"{row[name]:+.1f}" if name in row else ""

    lowest = f"{row['lowest_f1']:.4f}" if "lowest_f1" in row else ""
    return (
        f"| {row['tool']} | {row['setting']} | {row['f1']:.4f} | {lowest} | {row['precision']:.4f} "
        f"| {row['recall']:.4f} | {row['group_f1']:.4f} | {points('precision_off')} "
        f"| {points('recall_off')} |"
    )


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    options.add_argument("--profiles", nargs="+", choices=PROFILES, default=list(PROFILES))
    options.add_argument("--secrets", type=int, default=3, help="how many secrets (default 3)")
    options.add_argument("--peers", default=",".join(PEERS), help="comma-separated; '' for none")
    options.add_argument("--json", type=Path, help="where to keep all figures")
    given = options.parse_args()
    given.peers = [peer for peer in given.peers.split(",") if peer]
    if unknown := sorted(set(given.peers) - set(PEERS)):
        options.error(f"unknown peers {', '.join(unknown)}; known: {', '.join(PEERS)}")
    return given


def main() -> None:
    given = arguments()
    found: dict[str, Any] = {}
    for name in given.data:
        extra = os.environ.get("LINKKIT_EXTRA_DATA")
        if name == "anonlink5" and not (extra and (Path(extra) / name).is_dir()):
            print("\nskipped anonlink5: LINKKIT_EXTRA_DATA names no folder with it")
            continue
        print(f"\n## {name}\n\n{HEADER}", flush=True)
        found[name] = rows_of(name, given)
    if given.json:
        given.json.write_text(json.dumps({"machine": machine.describe(), "data": found}, indent=1))


if __name__ == "__main__":
    main()
