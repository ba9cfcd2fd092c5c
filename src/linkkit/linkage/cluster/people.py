"""Joins records into people by all evidence between two groups, best pairs first.

A pair joins two groups only if the mean match weight over all pairs between them is positive,
so that one doubtful pair cannot chain two families together, and only if no party that holds
each person once would have two records in the group.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.pool import Pool

__all__ = ["ScorePairs", "cluster_records"]

_STRONGEST = 20.0
_LARGEST_COMPLETED = 200

ScorePairs = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""Match weights in bits of listed pairs."""


def cluster_records(
    pool: Pool, scored: ScoredPairs, *, threshold: float, score: ScorePairs
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

    Returns
    -------
    ndarray of int64, shape (n_records,)
        For each record the smallest position in the pool of a record of the same person.
    """
    strong = np.flatnonzero(scored.probability >= threshold)
    weights = _completed(len(pool), scored, strong, score)
    order = np.lexsort((scored.right[strong], scored.left[strong], -scored.weight[strong]))
    groups = _Groups(pool)
    for i in strong[order]:
        groups.consider(int(scored.left[i]), int(scored.right[i]), weights)
    return groups.labels()


def _completed(
    n_records: int, scored: ScoredPairs, strong: npt.NDArray[np.int64], score: ScorePairs
) -> dict[tuple[int, int], float]:
    """Return the weights of candidate pairs and of all other pairs within their components."""
    left, right = scored.left[strong], scored.right[strong]
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(n_records, n_records))
    _, component = connected_components(graph, directed=False)
    more_left, more_right = _pairs_within(component.astype(np.int64))
    every_left = np.concatenate([more_left, scored.left])
    every_right = np.concatenate([more_right, scored.right])
    every = np.concatenate([score(more_left, more_right), scored.weight])
    every = np.clip(every, -_STRONGEST, _STRONGEST)
    keys = zip(every_left.tolist(), every_right.tolist(), strict=True)
    return dict(zip(keys, every.tolist(), strict=True))


def _pairs_within(
    component: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    order = np.argsort(component, kind="stable")
    sizes = np.bincount(component)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    lefts: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    rights: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    for c in np.flatnonzero((sizes > 2) & (sizes <= _LARGEST_COMPLETED)):
        members = order[starts[c] : starts[c] + sizes[c]]
        one, other = np.triu_indices(len(members), k=1)
        lefts.append(members[one])
        rights.append(members[other])
    return np.concatenate(lefts), np.concatenate(rights)


class _Groups:
    """Groups of records while they grow."""

    def __init__(self, pool: Pool) -> None:
        self.group = list(range(len(pool)))
        self.members: dict[int, list[int]] = {}
        self.party = pool.party.tolist()
        self.clean = pool.clean.tolist()

    def consider(self, one: int, other: int, weights: dict[tuple[int, int], float]) -> None:
        """Join the groups of two records if all evidence between them allows it."""
        a, b = self.group[one], self.group[other]
        if a == b:
            return
        left = self.members.get(a, [a])
        right = self.members.get(b, [b])
        if self._collide(left, right) or _evidence(left, right, weights) <= 0:
            return
        keep, gone = (a, b) if a < b else (b, a)
        for record in self.members.pop(gone, [gone]):
            self.group[record] = keep
        self.members[keep] = left + right

    def _collide(self, left: list[int], right: list[int]) -> bool:
        once = {self.party[i] for i in left if self.clean[self.party[i]]}
        return any(self.party[i] in once for i in right)

    def labels(self) -> npt.NDArray[np.int64]:
        """Return the smallest record of each record's group."""
        return np.array(self.group, dtype=np.int64)


def _evidence(left: list[int], right: list[int], weights: dict[tuple[int, int], float]) -> float:
    total = 0.0
    for i in left:
        for j in right:
            total += weights.get((i, j) if i < j else (j, i), -_STRONGEST)
    return total / (len(left) * len(right))
