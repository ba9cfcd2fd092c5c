"""Compares random bit vectors with linkkit and with anonlink, in one run, and prints pairs per second.

    python benchmarks/compare_vectors.py [--rounds 3] [--rows 20000] [--threads] [--json FILE]

Dice, threshold .8, all pairs of two arrays of `rows` vectors, one thread: million pairs a second of CPU time,
medians of rounds in which the tools take turns, each in a fresh process that has compared a few
rows before. With `--threads`, linkkit with one thread and with two, by the clock. The last
table is of vectors two thirds of whose pairs are above the threshold: seconds by the clock and peak memory.
The tools must find equally many pairs, or the run stops.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.environments import OWN_SOURCE, python_of, variables_of
from harness.machine import describe

PEER = "clkhash-anonlink"
CASES = [(bits, fill) for bits in (512, 1_024, 2_048) for fill in (0.3, 0.4, 0.5)]
PEER_ROWS = 6_000
CROWDED_ROWS, CROWDED_FILL, CROWDED_THRESHOLD = 5_000, 0.7075, 0.70


def main() -> None:
    options = arguments()
    if options.child:
        child(options.child, options.files, options.threshold, options.n_threads)
        return
    figures: dict[str, Any] = {"machine": describe()}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options)
        figures["one thread"] = bench.one_thread()
        if options.threads:
            figures["threads"] = bench.threads()
        figures["crowded"] = bench.crowded()
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--threads", action="store_true")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--child", choices=["linkkit", PEER], help=argparse.SUPPRESS)
    parser.add_argument("--files", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--threshold", type=float, default=0.8, help=argparse.SUPPRESS)
    parser.add_argument("--n-threads", type=int, default=1, help=argparse.SUPPRESS)
    return parser.parse_args()


class Bench:
    """Makes the files, runs the children, prints the tables."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.tools = ("linkkit",) if options.no_peer else ("linkkit", PEER)

    def vectors(self, name: str, *, rows: int, bits: int, fill: float, seed: int) -> str:
        import numpy as np

        rng = np.random.default_rng(seed)
        made = np.packbits(rng.random((rows, bits)) < fill, axis=1, bitorder="little")
        path = self.folder / f"{name}.npy"
        np.save(path, made.view(np.uint64))
        return str(path)

    def run(self, tool: str, files: list[str], threshold: float, n_threads: int) -> dict[str, Any]:
        command = [python_of(tool), __file__, "--child", tool, "--files", *files]
        command += ["--threshold", str(threshold), "--n-threads", str(n_threads)]
        own = variables_of(tool, source=OWN_SOURCE, numba_cache=self.folder / "cache")
        answer = subprocess.run(command, check=True, capture_output=True, text=True, env=own)
        return dict(json.loads(answer.stdout))

    def one_thread(self) -> list[dict[str, Any]]:
        rows = []
        print(f"{'bits':>6} {'fill':>5} {'linkkit':>9} {'anonlink':>9} {'ratio':>6}")
        for bits, fill in CASES:
            found: dict[str, list[dict[str, Any]]] = {tool: [] for tool in self.tools}
            for round_ in range(self.options.rounds):
                for tool in self.tools:
                    n = self.options.rows if tool == "linkkit" else PEER_ROWS
                    files = [
                        self.vectors(f"{side}-{n}", rows=n, bits=bits, fill=fill, seed=seed)
                        for side, seed in (("left", 2 * round_), ("right", 2 * round_ + 1))
                    ]
                    found[tool].append(self.run(tool, files, 0.8, 1))
            rate = {
                t: statistics.median(a["pairs"] / a["cpu"] / 1e6 for a in found[t]) for t in found
            }
            peer = rate.get(PEER, float("nan"))
            print(
                f"{bits:>6} {fill:>5} {rate['linkkit']:>9,.0f} {peer:>9,.0f} "
                f"{rate['linkkit'] / peer:>6.1f}"
            )
            rows.append({"bits": bits, "fill": fill, **rate})
        return rows

    def threads(self) -> dict[str, float]:
        n = 2 * self.options.rows
        files = [self.vectors(s, rows=n, bits=1024, fill=0.5, seed=i) for i, s in enumerate("ab")]
        clock: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(2 * self.options.rounds):
            for k, seconds in clock.items():
                seconds.append(self.run("linkkit", files, 0.8, k)["clock"])
        best = {k: min(v) for k, v in clock.items()}
        print(f"\ntwo threads are {best[1] / best[2]:.2f} times as fast as one")
        return {"one": best[1], "two": best[2]}

    def crowded(self) -> dict[str, Any]:
        made = {"rows": CROWDED_ROWS, "bits": 1024, "fill": CROWDED_FILL}
        files = [self.vectors(s, seed=i, **made) for i, s in enumerate("ab")]
        found = {t: self.run(t, files, CROWDED_THRESHOLD, 2) for t in self.tools}
        if len({answer["found"] for answer in found.values()}) > 1:
            raise SystemExit("the tools find different numbers of pairs")
        print(f"\n{CROWDED_ROWS:,} x {CROWDED_ROWS:,}, threshold {CROWDED_THRESHOLD}:")
        for tool, a in found.items():
            print(f"{tool:>16} {a['found']:,} pairs, {a['clock']:.2f} s, {a['memory_mb']:.0f} MB")
        return found


def child(tool: str, files: list[str], threshold: float, n_threads: int) -> None:
    import numpy as np

    left, right = (np.load(file) for file in files)
    if tool == "linkkit":
        from linkkit.linkage.compare import similar_pairs

        def compare(a: Any, b: Any) -> int:
            return len(similar_pairs(a, b, threshold=threshold, n_threads=n_threads))

        compare(left[:600], right[:600])
    else:
        import anonlink
        from bitarray import bitarray

        def as_bits(words: Any) -> list[Any]:
            rows = []
            for row in words:
                bits = bitarray(endian="little")
                bits.frombytes(row.tobytes())
                rows.append(bits)
            return rows

        left, right = as_bits(left), as_bits(right)
        dice = anonlink.similarities.dice_coefficient_accelerated

        def compare(a: Any, b: Any) -> int:
            found = anonlink.candidate_generation.find_candidate_pairs([a, b], dice, threshold)
            return len(found[0])

    start, cpu = time.perf_counter(), time.process_time()
    found = compare(left, right)
    answer = {
        "pairs": len(left) * len(right),
        "found": found,
        "clock": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
