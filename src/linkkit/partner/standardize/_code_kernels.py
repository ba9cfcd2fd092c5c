"""Writes plain dates and codes of a column, straight from the bytes of its cells.

Pure: arrays in, arrays out. Compiled by numba when first used and cached on disk. A cell that is
not plain is left to the function for one cell, whose rules these kernels are given as tables; that
function is their slow, obvious twin.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel, kernel_part
from linkkit.partner.standardize._lookup_kernels import MULTIPLIER, find_entry, packed_bytes

__all__ = ["date_forms", "fill_templates", "number_shapes", "write_dates"]


@kernel_part
def _digits_at(data: Any, p: Any, last: Any) -> Any:
    """Return how many digits follow, at most nine, and their number."""
    n = 0
    number: Any = 0
    while p + n < last and n < 9 and 48 <= data[p + n] <= 57:
        number = number * 10 + (np.int64(data[p + n]) - 48)
        n += 1
    return n, number


@kernel_part
def _ending(data: Any, p: Any, last: Any) -> Any:
    """Return 1 for a rest of " 00:00:00", 2 for " 0:00", 0 for another."""
    ending = 0
    if last - p == 9 and data[p] == 32:
        ending = 1
        for k in range(8):
            ending &= data[p + 1 + k] == (58 if k % 3 == 2 else 48)
    elif last - p == 5 and data[p] == 32:
        zeros = data[p + 1] == 48 and data[p + 3] == 48 and data[p + 4] == 48
        ending = 2 if zeros and data[p + 2] == 58 else 0
    return ending


@kernel_part
def _trimmed(data: Any, first: Any, last: Any) -> Any:
    """Return where a text begins and ends without blanks around it."""
    while first < last and data[first] == 32:
        first += 1
    while first < last and data[last - 1] == 32:
        last -= 1
    return first, last


@kernel_part
def _ten_bytes(data: Any, p: Any) -> Any:
    """Return the form and the parts of ``2009-03-05`` or ``03/05/2009``; form -1 for another."""
    year_first = 45 <= data[p + 4] <= 47
    mark = data[p + 4] if year_first else data[p + 2]
    at = p + 5 if year_first else p
    of_year = p if year_first else p + 6
    year: Any = 0
    one: Any = 0
    two: Any = 0
    wrong: Any = 0
    for k in range(4):
        digit = np.int64(data[of_year + k]) - 48
        wrong |= digit | (9 - digit)
        year = year * 10 + digit
    for k in range(2):
        digit, other = np.int64(data[at + k]) - 48, np.int64(data[at + 3 + k]) - 48
        wrong |= digit | (9 - digit) | other | (9 - other)
        one, two = one * 10 + digit, two * 10 + other
    between = data[p + 7] if year_first else data[p + 5]
    good = wrong >= 0 and 45 <= mark <= 47 and between == mark
    separator = 0 if mark == 45 else (1 if mark == 47 else 2)
    form = ((0 if year_first else 1) * 3 + separator) * 12 + 3
    return (form if good else -1), year, one, two


@kernel_part
def _date_of(data: Any, p: Any, last: Any) -> Any:
    """Return the form and the parts of a date in digits, form -1 for another text."""
    n_a, a = _digits_at(data, p, last)
    p += n_a
    kind, separator, widths = 2, 0, 0
    year, one, two = a // 10_000, a // 100 % 100, a % 100
    if n_a != 8:
        if p == last or not 45 <= data[p] <= 47:
            return -1, 0, 0, 0
        mark = data[p]
        separator = 0 if mark == 45 else (1 if mark == 47 else 2)
        n_b, b = _digits_at(data, p + 1, last)
        p += 1 + n_b
        if p == last or data[p] != mark or not 1 <= n_b <= 2:
            return -1, 0, 0, 0
        n_c, c = _digits_at(data, p + 1, last)
        p += 1 + n_c
        if n_a == 4 and 1 <= n_c <= 2:
            kind, year, one, two = 0, a, b, c
            widths = (n_b - 1) * 2 + n_c - 1
        elif 1 <= n_a <= 2 and n_c == 4:
            kind, year, one, two = 1, c, a, b
            widths = (n_a - 1) * 2 + n_b - 1
        else:
            return -1, 0, 0, 0
    ending = _ending(data, p, last)
    if p < last and ending == 0:
        return -1, 0, 0, 0
    return ((kind * 3 + separator) * 3 + ending) * 4 + widths, year, one, two


@kernel
def date_forms(
    data: Any, bounds: Any, valid: Any, forms: Any, parts: Any, class_counts: Any, examples: Any,
    year_counts: Any,
) -> None:  # fmt: skip
    """Read dates in digits: `forms` says in what form a cell is, -1 in none; `parts` the numbers.

    Blanks before and after do not count.

    Forms are numbered ``((kind * 3 + separator) * 3 + ending) * 4 + widths``: kind 0 year first, 1
    year last, 2 eight digits; separator ``-/.``; ending none, " 00:00:00" or " 0:00"; widths
    add 2 for a first part of two digits and 1 for a second. Parts are year, first, second.

    ``year_counts[form, year, range]`` counts; `range` is 0 where both parts are at most 12, 1 or 2
    where the first or second is above. ``class_counts[form, range, same]`` counts those of years of
    four digits, `same` being 1 where the parts are equal; `examples` are their first rows.
    """
    for row in range(len(bounds) - 1):
        forms[row] = -1
        p, last = _trimmed(data, bounds[row], bounds[row + 1])
        if not valid[row] or last - p < 8 or last - p > 19:
            continue
        form, year, one, two = -1, 0, 0, 0
        if last - p == 10:
            form, year, one, two = _ten_bytes(data, p)
        if form < 0:
            form, year, one, two = _date_of(data, p, last)
        if form < 0:
            continue
        forms[row] = form
        parts[row, 0], parts[row, 1], parts[row, 2] = year, one, two
        where = 1 if one > 12 else (2 if two > 12 else 0)
        year_counts[form, year, where] += 1
        if year >= 1_000:
            same = 1 if one == two else 0
            if class_counts[form, where, same] == 0:
                examples[form, where, same] = row
            class_counts[form, where, same] += 1


@kernel
def write_dates(
    forms: Any, parts: Any, orders: Any, days: Any, closer: Any, has_closer: Any, out: Any,
    lengths: Any,
) -> None:  # fmt: skip
    """Write YYYYMMDD, eight bytes each, or length -1 where a cell needs a closer look.

    ``orders[form, year, range]`` says which part is the month: 1 the first, 2 the second, 0 closer
    look; `range` is that of :func:`date_forms`. The first day of a year and the dates of `closer`
    need a closer look, too; `has_closer` marks the years of these. `days` are those of each month.
    """
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
        good = day <= days[month] + leap and not (month == 1 and day == 1)
        if has_closer[year]:
            for other in closer:
                good &= other != year * 10_000 + month * 100 + day
        if good:
            lengths[row] = 8
            _put_digits(out, row * 8, np.uint64(year // 100))
            _put_digits(out, row * 8 + 2, np.uint64(year % 100))
            _put_digits(out, row * 8 + 4, np.uint64(month))
            _put_digits(out, row * 8 + 6, np.uint64(day))


@kernel_part
def _put_digits(out: Any, at: Any, number: Any) -> None:
    tens = number // np.uint64(10)
    out[at] = np.uint64(48) + tens
    out[at + 1] = np.uint64(48) + number - tens * np.uint64(10)


@kernel_part
def _is_dull(data: Any, first: Any, last: Any) -> Any:
    """Whether digits look made up: three alike or four in order, a run of zeros, few different."""
    seen, n_digits, n_alike, n_up, n_down = 0, 0, 1, 1, 1
    before: Any = -2
    zeros, dull = False, False
    for p in range(first, last):
        digit: Any = np.int64(data[p]) - 48
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
    if n_digits >= 7:
        different = 0
        for digit in range(10):
            different += (seen >> digit) & 1
        dull |= different < 4
    return dull or zeros or n_digits == 0


@kernel
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
            mixed = (mixed ^ c) * np.uint64(MULTIPLIER)
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


@kernel
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
        if find_entry(packed_bytes(out, start, stop), stop - start, result_slots, results) < 0:
            lengths[row] = template_lengths[shape]
