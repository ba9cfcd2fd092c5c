"""The labels of all deliveries: those given before, and those that are new."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from linkkit.linkage.labels import LabelledPairs, PairLabels, labels_on
from linkkit.linkage.pool import Pool

__all__ = ["Judged", "judged_pairs"]


class Judged(NamedTuple):
    """What is known of pairs: as tokens, as positions in the pool, and what of it is new."""

    labels: PairLabels | None
    pairs: LabelledPairs | None
    new: LabelledPairs | None


def judged_pairs(pool: Pool, before: PairLabels | None, now: PairLabels | None) -> Judged:
    """Return what is known of a pool's pairs; of a pair with two verdicts, the one given now counts.

    Raises
    ------
    OptionError
        When labels given now contradict each other.
    """
    given = labels_on(pool, now)
    if before is None or now is None or given is None:
        labels = now if before is None else before
        return Judged(labels, labels_on(pool, labels), given)
    verdicts = _by_pair(before)
    known = dict(verdicts)
    verdicts.update(_by_pair(now))
    tokens = sorted(verdicts)
    labels = PairLabels(
        one=_matrix([one for one, _ in tokens]),
        other=_matrix([other for _, other in tokens]),
        same=np.array([verdicts[pair] for pair in tokens], dtype=np.bool_),
    )
    rows = [
        (pool.tokens[left].tobytes(), pool.tokens[right].tobytes(), same)
        for left, right, same in zip(
            given.left.tolist(), given.right.tolist(), given.same.tolist(), strict=True
        )
    ]
    new = np.array(
        [known.get((min(one, other), max(one, other))) != same for one, other, same in rows],
        dtype=np.bool_,
    )
    fresh = LabelledPairs(left=given.left[new], right=given.right[new], same=given.same[new])
    return Judged(labels, labels_on(pool, labels), fresh)


def _by_pair(labels: PairLabels) -> dict[tuple[bytes, bytes], bool]:
    verdicts = {}
    for one, other, same in zip(labels.one, labels.other, labels.same.tolist(), strict=True):
        a, b = one.tobytes(), other.tobytes()
        verdicts[min(a, b), max(a, b)] = same
    return verdicts


def _matrix(tokens: list[bytes]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(tokens), dtype=np.uint8).reshape(-1, 16)
