"""Checks the cells of a column against its format and writes them as clkhash hashes them.

clkhash stops at the first cell that breaks its format and prints it. Here each cell gets the
number of a reason, and its row is set aside.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement.clkhash.parts import (
    DateFormat,
    EnumFormat,
    IntegerFormat,
    PatternFormat,
    TextFormat,
)
from linkkit.agreement.clkhash.schema import ClkFeature

__all__ = [
    "NOT_A_NUMBER",
    "REASONS",
    "Cells",
    "char_bounds",
    "prepare",
    "whole_numbers",
    "with_format",
]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

REASONS = (
    "",
    "is blank, and the schema has no 'missingValue' for that",
    "is not a whole number",
    "is below the minimum",
    "is above the maximum",
    "is not a date of the format",
    "is none of the values of the schema",
    "is shorter than the schema allows",
    "is longer than the schema allows",
    "is not in upper case",
    "is not in lower case",
    "does not match the pattern of the schema",
    "has a character that its encoding lacks",
    "is not a number to compare",
)
"""What can be wrong with a cell, by code; 0 stands for nothing."""

(
    _BLANK, _NOT_WHOLE, _TOO_LOW, _TOO_HIGH, _NOT_A_DATE, _NOT_LISTED, _TOO_SHORT, _TOO_LONG,
    _NOT_UPPER, _NOT_LOWER, _NO_MATCH, _NOT_ENCODABLE, NOT_A_NUMBER,
) = range(1, len(REASONS))  # fmt: skip

_CANONICAL_INTEGER = r"\A(0|-?[1-9][0-9]{0,17})\z"
_DIGITS = {"Y": 4, "m": 2, "d": 2}
_PLAIN_DATE = re.compile(r"(?:%[Ymd]|[-/.:,; _])+")
_OUTPUT = "%Y%m%d"
_FIRST_FOUR_DIGIT_YEAR = 1000

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Cells:
    """Cells as they are hashed.

    Attributes
    ----------
    text : pyarrow large_string array, without nulls
        What is hashed, or an empty text where the cell is refused.
    reason : ndarray of uint8
        Why a cell is refused: an index into ``REASONS``, 0 where it is not.
    missing : ndarray of bool
        Whether the cell is the sentinel or blank.
    """

    text: pa.Array
    reason: npt.NDArray[np.uint8]
    missing: Bools


def prepare(values: pa.Array, feature: ClkFeature) -> Cells:
    """Check and write the cells of a column.

    Parameters
    ----------
    values : pyarrow large_string array, without nulls
        The cells.
    feature : ClkFeature
        What the schema says of them.
    """
    text, reason = _formatted(values, feature)
    sentinel = feature.hashing.missing_value
    blank = _bools(pc.equal(values, ""))
    missing = blank.copy()
    reason[blank & (reason > 0)] = _BLANK
    if sentinel is not None:
        stands_for_missing = _bools(pc.equal(values, sentinel.sentinel))
        missing |= stands_for_missing
        reason[stands_for_missing] = 0
        if stands_for_missing.any():
            text = pc.if_else(pa.array(stands_for_missing), sentinel.replacement, text)
    if getattr(feature.format, "encoding", "utf-8") == "ascii":
        _refuse(reason, ~_bools(pc.string_is_ascii(text)), _NOT_ENCODABLE)
    if reason.any():
        text = pc.if_else(pa.array(reason > 0), "", text)
    return Cells(text=text.cast(pa.large_string()), reason=reason, missing=missing)


def _bools(array: pa.Array) -> Bools:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _refuse(reason: npt.NDArray[np.uint8], where: Bools, code: int) -> None:
    reason[where & (reason == 0)] = code


def _formatted(values: pa.Array, feature: ClkFeature) -> tuple[pa.Array, npt.NDArray[np.uint8]]:
    form = feature.format
    reason = np.zeros(len(values), dtype=np.uint8)
    if isinstance(form, TextFormat):
        _check_text(values, form, reason)
    elif isinstance(form, PatternFormat):
        fits = re.compile(form.pattern).fullmatch
        _refuse(reason, np.array([fits(x) is None for x in values.to_pylist()], bool), _NO_MATCH)
    elif isinstance(form, EnumFormat):
        listed = pc.is_in(values, value_set=pa.array(form.values, pa.large_string()))
        _refuse(reason, ~_bools(listed), _NOT_LISTED)
    elif isinstance(form, IntegerFormat):
        return _integers(values, form, reason), reason
    else:
        return _dates(values, form, reason), reason
    return values, reason


def _check_text(values: pa.Array, form: TextFormat, reason: npt.NDArray[np.uint8]) -> None:
    if form.min_length or form.max_length is not None:
        lengths = pc.utf8_length(values).to_numpy()
        _refuse(reason, lengths < form.min_length, _TOO_SHORT)
        if form.max_length is not None:
            _refuse(reason, lengths > form.max_length, _TOO_LONG)
    if form.case == "upper":
        _refuse(reason, _changes(values, pc.ascii_upper, str.upper), _NOT_UPPER)
    elif form.case == "lower":
        _refuse(reason, _changes(values, pc.ascii_lower, str.lower), _NOT_LOWER)


def _changes(values: pa.Array, ascii_case: Any, full_case: Callable[[str], str]) -> Bools:
    """Whether a change of case changes a value, by Python's rules of Unicode."""
    changes = _bools(pc.not_equal(ascii_case(values), values))
    for i in np.flatnonzero(~_bools(pc.string_is_ascii(values))).tolist():
        value = values[i].as_py()
        changes[i] = full_case(value) != value
    return changes


