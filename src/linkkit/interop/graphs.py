"""Records and links as a graph of networkx."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from linkkit.errors import DependencyError
from linkkit.interop.listed import tokens_of
from linkkit.linkage import LinkResult

__all__ = ["links_graph"]


def links_graph(result: LinkResult, *, least_probability: float | None = None) -> Any:
    """Return records as nodes and candidate pairs as edges.

    Parameters
    ----------
    result : LinkResult
        What the linkage found.
    least_probability : float, optional
        Pairs with less are no edges; the threshold of the linkage by default, and 0 for all candidates.

    Returns
    -------
    networkx.Graph
        A node is a token in hexadecimal with its ``party`` and ``person``; an edge has ``weight`` in bits,
        ``probability`` and ``linked``.

    Raises
    ------
    DependencyError
        When networkx is not installed.
    """
    networkx: Any = None
    try:
        networkx = importlib.import_module("networkx")
    except ImportError:
        pass
    if networkx is None:
        raise DependencyError(
            "networkx is needed for a graph and is not installed",
            hint="pip install 'linkkit[networkx]'",
        )
    graph = networkx.Graph()
    for record in result.crosswalk.to_pandas().itertuples():
        graph.add_node(record.token, party=record.party, person=record.person_id)
    pool, scored = result.pairs.pool, result.pairs.scored
    least = result.threshold if least_probability is None else least_probability
    rows = np.flatnonzero(scored.probability >= least)
    ends = zip(tokens_of(pool, scored.left[rows]), tokens_of(pool, scored.right[rows]), strict=True)
    for row, (one, other) in zip(rows.tolist(), ends, strict=True):
        graph.add_edge(
            one, other, weight=float(scored.weight[row]),
            probability=float(scored.probability[row]), linked=bool(result.pairs.linked[row]),
        )  # fmt: skip
    return graph
