"""Attacks blocking keys alone, without a bit of any filter, and prints who is found.

    python benchmarks/attack_keys.py                          # FEBRL 4, 2,500 people
    python benchmarks/attack_keys.py --data town              # a made-up town of families
    python benchmarks/attack_keys.py --keys keys.yaml         # other keys
    python benchmarks/attack_keys.py --sizes 2500 12500 50000 # a town that grows: told apart only

The attacker has the keys of all records, a list of the same people and no secret, and makes the keys of that
list under a secret of its own: the groups are the same, under other numbers. `noisy` records differ
from the list by the errors of FEBRL 4's second file, `exact` ones not at all.

by size: groups are taken for each other by how large they are, key by key; the best key counts.
told apart: records that no other equals in which groups they are in, as far as sizes and overlaps
show (color refinement), and that the attacker's list shows alike: found for certain.
pairs found: people whose two records share one key or more, which is what keys are for.
graph: `linkkit.assess.attack.graph_matching` with visible groups and nothing else, the best round.
known: `known_pairs` with the same, of the people who are not known.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.attacked import febrl4_folder
from harness.attacked_profiles import People, febrl4, town

import linkkit as lk
from linkkit.assess.attack import (
    PassView,
    Target,
    Truth,
    graph_matching,
    known_pairs,
    wilson_interval,
)
from linkkit.partner.encode import encoding_spec
from linkkit.partner.encode.block_keys import block_keys
from linkkit.partner.keys import KeyScope
from linkkit.partner.preflight.keys import overlap_patterns, share_told_apart
from linkkit.partner.read import extract_from_frame
from linkkit.partner.standardize import standardize
from linkkit.synth import youth_partnership

Codes = npt.NDArray[np.int64]


def parts(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of a key as an agreement has them."""
    return [{"field": field, "by": by} for field, by in pairs]


def key_sets(postal_code: str) -> dict[str, dict[str, Any]]:
    """Return blocking keys, from few and fine to many and coarse, by a name."""
    sound_year = parts(("surname", "soundex"), ("birth_date", "year"))
    given_code = parts(("given_name", 3), (postal_code, "whole"))
    day_initial = parts(("birth_date", "month_day"), ("surname", 1))
    fine = {"sound_year": sound_year, "given_code": given_code, "day_initial": day_initial}
    coarse = {
        "sound": parts(("surname", "soundex")),
        "year": parts(("birth_date", "year")),
        "code": parts((postal_code, "whole")),
    }
    return {
        "1 fine": {"sound_year": sound_year},
        "3 fine": fine,
        "3 coarse": coarse,
        "6, fine and coarse": fine | coarse,
    }


def with_keys(document: Mapping[str, Any], keys: Mapping[str, Any]) -> lk.Agreement:
    """Return an agreement of the profile `field` with blocking keys."""
    linkage = {"fields": document["linkage"]["fields"], "profile": "field", "blocking_keys": keys}
    return lk.Agreement.from_document({**document, "linkage": linkage})


def keys_of(
    frame: Any, agreement: lk.Agreement, secret: lk.Secret, party: str
) -> npt.NDArray[np.uint64]:
    """Return the keys of records, as they are sent."""
    table = extract_from_frame(frame, source="the records")
    fields = standardize(table, agreement, party=party).fields
    spec = encoding_spec(agreement)
    return block_keys(fields, secret, KeyScope.of(agreement, spec), spec)


def groups_of(keys: npt.NDArray[np.uint64]) -> list[Codes]:
    """Return the group of each record under each key, -1 where it has none."""
    return [np.where(key == 0, -1, np.unique(key, return_inverse=True)[1]) for key in keys.T]


def found_by_size(target: Sequence[Codes], own: Sequence[Codes], seed: int) -> float:
    """Return for how many records the best key's group is the right one, judged by its size.

    Ties fall at random; the mean of 20 draws.
    """
    rng = np.random.default_rng(seed)
    found = []
    for theirs, mine in zip(target, own, strict=True):
        draws = [_rightly_paired(theirs, mine, rng) for _ in range(20)]
        found.append(float(np.mean(draws)))
    return max(found)


def _rightly_paired(theirs: Codes, mine: Codes, rng: np.random.Generator) -> int:
    ranked = [_by_size(codes, rng) for codes in (theirs, mine)]
    n = min(map(len, ranked))
    taken_for = np.full(int(theirs.max(initial=0)) + 1, -1)
    taken_for[ranked[0][:n]] = ranked[1][:n]
    return int(np.sum((theirs >= 0) & (mine >= 0) & (taken_for[theirs] == mine)))


def _by_size(codes: Codes, rng: np.random.Generator) -> Codes:
    names, sizes = np.unique(codes[codes >= 0], return_counts=True)
    return names[np.lexsort((rng.random(len(sizes)), -sizes))]


