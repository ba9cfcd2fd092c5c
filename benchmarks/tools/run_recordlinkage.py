"""Links with recordlinkage on plain text, as its guide "Link two datasets" does with FEBRL 4.

Pairs that agree on the given name are compared, one point for each field that agrees, and pairs
with more than three points are links.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from common import Data, Record, Stages, main, seconds_of

POINTS_OVER = 3
SIMILAR_FROM = 0.85


def read(data: Data) -> dict[str, Any]:
    import pandas as pd

    frames = {p: pd.read_csv(data.path(p), dtype="object") for p in data.parties}
    return {party: frame.set_index("record_id") for party, frame in frames.items()}


def candidates_of(one: Any, other: Any) -> Any:
    import recordlinkage

    indexer = recordlinkage.Index()
    indexer.block("given_name")
    return indexer.index(one, other)


def comparer(fields: list[str]) -> Any:
    import recordlinkage

    compare = recordlinkage.Compare()
    for field in fields:
        if field == "surname":
            compare.string(field, field, method="jarowinkler", threshold=SIMILAR_FROM)
        elif field == "street":
            compare.string(field, field, threshold=SIMILAR_FROM)
        else:
            compare.exact(field, field)
    return compare


def link(data: Data, stages: Stages) -> list[tuple[Record, Record]]:
    with stages("import"):
        import recordlinkage  # noqa: F401
    with stages("read"):
        frames = read(data)
    links = []
    for one, other in combinations(data.parties, 2):
        with stages("block"):
            candidates = candidates_of(frames[one], frames[other])
        with stages("compare"):
            points = comparer(data.fields).compute(candidates, frames[one], frames[other])
        with stages("classify"):
            matches = points.index[points.sum(axis=1) > POINTS_OVER]
            links += [((one, a), (other, b)) for a, b in matches]
    return links


def rates(data: Data) -> dict[str, float]:
    frames = read(data)
    n_pairs, seconds = 0, 0.0
    for one, other in combinations(data.parties, 2):
        candidates = candidates_of(frames[one], frames[other])
        compare = comparer(data.fields)
        compare.compute(candidates[:100], frames[one], frames[other])
        seconds += seconds_of(
            lambda c=compare, p=candidates, a=frames[one], b=frames[other]: c.compute(p, a, b)
        )
        n_pairs += len(candidates)
    return {"pairs_compared": n_pairs, "pairs_per_second": n_pairs / seconds}


if __name__ == "__main__":
    main(link=link, rates=rates, packages=["recordlinkage", "pandas", "numpy"])
