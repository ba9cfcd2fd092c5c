"""Numbers that follow from what records hold, and not from their tokens or the order of rows.

Whatever draws records at random, or must choose between equals, goes by these, so that the same records make
the same people, whatever their tokens are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block._key_reference import mixed
from linkkit.linkage.block.keys import MOST_ALIKE, filter_keys
from linkkit.linkage.pool import Pool, part_of

__all__ = ["content_digests", "content_order", "copied_records", "digests_of_keys", "smallest"]

_NOTHING = np.zeros(0, dtype=np.uint64)
_ROWS_AT_ONCE = 4_096
"""Records whose filters are copied at a time."""


def content_digests(
    pool: Pool, rows: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.uint64]:
    """Return a 64-bit digest of the filters of each record, or of some.

    Parameters
    ----------
    pool : Pool
        The records.
    rows : ndarray of int64, shape (n,), optional
        Positions of those that are wanted; all by default.
    """
    if pool.spec.passes:
        words = [pool.pass_words.first_words(k, rows) for k in range(len(pool.spec.passes))]
        return digests_of_keys(np.column_stack(words))
    if rows is None:
        return digests_of_keys(filter_keys(pool) if pool.spec.filters else pool.words)
    parts = [rows[i : i + _ROWS_AT_ONCE] for i in range(0, len(rows), _ROWS_AT_ONCE)]
    return np.concatenate([_NOTHING, *(content_digests(part_of(pool, part)) for part in parts)])


def digests_of_keys(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return a 64-bit digest of each row of digests of filters, shape (n, n_fields)."""
    digest = np.zeros(len(keys), dtype=np.uint64)
    for column in range(keys.shape[1]):
        digest = mixed(digest, keys[:, column])
    return digest


def smallest(digests: npt.NDArray[np.uint64], n: int) -> npt.NDArray[np.int64]:
    """Return the positions of the `n` smallest digests, or of all, in their order: as good as random."""
    few = np.arange(len(digests))
    if len(digests) > n:
        few = np.flatnonzero(digests <= np.partition(digests, n - 1)[n - 1])
    return few[np.argsort(digests[few], kind="stable")][:n]


def content_order(pool: Pool) -> npt.NDArray[np.int64]:
    """Return positions by party, and within a party by what the records hold."""
    return np.lexsort((content_digests(pool), pool.party)).astype(np.int64)


def copied_records(pool: Pool) -> tuple[str, ...]:
    """Say which parties that may hold a person more than once have more than 100 records that are all equal.

    So many are hardly one person's, and nothing in them says whether they are. Of parties that hold each person
    once they are set aside when pairs are chosen, and the plan says so.
    """
    said = []
    for p in np.flatnonzero(~pool.clean).tolist():
        rows = np.flatnonzero(pool.party == p)
        sizes = np.unique(content_digests(pool, rows), return_counts=True)[1]
        n = int(sizes[sizes > MOST_ALIKE].sum())
        if n:
            said.append(
                f"{n:,} of {len(rows):,} records of '{pool.parties[p]}' are equal to more than {MOST_ALIKE} others; "
                "they are fillers, or copies, and whether they are one person or many cannot be told: ask the party "
                "to take them out"
            )
    return tuple(said)
