"""Prints, as JSON, how many records a second linkkit standardizes and encodes, by profile.

    python benchmarks/encode_field.py [--rows 1000000] [--rounds 3] [--profile field|clkhash]
                                      [--without-clkhash]

Made-up people with six fields: given name, surname, birth date, street address, city and postal code.
Names follow the long tail of real ones, and about one cell in twenty is messy: other scripts and
accents, punctuation, titles, placeholders, blanks. Everything runs in one process, as it would at
a party: first on another file under another secret, so that starting up, compiling and asking
the system for memory are left out, as is making up the rows; then on rows and under a secret that it
has not seen. Both profiles standardize first; `field` makes a filter for each field, `clkhash` one for
each record, under a schema of six features.

`standardize` and `encode fields` are the steps alone; `encode()` is all of it: standardize, choose
records, encode, tokens, order, payload, report. Rates are by the clock and by CPU time, medians of the
rounds; the clock gains from threads, and CPU time is disturbed less by other programs. CPU time in the
kernel, which is what the system takes to hand out memory and differs much between runs, is told apart.
clkhash encodes the first rows of each round, unstandardized, in an environment of its own.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.environments import python_of, variables_of

PEER_ROWS = 10_000
COLUMNS = ("id", "first", "last", "born", "street", "city", "zip")
SYLLABLES = (
    "an bel cor da el fi gar ha is jo ka lin mo ne or pe qui ro sa ti ul va wen xa yo zu".split()
)
GIVEN = (
    "Mary James Patricia John Linda Michael Elizabeth Robert Jennifer William Maria David Susan "
    "Richard Karen Joseph Lisa Thomas Nancy Daniel Sandra Anthony Ashley Kevin Emily Jose Donna Luis"
).split()
SURNAMES = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez "
    "Gonzalez Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris"
).split()
STREETS = "Street St. Avenue AVE Road Rd Drive Dr. Lane Court Boulevard Blvd Circle Way".split()
MESSY = {
    "first": [
        "José",
        "María José",
        "Мария",
        "Anne-Marie",
        "Mary A.",
        "Dr. Ann",
        "unknown",
        "",
        "J.",
        "D'Andre",
    ],
    "last": [
        "Núñez",
        "O'Brien",
        "García-López",
        "Smith, Jr.",
        "de la Cruz",
        "N/A",
        "",
        "Nguyễn",
        "McDonald III",
    ],
    "born": ["01/01/1900", "2009-02-30", "unknown", "", "5-Mar-1981", "1981-03-05 00:00:00"],
    "street": [
        "P.O. Box 12",
        "Calle Peña 7",
        "homeless",
        "",
        "12 N. 5th St., Apt. #4",
        "same as above",
    ],
    "city": ["San José", "St. Paul", "N/A", "", "WINSTON-SALEM"],
    "zip": ["94110-1234", "2134", "00000", "", "94110.0", "SW1A 1AA"],
}


def _name(rng: random.Random, n_syllables: int) -> str:
    return "".join(rng.choices(SYLLABLES, k=n_syllables)).capitalize()


def _skewed(rng: random.Random, items: list[str], exponent: float, n: int) -> list[str]:
    weights = list(itertools.accumulate((i + 3) ** -exponent for i in range(len(items))))
    return rng.choices(items, cum_weights=weights, k=n)


def columns_of(n_rows: int, seed: int) -> dict[str, list[str]]:
    """Make up records; a cell in twenty is messy."""
    names, rng = random.Random(0), random.Random(seed)
    given = GIVEN + [_name(names, names.randint(2, 3)) for _ in range(8_000)]
    surnames = SURNAMES + [_name(names, names.randint(2, 4)) for _ in range(100_000)]
    streets = [_name(names, 3) for _ in range(20_000)]
    cities = [_name(names, names.randint(2, 4)) for _ in range(3_000)]
    zips = [f"{names.randint(501, 99_950):05d}" for _ in range(30_000)]
    made = {
        "id": [f"S{seed}-{i:08d}" for i in range(n_rows)],
        "first": _skewed(rng, given, 1.05, n_rows),
        "last": _skewed(rng, surnames, 0.9, n_rows),
        "born": [
            f"{rng.randint(1, 12):02d}/{rng.randint(1, 28):02d}/{rng.randint(1930, 2020)}"
            for _ in range(n_rows)
        ],
        "street": [
            f"{int(rng.paretovariate(0.4)) % 20_000} {street} {rng.choice(STREETS)}"
            + (f" Apt {rng.randint(1, 400)}" if rng.random() < 0.2 else "")
            for street in _skewed(rng, streets, 0.7, n_rows)
        ],
        "city": _skewed(rng, cities, 0.9, n_rows),
        "zip": _skewed(rng, zips, 0.5, n_rows),
    }
    for name, messy in MESSY.items():
        cells = made[name]
        for row in rng.sample(range(n_rows), n_rows // 20):
            cells[row] = rng.choice([*messy, cells[row].upper(), f" {cells[row]}  "])
    return made


def document() -> dict[str, Any]:
    """Return an agreement of one party with six linkage fields, with row ids or without."""
    kinds = ("given_name", "surname", "date", "street_address", "city", "postal_code")
    fields = dict(zip(COLUMNS[1:], kinds, strict=True))
    party: dict[str, Any] = {
        "name": "A party",
        "linkage_fields": {name: {"column": name} for name in fields},
        "payload": {"birth_year": {"field": "born", "coarsen": "year"}},
    }
    return {
        "format": "linkkit-agreement/1",
        "id": "benchmark",
        "title": "Benchmark",
        "purpose": "Measure.",
        "legal_basis": "None is needed for made-up people.",
        "years": {"first": 2020, "last": 2025},
        "destroy_by": "2999-06-30",
        "linkage": {
            "profile": "field",
            "fields": {name: {"kind": kind} for name, kind in fields.items()},
        },
        "variables": {"birth_year": {"type": "integer", "label": "Year of birth"}},
        "parties": {"a": {**party, "record_id": "id"}, "b": party},
        "linkage_unit": {"name": "Linkage unit"},
        "steward": {"name": "Steward"},
        "protection": {"smallest_cell": 10, "quasi_identifiers": {"birth_year": {}}},
    }


def measure_linkkit(tables: list[Any], profile: str) -> list[dict[str, float]]:
    """Time the steps on each table but the first, under a new secret each."""
    import linkkit as lk

    agreement = lk.Agreement.from_document(DOCUMENTS[profile]())
    return [_round(table, agreement) for table in tables][1:]


class Clock:
    """Keeps the seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        before, wall = os.times(), time.perf_counter()
        result = work()
        wall, after = time.perf_counter() - wall, os.times()
        system = after.system - before.system
        self.seconds[f"{name}, wall"] = wall
        self.seconds[f"{name}, CPU"] = after.user - before.user + system
        self.seconds[f"{name}, of it in the kernel"] = system
        return result

    def add_up(self, name: str, steps: tuple[str, ...]) -> None:
        for clock in ("wall", "CPU", "of it in the kernel"):
            parts = [self.seconds[f"{step}, {clock}"] for step in steps]
            self.seconds[f"{name}, {clock}"] = sum(parts)


