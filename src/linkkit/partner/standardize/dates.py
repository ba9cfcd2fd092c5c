"""Dates as YYYYMMDD: formats declared by the party, or inferred from the whole column."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from anyascii import anyascii

from linkkit.agreement import Years
from linkkit.partner.standardize.damaged_dates import Split, damaged_form, split_damaged
from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.text import clean, is_placeholder, nothing_left

__all__ = ["DateReader", "inferred_dates", "repeated_first_days", "stated_dates"]

# The zeros of databases and spreadsheets (SQL Server, Excel, .NET), and what clerks type.
_PLACEHOLDERS = frozenset(
    "19000101 19000102 18991230 18991231 19010101 18000101 18010101 11111111 11110101 00010101 "
    "10000101 17530101 19190101 99991231 29991231 21001231".split()
)
_MONTH_WORDS = (
    "january february march april may june july august september october november december",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
    "janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro",
    "januar februar marz april mai juni juli august september oktober november dezember",
)
_SHORTEST_MONTH = 3

_TIME = re.compile(
    r"[ t]+\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?(?: ?[ap]\.?m\.?)?"
    r"(?: ?(?:z|utc|gmt|[+-]\d{2}:?\d{2}))?$"
)
_BASIC_TIME = re.compile(r"^(\d{8})t?(?:\d{4}|\d{6})(?:\.\d+)?(?:z|[+-]\d{4})?$")
_NUMBERS = re.compile(r"^(\d{1,4})[-/., ]+(\d{1,2})[-/., ]+(\d{1,4})$")
_WORD = r"(?P<month>[a-z]+)"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er)?"
_WITH_WORD = re.compile(
    rf"^(?:[a-z]+[,.]? )?{_DAY}[-/. ]*(?:de |of )?{_WORD}[-/., ]+(?:del? )?(?P<year>\d{{2,4}})$"
)
_RUN_TOGETHER = re.compile(rf"^{_DAY}{_WORD}(?P<year>\d{{2}}|\d{{4}})$")
_WORD_FIRST = re.compile(
    rf"^(?:[a-z]+day[,.]? )?{_WORD}[-/. ]*{_DAY}[-/., ]+(?:del? )?(?P<year>\d{{2,4}})$"
)
_YEAR_WORD = re.compile(rf"^(?P<year>\d{{4}})[-/., ]*{_WORD}[-/., ]*{_DAY}$")
_CHINESE = str.maketrans("年月.", "--.", "日号號")
_SERIAL = re.compile(r"^\d{5}(?:\.\d+)?$")
_SERIAL_START = dt.date(1899, 12, 30)
_OLDEST = 130
_EARLIEST_COMPACT, _LATEST_COMPACT = 1850, 2100

# 1 January stands for "some day of that year" when it is written this often.
_FEWEST_REPEATS = 10
_TIMES_EXPECTED = 10

DayOrder = Literal["month_first", "day_first"]
_Form = Literal["year first", "month by name", "day and month", "spreadsheet number"]


class DateReader(NamedTuple):
    """How one column of dates is read, sentences that say so, and how what is no date is read."""

    read: Callable[[str], Outcome]
    notes: tuple[str, ...]
    damaged: Callable[[str], str | None]


class _Parts(NamedTuple):
    year: int
    first: int
    second: int
    form: _Form
    short_year: bool = False


class _Column(NamedTuple):
    """What a column's dates have in common."""

    years: Years
    order: DayOrder = "month_first"
    six_digits: bool = False


def stated_dates(formats: Sequence[str], *, years: Years) -> DateReader:
    """Read dates in the ``strptime`` formats that the agreement states, tried in order.

    Parameters
    ----------
    formats : sequence of str
        Such as ``"%m/%d/%Y"``.
    years : Years
        The agreement's: years of two digits are at most the last of them, and no date lies
        after it, or more than 130 years before the first.
    """

    def read(cell: str) -> Outcome:
        text = _date_text(cell)
        if not text:
            return nothing_left(cell, "not a date in the agreed formats")
        for candidate in (clean(cell[:_LONGEST]), text):
            for form in formats:
                day = _strptime(candidate, form, years.last)
                if day is not None:
                    return _checked(day.year, day.month, day.day, years)
        return _rejected(text, "not a date in the agreed formats")

    column = _Column(years, order=_stated_order(formats))
    notes = (f"formats stated: {', '.join(formats)}",)
    return DateReader(read, notes, lambda cell: _damaged(cell, read, column))


