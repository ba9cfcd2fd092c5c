"""What clustering made of a pair: through which records two are one person, or what kept them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.linkage.explain.parts import Judge
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.linked_pairs import LinkedPairs

__all__ = ["Evidence", "PathStep", "path_between", "what_kept_apart"]

_STRONGEST = 20.0
_MOST_BETWEEN = 10_000

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class PathStep:
    """One link on the way from one record to another of the same person.

    Attributes
    ----------
    token, other_token : str
        The two records, in hexadecimal.
    party, other_party : str
        Whose they are.
    match_weight : float
        In bits; infinite where a label says that they are one person's.
    """

    token: str
    other_token: str
    party: str
    other_party: str
    match_weight: float


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Evidence:
    """What the clusters rest on.

    Attributes
    ----------
    pairs : LinkedPairs
        Candidate pairs.
    threshold : float
        The least match probability of a link.
    labels : LabelledPairs, optional
        What was known.
    judge : Judge
        Weighs pairs that were no candidates.
    """

    pairs: LinkedPairs
    threshold: float
    labels: LabelledPairs | None
    judge: Judge

    def candidates(self, members: _Ints) -> Iterator[tuple[int, int, float, float]]:
        """Yield left, right, weight and probability of the candidate pairs among some records."""
        scored = self.pairs.scored
        inside = np.zeros(len(self.pairs.pool), dtype=np.bool_)
        inside[members] = True
        for row in np.flatnonzero(inside[scored.left] & inside[scored.right]).tolist():
            yield (
                int(scored.left[row]), int(scored.right[row]),
                float(scored.weight[row]), float(scored.probability[row]),
            )  # fmt: skip

    def known(self, members: _Ints) -> Iterator[tuple[int, int, bool]]:
        """Yield left, right and whether they are the same of the labels among some records."""
        if self.labels is None:
            return
        mine = set(members.tolist())
        rows = zip(
            self.labels.left.tolist(),
            self.labels.right.tolist(),
            self.labels.same.tolist(),
            strict=True,
        )
        yield from (row for row in rows if row[0] in mine and row[1] in mine)

    def token(self, row: int) -> str:
        """Return a record's token in hexadecimal."""
        return str(self.pairs.pool.tokens[row].tobytes().hex())

    def party(self, row: int) -> str:
        """Return a record's party."""
        return self.pairs.pool.parties[int(self.pairs.pool.party[row])]


def path_between(evidence: Evidence, members: _Ints, start: int, end: int) -> tuple[PathStep, ...]:
    """Return the strongest way from one record of a person to another: its weakest link is the strongest.

    Candidate pairs at the threshold or above and labels are links. Empty where they lead nowhere.
    """
    edges = [
        (weight, left, right)
        for left, right, weight, p in evidence.candidates(members)
        if p >= evidence.threshold
    ]
    apart = {(left, right) for left, right, same in evidence.known(members) if not same}
    edges = [edge for edge in edges if edge[1:] not in apart]
    edges += [(np.inf, left, right) for left, right, same in evidence.known(members) if same]
    # The strongest links that join all (Kruskal, 1956) hold the way.
    leader = {row: row for row in members.tolist()}
    ways: dict[int, list[tuple[int, float]]] = {row: [] for row in leader}
    for weight, left, right in sorted(edges, key=lambda e: (-e[0], e[1], e[2])):
        one, other = _leader(leader, left), _leader(leader, right)
        if one != other:
            leader[max(one, other)] = min(one, other)
            ways[left].append((right, weight))
            ways[right].append((left, weight))
    return tuple(
        PathStep(
            token=evidence.token(a),
            other_token=evidence.token(b),
            party=evidence.party(a),
            other_party=evidence.party(b),
            match_weight=weight,
        )
        for a, b, weight in _walk(ways, start, end)
    )


def _leader(leader: dict[int, int], row: int) -> int:
    while leader[row] != row:
        row = leader[row]
    return row


def _walk(
    ways: dict[int, list[tuple[int, float]]], start: int, end: int
) -> list[tuple[int, int, float]]:
    came: dict[int, tuple[int, float]] = {start: (start, 0.0)}
    waiting = [start]
    while waiting and end not in came:
        here = waiting.pop(0)
        for there, weight in ways[here]:
            if there not in came:
                came[there] = (here, weight)
                waiting.append(there)
    steps: list[tuple[int, int, float]] = []
    while end in came and end != start:
        before, weight = came[end]
        steps.append((before, end, weight))
        end = before
    return steps[::-1]


def what_kept_apart(evidence: Evidence, one: _Ints, other: _Ints) -> list[str]:
    """Return what keeps two people apart although two of their records might be joined.

    Parameters
    ----------
    evidence : Evidence
        What the clusters rest on.
    one, other : ndarray of int64
        All records of either person.
    """
    both = np.concatenate([one, other])
    mine = set(one.tolist())
    apart = [
        (left, right)
        for left, right, same in evidence.known(both)
        if not same and (left in mine) != (right in mine)
    ]
    reasons = [
        f"a label says that {_named(evidence, a)} and {_named(evidence, b)} are different people"
        for a, b in apart
    ]
    reasons += _taken(evidence, one, other)
    if len(one) * len(other) > 1 and len(one) * len(other) <= _MOST_BETWEEN:
        mean, n = _mean_weight(evidence, one, other), len(one) * len(other)
        needed = max(0.0, _bits(evidence.threshold))
        if mean <= needed:
            reasons.append(
                f"the mean weight of the {n:,} pairs between the two people's records is {mean:.1f} bits; "
                f"taken together they are no link below {needed:.1f}"
            )
    return reasons


def _bits(probability: float) -> float:
    """Return log2 of the odds."""
    return float(np.log2(probability / (1 - probability))) if probability < 1 else _STRONGEST


def _taken(evidence: Evidence, one: _Ints, other: _Ints) -> list[str]:
    pool = evidence.pairs.pool
    reasons = []
    for p in np.intersect1d(pool.party[one], pool.party[other]).tolist():
        if pool.clean[p]:
            a, b = (int(rows[pool.party[rows] == p][0]) for rows in (one, other))
            reasons.append(
                f"'{pool.parties[p]}' holds each person once, and each of the two people has a record of it: "
                f"{evidence.token(a)} and {evidence.token(b)}"
            )
    return reasons


def _mean_weight(evidence: Evidence, one: _Ints, other: _Ints) -> float:
    left, right = (side.ravel() for side in np.meshgrid(one, other, indexing="ij"))
    left, right = np.minimum(left, right), np.maximum(left, right)
    found = {
        (a, b): weight for a, b, weight, _ in evidence.candidates(np.concatenate([one, other]))
    }
    pairs = list(zip(left.tolist(), right.tolist(), strict=True))
    absent = np.array([pair not in found for pair in pairs])
    weights = np.array([found.get(pair, 0.0) for pair in pairs])
    weights[absent] = evidence.judge.weights(left[absent], right[absent])
    return float(np.clip(weights, -_STRONGEST, _STRONGEST).mean())


def _named(evidence: Evidence, row: int) -> str:
    return f"{evidence.token(row)} of '{evidence.party(row)}'"
