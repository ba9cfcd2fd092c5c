"""Standardizes the plain cells of a large column by compiled kernels.

Plain are cells of ASCII letters, digits and ordinary punctuation of which it was learned what the
function for one cell makes of them (:mod:`linkkit.partner.standardize.learned`). The others, small
columns, and all cells where there is no numba, go through that function, with the same results.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import FieldKind
from linkkit.engines import has_numba
from linkkit.partner.standardize import learned
from linkkit.partner.standardize.learned import Reader

__all__ = [
    "Cells",
    "Written",
    "cells_of",
    "cells_of_values",
    "gathered",
    "representatives",
    "written",
    "written_as_is",
]

_WORTH_COMPILED = 20_000
_SAMPLE = 16_384
_FEWEST_HITS = 10
_FEWEST_IN_SAMPLE = 3
_N_ROUNDS = 3
_N_CHECKED = 100
_FEWEST_OF_SHAPE = 50
_MOST_SHAPES = 65_536
_TEMPLATE_BYTES = 24
_SLACK = 8  # the kernels read eight bytes at a time
_N_FORMS = 108
_FIRST_YEAR = 1_000
_LATEST_YEAR = 9_999
_DAYS_OF_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_CHANGED, _SINGLE, _LETTER_P = 1, 2, 4  # what _word_kernels notes of a word

_WORDS: dict[FieldKind, tuple[bool, bool]] = {
    # kind: whether cells are names, whether numbers are usual in them
    "given_name": (True, False),
    "surname": (True, False),
    "name": (True, False),
    "guardian_name": (True, False),
    "street_address": (False, True),
    "city": (False, False),
    "text": (False, True),
}
_CODES: dict[FieldKind, bool] = {
    # kind: whether any letter does for another
    "postal_code": True,
    "phone": False,
    "identifier": False,
}
_LITERAL_DIGITS = 1
_DIGITS_TOLD_APART = 4  # a readers may count area codes

Int64s = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, repr=False)
class Cells:
    """A column of text as bytes.

    Attributes
    ----------
    data : ndarray of uint8
        The bytes of all cells.
    bounds : ndarray of int64, shape (n_cells + 1,)
        Where each cell starts and ends.
    valid : ndarray of bool, shape (n_cells,)
        Whether it is not null.
    """

    data: Bytes
    bounds: Int64s
    valid: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.valid)

    def text(self, i: int) -> str:
        """Return a cell."""
        return self.data[self.bounds[i] : self.bounds[i + 1]].tobytes().decode()

    @cached_property
    def dates(self) -> Dates:
        """What the cells are as dates in digits."""
        from linkkit.partner.standardize import _code_kernels

        found = Dates(
            forms=np.empty(len(self), dtype=np.int16),
            parts=np.zeros((len(self), 3), dtype=np.int16),
            class_counts=np.zeros((_N_FORMS, 3, 2), dtype=np.int64),
            examples=np.zeros((_N_FORMS, 3, 2), dtype=np.int64),
            year_counts=np.zeros((_N_FORMS, _LATEST_YEAR + 1, 3), dtype=np.int32),
        )
        read: Any = _code_kernels.date_forms
        read(self.data, self.bounds, self.valid, *found)
        return found

    @cached_property
    def _shapes(self) -> dict[tuple[int, bool], Shapes]:
        return {}

    def shapes(self, n_literal: int, *, any_letter: bool) -> Shapes:
        """Return the shapes of the cells as codes."""
        key = n_literal, any_letter
        if key not in self._shapes:
            self._shapes[key] = _shapes(self, n_literal, any_letter=any_letter)
        return self._shapes[key]


class Dates(NamedTuple):
    """Dates in digits, as :func:`_code_kernels.date_forms` finds them."""

    forms: npt.NDArray[np.int16]
    parts: npt.NDArray[np.int16]
    class_counts: Int64s
    examples: Int64s
    year_counts: npt.NDArray[np.int32]


class Shapes(NamedTuple):
    """The shape of each code, and each shape's first row and how often it is."""

    of_cells: npt.NDArray[np.int32]
    examples: Int64s
    counts: Int64s


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Written:
    """What was written of a column.

    Attributes
    ----------
    out : ndarray of uint8
        Standard forms.
    starts : ndarray of int64, shape (n_cells,)
        Where each begins in `out`, plus `base`.
    base : int
        See `starts`.
    lengths : ndarray of int32, shape (n_cells,)
        Bytes of each; -1 where the cell is null or needs a closer look.
    """

    out: Bytes
    starts: Int64s
    base: int
    lengths: npt.NDArray[np.int32]

    def text(self, i: int) -> str:
        """Return a standard form."""
        first = int(self.starts[i]) - self.base
        return self.out[first : first + int(self.lengths[i])].tobytes().decode()


