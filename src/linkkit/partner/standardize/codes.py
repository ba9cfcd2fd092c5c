"""Codes: sex, e-mail addresses, identifiers, social security numbers, and plain numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.text import (
    MAX_CHARACTERS,
    ROUNDED,
    clean,
    of_words,
    opened,
    placeholder_words,
    plain_words,
    whole_number,
)

__all__ = [
    "sex_reader",
    "standard_email",
    "standard_identifier",
    "standard_number",
    "standard_sex",
    "standard_ssn4",
]

# ISO/IEC 5218, FHIR administrative-gender, HL7 v2 table 0001, CEDS, and words of partners.
_SEX = {
    **dict.fromkeys(
        "m male man boy masculine masc hombre masculino varon nino macho h nam ftm 1".split(), "m"
    ),
    **dict.fromkeys(
        "f female woman girl feminine fem mujer femenino femenina hembra nina w nu mtf 2".split(),
        "f",
    ),
    **dict.fromkeys(
        "x o d nb enby nonbinary other oth another transgender trans genderqueer genderfluid agender "
        "intersex diverse divers nonconforming otro otra".split(),
        "x",
    ),
}
_SEX_PHRASES = {
    "non binary": "x",
    "no binario": "x",
    "gender nonconforming": "x",
    "gender non conforming": "x",
    "gender fluid": "x",
    "two spirit": "x",
    "third gender": "x",
    "trans male": "m",
    "trans man": "m",
    "transgender male": "m",
    "transgender man": "m",
    "female to male": "m",
    "trans female": "f",
    "trans woman": "f",
    "transgender female": "f",
    "transgender woman": "f",
    "male to female": "f",
}
_SEX_SIGNS = {"男": "m", "男性": "m", "女": "f", "女性": "f", "ذكر": "m", "أنثى": "f", "انثى": "f"}
_UNKNOWN_SEX = frozenset("u 0 9 unk unknown asku n a ns nr notselected".split()) | {"not selected"}

_EMAIL = re.compile(r"^[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+$")
_MANY_EMAILS = re.compile(r"[;,|\s]+")
_NO_LOCAL_PART = frozenset(
    "none no nope noemail nomail noname noone nobody na n/a n.a unknown unk refused declined decline "
    "notprovided notavailable noreply donotreply test testing email mail xxx xx x abc asdf null nil "
    "noemailaddress noemailprovided noaddress notapplicable nothing ninguno notiene sincorreo".split()
)
_SAME_MAILBOX = frozenset({"gmail.com", "googlemail.com"})

_LABEL = re.compile(
    r"^(?:(?:ssid|sasid|student|state|local|case|client|medicaid|school|lasid|id|no|nr|num|number|ssn)"
    r"[.:# ]*)+[.:# ]+(?=[a-z0-9]*\d)",
    re.IGNORECASE,
)
_DIGIT_RUNS = ("01234567890123456789", "98765432109876543210")
_SHORTEST_RUN, _SHORTEST_FILLER, _SHORTEST_NINES = 7, 5, 3
_SSN = re.compile(r"^(\d{3})[- ]?(\d{2})[- ]?(\d{4})$")
_WRITTEN_SSN = re.compile(r"^\d{3}-\d{2}-\d{4}$")
_LAST_FOUR = re.compile(
    r"^(?:[x*#•]{3}[- ]?[x*#•]{2}[- ]?|[x*#•]{2,5}[- ]?)?(\d{1,4})$", re.IGNORECASE
)
_NO_SSN = frozenset({"078051120", "219099999", "457555462", "123456789", "987654321", "111111111"})
_ADVERTISED = range(987654320, 987654330)
# Second part of an individual taxpayer identification number (Internal Revenue Service).
_ITIN = frozenset([*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)])
_NUMBER = re.compile(r"^[+-]?(?=\.?\d)(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d{1,2})?$")


def sex_reader(counts: Mapping[str, int]) -> tuple[Callable[[str], Outcome], tuple[str, ...]]:
    """Return how to read a column of sex codes, and sentences that say so.

    Digits are read as in ISO/IEC 5218, 1 male and 2 female, unless a column has 0 and 1 and no
    2: nobody can tell which of the two is which.
    """
    codes = {clean(cell[:MAX_CHARACTERS]).removesuffix(".0") for cell in counts}
    if {"0", "1"} <= codes and "2" not in codes:
        note = "0 and 1 are not told apart; write male and female, or 1 and 2, into the column"
        return _without_digits, (note,)
    note = "1 is read as male and 2 as female"
    return standard_sex, (note,) if codes & {"1", "2"} else ()


def _without_digits(cell: str) -> Outcome:
    outcome = standard_sex(cell)
    digit = clean(cell[:MAX_CHARACTERS]).removesuffix(".0") in ("0", "1")
    return Outcome(None, "not a sex code") if digit else outcome


def standard_sex(cell: str) -> Outcome:
    """Standardize a sex or gender code to ``m``, ``f`` or ``x`` (numbers as in ISO/IEC 5218).

    Examples
    --------
    >>> standard_sex("Female").value, standard_sex("1 - Male").value
    ('f', 'm')
    """
    text, early = opened(cell)
    if early:
        return early
    if text in _SEX_SIGNS:
        return Outcome(_SEX_SIGNS[text])
    words = plain_words(text.removesuffix(".0"))
    if not words:
        return Outcome(None, "no letters or digits")
    if words in _UNKNOWN_SEX or placeholder_words(words):
        return Outcome(None, "placeholder")
    code = _SEX.get(words) or _SEX_PHRASES.get(words) or _labeled_sex(words)
    return Outcome(code) if code else Outcome(None, "not a sex code")


def _labeled_sex(words: str) -> str | None:
    """Read a code beside its label, such as "F (Female)"; the word counts and not the digit."""
    told = [_SEX.get(word) for word in words.split() if not word.isdigit()]
    return told[0] if told and len(set(told)) == 1 else None


def standard_email(cell: str) -> Outcome:
    """Standardize an e-mail address: lower case, no spaces; of several the first.

    Gmail delivers to one mailbox whatever dots and "+" labels are in the address, so they are
    left out there, and nowhere else.

    Examples
    --------
    >>> standard_email("Ana.Li+school@GoogleMail.com").value
    'anali@gmail.com'
    """
    text, early = opened(cell)
    if early:
        return early
    address = _first_address(text.casefold())
    if not _EMAIL.match(address):
        return Outcome(None, "not an e-mail address")
    local, _, domain = address.rpartition("@")
    nobody = re.sub(r"[-_.]", "", local) in _NO_LOCAL_PART or local == domain.partition(".")[0]
    if nobody or (len(local) >= _SHORTEST_NINES and len(set(local)) == 1):
        return Outcome(None, "placeholder")
    if domain in _SAME_MAILBOX:
        local, domain = local.partition("+")[0].replace(".", ""), "gmail.com"
    return Outcome(f"{local}@{domain}") if local else Outcome(None, "not an e-mail address")


def _first_address(text: str) -> str:
    bare = re.sub(r"\s*@\s*", "@", text.removeprefix("mailto:"))
    whole = bare.replace(" ", "")
    found = [part.strip("<>()[]\"'.:") for part in _MANY_EMAILS.split(bare) if "@" in part]
    return found[0] if found and (whole.count("@") > 1 or "<" in whole) else whole.strip("<>.,;")


def standard_identifier(cell: str) -> Outcome:
    """Standardize an identifier to its letters and digits, without leading zeros.

    Fillers such as 999-99-9999, and social security numbers that cannot be, are missing.

    Examples
    --------
    >>> standard_identifier("SSID: 0012-345").value, standard_identifier("A-0012").value
    ('12345', 'a0012')
    """
    text, early = opened(cell)
    if early:
        return early
    whole = whole_number(text)
    if whole is None:
        return Outcome(None, ROUNDED)
    code = plain_words(_LABEL.sub("", whole)).replace(" ", "")
    if not code:
        return Outcome(None, "no letters or digits")
    if _WRITTEN_SSN.match(whole) and not _can_be_ssn(code):
        return Outcome(None, "placeholder")
    # Whether a spreadsheet took the zeros is not for one party to know, so nobody keeps them.
    bare = code.lstrip("0") if code.isdigit() else code
    return Outcome(None, "placeholder") if _is_filler(code, bare) else of_words(bare)


def _is_filler(code: str, bare: str) -> bool:
    if not bare:
        return True
    # Short numbers, such as 22 or 12345, are somebody's where a program counts from 1.
    shortest = _SHORTEST_NINES if set(bare) == {"9"} else _SHORTEST_FILLER
    repeated = len(bare) >= shortest and len(set(bare)) == 1
    return repeated or (len(code) >= _SHORTEST_RUN and any(code in run for run in _DIGIT_RUNS))


def standard_ssn4(cell: str) -> Outcome:
    """Standardize the last four digits of a social security number.

    Of a whole number, the last four are taken if the number can be: no area 000, 666 or 9xx
    (but for taxpayer identification numbers), no group 00, no serial 0000.

    Examples
    --------
    >>> standard_ssn4("123-45-0678").value, standard_ssn4("xxx-xx-0678").value
    ('0678', '0678')
    """
    text, early = opened(cell)
    if early:
        return early
    whole = whole_number(text)
    if whole is None:
        return Outcome(None, ROUNDED)
    found = _LAST_FOUR.match(whole)
    if found:
        last = found[1].zfill(4)
        return Outcome(None, "placeholder") if last in ("0000", "9999") else Outcome(last)
    if whole.isdigit() and len(whole) in (7, 8):
        whole = whole.zfill(9)
    found = _SSN.match(whole)
    if not found:
        return Outcome(None, "not four digits of a social security number")
    digits = "".join(found.groups())
    if len(set(digits)) == 1 or digits in _NO_SSN:
        return Outcome(None, "placeholder")
    if not _can_be_ssn(digits):
        return Outcome(None, "no such social security number")
    return Outcome(None, "placeholder") if digits[5:] == "9999" else Outcome(digits[5:])


def _can_be_ssn(digits: str) -> bool:
    """Whether the Social Security Administration, or the IRS for a taxpayer, may have assigned it."""
    area, group, serial = int(digits[:3]), int(digits[3:5]), int(digits[5:])
    if digits in _NO_SSN or int(digits) in _ADVERTISED:
        return False
    assigned = area not in (0, 666) and (area < 900 or group in _ITIN)
    return assigned and group > 0 and serial > 0


def standard_number(cell: str) -> Outcome:
    """Standardize a number: no thousands separators, no zeros at either end.

    Examples
    --------
    >>> standard_number("1,200.50").value, standard_number("-0").value
    ('1200.5', '0')
    """
    text, early = opened(cell)
    if early:
        return early
    if not _NUMBER.match(text):
        return Outcome(None, "not a number")
    number = Decimal(text.replace(",", "")).normalize()
    return Outcome(f"{number:f}" if number else "0")
