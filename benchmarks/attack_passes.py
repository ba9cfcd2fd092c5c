"""Attacks linkkit's own profiles, as they are encoded, and prints who is found.

    python benchmarks/attack_passes.py                               # FEBRL 4, both profiles, known pairs
    python benchmarks/attack_passes.py --attacks graph --copies exact noisy
    python benchmarks/attack_passes.py --attacks graph known --profiles clkhash
    python benchmarks/attack_passes.py --attacks leakage
    python benchmarks/attack_passes.py --data town --profiles standard
    python benchmarks/attack_passes.py --passes passes.yaml          # other passes than the default
    python benchmarks/attack_passes.py --without no-salt no-xor neither   # do the attacks bite at all?

The attacker knows everything but the key: the agreement, a list of all the people, the salts of
that list. `noisy` records differ from the list by the errors of FEBRL 4's second file, `exact` ones
not at all. Each seed is another secret, and other known pairs.

graph: `linkkit.assess.attack.graph_matching`, with rehearsals. known: a Gaussian process whose
kernel is the exact expectation of what two filters share (for passes; `known_pairs` of the same module for other profiles).
The share is that of the better of two guesses, each record for itself and all one to one, in the best
round or under the best ridge, which no attacker could pick: an upper end.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.attacked import FIELDS, febrl4_folder
from harness.attacked_profiles import CONTROLS, People, Scheme, febrl4, rehearsed, town

from linkkit.assess.attack import (
    Target,
    Truth,
    graph_matching,
    known_pairs,
    leakage,
    wilson_interval,
)
from linkkit.assess.attack.similarity import signs

RIDGES = {"exact": (0.02, 0.2), "noisy": (0.05, 0.3, 1.0)}
MOST_SURE = 0.97


def graph(scheme: Scheme, people: People, target: Target, order: Any, *, given: Any, seed: int):
    """Yield the people whom graph matching finds, of all."""
    own = scheme.own(people.own, f"own {seed}")
    exact = given.now == "exact"
    rehearsals = [
        scheme.own(
            people.own if exact else rehearsed(people.own, seed=1000 * seed + i),
            f"rehearsal {seed} {i}",
        )
        for i in range(given.rehearsals)
    ]
    found = graph_matching(
        target,
        own,
        Truth(pairs=np.column_stack([np.argsort(order), np.arange(len(order))])),
        tokens=scheme.tokens(people.own),
        rehearsals=rehearsals,
        n_rounds=given.graph_rounds,
        seed=seed,
    )
    by_round = [round(share, 4) for share in found.share_by_round]
    yield {"found": found.n_right, "of": found.n_overlap, "by_round": by_round}


def known(scheme: Scheme, people: People, target: Target, order: Any, *, given: Any, seed: int):
    """Yield the people whom known pairs find, of the others, for each number of pairs."""
    n = len(order)
    place = np.argsort(order)
    drawn = np.random.default_rng(seed).permutation(n)
    if not scheme.spec.passes:
        own = scheme.own(people.own, f"own {seed}")
        truth = Truth(pairs=np.column_stack([place, np.arange(n)]))
        for n_known in given.known:
            found = known_pairs(target, own, truth, n_known=n_known, seed=seed)
            yield {"known": n_known, "found": found.n_right, "of": found.n_overlap}
        return
    kernel_of = list(scheme.kernels(people.own))
    bits_of = [signs(view)[place] for view in target.passes]
    for n_known in given.known:
        rest = drawn[n_known:]
        n_found = max(
            number_found(kernel_of, bits_of, drawn[:n_known], rest, ridge)
            for ridge in RIDGES[given.now]
        )
        yield {"known": n_known, "found": n_found, "of": len(rest)}


def number_found(
    kernel_of: list[np.ndarray], bits_of: list[np.ndarray], known: Any, rest: Any, ridge: float
) -> int:
    """Predict the bits of all others from the known records, and guess who is who."""
    likelihood = np.zeros((len(rest), len(rest)), dtype=np.float32)
    for kernel, bits in zip(kernel_of, bits_of, strict=True):
        inner = kernel[np.ix_(known, known)] + ridge * np.eye(len(known))
        expected = kernel[np.ix_(rest, known)] @ np.linalg.solve(inner, bits[known])
        expected = np.clip(expected.astype(np.float32), -MOST_SURE, MOST_SURE)
        plus, minus = np.log1p(expected), np.log1p(-expected)
        likelihood += bits[rest] @ ((plus - minus) / 2).T + (plus + minus).sum(axis=1) / 2
    # Whom everybody resembles makes the assignment slow; taking that out does not change it.
    one_to_one = linear_sum_assignment(likelihood.mean(axis=0) - likelihood)[1]
    here = np.arange(len(rest))
    return int(max(np.sum(one_to_one == here), np.sum(likelihood.argmax(axis=1) == here)))


def leaks(scheme: Scheme, people: People, target: Target, order: Any, *, given: Any, seed: int):
    """Yield what single bits and the number of set bits tell, pass by pass."""
    tokens = scheme.tokens(people.targets[given.now].iloc[order].reset_index(drop=True))
    if tokens is None:
        raise SystemExit("leakage is measured on passes: benchmarks/attack.py has it for others")
    for item, view, sets in zip(scheme.spec.passes, target.passes, tokens, strict=True):
        found = leakage(Target(passes=(view,)), [sets], seed=seed)[0]
        yield {"pass": item.name, "ratio": found.ratio_to_random, **asdict(found)}


ATTACKS = {"graph": graph, "known": known, "leakage": leaks}


def run(people: People, profile: str, given: Any) -> Iterator[dict[str, Any]]:
    """Yield one line for each attack, copies, control and seed."""
    passes = yaml.safe_load(given.passes.read_text(encoding="utf-8")) if given.passes else None
    for control in given.without:
        scheme = Scheme.of(people, profile, passes=passes, control=control)
        for copies in given.copies:
            if copies not in people.targets:
                continue
            given.now = copies
            for seed in given.seeds:
                order = np.random.default_rng([seed, 7]).permutation(len(people.own))
                listed = people.targets[copies].iloc[order].reset_index(drop=True)
                target = scheme.sent(listed, f"target {seed}")
                for attack in given.attacks:
                    start = time.process_time()
                    common = {
                        "profile": profile,
                        "without": control,
                        "attack": attack,
                        "copies": copies,
                        "records": len(people.own),
                        "seed": seed,
                    }
                    for line in ATTACKS[attack](
                        scheme, people, target, order, given=given, seed=seed
                    ):
                        yield {**common, **line, "cpu_seconds": round(time.process_time() - start)}
                        start = time.process_time()


def shown(line: dict[str, Any]) -> str:
    """Return one line's figures as text."""
    start = "{profile:9} {without:7} {copies:6} seed {seed} {attack:8}".format(**line)
    if line["attack"] == "leakage":
        low, high = line["bit_mean_range"]
        return (
            f"{start} {line['pass']:18} rank correlation {line['popcount_rank_correlation']:+.3f}, "
            f"bit means {low:.3f} - {high:.3f}, piece-bit correlation over random "
            f"{line['ratio']:.3f}, parities {line['n_parities']}"
        )
    pairs = f"{line['known']:5} known: " if "known" in line else ""
    share = line["found"] / line["of"]
    return f"{start} {pairs}{share:7.2%} of {line['of']}, {line['cpu_seconds']} s of CPU time"


