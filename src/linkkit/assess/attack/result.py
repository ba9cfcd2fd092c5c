"""What an attack achieved: a share with its interval, beside what guessing would."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from linkkit.assess.attack.target import Truth

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AttackResult", "results_frame", "scores_of_rounds", "wilson_interval"]

_Z = 1.959964


@dataclass(frozen=True, kw_only=True, slots=True)
class AttackResult:
    """One attack on one target.

    Attributes
    ----------
    attack : str
        Its name.
    n_target, n_own : int
        Encodings attacked, and records in the attacker's list.
    n_overlap : int
        People in both, the known ones apart: those who can be re-identified.
    n_known : int
        Known pairs that the attacker was given.
    n_right : int
        People correctly re-identified in the best round, by the better of two guesses (one to one,
        and each record for itself). An attacker cannot tell which round
        is the best; who defends should assume it.
    share_by_round : tuple of float
        Share of the overlap that each round had right, 0 to 1.
    guessing : float
        The share that guessing gets right on average.
    seed : int
        Seed of the random choices.
    seconds : float
        Run time.
    n_unmixed : int
        Passes whose mixing of bits was undone first, see :mod:`~linkkit.assess.attack.linear`.
    """

    attack: str
    n_target: int
    n_own: int
    n_overlap: int
    n_known: int
    n_right: int
    share_by_round: tuple[float, ...]
    guessing: float
    seed: int
    seconds: float
    n_unmixed: int = 0

    @property
    def share(self) -> float:
        """Share of the overlap that was correctly re-identified, 0 to 1."""
        return self.n_right / self.n_overlap if self.n_overlap else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the share."""
        return wilson_interval(self.n_right, self.n_overlap)

    def as_frame(self) -> pd.DataFrame:
        """Return one row with all of it."""
        return results_frame([self])

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.attack}: {self.share:.2%} of {self.n_overlap} re-identified "
            f"({low:.2%} to {high:.2%}; guessing {self.guessing:.2%}), {self.seconds:.0f} s"
        )


def results_frame(results: Sequence[AttackResult]) -> pd.DataFrame:
    """Return one row for each attack."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "attack": x.attack,
                "share": x.share,
                "low": x.interval[0],
                "high": x.interval[1],
                "guessing": x.guessing,
                "n_right": x.n_right,
                "n_overlap": x.n_overlap,
                "n_known": x.n_known,
                "n_unmixed": x.n_unmixed,
                "n_target": x.n_target,
                "n_own": x.n_own,
                "seed": x.seed,
                "seconds": x.seconds,
            }
            for x in results
        ]
    )


def wilson_interval(n_right: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927); (0, 1) for no trials.

    Examples
    --------
    >>> [round(x, 4) for x in wilson_interval(0, 2500)]
    [0.0, 0.0015]
    """
    if n < 1:
        return 0.0, 1.0
    share, extra = n_right / n, _Z**2 / n
    middle = (share + extra / 2) / (1 + extra)
    half = _Z / (1 + extra) * math.sqrt(share * (1 - share) / n + extra / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def scores_of_rounds(
    rounds: Sequence[npt.NDArray[np.int64]], truth: Truth, known: npt.NDArray[np.int64]
) -> tuple[int, tuple[int, ...]]:
    """Count the overlap without known pairs, and how many of it each round has right."""
    asked = truth.pairs[~np.isin(truth.pairs[:, 0], known)]
    return len(asked), tuple(int((found[asked[:, 0]] == asked[:, 1]).sum()) for found in rounds)
