"""Links made-up files, groups their people into households, and prints how right that is, as JSON.

    python benchmarks/households.py                                   # the town and large files
    python benchmarks/households.py --data town --secrets 5
    python benchmarks/households.py --prepare FOLDER                  # where pseudopeople is installed
    python benchmarks/households.py --data census --census FOLDER

The town is `linkkit.synth`'s: siblings, half siblings of other surnames, moves, new phones, cell phones. The
large files are of `large_files` with households of 2.5 people, a tenth of which moves between the files. The
census is two drawings of pseudopeople's decennial census with its noise, four fifths of the rows each. Whoever
lives in its group quarters (a nursing home, barracks, a prison) is a household of one in the truth; up to 144 of
them have one address, and `people_in_largest` shows whether it swallowed them.

Precision, recall and F1 are of pairs of people of one household, each person by the first of its records.
`of_true_people` is the same for records that the truth puts together, so that only the step from people to
households is judged. `by_rule` is what people do by hand: those with the same surname and address, in equal
encodings, are one household. Under the profile `field`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

CENSUS_FIELDS = {
    "given_name": ("given_name", "first_name"),
    "surname": ("surname", "last_name"),
    "birth_date": ("date", "date_of_birth"),
    "sex": ("sex", "sex"),
    "address": ("street_address", ["street_number", "street_name", "unit_number"]),
    "city": ("city", "city"),
    "postal_code": ("postal_code", "zipcode"),
}
SEED = 2026


@dataclass(frozen=True, kw_only=True)
class Parties:
    """An agreement's document, tables, and each row's person and household."""

    document: dict[str, Any]
    tables: dict[str, Any]
    persons: dict[str, np.ndarray]
    households: dict[str, np.ndarray]


def town(seed: int) -> Parties:
    from linkkit.synth import youth_partnership

    made = youth_partnership(seed=seed)
    made.agreement["linkage"]["profile"] = "field"
    home = made.households.set_index("person")["household"]
    persons = {}
    for party, table in made.extracts.items():
        mine = made.truth[made.truth["party"] == party].set_index("record_id")["person"]
        ids = table[made.agreement["parties"][party]["record_id"]]
        persons[party] = mine[ids].to_numpy()
    homes = {party: home[people].to_numpy() for party, people in persons.items()}
    return Parties(document=made.agreement, tables=made.extracts, persons=persons, households=homes)


def large(n_rows: int, seed: int) -> Parties:
    from linkkit.synth.large import large_agreement, large_files

    files = large_files(n_rows, household_size=2.5, moved=0.1, seed=seed)
    return Parties(
        document=large_agreement(files.parties),
        tables={party: files.table(party) for party in files.parties},
        persons={party: files.person(party) for party in files.parties},
        households={party: files.household(party) for party in files.parties},
    )


def prepare(folder: Path) -> None:
    """Write two drawings of the census; runs where pseudopeople is installed."""
    import pseudopeople as psp

    folder.mkdir(parents=True, exist_ok=True)
    for number in (1, 2):
        drawn = psp.generate_decennial_census(seed=SEED + number, year=2020)
        drawn = drawn.drop_duplicates("simulant_id").sample(frac=0.8, random_state=SEED + number)
        drawn.to_csv(folder / f"census_{number}.csv", index=False)


def census(folder: Path) -> Parties:
    tables = {
        f"census_{number}": pd.read_csv(folder / f"census_{number}.csv", dtype=str)
        for number in (1, 2)
    }
    from linkkit.synth.large import large_agreement

    document = large_agreement(list(tables))
    fields = {name: {"kind": kind} for name, (kind, _) in CENSUS_FIELDS.items()}
    document["linkage"]["fields"] = fields
    for party, clause in document["parties"].items():
        clause["linkage_fields"] = {
            name: {"column": column} for name, (_, column) in CENSUS_FIELDS.items()
        }
        clause["record_id"] = "record_id"
        tables[party]["record_id"] = [str(i) for i in range(len(tables[party]))]
    return Parties(
        document=document,
        tables=tables,
        persons={party: table["simulant_id"].to_numpy() for party, table in tables.items()},
        households={
            party: table["household_id"]
            .where(table["housing_type"] == "Household", table["simulant_id"])
            .to_numpy()
            for party, table in tables.items()
        },
    )


def pairs_right(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return precision, recall and F1 of pairs in the same group."""

    def n_pairs(*keys: np.ndarray) -> int:
        sizes = pd.DataFrame(dict(enumerate(keys))).groupby(list(range(len(keys)))).size()
        return int((sizes * (sizes - 1) // 2).sum())

    right, n_found, n_true = n_pairs(found, true), n_pairs(found), n_pairs(true)
    precision, recall = right / max(n_found, 1), right / max(n_true, 1)
    both = precision + recall
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / both, 4) if both else 0.0,
    }


