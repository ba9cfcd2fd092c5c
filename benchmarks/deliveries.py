"""Links data sets in deliveries, one after the other, beside all at once; and in any order of rows.

    python benchmarks/deliveries.py                                    # five deliveries of each data set
    python benchmarks/deliveries.py --data febrl4 --profiles field --shuffles 20
    python benchmarks/deliveries.py --large 200000 20000 --profiles field standard

The data sets are those of `quality_profiles.py`. Each party's records are dealt out to the deliveries at
random. F1 is of pairs of records of one person. `changed` counts what became of person ids on the way.
With `--shuffles`, rows and parties are shuffled before they are encoded under the same secret, with fresh record
tokens, and the partitions into people that equal the first one are counted. `--large N M` adds M rows of
two large files to N, and prints processor time and comparisons beside those of all N + M at once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.attacked import febrl4_folder
from harness.attacked_profiles import as_profile
from harness.machine import describe
from quality_profiles import Parties, data_sets, figures, n_pairs

import linkkit as lk
from linkkit.exchange import Filter
from linkkit.synth import large_agreement, large_files


def rows_of(extract: lk.EncodedExtract, rows: np.ndarray) -> lk.EncodedExtract:
    """Return some rows of an extract."""
    filters = {
        name: Filter(words=item.words[rows], present=item.present[rows])
        for name, item in extract.filters.items()
    }
    return replace(
        extract, tokens=extract.tokens[rows], filters=filters, block_keys=extract.block_keys[rows]
    )


def encoded(parties: Parties, profile: str) -> tuple[list[lk.EncodedExtract], dict[str, str]]:
    """Return extracts under a fresh secret, and the person of each token."""
    agreement, secret = as_profile(parties.document, profile, passes=None), lk.Secret.generate()
    extracts, true = [], dict[str, str]()
    for party, table in parties.tables.items():
        one = lk.encode(table, agreement, secret, party=party)
        rows = one.token_map.to_pandas()
        persons = parties.persons[party]
        true |= {token: persons[row - 1] for token, row in zip(rows.token, rows.row, strict=True)}
        extracts.append(one.encodings)
    return extracts, true


def judged(result: lk.LinkResult, true: dict[str, str]) -> dict[str, float]:
    """Return precision, recall and F1 of pairs."""
    people = result.crosswalk.to_pandas()
    people["true"] = people["token"].map(true)
    counts = (n_pairs(people, keys) for keys in (["person_id", "true"], ["person_id"], ["true"]))
    return figures(*counts)


def in_deliveries(
    extracts: list[lk.EncodedExtract], true: dict[str, str], n: int, seed: int
) -> dict[str, Any]:
    """Link all at once, and in deliveries."""
    began = time.process_time()
    whole = lk.link(extracts)
    at_once = time.process_time() - began
    rng = np.random.default_rng(seed)
    when = [rng.integers(0, n, len(extract)) for extract in extracts]
    result: lk.LinkResult | None = None
    seconds = []
    for k in range(n):
        parts = [rows_of(x, np.flatnonzero(w == k)) for x, w in zip(extracts, when, strict=True)]
        began = time.process_time()
        result = lk.link([part for part in parts if len(part)], previous=result)
        seconds.append(round(time.process_time() - began, 2))
    if result is None:
        raise SystemExit("there is no delivery")
    return {
        "at_once": judged(whole, true),
        "in_deliveries": judged(result, true),
        "changed": result.changes.counts(),
        "cpu_seconds_at_once": round(at_once, 2),
        "cpu_seconds_of_deliveries": seconds,
    }


ROW = "row of the table"


def shuffled(parties: Parties, profile: str, n: int, *, fresh_tokens: bool) -> dict[str, Any]:
    """Count in how many orders of rows and parties the people are those of the first order."""
    document = dict(parties.document)
    if not fresh_tokens:
        # Records have ids, so that each keeps its token.
        document["parties"] = {
            party: {**clause, "record_id": ROW} for party, clause in document["parties"].items()
        }
    agreement, secret = as_profile(document, profile, passes=None), lk.Secret.generate()
    keys = {party: None if fresh_tokens else lk.TokenKey.generate() for party in parties.tables}
    first: set[frozenset[tuple[str, int]]] | None = None
    n_same, apart = 0, []
    for k in range(n + 1):
        people = people_of(
            parties, agreement, secret, keys, np.random.default_rng(k), shuffle=k > 0
        )
        first = people if first is None else first
        n_same += k > 0 and people == first
        apart.append(len(people ^ first))
    return {"shuffles": n, "identical": int(n_same), "most_groups_apart": max(apart)}


def people_of(
    parties: Parties, agreement: lk.Agreement, secret: lk.Secret,
    keys: dict[str, lk.TokenKey | None], rng: np.random.Generator, *, shuffle: bool,
) -> set[frozenset[tuple[str, int]]]:  # fmt: skip
    """Return the people as sets of rows of the parties' tables."""
    extracts, row_of = [], dict[str, tuple[str, int]]()
    for party, table in parties.tables.items():
        order = rng.permutation(len(table)) if shuffle else np.arange(len(table))
        mine = table.iloc[order].assign(**{ROW: [str(row) for row in order]})
        one = lk.encode(mine, agreement, secret, party=party, token_key=keys[party])
        rows = one.token_map.to_pandas()
        row_of |= {
            token: (party, int(order[row - 1]))
            for token, row in zip(rows.token, rows.row, strict=True)
        }
        extracts.append(one.encodings)
    if shuffle:
        extracts = [extracts[i] for i in rng.permutation(len(extracts))]
    people = lk.link(extracts).crosswalk.to_pandas()
    groups: dict[str, set[tuple[str, int]]] = {}
    for token, person in zip(people["token"], people["person_id"], strict=True):
        groups.setdefault(person, set()).add(row_of[token])
    return set(map(frozenset, groups.values()))