def inferred_dates(counts: Mapping[str, int], *, years: Years) -> DateReader:
    """Infer from a whole column how its dates are written.

    Parameters
    ----------
    counts : mapping of str to int
        The distinct cells and how often each occurs. Days above 12 decide whether the day or
        the month comes first; without any, the month does, as in the United States.
    years : Years
        The agreement's: years of two digits are at most the last of them, and no date lies
        after it, or more than 130 years before the first.
    """
    column = _Column(years, six_digits=_has_six_digits(counts))
    forms: Counter[str] = Counter()
    votes = {"month_first": 0, "day_first": 0}
    n_open = n_short = 0
    for cell, n in counts.items():
        parts = _parts(_date_text(cell), column)
        forms[parts.form if parts else "unreadable"] += n
        if parts is not None and parts.form == "day and month":
            vote = _vote(parts)
            n_open += 0 if vote or parts.first == parts.second else n
            n_short += n if parts.short_year else 0
            if vote:
                votes[vote] += n
    order: DayOrder = "day_first" if votes["day_first"] > votes["month_first"] else "month_first"
    read_as = column._replace(order=order)
    notes = _notes(forms, votes, order, n_open=n_open, n_short=n_short, last=years.last)

    def read(cell: str) -> Outcome:
        return _infer(cell, read_as)

    return DateReader(read, notes, lambda cell: _damaged(cell, read, read_as))


def repeated_first_days(counts: Mapping[str, int]) -> frozenset[str]:
    """Return which 1 January dates of a column stand for a day that nobody knew.

    Those that ten cells or more hold, and at least ten times as many as the other days of the
    same year do on average.

    Parameters
    ----------
    counts : mapping of str to int
        Standardized dates and how often each occurs.

    Examples
    --------
    >>> sorted(repeated_first_days({"20100101": 40, "20100305": 2, "20110101": 3}))
    ['20100101']
    """
    of_year: Counter[str] = Counter()
    for day, n in counts.items():
        of_year[day[:4]] += n
    return frozenset(
        day
        for day, n in counts.items()
        if day.endswith("0101")
        and n >= _FEWEST_REPEATS
        and n * 364 >= _TIMES_EXPECTED * (of_year[day[:4]] - n)
    )


def _month_table() -> dict[str, int]:
    """Map full names of months, and their beginnings that begin no other month, to numbers."""
    table: dict[str, int] = {}
    clashes: set[str] = set()
    for words in _MONTH_WORDS:
        for number, word in enumerate(words.split(), start=1):
            for length in range(_SHORTEST_MONTH, len(word) + 1):
                known = table.setdefault(word[:length], number)
                clashes |= {word[:length]} if known != number else set()
    return {word: number for word, number in table.items() if word not in clashes}


_MONTHS = {**_month_table(), "setiembre": 9}
_LONGEST = 64


def _has_six_digits(counts: Mapping[str, int]) -> bool:
    """Whether five digits are MDDYY that lost a zero, rather than a spreadsheet's number."""
    n_digits: Counter[int] = Counter()
    for cell, n in counts.items():
        text = _date_text(cell)
        n_digits[len(text) if text.isdigit() else 0] += n
    return n_digits[6] > 0 and n_digits[6] >= n_digits[5]


def _notes(
    forms: Counter[str], votes: dict[str, int], order: str, *, n_open: int, n_short: int, last: int
) -> tuple[str, ...]:
    named = [f"{n} {form}" for form, n in sorted(forms.items()) if form != "unreadable"]
    notes = [f"cells by the form of the date: {', '.join(named)}"] if named else []
    if forms["day and month"]:
        evidence = f"{votes['month_first']} cells say month first, {votes['day_first']} day first"
        notes.append(f"read as {order.replace('_', ' ')} where it is ambiguous ({evidence})")
    if n_open and not any(votes.values()):
        notes.append(
            f"nothing in the column tells day from month in {n_open} cells; "
            "state its formats in the agreement if the month does not come first"
        )
    if all(votes.values()):
        notes.append(
            f"{min(votes.values())} cells contradict the order of the column, and {n_open} can be "
            "read both ways; the column may be put together from two sources"
        )
    if n_short:
        notes.append(f"{n_short} years of two digits, taken as {last - 99} to {last}")
    return tuple(notes)


def _stated_order(formats: Sequence[str]) -> DayOrder:
    """Return what comes first in the first format that has both."""
    for form in formats:
        if "%d" in form and "%m" in form:
            return "day_first" if form.index("%d") < form.index("%m") else "month_first"
    return "month_first"


def _damaged(cell: str, read: Callable[[str], Outcome], column: _Column) -> str | None:
    """Return what can be compared of a cell that is no date; None for dates and placeholders."""
    outcome = read(cell)
    if outcome.value is not None or outcome.rule in (None, "placeholder"):
        return None
    text, last = _date_text(cell), column.years.last
    worded = _worded_parts(text, last)
    if worded is not None:
        year, month, day = f"{worded.year:04d}", f"{worded.first:02d}", f"{worded.second:02d}"
        found: Split | None = Split(year, month, day, year_first=True)
    else:
        found = split_damaged(text)
    if found is None:
        return None
    if len(found.year) == 2 and found.year.isdigit():
        found = found._replace(year=f"{_full_year(int(found.year), 2, last):04d}")
    form = damaged_form(found, day_first=column.order == "day_first")
    return None if form in _PLACEHOLDERS else form


