"""Standardizes the plain cells of a column, straight from their bytes.

Pure: arrays in, arrays out. Compiled by numba when first used and cached on disk. A cell that is
not plain is left to the function for one cell, whose rules these kernels are given as tables; that
function is their slow, obvious twin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numba.np import arrayobj

__all__ = [
    "date_forms",
    "fill_slots",
    "fill_templates",
    "find_plain",
    "finish",
    "gather",
    "number_shapes",
    "refuse_listed",
    "replace_words",
    "spell",
    "write_dates",
]

_MULTIPLIER = 0x9E3779B97F4A7C15
_CLOSER, _SEPARATOR, _DROPPED = 0, 1, 2
_LONGEST = 200
_P_O_BOX = int.from_bytes(b"p o box", "little")


@njit(inline="always")
def _slot(packed: Any, length: Any, size: Any) -> Any:
    mixed = (np.uint64(packed) ^ np.uint64(length)) * np.uint64(_MULTIPLIER)
    return np.int64(mixed >> np.uint64(32)) & (size - 1)


@njit(inline="always")
def _find(packed: Any, length: Any, slots: Any, entries: Any) -> Any:
    """Return the entry of a word's first eight bytes and length, or -1."""
    slot = _slot(packed, length, len(slots))
    while slots[slot] >= 0:
        entry = slots[slot]
        if entries[entry, 0] == packed and entries[entry, 1] == length:
            return entry
        slot = (slot + 1) & (len(slots) - 1)
    return np.int64(-1)


