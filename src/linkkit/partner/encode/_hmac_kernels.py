"""HMAC-SHA256 (RFC 2104, FIPS 180-4) of many messages under one key, sixteen at a time.

Pure: arrays in, arrays out. Compiled by numba when first used and cached on disk;
:mod:`linkkit.partner.encode._hmac_reference` computes the same with the standard library.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numba.np import arrayobj

from linkkit.partner.encode._hmac_reference import ROUND_CONSTANTS

__all__ = ["hmac_digests"]

_LANES = 16
_VECTOR = ir.VectorType(ir.IntType(32), _LANES)


_array_of: Any = arrayobj.make_array


def _constant(number: int) -> Any:
    return ir.Constant(_VECTOR, [number] * _LANES)


def _rotated(builder: Any, word: Any, n: int) -> Any:
    return builder.or_(builder.lshr(word, _constant(n)), builder.shl(word, _constant(32 - n)))


def _mixed(builder: Any, word: Any, first: int, second: int, last: Any) -> Any:
    two = builder.xor(_rotated(builder, word, first), _rotated(builder, word, second))
    return builder.xor(two, last)


def _sum_of(builder: Any, *words: Any) -> Any:
    total = words[0]
    for word in words[1:]:
        total = builder.add(total, word)
    return total


def _extended(builder: Any, words: list[Any], i: int) -> Any:
    """Return the word of the message schedule that is 16 later than word `i`."""
    early, late = words[(i + 1) % 16], words[(i + 14) % 16]
    small = _mixed(builder, early, 7, 18, builder.lshr(early, _constant(3)))
    large = _mixed(builder, late, 17, 19, builder.lshr(late, _constant(10)))
    return _sum_of(builder, words[i], small, words[(i + 9) % 16], large)


def _round(builder: Any, state: list[Any], word: Any, constant: Any) -> list[Any]:
    a, b, c, d, e, f, g, h = state
    choice = builder.xor(g, builder.and_(e, builder.xor(f, g)))
    majority = builder.or_(builder.and_(a, b), builder.and_(c, builder.or_(a, b)))
    turned = _mixed(builder, e, 6, 11, _rotated(builder, e, 25))
    one = _sum_of(builder, h, turned, choice, word, constant)
    two = builder.add(_mixed(builder, a, 2, 13, _rotated(builder, a, 22)), majority)
    return [builder.add(one, two), a, b, c, builder.add(d, one), e, f, g]


def _places(context: Any, builder: Any, kind: Any, value: Any, n: int) -> list[Any]:
    data = _array_of(kind)(context, builder, value).data
    vectors = builder.bitcast(data, _VECTOR.as_pointer())
    return [builder.gep(vectors, [ir.Constant(ir.IntType(64), i)]) for i in range(n)]


@intrinsic
def _sixteen_rounds(typing_context: Any, state: Any, block: Any, constants: Any) -> Any:  # noqa: ARG001
    """Take sixteen words into sixteen states: arrays of shape (8, 16), (16, 16) and (16, 16).

    All are C-contiguous; the words become those of the next sixteen rounds.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args
        places = _places(context, builder, kinds[0], arguments[0], 8)
        sources = _places(context, builder, kinds[1], arguments[1], 16)
        constant = _places(context, builder, kinds[2], arguments[2], 16)
        now = [builder.load(place, align=4) for place in places]
        words = [builder.load(place, align=4) for place in sources]
        for i in range(16):
            now = _round(builder, now, words[i], builder.load(constant[i], align=4))
            words[i] = _extended(builder, words, i)
        for place, new in zip([*places, *sources], [*now, *words], strict=True):
            builder.store(new, place, align=4)
        return context.get_dummy_value()

    return types.void(state, block, constants), emit


# The decorator supplies the first argument; to the type checker it does not look so.
_rounds: Any = _sixteen_rounds
_CONSTANTS = np.repeat(np.array(ROUND_CONSTANTS, dtype=np.uint32), _LANES).reshape(4, 16, _LANES)


