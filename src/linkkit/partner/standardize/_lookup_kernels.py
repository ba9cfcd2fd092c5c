"""Finds words in tables by their first eight bytes and length. For kernels alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj

from linkkit.engines.compiled import kernel, kernel_part

__all__ = [
    "MULTIPLIER",
    "blank_in",
    "eight_bytes",
    "fill_slots",
    "find_entry",
    "first_bytes",
    "packed_bytes",
    "put_eight",
    "slot_of",
]

MULTIPLIER = 0x9E3779B97F4A7C15


@kernel_part
def slot_of(packed: Any, length: Any, size: Any) -> Any:
    mixed = (np.uint64(packed) ^ np.uint64(length)) * np.uint64(MULTIPLIER)
    return np.int64(mixed >> np.uint64(32)) & (size - 1)


@kernel_part
def find_entry(packed: Any, length: Any, slots: Any, entries: Any) -> Any:
    """Return the entry of a word's first eight bytes and length, or -1."""
    slot = slot_of(packed, length, len(slots))
    while slots[slot] >= 0:
        entry = slots[slot]
        if entries[entry, 0] == packed and entries[entry, 1] == length:
            return entry
        slot = (slot + 1) & (len(slots) - 1)
    return np.int64(-1)


@kernel
def fill_slots(entries: Any, slots: Any) -> None:
    """Enter words, by their first eight bytes and length, into an empty hash table."""
    for entry in range(len(entries)):
        slot = slot_of(entries[entry, 0], entries[entry, 1], len(slots))
        while slots[slot] >= 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = entry


_array_of: Any = arrayobj.make_array
_WORD = ir.IntType(64)


@intrinsic
def _load_eight(typing_context: Any, data: Any, at: Any) -> Any:  # noqa: ARG001
    """Return eight bytes of an array as a little-endian number."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start = _array_of(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(start, [arguments[1]]), _WORD.as_pointer())
        return builder.load(place, align=1)

    return types.int64(data, types.int64), emit


@intrinsic
def _store_eight(typing_context: Any, data: Any, at: Any, word: Any) -> Any:  # noqa: ARG001
    """Write a little-endian number to eight bytes of an array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start = _array_of(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(start, [arguments[1]]), _WORD.as_pointer())
        builder.store(arguments[2], place, align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.int64), emit


@intrinsic
def _n_zero_bits(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
    """Count the zero bits below the lowest bit that is set; 64 where none is."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), emit


# The decorator supplies the first argument; to the type checker it does not look so.
eight_bytes: Any = _load_eight
put_eight: Any = _store_eight
_trailing_zeros: Any = _n_zero_bits


# Inlined by LLVM, not by numba, which would count references to arrays on the way.
@kernel_part
def first_bytes(word: Any, n: Any) -> Any:
    """Return the first bytes of eight, the first the lowest."""
    return word if n >= 8 else word & ((np.int64(1) << np.int64(8 * n)) - 1)


@kernel_part
def packed_bytes(data: Any, first: Any, last: Any) -> Any:
    """Return the first eight bytes of a text; eight bytes are read, whatever its length."""
    return first_bytes(eight_bytes(data, np.int64(first)), last - first)


@kernel_part
def blank_in(word: Any) -> Any:
    """Return which of eight bytes is the first blank, 8 if none is."""
    # A byte of `other` is zero where there is a blank (Warren, Hacker's Delight, 6-1).
    other = word ^ np.int64(0x2020202020202020)
    found = (other - np.int64(0x0101010101010101)) & ~other & np.int64(-0x7F7F7F7F7F7F7F80)
    return _trailing_zeros(found) >> 3
