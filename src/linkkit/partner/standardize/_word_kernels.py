"""Writes plain words of a column, straight from the bytes of its cells.

Pure: arrays in, arrays out. Compiled by numba when first used and cached on disk. A cell that is
not plain is left to the function for one cell, whose rules these kernels are given as tables; that
function is their slow, obvious twin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from linkkit.partner.standardize._lookup_kernels import (
    blank_in,
    eight_bytes,
    find_entry,
    first_bytes,
    packed_bytes,
    slot_of,
)

__all__ = ["find_plain", "finish", "gather", "refuse_listed", "replace_words", "spell"]

_CLOSER, _SEPARATOR, _DROPPED = 0, 1, 2
_LONGEST = 200
_P_O_BOX = int.from_bytes(b"p o box", "little")


@njit(nogil=True, cache=True)
def spell(
    data: Any, bounds: Any, valid: Any, classes: Any, is_name: Any, out: Any, base: Any,
    lengths: Any,
) -> None:  # fmt: skip
    """Write cells as lower-case words, or length -1 where one needs a closer look.

    ``classes[byte]`` says what becomes of each byte: 0 closer look, 1 a space, 2 nothing, else the
    byte to write. Words that begin with a zero need a closer look; in names, digits, a capital after a small letter and an apostrophe beside a
    word rather than in it need a closer look. Cell `i` is written from ``out[bounds[i] - base]`` on.
    """
    for row in range(len(bounds) - 1):
        lengths[row] = -1
        first, last = bounds[row], bounds[row + 1]
        if not valid[row] or last - first > _LONGEST:
            continue
        n = start = first - base
        good, was_lower = True, False
        for p in range(first, last):
            kind = classes[data[p]]
            if kind > _DROPPED:
                capital = data[p] != kind
                good &= not is_name or (kind > 57 and not (capital and was_lower))
                good &= kind != 48 or (n > start and out[n - 1] != 32)
                was_lower = not capital
                out[n] = kind
                n += 1
            elif kind == _SEPARATOR:
                if n > start and out[n - 1] != 32:
                    out[n] = 32
                    n += 1
                was_lower = False
            elif kind == _DROPPED:
                inside = first < p < last - 1 and classes[data[p - 1]] > _DROPPED
                good &= not is_name or (inside and classes[data[p + 1]] > _DROPPED)
            else:
                good = False
        if n > start and out[n - 1] == 32:
            n -= 1
        if good and n > start:
            lengths[row] = n - start


@njit(nogil=True, cache=True)
def replace_words(
    out: Any, starts: Any, base: Any, lengths: Any, slots: Any, entries: Any, blob: Any, hits: Any
) -> None:
    """Replace words in place, or set length -1 where one needs a closer look.

    A row of `entries` has a word's first eight bytes, its length, where its replacement starts
    in `blob`, the length of that (-1: closer look), and where the word itself starts; `hits` counts
    how often each was met.
    """
    for row in range(len(lengths)):
        if lengths[row] < 0:
            continue
        first = starts[row] - base
        last = first + lengths[row]
        n = start = first
        while start < last:
            word = eight_bytes(out, np.int64(start))
            n_more = blank_in(word)
            stop = start + n_more
            while n_more == 8 and stop < last:
                n_more = blank_in(eight_bytes(out, np.int64(stop)))
                stop += n_more
            stop = min(stop, last)
            packed = first_bytes(word, stop - start)
            slot = slot_of(packed, stop - start, len(slots))
            entry = slots[slot]
            while entry >= 0:
                if entries[entry, 0] == packed and entries[entry, 1] == stop - start:
                    break
                slot = (slot + 1) & (len(slots) - 1)
                entry = slots[slot]
            n_bytes = stop - start
            if entry >= 0:
                hits[entry] += 1
                same = entries[entry, 3] >= 0
                for k in range(8, n_bytes):
                    same &= blob[entries[entry, 4] + k] == out[start + k]
                if not same:
                    lengths[row] = -1
                    break
                n_bytes = entries[entry, 3]
                for k in range(n_bytes):
                    out[n + k] = blob[entries[entry, 2] + k]
            elif start > n:
                for k in range(n_bytes):
                    out[n + k] = out[start + k]
            n += n_bytes
            if stop < last and n > first and out[n - 1] != 32:
                out[n] = 32
                n += 1
            start = stop + 1
        if n > first and out[n - 1] == 32:
            n -= 1
        if lengths[row] >= 0:
            lengths[row] = n - first if n > first else -1


@njit(inline="always")
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


@njit(inline="always")
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


@njit(nogil=True, cache=True)
def finish(out: Any, starts: Any, base: Any, lengths: Any, initials: Any, po_box: Any) -> None:
    """Leave initials out and join ``p o box``, or set length -1 where a cell needs a closer look.

    Words of one letter are 0 words, 1 left out beside longer ones, 2 to be looked at.
    """
    for row in range(len(lengths)):
        if lengths[row] < 0:
            continue
        first = starts[row] - base
        last = first + lengths[row]
        single = False
        before = first - 1
        for p in range(first, last + 1):
            if p == last or out[p] == 32:
                single |= p - before == 2
                before = p
        if single and initials == 2:
            last = first
        elif single and initials == 1:
            last = _without_initials(out, first, last)
        if po_box:
            last = _with_po_box(out, first, last)
        lengths[row] = last - first if last > first else -1


@njit(nogil=True, cache=True)
def refuse_listed(out: Any, starts: Any, base: Any, lengths: Any, slots: Any, listed: Any) -> None:
    """Set length -1 where a whole value needs a closer look.

    It does if it is among `listed`, by its first eight bytes and length, or one character again
    and again.
    """
    for row in range(len(lengths)):
        first = starts[row] - base
        last = first + lengths[row]
        p = first + 1
        while p < last and out[p] == out[first]:
            p += 1
        if (
            p >= last
            or find_entry(packed_bytes(out, first, last), last - first, slots, listed) >= 0
        ):
            lengths[row] = -1


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def gather(
    out: Any, starts: Any, base: Any, lengths: Any, others: Any, other_bounds: Any,
    other_of_row: Any, bounds: Any, text: Any,
) -> None:  # fmt: skip
    """Copy what was written, and where nothing was a value of `others`, one after another."""
    n = 0
    for row in range(len(lengths)):
        if lengths[row] >= 0:
            first = starts[row] - base
            for k in range(lengths[row]):
                text[n + k] = out[first + k]
            n += lengths[row]
        elif other_of_row[row] >= 0:
            other = other_of_row[row]
            for k in range(other_bounds[other], other_bounds[other + 1]):
                text[n] = others[k]
                n += 1
        bounds[row + 1] = n
