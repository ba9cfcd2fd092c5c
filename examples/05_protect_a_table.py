"""Protect a table of made-up pupils: methods, models, risk and utility, and a check that shares no code.

python examples/05_protect_a_table.py
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from linkkit.agreement import Generalization
from linkkit.steward.protect import (
    Anonymized,
    DistinctLDiversity,
    KAnonymity,
    TCloseness,
    anonymize,
)
from linkkit.steward.release import measure_privacy

QUASI_IDENTIFIERS = {
    "age": Generalization(intervals=(1, 2, 4)),
    "sex": Generalization(),
    "zip": Generalization(prefixes=(5, 3)),
    "language": Generalization(),
}
MODELS = [
    KAnonymity(k=5),
    DistinctLDiversity(sensitive="support", l=2),
    TCloseness(sensitive="support", t=0.35),
]


def pupils(n: int, seed: int) -> pd.DataFrame:
    """Return pupils who do not exist."""
    rng = np.random.default_rng(seed)
    languages = ["English", "Spanish", "Somali", "Vietnamese", "Ukrainian"]
    return pd.DataFrame(
        {
            "age": rng.integers(5, 19, n),
            "sex": rng.choice(["F", "M", "X"], n, p=[0.49, 0.49, 0.02]),
            "zip": rng.choice([f"981{i:02d}" for i in range(20)], n),
            "language": rng.choice(languages, n, p=[0.7, 0.15, 0.07, 0.05, 0.03]),
            "support": rng.choice(["none", "reading", "speech"], n, p=[0.8, 0.15, 0.05]),
            "days_absent": rng.poisson(6, n),
        }
    )


def main() -> None:
    table = pupils(5_000, seed=20_260_101)
    before = measure_privacy(
        table, quasi_identifiers=list(QUASI_IDENTIFIERS), sensitive=["support"]
    )
    print(f"before: {before.n_classes} classes, the smallest of {before.k}")
    found: dict[str, Anonymized] = {}
    for method in ("local", "partition", "optimal"):
        safe = anonymize(
            table,
            quasi_identifiers=QUASI_IDENTIFIERS,
            models=MODELS,
            method=method,
            max_suppressed=0.05,
        )
        found[method] = safe
        print(safe)
        after = measure_privacy(
            safe.table, quasi_identifiers=list(QUASI_IDENTIFIERS), sensitive=["support"]
        )
        print(f"  measured again: {after.n_classes} classes, the smallest of {after.k}")
    local = found["local"]
    print(local.table.head().to_string())
    report = local.report()
    risk = report.risk.after.prosecutor
    print(f"highest risk of a person {risk.highest:.3f}, of all {risk.average:.3f}")
    for finding in report.findings:
        print(finding.message)


if __name__ == "__main__":
    main()
