"""What can still be compared of a date that is none: month 13, a year to come, letters for digits.

Such a cell is missing as a date: nothing is computed from it, and nothing of it is payload. But most of
its digits are as good as any, and records are compared by them, each at its place.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["UNREADABLE", "Split", "damaged_form", "split_damaged"]

UNREADABLE = "?"
"""Stands for a digit that cannot be read."""

_LETTERS = str.maketrans("oilszb|!", "01152811")
"""Letters that scanners and typists take for digits, and no others: a Q is a 9 or a 1."""

_SPLIT = re.compile(r"^([^-/., ]{1,4})[-/., ]+([^-/., ]{1,2})[-/., ]+([^-/., ]{1,4})$")
_ALONE = re.compile(r"^[^-/., ]{8}$")
_FEWEST_DIGITS = 4
_LAST_MONTH, _LAST_DAY = 12, 31
_NOT_KNOWN = ("00", "99")
_CENTURIES = ("18", "19", "20")
_YEAR_DIGITS = 4


class Split(NamedTuple):
    """The characters of a date's parts; which of the two others is the day is not said."""

    year: str
    first: str
    second: str
    year_first: bool


def split_damaged(text: str) -> Split | None:
    """Split the text of a cell into what would be year, month and day.

    Parameters
    ----------
    text : str
        In lower case. Letters that look like digits count as these, and all others as unreadable.

    Returns
    -------
    Split or None
        None if too little can be read.

    Examples
    --------
    >>> split_damaged("2o-13-198q")
    Split(year='198?', first='20', second='13', year_first=False)
    """
    if sum(character.isdigit() for character in text) < _FEWEST_DIGITS:
        return None
    digits = "".join(
        c if c.isdigit() or c in "-/., " else UNREADABLE for c in text.translate(_LETTERS)
    )
    if _ALONE.match(digits):
        leading, trailing = digits[:4], digits[4:]
        if _is_century(leading) or not _is_century(trailing):
            return Split(leading, digits[4:6], digits[6:], year_first=True)
        return Split(trailing, digits[:2], digits[2:4], year_first=False)
    found = _SPLIT.match(digits)
    if found is None:
        return None
    a, b, c = found.groups()
    if len(a) == _YEAR_DIGITS or len(a) > len(c):
        return Split(a, b, c, year_first=True) if len(c) <= len(b) or len(c) <= 2 else None
    return Split(c, a, b, year_first=False) if len(a) <= 2 else None


def damaged_form(found: Split, *, day_first: bool) -> str | None:
    """Return YYYYMMDD with a mark for each digit that cannot be read, or None for too few digits.

    Day and month change places where only that makes a month, as in a date that is no other than
    confused.

    Parameters
    ----------
    found : Split
        The parts; a year of two digits must be a full one by now.
    day_first : bool
        Whether the column's day comes before its month, where the year is last.

    Examples
    --------
    >>> damaged_form(Split("1985", "00", "00", year_first=True), day_first=False)
    '1985????'
    >>> damaged_form(Split("1985", "29", "01", year_first=True), day_first=False)
    '19850129'
    """
    month, day = _two(found.first), _two(found.second)
    if day_first and not found.year_first:
        month, day = day, month
    if _between(month, _LAST_MONTH + 1, _LAST_DAY) and _between(day, 1, _LAST_MONTH):
        month, day = day, month
    digits = f"{_year(found.year)}{month}{day}"
    n_known = len(digits) - digits.count(UNREADABLE)
    return digits if n_known >= _FEWEST_DIGITS else None


def _is_century(text: str) -> bool:
    return text[:2] in _CENTURIES


def _year(text: str) -> str:
    """Return four characters; of three digits, which one is lost is known of a century's only."""
    if len(text) == _YEAR_DIGITS:
        return text
    century = text[:2] if len(text) == _YEAR_DIGITS - 1 and _is_century(text) else ""
    return century.ljust(_YEAR_DIGITS, UNREADABLE)


def _two(text: str) -> str:
    """Return two characters for a month or day; 00 and 99 stand for one that nobody knew."""
    if len(text) > 2:
        return 2 * UNREADABLE
    padded = text.zfill(2)
    return 2 * UNREADABLE if padded in _NOT_KNOWN else padded


def _between(text: str, least: int, most: int) -> bool:
    return text.isdigit() and least <= int(text) <= most
