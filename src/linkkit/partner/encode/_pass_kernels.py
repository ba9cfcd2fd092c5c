"""The loops of pass filters, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.partner.encode._pass_reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["diffuse", "distinct_grams", "fill_filters", "salted_blocks"]

_BITS = 64
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

    Blocks are rows of two words, little-endian, so that a block's last byte, which counts, is the
    highest of the second word.
    """
    for g in range(len(found_starts) - 1):
        low, high = masks[g, 0], masks[g, 1]
        for i in range(found_starts[g], found_starts[g + 1]):
            one, other = blocks[found[i], 0] ^ low, blocks[found[i], 1] ^ high
            first = block_starts[i]
            for b in range(first, block_starts[i + 1]):
                plain[b, 0] = one
                plain[b, 1] = other ^ (np.uint64(b - first) << np.uint64(56))


@njit(nogil=True, cache=True)
def _set_bits(stream: Any, at: Any, n: Any, row: Any) -> None:
    last = np.int64(len(row)) * 64 - 1
    for i in range(at, at + n):
        # Two bytes cut to the width, a power of two, without bias.
        position = np.int64(stream[i]) & last
        row[position >> 6] |= np.uint64(1) << np.uint64(position & 63)


@njit(nogil=True, cache=True)
def fill_filters(
    values: Any, starts: Any, grams: Any, order: Any, group_starts: Any, group_from: Any,
    group_to: Any, found: Any, found_starts: Any, n_hashes: Any, stream: Any, stream_starts: Any,
    place: Any, out: Any,
) -> None:  # fmt: skip
    """Set the bits of every record.

    `stream` are enciphered blocks as 16-bit numbers, those of token `found[i]` from
    ``stream_starts[i]`` on; `place` is room to work in. Where a salt has several records, each
    token's bits are gathered once and OR-ed record by record.
    """
    most = np.int64(1)
    for g in range(group_from, group_to):
        if group_starts[g + 1] - group_starts[g] >= _FEW:
            n = found_starts[g - group_from + 1] - found_starts[g - group_from]
            most = max(most, n)
    masks = np.empty((most, out.shape[1]), dtype=np.uint64)
    for g in range(group_from, group_to):
        first, last = found_starts[g - group_from], found_starts[g - group_from + 1]
        gather = group_starts[g + 1] - group_starts[g] >= _FEW
        for i in range(first, last):
            place[found[i]] = i
            if gather:
                masks[i - first, :] = 0
                _set_bits(stream, stream_starts[i], n_hashes[found[i]], masks[i - first])
        for p in range(group_starts[g], group_starts[g + 1]):
            record = order[p]
            row = out[record]
            for f in range(values.shape[1]):
                value = values[record, f]
                if value < 0:
                    continue
                for k in range(starts[value], starts[value + 1]):
                    i = place[grams[k]]
                    if gather:
                        mask = masks[i - first]
                        for w in range(len(row)):
                            row[w] |= mask[w]
                    else:
                        _set_bits(stream, stream_starts[i], n_hashes[grams[k]], row)


@njit(nogil=True, cache=True)
def _transpose(block: Any) -> None:
    """Transpose 64 words of 64 bits in place (Warren, Hacker's Delight, 7-3)."""
    width = np.uint64(32)
    mask = np.uint64(0x00000000FFFFFFFF)
    while width:
        step = np.int64(width)
        for start in range(0, 64, 2 * step):
            for k in range(start, start + step):
                swap = (block[k] >> width ^ block[k + step]) & mask
                block[k] ^= swap << width
                block[k + step] ^= swap
        width >>= np.uint64(1)
        mask ^= mask << width


@njit(nogil=True, cache=True)
def diffuse(words: Any, inputs: Any, rows: Any) -> None:
    """Replace the filters of `rows` by their diffusion, 64 records to a word."""
    n_words = words.shape[1]
    columns = np.empty((n_words, _BITS), dtype=np.uint64)
    mixed = np.empty((n_words, _BITS), dtype=np.uint64)
    flat, out = columns.reshape(-1), mixed.reshape(-1)
    for start in range(0, len(rows), _BITS):
        n = min(_BITS, len(rows) - start)
        for w in range(n_words):
            for k in range(n):
                columns[w, k] = words[rows[start + k], w]
            for k in range(n, _BITS):
                columns[w, k] = 0
            _transpose(columns[w])
        for j in range(len(inputs)):
            bit = flat[inputs[j, 0]]
            for t in range(1, inputs.shape[1]):
                bit ^= flat[inputs[j, t]]
            out[j] = bit
        for w in range(n_words):
            _transpose(mixed[w])
            for k in range(n):
                words[rows[start + k], w] = mixed[w, k]
