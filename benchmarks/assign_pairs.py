"""Times one-to-one assignment of scored pairs and connected components: CPU seconds, as JSON.

    python benchmarks/assign_pairs.py [--pairs 1000000] [--edges 5000000] [--rounds 5]

Each of 560,000 records has one pair, and random rivals make up the rest; edges join random records. One
thread, kernels compiled before, medians. scipy's components are timed beside.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.machine import describe

from linkkit.linkage.cluster import connected_records, one_to_one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    left, right, score = pairs(options.pairs, rng)
    shuffled = rng.permutation(len(left))
    n_records = options.edges * 4 // 5
    ends = rng.integers(0, n_records, size=(2, options.edges))

    def by_scipy() -> None:
        graph = coo_array((np.ones(options.edges), ends), shape=(n_records, n_records))
        connected_components(graph, directed=False)

    tasks: dict[str, Callable[[], Any]] = {
        "greedy, pairs sorted": lambda: one_to_one(left, right, score),
        "greedy, pairs shuffled": lambda: one_to_one(
            left[shuffled], right[shuffled], score[shuffled]
        ),
        "optimal, pairs sorted": lambda: one_to_one(left, right, score, method="optimal"),
        "components": lambda: connected_records(*ends, n_records=n_records),
        "components, scipy": by_scipy,
    }
    figures = {name: seconds_of(task, options.rounds) for name, task in tasks.items()}
    made = {"machine": describe(), "n_pairs": len(left), "n_edges": options.edges}
    print(json.dumps({**made, "cpu_seconds": figures}, indent=1))


def pairs(n: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Return distinct pairs, sorted, and random scores."""
    n_records = n * 56 // 100
    n_rivals = n - n_records
    left = np.concatenate([np.arange(n_records), rng.integers(0, n_records, n_rivals)])
    right = np.concatenate([rng.permutation(n_records), rng.integers(0, n_records, n_rivals)])
    keys = np.unique(left * n_records + right)
    return keys // n_records, keys % n_records, rng.random(len(keys))


def seconds_of(task: Callable[[], Any], rounds: int) -> float:
    task()
    seconds = []
    for _ in range(rounds):
        start = time.thread_time()
        task()
        seconds.append(time.thread_time() - start)
    return round(statistics.median(seconds), 3)


if __name__ == "__main__":
    main()