def _round(table: Any, agreement: Any) -> dict[str, float]:
    import linkkit as lk
    from linkkit.partner.read import extract_from_frame
    from linkkit.partner.standardize import standardize

    secret, token_key = lk.Secret.generate(), lk.TokenKey.generate()
    extract, clock = extract_from_frame(table), Clock()
    found = clock.timed("standardize", lambda: standardize(extract, agreement, party="b"))
    clock.timed("encode fields", _encoding(extract, found, agreement, secret))
    clock.add_up("standardize and encode fields", ("standardize", "encode fields"))
    del found
    clock.timed("encode()", lambda: lk.encode(table, agreement, secret, party="b"))
    clock.timed(
        "encode() with row ids and token key",
        lambda: lk.encode(table, agreement, secret, party="a", token_key=token_key),
    )
    return clock.seconds


def _encoding(extract: Any, found: Any, agreement: Any, secret: Any) -> Callable[[], Any]:
    """Return what makes the filters of standardized fields, and nothing else."""
    from linkkit.partner.encode import encoding_spec
    from linkkit.partner.encode.clk_profile import as_clkhash_secret
    from linkkit.partner.encode.clk_rows import clk_rows
    from linkkit.partner.encode.filters import FieldEncoder
    from linkkit.partner.keys import KeyScope

    spec = encoding_spec(agreement)
    if agreement.linkage.profile == "clkhash":
        shared = as_clkhash_secret(secret, agreement, spec)
        return lambda: clk_rows(extract, found, agreement, shared, party="b")
    scope = KeyScope.of(agreement, spec)
    return lambda: FieldEncoder(secret, scope, spec).encode(found.fields)


