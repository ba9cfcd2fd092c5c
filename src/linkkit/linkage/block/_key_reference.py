"""The kernels of blocking by keys in plain numpy: slow, obvious, and what the fast ones must equal.

They also run where numba has no wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "block_ranges",
    "cut_blocks",
    "digest_filters",
    "mixed",
    "pack_keys",
    "pairs_of_blocks",
]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_HALF = np.uint64(32)
_POSITION = np.uint64(0xFFFFFFFF)

_Keys = npt.NDArray[np.uint64]


def mixed(digest: _Keys, word: _Keys) -> _Keys:
    """Return digests of which each has taken in one more word."""
    product = (digest ^ word) * _ODD
    return np.asarray(product ^ (product >> _SHIFT), dtype=np.uint64)


def digest_filters(
    words: _Keys, present: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]
) -> _Keys:
    """Return a digest of each filter of each record, 0 where it is missing; (n, n_filters)."""
    digests = np.zeros((len(words), len(starts) - 1), dtype=np.uint64)
    for f in range(len(starts) - 1):
        for w in range(starts[f], starts[f + 1]):
            digests[:, f] = mixed(digests[:, f], words[:, w])
        digests[:, f] = np.where(present[:, f], np.maximum(digests[:, f], 1), 0)
    return digests


def pack_keys(keys: _Keys, columns: npt.NDArray[np.int64], members: npt.NDArray[np.int64]) -> _Keys:
    """Return 32 bits of a digest of the columns, then the position, of members that have all."""
    members = members[np.all(keys[members][:, columns] != 0, axis=1)]
    digest = np.zeros(len(members), dtype=np.uint64)
    for column in columns:
        digest = mixed(digest, keys[members, column])
    return np.asarray((digest & ~_POSITION) | members.astype(np.uint64), dtype=np.uint64)


def block_ranges(
    packed: _Keys, party_starts: npt.NDArray[np.int64], clean: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the first and last partner of each sorted record, and the number of its block."""
    n = len(packed)
    digest, position = packed >> _HALF, (packed & _POSITION).astype(np.int64)
    party = np.searchsorted(party_starts, position, side="right") - 1
    new_block = np.append(True, digest[1:] != digest[:-1])[:n]
    block = np.cumsum(new_block) - 1
    last = np.append(np.flatnonzero(new_block)[1:], n)[block]
    new_party = new_block | np.append(True, party[1:] != party[:-1])[:n]
    next_party = np.append(np.flatnonzero(new_party)[1:], n)[np.cumsum(new_party) - 1]
    first = np.where(clean[party], next_party, np.arange(1, n + 1))
    return np.minimum(first, last).astype(np.int64), last.astype(np.int64), block.astype(np.int64)


def pairs_of_blocks(
    packed: _Keys, party_starts: npt.NDArray[np.int64], clean: npt.NDArray[np.bool_], largest: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the positions of all pairs of whole blocks with at most `largest` pairs, the smaller left."""
    first, last, block = block_ranges(packed, party_starts, clean)
    small = (np.bincount(block, weights=last - first) <= largest)[block]
    n_partners = np.where(small, last - first, 0)
    one = np.repeat(np.arange(len(packed)), n_partners)
    before = np.repeat(np.cumsum(n_partners) - n_partners, n_partners)
    other = np.arange(len(one)) - before + np.repeat(first, n_partners)
    position = (packed & _POSITION).astype(np.int64)
    return position[one], position[other]


def cut_blocks(
    packed: _Keys,
    party_starts: npt.NDArray[np.int64],
    clean: npt.NDArray[np.bool_],
    largest: int,
    wanted: int,
    longest: int,
) -> tuple[list[int], tuple[int, int, int]]:
    """Return where pieces end; pairs in blocks of `largest` pairs or fewer, in larger ones; records in these.

    A piece ends after the block with which it has `wanted` pairs or `longest` records.
    """
    first, last, block = block_ranges(packed, party_starts, clean)
    pairs = np.bincount(block, weights=last - first).astype(np.int64)
    ends = np.flatnonzero(
        np.append(np.diff(block) != 0, np.ones(min(len(block), 1), dtype=np.bool_))
    )
    cuts: list[int] = []
    in_piece = piece_start = 0
    for n, end in zip(pairs.tolist(), (ends + 1).tolist(), strict=True):
        in_piece += n if n <= largest else 0
        if end == len(packed) or in_piece >= wanted or end - piece_start >= longest:
            cuts.append(end)
            in_piece, piece_start = 0, end
    small = pairs <= largest
    sizes = np.bincount(block)
    return cuts, (int(pairs[small].sum()), int(pairs[~small].sum()), int(sizes[~small].sum()))
