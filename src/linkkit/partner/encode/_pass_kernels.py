"""The loops of pass filters, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.partner.encode._pass_reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["distinct_grams", "fill_filters", "filler_blocks", "salted_blocks"]

_FEW = 4


@njit(nogil=True, cache=True)
def distinct_grams(
    values: Any, starts: Any, grams: Any, order: Any, group_starts: Any, group_from: Any,
    group_to: Any, seen: Any, found: Any, found_starts: Any,
) -> Any:  # fmt: skip
    """List the distinct tokens of each group from `group_from` to `group_to`, one after another.

    Returns the first group that did not fit into `found`. `seen` notes in which group a token was
    found last.
    """
    n = 0
    found_starts[0] = 0
    for g in range(group_from, group_to):
        start = n
        for p in range(group_starts[g], group_starts[g + 1]):
            record = order[p]
            for f in range(values.shape[1]):
                value = values[record, f]
                if value < 0:
                    continue
                for i in range(starts[value], starts[value + 1]):
                    gram = grams[i]
                    if seen[gram] == g:
                        continue
                    if n == len(found):
                        # Forget what was seen of the group, which is done again.
                        for k in range(start, n):
                            seen[found[k]] = -1
                        return g
                    seen[gram] = g
                    found[n] = gram
                    n += 1
        found_starts[g - group_from + 1] = n
    return group_to


@njit(nogil=True, cache=True)
def salted_blocks(
    blocks: Any, masks: Any, found: Any, found_starts: Any, block_starts: Any, plain: Any
) -> None:
    """Write what is enciphered: each token's block with the salt's mask and a number in it.

    Blocks are rows of two words, little-endian, so that a block's last two bytes, to which the
    number is added with the first of them counting for more, are the highest of the second word.
    """
    for g in range(len(found_starts) - 1):
        low, high = masks[g, 0], masks[g, 1]
        for i in range(found_starts[g], found_starts[g + 1]):
            one, other = blocks[found[i], 0] ^ low, blocks[found[i], 1] ^ high
            first = block_starts[i]
            for b in range(first, block_starts[i + 1]):
                plain[b, 0] = one
                number = np.uint64(b - first)
                high_byte = (number >> np.uint64(8)) << np.uint64(48)
                plain[b, 1] = other ^ (number << np.uint64(56)) ^ high_byte


@njit(nogil=True, cache=True)
def filler_blocks(
    sums: Any, masks: Any, order: Any, group_starts: Any, group_from: Any, group_to: Any,
    block_starts: Any, plain: Any,
) -> None:  # fmt: skip
    """Write what is enciphered to fill up short records: all their tokens' blocks, added up.

    Numbers count on from 32,768, as a record may have a single token.
    """
    start = group_starts[group_from]
    for g in range(group_from, group_to):
        low, high = masks[g, 0], masks[g, 1]
        for p in range(group_starts[g], group_starts[g + 1]):
            first = block_starts[p - start]
            for b in range(first, block_starts[p - start + 1]):
                plain[b, 0] = sums[order[p], 0] ^ low
                number = np.uint64(b - first)
                high_byte = (np.uint64(128) | number >> np.uint64(8)) << np.uint64(48)
                plain[b, 1] = sums[order[p], 1] ^ high ^ (number << np.uint64(56)) ^ high_byte


@njit(nogil=True, cache=True)
def _set_bits(stream: Any, at: Any, n: Any, filters: Any) -> None:
    last = np.int64(filters.shape[1]) * 64 - 1
    for t in range(len(filters)):
        for i in range(at + t * n, at + (t + 1) * n):
            # Two bytes cut to the width, a power of two, without bias.
            position = np.int64(stream[i]) & last
            filters[t, position >> 6] |= np.uint64(1) << np.uint64(position & 63)


@njit(nogil=True, cache=True)
def _lay_over(filters: Any, row: Any) -> None:
    for w in range(len(row)):
        word = filters[0, w]
        for t in range(1, len(filters)):
            word ^= filters[t, w]
        row[w] = word


@njit(nogil=True, cache=True)
def _most_gathered(group_starts: Any, found_starts: Any, group_from: Any, group_to: Any) -> Any:
    most = np.int64(1)
    for g in range(group_from, group_to):
        if group_starts[g + 1] - group_starts[g] >= _FEW:
            most = max(most, found_starts[g - group_from + 1] - found_starts[g - group_from])
    return most


@njit(nogil=True, cache=True)
def fill_filters(
    values: Any, starts: Any, grams: Any, order: Any, group_starts: Any, group_from: Any,
    group_to: Any, found: Any, found_starts: Any, n_hashes: Any, n_inputs: Any, stream: Any,
    stream_starts: Any, filler: Any, filler_starts: Any, n_filler: Any, place: Any, out: Any,
) -> None:  # fmt: skip
    """Make the filter of every record: `n_inputs` Bloom filters laid over each other.

    `stream` are enciphered blocks as 16-bit numbers, those of token `found[i]` from
    ``stream_starts[i]`` on, for one filter after the other; `place` is room to work in. Where a
    salt has several records, each token's bits are gathered once and OR-ed record by record.
    `filler` is what fills up the first filter of a short record, from `filler_starts` on, which
    count from the first record here.
    """
    start = group_starts[group_from]
    most = _most_gathered(group_starts, found_starts, group_from, group_to)
    n_words = np.int64(out.shape[1])
    masks = np.empty((most, n_inputs, n_words), dtype=np.uint64)
    flat = masks.reshape(most, n_inputs * n_words)
    filters = np.empty((n_inputs, n_words), dtype=np.uint64)
    laid_out = filters.reshape(-1)
    n_all = n_inputs * n_words
    for g in range(group_from, group_to):
        first, last = found_starts[g - group_from], found_starts[g - group_from + 1]
        gather = group_starts[g + 1] - group_starts[g] >= _FEW
        for i in range(first, last):
            place[found[i]] = i
            if gather:
                flat[i - first, :] = 0
                _set_bits(stream, stream_starts[i], n_hashes[found[i]], masks[i - first])
        for p in range(group_starts[g], group_starts[g + 1]):
            record = order[p]
            laid_out[:] = 0
            for f in range(values.shape[1]):
                value = values[record, f]
                if value < 0:
                    continue
                for k in range(starts[value], starts[value + 1]):
                    i = place[grams[k]]
                    if gather:
                        for w in range(n_all):
                            laid_out[w] |= flat[i - first, w]
                    else:
                        _set_bits(stream, stream_starts[i], n_hashes[grams[k]], filters)
            _set_bits(filler, filler_starts[p - start], n_filler[record], filters[:1])
            _lay_over(filters, out[record])