def whole_numbers(values: pa.Array) -> tuple[npt.NDArray[np.int64], Bools]:
    """Return the numbers that are written as Python writes them, and where they stand.

    Other spellings (``+7``, ``007``, ``1_000``, other scripts' digits, more than 18 digits)
    are left to Python's own :class:`int`.
    """
    plain = _bools(pc.match_substring_regex(values, _CANONICAL_INTEGER))
    numbers = np.zeros(len(values), dtype=np.int64)
    chosen = values if plain.all() else values.filter(pa.array(plain))
    numbers[plain] = chosen.cast(pa.int64()).to_numpy()
    return numbers, plain


def _integers(values: pa.Array, form: IntegerFormat, reason: npt.NDArray[np.uint8]) -> pa.Array:
    numbers, plain = whole_numbers(values)
    if form.minimum is not None:
        _refuse(reason, plain & _less(numbers, form.minimum), _TOO_LOW)
    if form.maximum is not None:
        _refuse(reason, plain & _less(-numbers, -form.maximum), _TOO_HIGH)
    return _rewritten(values, ~plain, reason, lambda cell: _integer(cell, form))


def _less(numbers: npt.NDArray[np.int64], limit: int) -> Bools:
    # A limit beyond 64 bits is beyond every number of 18 digits, too.
    info = np.iinfo(np.int64)
    return numbers < np.int64(max(info.min, min(info.max, limit)))


def _integer(cell: str, form: IntegerFormat) -> str | int:
    try:
        number = int(cell, base=10)
        text = str(number)
    except ValueError:
        return _NOT_WHOLE
    if form.minimum is not None and number < form.minimum:
        return _TOO_LOW
    return _TOO_HIGH if form.maximum is not None and number > form.maximum else text


def _rewritten(
    values: pa.Array,
    where: Bools,
    reason: npt.NDArray[np.uint8],
    rewrite: Callable[[str], str | int],
) -> pa.Array:
    """Rewrite some cells one by one; `rewrite` returns a text, or the code of a reason."""
    if not where.any():
        return values
    texts = []
    for i in np.flatnonzero(where).tolist():
        found = rewrite(values[i].as_py())
        texts.append(found if isinstance(found, str) else "")
        if not isinstance(found, str):
            reason[i] = found
    return pc.replace_with_mask(values, pa.array(where), pa.array(texts, pa.large_string()))


def _dates(values: pa.Array, form: DateFormat, reason: npt.NDArray[np.uint8]) -> pa.Array:
    text, plain = _plain_dates(values, form.format)
    return _rewritten(text, ~plain, reason, lambda cell: _date(cell, form.format))


def _date(cell: str, form: str) -> str | int:
    try:
        return dt.datetime.strptime(cell, form).strftime(_OUTPUT)
    except (ValueError, OverflowError):
        return _NOT_A_DATE


