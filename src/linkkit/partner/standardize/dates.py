"""Dates as YYYYMMDD: formats declared by the party, or inferred from the whole column."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.text import clean, is_placeholder, nothing_left

__all__ = ["DateReader", "inferred_dates", "stated_dates"]

_PLACEHOLDERS = frozenset(
    {"19000101", "18991230", "18991231", "19010101", "18000101", "11111111", "99991231", "17530101"}
)
_MONTHS = {
    name: i + 1 for i, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split())
}
_TIME = re.compile(r"[ t]\d{1,2}:\d{2}(:\d{2})?(\.\d+)?( ?[ap]\.?m\.?)?( ?z|[+-]\d{2}:?\d{2})?$")
_NUMBERS = re.compile(r"^(\d{1,4})[-/. ]+(\d{1,2})[-/. ]+(\d{1,4})$")
_WITH_WORD = re.compile(
    r"^(?:[a-z]+,? )?(?P<day>\d{1,2})(?:st|nd|rd|th)?[-/. ]*(?P<month>[a-z]+)[-/., ]+(?P<year>\d{2,4})$"
)
_WORD_FIRST = re.compile(
    r"^(?:[a-z]+day,? )?(?P<month>[a-z]+)[-/. ]*(?P<day>\d{1,2})(?:st|nd|rd|th)?[-/., ]+(?P<year>\d{2,4})$"
)
_YEAR_WORD = re.compile(r"^(?P<year>\d{4})[-/. ](?P<month>[a-z]+)[-/. ](?P<day>\d{1,2})$")
_EIGHT = re.compile(r"^\d{8}$")
_SERIAL = re.compile(r"^\d{5}$")
_SERIAL_START = dt.date(1899, 12, 30)
_EARLIEST_YEAR = 1000

DayOrder = Literal["month_first", "day_first"]


class DateReader(NamedTuple):
    """How one column of dates is read, and a sentence that says so."""

    read: Callable[[str], Outcome]
    note: str


class _Parts(NamedTuple):
    year: int
    first: int
    second: int
    order_known: bool


def stated_dates(formats: Sequence[str], *, latest_year: int) -> DateReader:
    """Read dates in the ``strptime`` formats that the agreement states, tried in order.

    Parameters
    ----------
    formats : sequence of str
        Such as ``"%m/%d/%Y"``.
    latest_year : int
        Two-digit years are taken as at most this year.
    """

    def read(cell: str) -> Outcome:
        text = _date_text(cell)
        if not text:
            return nothing_left(cell, "not a date in the agreed formats")
        for candidate in (clean(cell), text):
            for form in formats:
                day = _strptime(candidate, form, latest_year)
                if day is not None:
                    return _checked(day.year, day.month, day.day)
        return _rejected(text, "not a date in the agreed formats")

    return DateReader(read, f"formats stated: {', '.join(formats)}")


def inferred_dates(counts: Mapping[str, int], *, latest_year: int) -> DateReader:
    """Infer from a whole column how its dates are written.

    Parameters
    ----------
    counts : mapping of str to int
        The distinct cells and how often each occurs. Days above 12 decide whether the day or
        the month comes first; without any, the month does, as in the United States.
    latest_year : int
        Two-digit years are taken as at most this year.
    """
    votes = {"month_first": 0, "day_first": 0}
    for cell, n in counts.items():
        vote = _vote(_date_text(cell), latest_year)
        if vote is not None:
            votes[vote] += n
    order: DayOrder = "day_first" if votes["day_first"] > votes["month_first"] else "month_first"
    evidence = f"{votes['month_first']} cells say month first, {votes['day_first']} day first"
    return DateReader(
        lambda cell: _infer(cell, order, latest_year),
        f"read as {order.replace('_', ' ')} where it is ambiguous ({evidence})",
    )


def _strptime(text: str, form: str, latest_year: int) -> dt.date | None:
    try:
        day = dt.datetime.strptime(text, form).date()
        return day.replace(year=_full_year(day.year % 100, 2, latest_year)) if "%y" in form else day
    except ValueError:
        return None


def _date_text(cell: str) -> str:
    if len(cell) > 64:
        return "x"
    text = _TIME.sub("", clean(cell).casefold())
    return text.removesuffix(".0").strip()


def _rejected(text: str, rule: str) -> Outcome:
    return Outcome(None, "placeholder") if is_placeholder(text) else Outcome(None, rule)


def _vote(text: str, latest_year: int) -> DayOrder | None:
    parts = _numeric_parts(text, latest_year)
    if parts is None or parts.order_known:
        return None
    if parts.first > 12 >= parts.second:
        return "day_first"
    return "month_first" if parts.second > 12 >= parts.first else None


def _infer(cell: str, order: DayOrder, latest_year: int) -> Outcome:
    text = _date_text(cell)
    if not text:
        return nothing_left(cell, "not a date")
    parts = _numeric_parts(text, latest_year) or _worded_parts(text, latest_year)
    if parts is None:
        return _serial(text) or _rejected(text, "not a date")
    month, day = parts.first, parts.second
    if not parts.order_known and (
        (order == "day_first" and parts.second <= 12) or parts.first > 12
    ):
        month, day = day, month
    return _checked(parts.year, month, day)


def _numeric_parts(text: str, latest_year: int) -> _Parts | None:
    if _EIGHT.match(text):
        return _eight_digits(text)
    found = _NUMBERS.match(text)
    if not found:
        return None
    a, b, c = found.groups()
    if len(a) == 4:
        return _Parts(int(a), int(b), int(c), order_known=True) if len(c) <= 2 else None
    if len(a) > 2 or len(c) not in (2, 4):
        return None
    return _Parts(_full_year(int(c), len(c), latest_year), int(a), int(b), order_known=False)


def _eight_digits(text: str) -> _Parts:
    leading, trailing = int(text[:4]), int(text[4:])
    if not 1850 <= leading <= 2100 and 1850 <= trailing <= 2100:
        return _Parts(trailing, int(text[:2]), int(text[2:4]), order_known=False)
    return _Parts(leading, int(text[4:6]), int(text[6:]), order_known=True)


def _worded_parts(text: str, latest_year: int) -> _Parts | None:
    found = _YEAR_WORD.match(text) or _WITH_WORD.match(text) or _WORD_FIRST.match(text)
    month = _MONTHS.get(found["month"][:3]) if found else None
    if found is None or month is None:
        return None
    year = _full_year(int(found["year"]), len(found["year"]), latest_year)
    return _Parts(year, month, int(found["day"]), order_known=True)


def _serial(text: str) -> Outcome | None:
    if not _SERIAL.match(text):
        return None
    day = _SERIAL_START + dt.timedelta(days=int(text))
    return _checked(day.year, day.month, day.day)


def _full_year(year: int, n_digits: int, latest_year: int) -> int:
    if n_digits > 2:
        return year
    century = latest_year - latest_year % 100
    return century + year if century + year <= latest_year else century - 100 + year


def _checked(year: int, month: int, day: int) -> Outcome:
    try:
        dt.date(year, month, day)
    except ValueError:
        return Outcome(None, "no such day")
    if year < _EARLIEST_YEAR:
        return Outcome(None, "no such day")
    digits = f"{year:04d}{month:02d}{day:02d}"
    return Outcome(None, "placeholder") if digits in _PLACEHOLDERS else Outcome(digits)
