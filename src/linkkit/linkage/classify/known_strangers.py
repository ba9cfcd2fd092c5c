"""Candidates that are known to be of strangers, without any label.

Whoever has a match in a party that holds each person once is a stranger to everybody else there. So pairs
with such a record show how alike strangers are, which pairs whose match is open cannot show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Strangers", "not_so_clean"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Strangers:
    """What is known of candidates because a record has its match elsewhere.

    Attributes
    ----------
    known : ndarray of bool, shape (n_pairs,)
        Pairs that are no match, as one of their records has another.
    counted : ndarray of bool, shape (n_pairs,)
        Those of them that were looked for as long as pairs that may match.
    share : float
        Share of all pairs that would be `counted` if they were candidates, 0 to 1; 0: none is known.
    share_free : ndarray of float64, shape (n_pairs,)
        Of all pairs of the same two parties: the share of those neither of whose records has its match
        elsewhere.
    """

    known: npt.NDArray[np.bool_]
    counted: npt.NDArray[np.bool_]
    share: float
    share_free: npt.NDArray[np.float64]

    @classmethod
    def unknown(cls, n_pairs: int) -> Strangers:
        """Return that nothing is known."""
        nobody = np.zeros(n_pairs, dtype=np.bool_)
        return cls(known=nobody, counted=nobody, share=0.0, share_free=np.ones(n_pairs))


def not_so_clean(party: str, seen: str) -> str:
    """Say that a party seems to hold people more than once, by what was seen."""
    return (
        f"party '{party}' was declared to hold each person once, but {seen}; if it holds people more than "
        "once, take 'one_record_per_person' from it in the agreement and encode again; else the fields "
        "do not tell its people apart, so add one"
    )