def told_apart(target: Sequence[Codes], own: Sequence[Codes]) -> int:
    """Return how many records are told from all others, and are the same in the list."""
    theirs, mine = overlap_patterns(target), overlap_patterns(own)
    once = [np.isin(x, *_singles(x)) for x in (theirs, mine)]
    return int(np.sum(once[0] & once[1] & (theirs == mine)))


def _singles(patterns: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64]]:
    names, counts = np.unique(patterns, return_counts=True)
    return (names[counts == 1],)


def as_target(groups: Sequence[Codes], seed: int) -> Target:
    """Return groups as a target whose bits are random, which the attack is told not to look at."""
    rng = np.random.default_rng(seed)
    return Target(
        passes=tuple(
            PassView(words=rng.integers(0, 1 << 63, (len(g), 1), dtype=np.uint64), groups=g)
            for g in groups
        )
    )


def run(people: People, keys: Mapping[str, Any], copies: str, *, given: Any) -> dict[str, Any]:
    """Attack one set of keys."""
    agreement = with_keys(people.document, keys)
    order = np.random.default_rng(given.seed).permutation(len(people.own))
    frame = people.targets[copies].iloc[order].reset_index(drop=True)
    secret = lk.Secret.generate()
    sent = keys_of(frame, agreement, secret, people.party)
    listed = keys_of(people.own, agreement, secret, people.party)[order]
    target = groups_of(sent)
    own = groups_of(keys_of(people.own, agreement, lk.Secret.generate(), people.party))
    in_order = [codes[order] for codes in own]
    truth = Truth(pairs=np.column_stack([np.arange(len(order)), order]))
    rehearsals = [as_target(own, seed) for seed in range(100, 100 + given.rehearsals)]
    graph = graph_matching(
        as_target(target, 1),
        as_target(own, 2),
        truth,
        rehearsals=rehearsals,
        n_rounds=given.rounds,
        only="groups",
        seed=given.seed,
    )
    taught = known_pairs(
        as_target(target, 1),
        as_target(own, 2),
        truth,
        n_known=given.known,
        only="groups",
        seed=given.seed,
    )
    n = len(order)
    shares = {
        "pairs found": int(np.any((sent == listed) & (sent != 0), axis=1).sum()),
        "by size": found_by_size(target, in_order, given.seed),
        "told apart": told_apart(target, in_order),
        "graph": graph.n_right,
    }
    return {
        "copies": copies,
        "n": n,
        "groups": [len(np.unique(codes[codes >= 0])) for codes in target],
        **{name: round(found / n, 4) for name, found in shares.items()},
        "known": round(taught.n_right / (n - given.known), 4),
        "graph interval": [round(x, 4) for x in wilson_interval(graph.n_right, n)],
    }


def by_size_of_file(sizes: Sequence[int]) -> None:
    """Print how many people of a town are told apart by the first one, two and three fine keys."""
    made = youth_partnership(n_district=max(sizes), n_summer=100, n_jobs=100)
    agreement = with_keys(made.agreement, key_sets("postal_code")["3 fine"])
    keys = keys_of(made.extracts["district"], agreement, lk.Secret.generate(), "district")
    groups = groups_of(keys)
    for n in sizes:
        first = [codes[:n] for codes in groups]
        told = [round(share_told_apart(first[:k]), 4) for k in (1, 2, 3)]
        print(json.dumps({"n": n, "told apart by 1, 2, 3 keys": told}), flush=True)


def main() -> None:
    """Run and print one line of JSON for each set of keys and kind of copies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=["febrl4", "town"], default="febrl4")
    parser.add_argument("--folder", type=Path, help="of FEBRL 4's CSV files")
    parser.add_argument("--records", type=int, default=2_500)
    parser.add_argument("--copies", nargs="+", default=["exact", "noisy"])
    parser.add_argument("--keys", type=Path, help="YAML: 'blocking_keys' of an agreement")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--rehearsals", type=int, default=5)
    parser.add_argument("--known", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sizes", nargs="+", type=int)
    given = parser.parse_args()
    if given.sizes:
        by_size_of_file(given.sizes)
        return
    if given.data == "town":
        people = town(given.records)
    else:
        people = febrl4(given.folder or febrl4_folder(), given.records)
    codes = [
        n for n, f in people.document["linkage"]["fields"].items() if f["kind"] == "postal_code"
    ]
    sets = key_sets(codes[0])
    if given.keys:
        sets = {given.keys.stem: yaml.safe_load(given.keys.read_text(encoding="utf-8"))}
    for name, keys in sets.items():
        for copies in given.copies:
            if copies in people.targets:
                print(
                    json.dumps({"keys": name, **run(people, keys, copies, given=given)}), flush=True
                )


if __name__ == "__main__":
    main()
