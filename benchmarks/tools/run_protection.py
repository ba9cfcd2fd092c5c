"""What the packages for anonymous tables do with Adult: seconds and loss, as JSON.

    python run_protection.py FOLDER OUT.json [--k 5] [--tools pycanon,anjana,anonypy,anonypyx]

FOLDER holds `adult.csv` and the hierarchies. Loss is the normalized certainty penalty in percent.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

QUASI = ["age", "workclass", "education", "marital-status", "race", "sex", "native-country"]
SENSITIVE = "salary-class"

Figures = dict[str, Any]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("out", type=Path)
    options.add_argument("--k", type=int, default=5)
    options.add_argument("--tools", default="pycanon,anjana,anonypyx,anonypy")
    given = options.parse_args()
    warnings.filterwarnings("ignore")
    frame = pd.read_csv(given.folder / "adult.csv", sep=";")
    found = {tool: TOOLS[tool](frame, given) for tool in given.tools.split(",")}
    given.out.write_text(json.dumps(found))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def pycanon(frame: pd.DataFrame, _: argparse.Namespace) -> Figures:
    from pycanon import anonymity

    text = frame.astype(str)
    k, _ = timed(lambda: anonymity.k_anonymity(text, QUASI))
    diversity, _ = timed(lambda: anonymity.l_diversity(text, QUASI, [SENSITIVE]))
    closeness, t = timed(lambda: anonymity.t_closeness(text, QUASI, [SENSITIVE]))
    return {"version": version("pycanon"), "k": k, "l": diversity, "t": closeness, "found_t": t}


def anjana(frame: pd.DataFrame, given: argparse.Namespace) -> Figures:
    from anjana.anonymity import k_anonymity

    hierarchies = {}
    for name in QUASI:
        path = given.folder / f"adult_hierarchy_{name}.csv"
        levels = pd.read_csv(path, sep=";", header=None, dtype=str)
        if name == "age":
            levels[0] = levels[0].astype(int)
        hierarchies[name] = {i: levels[i].to_numpy() for i in levels.columns}
    seconds, made = timed(lambda: k_anonymity(frame.copy(), [], QUASI, given.k, 5, hierarchies))
    kept = frame.loc[made["index"]]
    keys = [made[name].to_numpy() for name in QUASI]
    classes = kept.assign(**{f"class{i}": key for i, key in enumerate(keys)})
    names = [f"class{i}" for i in range(len(keys))]
    lost = 0.0
    for _, members in classes.groupby(names):
        lost += len(members) * sum(loss_of(members[name], frame[name]) for name in QUASI)
    lost += (len(frame) - len(kept)) * len(QUASI)
    return {
        "version": version("anjana"),
        "seconds": seconds,
        "loss": 100 * lost / len(frame) / len(QUASI),
        "withheld": len(frame) - len(kept),
    }


def loss_of(members: pd.Series, everybody: pd.Series) -> float:
    if members.name == "age":
        return float((members.max() - members.min()) / (everybody.max() - everybody.min()))
    n = members.nunique()
    return n / everybody.nunique() if n > 1 else 0.0


def anonypy(frame: pd.DataFrame, given: argparse.Namespace) -> Figures:
    import anonypy as package

    typed = categories(frame)
    seconds, rows = timed(
        lambda: package.Preserver(typed, QUASI, SENSITIVE).anonymize_k_anonymity(k=given.k)
    )
    made = pd.DataFrame(rows)

    def loss(row: Any, name: str) -> float:
        text = str(row[name]).strip("[]'")
        if name == "age":
            low, _, high = text.partition("-")
            return (float(high or low) - float(low)) / float(frame.age.max() - frame.age.min())
        n = len(text.split(","))
        return n / frame[name].nunique() if n > 1 else 0.0

    return {"version": version("anonypy"), "seconds": seconds, "loss": mean_loss(made, loss)}


def anonypyx(frame: pd.DataFrame, given: argparse.Namespace) -> Figures:
    import anonypyx as package

    typed = categories(frame)

    def work() -> pd.DataFrame:
        made = package.Anonymiser(
            typed, k=given.k, algorithm="Mondrian", feature_columns=QUASI,
            sensitive_column=SENSITIVE, generalisation_strategy="human-readable",
        ).anonymise()  # fmt: skip
        return pd.DataFrame(made)

    seconds, made = timed(work)

    def loss(row: Any, name: str) -> float:
        text = str(row[name])
        if name == "age":
            low, _, high = text.partition("-")
            return (float(high or low) - float(low)) / float(frame.age.max() - frame.age.min())
        n = len(text.strip("{}[]()").split(","))
        return n / frame[name].nunique() if n > 1 else 0.0

    return {"version": version("anonypyx"), "seconds": seconds, "loss": mean_loss(made, loss)}


def categories(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({name: "category" for name in frame.columns if name != "age"})


def mean_loss(made: pd.DataFrame, loss: Callable[[Any, str], float]) -> float:
    total = sum(row["count"] * sum(loss(row, name) for name in QUASI) for _, row in made.iterrows())
    return 100 * total / made["count"].sum() / len(QUASI)


TOOLS = {"pycanon": pycanon, "anjana": anjana, "anonypyx": anonypyx, "anonypy": anonypy}

if __name__ == "__main__":
    main()
