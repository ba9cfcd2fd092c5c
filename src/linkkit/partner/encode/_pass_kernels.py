"""The loops of pass filters, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.partner.encode._pass_reference` says what they compute.
Records come sorted by salt and go through in batches: what is enciphered for a batch, and the bits
made of it, stay in the processor's cache. A bit is first a byte of its own, as bytes are stored
without being read, and four positions are read at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numba.np import arrayobj

__all__ = ["fill_filters", "list_uses"]

_BYTES = ir.VectorType(ir.IntType(8), 64)
_WORD = ir.IntType(64)
_FILLER_START = np.uint64(32_768)
_AHEAD = 4
_PER_LINE = 16
_WORDS_PER_LINE = 8

_array_of: Any = arrayobj.make_array


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Return where the item of a C-contiguous array that the arguments name is."""
    data = _array_of(signature.args[0])(context, builder, arguments[0]).data
    return builder.gep(data, [arguments[1]])


@intrinsic
def _four_positions(typing_context: Any, stream: Any, at: Any) -> Any:  # noqa: ARG001
    """Read four 16-bit numbers as one word, wherever they stand."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature, arguments)
        return builder.load(builder.bitcast(place, _WORD.as_pointer()), align=2)

    return types.uint64(stream, at), emit


@intrinsic
def _take_bits(typing_context: Any, marks: Any, at: Any) -> Any:  # noqa: ARG001
    """Return which of 64 bytes are not 0 as the bits of a word, and make the bytes 0."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature, arguments)
        place = builder.bitcast(place, _BYTES.as_pointer())
        none = ir.Constant(_BYTES, [0] * 64)
        found = builder.load(place, align=1)
        builder.store(none, place, align=1)
        return builder.bitcast(builder.icmp_unsigned("!=", found, none), _WORD)

    return types.uint64(marks, at), emit