def _strptime(text: str, form: str, latest_year: int) -> dt.date | None:
    try:
        day = dt.datetime.strptime(text, form).date()
        return day.replace(year=_full_year(day.year % 100, 2, latest_year)) if "%y" in form else day
    except ValueError:
        return None


def _date_text(cell: str) -> str:
    cell = cell.strip()
    if len(cell) > _LONGEST:
        return "x"
    text = clean(cell).translate(_CHINESE) if not cell.isascii() else clean(cell)
    text = text if text.isascii() else anyascii(text)
    text = _TIME.sub("", text.casefold().strip("'\"="))
    compact = _BASIC_TIME.match(text)
    return compact[1] if compact else re.sub(r"(?<=\d)\.0+$", "", text).strip()


def _rejected(text: str, rule: str) -> Outcome:
    digits = re.sub(r"[-/. ]", "", text)
    filler = len(digits) >= 6 and digits.isdigit() and len(set(digits)) == 1
    return Outcome(None, "placeholder" if filler or is_placeholder(text) else rule)


def _vote(parts: _Parts) -> DayOrder | None:
    if parts.first > 12 >= parts.second:
        return "day_first"
    return "month_first" if parts.second > 12 >= parts.first else None


def _infer(cell: str, column: _Column) -> Outcome:
    text = _date_text(cell)
    if not text:
        return nothing_left(cell, "not a date")
    parts = _parts(text, column)
    if parts is None:
        return _rejected(text, "not a date")
    month, day = parts.first, parts.second
    swapped = (column.order == "day_first" and parts.second <= 12) or parts.first > 12
    if parts.form == "day and month" and swapped:
        month, day = day, month
    outcome = _checked(parts.year, month, day, column.years)
    return outcome if outcome.value else _rejected(text, outcome.rule or "")


def _parts(text: str, column: _Column) -> _Parts | None:
    if text.isdigit():
        return _compact(text, column)
    last = column.years.last
    found = _NUMBERS.match(text)
    if not found:
        return _worded_parts(text, last) or _serial(text)
    a, b, c = found.groups()
    if len(a) == 4:
        return _Parts(int(a), int(b), int(c), "year first") if len(c) <= 2 else None
    if len(a) > 2 or len(c) not in (2, 4):
        return None
    year = _full_year(int(c), len(c), last)
    return _Parts(year, int(a), int(b), "day and month", short_year=len(c) == 2)


def _compact(text: str, column: _Column) -> _Parts | None:
    """Read digits alone: YYYYMMDD, MMDDYYYY, MMDDYY, with a lost zero, or days since 1900."""
    n = len(text)
    if n in (7, 8):
        return _eight_digits(text.zfill(8))
    if n == 6 or (n == 5 and column.six_digits):
        digits = text.zfill(6)
        first, second, year = int(digits[:2]), int(digits[2:4]), int(digits[4:])
        full = _full_year(year, 2, column.years.last)
        return _Parts(full, first, second, "day and month", short_year=True)
    return _serial(text)


def _eight_digits(text: str) -> _Parts:
    leading, trailing = int(text[:4]), int(text[4:])
    plausible = range(_EARLIEST_COMPACT, _LATEST_COMPACT + 1)
    if leading not in plausible and trailing in plausible:
        return _Parts(trailing, int(text[:2]), int(text[2:4]), "day and month")
    return _Parts(leading, int(text[4:6]), int(text[6:]), "year first")


def _worded_parts(text: str, latest_year: int) -> _Parts | None:
    for form in (_YEAR_WORD, _WITH_WORD, _WORD_FIRST, _RUN_TOGETHER):
        found = form.match(text)
        month = _MONTHS.get(found["month"]) if found else None
        if found is not None and month is not None:
            year = _full_year(int(found["year"]), len(found["year"]), latest_year)
            return _Parts(year, month, int(found["day"]), "month by name")
    return None


def _serial(text: str) -> _Parts | None:
    if not _SERIAL.match(text):
        return None
    day = _SERIAL_START + dt.timedelta(days=int(text[:5]))
    return _Parts(day.year, day.month, day.day, "spreadsheet number")


def _full_year(year: int, n_digits: int, latest_year: int) -> int:
    if n_digits > 2:
        return year
    century = latest_year - latest_year % 100
    return century + year if century + year <= latest_year else century - 100 + year


def _checked(year: int, month: int, day: int, years: Years) -> Outcome:
    digits = f"{year:04d}{month:02d}{day:02d}"
    if digits in _PLACEHOLDERS:
        return Outcome(None, "placeholder")
    try:
        dt.date(year, month, day)
    except ValueError:
        return Outcome(None, "no such day")
    if year > years.last:
        return Outcome(None, "after the years of the agreement")
    if year < years.first - _OLDEST:
        return Outcome(None, f"more than {_OLDEST} years before the agreement")
    return Outcome(digits)
