"""Names of persons: titles, suffixes, and columns that hold a whole name."""

from __future__ import annotations

import re

from linkkit.partner.standardize.outcome import BLANK, Outcome
from linkkit.partner.standardize.text import clean, is_placeholder, standard_text

__all__ = ["given_part", "standard_given_name", "standard_surname", "surname_part"]

_TITLES = frozenset("mr mrs ms miss mx dr prof rev fr sir dame hon sr jr master madam".split())
_SUFFIXES = frozenset("jr sr ii iii iv 2nd 3rd 4th esq md phd dds rn".split())
_FILLING_WORDS = frozenset("of the a b c one two three".split())
_PARTICLES = frozenset(
    "al bin bint ibn abu da das de del della der den di do dos du el la las le los mac mc san "
    "santa st st. ter ten van von vande vander y zu".split()
)
_NICKNAME = re.compile(r"[(\[\"“][^)\]\"”]*[)\]\"”]")


# What stands in the place of a given name in rosters and on census forms. "Son" is a name.
_NO_GIVEN_NAMES = frozenset(
    "adult baby boarder boy brother child dad daughter eldest father female girl grandchild "
    "granddaughter grandson householder husband male mom mother newborn occupant oldest parent "
    "person resident respondent roommate roomer sister spouse stepchild wife youngest".split()
)


def standard_given_name(cell: str) -> Outcome:
    """Standardize a given name: no title, no initial beside a full name, no nickname in brackets.

    Examples
    --------
    >>> standard_given_name("Dr. José A.").value
    'jose'
    """
    outcome = _name(cell)
    if outcome.value is None:
        return outcome
    words = outcome.value.split()
    words = _drop_end(_drop_front(words, _TITLES), _SUFFIXES)
    if _NO_GIVEN_NAMES.intersection(words) and all(
        word in _NO_GIVEN_NAMES or word in _FILLING_WORDS or word.isdigit() for word in words
    ):
        return Outcome(None, "placeholder")
    long = [word for word in words if len(word) > 1]
    return Outcome(" ".join(long or words))


def standard_surname(cell: str) -> Outcome:
    """Standardize a surname: no suffix such as "Jr." or "III".

    Examples
    --------
    >>> standard_surname("García-López, Jr.").value
    'garcia lopez'
    """
    outcome = _name(cell)
    if outcome.value is None:
        return outcome
    return Outcome(" ".join(_drop_end(outcome.value.split(), _SUFFIXES)))


def _name(cell: str) -> Outcome:
    without = _NICKNAME.sub(" ", cell) if len(cell) < 1000 else cell
    outcome = standard_text(without if without.strip() else cell)
    if outcome.value is not None and not any(c.isalpha() for c in outcome.value):
        return Outcome(None, "no letters")
    return outcome


def _drop_front(words: list[str], known: frozenset[str]) -> list[str]:
    while len(words) > 1 and words[0] in known:
        words = words[1:]
    return words


def _drop_end(words: list[str], known: frozenset[str]) -> list[str]:
    while len(words) > 1 and words[-1] in known:
        words = words[:-1]
    return words


def given_part(cell: str) -> str:
    """Return the given name out of "Last, First M" or "First M Last"."""
    return _split(cell)[0]


def surname_part(cell: str) -> str:
    """Return the surname out of "Last, First M" or "First M Last".

    Examples
    --------
    >>> surname_part("de la Cruz, Ana M."), surname_part("Ana M. de la Cruz")
    ('de la Cruz', 'de la Cruz')
    """
    return _split(cell)[1]


def _split(cell: str) -> tuple[str, str]:
    if len(cell) > 1000:  # standard_text rejects it, with its reason
        return cell, cell
    text = clean(cell)
    if is_placeholder(text):
        return text, text
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and not any(parts[1:]):
        return "", parts[0]
    if len(parts) > 1 and not _only_suffixes(parts[1:]):
        given = [part for part in parts[1:] if not _only_suffixes([part])]
        return " ".join(given), parts[0]
    return _split_words(parts[0].split())


def _only_suffixes(parts: list[str]) -> bool:
    words = " ".join(parts).casefold().replace(".", "").split()
    return all(word in _SUFFIXES for word in words)


def _split_words(words: list[str]) -> tuple[str, str]:
    bare = [word.casefold().strip(".") for word in words]
    while len(words) > 1 and bare[0] in _TITLES:
        words, bare = words[1:], bare[1:]
    while len(words) > 1 and bare[-1] in _SUFFIXES:
        words, bare = words[:-1], bare[:-1]
    if len(words) < 2:
        return " ".join(words), ""
    start = len(words) - 1
    while start > 1 and bare[start - 1] in _PARTICLES:
        start -= 1
    return " ".join(words[:start]), " ".join(words[start:])


def standard_whole_name(cell: str) -> Outcome:
    """Standardize a name that is one linkage field: given name first, then surname."""
    given, surname = _split(cell)
    outcomes = [standard_given_name(given), standard_surname(surname)] if surname else []
    parts = [outcome.value for outcome in outcomes if outcome.value]
    if len(parts) == 2:
        return Outcome(" ".join(parts))
    return standard_surname(cell) if cell.strip() else BLANK
