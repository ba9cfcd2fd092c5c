"""Measures how fast passes are encoded: records per second of CPU time and core, as JSON.

    python benchmarks/encode_passes.py --n 200000

The people are made up: names of random letters, six fields, 33 people to a postal code as in a
million records of a country with 30,000. Standardizing is not in it. Cutting into tokens, salts and
each pass are timed by themselves on one processor, once the kernels are compiled, and the best of
some runs counts; "all" is the whole profile. The whole is also timed by the clock on all processors and on
one; that says something where nothing else runs. Linux only, for the choice of processors.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from linkkit.agreement import LinkageClause
from linkkit.exchange import PassSpec
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.passes import PassKeys, pass_filter, pass_specs
from linkkit.partner.encode.salts import salt_codes

KINDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "address": "street_address",
    "suburb": "city",
    "postcode": "postal_code",
}
KEYS = PassKeys(salts=b"s" * 32, tokens=b"t" * 32)


def main() -> None:
    options = arguments()
    clause = {"profile": options.profile, "fields": {n: {"kind": k} for n, k in KINDS.items()}}
    specs = pass_specs(LinkageClause.model_validate(clause))
    encode(people(20_000, seed=options.seed), specs)  # compiles the kernels
    columns = people(options.n, seed=options.seed)
    with_all = os.sched_getaffinity(0)
    on_all = min(by_clock(columns, specs) for _ in range(options.repeats))
    os.sched_setaffinity(0, {min(with_all)})
    on_one = min(by_clock(columns, specs) for _ in range(options.repeats))
    runs = [encode(columns, specs) for _ in range(options.repeats)]
    seconds = {name: min(run[name] for run in runs) for name in runs[0]}
    seconds["all"] = sum(seconds.values())
    print(
        json.dumps(
            {
                "profile": options.profile,
                "n_records": options.n,
                "records_per_second_of_cpu": {k: round(options.n / s) for k, s in seconds.items()},
                "n_processors": len(with_all),
                "times_as_fast_on_all": round(on_one / on_all, 2),
            },
            indent=2,
        )
    )


def encode(columns: dict[str, pa.Array], specs: Sequence[PassSpec]) -> dict[str, float]:
    """Encode all passes; returns the seconds of CPU time that each step took."""
    start = time.process_time()
    table = gram_table(columns, KINDS, fields=list(KINDS))
    seconds = {"tokenize": time.process_time() - start}
    start = time.process_time()
    salts = [salt_codes(columns, item) for item in specs]
    seconds["salts"] = time.process_time() - start
    for item, salt in zip(specs, salts, strict=True):
        start = time.process_time()
        pass_filter(table, *salt, item=item, keys=KEYS)
        seconds[item.name] = time.process_time() - start
    return seconds


def by_clock(columns: dict[str, pa.Array], specs: Sequence[PassSpec]) -> float:
    start = time.perf_counter()
    encode(columns, specs)
    return time.perf_counter() - start


def people(n: int, *, seed: int) -> dict[str, pa.Array]:
    """Make up standardized columns; names have the frequencies of Zipf's law."""
    rng = np.random.default_rng(seed)
    days = np.datetime64("1920-01-01") + rng.integers(0, 36_500, size=n)
    streets, suburbs = words(rng, 5_000), words(rng, 2_000)
    columns = {
        "given_name": drawn(rng, words(rng, 2_000), n),
        "surname": drawn(rng, words(rng, 20_000), n),
        "birth_date": np.char.replace(days.astype(str), "-", ""),
        "address": [f"{i} {streets[j]} st" for i, j in rng.integers(1, 900, size=(n, 2))],
        "suburb": drawn(rng, suburbs, n),
        "postcode": (10_000 + rng.integers(0, max(n // 33, 1), size=n)).astype(str),
    }
    return {name: pa.array(list(values), pa.large_string()) for name, values in columns.items()}


def words(rng: np.random.Generator, n: int) -> list[str]:
    letters = list("aaaabcddeeeeefghiijklmnnoooprrsstttuvwyz")
    return ["".join(rng.choice(letters, size=size)) for size in 4 + rng.binomial(6, 0.45, size=n)]


def drawn(rng: np.random.Generator, values: list[str], n: int) -> np.ndarray:
    share = 1 / np.arange(5, len(values) + 5)
    return rng.choice(values, size=n, p=share / share.sum())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200_000)
    parser.add_argument("--profile", choices=("standard", "hardened"), default="standard")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