@njit(nogil=True, cache=True)
def _compress(state: Any, block: Any, now: Any) -> None:
    """Take one block of 64 bytes, as words, into each of sixteen states; the block is used up."""
    for k in range(8):
        for lane in range(_LANES):
            now[k, lane] = state[k, lane]
    for i in range(4):
        _rounds(now, block, _CONSTANTS[i])
    for k in range(8):
        for lane in range(_LANES):
            state[k, lane] += now[k, lane]


@njit(nogil=True, cache=True)
def _spread(words: Any, state: Any) -> None:
    for k in range(8):
        for lane in range(_LANES):
            state[k, lane] = words[k]


@njit(nogil=True, cache=True)
def _fill_block(data: Any, first: Any, length: Any, b: Any, block: Any, lane: Any) -> None:
    """Write block `b` of a padded message; a block of the key comes before the message."""
    for k in range(16):
        block[k, lane] = 0
    start = b * 64
    stop = min(length, start + 64)
    for p in range(start, stop):
        shift = np.uint32(24 - 8 * (p & 3))
        block[(p & 63) >> 2, lane] |= np.uint32(data[first + p]) << shift
    if start <= length < start + 64:
        shift = np.uint32(24 - 8 * (length & 3))
        block[(length & 63) >> 2, lane] |= np.uint32(0x80) << shift
    if b == (length + 8) // 64:
        n_bits = (np.int64(length) + 64) * 8
        block[14, lane] = np.uint32(n_bits >> 32)
        block[15, lane] = np.uint32(n_bits & 0xFFFFFFFF)


@njit(nogil=True, cache=True)
def _inner(
    inner: Any, data: Any, bounds: Any, at: Any, state: Any, kept: Any, block: Any, now: Any
) -> None:
    """Hash sixteen messages after the block of the key; shorter ones wait for the longest."""
    n = min(16, len(bounds) - 1 - at)
    n_blocks = 1
    for lane in range(n):
        n_blocks = max(n_blocks, (bounds[at + lane + 1] - bounds[at + lane] + 8) // 64 + 1)
    _spread(inner, state)
    for b in range(n_blocks):
        for lane in range(n):
            first = bounds[at + lane]
            _fill_block(data, first, bounds[at + lane + 1] - first, b, block, lane)
        for lane in range(n):
            if b > (bounds[at + lane + 1] - bounds[at + lane] + 8) // 64:
                for k in range(8):
                    kept[k, lane] = state[k, lane]
        _compress(state, block, now)
        for lane in range(n):
            if b > (bounds[at + lane + 1] - bounds[at + lane] + 8) // 64:
                for k in range(8):
                    state[k, lane] = kept[k, lane]


@njit(nogil=True, cache=True)
def hmac_digests(inner: Any, outer: Any, data: Any, bounds: Any, out: Any) -> None:
    """Write the digest of ``data[bounds[i] : bounds[i + 1]]`` to row `i` of `out`, as words.

    `inner` and `outer` are the states after the two blocks that hold the key.
    """
    state = np.zeros((8, 16), dtype=np.uint32)
    kept = np.zeros((8, 16), dtype=np.uint32)
    now = np.zeros((8, 16), dtype=np.uint32)
    second = np.zeros(16, dtype=np.uint32)
    second[8], second[15] = 0x80000000, (64 + 32) * 8
    block = np.zeros((16, 16), dtype=np.uint32)
    for at in range(0, len(bounds) - 1, 16):
        _inner(inner, data, bounds, at, state, kept, block, now)
        for k in range(16):
            for lane in range(_LANES):
                block[k, lane] = state[k, lane] if k < 8 else second[k]
        _spread(outer, state)
        _compress(state, block, now)
        for lane in range(min(16, len(bounds) - 1 - at)):
            for k in range(8):
                out[at + lane, k] = state[k, lane]