@intrinsic
def _fetch(typing_context: Any, array: Any, at: Any) -> Any:  # noqa: ARG001
    """Have an item, which need not exist, brought to the cache."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(_pointer(context, builder, signature, arguments), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        builder.call(prefetch, [place, *(ir.Constant(number, n) for n in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(array, at), emit


# The decorator supplies the first argument; to the type checker it does not look so.
_four: Any = _four_positions
_bits: Any = _take_bits
_fetched: Any = _fetch


@njit(inline="always")
def _write_blocks(plain: Any, n: Any, n_blocks: Any, low: Any, high: Any, start: Any) -> None:
    """Write blocks with a number in each, from `start` on.

    Blocks are rows of two words, little-endian, so that a block's last two bytes, to which the
    number is added with the first of them counting for more, are the highest of the second word.
    Up to three rows beyond the last are written too.
    """
    for b in range(0, n_blocks, 4):
        for k in range(4):
            number = start + np.uint64(b + k)
            plain[n + np.uint64(b + k), 0] = low
            high_byte = (number >> np.uint64(8)) << np.uint64(48)
            plain[n + np.uint64(b + k), 1] = high ^ (number << np.uint64(56)) ^ high_byte


@njit(inline="always")
def _write_new(
    plain: Any, n: Any, new: Any, n_new: Any, blocks: Any, hashes: Any, low: Any, high: Any
) -> Any:
    """Write the blocks of a record's new tokens under its salt's mask; returns where they end."""
    for i in range(n_new):
        gram = new[i]
        one, other = blocks[gram, 0] ^ low, blocks[gram, 1] ^ high
        _write_blocks(plain, np.uint64(n), hashes[gram, 1], one, other, np.uint64(0))
        n += hashes[gram, 1]
    return n


@njit(inline="always")
def _use_tokens(
    grams: Any, first: Any, last: Any, hashes: Any, place: Any, base: Any, part: Any, end: Any,
    uses: Any, n_uses: Any, new: Any,
) -> Any:  # fmt: skip
    """Note where the blocks of a record's tokens are; those new to its salt come from `end` on.

    Nothing branches, as what is new cannot be foretold. Returns how many are new, how many uses
    there are, where the blocks end, and how many bits the tokens set.
    """
    n_new, n_set = np.uint64(0), np.int64(0)
    for i in range(first, last):
        gram = np.uint64(np.uint32(grams[i]))
        n_hashes, n_blocks, at = hashes[gram, 0], hashes[gram, 1], place[gram]
        is_new = at < part
        at = end if is_new else at
        place[gram] = at
        uses[n_uses, 0], uses[n_uses, 1] = at - base, n_hashes
        n_uses += np.uint64(n_hashes > 0)
        new[n_new] = gram
        n_new += np.uint64(is_new)
        end += n_blocks if is_new else 0
        n_set += n_hashes
    return n_new, n_uses, end, n_set


@njit(inline="always")
def _sum_blocks(grams: Any, first: Any, last: Any, hashes: Any, blocks: Any) -> Any:
    low, high = np.uint64(0), np.uint64(0)
    for i in range(first, last):
        gram = np.uint64(np.uint32(grams[i]))
        if hashes[gram, 0] > 0:
            low ^= blocks[gram, 0]
            high ^= blocks[gram, 1]
    return low, high


@njit(nogil=True, cache=True)
def list_uses(
    bounds: Any, grams: Any, order: Any, codes: Any, start: Any, stop: Any, blocks: Any, masks: Any,
    hashes: Any, n_full: Any, enough: Any, base: Any, place: Any, new: Any, plain: Any, uses: Any,
    use_starts: Any,
) -> Any:  # fmt: skip
    """Write what is enciphered for a batch of records, and list what each record uses of it.

    The tokens of record `r` are ``grams[bounds[r]:bounds[r + 1]]``; the batch goes from
    ``order[start]`` on, with `codes` for salts, to the first new salt after `enough` blocks. A row
    of `hashes` is how many bits a token sets in each filter, none where it is left out, and how
    many blocks it takes; one of `uses`, where a token's blocks begin in `plain` and how many bits
    it sets. The last use of a record is what fills up its first filter to `n_full`: how many bits
    are left, which is negative where its tokens set more.

    `place` notes where each token's blocks are, counted through all batches, of which this begins at
    `base`: before those of a salt are those of earlier ones. `new` is room for a record's tokens.
    Returns how far the records fitted, how many blocks there are, where the next batch begins.
    """
    n, n_uses, part, code = np.int64(0), np.uint64(0), base, np.int64(-1)
    low, high = np.uint64(0), np.uint64(0)
    stop = min(stop, start + len(use_starts) - 1)
    for p in range(start, stop):
        ahead = bounds[order[min(p + _AHEAD, stop - 1)]]
        for line in range(4):
            _fetched(grams, ahead + line * _PER_LINE)
        if codes[p] != code:
            if n > enough:
                return p, n, base + n
            code, part = codes[p], base + n
            low, high = masks[code, 0], masks[code, 1]
        first, last = bounds[order[p]], bounds[order[p] + 1]
        if np.int64(n_uses) + last - first + 1 > len(uses):
            return p, n, base + n
        n_new, n_uses, end, n_set = _use_tokens(
            grams, first, last, hashes, place, base, part, base + n, uses, n_uses, new
        )
        n_filler = max(n_full - n_set, 0)
        filler_blocks = (n_filler + 7) >> 3
        if end - base + filler_blocks + 3 > len(plain):
            return p, n, end
        n = _write_new(plain, n, new, n_new, blocks, hashes, low, high)
        uses[n_uses, 0], uses[n_uses, 1] = n, n_full - n_set
        n_uses += np.uint64(1)
        if n_filler > 0:
            one, other = _sum_blocks(grams, first, last, hashes, blocks)
            one, other = one ^ low, other ^ high
            _write_blocks(plain, np.uint64(n), filler_blocks, one, other, _FILLER_START)
            n += filler_blocks
        use_starts[p - start + 1] = n_uses
    return stop, n, base + n


@njit(inline="always")
def _mark(stream: Any, at: Any, n: Any, marks: Any, n_bits: Any, n_inputs: Any) -> None:
    """Mark `n` positions in each of the first `n_inputs` filters, one filter's after another's.

    They are cut to the width, a power of two, without bias. The last four may overlap others.
    """
    last = n_bits - np.uint64(1)
    if n < 4:
        for i in range(n * n_inputs):
            marks[np.uint64(i // n) * n_bits + (np.uint64(stream[at + i]) & last)] = 1
        return
    i = 0
    while i < n:
        i = min(i, n - 4)
        for t in range(n_inputs):
            row, four = np.uint64(t) * n_bits, _four(stream, at + t * n + i)
            marks[row + (four & last)] = 1
            marks[row + (four >> np.uint64(16) & last)] = 1
            marks[row + (four >> np.uint64(32) & last)] = 1
            marks[row + (four >> np.uint64(48) & last)] = 1
        i += 4


@njit(inline="always")
def _mark_fewer(
    stream: Any, uses: Any, first: Any, last: Any, n_full: Any, n_set: Any, marks: Any, n_bits: Any,
    n_inputs: Any,
) -> None:  # fmt: skip
    """Mark the tokens of a record that has too many, each with so fewer positions in the first filter."""
    others = marks[np.int64(n_bits) :]
    for use in range(first, last):
        at, n = np.int64(uses[use, 0]) * 8, np.int64(uses[use, 1])
        _mark(stream, at, n * n_full // n_set, marks, n_bits, 1)
        _mark(stream, at + n, n, others, n_bits, n_inputs - 1)


@njit(nogil=True, cache=True)
def fill_filters(
    order: Any, start: Any, stop: Any, stream: Any, uses: Any, use_starts: Any, n_inputs: Any,
    n_full: Any, marks: Any, out: Any,
) -> None:  # fmt: skip
    """Make the filter of each record of a batch: `n_inputs` Bloom filters laid over each other.

    `stream` are the enciphered blocks as 16-bit numbers. `marks` has a byte for each bit of each
    filter, all 0 before and after.
    """
    n_words = out.shape[1]
    n_bits = np.uint64(64 * n_words)
    rows = out.reshape(-1)
    for p in range(start, stop):
        for w in range(0, n_words, _WORDS_PER_LINE):
            _fetched(rows, order[p] * n_words + w)
        first, filler = use_starts[p - start], use_starts[p - start + 1] - 1
        left = np.int64(uses[filler, 1])
        if left < 0:
            _mark_fewer(stream, uses, first, filler, n_full, n_full - left, marks, n_bits, n_inputs)
            first = filler
        for use in range(first, filler):
            at, n = np.int64(uses[use, 0]) * 8, np.int64(uses[use, 1])
            # The compiler unrolls what is constant.
            if n_inputs == 3:
                _mark(stream, at, n, marks, n_bits, 3)
            elif n_inputs == 4:
                _mark(stream, at, n, marks, n_bits, 4)
            else:
                _mark(stream, at, n, marks, n_bits, n_inputs)
        _mark(stream, np.int64(uses[filler, 0]) * 8, max(left, 0), marks, n_bits, 1)
        for w in range(n_words):
            word = np.uint64(0)
            for t in range(n_inputs):
                word ^= _bits(marks, (t * n_words + w) * 64)
            out[order[p], w] = word
