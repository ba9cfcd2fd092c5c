"""The comparison of filters that meet in a table, in numpy: what the compiled one must equal.

It also runs where numba has no wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["bucket_ranges", "common_bits", "gather_keys", "scan_buckets"]

_PAIRS_AT_ONCE = 500_000

_Ints = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


def gather_keys(words: _Words, bits: _Ints) -> _Words:
    """Return some bits of each row, and the row's number in the lower 32 bits."""
    keys = np.zeros(len(words), dtype=np.uint64)
    for bit in bits.tolist():
        one = (words[:, bit // 64] >> np.uint64(bit % 64)) & np.uint64(1)
        keys = (keys << np.uint64(1)) | one
    return (keys << np.uint64(32)) | np.arange(len(words), dtype=np.uint64)


def bucket_ranges(
    keys: _Words, party: npt.NDArray[np.integer], clean: npt.NDArray[np.bool_]
) -> tuple[_Ints, _Ints, _Ints]:
    """Return whose place is which of the sorted keys, and the range of places of its partners."""
    n = len(keys)
    order = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    bucket, own = keys >> np.uint64(32), party[order]

    def ends(is_last: npt.NDArray[np.bool_]) -> _Ints:
        stops = np.flatnonzero(np.append(is_last, True))[: n or None] + 1
        return np.repeat(stops, np.diff(np.append(0, stops)))[:n]

    last = ends(bucket[1:] != bucket[:-1])
    next_party = ends((bucket[1:] != bucket[:-1]) | (own[1:] != own[:-1]))
    first = np.where(clean[own], next_party, np.arange(1, n + 1))
    return order, first, last


def scan_buckets(
    sketches: _Words,
    order: _Ints,
    first: _Ints,
    last: _Ints,
    *,
    most: int,
) -> list[_Words]:
    """Return the pairs that meet and whose sketches are near: both rows, 32 bits each."""
    n_partners = last - first
    ends = np.cumsum(n_partners)
    found, start = [], 0
    while start < len(order):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")), start + 1)
        n = n_partners[start:stop]
        p = np.repeat(np.arange(start, stop), n)
        q = np.arange(len(p)) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first[start:stop], n)
        one, other = order[p], order[q]
        near = np.bitwise_count(sketches[one] ^ sketches[other]).sum(axis=1) <= most
        found.append((one[near].astype(np.uint64) << np.uint64(32)) | other[near].astype(np.uint64))
        start = stop
    return found


def common_bits(words: _Words, left: _Ints, right: _Ints) -> _Ints:
    """Return how many bits both rows of each pair have."""
    parts = [
        np.bitwise_count(words[left[i : i + _PAIRS_AT_ONCE]] & words[right[i : i + _PAIRS_AT_ONCE]])
        .sum(axis=1)
        .astype(np.int64)
        for i in range(0, len(left), _PAIRS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
