"""What is known of pairs before they are clustered: their weights, and the labels of some."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import slices_of
from linkkit.errors import LinkageError
from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster.assign import connected_records
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.pool import Pool

__all__ = ["KnownWeights", "Verdicts", "verdicts_of", "weights_within"]

_HINT = "Ask the partners again about these pairs, or give the linkage without their labels."

_Ints = npt.NDArray[np.int64]


class KnownWeights(NamedTuple):
    """Weights of pairs, sorted by left, then right record; left is the smaller."""

    left: _Ints
    right: _Ints
    weight: npt.NDArray[np.float64]

    def of(self, inside: npt.NDArray[np.bool_]) -> KnownWeights:
        """Return those of some pairs."""
        return KnownWeights(self.left[inside], self.right[inside], self.weight[inside])

    def with_more(self, more: KnownWeights) -> KnownWeights:
        """Return these and others, none of which is among them."""
        left = np.concatenate([self.left, more.left])
        right = np.concatenate([self.right, more.right])
        weight = np.concatenate([self.weight, more.weight])
        order = np.argsort((left << 32) | right)
        return KnownWeights(left[order], right[order], weight[order])


class Verdicts(NamedTuple):
    """What labels say: who starts in one group, and which pairs never come into one.

    `first` is the smallest record of each record's first group; `left` and `right` are the pairs of
    two people.
    """

    first: _Ints
    left: _Ints
    right: _Ints

    def both_ways(self) -> tuple[_Ints, _Ints]:
        """Return where each record's own begin, shape (n_records + 1,), and who they are."""
        one, other = np.append(self.left, self.right), np.append(self.right, self.left)
        order = np.lexsort((other, one))
        starts = np.searchsorted(one[order], np.arange(len(self.first) + 1))
        return starts.astype(np.int64), other[order]


def verdicts_of(pool: Pool, labels: LabelledPairs | None) -> Verdicts:
    """Return what labels say of a pool's records.

    Raises
    ------
    LinkageError
        When pairs that are labelled the same lead from one record of a pair that is not to the other, or to
        two records of a party that holds each person once; it counts both.
    """
    nobody = np.zeros(0, dtype=np.int64)
    if labels is None or not len(labels):
        return Verdicts(np.arange(len(pool), dtype=np.int64), nobody, nobody)
    same = labels.same
    first = connected_records(labels.left[same], labels.right[same], n_records=len(pool))
    left, right = labels.left[~same], labels.right[~same]
    n_torn = int((first[left] == first[right]).sum())
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
        raise LinkageError(problems, hint=_HINT)
    return Verdicts(first, left, right)


def weights_within(component: _Ints, scored: ScoredPairs, *, strongest: float) -> KnownWeights:
    """Return the weights of the candidate pairs within components, cut off at the strongest.

    Groups never reach beyond a component, and so no other candidate is asked for.
    """
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
    left, right = scored.left[inside], scored.right[inside]
    place = (left << 32) | right
    if not np.all(place[1:] > place[:-1]):
        order = np.argsort(place)
        inside, left, right = inside[order], left[order], right[order]
    return KnownWeights(left, right, np.clip(scored.weight[inside], -strongest, strongest))
