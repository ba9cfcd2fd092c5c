"""Numbers that follow from what records hold, and not from their tokens or the order of rows.

Whatever draws records at random, or must choose between equals, goes by these, so that the same records make
the same people, whatever their tokens are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block._key_reference import mixed
from linkkit.linkage.block.keys import filter_keys
from linkkit.linkage.pool import Pool, part_of

__all__ = ["content_digests", "content_order"]


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
