"""Links two files of made-up people and prints time, memory and quality, as JSON.

    python benchmarks/link_large.py --n 100000 [--profile standard] [--seed 0] [--profiler]

Half of the people are in both files, a fifth of these with errors. Names are as frequent as in the US
census (`pip install names`). Encoding is timed beside linking, but for the encodings' seals and files.
Recall is also given for the pairs with errors alone.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.machine import describe
from harness.people import FIELDS, TwoFiles, two_files

import linkkit as lk


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100_000, help="rows of each file")
    parser.add_argument("--profile", default="field", choices=["field", "standard", "hardened"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profiler", action="store_true", help="print where linking spends time")
    options = parser.parse_args()
    files = two_files(options.n, seed=options.seed)
    agreement = lk.Agreement.from_document(document_of(options.profile))
    secret = lk.Secret.generate()
    with_ids = {
        name: table.append_column("row", pa.array(np.arange(len(table)).astype(str)))
        for name, table in (("left", files.left), ("right", files.right))
    }
    start = time.perf_counter(), time.process_time()
    encoded = {n: lk.encode(t, agreement, secret, party=n) for n, t in with_ids.items()}
    encoding = seconds_since(start)
    profiler = cProfile.Profile() if options.profiler else None
    start = time.perf_counter(), time.process_time()
    if profiler:
        profiler.enable()
    result = lk.link([encoded[name].encodings for name in encoded])
    if profiler:
        profiler.disable()
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumtime").print_stats(40)
    figures = {
        "machine": describe(),
        "profile": options.profile,
        "n": options.n,
        "encode": encoding,
        "link": seconds_since(start),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "plan": str(result.plan),
        "n_candidates": len(result.pairs),
        **quality(result, encoded, files),
        "estimated": str(result.quality),
    }
    print(json.dumps(figures, indent=1))


def seconds_since(start: tuple[float, float]) -> dict[str, float]:
    clock, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    return {"clock": round(clock, 2), "cpu": round(cpu, 2)}


def document_of(profile: str) -> dict[str, Any]:
    """Return an agreement of two parties about the fields of the made-up people."""
    party = {
        "name": "Office",
        "record_id": "row",
        "one_record_per_person": True,
        "linkage_fields": {name: {"column": name} for name in FIELDS},
        "payload": {"birth_year": {"field": "birth_date", "coarsen": "year"}},
    }
    return {
        "format": "linkkit-agreement/1",
        "id": "large",
        "title": "Large files",
        "purpose": "Measure how fast large files are linked.",
        "legal_basis": "Made-up people; no law applies.",
        "years": {"first": 2020, "last": 2026},
        "destroy_by": "2999-01-01",
        "linkage": {
            "profile": profile,
            "fields": {name: {"kind": kind} for name, kind in FIELDS.items()},
        },
        "variables": {"birth_year": {"type": "integer"}},
        "parties": {"left": party, "right": {**party, "name": "Other office"}},
        "linkage_unit": {"name": "Unit"},
        "steward": {"name": "Steward"},
        "protection": {"smallest_cell": 5, "quasi_identifiers": {"birth_year": {}}},
        "projects": {"speed": {"purpose": "Speed.", "variables": ["birth_year"]}},
    }


def quality(result: Any, encoded: dict[str, Any], files: TwoFiles) -> dict[str, float]:
    """Return precision and recall of the links, and recall of pairs with errors."""
    pairs, pool = result.pairs, result.pairs.pool
    row_of = [
        dict(
            zip(
                (bytes(token) for token in encoded[party].token_map.tokens),
                map(int, encoded[party].token_map.record_ids.to_pylist()),
                strict=True,
            )
        )
        for party in pool.parties
    ]
    ends = pairs.scored.left[pairs.linked], pairs.scored.right[pairs.linked]
    found = {
        (row_of[0][bytes(pool.tokens[i])], row_of[1][bytes(pool.tokens[j])])
        for i, j in zip(*ends, strict=True)
    }
    true = {tuple(pair) for pair in files.matches.tolist()}
    bad = {tuple(pair) for pair in files.matches[files.corrupted].tolist()}
    return {
        "precision": round(len(found & true) / max(len(found), 1), 4),
        "recall": round(len(found & true) / max(len(true), 1), 4),
        "recall_with_errors": round(len(found & bad) / max(len(bad), 1), 4),
    }


if __name__ == "__main__":
    main()
