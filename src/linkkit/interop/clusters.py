"""A crosswalk of what another tool linked or clustered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from linkkit.errors import OptionError
from linkkit.exchange import Crosswalk, EncodedExtract
from linkkit.interop.listed import listed_pairs, positions
from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import cluster_records
from linkkit.linkage.crosswalk import build_crosswalk
from linkkit.linkage.pool import Pool, make_pool

__all__ = ["crosswalk_from_clusters", "crosswalk_from_links"]

_STRONGEST = 20.0


def crosswalk_from_links(
    extracts: Sequence[EncodedExtract], links: Any, *, threshold: float = 0.5
) -> Crosswalk:
    """Make people of another tool's links, as our own clusters are made.

    A party that holds each person once has one record in a person, so that of links that contradict it
    the stronger are kept.

    Parameters
    ----------
    extracts : sequence of EncodedExtract
        All records.
    links : MultiIndex, Series, frame or Graph
        Pairs; a Series, a frame of Splink's predictions and a graph's edges may state probabilities.
    threshold : float
        The least probability of a link, above 0 and at most 1.

    Returns
    -------
    Crosswalk
        For the steward.

    Raises
    ------
    OptionError
        When the form is not known, a token is of no record, or an option is out of its range.
    """
    if isinstance(threshold, bool) or not 0 < threshold <= 1:
        raise OptionError(
            "'threshold' is a probability, above 0 and at most 1", hint="Leave it out for 0.5."
        )
    pool = make_pool(extracts)
    listed = listed_pairs(links)
    scored = _scored(pool, *listed.on(pool), listed.probability)
    person = cluster_records(pool, scored, threshold=threshold, score=_no_opinion)
    return build_crosswalk(pool, person)


def crosswalk_from_clusters(
    extracts: Sequence[EncodedExtract], clusters: pd.DataFrame
) -> Crosswalk:
    """Return the crosswalk of clusters as Splink has them.

    Parameters
    ----------
    extracts : sequence of EncodedExtract
        All records.
    clusters : pandas.DataFrame
        ``cluster_id`` and ``unique_id``, a token in hexadecimal. A record in no cluster is its own person.

    Raises
    ------
    OptionError
        When a column is missing, a token is of no record or in two clusters, or a party that holds each
        person once has two records in one.
    """
    absent = [name for name in ("cluster_id", "unique_id") if name not in clusters.columns]
    if absent:
        raise OptionError(
            [f"the clusters have no column '{name}'" for name in absent],
            hint="Give a frame with cluster_id and unique_id, such as Splink's.",
        )
    pool = make_pool(extracts)
    rows = positions(pool, [str(x) for x in clusters["unique_id"]])
    number = pd.factorize(clusters["cluster_id"])[0].astype(np.int64)
    _require_partition(pool, rows, number)
    person = np.arange(len(pool), dtype=np.int64)
    first = np.full(int(number.max(initial=-1)) + 1, len(pool), dtype=np.int64)
    np.minimum.at(first, number, rows)
    person[rows] = first[number]
    return build_crosswalk(pool, person)


def _require_partition(
    pool: Pool, rows: npt.NDArray[np.int64], number: npt.NDArray[np.int64]
) -> None:
    unknown, blank = int((rows < 0).sum()), int((number < 0).sum())
    known = rows[rows >= 0]
    twice = len(known) - len(np.unique(known))
    clean = (rows >= 0) & pool.clean[pool.party[rows]]
    place = number[clean] * len(pool.parties) + pool.party[rows[clean]]
    crowded = len(place) - len(np.unique(place))
    problems = [
        f"{n:,} {what}"
        for n, what in (
            (unknown, "rows have a token of no record"),
            (blank, "rows have no cluster id"),
            (twice, "records are in more than one row"),
            (
                crowded,
                "records share a cluster with another of a party that holds each person once",
            ),
        )
        if n
    ]
    if problems:
        raise OptionError(
            problems,
            hint="Use crosswalk_from_links, which keeps to what the agreement says of parties, or correct it.",
        )


def _scored(
    pool: Pool,
    one: npt.NDArray[np.int64],
    other: npt.NDArray[np.int64],
    probability: npt.NDArray[np.float64],
) -> ScoredPairs:
    """Return pairs once, the smaller position left; of a pair that is listed twice the likelier."""
    left, right = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((-probability, right, left))
    left, right, probability = left[order], right[order], probability[order]
    new = np.append(True, (left[1:] != left[:-1]) | (right[1:] != right[:-1]))[: len(left)]
    left, right, probability = left[new], right[new], probability[new]
    certain = np.clip(probability, 2**-_STRONGEST, 1 - 2**-_STRONGEST)
    return ScoredPairs(
        left=left,
        right=right,
        levels=np.zeros((len(left), len(pool.spec.columns)), dtype=np.int8),
        weight=np.log2(certain / (1 - certain)),
        probability=probability,
    )


def _no_opinion(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return no weight for pairs that were not listed: they speak neither for nor against a link."""
    del right
    return np.zeros(len(left))
