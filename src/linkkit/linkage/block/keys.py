"""Blocks of records that agree in keys: digests of encoded fields, or keys that partners added.

A pass is a set of columns of keys; records that have all of them, and equal, are a block of it. Nothing is
listed but one number for each record, half of it a digest of its keys and half its position, sorted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba
from linkkit.linkage.block import _key_reference
from linkkit.linkage.pool import Pool

__all__ = [
    "BLOCK_LIMIT",
    "MOST_ALIKE",
    "Blocks",
    "KeyPass",
    "block_sizes",
    "crowded_members",
    "filter_keys",
    "pairs_of_blocks",
    "repeated_records",
    "repeated_warnings",
    "sorted_blocks",
]

BLOCK_LIMIT = 1_000_000
"""A block with more pairs than this is never crossed as it is."""

MOST_ALIKE = 100
"""Of more records than this that are equal within one party, none can be told from the others."""

_PAIRS_PER_PIECE = 1_000_000
_RECORDS_PER_PIECE = 65_536

_POSITION = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class KeyPass:
    """The pairs of records that agree in some columns of keys.

    Attributes
    ----------
    name : str
        What the records of a block have in common.
    columns : tuple of int
        The columns of keys in which they agree.
    n_comparisons : int
        Pairs in blocks that are small enough.
    n_records : int
        Records that have all of the keys.
    n_crowded_records : int
        Records in blocks that are too large and are not crossed in this pass.
    splits : tuple of int
        The columns of the pass whose crowded blocks this one splits; none if it is about everybody.
    members : ndarray of int64 or None
        Positions of the records that it is about; all if None.
    """

    name: str
    columns: tuple[int, ...]
    n_comparisons: int
    n_records: int
    n_crowded_records: int = 0
    splits: tuple[int, ...] = ()
    members: npt.NDArray[np.int64] | None = None

    @property
    def mask(self) -> int:
        """The columns as bits of a number."""
        return sum(1 << column for column in self.columns)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Blocks:
    """Records sorted by block, and within a block by position.

    Attributes
    ----------
    packed : ndarray of uint64, shape (n,)
        The digest of a record's keys in the upper half, its position in the pool in the lower.
    cuts : ndarray of int64, shape (n_pieces,)
        Where pieces of work end; none cuts a block.
    largest : int
        How many pairs a block may have to be crossed.
    n_comparisons, n_crowded : int
        Pairs that may match, in blocks that are small enough, and in larger ones.
    n_crowded_records : int
        Records in the larger ones.
    """

    packed: npt.NDArray[np.uint64]
    cuts: npt.NDArray[np.int64]
    largest: int
    n_comparisons: int
    n_crowded: int
    n_crowded_records: int

    @property
    def most_pairs_of_piece(self) -> int:
        """No piece of work has more pairs than this."""
        return self.largest + _PAIRS_PER_PIECE


def filter_keys(pool: Pool) -> npt.NDArray[np.uint64]:
    """Return a 64-bit digest of each record's filter of each field, shape (n, n_fields).

    0 where the field is missing. Equal filters have equal digests; different ones agree by chance in
    one of 2**64.
    """
    if not has_numba():
        return _key_reference.digest_filters(pool.words, pool.present, pool.word_starts)
    from linkkit.linkage.block import _key_kernels

    kernel: Any = _key_kernels.digest_filters
    digests = np.empty((len(pool), len(pool.word_starts) - 1), dtype=np.uint64)
    kernel(pool.words, pool.present, pool.word_starts, digests)
    return digests


def sorted_blocks(
    pool: Pool,
    keys: npt.NDArray[np.uint64],
    columns: tuple[int, ...],
    members: npt.NDArray[np.int64] | None = None,
) -> Blocks:
    """Sort the records that have all of some keys into blocks.

    Parameters
    ----------
    pool : Pool
        Says who may match whom.
    keys : ndarray of uint64, shape (n_records, n_columns)
        0 where a record lacks a key.
    columns : tuple of int
        In which columns the records of a block agree.
    members : ndarray of int64, optional
        Positions of the records to sort; all by default.
    """
    packed = _packed(keys, np.array(columns, dtype=np.int64), members)
    packed.sort()
    cuts, totals = _cut(packed, pool)
    return Blocks(
        packed=packed,
        cuts=cuts,
        largest=BLOCK_LIMIT,
        n_comparisons=totals[0],
        n_crowded=totals[1],
        n_crowded_records=totals[2],
    )


def block_sizes(
    keys: npt.NDArray[np.uint64], columns: tuple[int, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the positions of the records that have some keys, and how many have the same."""
    packed = _packed(keys, np.array(columns, dtype=np.int64), None)
    packed.sort()
    starts = np.flatnonzero(np.append(True, (packed[1:] ^ packed[:-1]) > _POSITION)[: len(packed)])
    sizes = np.diff(np.append(starts, len(packed)))
    return (packed & _POSITION).astype(np.int64), np.repeat(sizes, sizes)


