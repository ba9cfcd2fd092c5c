"""The labels of all deliveries: those given before, and those that are new."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from linkkit.linkage.labels import LabelledPairs, PairLabels, labels_on
from linkkit.linkage.pool import Pool

__all__ = ["Judged", "judged_pairs"]


class Judged(NamedTuple):
    """What is known of pairs: as tokens, as positions in the pool, and what of it is new.

    `n_unknown` labels that are given now are of records that are not in the pool.
    """

    labels: PairLabels | None
    pairs: LabelledPairs | None
    new: LabelledPairs | None
    n_unknown: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What somebody should know of the labels."""
        if not self.n_unknown:
            return ()
        return (
            f"{self.n_unknown:,} labels are of records that are not here and were not used: are they of "
            "another review, or were token keys changed?",
        )


def judged_pairs(pool: Pool, before: PairLabels | None, now: PairLabels | None) -> Judged:
    """Return what is known of a pool's pairs; of a pair with two verdicts, the one given now counts.

    Raises
    ------
    OptionError
        When labels given now contradict each other.
    """
    given = labels_on(pool, now)
    if now is None or given is None:
        return Judged(before, labels_on(pool, before), None)
    n_unknown = len(now.by_pair()) - len(given)
    if before is None:
        return Judged(now, given, given, n_unknown)
    known, labels = before.by_pair(), before.joined(now)
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
    return Judged(labels, labels_on(pool, labels), fresh, n_unknown)
