"""Telephone numbers: ten digits in North America, country code and number elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.text import (
    MAX_CHARACTERS,
    ROUNDED,
    opened,
    whole_number,
)

__all__ = ["is_placeholder_number", "phone_reader", "standard_phone"]

_NOT_A_PHONE = "not a phone number"
_EXTENSION = re.compile(r"[\s,;]*(?:ext|x|extension|#)[.:]?\s*\d{1,6}\s*$", re.IGNORECASE)
_SIMPLE = re.compile(r"^[\d\s().\-/]+$")
_BETWEEN = re.compile(r"[;,|/&]|\s+(?:or|and|o|y)\s+", re.IGNORECASE)
_RUN = re.compile(r"\+?[\d(][\d\s().\-/]{5,}\d")
_VANITY = re.compile(r"\d[-. ]?[A-Za-z]{4,}$|\d{3}[-. ][A-Za-z]{3,}")
_ASCENDING = "01234567890123456789"
_N_DIGITS, _N_WITHOUT_AREA = 10, 7
_FEWEST_FOR_AREA, _SHARE_FOR_AREA = 10, 0.9
_MEXICAN_MOBILE = re.compile(r"^521(?=\d{10}$)")  # a prefix that was given up in 2019


def phone_reader(
    counts: Mapping[str, int], *, region: str
) -> tuple[Callable[[str], Outcome], tuple[str, ...]]:
    """Return how to read a column of phone numbers, and sentences that say so.

    Where nine of ten numbers of a column have the same area code, those without one get it.

    Parameters
    ----------
    counts : mapping of str to int
        The distinct cells and how often each occurs.
    region : str
        ISO 3166 code of the country whose numbers are written without country code.
    """
    areas: Counter[str] = Counter()
    n_short = 0
    for cell, n in counts.items() if region == "US" else ():
        digits = re.sub(r"\D", "", cell[:MAX_CHARACTERS]).removeprefix("1")
        if len(digits) == _N_DIGITS:
            areas[digits[:3]] += n
        n_short += n if len(digits) == _N_WITHOUT_AREA else 0
    area, n_most = areas.most_common(1)[0] if areas else ("", 0)
    if n_most < _FEWEST_FOR_AREA or n_most < _SHARE_FOR_AREA * areas.total():
        area = ""
    notes = (f"{n_short} numbers without an area code get the column's own",)
    return (
        lambda cell: standard_phone(cell, region=region, area_code=area),
        notes if area and n_short else (),
    )


def standard_phone(cell: str, *, region: str = "US", area_code: str = "") -> Outcome:
    """Standardize a phone number to its digits, without North American 1 and extension.

    Digits and punctuation that make ten digits, or eleven with a leading 1, are those ten. All
    else is read by Google's libphonenumber: numbers from abroad are "+", country code and number.

    Parameters
    ----------
    cell : str
        Of several numbers, the first counts.
    region : str
        ISO 3166 code of the country whose numbers are written without country code.
    area_code : str
        Put before seven digits in the United States.

    Examples
    --------
    >>> standard_phone("(415) 555-2671 x12").value, standard_phone("+44 20 7946 0018").value
    ('4155552671', '+442079460018')
    """
    text, early = opened(cell)
    if early:
        return early
    whole = whole_number(text)
    if whole is None:
        return Outcome(None, ROUNDED)
    text = _EXTENSION.sub("", whole)
    if region == "US" and _SIMPLE.match(text):
        digits = re.sub(r"\D", "", text)
        if len(digits) == _N_DIGITS or (len(digits) == _N_DIGITS + 1 and digits[0] == "1"):
            return _of_digits(digits[-_N_DIGITS:])
        if len(digits) == _N_WITHOUT_AREA:
            filler = is_placeholder_number(digits)
            known = Outcome(area_code + digits) if area_code else Outcome(None, "no area code")
            return Outcome(None, "placeholder") if filler else known
    first = _first_number(text)
    if is_placeholder_number(re.sub(r"\D", "", first)) and first:
        return Outcome(None, "placeholder")
    return _of_digits(_by_library(first, region))


def is_placeholder_number(digits: str) -> bool:
    """Whether nobody has the number: one digit repeated, 1234567890, directory assistance."""
    digits = digits.removeprefix("+")
    line = digits[-_N_WITHOUT_AREA:]
    return (
        len(set(line)) <= 1
        or digits in _ASCENDING
        or digits in _ASCENDING[::-1]
        or line in ("5551212", "5550000", "0001234")
    )


def _of_digits(digits: str) -> Outcome:
    if _n_digits(digits) < _N_WITHOUT_AREA:
        return Outcome(None, _NOT_A_PHONE)
    return Outcome(None, "placeholder") if is_placeholder_number(digits) else Outcome(digits)


def _n_digits(text: str) -> int:
    return sum(c.isdigit() for c in text)


def _first_number(text: str) -> str:
    parts = [part for part in _BETWEEN.split(text) if _n_digits(part) >= _N_WITHOUT_AREA]
    first = parts[0] if len(parts) > 1 or (parts and _n_digits(text) > _N_DIGITS + 1) else text
    halves = first.split()
    if len(halves) == 2 and all(_n_digits(half) == _N_DIGITS for half in halves):
        first = halves[0]
    if _VANITY.search(first):
        return first
    found = _RUN.search(first)
    return found[0] if found else ""


def _by_library(text: str, region: str) -> str:
    """Return the digits of a number by the numbering plans of the world, or nothing."""
    if not text:
        return ""
    digits = re.sub(r"\D", "", text)
    abroad = region == "US" and len(digits) > _N_DIGITS and digits[0] != "1"
    if text[0] == "+" or (abroad and digits[0] != "0"):
        return _parsed(f"+{_MEXICAN_MOBILE.sub('52', digits)}", region)
    return _parsed(f"+{digits[2:]}" if digits.startswith("00") else text, region)


def _parsed(text: str, region: str) -> str:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    national = phonenumbers.national_significant_number(number)
    if number.country_code == 1:
        return national if len(national) == _N_DIGITS else ""
    return f"+{number.country_code}{national}"
