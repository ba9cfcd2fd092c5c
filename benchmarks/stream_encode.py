"""Prints how fast, and in how much memory, a large file is encoded, sealed and read back.

    python benchmarks/stream_encode.py [--rows 1000000] [--profile field|standard|hardened]
                                       [--format csv|parquet] [--folder DIR]

Makes up a file of people with six linkage fields and a payload variable, encodes it with
`linkkit.encode_file` in a child process, and reads the sealed encodings back batch by batch in another. What is printed as JSON: records per second by the clock and by CPU
time, and the peak resident memory of each child, as the system counts it (`ru_maxrss`). The
memory is what matters: it should not grow with the rows. The folder needs about 1 KB for each row
(`standard` 4, `hardened` 8).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.environments import OWN_SOURCE
from harness.machine import describe

PARTY = "district"
ROWS_MADE = 200_000
SYLLABLES = (
    "an bel cor da el fi gar ha is jo ka lin mo ne or pe qui ro sa ti ul va wen xa yo zu".split()
)
KINDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "street_address": "street_address",
    "city": "city",
    "postal_code": "postal_code",
}


def agreement_text(keys: dict[str, str], profile: str) -> str:
    """Return the agreement of one party whose columns are named as the fields."""
    return json.dumps(
        {
            "format": "linkkit-agreement/1",
            "id": "stream-benchmark",
            "title": "Benchmark",
            "purpose": "To measure.",
            "legal_basis": "None is needed for made-up people.",
            "years": {"first": 2020, "last": 2026},
            "destroy_by": "2999-01-01",
            "linkage": {
                "profile": profile,
                "fields": {name: {"kind": kind} for name, kind in KINDS.items()},
            },
            "variables": {"score": {"type": "number", "label": "Score", "combine": "mean"}},
            "parties": {
                PARTY: {
                    "name": "District",
                    "record_id": "id",
                    "linkage_fields": {name: {"column": name} for name in KINDS},
                    "payload": {"score": {"column": "score"}},
                    "public_key": keys[PARTY],
                }
            },
            "linkage_unit": {"name": "Unit", "public_key": keys["linkage_unit"]},
            "steward": {"name": "Steward", "public_key": keys["steward"]},
            "protection": {"smallest_cell": 10, "quasi_identifiers": {"in_district": {}}},
        }
    )


def words(rng: np.random.Generator, n: int, n_syllables: int) -> pa.Array:
    """Return made-up words, most of them distinct."""
    parts = [pa.array(rng.choice(SYLLABLES, n)) for _ in range(n_syllables)]
    return pc.utf8_capitalize(pc.binary_join_element_wise(*parts, ""))


def portion(rng: np.random.Generator, first: int, n: int, known: dict[str, pa.Array]) -> pa.Table:
    """Return some rows."""

    def some(name: str) -> pa.Array:
        return known[name].take(pa.array(rng.integers(0, len(known[name]), n)))

    days = np.datetime64("1940-01-01") + rng.integers(0, 29_000, n)
    numbers = pa.array(rng.integers(1, 9_999, n)).cast(pa.string())
    return pa.table(
        {
            "id": pc.binary_join_element_wise(
                "P", pa.array(range(first, first + n)).cast("string"), ""
            ),
            "given_name": some("given_name"),
            "surname": some("surname"),
            "birth_date": pc.strftime(pa.array(days), format="%m/%d/%Y"),
            "street_address": pc.binary_join_element_wise(numbers, some("street"), "St", " "),
            "city": some("city"),
            "postal_code": pa.array(rng.integers(501, 99_950, n)).cast(pa.string()),
            "score": pa.array(np.round(rng.random(n) * 100, 1)).cast(pa.string()),
        }
    )


def make_file(path: Path, n_rows: int) -> None:
    """Write the file."""
    rng = np.random.default_rng(2026)
    sizes = {
        "given_name": (5_000, 2),
        "surname": (100_000, 3),
        "street": (20_000, 3),
        "city": (2_000, 3),
    }
    known = {name: words(rng, n, k) for name, (n, k) in sizes.items()}
    writer: Any = None
    for first in range(0, n_rows, ROWS_MADE):
        table = portion(rng, first, min(ROWS_MADE, n_rows - first), known)
        if writer is None:
            make = pa_csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
            writer = make(path, table.schema)
        writer.write_table(table)
    writer.close()


def encode(folder: Path, name: str) -> None:
    """Encode the file, in a process of its own."""
    import linkkit as lk

    document = lk.Agreement.load(folder / "agreement.yaml")
    seconds, cpu = time.perf_counter(), time.process_time()
    files = lk.encode_file(
        folder / name,
        document,
        lk.Secret.generate(),
        party=PARTY,
        identity=lk.Identity.load(folder / PARTY),
        out=folder / "out",
        token_key=lk.TokenKey.generate(),
    )
    seconds, cpu = time.perf_counter() - seconds, time.process_time() - cpu
    n = files.report.n_records
    tell(
        records=n,
        seconds=round(seconds, 1),
        cpu_seconds=round(cpu, 1),
        records_per_second=round(n / seconds),
        records_per_cpu_second=round(n / cpu),
        encodings_mb=round(files.encodings.stat().st_size / 1e6, 1),
        payload_mb=round(files.payload.stat().st_size / 1e6, 1),
    )


def read_back(folder: Path) -> None:
    """Read the sealed encodings in batches, in a process of its own."""
    import linkkit as lk

    seconds = time.perf_counter()
    n = sum(
        len(batch)
        for batch in lk.EncodedExtract.load_batches(
            folder / "out" / f"{PARTY}.encodings",
            agreement=lk.Agreement.load(folder / "agreement.yaml"),
            identity=lk.Identity.load(folder / "linkage_unit"),
        )
    )
    tell(records=n, seconds=round(time.perf_counter() - seconds, 1))


def tell(**figures: float) -> None:
    """Print figures and the peak memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_bytes = peak if sys.platform == "darwin" else peak * 1024
    print(json.dumps({**figures, "peak_memory_mb": round(peak_bytes / 1e6)}))


