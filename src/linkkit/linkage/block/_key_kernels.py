"""Kernels of blocking by keys, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.block._key_reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part

__all__ = ["cut_blocks", "digest_filters", "pack_keys"]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_HIGH = np.uint64(0xFFFFFFFF00000000)


@kernel_part
def _mixed(digest: Any, word: Any) -> Any:
    mixed = (digest ^ word) * _ODD
    return mixed ^ (mixed >> _SHIFT)


@kernel
def digest_filters(words: Any, present: Any, starts: Any, out: Any) -> None:
    """Fill `out` with a digest of each filter of each record, 0 where it is missing."""
    for i in range(len(words)):
        for f in range(len(starts) - 1):
            digest = np.uint64(0)
            if present[i, f]:
                for w in range(starts[f], starts[f + 1]):
                    digest = _mixed(digest, words[i, w])
                if digest == 0:
                    digest = np.uint64(1)
            out[i, f] = digest


@kernel
def pack_keys(keys: Any, columns: Any, members: Any, everybody: Any, out: Any) -> Any:
    """Fill `out` with 32 bits of a digest of the columns, then the position; returns how many have all.

    `members` are ignored if it is about everybody.
    """
    n = len(keys) if everybody else len(members)
    n_out = 0
    for k in range(n):
        i = k if everybody else members[k]
        digest = np.uint64(0)
        has_all = True
        for c in range(len(columns)):
            key = keys[i, columns[c]]
            has_all = has_all and key != 0
            digest = _mixed(digest, key)
        if has_all:
            out[n_out] = (digest & _HIGH) | np.uint64(i)
            n_out += 1
    return n_out


@kernel_part
def _pairs_in(packed: Any, start: Any, stop: Any, party_starts: Any, clean: Any) -> Any:
    """Count the pairs of a block that may match; its members are sorted by party."""
    total, party, p = 0, 0, start
    while p < stop:
        position = np.int64(packed[p] & ~_HIGH)
        while party_starts[party + 1] <= position:
            party += 1
        q = p + 1
        while q < stop and np.int64(packed[q] & ~_HIGH) < party_starts[party + 1]:
            q += 1
        total += (q - p) * (stop - q)
        if not clean[party]:
            total += (q - p) * (q - p - 1) // 2
        p = q
    return total


@kernel
def cut_blocks(
    packed: Any, party_starts: Any, clean: Any, largest: Any, wanted: Any, longest: Any, cuts: Any,
    totals: Any,
) -> Any:  # fmt: skip
    """Count pairs and cut blocks into pieces; returns the number of pieces.

    A piece ends after the block with which it has `wanted` pairs or `longest` records; its end goes into
    `cuts`, as far as there is room. `totals` is filled with the pairs of blocks with at most `largest`
    pairs, those of larger ones, and the records in these.
    """
    n_cuts, in_piece, piece_start = 0, 0, 0
    totals[0] = totals[1] = totals[2] = 0
    start, n = 0, len(packed)
    while start < n:
        stop = start + 1
        while stop < n and (packed[stop] ^ packed[start]) & _HIGH == 0:
            stop += 1
        if stop > start + 1:
            pairs = _pairs_in(packed, start, stop, party_starts, clean)
            if pairs <= largest:
                totals[0] += pairs
                in_piece += pairs
            else:
                totals[1] += pairs
                totals[2] += stop - start
        if stop == n or in_piece >= wanted or stop - piece_start >= longest:
            if n_cuts < len(cuts):
                cuts[n_cuts] = stop
            n_cuts += 1
            in_piece, piece_start = 0, stop
        start = stop
    return n_cuts