def measured(parties: Parties) -> dict[str, Any]:
    """Encode and link with households under a fresh secret, and compare with the truth."""
    import linkkit as lk
    from linkkit.linkage.households import find_households

    agreement, secret = lk.Agreement.from_document(parties.document), lk.Secret.generate()
    true: dict[str, tuple[Any, Any]] = {}
    encodings = []
    for party, table in parties.tables.items():
        one = lk.encode(table, agreement, secret, party=party)
        encodings.append(one.encodings)
        rows = one.token_map.to_pandas()
        people, homes = parties.persons[party], parties.households[party]
        true |= {
            token: (people[row - 1], homes[row - 1])
            for token, row in zip(rows.token, rows.row, strict=True)
        }
    start = time.process_time()
    result = lk.link(encodings, households=True, n_threads=1)
    linked = time.process_time()
    pool = result.pairs.pool
    truth = [true[bytes(token).hex()] for token in pool.tokens]
    person = pd.factorize(pd.Series([who for who, _ in truth]))[0]
    home = pd.factorize(pd.Series([where for _, where in truth]))[0]
    first = np.unique(person, return_index=True)[1]
    by_token = result.crosswalk.to_pandas().set_index("token")["household_id"]
    found = by_token[[bytes(token).hex() for token in pool.tokens]].to_numpy()
    start_homes = time.process_time()
    alone = find_households(pool, first[person])
    end = time.process_time()
    summary = result.households
    return {
        **pairs_right(found[first], home[first]),
        "of_true_people": pairs_right(alone.household[first], home[first]),
        "by_rule": pairs_right(by_rule(pool, first[person])[first], home[first]),
        "estimated_precision": round(summary.precision, 4),
        "precision_interval": [round(end, 4) for end in summary.precision_interval],
        "estimated_recall": round(summary.recall, 4),
        "recall_interval": [round(end, 4) for end in summary.recall_interval],
        "n_people": len(first),
        "n_households": summary.n_households,
        "people_in_largest": max(summary.sizes),
        "link_cpu_seconds": round(linked - start, 1),
        "households_cpu_seconds": round(end - start_homes, 2),
    }


def by_rule(pool: Any, person: np.ndarray) -> np.ndarray:
    """Return who has the same surname and address as somebody, and so on."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from linkkit.linkage.block.keys import filter_keys

    kinds = [item.kind for item in pool.spec.filters]
    keys = filter_keys(pool)[:, [kinds.index("surname"), kinds.index("street_address")]]
    has = np.flatnonzero(np.all(keys != 0, axis=1))
    value = np.unique(keys[has], axis=0, return_inverse=True)[1].ravel()
    n = len(pool)
    edges = (np.append(has, np.arange(n)), np.append(n + value, person))
    size = n + int(value.max(initial=0)) + 1
    graph = coo_array((np.ones(len(edges[0]), dtype=np.int8), edges), shape=(size, size))
    return connected_components(graph, directed=False)[1][:n]


def data_sets(given: argparse.Namespace) -> Iterator[tuple[str, Parties]]:
    for name in given.data:
        if name == "town":
            yield name, town(given.seed)
        elif name == "census":
            if given.census is None:
                print("skipped census: --census names no folder", file=sys.stderr)
                continue
            yield name, census(given.census)
        else:
            yield name, large(int(name.removeprefix("large-").replace("k", "000")), given.seed)


def main() -> None:
    given = arguments()
    if given.prepare is not None:
        prepare(given.prepare)
        return
    from harness.machine import describe

    lines = []
    for name, parties in data_sets(given):
        for _ in range(given.secrets):
            lines.append({"data": name, **measured(parties)})
            print(json.dumps(lines[-1]), file=sys.stderr, flush=True)
    print(json.dumps({"machine": describe(), "lines": lines}, indent=1))


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = ("town", "large-20k", "large-100k", "census")
    options.add_argument("--data", nargs="+", choices=every, default=list(every))
    options.add_argument("--secrets", type=int, default=2, help="How many secrets to try.")
    options.add_argument("--seed", type=int, default=SEED, help="Seed of the made-up files.")
    options.add_argument("--census", type=Path, help="Where --prepare wrote the census.")
    options.add_argument("--prepare", type=Path, help="Write the census to this folder.")
    return options.parse_args()


if __name__ == "__main__":
    main()
