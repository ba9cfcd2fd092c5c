"""Threshold curve: what another threshold would do to precision and recall, as far as one can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from linkkit.assess.inputs import people_of_pool, require_result
from linkkit.errors import OptionError
from linkkit.linkage import LinkResult

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ThresholdCurve", "threshold_curve"]

_THRESHOLDS = (*(i / 100 for i in range(1, 100)), 0.995, 0.999)


@dataclass(frozen=True, kw_only=True, slots=True)
class ThresholdCurve:
    """Estimated quality at each threshold.

    Attributes
    ----------
    thresholds : tuple of float
        Match probabilities, 0 to 1, growing.
    n_links : tuple of int
        Candidate pairs with at least that probability.
    precision, recall : tuple of float
        Expected share of these pairs that are right, and of all true candidate pairs that
        are among them, 0 to 1.
    used : float
        The threshold of the linkage.
    """

    thresholds: tuple[float, ...]
    n_links: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    used: float

    @property
    def f1(self) -> tuple[float, ...]:
        """Harmonic mean of precision and recall at each threshold, 0 to 1."""
        pairs = zip(self.precision, self.recall, strict=True)
        return tuple(2 * p * r / (p + r) if p + r else 0.0 for p, r in pairs)

    @property
    def best_f1_threshold(self) -> float:
        """The threshold with the highest estimated F1; the lowest one of several."""
        return self.thresholds[int(np.argmax(self.f1))]

    def as_frame(self) -> pd.DataFrame:
        """Return columns ``threshold``, ``n_links``, ``precision``, ``recall`` and ``f1``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "threshold": self.thresholds,
                "n_links": self.n_links,
                "precision": self.precision,
                "recall": self.recall,
                "f1": self.f1,
            }
        )


def threshold_curve(
    result: LinkResult, *, thresholds: Sequence[float] = _THRESHOLDS
) -> ThresholdCurve:
    """Estimate precision and recall at other thresholds, from the match probabilities.

    A pair counts as right with its probability. Pairs that were not linked because a party
    that holds each person once has another record with the same person are left out, as in
    ``result.quality``. Each pair is judged for itself, so after clustering the truth may lie a
    little off the curve; to be sure, link again with the other threshold.

    Parameters
    ----------
    result : LinkResult
        What :func:`~linkkit.link` returned.
    thresholds : sequence of float
        Probabilities, above 0 and at most 1.

    Returns
    -------
    ThresholdCurve

    Raises
    ------
    WrongStageError
        When something else than a linkage result is given.
    OptionError
        When a threshold is out of its range, or there is none.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> curve = threshold_curve(example_linkage().result, thresholds=(0.1, 0.5, 0.9))
    >>> round(curve.used, 1), curve.n_links[0] >= curve.n_links[-1]
    (0.5, True)
    >>> curve.precision[0] <= curve.precision[-1], curve.recall[0] >= curve.recall[-1]
    (True, True)
    """
    require_result(result)
    steps = sorted(set(thresholds))
    if not steps or not all(0 < step <= 1 for step in steps):
        raise OptionError(
            "'thresholds' are probabilities, above 0 and at most 1, and at least one",
            hint="Leave it out for 1 to 99.9 percent.",
        )
    probability = np.sort(result.pairs.scored.probability[_possible(result)])
    # sums[i] is the expected number of true pairs from the i-th smallest probability on.
    sums = np.append(np.cumsum(probability[::-1])[::-1], 0.0)
    start = np.searchsorted(probability, np.array(steps), side="left")
    n_links, expected = len(probability) - start, sums[start]
    everything = float(sums[0])
    recall = expected / everything if everything else np.ones(len(steps))
    return ThresholdCurve(
        thresholds=tuple(float(step) for step in steps),
        n_links=tuple(n_links.tolist()),
        precision=tuple(np.where(n_links, expected / np.maximum(n_links, 1), 1.0).tolist()),
        recall=tuple(recall.tolist()),
        used=result.threshold,
    )


def _possible(result: LinkResult) -> npt.NDArray[np.bool_]:
    pool, scored = result.pairs.pool, result.pairs.scored
    person, n_parties = people_of_pool(result), len(pool.parties)
    clean = pool.clean[pool.party]
    taken = np.zeros((len(pool), n_parties), dtype=np.bool_)
    taken[person[clean], pool.party[clean]] = True
    left, right = scored.left, scored.right
    collides = taken[person[left], pool.party[right]] | taken[person[right], pool.party[left]]
    return np.asarray(result.pairs.linked | ~collides, dtype=np.bool_)
