"""Prints what blocking filters of whole records by tables of sampled bits costs and finds.

    python benchmarks/block_filters.py [--n 20000 100000] [--recall 0.9 0.98] [--exhaustive 100000]

Two files of `n` made-up people, half of them in both, a fifth of these with errors, are encoded under the
profile `clkhash` with 1,024 bits. First the candidates of `link` are found by comparing all pairs, up to
`--exhaustive` rows, and in tables; then `similar_pairs` finds vectors of at least so much similarity,
all of them and a share. Seconds are CPU time of all threads. "True pairs" are those of one person that
reach the least similarity; "with errors" those of them whose values differ. Kernels are compiled before.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.attacked_profiles import as_profile
from harness.machine import describe

import linkkit as lk
from linkkit.linkage.compare import candidate_floor, find_candidates
from linkkit.linkage.compare.vectors.record_filters import dice_of_pairs
from linkkit.linkage.pool import Pool, make_pool
from linkkit.partner.keys import ClkhashSecret
from linkkit.synth import large_agreement, large_files


class Files(NamedTuple):
    """A pool of two parties, and the positions of each shared person's two records."""

    pool: Pool
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    has_errors: npt.NDArray[np.bool_]


def encoded(n: int, seed: int) -> Files:
    files = large_files(n, seed=seed)
    agreement = as_profile(large_agreement(files.parties), "clkhash")
    secret = ClkhashSecret(b"a secret of the benchmark, used for nothing else")
    results = []
    for party in files.parties:
        table = files.table(party)
        ids = pa.array(np.arange(len(table)).astype(str))
        place = table.column_names.index("record_id")
        numbered = table.set_column(place, "record_id", ids)
        results.append(lk.encode(numbered, agreement, secret, party=party))
    pool = make_pool([result.encodings for result in results])
    place_of = {bytes(token): place for place, token in enumerate(pool.tokens)}
    places = []
    for result in results:
        place = np.full(n, -1)
        rows = np.array(result.token_map.record_ids.to_pylist(), dtype=np.int64)
        place[rows] = [place_of[bytes(token)] for token in result.token_map.tokens]
        places.append(place)
    true = files.matches(*files.parties)
    left, right = places[0][true.left], places[1][true.right]
    kept = (left >= 0) & (right >= 0)
    return Files(pool, left[kept], right[kept], true.with_errors[kept])


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    answer = function()
    return answer, time.process_time() - start


def share(files: Files, left: Any, right: Any, floor: float) -> str:
    n = len(files.pool)
    reach = dice_of_pairs(files.pool, files.left, files.right) >= floor
    pairs = np.asarray(left, dtype=np.int64) * n + np.asarray(right, dtype=np.int64)
    found = np.isin(files.left * n + files.right, pairs)
    with_errors = reach & files.has_errors
    return f"true pairs {found[reach].mean():.4f}, with errors {found[with_errors].mean():.4f}"


def candidates(files: Files, blocks: list[str]) -> None:
    floor = candidate_floor(files.pool)
    print(f"  candidates of link, Dice >= {floor:.3f}")
    for block in blocks:
        (pairs, plan, _), seconds = timed(
            lambda block=block: find_candidates(files.pool, floor=floor, block=block)
        )
        print(
            f"    {block:10} {seconds:8.1f} s {len(pairs):12,} found, "
            f"{share(files, pairs.left, pairs.right, floor)}\n      {plan}",
            flush=True,
        )


def vectors(files: Files, recalls: list[float], *, threshold: float, exhaustive: bool) -> None:
    n = int(files.pool.party_sizes()[0])
    left, right = files.pool.words[:n], files.pool.words[n:]
    print(f"  similar_pairs, Dice >= {threshold}")
    all_found = None
    for recall in [None, *recalls] if exhaustive else recalls:
        found, seconds = timed(
            lambda recall=recall: lk.similar_pairs(left, right, threshold=threshold, recall=recall)
        )
        all_found = len(found) if recall is None else all_found
        of_all = f", {len(found) / all_found:.4f} of all" if all_found else ""
        print(
            f"    recall {recall!s:6} {seconds:8.1f} s {len(found):12,} found{of_all}, "
            f"{share(files, found.left, found.right + np.int64(n), threshold)}",
            flush=True,
        )
        if found.plan is not None:
            print(f"      {found.plan}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--recall", type=float, nargs="*", default=[0.9, 0.98])
    parser.add_argument("--threshold", type=float, default=0.85)
    parser.add_argument(
        "--exhaustive", type=int, default=100_000, help="compare all up to so many rows"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(describe())
    small = encoded(1_000, seed=1)
    for block in ("exhaustive", "blocks"):
        find_candidates(small.pool, floor=0.6, block=block)
    for n in options.n:
        files = encoded(n, options.seed)
        fill = float(np.bitwise_count(files.pool.words).sum(axis=1).mean()) / 1_024
        print(f"\n{n:,} by {n:,} records, {len(files.left):,} shared, fill {fill:.2f}", flush=True)
        exhaustive = n <= options.exhaustive
        candidates(files, ["exhaustive", "blocks"] if exhaustive else ["blocks"])
        if exhaustive or options.recall:
            vectors(files, options.recall, threshold=options.threshold, exhaustive=exhaustive)


if __name__ == "__main__":
    main()
