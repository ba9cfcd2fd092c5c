"""Pairs of one person that are so little alike that they never become candidates.

Whatever is learned from candidates alone takes people to be more careful than they are, as the worst
records are not among them. What a class of pairs would look like below the floor follows from the
class itself: it is drawn once, and weighted anew whenever the class has been learned anew
(importance sampling), so that EM counts what was cut off (Dempster, Laird and Rubin, 1977, on
truncated data).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.exchange import FilterSpec
from linkkit.linkage.classify.priors import expected_levels
from linkkit.linkage.compare import N_LEVELS
from linkkit.linkage.compare.fields.pairs import unpack

__all__ = ["Unseen", "draw_unseen"]

_N_DRAWS = 40_000
_SLOPPY = np.array([0.55, 0.10, 0.10, 0.25])
_MOST_SHARE = 0.6
_SEED = 5

_Floats = npt.NDArray[np.float64]
_Levels = npt.NDArray[np.int8]

FoundShare = Callable[[_Levels], _Floats]
"""How probably pairs of listed levels, shape (n, n_fields), are compared at all, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Unseen:
    """Patterns of levels that would not be candidates.

    Attributes
    ----------
    levels : ndarray of int8, shape (n_patterns, n_fields)
        The patterns.
    weight : ndarray of float64, shape (n_patterns,)
        Share of the draws that a pattern stands for, over its probability among the draws, so that the
        sum of ``weight * likelihood`` is the share of a class that is never seen.
    """

    levels: _Levels
    weight: _Floats

    @classmethod
    def nothing(cls, n_fields: int) -> Unseen:
        """Return that every pair is a candidate."""
        return cls(levels=np.zeros((0, n_fields), dtype=np.int8), weight=np.zeros(0))

    def counts(self, likelihood: _Floats) -> _Floats:
        """Return the share of a class that each pattern stands for, at most 0.6 in all."""
        share = self.weight * likelihood
        total = float(share.sum())
        return np.asarray(share * (_MOST_SHARE / total) if total > _MOST_SHARE else share)


def draw_unseen(
    filters: Sequence[FilterSpec],
    sample: npt.NDArray[np.uint64],
    *,
    weights: _Floats,
    floor: float,
    found: FoundShare | None = None,
) -> Unseen:
    """Draw pairs of one person, and keep those that would be no candidates.

    Parameters
    ----------
    filters : sequence of FilterSpec
        The fields.
    sample : ndarray of uint64
        Packed levels of random pairs; which fields are missing is taken from them.
    weights : ndarray of float64, shape (n_fields, n_levels)
        The weights that candidates were chosen by, in bits.
    floor : float
        Pairs with less are no candidates.
    found : callable, optional
        How probably pairs meet in a block; all do by default.
    """
    n_fields = len(filters)
    if not len(sample):
        return Unseen.nothing(n_fields)
    rng = np.random.default_rng(_SEED)
    levels = np.zeros((_N_DRAWS, n_fields), dtype=np.int8)
    present = unpack(sample[rng.integers(len(sample), size=_N_DRAWS)], n_fields=n_fields) > 0
    log_chance = np.zeros(_N_DRAWS)
    for f, item in enumerate(filters):
        usual = expected_levels(item.kind, "match", np.full(N_LEVELS - 1, 0.25))
        shares = (usual + _SLOPPY) / 2
        drawn = rng.choice(N_LEVELS - 1, size=_N_DRAWS, p=shares / shares.sum())
        levels[:, f] = np.where(present[:, f], drawn + 1, 0)
        log_chance += np.where(present[:, f], np.log(shares[drawn] / shares.sum()), 0.0)
    weight = np.exp(-log_chance) / _N_DRAWS
    total = sum(weights[f, levels[:, f]] for f in range(n_fields))
    missed = (np.asarray(total) < floor).astype(np.float64)
    if found is not None:
        missed = 1 - (1 - missed) * found(levels)
    rows = np.flatnonzero(missed > 0)
    patterns, number = np.unique(levels[rows], axis=0, return_inverse=True)
    summed = np.bincount(
        number.reshape(-1), weights=(weight * missed)[rows], minlength=len(patterns)
    )
    return Unseen(levels=patterns, weight=summed.astype(np.float64))