def child(folder: Path, name: str, step: str) -> dict[str, Any]:
    """Run a step in a fresh process; returns its figures."""
    command = [sys.executable, __file__, "--child", step, "--folder", str(folder), "--name", name]
    environment = {"PYTHONPATH": str(OWN_SOURCE)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def measure(folder: Path, n_rows: int, suffix: str, profile: str) -> dict[str, Any]:
    """Make the file and take it through both steps."""
    sys.path.insert(0, str(OWN_SOURCE))
    import linkkit as lk

    keys = {}
    for role in (PARTY, "linkage_unit", "steward"):
        identity = lk.Identity.generate()
        identity.save(folder / role)
        keys[role] = identity.public.text
    (folder / "agreement.yaml").write_text(agreement_text(keys, profile))
    name = f"people.{suffix}"
    make_file(folder / name, n_rows)
    return {
        "machine": describe(),
        "profile": profile,
        "rows": n_rows,
        "format": suffix,
        "file_mb": round((folder / name).stat().st_size / 1e6, 1),
        "encode": child(folder, name, "encode"),
        "read_back": child(folder, name, "read"),
    }


def main() -> None:
    """Parse options and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--profile", choices=["field", "standard", "hardened"], default="field")
    parser.add_argument("--format", choices=["csv", "parquet"], default="csv")
    parser.add_argument(
        "--folder", type=Path, help="where there is room; a temporary folder by default"
    )
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=["encode", "read"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child == "encode":
        encode(options.folder, options.name)
    elif options.child == "read":
        read_back(options.folder)
    else:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            figures = measure(Path(folder), options.rows, options.format, options.profile)
            print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
