"""Text of any script as plain lower-case words, and what stands for "nothing known"."""

from __future__ import annotations

import re
import unicodedata

from anyascii import anyascii

from linkkit.partner.standardize.outcome import BLANK, Outcome

__all__ = [
    "MAX_CHARACTERS",
    "clean",
    "is_placeholder",
    "nothing_left",
    "plain_words",
    "standard_text",
]

MAX_CHARACTERS = 256

_PLACEHOLDERS = frozenset(
    """
    unknown|unk|unkn|unknwn|not known|n/a|#n/a|not available|not applicable|not provided|not given
    not stated|not reported|refused|declined|declined to state|withheld|missing|no data|tbd|-|--|---
    .|?|??|???|nan|<na>|no name|no last name|no first name|no middle name|nln|nfn|nmn|lnu|fnu|anonymous
    test test|testing|do not use|baby|baby boy|baby girl|babyboy|babygirl|infant|newborn|unborn|fetus
    boy unknown|girl unknown|john doe|jane doe|homeless|no address|no fixed address|no fixed abode
    transient|same|same as above|see above|general delivery
    """.replace("\n", "|")
    .replace("|    ", "|")
    .strip("| ")
    .split("|")
) - {""}
_EXPORTED_NULLS = frozenset(
    {"NULL", "null", "None", "NONE", "NaN", "NA", "#N/A", "#REF!", "#VALUE!"}
)
_REPEATED = re.compile(r"^([x*.\-_?#])\1+$")
_APOSTROPHES = re.compile(r"['’‘`´ʻʼ]")
_NOT_WORD = re.compile(r"[^a-z0-9]+")


def clean(cell: str) -> str:
    """Return a cell in Unicode form NFKC, one space between words, digits of any script as 0-9.

    Control and format characters and pictures such as emoji are left out.
    """
    if cell.isascii() and cell.isprintable():
        return " ".join(cell.split())
    text = unicodedata.normalize("NFKC", cell)
    return " ".join("".join(_plain_character(c) for c in text).split())


def _plain_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    if category in ("Cf", "Cs", "Co", "So"):
        return ""
    return str(unicodedata.digit(character)) if category == "Nd" else character


def nothing_left(cell: str, rule: str = "no letters or digits") -> Outcome:
    """Return what a cell is of which cleaning leaves nothing: blank, or rejected by a rule."""
    return Outcome(None, rule) if cell.strip() else BLANK


def is_placeholder(text: str) -> bool:
    """Whether a cleaned cell says that nothing is known, such as "Unknown" or "Baby Boy"."""
    return (
        text in _EXPORTED_NULLS
        or text.casefold() in _PLACEHOLDERS
        or _REPEATED.match(text.casefold()) is not None
    )


def plain_words(text: str) -> str:
    """Return text as lower-case ASCII words, one space between them.

    Marks are dropped and other scripts transliterated; apostrophes join ("O'Brien" is
    ``obrien``), all other punctuation separates.

    Examples
    --------
    >>> plain_words("O’Brien-Núñez"), plain_words("Мария")
    ('obrien nunez', 'mariya')
    """
    joined = _APOSTROPHES.sub("", text)
    lowered = anyascii(joined).casefold()
    return _NOT_WORD.sub(" ", _APOSTROPHES.sub("", lowered)).strip()


def standard_text(cell: str) -> Outcome:
    """Standardize any text: words only."""
    if len(cell) > MAX_CHARACTERS:
        return Outcome(None, f"longer than {MAX_CHARACTERS} characters")
    text = clean(cell)
    if not text:
        return nothing_left(cell)
    if is_placeholder(text):
        return Outcome(None, "placeholder")
    words = plain_words(text)
    return Outcome(words) if words else Outcome(None, "no letters or digits")
