"""Codes: sex, postal codes, phones, e-mail addresses, identifiers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.text import (
    MAX_CHARACTERS,
    clean,
    is_placeholder,
    nothing_left,
    plain_words,
)

__all__ = [
    "postal_code_reader",
    "standard_email",
    "standard_identifier",
    "standard_phone",
    "standard_sex",
]

_SEX = {
    **dict.fromkeys("m male man boy masculine hombre masculino h 1".split(), "m"),
    **dict.fromkeys("f female woman girl feminine mujer femenino w 2".split(), "f"),
    **dict.fromkeys("x nonbinary enby other another".split(), "x"),
    "non binary": "x",
    "gender nonconforming": "x",
}
_UNKNOWN_SEX = frozenset("u 0 9 unknown unk n ns".split())
_EXTENSION = re.compile(r"(?:\s*(?:ext|x|extension|#)\.?\s*\d+)\s*$", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"^\d(?:\.\d+)?[eE]\+?\d+$")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
_ZIP_PLUS_4 = re.compile(r"^(\d{5})\s*[-\u2013]?\s*\d{4}$")
_RUNS = frozenset({"123456789", "1234567890", "987654321", "0123456789", "12345678", "1234567"})
_FEWEST_PHONE_DIGITS, _MOST_PHONE_DIGITS = 7, 15
_US_PHONE_DIGITS = 10


def _opened(cell: str) -> tuple[str, Outcome | None]:
    if len(cell) > MAX_CHARACTERS:
        return "", Outcome(None, f"longer than {MAX_CHARACTERS} characters")
    text = clean(cell)
    if not text:
        return "", nothing_left(cell)
    return text, Outcome(None, "placeholder") if is_placeholder(text) else None


def standard_sex(cell: str) -> Outcome:
    """Standardize a sex or gender code to ``m``, ``f`` or ``x`` (numbers as in ISO/IEC 5218)."""
    text, early = _opened(cell)
    if early:
        return early
    words = plain_words(text.removesuffix(".0"))
    if words in _UNKNOWN_SEX:
        return Outcome(None, "placeholder")
    code = _SEX.get(words)
    return Outcome(code) if code else Outcome(None, "not a sex code")


def postal_code_reader(counts: Mapping[str, int]) -> tuple[Callable[[str], Outcome], str]:
    """Return how to read a column of postal codes, and a sentence that says so.

    US ZIP+4 codes lose their last four digits. In a column of mostly five-digit codes, shorter
    ones get back the zeros that a spreadsheet took.
    """
    digits = {cell: re.sub(r"\.0$", "", clean(cell[:MAX_CHARACTERS])) for cell in counts}
    n_five = sum(n for cell, n in counts.items() if re.match(r"^\d{5}(-?\d{4})?$", digits[cell]))
    n_other = sum(n for cell, n in counts.items() if digits[cell].isdigit()) - n_five
    pad = n_five > n_other
    note = "ZIP codes; lost leading zeros are put back" if pad else "postal codes as written"
    return (lambda cell: _postal_code(cell, pad=pad)), note


def _postal_code(cell: str, *, pad: bool) -> Outcome:
    text, early = _opened(cell)
    if early:
        return early
    text = text.removesuffix(".0")
    plus_4 = _ZIP_PLUS_4.match(text)
    code = plus_4.group(1) if plus_4 else plain_words(text).replace(" ", "")
    if pad and code.isdigit() and 3 <= len(code) < 5:
        code = code.zfill(5)
    if not code:
        return Outcome(None, "no letters or digits")
    return Outcome(None, "placeholder") if _is_filler(code) else Outcome(code)


def _is_filler(digits: str) -> bool:
    return digits.isdigit() and (set(digits) <= {"0"} or set(digits) <= {"9"})


def standard_phone(cell: str) -> Outcome:
    """Standardize a phone number to its digits, without US country code and extension."""
    text, early = _opened(cell)
    if early:
        return early
    if _SCIENTIFIC.match(text):
        return Outcome(None, "not a phone number")
    digits = re.sub(r"\D", "", _EXTENSION.sub("", text.removesuffix(".0")))
    if len(digits) == _US_PHONE_DIGITS + 1 and digits.startswith("1"):
        digits = digits[1:]
    if len(set(digits)) <= 1 or digits in _RUNS:
        return Outcome(None, "placeholder") if digits else Outcome(None, "not a phone number")
    if not _FEWEST_PHONE_DIGITS <= len(digits) <= _MOST_PHONE_DIGITS:
        return Outcome(None, "not a phone number")
    return Outcome(digits)


def standard_email(cell: str) -> Outcome:
    """Standardize an e-mail address: lower case, no spaces."""
    text, early = _opened(cell)
    if early:
        return early
    address = text.casefold().replace(" ", "")
    return Outcome(address) if _EMAIL.match(address) else Outcome(None, "not an e-mail address")


def standard_identifier(cell: str) -> Outcome:
    """Standardize an identifier to its letters and digits; fillers such as 999-99-9999 are missing."""
    text, early = _opened(cell)
    if early:
        return early
    code = plain_words(text.removesuffix(".0")).replace(" ", "")
    if not code:
        return Outcome(None, "no letters or digits")
    filler = len(code) > 1 and len(set(code)) == 1
    return Outcome(None, "placeholder") if filler or code in _RUNS else Outcome(code)
