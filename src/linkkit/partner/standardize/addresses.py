"""Street addresses: one spelling for what is abbreviated in many ways."""

from __future__ import annotations

import re

from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.places import STATES
from linkkit.partner.standardize.street_words import PHRASES, STREET_WORDS, UNIT_WORDS
from linkkit.partner.standardize.text import of_words, opened, plain_words

__all__ = ["standard_address"]

# Who else lives there is no part of the address: up to the next comma or number.
_CARE_OF = re.compile(r"(?:^|[\s,])(?:c/o|a/c|attn:?|in care of)\s[^,\d]*,?\s*", re.IGNORECASE)
_STATE_AND_ZIP = re.compile(r"[\s,]+([A-Za-z]{2})\.?[\s,]+\d{5}(?:-?\d{4})?(?:[\s,]+USA?)?\s*$")
_PHRASES = tuple((re.compile(pattern), instead) for pattern, instead in PHRASES)
_UNUSUAL = re.compile(
    r"box|\bp ?o\b|\brr|rural|route|rte|rfd|road|\brd\b|highway|hwy|contract|hcr|\bh c\b|\bcr\b|\bu s\b"
    r"|\b[sirf] [hrm]\b|market|interstate|apartado|pob|north |south |\b[ns] [ew]\b"
)
_JOINED_UNIT = re.compile(r"^(?:apt|apto|unit|ste|suite|rm|lot|spc|bldg|no)(\d+[a-z]?|[a-z]\d+)$")
_NUMBER_SIGN = re.compile(r"#(?=\s*\w)")
_ZEROS = re.compile(r"^0+(?=\d)")


def standard_address(cell: str) -> Outcome:
    """Standardize a street address: abbreviated suffixes and directions, no unit words.

    In its simple form an address is a number and words, each looked up in a table; zeros before
    a number go. Post office boxes, rural routes and numbered roads take more than a word and have
    patterns, and commas, slashes and colons may set off what is no part of the street.

    Examples
    --------
    >>> standard_address("1200 North Fifth Street, Apt. #4").value
    '1200 n 5th st 4'
    >>> standard_address("R.R. 2, Box 15").value, standard_address("P.O. Box 15").value
    ('rr 2 box 15', 'po box 15')
    """
    text, early = opened(cell)
    if early:
        return early
    if "," in text or "/" in text or ":" in text:
        text = _CARE_OF.sub(" ", _without_city(text)).strip() or text
    words = plain_words(_NUMBER_SIGN.sub(" no ", text))
    if _UNUSUAL.search(words):
        for pattern, instead in _PHRASES:
            words = pattern.sub(instead, words)
    return of_words(" ".join(_short(words.split())))


def _without_city(text: str) -> str:
    """Cut what follows the street in an address that ends in a state and a ZIP code."""
    found = _STATE_AND_ZIP.search(text)
    if not found or found[1].casefold() not in STATES:
        return text
    street, comma, city = text[: found.start()].rpartition(",")
    return street if comma and not any(c.isdigit() for c in city) else text[: found.start()]


def _short(words: list[str]) -> list[str]:
    short: list[str] = []
    unit_starts = 0
    for word in words:
        if word in UNIT_WORDS:
            unit_starts = len(short)
            continue
        joined = _JOINED_UNIT.match(word)
        part = _ZEROS.sub("", joined[1] if joined else STREET_WORDS.get(word, word))
        is_letter = len(part) == 1 and part.isalpha()
        # "Apt 4 B" is also written "Apt 4B".
        if is_letter and unit_starts and len(short) == unit_starts + 1 and short[-1].isdigit():
            short[-1] += part
        else:
            short.append(part)
    return short or words
