"""How near the estimates of people who are alone in a population come to the truth.

    python benchmarks/population_uniques.py [--fractions 0.02 0.1 0.2 0.5 0.8] [--rounds 20]

Four populations are made up, with class sizes that are slide negative binomial, geometric, Pareto
and Poisson with lognormal means. With the folder of the environment variable LINKKIT_EXTRA_DATA, two
more are the people of `adult/adult.csv`, by four and by seven variables. From each, samples are drawn
by lot; printed are the medians of estimate over truth.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from linkkit.steward.protect.measured.population import estimate_population_uniques

SEVEN = ["age", "workclass", "education", "marital-status", "race", "sex", "native-country"]
FOUR = ["age", "education", "race", "sex"]

Sizes = npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.02, 0.1, 0.2, 0.5, 0.8])
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    print("| population | alone | fraction | by the rule | Pitman | slide neg. bin. | Zayatz |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, classes in populations():
        truth = int((classes == 1).sum())
        for fraction in given.fractions:
            cells = " | ".join(estimates(classes, truth, fraction, given.rounds))
            print(f"| {name} | {truth} | {fraction:g} | {cells} |")


def populations() -> Iterator[tuple[str, Sizes]]:
    rng = np.random.default_rng(1)
    yield "slide negative binomial", 1 + rng.negative_binomial(0.5, 0.1, 8_000)
    yield "geometric", 1 + rng.negative_binomial(1, 0.3, 15_000)
    pareto = np.floor(rng.pareto(1.2, 10_000) + 1).astype(np.int64)
    yield "Pareto", pareto[pareto < 5_000]
    poisson = rng.poisson(rng.lognormal(0, 2, 20_000))
    yield "Poisson, lognormal", poisson[poisson > 0]
    folder = os.environ.get("LINKKIT_EXTRA_DATA")
    if folder:
        people = pd.read_csv(Path(folder) / "adult" / "adult.csv", sep=";")
        for names in (FOUR, SEVEN):
            yield f"Adult, {len(names)} variables", people.groupby(names).size().to_numpy()


def estimates(classes: Sizes, truth: int, fraction: float, n_rounds: int) -> list[str]:
    """Return the median of estimate over truth by the rule and by each model."""
    rows: list[tuple[float | None, ...]] = []
    for seed in range(n_rounds):
        found = np.random.default_rng(seed).binomial(classes, fraction)
        sizes, n_classes = np.unique(found[found > 0], return_counts=True)
        one = estimate_population_uniques(sizes, n_classes, sampling_fraction=fraction)
        rows.append((one.in_population, one.pitman, one.slide_negative_binomial, one.zayatz))
    return [middle([row[i] for row in rows], truth) for i in range(4)]


def middle(values: list[float | None], truth: int) -> str:
    known = [value / truth for value in values if value is not None]
    return f"{statistics.median(known):.2f}" if known else "-"


if __name__ == "__main__":
    main()
