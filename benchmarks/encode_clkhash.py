"""Prints how many records a second clkhash and linkkit encode under the same schemas.

    python benchmarks/encode_clkhash.py [--rows 200000] [--rounds 5] [--schema NAME]

Both run in turn on the same made-up records, each in a fresh process with its own interpreter, in
one process and one thread. Each first encodes another file under another secret, so that starting up,
compiling and asking the system for memory are left out, as is reading the file; then rows that its
process has not seen, under a secret that it has not seen. The first filters of both are compared.
The rates are by CPU time, which other programs on the machine disturb less than the clock.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.environments import OWN_SOURCE, python_of, variables_of

WARM_UP_SECRET = b"the warm-up's own secret"
SECRET = b"a secret of the benchmark only"
PEER_ROWS = 10_000
N_COMPARED = 100
SYLLABLES = (
    "an bel cor da el fi gar ha is jo ka lin mo ne or pe qui ro sa ti ul va wen xa yo zu".split()
)


def schemas() -> dict[str, dict[str, Any]]:
    """Return six fields and 1,024 bits, with each hash and strategy."""
    found = {}
    for kind in ("doubleHash", "blakeHash"):
        for strategy, factor in (("bitsPerToken", 1), ("bitsPerFeature", 10)):
            found[f"{kind}-{strategy}"] = _schema(kind, strategy, factor)
    return found


def _schema(kind: str, strategy: str, factor: int) -> dict[str, Any]:
    def feature(
        name: str, form: dict[str, Any], bits: int, n: int, positional: bool
    ) -> dict[str, Any]:
        return {
            "identifier": name,
            "format": form,
            "hashing": {
                "comparison": {"type": "ngram", "n": n, "positional": positional},
                "strategy": {strategy: bits * factor},
                "hash": {"type": kind},
                "missingValue": {"sentinel": "", "replaceWith": ""},
            },
        }

    text = {"type": "string", "encoding": "utf-8"}
    return {
        "version": 3,
        "clkConfig": {"l": 1024, "kdf": {"type": "HKDF"}},
        "features": [
            {"identifier": "id", "ignored": True},
            feature("given_name", text, 10, 2, False),
            feature("surname", text, 10, 2, False),
            feature("birth_date", {"type": "date", "format": "%Y-%m-%d"}, 10, 1, True),
            feature("sex", {"type": "enum", "values": ["f", "m", "x"]}, 10, 1, False),
            feature("street", text, 5, 2, False),
            feature("postal_code", text, 8, 1, True),
        ],
    }


def _name(rng: random.Random, n_syllables: int) -> str:
    return "".join(rng.choices(SYLLABLES, k=n_syllables))


def records(n_rows: int, seed: int) -> list[list[str]]:
    """Make up records; a tenth of the names has letters beyond ASCII, streets rarely repeat."""
    names = random.Random(0)
    given = [_name(names, names.randint(2, 3)) for _ in range(5_000)]
    surnames = [_name(names, names.randint(2, 4)) for _ in range(50_000)]
    surnames[::10] = [name.replace("a", "ä", 1) for name in surnames[::10]]
    rng = random.Random(seed)
    return [
        [
            str(i),
            given[min(int(rng.paretovariate(0.6)), 5_000) - 1],
            surnames[int(50_000 * rng.random() ** 2)],
            f"{rng.randint(1940, 2020)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
            rng.choice("fm"),
            f"{rng.randint(1, 999)} {_name(rng, 3)} {rng.choice(['street', 'road', 'lane'])}",
            f"{rng.randint(10_000, 99_999)}",
        ]
        for i in range(n_rows)
    ]


def run_clkhash(path: Path, warm_up: Path, document: dict[str, Any]) -> dict[str, Any]:
    from clkhash.clk import generate_clks
    from clkhash.schema import from_json_dict
    from clkhash.serialization import serialize_bitarray

    def rows_of(path: Path) -> list[list[str]]:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))[1 : PEER_ROWS + 1]

    schema, rows = from_json_dict(document), rows_of(path)
    # It remembers what it has hashed; a secret of its own keeps that out of the measurement.
    generate_clks(rows_of(warm_up), schema, WARM_UP_SECRET, max_workers=1)
    start = time.process_time()
    filters = generate_clks(rows, schema, SECRET, max_workers=1)
    seconds = time.process_time() - start
    return {
        "rate": len(rows) / seconds,
        "clks": [serialize_bitarray(f) for f in filters[:N_COMPARED]],
    }


def run_linkkit(path: Path, warm_up: Path, document: dict[str, Any], engine: Any) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    from linkkit.partner.encode.clkhash import clk_base64, encode_clks, read_clk_schema

    schema = read_clk_schema(document)
    types = dict.fromkeys(schema.identifiers, pa.large_string())
    options = arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=False)
    table = arrow_csv.read_csv(path, convert_options=options)
    others = arrow_csv.read_csv(warm_up, convert_options=options)
    encode_clks(others, schema, secret=WARM_UP_SECRET, engine=engine)
    start = time.process_time()
    result = encode_clks(table, schema, secret=SECRET, engine=engine)
    seconds = time.process_time() - start
    return {
        "rate": len(table) / seconds,
        "clks": clk_base64(result.words[:N_COMPARED], n_bits=result.n_bits),
    }


TOOLS = {"clkhash": "clkhash-anonlink", "linkkit": "linkkit", "linkkit, numpy": "linkkit"}


def measure(tool: str, path: Path, schema: Path) -> dict[str, Any]:
    environment, folder = TOOLS[tool], path.parent
    warm_up = folder / "0.csv"
    done = subprocess.run(
        [python_of(environment), __file__, "--run", tool, str(path), str(warm_up), str(schema)],
        env=variables_of(environment, source=OWN_SOURCE, numba_cache=folder / "numba"),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def write_rows(path: Path, n_rows: int, seed: int) -> Path:
    if not path.exists():
        header = ["id", "given_name", "surname", "birth_date", "sex", "street", "postal_code"]
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *records(n_rows, seed)])
    return path


def compare(name: str, *, n_rows: int, n_rounds: int, folder: Path) -> None:
    schema = folder / f"{name}.json"
    schema.write_text(json.dumps(schemas()[name]))
    rates: dict[str, list[float]] = {tool: [] for tool in TOOLS}
    write_rows(folder / "0.csv", n_rows, seed=0)
    for number in range(1, n_rounds + 1):
        path = write_rows(folder / f"{number}.csv", n_rows, seed=number)
        answers = {tool: measure(tool, path, schema) for tool in TOOLS}
        for tool, answer in answers.items():
            rates[tool].append(answer["rate"])
            if answer["clks"] != answers["clkhash"]["clks"]:
                raise SystemExit(f"{tool} and clkhash differ under {name}")
    medians = {tool: statistics.median(found) for tool, found in rates.items()}
    print(f"\n{name}: median of {n_rounds} rounds, records per CPU second, the same filters")
    for tool, median in medians.items():
        low, high = min(rates[tool]), max(rates[tool])
        ratio = median / medians["clkhash"]
        print(
            f"  {tool:15} {median:12,.0f}  ({low:,.0f} to {high:,.0f})  {ratio:7.1f} x", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--schema", choices=list(schemas()))
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        tool, (path, warm_up, schema) = options.run[0], map(Path, options.run[1:])
        document = json.loads(schema.read_text())
        if tool == "clkhash":
            answer = run_clkhash(path, warm_up, document)
        else:
            engine = "numpy" if tool.endswith("numpy") else "numba"
            answer = run_linkkit(path, warm_up, document, engine)
        print(json.dumps(answer))
        return
    print(f"{options.rows:,} rows for linkkit, the first {PEER_ROWS:,} of them for clkhash")
    with tempfile.TemporaryDirectory() as folder:
        for name in [options.schema] if options.schema else schemas():
            compare(name, n_rows=options.rows, n_rounds=options.rounds, folder=Path(folder))


if __name__ == "__main__":
    main()
