"""The errors that people and machines make in one cell: typos, nicknames, swapped dates.

Run by `recording` on the few cells that an error befalls. In: one cell and a generator. Out: the
cell as it was written down; a cell that offers no occasion for the error comes back unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
from anyascii import anyascii

from linkkit.synth.word_lists import nicknames

__all__ = [
    "CellError",
    "abbreviate",
    "change_punctuation",
    "drop_marks",
    "misspell",
    "mistype_day",
    "mistype_digit",
    "mistype_year",
    "rejoin_surnames",
    "shorten_surname",
    "stray_space",
    "swap_day_and_month",
    "use_nickname",
]

CellError = Callable[[str, np.random.Generator], str]

_KEYBOARD_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBORS = {
    letter: row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
    for row in _KEYBOARD_ROWS
    for place, letter in enumerate(row)
}
_MISREAD = (
    ("rn", "m"), ("m", "rn"), ("cl", "d"), ("vv", "w"), ("ll", "11"), ("l", "1"), ("i", "l"),
    ("o", "0"), ("s", "5"), ("B", "8"), ("O", "0"), ("I", "l"), ("h", "b"), ("e", "c"), ("n", "u"),
)  # fmt: skip
_MISHEARD = (
    ("ph", "f"), ("ck", "k"), ("c", "k"), ("y", "ie"), ("ie", "y"), ("z", "s"), ("v", "b"),
    ("ee", "ea"), ("ai", "ay"), ("ll", "l"), ("nn", "n"), ("tt", "t"), ("ss", "s"), ("h", ""),
)  # fmt: skip
_ABBREVIATIONS = {
    "Street": ("St", "St."), "Avenue": ("Ave", "Ave."), "Drive": ("Dr", "Dr."),
    "Lane": ("Ln",), "Road": ("Rd", "Rd."), "Court": ("Ct",), "Place": ("Pl",),
    "Boulevard": ("Blvd", "Blvd."), "Circle": ("Cir",), "Terrace": ("Ter",),
    "North": ("N", "N."), "South": ("S", "S."), "Apt": ("#", "No."), "Unit": ("#", "Apt"),
}  # fmt: skip
_LAST_YEAR = 2025


def _place(text: str, rng: np.random.Generator, *, start: int = 0, spare: int = 0) -> int:
    return int(rng.integers(start, len(text) - spare))


def _hit_neighbor_key(text: str, rng: np.random.Generator) -> str:
    at = _place(text, rng)
    near = _NEIGHBORS.get(text[at].lower(), "")
    if not near:
        return _drop_letter(text, rng)
    letter = near[_place(near, rng)]
    return text[:at] + (letter.upper() if text[at].isupper() else letter) + text[at + 1 :]


def _drop_letter(text: str, rng: np.random.Generator) -> str:
    at = _place(text, rng, start=1)
    return text[:at] + text[at + 1 :]


def _double_letter(text: str, rng: np.random.Generator) -> str:
    at = _place(text, rng, start=1)
    return text[:at] + text[at] + text[at:]


def _transpose(text: str, rng: np.random.Generator) -> str:
    at = _place(text, rng, start=1 if len(text) > 2 else 0, spare=1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _replace_one(text: str, rng: np.random.Generator, pairs: tuple[tuple[str, str], ...]) -> str:
    found = [pair for pair in pairs if pair[0] in text]
    if not found:
        return _drop_letter(text, rng)
    wrong = found[int(rng.integers(len(found)))]
    return text.replace(*wrong, 1)


def _misread(text: str, rng: np.random.Generator) -> str:
    return _replace_one(text, rng, _MISREAD)


def _mishear(text: str, rng: np.random.Generator) -> str:
    return _replace_one(text, rng, _MISHEARD)


_MISSPELLINGS: tuple[CellError, ...] = (
    _hit_neighbor_key, _hit_neighbor_key, _drop_letter, _drop_letter, _double_letter, _transpose,
    _transpose, _mishear, _mishear, _misread,
)  # fmt: skip


def misspell(text: str, rng: np.random.Generator) -> str:
    """Make one typing, hearing or reading error in a word of two letters or more.

    Examples
    --------
    >>> misspell("Guadalupe", np.random.default_rng(4)) != "Guadalupe"
    True
    """
    if len(text) < 2:
        return text
    return _MISSPELLINGS[int(rng.integers(len(_MISSPELLINGS)))](text, rng)


def use_nickname(given_name: str, rng: np.random.Generator) -> str:
    """Write what the person is called.

    Examples
    --------
    >>> use_nickname("Guadalupe", np.random.default_rng(1)) in {"Lupe", "Lupita"}
    True
    """
    known = nicknames().get(given_name) or (given_name.split(" ", maxsplit=1)[0],)
    return known[int(rng.integers(len(known)))]


def _split_surname(surname: str) -> list[str]:
    """Return the two surnames that a double surname consists of, or the surname alone."""
    if "-" in surname:
        return surname.split("-", 1)
    words = surname.split(" ")
    if len(words) == 2 and min(map(len, words)) > 3:
        return words
    return [surname]


def shorten_surname(surname: str, rng: np.random.Generator) -> str:
    """Write one of two surnames, mostly the first.

    Examples
    --------
    >>> shorten_surname("García López", np.random.default_rng(1))
    'García'
    """
    parts = _split_surname(surname)
    return parts[-1] if rng.random() < 0.25 else parts[0]


def rejoin_surnames(surname: str, rng: np.random.Generator) -> str:
    """Join two surnames otherwise: by a hyphen, a blank or nothing."""
    joiners = ("-", " ", "")
    return joiners[int(rng.integers(3))].join(_split_surname(surname))


def drop_marks(text: str, _rng: np.random.Generator) -> str:
    """Write letters without their diacritics.

    Examples
    --------
    >>> drop_marks("Nguyễn", np.random.default_rng(1))
    'Nguyen'
    """
    return anyascii(text)


def change_punctuation(text: str, rng: np.random.Generator) -> str:
    """Leave out or replace the apostrophe or hyphen, or part "Mc" from the rest.

    Examples
    --------
    >>> change_punctuation("O'Brien", np.random.default_rng(1)) in {"OBrien", "O Brien"}
    True
    """
    if text.startswith("Mc") and len(text) > 3:
        return ("Mc " + text[2:], text.capitalize())[int(rng.integers(2))]
    instead = (" ", "")[int(rng.integers(2))]
    return text.replace("'", instead).replace("-", instead)


def stray_space(text: str, rng: np.random.Generator) -> str:
    """Leave a blank before or after."""
    return text + " " if rng.random() < 0.7 else " " + text


def mistype_digit(text: str, rng: np.random.Generator) -> str:
    """Mistype one of the last digits, or turn two of them round.

    Examples
    --------
    >>> len(mistype_digit("92903", np.random.default_rng(1)))
    5
    """
    at = _place(text, rng, start=len(text) // 2)
    if rng.random() < 0.5 and at + 1 < len(text):
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + str(rng.integers(10)) + text[at + 1 :]


def abbreviate(address: str, rng: np.random.Generator) -> str:
    """Abbreviate the words of a street or unit as people do.

    Examples
    --------
    >>> abbreviate("Larkspur Lane", np.random.default_rng(1))
    'Larkspur Ln'
    """
    words = [_ABBREVIATIONS.get(word, (word,)) for word in address.split(" ")]
    shortened = " ".join(choices[int(rng.integers(len(choices)))] for choices in words)
    return shortened.replace("# ", "#")


def swap_day_and_month(born: str, _rng: np.random.Generator) -> str:
    """Write day for month and month for day where that gives a date.

    Examples
    --------
    >>> swap_day_and_month("2009-03-05", np.random.default_rng(1))
    '2009-05-03'
    """
    year, month, day = born.split("-")
    return f"{year}-{day}-{month}" if int(day) <= 12 else born


def _with_year(born: str, year: int) -> str:
    """Return the date in another year, the last of February for a leap day."""
    rest = born[4:]
    if rest == "-02-29" and year % 4:
        rest = "-02-28"
    return f"{year}{rest}"


def mistype_year(born: str, rng: np.random.Generator) -> str:
    """Write a year that is off by one, by ten, or has its last digits the wrong way round.

    Examples
    --------
    >>> mistype_year("2012-03-05", np.random.default_rng(1)) != "2012-03-05"
    True
    """
    year = int(born[:4])
    wrong = (year + 1, year - 1, year - 10, year + 10, int(born[:2] + born[3] + born[2]))
    chosen = wrong[int(rng.integers(len(wrong)))]
    return _with_year(born, year - 1 if chosen > _LAST_YEAR or chosen == year else chosen)


def mistype_day(born: str, rng: np.random.Generator) -> str:
    """Write another day of the month, one that month has.

    Examples
    --------
    >>> mistype_day("2009-03-05", np.random.default_rng(1))[:8]
    '2009-03-'
    """
    year, month, day = (int(part) for part in born.split("-"))
    near = (day + 1, day - 1, day + 10, day - 10, day % 10 * 10 + day // 10)
    chosen = near[int(rng.integers(len(near)))]
    return date(year, month, chosen if 1 <= chosen <= 28 else min(day, 28)).isoformat()