def cells_of(column: pa.Array) -> Cells | None:
    """Return a column as bytes, or None where the compiled kernels are not worth it."""
    if len(column) < _WORTH_COMPILED or not has_numba():
        return None
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int64, count=len(column) + 1, offset=8 * column.offset)
    valid = np.ones(len(column), dtype=np.bool_)
    if column.null_count:
        valid &= column.is_valid().to_numpy(zero_copy_only=False)
    return Cells(data=np.frombuffer(data or b"", dtype=np.uint8), bounds=bounds, valid=valid)


def written(read: Reader, cells: Cells, *, kind: FieldKind) -> Written | None:
    """Write the plain cells of a column.

    Parameters
    ----------
    read : callable
        The function for one cell.
    cells : Cells
        The column.
    kind : str
        What the column holds.

    Returns
    -------
    Written or None
        None for kinds without plain cells, and where a sample of what was written is not what
        `read` makes of the cells.
    """
    if kind in _WORDS:
        is_name, has_numbers = _WORDS[kind]
        found = _words(read, cells, is_name=is_name, has_numbers=has_numbers)
    elif kind == "date":
        found = _dates(read, cells)
    elif kind in _CODES:
        found = _codes(read, cells, any_letter=_CODES[kind])
    else:
        return None
    done = np.flatnonzero(found.lengths >= 0)
    checked = done[:: max(1, len(done) // _N_CHECKED)]
    agrees = all(read(cells.text(i)).value == found.text(i) for i in checked)
    return found if agrees else None


def written_as_is(cells: Cells) -> Written:
    """Return the cells that :func:`~linkkit.partner.standardize.text.clean` leaves as they are.

    Those of printable ASCII without blanks that have a digit and are no placeholder.
    """
    from linkkit.partner.standardize import _word_kernels

    lengths = np.empty(len(cells), dtype=np.int32)
    listed = {text.casefold() for text in learned.listed_texts() if text.isascii()} - {""}
    find: Any = _word_kernels.find_plain
    find(cells.data, cells.bounds, cells.valid, *_table(listed), lengths)
    return Written(out=cells.data, starts=cells.bounds[:-1], base=0, lengths=lengths)


def gathered(
    found: Written, others: pa.Array, rows: Int64s, other_of_row: npt.NDArray[np.int32]
) -> pa.Array:
    """Return a column of what was written and, in other rows, values of `others`.

    `rows` are in ascending order, and `other_of_row` their positions in `others`.
    """
    from linkkit.partner.standardize import _word_kernels

    rest = cells_of_values(others)
    lengths = np.diff(rest.bounds)
    n_bytes = int(np.maximum(found.lengths, 0).sum(dtype=np.int64))
    n_bytes += int(lengths[other_of_row].sum()) if len(rows) else 0
    text, bounds = np.empty(n_bytes + _SLACK, np.uint8), np.zeros(len(found.lengths) + 1, np.int64)
    gather: Any = _word_kernels.gather
    gather(
        found.out, found.starts, found.base, found.lengths, rest.data, rest.bounds, rows,
        other_of_row, bounds, text,
    )  # fmt: skip
    present = found.lengths >= 0
    present[rows] = rest.valid[other_of_row] if len(rows) else False
    mask = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
    buffers = [mask, pa.py_buffer(bounds), pa.py_buffer(text[:n_bytes])]
    return pa.Array.from_buffers(pa.large_string(), len(present), buffers)


def cells_of_values(column: pa.Array) -> Cells:
    """Return a column of any size as bytes."""
    if not len(column):
        none = np.zeros(0, dtype=np.uint8)
        return Cells(data=none, bounds=np.zeros(1, np.int64), valid=none.astype(np.bool_))
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int64, count=len(column) + 1, offset=8 * column.offset)
    valid = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    return Cells(data=np.frombuffer(data or b"", dtype=np.uint8), bounds=bounds, valid=valid)


def _table(texts: Iterable[str], n_columns: int = 2) -> tuple[npt.NDArray[np.int32], Int64s]:
    """Return a hash table of texts by their first eight bytes and length, and its entries."""
    from linkkit.partner.standardize import _lookup_kernels

    rows = [(int.from_bytes(t.encode()[:8], "little"), len(t)) for t in texts]
    entries = np.full((len(rows), n_columns), -1, dtype=np.int64)
    entries[:, :2] = np.array(rows, dtype=np.int64).reshape(-1, 2)
    slots = np.full(1 << (16 * len(rows) + 1).bit_length(), -1, dtype=np.int32)
    fill: Any = _lookup_kernels.fill_slots
    fill(entries, slots)
    return slots, entries


class _Lexicon:
    """Listed words, and what was learned of those that a column holds."""

    def __init__(self, read: Reader, *, has_numbers: bool) -> None:
        self.read, self.has_numbers = read, has_numbers
        self.words = sorted(word for word in learned.listed_words() if word.isascii())
        self.slots, self.entries = _table(self.words, n_columns=6)
        self.entries[:, 4] = np.append(0, np.cumsum([len(w) for w in self.words]))[:-1]
        self.blob = np.frombuffer("".join(self.words).encode(), dtype=np.uint8)
        self.hits = np.zeros(len(self.words), dtype=np.int64)
        self.asked = np.zeros(len(self.words), dtype=np.bool_)

    def ask(self) -> bool:
        """Ask the reader about words that were met often; whether there were any."""
        often = np.flatnonzero((self.hits >= _FEWEST_IN_SAMPLE) & ~self.asked).tolist()
        for i in often:
            word = self.words[i]
            by = learned.learned_word(self.read, word, has_numbers=self.has_numbers)
            if by is not None and len(by) <= len(word) and by.isascii():
                singles = [part for part in by.split() if len(part) == 1]
                flags = _SINGLE * bool(singles) + _LETTER_P * ("p" in singles)
                self.entries[i, [2, 3, 5]] = len(self.blob), len(by), _CHANGED | flags
                self.blob = np.append(self.blob, np.frombuffer(by.encode(), dtype=np.uint8))
        self.asked[often] = True
        self.blob.setflags(write=False)
        return bool(often)


def _words(read: Reader, cells: Cells, *, is_name: bool, has_numbers: bool) -> Written:
    from linkkit.partner.standardize import _word_kernels

    write: Any = _word_kernels.write_words
    classes = np.frombuffer(learned.byte_classes(read, has_numbers=has_numbers), dtype=np.uint8)
    listed = _table(learned.plain_forms(learned.listed_texts()))
    lexicon = _Lexicon(read, has_numbers=has_numbers)
    initials = learned.initials_rule(read)
    po_box = has_numbers and learned.joins_po_box(read)
    lengths, base = np.empty(len(cells), dtype=np.int32), int(cells.bounds[0])
    out = np.empty(int(cells.bounds[-1]) - base + _SLACK, dtype=np.uint8)

    def wrote(n: int) -> None:
        write(
            cells.data, cells.bounds[: n + 1], cells.valid, classes, is_name, *listed,
            lexicon.slots, lexicon.entries, lexicon.blob, lexicon.hits, initials, po_box, out,
            lengths[:n],
        )  # fmt: skip

    for _ in range(_N_ROUNDS):
        wrote(min(_SAMPLE, len(cells)))
        if not lexicon.ask():
            break
    wrote(len(cells))
    return Written(out=out, starts=cells.bounds[:-1], base=base, lengths=lengths)


def _dates(read: Reader, cells: Cells) -> Written:
    from linkkit.partner.standardize import _code_kernels

    found = cells.dates
    orders = np.zeros(found.year_counts.shape, dtype=np.int8)
    for key in np.flatnonzero(found.year_counts >= _FEWEST_HITS).tolist():
        (form, year), where = divmod(key // 3, _LATEST_YEAR + 1), key % 3
        shape = (form // 36, form // 12 % 3, form // 4 % 3, form % 4)
        orders[form, year, where] = learned.month_place(read, year, shape, where)
    out, lengths = np.empty(8 * len(cells), np.uint8), np.empty(len(cells), np.int32)
    write: Any = _code_kernels.write_dates
    closer = np.array(learned.listed_dates(), dtype=np.int64)
    has_closer = np.zeros(_LATEST_YEAR + 1, dtype=np.bool_)
    has_closer[closer // 10_000] = True
    write(found.forms, found.parts, orders, _DAYS_OF_MONTH, closer, has_closer, out, lengths)
    return Written(out=out, starts=np.arange(len(cells)) * 8, base=0, lengths=lengths)


def _shapes(cells: Cells, n_literal: int, *, any_letter: bool) -> Shapes:
    from linkkit.partner.standardize import _code_kernels

    shapes = np.empty(len(cells), dtype=np.int32)
    slots = np.full(4 * _MOST_SHAPES, -1, dtype=np.int32)
    hashes = np.zeros(_MOST_SHAPES, dtype=np.uint64)
    examples, counts = np.zeros((2, _MOST_SHAPES), dtype=np.int64)
    number: Any = _code_kernels.number_shapes
    n = number(
        cells.data,
        cells.bounds,
        cells.valid,
        n_literal,
        any_letter,
        slots,
        hashes,
        examples,
        counts,
        shapes,
    )
    return Shapes(shapes, examples[:n], counts[:n])


def _codes(read: Reader, cells: Cells, *, any_letter: bool) -> Written:
    from linkkit.partner.standardize import _code_kernels

    shapes, examples, counts = cells.shapes(_LITERAL_DIGITS, any_letter=any_letter)
    templates = np.zeros((max(len(examples), 1), _TEMPLATE_BYTES), dtype=np.int16)
    template_lengths = np.zeros(len(templates), dtype=np.int32)
    for shape in np.flatnonzero(counts >= _FEWEST_OF_SHAPE).tolist():
        cell = cells.text(int(examples[shape]))
        if not cell.isascii():
            continue
        template = learned.template_of(read, cell, n_literal=_LITERAL_DIGITS, any_letter=any_letter)
        if template is not None and len(template) <= _TEMPLATE_BYTES:
            templates[shape, : len(template)] = template
            template_lengths[shape] = len(template)
    out = np.empty(_TEMPLATE_BYTES * len(cells) + _SLACK, np.uint8)
    lengths = np.empty(len(cells), np.int32)
    codes = {text.replace(" ", "") for text in learned.plain_forms(learned.listed_texts())}
    fill: Any = _code_kernels.fill_templates
    fill(
        cells.data, cells.bounds, shapes, templates, template_lengths, *_table(codes), out, lengths
    )
    starts = np.arange(len(cells)) * _TEMPLATE_BYTES
    return Written(out=out, starts=starts, base=0, lengths=lengths)


def representatives(
    cells: Cells, *, kind: FieldKind
) -> tuple[dict[str, int], npt.NDArray[np.bool_]] | None:
    """Return cells that stand for all cells like them, how many those are, and which are left out.

    What a reader infers from a whole column hangs on the form of its cells: of dates, whether the
    parts are above 12 or the same; of codes, the shape. None for other kinds.
    """
    if kind == "date":
        found = cells.dates
        # Eight digits may be a date or a number, and early years are of neither.
        left = (found.forms < 0) | (found.parts[:, 0] < _FIRST_YEAR)
        examples, counts = found.examples.ravel(), found.class_counts.ravel()
    elif kind in _CODES:
        n_literal = _DIGITS_TOLD_APART if kind == "phone" else _LITERAL_DIGITS
        of_cells, examples, counts = cells.shapes(n_literal, any_letter=True)
        left = of_cells < 0
    else:
        return None
    return {cells.text(int(examples[c])): int(counts[c]) for c in np.flatnonzero(counts)}, left
