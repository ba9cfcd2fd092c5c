"""Writes plain words of a column, straight from the bytes of its cells.

Pure: arrays in, arrays out. Compiled by numba when first used and cached on disk. A cell that is
not plain is left to the function for one cell, whose rules these kernels are given as tables; that
function is their slow, obvious twin.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part
from linkkit.partner.standardize._lookup_kernels import (
    blank_in,
    eight_bytes,
    find_entry,
    first_bytes,
    packed_bytes,
    put_eight,
    slot_of,
)

__all__ = ["find_plain", "gather", "write_words"]

_CLOSER, _SEPARATOR, _DROPPED = 0, 1, 2
_LONGEST = 200
_ROWS_AT_ONCE = 256
_CHANGED, _SINGLE, _LETTER_P = 1, 2, 4
_P_O_BOX = int.from_bytes(b"p o box", "little")


@kernel_part
def _spell(data: Any, first: Any, last: Any, classes: Any, is_name: Any, out: Any, to: Any) -> Any:
    """Write a cell as lower-case words from `to` on; returns the end, `to` if it is not plain.

    Words that begin with a zero need a closer look; in names, digits, a capital after a small letter
    and an apostrophe beside a word rather than in it do, too.
    """
    n = to
    good, was_lower, blank = True, False, True
    for p in range(first, last):
        c = data[p]
        kind = classes[c]
        if kind > _DROPPED:
            capital = c != kind
            good &= not is_name or (kind > 57 and not (capital and was_lower))
            good &= kind != 48 or not blank
            was_lower, blank = not capital, False
            out[n] = kind
            n += 1
        elif kind == _SEPARATOR:
            if not blank:
                out[n] = 32
                n += 1
            was_lower, blank = False, True
        elif kind == _DROPPED:
            inside = first < p < last - 1 and classes[data[p - 1]] > _DROPPED
            good &= not is_name or (inside and classes[data[p + 1]] > _DROPPED)
        else:
            good = False
    return n - (blank and n > to) if good else to


@kernel_part
def _is_listed(out: Any, first: Any, last: Any, slots: Any, listed: Any) -> Any:
    """Whether a whole value is among `listed`, by first eight bytes and length, or all one byte."""
    p = first + 1
    while p < last and out[p] == out[first]:
        p += 1
    found = p >= last
    return found or find_entry(packed_bytes(out, first, last), last - first, slots, listed) >= 0


@kernel_part
def _replace(
    out: Any, first: Any, last: Any, slots: Any, entries: Any, blob: Any, hits: Any
) -> Any:  # fmt: skip
    """Replace words in place; returns the end, `first` if one needs a closer look, and flags.

    The flags say whether a word was replaced, and whether there may be a word of one letter, and
    one that is "p".
    """
    n = start = first
    flags = 0
    while start < last:
        word = eight_bytes(out, np.int64(start))
        n_more = blank_in(word)
        stop = start + n_more
        while n_more == 8 and stop < last:
            n_more = blank_in(eight_bytes(out, np.int64(stop)))
            stop += n_more
        stop = min(stop, last)
        n_bytes = stop - start
        packed = first_bytes(word, n_bytes)
        slot = slot_of(packed, n_bytes, len(slots))
        entry = slots[slot]
        while entry >= 0 and (entries[entry, 0] != packed or entries[entry, 1] != n_bytes):
            slot = (slot + 1) & (len(slots) - 1)
            entry = slots[slot]
        if entry >= 0:
            hits[entry] += 1
            same = entries[entry, 3] >= 0
            for k in range(8, n_bytes):
                same &= blob[entries[entry, 4] + k] == out[start + k]
            if not same:
                return first, 0
            n_bytes = entries[entry, 3]
            flags |= entries[entry, 5]
            for k in range(n_bytes):
                out[n + k] = blob[entries[entry, 2] + k]
        else:
            flags |= _SINGLE * (n_bytes == 1) + _LETTER_P * (packed == 112)
            if start > n:
                for k in range(n_bytes):
                    out[n + k] = out[start + k]
        n += n_bytes
        if stop < last and n > first and out[n - 1] != 32:
            out[n] = 32
            n += 1
        start = stop + 1
    return n - (n > first and out[n - 1] == 32), flags


@kernel_part
def _without_initials(out: Any, first: Any, last: Any) -> Any:
    """Leave out the words of one letter in place; returns the end."""
    n = start = first
    for p in range(first, last + 1):
        if p == last or out[p] == 32:
            if p - start > 1:
                for k in range(start, p):
                    out[n] = out[k]
                    n += 1
                out[n] = 32
                n += 1
            start = p + 1
    return max(n - 1, first)


@kernel_part
def _with_po_box(out: Any, first: Any, last: Any) -> Any:
    """Write ``p o box`` as ``po box`` in place; returns the end."""
    n = first
    for p in range(first, last):
        found = p + 7 <= last and (p == first or out[p - 1] == 32)
        found &= p + 7 == last or (p + 7 < last and out[p + 7] == 32)
        found &= packed_bytes(out, p, min(p + 7, last)) == _P_O_BOX
        if found:
            out[p + 1] = 0
        if out[p] != 0:
            out[n] = out[p]
            n += 1
    return n


@kernel_part
def _finish(out: Any, first: Any, last: Any, initials: Any, po_box: Any) -> Any:
    """Leave initials out and join ``p o box``; returns the end, `first` for a closer look."""
    single = False
    before = first - 1
    for p in range(first, last + 1):
        if p == last or out[p] == 32:
            single |= p - before == 2
            before = p
    if single and initials == 2:
        return first
    if single and initials == 1:
        last = _without_initials(out, first, last)
    return _with_po_box(out, first, last) if po_box else last


@kernel
def write_words(
    data: Any, bounds: Any, valid: Any, classes: Any, is_name: Any, listed_slots: Any, listed: Any,
    slots: Any, entries: Any, blob: Any, hits: Any, initials: Any, po_box: Any, out: Any,
    lengths: Any,
) -> None:  # fmt: skip
    """Write cells as standard words, or length -1 where one needs a closer look.

    ``classes[byte]`` says what becomes of each byte: 0 closer look, 1 a space, 2 nothing, else the
    byte to write. Cell `i` is written from ``out[bounds[i] - bounds[0]]`` on. Whole values that are
    `listed`, before or after words are replaced, need a closer look.

    A row of `entries` has a word's first eight bytes, its length, where its replacement starts
    in `blob`, the length of that (-1: closer look), where the word itself starts, and the flags of
    its replacement; `hits` counts how often each was met. Words of one letter are, by `initials`, 0
    words, 1 left out beside longer ones, 2 to be looked at; `po_box` tells to join ``p o box``.
    """
    # Some rows at a time: what was just written by bytes cannot be read as eight without a wait.
    for begin in range(0, len(lengths), _ROWS_AT_ONCE):
        stop = min(begin + _ROWS_AT_ONCE, len(lengths))
        for row in range(begin, stop):
            first, last = bounds[row], bounds[row + 1]
            to = first - bounds[0]
            end = to
            if valid[row] and last - first <= _LONGEST:
                end = _spell(data, first, last, classes, is_name, out, to)
            lengths[row] = end - to
        for row in range(begin, stop):
            to = bounds[row] - bounds[0]
            end = to + np.int64(lengths[row])
            lengths[row] = -1
            if end == to or _is_listed(out, to, end, listed_slots, listed):
                continue
            end, flags = _replace(out, to, end, slots, entries, blob, hits)
            if end > to and ((initials and flags & _SINGLE) or (po_box and flags & _LETTER_P)):
                end = _finish(out, to, end, initials, po_box)
                flags |= _CHANGED
            changed = flags & _CHANGED
            if end > to and not (changed and _is_listed(out, to, end, listed_slots, listed)):
                lengths[row] = end - to


@kernel
def find_plain(data: Any, bounds: Any, valid: Any, slots: Any, listed: Any, lengths: Any) -> None:
    """Give the length of cells of printable ASCII with a digit and without blanks, else -1.

    Those that are `listed` in small letters, by first eight bytes and length, or one character again
    and again, have -1, too.
    """
    for row in range(len(bounds) - 1):
        lengths[row] = -1
        first, last = bounds[row], bounds[row + 1]
        good = valid[row]
        has_digit, alike = False, True
        packed = np.int64(0)
        for p in range(first, last):
            c = data[p]
            good &= 33 <= c <= 126
            has_digit |= 48 <= c <= 57
            alike &= c == data[first]
            if p - first < 8:
                small = np.int64(c) + 32 * (65 <= c <= 90)
                packed |= small << np.int64(8 * (p - first))
        if good and has_digit and not alike and find_entry(packed, last - first, slots, listed) < 0:
            lengths[row] = last - first


@kernel_part
def _copy(source: Any, first: Any, n_bytes: Any, text: Any, to: Any) -> None:
    """Copy bytes, eight at a time; up to seven more are written behind them."""
    k = 0
    while k < n_bytes:
        if first + k + 8 <= len(source):
            put_eight(text, np.int64(to + k), eight_bytes(source, np.int64(first + k)))
            k += 8
        else:
            text[to + k] = source[first + k]
            k += 1


@kernel
def gather(
    out: Any, starts: Any, base: Any, lengths: Any, others: Any, other_bounds: Any,
    rows: Any, other_of_row: Any, bounds: Any, text: Any,
) -> None:  # fmt: skip
    """Copy what was written and, into ascending `rows`, values of `others`, one after another.

    `other_of_row` is below 0 for none; `text` has room for eight bytes more.
    """
    n, k = np.int64(0), 0
    for row in range(len(lengths)):
        n_bytes = np.int64(lengths[row])
        if n_bytes >= 0:
            _copy(out, starts[row] - base, n_bytes, text, n)
            n += n_bytes
        elif k < len(rows) and rows[k] == row:
            other = other_of_row[k]
            if other >= 0:
                n_bytes = other_bounds[other + 1] - other_bounds[other]
                _copy(others, other_bounds[other], n_bytes, text, n)
                n += n_bytes
            k += 1
        bounds[row + 1] = n
