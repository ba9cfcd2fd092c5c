"""Cuts values into numbered tokens, straight from their bytes, and fills filters.

Pure: arrays in, arrays out. Compiled by numba when first used and cached on disk;
:mod:`linkkit.partner.encode._token_reference` says what is computed. A token is first a key, a small
number made of its bytes (:mod:`linkkit.partner.encode.tokenize` has the ranges), so that no text is
hashed, but for words that count as wholes. Then the distinct keys are numbered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from linkkit.engines.compiled import kernel, kernel_part
from linkkit.partner.encode._vector_kernels import or_eight

__all__ = [
    "cut_addresses",
    "cut_dates",
    "cut_emails",
    "cut_places",
    "cut_words",
    "each_once",
    "hash_texts",
    "number_keys",
    "or_tokens",
]

_EDGE = 95  # "_"
_AT = 64  # "@"
_LONGEST = 256
_PLACES = 16_384
_YEARS = 49_152
_MONTHS = 59_152
_DAYS = 59_252
_EITHERS = 59_352
_MONTH_DAYS = 59_452
_WORD_PLACES = 69_452
_WHOLES = 102_220


@kernel
def number_keys(keys: Any, table: Any, found: Any) -> Any:
    """Replace keys by numbers in the order of appearance; returns how many are in `found`."""
    n_found = 0
    for i in range(len(keys)):
        key = keys[i]
        token = table[key]
        if token < 0:
            token = np.int32(n_found)
            table[key] = token
            found[n_found] = key
            n_found += 1
        keys[i] = token
    return n_found


@kernel_part
def _is_space(c: Any) -> Any:
    return c <= 32 and (c == 32 or 9 <= c <= 13 or c >= 28)


@kernel_part
def _is_ascii(data: Any, first: Any, last: Any) -> Any:
    every = np.uint8(0)
    for p in range(first, last):
        every |= data[p]
    return every < 128


@kernel_part
def _bigrams(data: Any, first: Any, last: Any, keys: Any, n: Any) -> Any:
    """Write the keys of the bigrams of words from `n` on; returns the end."""
    before = np.int32(_EDGE)
    inside = False
    for p in range(first, last):
        c = np.int32(data[p])
        space = _is_space(c)
        if space:
            c = np.int32(_EDGE)
        if inside or not space:
            keys[n] = before * 128 + c
            n += 1
        before, inside = c, not space
    if inside:
        keys[n] = before * 128 + np.int32(_EDGE)
        n += 1
    return n


@kernel_part
def _whole(data: Any, first: Any, last: Any, slots: Any, wholes: Any, n_wholes: Any) -> Any:
    """Return the number of ``data[first:last]`` among the distinct wholes; a new one is noted.

    A row of `wholes` has the first eight bytes as a number, where it stands, and its length.
    """
    packed = np.int64(0)
    for p in range(first, min(first + 8, last)):
        packed = packed << 8 | np.int64(data[p])
    mixed = (np.uint64(packed) ^ np.uint64(last - first)) * np.uint64(0x9E3779B97F4A7C15)
    for p in range(first + 8, last):
        mixed = (mixed ^ np.uint64(data[p])) * np.uint64(0x9E3779B97F4A7C15)
    mask = np.int64(len(slots) - 1)
    slot = np.int64(mixed >> np.uint64(32)) & mask
    entry = np.int32(n_wholes)
    while slots[slot] >= 0:
        other = slots[slot]
        same = wholes[other, 0] == packed and wholes[other, 2] == last - first
        p = first + 8
        while same and p < last:
            same = data[wholes[other, 1] + p - first] == data[p]
            p += 1
        if same:
            entry = other
            break
        slot = (slot + 1) & mask
    if entry == n_wholes:
        slots[slot] = entry
        wholes[entry, 0], wholes[entry, 1], wholes[entry, 2] = packed, first, last - first
    return entry


@kernel
def cut_words(
    data: Any, bounds: Any, valid: Any, mixed: Any, keys: Any, starts: Any, odd: Any
) -> None:
    """Cut into the bigrams of words; `odd` marks values that are not ASCII, left without tokens."""
    n = 0
    for row in range(len(bounds) - 1):
        first, last = bounds[row], bounds[row + 1]
        if valid[row]:
            if mixed and not _is_ascii(data, first, last):
                odd[row] = True
            else:
                n = _bigrams(data, first, last, keys, n)
        starts[row + 1] = n


@kernel
def cut_addresses(
    data: Any, bounds: Any, valid: Any, mixed: Any, keys: Any, starts: Any, odd: Any, slots: Any,
    wholes: Any,
) -> Any:  # fmt: skip
    """Cut into words with a digit, as wholes and by place, and the bigrams of other words.

    Returns whether all wholes found a place.
    """
    n, n_wholes = 0, 0
    for row in range(len(bounds) - 1):
        first, last = bounds[row], bounds[row + 1]
        if not valid[row]:
            last = first
        elif last - first > _LONGEST or (mixed and not _is_ascii(data, first, last)):
            odd[row] = True
            last = first
        start = first
        while start < last:
            stop = start
            has_digit = False
            while stop < last and not _is_space(data[stop]):
                has_digit |= 48 <= data[stop] <= 57
                stop += 1
            if has_digit:
                if n_wholes == len(wholes):
                    return False
                entry = _whole(data, start, stop, slots, wholes, n_wholes)
                n_wholes += entry == n_wholes
                keys[n] = _WHOLES + entry
                n += 1
                for p in range(start, stop):
                    keys[n] = _WORD_PLACES + (p - start) * 128 + data[p]
                    n += 1
            else:
                n = _bigrams(data, start, stop, keys, n)
            start = stop + 1
        starts[row + 1] = n
    return True


@kernel
def cut_emails(
    data: Any, bounds: Any, valid: Any, mixed: Any, keys: Any, starts: Any, odd: Any, slots: Any,
    wholes: Any,
) -> Any:  # fmt: skip
    """Cut into the bigrams of what stands before the at sign, and the rest as a whole.

    Returns whether all wholes found a place.
    """
    n, n_wholes = 0, 0
    for row in range(len(bounds) - 1):
        first, last = bounds[row], bounds[row + 1]
        if valid[row]:
            if mixed and not _is_ascii(data, first, last):
                odd[row] = True
            else:
                at = first
                while at < last and data[at] != _AT:
                    at += 1
                n = _bigrams(data, first, at, keys, n)
                if n_wholes == len(wholes):
                    return False
                entry = _whole(data, min(at + 1, last), last, slots, wholes, n_wholes)
                n_wholes += entry == n_wholes
                keys[n] = _WHOLES + entry
                n += 1
        starts[row + 1] = n
    return True


@kernel
def cut_places(
    data: Any, bounds: Any, valid: Any, mixed: Any, keys: Any, starts: Any, odd: Any
) -> None:
    """Cut into each character at its place, and each pair of neighbors."""
    n = 0
    for row in range(len(bounds) - 1):
        first, last = bounds[row], bounds[row + 1]
        if valid[row]:
            if last - first > _LONGEST or (mixed and not _is_ascii(data, first, last)):
                odd[row] = True
            else:
                for p in range(first, last):
                    keys[n] = _PLACES + (p - first) * 128 + data[p]
                    n += 1
                for p in range(first, last - 1):
                    keys[n] = np.int32(data[p]) * 128 + data[p + 1]
                    n += 1
        starts[row + 1] = n


@njit(nogil=True, cache=True)
def cut_dates(
    data: Any, bounds: Any, valid: Any, mixed: Any, keys: Any, starts: Any, odd: Any
) -> None:
    """Cut YYYYMMDD into digits at their places and its parts; other values are odd."""
    n = 0
    digits = np.zeros(8, dtype=np.int32)
    for row in range(len(bounds) - 1):
        first, last = bounds[row], bounds[row + 1]
        good = last - first == 8
        if good:
            for i in range(8):
                digits[i] = np.int32(data[first + i]) - 48
                good &= 0 <= digits[i] <= 9
        if valid[row] and (mixed or not good):
            odd[row] = not good
        if valid[row] and good:
            for i in range(8):
                keys[n + i] = _PLACES + i * 128 + digits[i] + 48
            month, day = digits[4] * 10 + digits[5], digits[6] * 10 + digits[7]
            keys[n + 8] = _YEARS + digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3]
            keys[n + 9] = _MONTHS + month
            keys[n + 10] = _DAYS + day
            keys[n + 11] = _EITHERS + month
            keys[n + 12] = _EITHERS + day
            keys[n + 13] = _MONTH_DAYS + month * 100 + day
            n += 14
        starts[row + 1] = n


@kernel
def hash_texts(data: Any, bounds: Any, out: Any) -> None:
    """Write a number for each text, the same for the same text and seldom for another."""
    for row in range(len(out)):
        mixed = np.uint64(bounds[row + 1] - bounds[row])
        for p in range(bounds[row], bounds[row + 1]):
            mixed = (mixed ^ np.uint64(data[p])) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        out[row] = mixed


@kernel
def each_once(ids: Any, starts: Any, kept: Any, edges: Any) -> None:
    """Copy the distinct tokens of each value, in the order of appearance."""
    n = 0
    for row in range(len(starts) - 1):
        for i in range(starts[row], starts[row + 1]):
            known = edges[row]
            while known < n and kept[known] != ids[i]:
                known += 1
            if known == n:
                kept[n] = ids[i]
                n += 1
        edges[row + 1] = n


@kernel
def or_tokens(masks: Any, ids: Any, starts: Any, places: Any, out: Any) -> None:
    """Write the masks of each value's tokens, OR-ed, to a row of `out`, if `places` names one.

    Eight words at a time where it can.
    """
    n_words = masks.shape[1]
    n_parts = np.int64(n_words // 8)
    for row in range(len(starts) - 1):
        first, last, to = starts[row], starts[row + 1], places[row]
        if to < 0:
            continue
        for part in range(n_parts if n_words % 8 == 0 else 0):
            or_eight(masks, ids, first, last, (n_parts, part), out, to * n_parts + part)
        for w in range(0 if n_words % 8 else n_words, n_words):
            word = np.uint64(0)
            for i in range(first, last):
                word |= masks[ids[i], w]
            out[to, w] = word
