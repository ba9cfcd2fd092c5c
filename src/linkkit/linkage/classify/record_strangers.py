"""Pairs of records that are known to be of strangers: those of a party that holds each person once.

They show how alike strangers are, families among them, where nobody knows how many people two parties share.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block.content import content_digests
from linkkit.linkage.compare.vectors.distinct import Distinct
from linkkit.linkage.compare.vectors.record_filters import (
    MOST_ALIKE,
    RecordPairs,
    compare_filters,
)
from linkkit.linkage.pool import Pool, part_of

__all__ = ["Within", "pairs_within"]

_MOST_COMPARED = 20_000


class Within(NamedTuple):
    """Pairs within a party: their records counted within it, and how many pairs were compared."""

    pairs: RecordPairs
    n_compared: int


def pairs_within(pool: Pool, p: int, *, floor: float, n_threads: int | None = None) -> Within:
    """Return the pairs of records of one party at least as alike as `floor`.

    Of a large party those of a sample, which depends on what records hold alone. Filters that very many
    records of the party have, as those without any content do, are left out.
    """
    start, end = pool.party_starts()[p : p + 2].tolist()
    rows = start + _told_apart(pool.words[start:end])
    if len(rows) > _MOST_COMPARED:
        by_content = np.argsort(content_digests(pool, rows), kind="stable")
        rows = np.sort(rows[by_content[:_MOST_COMPARED]])
    part = replace(
        part_of(pool, rows),
        parties=pool.parties[p : p + 1],
        party=np.zeros(len(rows), dtype=np.int64),
        clean=np.zeros(1, dtype=np.bool_),
    )
    found = compare_filters(part, floor=floor, n_threads=n_threads)
    pairs = RecordPairs(
        left=rows[found.left] - start, right=rows[found.right] - start, dice=found.dice
    )
    return Within(pairs, len(rows) * (len(rows) - 1) // 2)


def _told_apart(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the rows whose filter no more than :data:`MOST_ALIKE` rows have."""
    one = Distinct.of(words, np.zeros(len(words), dtype=np.int64), n_parties=1)
    size = np.repeat(np.diff(one.starts), np.diff(one.starts))
    return np.sort(one.members[size <= MOST_ALIKE])
