"""A report as pandas frames."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from linkkit.steward.protect.measured.report import ProtectionReport, RiskFigures

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frames"]


def frames(report: ProtectionReport) -> dict[str, pd.DataFrame]:
    """Return frames: ``risk``, ``class_sizes``, ``variables``, ``subgroups``, ``findings``."""
    import pandas as pd

    sides = {"before": report.risk.before, "after": report.risk.after}
    return {
        "risk": pd.DataFrame({name: pd.Series(_flat(side)) for name, side in sides.items()}),
        "class_sizes": pd.DataFrame(
            [
                {"side": name, "people_in_class": band.label, **dataclasses.asdict(band)}
                for name, side in sides.items()
                for band in side.class_sizes
            ]
        ).astype({"highest": "Int64"}),
        "variables": _frame(report.utility.variables),
        "subgroups": _frame(report.subgroups),
        "findings": _frame(report.findings),
    }


def _frame(rows: tuple[Any, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([dataclasses.asdict(row) for row in rows])


def _flat(side: RiskFigures) -> dict[str, float | None]:
    """Return the numbers of one side, a name for each."""
    found: dict[str, float | None] = {
        "n_people": float(side.n_people),
        "n_classes": float(side.n_classes),
        "smallest_class": float(side.smallest_class),
        "marketer": side.marketer,
        "sample_uniques": float(side.sample_uniques),
    }
    for name, risk in (("prosecutor", side.prosecutor), ("journalist", side.journalist)):
        for part in ("highest", "average", "share_above"):
            found[f"{name}_{part}"] = None if risk is None else getattr(risk, part)
    alone = side.population_uniques
    found["population_uniques"] = None if alone is None else alone.in_population
    found["population_uniques_in_file"] = None if alone is None else alone.in_file
    return found