def large(profile: str, n: int, n_more: int) -> dict[str, Any]:
    """Return the processor time and the comparisons of adding some rows, and of linking all at once."""
    files = large_files(n + n_more)
    agreement = lk.Agreement.from_document(large_agreement(files.parties, profile=profile))
    secret = lk.Secret.generate()
    extracts = [
        lk.encode(files.table(party), agreement, secret, party=party).encodings
        for party in files.parties
    ]
    rng = np.random.default_rng(1)
    first = [rng.permutation(len(extract)) < n for extract in extracts]
    seconds, comparisons = dict[str, float](), dict[str, int]()
    previous: lk.LinkResult | None = None
    for name, parts in (
        ("warm", [rows_of(x, np.arange(2_000)) for x in extracts]),
        ("before", [rows_of(x, np.flatnonzero(f)) for x, f in zip(extracts, first, strict=True)]),
        ("added", [rows_of(x, np.flatnonzero(~f)) for x, f in zip(extracts, first, strict=True)]),
        ("at_once", extracts),
    ):
        began = time.process_time()
        result = lk.link(parts, previous=previous if name == "added" else None, n_threads=1)
        seconds[name] = round(time.process_time() - began, 2)
        comparisons[name] = result.plan.n_comparisons
        previous = result if name == "before" else previous
    del seconds["warm"], comparisons["warm"]
    return {
        "rows_before": n,
        "rows_added": n_more,
        "cpu_seconds": seconds,
        "comparisons": comparisons,
    }


def lines(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a line of figures for each data set and profile."""
    if given.large:
        for profile in given.profiles:
            yield {"data": "large", "profile": profile, **large(profile, *given.large)}
        return
    for name, parties in data_sets(given.data, given.folder or febrl4_folder(), given.seed):
        for profile in given.profiles:
            if name == "town" and profile == "clkhash":
                continue
            if given.shuffles:
                yield {
                    "data": name,
                    "profile": profile,
                    **shuffled(parties, profile, given.shuffles, fresh_tokens=given.fresh_tokens),
                }
                continue
            extracts, true = encoded(parties, profile)
            found = in_deliveries(extracts, true, given.deliveries, given.seed)
            yield {"data": name, "profile": profile, **found}


def main() -> None:
    given = arguments()
    found = []
    for line in lines(given):
        found.append(line)
        print(json.dumps(line), file=sys.stderr, flush=True)
    print(json.dumps({"machine": describe(), "lines": found}, indent=1))


def arguments() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = ("febrl4", "febrl2", "febrl3", "anonlink5", "town")
    profiles = ("field", "standard", "hardened", "clkhash")
    options.add_argument("--data", nargs="+", choices=every, default=list(every))
    options.add_argument("--profiles", nargs="+", choices=profiles, default=["field", "standard"])
    options.add_argument("--deliveries", type=int, default=5)
    options.add_argument("--shuffles", type=int, default=0, help="Shuffle so often instead.")
    options.add_argument(
        "--fresh-tokens", action="store_true", help="Give records new tokens in each shuffle."
    )
    options.add_argument("--large", type=int, nargs=2, metavar=("N", "M"))
    options.add_argument("--seed", type=int, default=2026)
    options.add_argument("--folder", type=Path, help="FEBRL's CSV files.")
    return options.parse_args()


if __name__ == "__main__":
    main()