def clkhash_document() -> dict[str, Any]:
    """Return the same agreement under the profile `clkhash`, with values standardized first."""
    changed = document()
    schema = clkhash_schema()
    for feature in schema["features"][1:]:
        feature["hashing"]["missingValue"] = {"sentinel": "", "replaceWith": ""}
        if feature["identifier"] == "born":
            feature["format"] = {"type": "date", "format": "%Y-%m-%d"}
    changed["linkage"]["profile"] = "clkhash"
    changed["linkage"]["clkhash"] = {"standardize": "linkkit", "linkage_schema": schema}
    return changed


def clkhash_schema() -> dict[str, Any]:
    def feature(name: str, n: int) -> dict[str, Any]:
        return {
            "identifier": name,
            "format": {"type": "string", "encoding": "utf-8"},
            "hashing": {
                "comparison": {"type": "ngram", "n": n, "positional": n == 1},
                "strategy": {"bitsPerToken": 10},
                "hash": {"type": "blakeHash"},
            },
        }

    return {
        "version": 3,
        "clkConfig": {"l": 1024, "kdf": {"type": "HKDF"}},
        "features": [
            {"identifier": "id", "ignored": True},
            *(feature(name, 1 if name in ("born", "zip") else 2) for name in COLUMNS[1:]),
        ],
    }


DOCUMENTS = {"field": document, "clkhash": clkhash_document}


def run_clkhash(paths: list[Path]) -> list[float]:
    """Return records a CPU second for each file but the first. Runs in clkhash's environment."""
    from clkhash.clk import generate_clks
    from clkhash.schema import from_json_dict

    schema, rates = from_json_dict(clkhash_schema()), []
    for number, path in enumerate(paths):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        start = time.process_time()
        generate_clks(rows, schema, f"secret {number}".encode(), max_workers=1)
        rates.append(len(rows) / (time.process_time() - start))
    return rates[1:]


def measure_clkhash(tables: list[dict[str, list[str]]]) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.csv" for number in range(len(tables))]
        for path, table in zip(paths, tables, strict=True):
            rows = zip(*table.values(), strict=True)
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([COLUMNS, *rows])
        done = subprocess.run(
            [python_of("clkhash-anonlink"), __file__, "--clkhash", *map(str, paths)],
            env=variables_of("clkhash-anonlink", source=Path(folder), numba_cache=Path(folder)),
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    rates: list[float] = json.loads(done.stdout)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", choices=list(DOCUMENTS))
    parser.add_argument("--without-clkhash", action="store_true")
    parser.add_argument("--clkhash", nargs="+", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.clkhash:
        print(json.dumps(run_clkhash(options.clkhash)))
        return
    import pyarrow as pa

    tables, heads = [], []
    for seed in range(options.rounds + 1):
        columns = columns_of(options.rows, seed)
        tables.append(pa.table(columns))
        heads.append({name: cells[:PEER_ROWS] for name, cells in columns.items()})
    del columns  # millions of objects slow every collection of garbage
    peer = None if options.without_clkhash else statistics.median(measure_clkhash(heads))
    answer: dict[str, Any] = {
        "rows": options.rows,
        "rounds": options.rounds,
        "fields": len(COLUMNS) - 1,
        "clkhash_records_per_cpu_second": peer and round(peer),
    }
    for profile in [options.profile] if options.profile else DOCUMENTS:
        rounds = measure_linkkit(tables, profile)
        medians = {step: statistics.median(found[step] for found in rounds) for step in rounds[0]}
        answer[profile] = {
            step: _told(seconds, options.rows, peer) for step, seconds in medians.items()
        }
    print(json.dumps(answer, indent=2))


def _told(seconds: float, n_rows: int, peer: float | None) -> dict[str, float]:
    rate = n_rows / seconds if seconds else 0.0
    told = {"seconds": round(seconds, 3), "records_per_second": round(rate)}
    return told if peer is None else {**told, "times_clkhash": round(rate / peer, 1)}


if __name__ == "__main__":
    main()