def summary(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Yield mean, range and interval over seeds of each attack."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in lines:
        if "found" in line:
            names = ("profile", "without", "copies", "attack", "records")
            key = (*(line[name] for name in names), line.get("known", 0))
            groups.setdefault(key, []).append(line)
    for (profile, control, copies, attack, records, n_known), members in groups.items():
        shares = [line["found"] / line["of"] for line in members]
        low, high = wilson_interval(
            sum(line["found"] for line in members), sum(line["of"] for line in members)
        )
        guessing = 1 / members[0]["of"]
        yield (
            f"{profile:9} {control:7} {copies:6} {attack:5} {n_known:5} known of {records}: mean "
            f"{np.mean(shares):.2%}, {min(shares):.2%} - {max(shares):.2%} over {len(shares)} "
            f"keys, 95 % interval {low:.2%} - {high:.2%}, guessing {guessing:.2%}"
        )


def main() -> None:
    given = arguments()
    people = (
        town(given.records)
        if given.data == "town"
        else febrl4(given.folder or febrl4_folder(), given.records, given.fields)
    )
    lines = []
    for profile in given.profiles:
        for line in run(people, profile, given):
            lines.append(line)
            print(shown(line), flush=True)
    print(*summary(lines), sep="\n")
    if given.json:
        given.json.write_text(json.dumps(lines, indent=1), encoding="utf-8")


def arguments() -> Any:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", choices=("febrl", "town"), default="febrl")
    options.add_argument("--folder", type=Path, help="FEBRL 4's CSV files.")
    options.add_argument(
        "--profiles",
        nargs="+",
        choices=("standard", "hardened", "field", "clkhash"),
        default=["standard", "hardened"],
    )
    options.add_argument("--attacks", nargs="+", choices=tuple(ATTACKS), default=["known"])
    options.add_argument("--copies", nargs="+", choices=tuple(RIDGES), default=["noisy", "exact"])
    options.add_argument(
        "--fields", nargs="+", choices=tuple(FIELDS), default=list(FIELDS), help="Of FEBRL 4."
    )
    options.add_argument("--passes", type=Path, help="YAML: the clause linkage.passes.")
    options.add_argument("--without", nargs="+", choices=CONTROLS, default=["none"])
    options.add_argument("--records", type=int, default=2500)
    options.add_argument("--known", type=int, nargs="+", default=[50, 200, 1000])
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options.add_argument("--rehearsals", type=int, default=6)
    options.add_argument("--graph-rounds", type=int, default=22)
    options.add_argument("--json", type=Path, help="Where the figures go.")
    return options.parse_args()


if __name__ == "__main__":
    main()
