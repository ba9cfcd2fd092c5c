"""How good a linkage is, as far as it can tell itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.engines import slices_of
from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.pool import Pool

__all__ = ["LinkageQuality", "estimate_quality"]

_LEAST_EXPECTED = 0.5
"""With fewer true pairs expected than this there is no overlap, and nothing was missed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkageQuality:
    """Estimated quality of the links, from the match probabilities.

    The estimate rests on the model and on candidate pairs alone. It tends to be too high:
    records of one person that look like those of strangers are in neither number.

    Attributes
    ----------
    n_links : int
        Pairs of records of one person.
    precision : float
        Expected share of links that are right, 0 to 1. A link that only follows from others,
        and was no candidate itself, counts as wrong.
    recall : float
        Expected share of true pairs among the candidates that were linked, 0 to 1. Pairs that
        were never candidates are not in it. 1 where no true pair is expected at all.
    """

    n_links: int
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def __str__(self) -> str:
        if not self.n_links:
            return "0 links; nothing to estimate"
        return (
            f"{self.n_links} links, estimated precision {self.precision:.3f}, "
            f"recall {self.recall:.3f}, F1 {self.f1:.3f}"
        )


def estimate_quality(
    pool: Pool, scored: ScoredPairs, person: npt.NDArray[np.int64]
) -> LinkageQuality:
    """Estimate precision and recall of a partition into people.

    A pair that the agreement rules out, because one of its records is linked to another record
    of a party that holds each person once, does not count as missed.
    """
    taken = _party_of_person(pool, person)
    size = len(pool.parties)
    expected = all_true = 0.0
    for rows in slices_of(len(scored)):
        left, right = scored.left[rows], scored.right[rows]
        one, other, probability = person[left], person[right], scored.probability[rows]
        linked = one == other
        is_taken = taken[one * size + pool.party[right]] | taken[other * size + pool.party[left]]
        expected += float(probability[linked].sum())
        all_true += float(probability[linked | ~is_taken].sum())
    sizes = np.bincount(person)
    n_links = int((sizes * (sizes - 1) // 2).sum())
    return LinkageQuality(
        n_links=n_links,
        precision=expected / n_links if n_links else 1.0,
        recall=expected / all_true if all_true > _LEAST_EXPECTED else 1.0,
    )


def _party_of_person(pool: Pool, person: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    size = len(pool.parties)
    taken = np.zeros(len(pool) * size, dtype=np.bool_)
    clean = pool.clean[pool.party]
    taken[person[clean] * size + pool.party[clean]] = True
    return taken
