"""Joins records into people by all evidence between two groups, best pairs first.

A pair joins two groups only if the mean match weight over the pairs between them is that of the
threshold or of even odds, so that one doubtful pair cannot chain two families together, and only if no
party that holds each person once would have two records in the group. Pairs that were no candidates are
scored where two groups ask for them, and nowhere else, so that a component of any size is joined as
if all of its pairs had been scored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba
from linkkit.linkage.block.content import content_digests
from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import _people_reference
from linkkit.linkage.cluster.assign import connected_records, one_to_one
from linkkit.linkage.cluster.known import KnownWeights, Verdicts, verdicts_of, weights_within
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.pool import Pool

__all__ = ["Assignment", "ScorePairs", "cluster_records"]

_STRONGEST = 20.0
_MOST_ASKED = 16
"""Of larger groups, so many records each tell whether they are joined."""

_MOST_AT_ONCE = 2_000_000
_MOST_ROUNDS = 1_000
_ROUNDING = 1e-9

ScorePairs = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""Match weights in bits of listed pairs."""

Assignment = Literal["greedy", "optimal"]
"""How the records of two parties that hold each person once are assigned to each other."""

_Ints = npt.NDArray[np.int64]


def cluster_records(
    pool: Pool,
    scored: ScoredPairs,
    *,
    threshold: float,
    score: ScorePairs,
    labels: LabelledPairs | None = None,
    assignment: Assignment = "greedy",
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
        Scores pairs that were no candidates, where two groups bring them together.
    labels : LabelledPairs, optional
        Pairs of one person, who are one whatever their scores, and pairs of two, who never come
        into one group, nor by way of others.
    assignment : {"greedy", "optimal"}
        Whether of the pairs of two parties that hold each person once all may join, best first, or only those
        of the assignment with the largest total weight; see :func:`~linkkit.one_to_one`.

    Returns
    -------
    ndarray of int64, shape (n_records,)
        For each record the smallest position in the pool of a record of the same person.

    Raises
    ------
    LinkageError
        When labels contradict each other, or the agreement.
    """
    strong = np.flatnonzero(scored.probability >= threshold)
    if assignment == "optimal":
        strong = strong[_is_assigned(pool, scored, strong, threshold)]
    best_first = _best_first(pool, scored, strong)
    left, right = scored.left[best_first], scored.right[best_first]
    verdicts = verdicts_of(pool, labels)
    joined = np.flatnonzero(verdicts.first != np.arange(len(pool)))
    component = connected_records(
        np.append(left, verdicts.first[joined]), np.append(right, joined), n_records=len(pool)
    )
    known = weights_within(component, scored, strongest=_STRONGEST)
    # A pair at the threshold may join, so that a group need not be more probable than even below it.
    bar = min(0.0, _bits(threshold)) - _ROUNDING
    return _settled(_Task(pool, verdicts, bar, score), left, right, known, component)


def _best_first(pool: Pool, scored: ScoredPairs, strong: _Ints) -> _Ints:
    """Return pairs in the order in which they may join: those of clean parties first, best first.

    So a party that holds people several times, in whatever state, costs the others none of the links that
    they would have without it; it may bring them more.
    """
    left, right = scored.left[strong], scored.right[strong]
    once = pool.clean[pool.party]
    later = ~(once[left] & once[right])
    order = np.lexsort((right, left, -scored.weight[strong], later))
    return _ties_settled(pool, scored, strong[order], later[order])


def _ties_settled(
    pool: Pool, scored: ScoredPairs, best_first: _Ints, later: npt.NDArray[np.bool_]
) -> _Ints:
    """Return pairs, best first, with those of equal weight in the order of what their records hold.

    Only of pairs that share a record with another one does it matter which comes first.
    """
    left, right = scored.left[best_first], scored.right[best_first]
    n_pairs = np.bincount(left, minlength=len(pool)) + np.bincount(right, minlength=len(pool))
    rivals = np.flatnonzero((n_pairs[left] > 1) | (n_pairs[right] > 1))
    if not len(rivals):
        return best_first
    records, number = np.unique(np.append(left[rivals], right[rivals]), return_inverse=True)
    one, other = content_digests(pool, records)[number].reshape(2, -1)
    weight = scored.weight[best_first[rivals]]
    order = np.lexsort((np.maximum(one, other), np.minimum(one, other), -weight, later[rivals]))
    settled = best_first.copy()
    settled[rivals] = best_first[rivals[order]]
    return settled


class _Task(NamedTuple):
    """What stays the same while groups are joined."""

    pool: Pool
    verdicts: Verdicts
    bar: float
    score: ScorePairs


def _settled(
    task: _Task, left: _Ints, right: _Ints, known: KnownWeights, component: _Ints
) -> _Ints:
    """Join groups until no pair is asked for whose weight is not known.

    What is not known counts as no match at first; where it was asked for it is scored, and the
    components in which it was are joined again from the beginning.
    """
    group, asked = _joined(task, left, right, known)
    for _ in range(_MOST_ROUNDS):
        if not len(asked.left):
            break
        weight = np.clip(task.score(asked.left, asked.right), -_STRONGEST, _STRONGEST)
        again = np.zeros(len(component), dtype=np.bool_)
        again[component[asked.left]] = True
        known = known.of(again[component[known.left]]).with_more(asked._replace(weight=weight))
        open_pairs = again[component[left]]
        left, right = left[open_pairs], right[open_pairs]
        new, asked = _joined(task, left, right, known)
        group = np.where(again[component], new, group)
    return group


def _joined(
    task: _Task, left: _Ints, right: _Ints, known: KnownWeights
) -> tuple[_Ints, KnownWeights]:
    """Return the groups, and the pairs that were asked for and are not known."""
    pool, verdicts = task.pool, task.verdicts
    if not has_numba():
        pairs = zip(known.left.tolist(), known.right.tolist(), strict=True)
        weights = dict(zip(pairs, known.weight.tolist(), strict=True))
        one, other = (
            np.minimum(verdicts.left, verdicts.right),
            np.maximum(verdicts.left, verdicts.right),
        )
        group, wanted = _people_reference.join_groups(
            left, right, weights, verdicts.first, absent=-_STRONGEST, bar=task.bar, most=_MOST_ASKED,
            party=pool.party, clean=pool.clean,
            apart=set(zip(one.tolist(), other.tolist(), strict=True)),
        )  # fmt: skip
        return group, _once(np.array(wanted, dtype=np.int64).reshape(-1, 2).T[:, :_MOST_AT_ONCE])
    return _joined_compiled(task, left, right, known)


def _joined_compiled(
    task: _Task, left: _Ints, right: _Ints, known: KnownWeights
) -> tuple[_Ints, KnownWeights]:
    from linkkit.linkage.cluster import _people_kernels

    kernel: Any = _people_kernels.join_groups
    pool, verdicts = task.pool, task.verdicts
    starts = np.searchsorted(known.left, np.arange(len(pool) + 1)).astype(np.int64)
    group, following, last = _chains(verdicts.first)
    asked = np.empty(
        (2, _MOST_AT_ONCE), dtype=np.int64
    )  # pages that nothing is put into take no memory
    n_asked = kernel(
        left, right, starts, known.right, known.weight, -_STRONGEST, task.bar, _MOST_ASKED,
        pool.party, pool.clean, *verdicts.both_ways(), group, following, last, asked[0], asked[1],
    )  # fmt: skip
    return group, _once(asked[:, : min(n_asked, _MOST_AT_ONCE)])


def _chains(first: _Ints) -> tuple[_Ints, _Ints, _Ints]:
    """Return each record's group, the next member of its group or -1, and a group's last member."""
    group = first.copy()
    following = np.full(len(first), -1, dtype=np.int64)
    last = np.arange(len(first), dtype=np.int64)
    members = np.flatnonzero((np.bincount(first, minlength=len(first)) > 1)[first])
    members = members[np.argsort(first[members], kind="stable")]
    together = first[members[1:]] == first[members[:-1]]
    following[members[:-1][together]] = members[1:][together]
    last[first[members]] = members  # of several, the last one stays
    return group, following, last


def _once(asked: _Ints) -> KnownWeights:
    place = np.unique((asked[0] << 32) | asked[1])
    return KnownWeights(place >> 32, place & 0xFFFFFFFF, np.zeros(len(place)))


def _bits(probability: float) -> float:
    """Return log2 of the odds."""
    if probability >= 1:
        return np.inf
    return float(np.log2(probability / (1 - probability)))


def _is_assigned(
    pool: Pool, scored: ScoredPairs, strong: _Ints, threshold: float
) -> npt.NDArray[np.bool_]:
    """Return which pairs may join: of two clean parties, those of the best assignment."""
    left, right, weight = scored.left[strong], scored.right[strong], scored.weight[strong]
    kept = np.ones(len(strong), dtype=np.bool_)
    one, other = pool.party[left], pool.party[right]
    clean = pool.clean[one] & pool.clean[other] & (one != other)
    block = one * len(pool.parties) + other
    for key in np.unique(block[clean]):
        mine = np.flatnonzero(clean & (block == key))
        # What stands at the threshold may be chosen, too.
        least = min(_bits(threshold), float(weight[mine].min())) - _ROUNDING
        kept[mine] = one_to_one(
            left[mine], right[mine], weight[mine], method="optimal", threshold=least
        )
    return kept