@njit(nogil=True, cache=True)
def fill_slots(entries: Any, slots: Any) -> None:
    """Enter words, by their first eight bytes and length, into an empty hash table."""
    for entry in range(len(entries)):
        slot = _slot(entries[entry, 0], entries[entry, 1], len(slots))
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
def _n_zero_bits(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
    """Count the zero bits below the lowest bit that is set; 64 where none is."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), emit


# The decorator supplies the first argument; to the type checker it does not look so.
_eight_bytes: Any = _load_eight
_trailing_zeros: Any = _n_zero_bits


# Functions that are inlined take numbers where speed matters: numba counts references to arrays.
@njit(inline="always")
def _first_bytes(word: Any, n: Any) -> Any:
    """Return the first bytes of eight, the first the lowest."""
    return word if n >= 8 else word & ((np.int64(1) << np.int64(8 * n)) - 1)


@njit(inline="always")
def _packed(data: Any, first: Any, last: Any) -> Any:
    """Return the first eight bytes of a text; eight bytes are read, whatever its length."""
    return _first_bytes(_eight_bytes(data, np.int64(first)), last - first)


@njit(inline="always")
def _blank_in(word: Any) -> Any:
    """Return which of eight bytes is the first blank, 8 if none is."""
    # A byte of `other` is zero where there is a blank (Warren, Hacker's Delight, 6-1).
    other = word ^ np.int64(0x2020202020202020)
    found = (other - np.int64(0x0101010101010101)) & ~other & np.int64(-0x7F7F7F7F7F7F7F80)
    return _trailing_zeros(found) >> 3


@njit(nogil=True, cache=True)
def spell(
    data: Any, bounds: Any, valid: Any, classes: Any, is_name: Any, out: Any, base: Any,
    lengths: Any,
) -> None:  # fmt: skip
    """Write cells as lower-case words, or length -1 where one needs a closer look.

    ``classes[byte]`` says what becomes of each byte: 0 closer look, 1 a space, 2 nothing, else the
    byte to write. In names, digits, a capital after a small letter and an apostrophe beside a
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
            word = _eight_bytes(out, np.int64(start))
            n_more = _blank_in(word)
            stop = start + n_more
            while n_more == 8 and stop < last:
                n_more = _blank_in(_eight_bytes(out, np.int64(stop)))
                stop += n_more
            stop = min(stop, last)
            packed = _first_bytes(word, stop - start)
            slot = _slot(packed, stop - start, len(slots))
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
        found &= _packed(out, p, min(p + 7, last)) == _P_O_BOX
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
        if p >= last or _find(_packed(out, first, last), last - first, slots, listed) >= 0:
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
        if good and has_digit and not alike and _find(packed, last - first, slots, listed) < 0:
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


@njit(inline="always")
def _digits_at(data: Any, p: Any, last: Any) -> Any:
    """Return how many digits follow, at most nine, and their number."""
    n = 0
    number: Any = 0
    while p + n < last and n < 9 and 48 <= data[p + n] <= 57:
        number = number * 10 + (np.int64(data[p + n]) - 48)
        n += 1
    return n, number


@njit(inline="always")
def _ending(data: Any, p: Any, last: Any) -> Any:
    """Return 1 for a rest of " 00:00:00", 2 for " 0:00", 0 for another."""
    ending = 0
    if last - p == 9 and data[p] == 32:
        ending = 1
        for k in range(8):
            ending &= data[p + 1 + k] == (58 if k in {2, 5} else 48)
    elif last - p == 5 and data[p] == 32:
        zeros = data[p + 1] == 48 and data[p + 3] == 48 and data[p + 4] == 48
        ending = 2 if zeros and data[p + 2] == 58 else 0
    return ending


@njit(inline="always")
def _trimmed(data: Any, first: Any, last: Any) -> Any:
    """Return where a text begins and ends without blanks around it."""
    while first < last and data[first] == 32:
        first += 1
    while first < last and data[last - 1] == 32:
        last -= 1
    return first, last


@njit(nogil=True, cache=True)
def date_forms(data: Any, bounds: Any, valid: Any, forms: Any, parts: Any) -> None:
    """Read dates in digits: `forms` says in what form a cell is, -1 in none; `parts` the numbers.

    Blanks before and after do not count.

    Forms are numbered ``((kind * 3 + separator) * 3 + ending) * 4 + widths``: kind 0 year first, 1
    year last, 2 eight digits; separator ``-/.``; ending none, " 00:00:00" or " 0:00"; widths
    add 2 for a first part of two digits and 1 for a second. Parts are year, first, second.
    """
    for row in range(len(bounds) - 1):
        forms[row] = -1
        p, last = _trimmed(data, bounds[row], bounds[row + 1])
        if not valid[row] or last - p < 8 or last - p > 19:
            continue
        n_a, a = _digits_at(data, p, last)
        p += n_a
        kind, separator, widths = 2, 0, 0
        year, one, two = a // 10_000, a // 100 % 100, a % 100
        if n_a != 8:
            if p == last or not 45 <= data[p] <= 47:
                continue
            mark = data[p]
            separator = 0 if mark == 45 else (1 if mark == 47 else 2)
            n_b, b = _digits_at(data, p + 1, last)
            p += 1 + n_b
            if p == last or data[p] != mark or not 1 <= n_b <= 2:
                continue
            n_c, c = _digits_at(data, p + 1, last)
            p += 1 + n_c
            if n_a == 4 and 1 <= n_c <= 2:
                kind, year, one, two = 0, a, b, c
                widths = (n_b - 1) * 2 + n_c - 1
            elif 1 <= n_a <= 2 and n_c == 4:
                kind, year, one, two = 1, c, a, b
                widths = (n_a - 1) * 2 + n_b - 1
            else:
                continue
        ending = _ending(data, p, last)
        if p == last or ending > 0:
            forms[row] = ((kind * 3 + separator) * 3 + ending) * 4 + widths
            parts[row, 0], parts[row, 1], parts[row, 2] = year, one, two


@njit(nogil=True, cache=True)
def write_dates(forms: Any, parts: Any, orders: Any, closer: Any, out: Any, lengths: Any) -> None:
    """Write YYYYMMDD, eight bytes each, or length -1 where a cell needs a closer look.

    ``orders[form, year, range]`` says which part is the month: 1 the first, 2 the second, 0 closer
    look; `range` is 0 where both are at most 12, 1 or 2 where the first or second is above. The
    first day of a year and the dates of `closer` need a closer look, too.
    """
    days = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    for row in range(len(forms)):
        lengths[row] = -1
        if forms[row] < 0:
            continue
        year, one, two = np.int64(parts[row, 0]), np.int64(parts[row, 1]), np.int64(parts[row, 2])
        where = 1 if one > 12 else (2 if two > 12 else 0)
        order = orders[forms[row], year, where]
        if order == 0:
            continue
        month, day = (one, two) if order == 1 else (two, one)
        if not 1 <= month <= 12 or day < 1:
            continue
        leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        number: Any = year * 10_000 + month * 100 + day
        good = day <= days[month] + leap and number % 10_000 != 101
        for other in closer:
            good &= other != number
        if good:
            lengths[row] = 8
            for k in range(8):
                out[row * 8 + 7 - k] = 48 + number % 10
                number = number // 10


@njit(inline="always")
def _is_dull(data: Any, first: Any, last: Any) -> Any:
    """Whether digits look made up: three alike or four in order, a run of zeros, few different."""
    seen, n_digits, n_alike, n_up, n_down = 0, 0, 1, 1, 1
    before: Any = -2
    zeros, dull = False, False
    for p in range(first, last):
        digit = np.int64(data[p]) - 48
        if not 0 <= digit <= 9:
            dull |= zeros
            before, zeros = -2, False
            continue
        n_digits += 1
        seen |= 1 << digit
        zeros = digit == 0 and (before == -2 or zeros)
        n_alike = n_alike + 1 if digit == before else 1
        n_up = n_up + 1 if digit == (before + 1) % 10 and before >= 0 else 1
        n_down = n_down + 1 if (digit + 1) % 10 == before else 1
        dull |= n_alike == 3 or n_up == 4 or n_down == 4
        before = digit
    different = 0
    for digit in range(10):
        different += (seen >> digit) & 1
    return dull or zeros or n_digits == 0 or (n_digits >= 7 and different < 4)


@njit(nogil=True, cache=True)
def number_shapes(
    data: Any, bounds: Any, valid: Any, n_literal: Any, any_letter: Any, slots: Any, hashes: Any,
    examples: Any, counts: Any, shapes: Any,
) -> Any:  # fmt: skip
    """Number the shapes of codes in the order of appearance, -1 for one that found no place.

    A shape has a digit for each digit, and for each letter, where `any_letter` says so, a letter in
    its case; zeros in front and `n_literal` digits after them stand for themselves. Returns how
    many shapes there are.
    `examples` are the rows where each was seen first, `counts` how often it was.
    """
    n_shapes = 0
    for row in range(len(bounds) - 1):
        shapes[row] = -1
        first, last = bounds[row], bounds[row + 1]
        if not valid[row] or last == first or last - first > 24:
            continue
        mixed = np.uint64(last - first)
        n_digits: Any = 0
        for p in range(first, last):
            c = np.uint64(data[p])
            if 48 <= c <= 57:
                n_digits += n_digits > 0 or c > 48
                if n_digits > n_literal:
                    c = np.uint64(57)
                else:
                    c += np.uint64(256)
            elif any_letter and 65 <= c <= 90:
                c = np.uint64(65)
            elif any_letter and 97 <= c <= 122:
                c = np.uint64(97)
            mixed = (mixed ^ c) * np.uint64(_MULTIPLIER)
            mixed ^= mixed >> np.uint64(29)
        slot = np.int64(mixed >> np.uint64(32)) & (len(slots) - 1)
        while slots[slot] >= 0 and hashes[slots[slot]] != mixed:
            slot = (slot + 1) & (len(slots) - 1)
        if slots[slot] < 0:
            if n_shapes == len(hashes):
                continue
            slots[slot] = n_shapes
            hashes[n_shapes], examples[n_shapes], counts[n_shapes] = mixed, row, 0
            n_shapes += 1
        shapes[row] = slots[slot]
        counts[slots[slot]] += 1
    return n_shapes


@njit(nogil=True, cache=True)
def fill_templates(
    data: Any, bounds: Any, shapes: Any, templates: Any, template_lengths: Any,
    result_slots: Any, results: Any, out: Any, lengths: Any,
) -> None:  # fmt: skip
    """Write codes by the template of their shape, or length -1 where a cell needs a closer look.

    ``templates[shape]`` says for each byte where it stands in the cell, or, below 0, that it is the
    byte of this number without its sign. Cell `i` is written from ``out[i * width]`` on.
    """
    width = templates.shape[1]
    for row in range(len(shapes)):
        lengths[row] = -1
        shape = shapes[row]
        if shape < 0 or template_lengths[shape] <= 0:
            continue
        first, last = bounds[row], bounds[row + 1]
        if _is_dull(data, first, last):
            continue
        for k in range(template_lengths[shape]):
            item = templates[shape, k]
            c = np.int64(data[first + item]) if item >= 0 else -np.int64(item)
            out[row * width + k] = c + 32 if 65 <= c <= 90 else c
        start, stop = row * width, row * width + template_lengths[shape]
        if _find(_packed(out, start, stop), stop - start, result_slots, results) < 0:
            lengths[row] = template_lengths[shape]
