"""recordlinkage on plain text: blocks on pairs of fields, Jaro-Winkler, and its ECM classifier.

Loaded by its path in recordlinkage's own environment; needs nothing but recordlinkage. Blocking
rules are those that Splink gets.
"""

from __future__ import annotations

from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from typing import Any

_Steps = Generator[str, None, dict[str, Any]]

RULES = (
    ("given_name", "surname"),
    ("given_name", "birth_date"),
    ("given_name", "address"),
    ("given_name", "postal_code"),
    ("surname", "birth_date"),
    ("surname", "address"),
    ("surname", "postal_code"),
    ("birth_date", "address"),
    ("birth_date", "postal_code"),
    ("address", "postal_code"),
)
SIMILAR_FROM = 0.85


def link(job: dict[str, Any]) -> _Steps:
    """Link both files, from loaded frames to the pairs."""
    recordlinkage, pandas, numpy = (
        import_module(name) for name in ("recordlinkage", "pandas", "numpy")
    )
    yield "imported"
    folder = Path(job["folder"])
    one, other = (
        pandas.read_parquet(folder / f"{party}.parquet").set_index("record_id")
        for party in ("party_1", "party_2")
    )
    yield "ready"
    candidates = _candidates(recordlinkage, one, other)
    agreement = _comparer(recordlinkage).compute(candidates, one, other)
    links = recordlinkage.ECMClassifier().fit_predict(agreement)
    points = agreement.loc[links].sum(axis=1)
    chosen = _best_first(points)
    yield "done"
    rows = numpy.array([[int(a) for a, _ in chosen], [int(b) for _, b in chosen]], dtype="<i8")
    rows.tofile(job["links"])
    return {"n_comparisons": len(candidates), "n_candidates": len(links)}


def _candidates(recordlinkage: Any, one: Any, other: Any) -> Any:
    indexer = recordlinkage.Index()
    for rule in RULES:
        indexer.block(list(rule))
    return indexer.index(one, other)


def _comparer(recordlinkage: Any) -> Any:
    compare = recordlinkage.Compare()
    for field in ("given_name", "surname", "address", "city"):
        compare.string(field, field, method="jarowinkler", threshold=SIMILAR_FROM)
    for field in ("birth_date", "postal_code"):
        compare.exact(field, field)
    return compare


def _best_first(points: Any) -> list[tuple[str, str]]:
    """Return pairs so that each record is in one at most, those that agree most first."""
    chosen, left, right = [], set(), set()
    for one, other in points.sort_values(ascending=False, kind="stable").index:
        if one not in left and other not in right:
            chosen.append((one, other))
            left.add(one)
            right.add(other)
    return chosen


TASKS = {"link": link}
