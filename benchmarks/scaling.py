"""Runs `linkkit bench` with the peers in environments of their own, on this checkout's source.

    python benchmarks/scaling.py --sizes 10k,100k,1M --profile field,standard --out history.json --plot curve.png
    python benchmarks/scaling.py --profiler 100k

Takes every option of `linkkit bench`. The environments are built when they are first needed.
`--profiler N` instead links two files of N rows in this process, and prints where the time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.environments import python_of

import linkkit as lk
from linkkit.bench import PEERS
from linkkit.cli import run
from linkkit.cli.bench import size_of
from linkkit.synth import large_agreement, large_files

ENVIRONMENTS = {
    "splink": "splink",
    "recordlinkage": "recordlinkage",
    "anonlink": "clkhash-anonlink",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], add_help=False)
    parser.add_argument("--profiler", metavar="N")
    parser.add_argument("--profile", default="field")
    parser.add_argument("--peers", default=",".join(PEERS))
    known, _ = parser.parse_known_args()
    if known.profiler:
        profile_link(size_of(known.profiler), known.profile)
        return
    arguments = sys.argv[1:]
    if not {"-h", "--help"} & set(arguments):
        for peer in known.peers.split(","):
            if peer.strip() in ENVIRONMENTS:
                python = python_of(ENVIRONMENTS[peer.strip()])
                arguments += ["--peer-python", f"{peer.strip()}={python}"]
    os.environ.pop("PYTHONPATH", None)
    sys.exit(run(["bench", *arguments]))


def profile_link(n: int, profile: str) -> None:
    """Print where linking spends its time; the first linkage loads compiled kernels."""
    files = large_files(n)
    agreement = lk.Agreement.from_document(large_agreement(files.parties, profile=profile))
    secret = lk.Secret.generate()
    encoded = [
        lk.encode(files.table(party), agreement, secret, party=party).encodings
        for party in files.parties
    ]
    lk.link(encoded)
    profiler = cProfile.Profile()
    profiler.runcall(lk.link, encoded)
    pstats.Stats(profiler, stream=sys.stdout).sort_stats("cumtime").print_stats(40)


if __name__ == "__main__":
    main()