def _plain_dates(values: pa.Array, form: str) -> tuple[pa.Array, Bools]:
    """Rewrite the dates that have all their digits and stand in the calendar, and say which.

    For these :meth:`~datetime.datetime.strptime` has one reading only; the rest is left to it.
    """
    plain = np.zeros(len(values), dtype=np.bool_)
    parts = re.findall(r"%[Ymd]|.", form)
    codes = [part[1] for part in parts if len(part) == 2]
    if not _PLAIN_DATE.fullmatch(form) or sorted(codes) != ["Y", "d", "m"]:
        return values, plain
    width = sum(_DIGITS[part[1]] if len(part) == 2 else 1 for part in parts)
    fits = _bools(pc.equal(pc.binary_length(values), width))
    chars = _fixed_width(values if fits.all() else values.filter(pa.array(fits)), width)
    good, numbers = np.ones(len(chars), dtype=np.bool_), {}
    at = 0
    for part in parts:
        if len(part) == 1:
            good &= chars[:, at] == ord(part)
            at += 1
            continue
        digits = chars[:, at : at + _DIGITS[part[1]]].astype(np.int32) - ord("0")
        good &= ((digits >= 0) & (digits <= 9)).all(axis=1)
        numbers[part[1]] = digits @ 10 ** np.arange(digits.shape[1])[::-1]
        at += digits.shape[1]
    good &= _in_calendar(numbers["Y"], numbers["m"], numbers["d"])
    plain[fits] = good
    if not good.any():
        return values, plain
    written = (numbers["Y"] * 10_000 + numbers["m"] * 100 + numbers["d"])[good]
    texts = pa.array(written).cast(pa.large_string())
    return pc.replace_with_mask(values, pa.array(plain), texts), plain


def with_format(values: pa.Array, form: str) -> pa.Array:
    """Write dates of the form YYYYMMDD in another; what is no date stays as it is.

    Parameters
    ----------
    values : pyarrow large_string array, without nulls
        Dates.
    form : str
        Such as ``"%d/%m/%Y"``.

    Examples
    --------
    >>> with_format(pa.array(["20090305", "none"], pa.large_string()), "%d/%m/%Y").to_pylist()
    ['05/03/2009', 'none']
    """
    _, plain = _plain_dates(values, "%Y%m%d")
    written = [] if plain.all() else values.filter(pa.array(~plain)).to_pylist()
    if not _PLAIN_DATE.fullmatch(form):
        plain[:], written = False, values.to_pylist()
    texts = pa.array([_with_format(value, form) for value in written], pa.large_string())
    if not plain.any():
        return texts
    chars = _fixed_width(values if plain.all() else values.filter(pa.array(plain)), 8)
    digits = {"Y": chars[:, :4], "m": chars[:, 4:6], "d": chars[:, 6:]}
    columns = [
        digits[part[1]] if len(part) == 2 else np.full((len(chars), 1), ord(part), np.uint8)
        for part in re.findall(r"%[Ymd]|.", form)
    ]
    whole = np.hstack(columns)
    bounds = np.arange(len(whole) + 1, dtype=np.int64) * whole.shape[1]
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(np.ascontiguousarray(whole))]
    dates = pa.Array.from_buffers(pa.large_string(), len(whole), buffers)
    return dates if plain.all() else _merged(plain, dates, texts)


def _with_format(value: str, form: str) -> str:
    try:
        return dt.datetime.strptime(value, _OUTPUT).strftime(form)
    except ValueError:
        return value  # of a field that holds no date; the schema's format will say so


def _merged(where: Bools, these: pa.Array, others: pa.Array) -> pa.Array:
    """Return values of `these`, in order, where it says so, and of `others` elsewhere."""
    places = np.empty(len(where), dtype=np.int64)
    places[where] = np.arange(len(these))
    places[~where] = len(these) + np.arange(len(others))
    return pa.concat_arrays([these, others]).take(pa.array(places))


def _fixed_width(values: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    data, bounds = char_bounds(values)
    first = int(bounds[0])
    return data[first : first + len(values) * width].reshape(len(values), width)


def _in_calendar(year: npt.NDArray[Any], month: npt.NDArray[Any], day: npt.NDArray[Any]) -> Bools:
    known = (year >= _FIRST_FOUR_DIGIT_YEAR) & (month >= 1) & (month <= 12) & (day >= 1)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    days = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[np.clip(month, 1, 12) - 1]
    inside: Bools = known & (day <= days + (leap & (month == 2)))
    return inside


def char_bounds(values: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return the bytes of a large_string array, and where each value starts and ends in them."""
    _, offsets, data = values.buffers()
    if len(values) == 0:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    chars = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return chars, bounds
