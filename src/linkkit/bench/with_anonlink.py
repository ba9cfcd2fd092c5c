"""clkhash and anonlink: one keyed filter of 1,024 bits for each record, all pairs, Dice, greedy.

Loaded by its path in their own environment; needs nothing but the two. The schema follows
clkhash's tutorial: bigrams of text, positional characters of numbers, twice as many bits for names
and birth date as for the parts of an address, and filters that are about as full as the tutorial's.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from typing import Any

_Steps = Generator[str, None, dict[str, Any]]

N_BITS = 1024
THRESHOLD = 0.85
SECRET = "of the benchmark only"  # noqa: S105  # people are made up
BITS = {
    "given_name": 250,
    "surname": 250,
    "birth_date": 250,
    "address": 200,
    "city": 125,
    "postal_code": 125,
}
NUMBERS = ("birth_date", "postal_code")


def encode(job: dict[str, Any]) -> _Steps:
    """Encode both files, and keep the filters if they are to be linked."""
    clk = import_module("clkhash.clk")
    schema = _schema()
    yield "imported"
    rows = [_rows(job, party) for party in ("party_1", "party_2")]
    yield "ready"
    filters = [clk.generate_clks(part, schema, SECRET, max_workers=1) for part in rows]
    yield "done"
    if job.get("keep"):
        kept = Path(job["folder"]) / "anonlink"
        kept.mkdir(exist_ok=True)
        for number, part in enumerate(filters):
            (kept / f"{number}.bits").write_bytes(b"".join(bits.tobytes() for bits in part))
    return {"n_records": sum(map(len, filters))}


def link(job: dict[str, Any]) -> _Steps:
    """Link both files, from filters to the pairs."""
    anonlink, bitarray = import_module("anonlink"), import_module("bitarray")
    yield "imported"
    filters = [_filters(bitarray, job, number) for number in range(2)]
    yield "ready"
    candidates = anonlink.candidate_generation.find_candidate_pairs(
        filters, anonlink.similarities.dice_coefficient_accelerated, THRESHOLD
    )
    groups = anonlink.solving.greedy_solve(candidates)
    yield "done"
    pairs = [dict(group) for group in groups]
    with Path(job["links"]).open("wb") as file:
        for number in range(2):
            array("q", [pair[number] for pair in pairs if len(pair) == 2]).tofile(file)
    return {
        "n_comparisons": len(filters[0]) * len(filters[1]),
        "n_candidates": len(candidates[0]),
    }


def _rows(job: dict[str, Any], party: str) -> list[list[str]]:
    path = Path(job["folder"]) / f"{party}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def _filters(bitarray: Any, job: dict[str, Any], number: int) -> list[Any]:
    content = (Path(job["folder"]) / "anonlink" / f"{number}.bits").read_bytes()
    filters = []
    for start in range(0, len(content), N_BITS // 8):
        bits = bitarray.bitarray(endian="big")
        bits.frombytes(content[start : start + N_BITS // 8])
        filters.append(bits)
    return filters


def _schema() -> Any:
    formats, comparators = (
        import_module(f"clkhash.{name}") for name in ("field_formats", "comparators")
    )

    def field(name: str) -> Any:
        grams = (1, True) if name in NUMBERS else (2,)
        return formats.StringSpec(
            name,
            formats.FieldHashingProperties(
                comparator=comparators.NgramComparison(*grams),
                strategy=formats.BitsPerFeatureStrategy(BITS[name]),
                missing_value=formats.MissingValueSpec(sentinel=""),
            ),
        )

    schema = import_module("clkhash.schema")
    return schema.Schema([formats.Ignore("record_id"), *map(field, BITS)], N_BITS)


TASKS = {"encode": encode, "link": link}