def pairs_of_blocks(
    pool: Pool, blocks: Blocks
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield the pairs of blocks that are small enough, some at a time, the smaller position first."""
    start = 0
    for end in blocks.cuts.tolist():
        packed = blocks.packed[start:end]
        start = end
        yield _key_reference.pairs_of_blocks(
            packed, pool.party_starts(), pool.clean, blocks.largest
        )


def repeated_records(pool: Pool, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the records of which a party has more than :data:`MOST_ALIKE` that agree in all keys.

    Of a party that holds each person once, so that none of them can be told from the others. What a
    record lacks, it lacks alike. Positions, ascending.
    """
    digest = pool.party.astype(np.uint64)
    for column in range(keys.shape[1]):
        digest = _key_reference.mixed(digest, keys[:, column])
    position, n_alike = block_sizes((digest | np.uint64(1))[:, None], (0,))
    many = np.sort(position[(n_alike > MOST_ALIKE) & pool.clean[pool.party[position]]])
    # Half of a digest brought them together; the whole one tells.
    _, number, n_same = np.unique(digest[many], return_inverse=True, return_counts=True)
    return np.asarray(many[n_same[number] > MOST_ALIKE], dtype=np.int64)


def repeated_warnings(pool: Pool, repeated: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """Say of each party how many of its records are not compared because they are repeated."""
    counts = np.bincount(pool.party[repeated], minlength=len(pool.parties)).tolist()
    return tuple(
        f"{n:,} records of '{party}' were set aside, as more than {MOST_ALIKE} of them are equal"
        for party, n in zip(pool.parties, counts, strict=True)
        if n
    )


def crowded_members(pool: Pool, blocks: Blocks) -> npt.NDArray[np.int64]:
    """Return the positions of the records in blocks that are too large, ascending."""
    first, last, block = _key_reference.block_ranges(blocks.packed, pool.party_starts(), pool.clean)
    pairs = np.bincount(block, weights=last - first)
    crowded = pairs[block] > blocks.largest
    return np.sort((blocks.packed[crowded] & _POSITION).astype(np.int64))


def _packed(
    keys: npt.NDArray[np.uint64],
    columns: npt.NDArray[np.int64],
    members: npt.NDArray[np.int64] | None,
) -> npt.NDArray[np.uint64]:
    if not has_numba():
        chosen = np.arange(len(keys)) if members is None else members
        return _key_reference.pack_keys(keys, columns, chosen)
    from linkkit.linkage.block import _key_kernels

    kernel: Any = _key_kernels.pack_keys
    packed = np.empty(len(keys) if members is None else len(members), dtype=np.uint64)
    chosen = np.zeros(0, dtype=np.int64) if members is None else members
    n = kernel(keys, columns, chosen, members is None, packed)
    return packed[:n]


def _cut(
    packed: npt.NDArray[np.uint64], pool: Pool
) -> tuple[npt.NDArray[np.int64], tuple[int, int, int]]:
    limits = (BLOCK_LIMIT, _PAIRS_PER_PIECE, _RECORDS_PER_PIECE)
    if not has_numba():
        cuts, pairs = _key_reference.cut_blocks(packed, pool.party_starts(), pool.clean, *limits)
        return np.array(cuts, dtype=np.int64), pairs
    from linkkit.linkage.block import _key_kernels

    kernel: Any = _key_kernels.cut_blocks
    room = np.empty(1_024, dtype=np.int64)
    totals = np.zeros(3, dtype=np.int64)
    while True:
        n = int(kernel(packed, pool.party_starts(), pool.clean, *limits, room, totals))
        if n <= len(room):
            return room[:n], (int(totals[0]), int(totals[1]), int(totals[2]))
        room = np.empty(n, dtype=np.int64)
