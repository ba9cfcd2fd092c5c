"""Times the comparison of fields: million pairs per CPU second of one thread, as JSON.

    python benchmarks/compare_fields.py [--fields 5] [--bits 256] [--rows 20000] [--rounds 5]

Random half-full filters, four levels for each field. Once no pair is left early, as if every field could
still make up for the others; once with a floor that strangers do not reach, as in linking.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.machine import describe

from linkkit.linkage.block import AllPairs
from linkkit.linkage.compare import Comparison
from linkkit.linkage.compare.fields.scans import Bar, RowScan

WEIGHTS = [0.0, -4.0, 2.0, 5.0, 8.0]
PARTLY, CLOSE = 0.45, 0.70
N_ROWS_TIMED = 2_000
OUT_OF_REACH = 1 << 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=5)
    parser.add_argument("--bits", type=int, default=256)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    made = comparison(options.rows, n_fields=options.fields, n_bits=options.bits)
    half = options.rows // 2
    item = AllPairs(
        first=np.full(options.rows, half),
        last=np.full(options.rows, options.rows),
    )
    weights = np.tile(np.array(WEIGHTS), (options.fields, 1))
    figures = {}
    for name, early in (("every field of every pair", False), ("left early", True)):
        scan = RowScan(made, item, Bar(weights, 4.0 * options.fields))
        if not early:
            # The last fields visited could always still reach the floor.
            scan.best[:-1] += OUT_OF_REACH
        rows = slice(0, min(N_ROWS_TIMED, half))
        scan(rows)
        seconds = []
        for _ in range(options.rounds):
            start = time.thread_time()
            scan(rows)
            seconds.append(time.thread_time() - start)
        n_pairs = (rows.stop - rows.start) * (options.rows - half)
        figures[name] = round(n_pairs / statistics.median(seconds) / 1e6)
    shape = {"n_fields": options.fields, "n_bits": options.bits}
    print(
        json.dumps({"machine": describe(), **shape, "million_pairs_per_second": figures}, indent=1)
    )


def comparison(n: int, *, n_fields: int, n_bits: int) -> Comparison:
    """Return random filters, ready to be compared."""
    rng = np.random.default_rng(0)
    bits = rng.random((n, n_fields * n_bits)) < 0.5
    words = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
    cuts = 1 - np.array([PARTLY, CLOSE, PARTLY]) / 2
    share = np.minimum(np.arange(n_bits + 1), n_bits - 0.5) / n_bits
    powers = ((1 - share) ** cuts[:, None]).astype(np.float32)
    return Comparison(
        words=words,
        word_starts=np.arange(n_fields + 1, dtype=np.int64) * (n_bits // 64),
        present=np.ones((n, n_fields), dtype=np.bool_),
        powers=np.repeat(powers[None], n_fields, axis=0),
        n_bits=np.full(n_fields, float(n_bits)),
    )


if __name__ == "__main__":
    main()
