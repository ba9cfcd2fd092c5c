"""Joins records into people by all evidence between two groups, best pairs first.

A pair joins two groups only if the mean match weight over all pairs between them is positive,
so that one doubtful pair cannot chain two families together, and only if no party that holds
each person once would have two records in the group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba, slices_of
from linkkit.errors import LinkageError
from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import _people_reference
from linkkit.linkage.cluster.assign import connected_records
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.pool import Pool

__all__ = ["ScorePairs", "cluster_records"]

_STRONGEST = 20.0
_LARGEST_COMPLETED = 200
_CERTAIN = 1e9
"""Weight of what is known, beside which no other evidence counts."""

ScorePairs = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""Match weights in bits of listed pairs."""


def cluster_records(
    pool: Pool,
    scored: ScoredPairs,
    *,
    threshold: float,
    score: ScorePairs,
    labels: LabelledPairs | None = None,
) -> npt.NDArray[np.int64]:
    """Assign every record to one person.

    Parameters
    ----------
    pool : Pool
        All records.
    scored : ScoredPairs
        Candidate pairs.
    threshold : float
        The least match probability, 0 to 1, at which a pair may join two groups.
    score : callable
        Scores pairs that were no candidates, where a group brings them together.
    labels : LabelledPairs, optional
        Pairs that are one person's, which are joined before all others, and pairs that are not, which no
        other evidence brings together.

    Returns
    -------
    ndarray of int64, shape (n_records,)
        For each record the smallest position in the pool of a record of the same person.

    Raises
    ------
    LinkageError
        When labels contradict each other, or what the agreement says of a party; it counts them.
    """
    if labels is not None and len(labels):
        _require_consistent(pool, labels)
        scored = _with_labels(scored, labels)
    strong = np.flatnonzero(scored.probability >= threshold)
    known = _completed(len(pool), scored, strong, score)
    order = np.lexsort((scored.right[strong], scored.left[strong], -scored.weight[strong]))
    best_first = strong[order]
    return _joined(pool, scored.left[best_first], scored.right[best_first], known)


def _require_consistent(pool: Pool, labels: LabelledPairs) -> None:
    same = labels.same
    first = connected_records(labels.left[same], labels.right[same], n_records=len(pool))
    n_torn = int((first[labels.left] == first[labels.right])[~same].sum())
    once = np.flatnonzero(pool.clean[pool.party])
    _, counts = np.unique(first[once] * len(pool.parties) + pool.party[once], return_counts=True)
    n_twice = int((counts > 1).sum())
    problems = []
    if n_torn:
        problems.append(
            f"{n_torn:,} pairs are labelled not the same, and other labels say that they are"
        )
    if n_twice:
        problems.append(
            f"labels make {n_twice:,} people hold two records of a party that holds each person once"
        )
    if problems:
        raise LinkageError(
            problems,
            hint="Ask the partners again about these pairs, or give the linkage without their labels.",
        )


def _with_labels(scored: ScoredPairs, labels: LabelledPairs) -> ScoredPairs:
    """Return the candidates with what is known in place of their scores, and the pairs that were none."""
    known = (labels.left << 32) | labels.right
    others = np.flatnonzero(~np.isin((scored.left << 32) | scored.right, known))
    sure = np.where(labels.same, _CERTAIN, -_CERTAIN)
    levels = np.zeros((len(labels), scored.levels.shape[1]), dtype=np.int8)
    return ScoredPairs(
        left=np.append(scored.left[others], labels.left),
        right=np.append(scored.right[others], labels.right),
        levels=np.concatenate([scored.levels[others], levels]),
        weight=np.append(scored.weight[others], sure),
        probability=np.append(scored.probability[others], labels.same.astype(np.float64)),
    )


class _Known(NamedTuple):
    """Weights of pairs, sorted by left, then right record; left is the smaller."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]


def _joined(
    pool: Pool, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], known: _Known
) -> npt.NDArray[np.int64]:
    absent = -_STRONGEST
    if not has_numba():
        pairs = zip(known.left.tolist(), known.right.tolist(), strict=True)
        weights = dict(zip(pairs, known.weight.tolist(), strict=True))
        return _people_reference.join_groups(
            left, right, weights, absent=absent, party=pool.party, clean=pool.clean
        )
    from linkkit.linkage.cluster import _people_kernels

    kernel: Any = _people_kernels.join_groups
    starts = np.searchsorted(known.left, np.arange(len(pool) + 1)).astype(np.int64)
    group = np.arange(len(pool), dtype=np.int64)
    following = np.full(len(pool), -1, dtype=np.int64)
    kernel(
        left, right, starts, known.right, known.weight, absent, pool.party, pool.clean,
        group, following, group.copy(),
    )  # fmt: skip
    return group


def _completed(
    n_records: int, scored: ScoredPairs, strong: npt.NDArray[np.int64], score: ScorePairs
) -> _Known:
    """Return the weights of candidate pairs and of all other pairs within their components."""
    component = connected_records(scored.left[strong], scored.right[strong], n_records=n_records)
    more_left, more_right = _pairs_within(component)
    # Groups never reach beyond a component, and so no other candidate is asked for.
    inside = np.concatenate(
        [
            np.zeros(0, dtype=np.int64),
            *(
                rows.start
                + np.flatnonzero(component[scored.left[rows]] == component[scored.right[rows]])
                for rows in slices_of(len(scored))
            ),
        ]
    )
    left, right, weight = scored.left[inside], scored.right[inside], scored.weight[inside]
    place, more = (left << 32) | right, (more_left << 32) | more_right
    order = np.argsort(place)
    at = np.searchsorted(place, more, sorter=order)
    new = np.append(place[order], -1)[at] != more
    more_left, more_right = more_left[new], more_right[new]
    weight = np.concatenate([weight, score(more_left, more_right)])
    order = np.argsort(np.concatenate([place, more[new]]))
    return _Known(
        np.concatenate([left, more_left])[order],
        np.concatenate([right, more_right])[order],
        np.where(np.abs(weight) == _CERTAIN, weight, np.clip(weight, -_STRONGEST, _STRONGEST))[
            order
        ],
    )


def _pairs_within(
    component: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return all pairs of records of the same component, but for very large ones."""
    order = np.argsort(component, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(component[order]) != 0, True)) + 1
    sizes = np.diff(np.append(0, ends))
    lefts: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    rights: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for size in np.unique(sizes[(sizes > 2) & (sizes <= _LARGEST_COMPLETED)]).tolist():
        starts = ends[sizes == size] - size
        members = order[starts[:, None] + np.arange(size)]
        one, other = np.triu_indices(size, k=1)
        lefts.append(members[:, one].ravel())
        rights.append(members[:, other].ravel())
    return np.concatenate(lefts), np.concatenate(rights)
