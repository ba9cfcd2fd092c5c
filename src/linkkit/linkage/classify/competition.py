"""What it means for a pair that one of its records can match only one record of a party.

A party that holds each person once has at most one match for any record. So candidates compete; and
where most of a party's people are expected to be among the other's, a record whose other
candidates are worse or taken is probably the match of the one that is left, however weak.

The probability of a pair under all one-to-one assignments is approximated by belief
propagation on the graph of candidates (Bethe approximation), which is exact where it has no
cycles.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.pool import Pool

__all__ = ["compete"]

_MOST_COVERED = 0.99
_WEAKEST = 1e-7
_N_ROUNDS = 60
_STRONGEST = 1e9


def compete(
    pool: Pool,
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    odds: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the probability of each pair, given all others.

    Parameters
    ----------
    pool : Pool
        Says which parties hold each person once.
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the records; all candidate pairs.
    odds : ndarray of float64, shape (n_pairs,)
        Odds of a match, each pair judged for itself.

    Returns
    -------
    ndarray of float64, shape (n_pairs,), 0 to 1
    """
    odds = np.minimum(odds, _STRONGEST)
    answer = odds / (1 + odds)
    n_parties = len(pool.parties)
    block = pool.party[left] * n_parties + pool.party[right]
    for key in np.unique(block):
        p, q = divmod(int(key), n_parties)
        mine = np.flatnonzero((block == key) & (odds > _WEAKEST))
        if p == q or not (pool.clean[p] or pool.clean[q]):
            continue
        expected = float(answer[mine].sum())
        sizes = pool.party_sizes()
        # How much rarer it is for a record to have no match than for a pair to be none.
        covered_left = min(expected / sizes[p], _MOST_COVERED) if pool.clean[q] else 0.0
        covered_right = min(expected / sizes[q], _MOST_COVERED) if pool.clean[p] else 0.0
        weight = odds[mine] / ((1 - covered_left) * (1 - covered_right))
        answer[mine] = _assigned(
            _numbered(left[mine]),
            _numbered(right[mine]),
            weight,
            one=pool.clean[q],
            other=pool.clean[p],
        )
    return np.asarray(answer)


def _numbered(records: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.unique(records, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _assigned(
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    weight: npt.NDArray[np.float64],
    *,
    one: bool,
    other: bool,
) -> npt.NDArray[np.float64]:
    """Return marginals; `one`: a left record has one match at most, `other`: a right one has."""
    to_right, to_left = weight.copy(), weight.copy()
    for _ in range(_N_ROUNDS):
        # What the other candidates of a record leave to this pair.
        from_left = weight / (1 + _others(left, to_left)) if one else weight
        from_right = weight / (1 + _others(right, to_right)) if other else weight
        to_left, to_right = (to_left + from_right) / 2, (to_right + from_left) / 2
    rivals = (_others(left, to_left) if one else 0.0) + 0.0
    reach = to_left if one else weight / (1 + _others(right, to_right))
    return np.asarray(reach / (1 + rivals + reach), dtype=np.float64)


def _others(
    record: npt.NDArray[np.int64], message: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    total = np.bincount(record, weights=message)
    return np.maximum(total[record] - message, 0.0)
