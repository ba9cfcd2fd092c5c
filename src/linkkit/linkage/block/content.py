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

__all__ = ["content_digests", "content_order", "copied_records"]


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
    some = pool if rows is None else part_of(pool, rows)
    digest = np.zeros(len(some), dtype=np.uint64)
    columns = filter_keys(some) if pool.spec.filters else some.words
    for column in range(columns.shape[1]):
        digest = mixed(digest, columns[:, column])
    return digest


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
