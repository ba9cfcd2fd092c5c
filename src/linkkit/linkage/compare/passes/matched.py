"""Which records are as good as matched, before any model is learned.

Where all parties hold each person once, two records that are alike in several salts, and neither of
which is that alike to another of the other's party, are of one person beyond reasonable doubt. Where a
party may hold a person several times, so are groups of records that are alike in several salts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from linkkit.exchange import EncodingSpec
from linkkit.linkage.compare.passes.pairs import PassPairs
from linkkit.linkage.pool import Pool

__all__ = [
    "LIKE_SALTS",
    "MATCHED_SALTS",
    "matched_records",
    "n_alike",
    "pairs_among",
    "pairs_by_parties",
    "sure_groups",
    "sure_matches",
]

LIKE_SALTS = 2
"""Pairs alike in so many salts are hardly ever of strangers."""

MATCHED_SALTS = 3
"""Pairs alike in so many are of one person, where there are so many."""

_ALIKE_FROM = 6.0
"""Standard errors above chance at which a pair is alike beyond doubt."""


def n_alike(spec: EncodingSpec, pairs: PassPairs) -> tuple[npt.NDArray[np.int64], int]:
    """Return in how many salts each pair is alike beyond doubt, and how many salts there are."""
    errors = np.sqrt([item.n_bits for item in spec.passes])
    total = np.zeros(len(pairs), dtype=np.int64)
    salts = [item.salt for item in spec.passes]
    for salt in dict.fromkeys(salts):
        group = [k for k, other in enumerate(salts) if other == salt]
        total += (pairs.correlations[:, group] * errors[group] > _ALIKE_FROM).any(axis=1)
    return total, len(set(salts))


def sure_matches(pool: Pool, pairs: PassPairs) -> npt.NDArray[np.bool_]:
    """Return which records have a match beyond reasonable doubt in which party.

    A record may have one in a party that holds each person once, if that is alike in many salts and
    nobody else of the party is in several; where its own party holds each person once, too, nobody
    else of that may be so to the match.

    Returns
    -------
    ndarray of bool, shape (n_records, n_parties)
    """
    n_parties = len(pool.parties)
    alike, n_salts = n_alike(pool.spec, pairs)
    rivals = np.flatnonzero(alike >= LIKE_SALTS)
    left, right = pairs.left[rivals], pairs.right[rivals]
    to_right = left * n_parties + pool.party[right]
    to_left = right * n_parties + pool.party[left]
    counts = np.bincount(np.concatenate([to_right, to_left]), minlength=len(pool) * n_parties)
    one_left, one_right = pool.clean[pool.party[left]], pool.clean[pool.party[right]]
    alone = ((counts[to_right] == 1) | ~one_right) & ((counts[to_left] == 1) | ~one_left)
    sure = alone & (alike[rivals] >= min(MATCHED_SALTS, n_salts))
    answer = np.zeros(len(pool) * n_parties, dtype=np.bool_)
    answer[to_right[sure & one_right]] = True
    answer[to_left[sure & one_left]] = True
    return answer.reshape(len(pool), n_parties)


def sure_groups(pool: Pool, pairs: PassPairs) -> npt.NDArray[np.int64]:
    """Return the group of each record by pairs that are alike in many salts, shape (n_records,).

    Only records of parties that may hold a person several times have one; -1: none.
    """
    alike, n_salts = n_alike(pool.spec, pairs)
    sure = alike >= min(MATCHED_SALTS, n_salts)
    sure &= ~(pool.clean[pool.party[pairs.left]] | pool.clean[pool.party[pairs.right]])
    edges = coo_array(
        (np.ones(int(sure.sum()), dtype=np.int8), (pairs.left[sure], pairs.right[sure])),
        shape=(len(pool), len(pool)),
    )
    _, group = connected_components(edges, directed=False)
    return np.where(np.bincount(group)[group] > 1, group, -1).astype(np.int64)


def matched_records(pool: Pool, pairs: PassPairs) -> npt.NDArray[np.bool_]:
    """Return which records have a match beyond reasonable doubt in every other party.

    Nobody has where some party may hold a person twice, or stands for several parties.

    Returns
    -------
    ndarray of bool, shape (n_records,)
    """
    if pool.with_earlier or not bool(pool.clean.all()):
        return np.zeros(len(pool), dtype=np.bool_)
    return np.asarray(sure_matches(pool, pairs).sum(axis=1) == len(pool.parties) - 1)


def pairs_by_parties(pool: Pool, members: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return how many pairs of each two parties have both records as members.

    Parameters
    ----------
    pool : Pool
        All records.
    members : ndarray of bool, shape (n_records, n_parties)
        Whether a record is one with regard to each party.

    Returns
    -------
    ndarray of int64, shape (n_parties, n_parties)
        Above the diagonal by two parties, and on it within one that may hold a person twice.
    """
    n_parties = len(pool.parties)
    counts = np.zeros((n_parties, n_parties), dtype=np.int64)
    for q in range(n_parties):
        counts[:, q] = np.bincount(pool.party[members[:, q]], minlength=n_parties)
    own = np.diagonal(counts)
    within = np.where(pool.clean, 0, own * (own - 1) // 2)
    return np.asarray(np.triu(counts * counts.T, k=1) + np.diag(within))


def pairs_among(pool: Pool, members: npt.NDArray[np.int64]) -> int:
    """Return how many pairs of some records may match."""
    counts = np.bincount(pool.party[members], minlength=len(pool.parties))
    sizes = [int(n) for n in counts]
    whole = sum(sizes) * (sum(sizes) - 1) // 2
    return whole - sum(
        n * (n - 1) // 2 for n, clean in zip(sizes, pool.clean, strict=True) if clean
    )
