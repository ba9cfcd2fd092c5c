"""Learns from the function for one cell what becomes of plain cells.

A reader of cells stays the only place where a rule is written. What it does with plain words, with
punctuation, with codes of one shape and with the dates of one year is found out by asking it, and a
plain cell is what was found out about. Whatever a list in this package names needs a closer look, until
the reader was asked about that, too.
"""

from __future__ import annotations

import inspect
import random
import re
import string
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import ModuleType

from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.text import plain_words

__all__ = [
    "Reader",
    "byte_classes",
    "initials_rule",
    "joins_po_box",
    "learned_word",
    "listed_dates",
    "listed_texts",
    "listed_words",
    "month_place",
    "plain_forms",
    "template_of",
]

Reader = Callable[[str], Outcome]

_PACKAGE = "linkkit.partner.standardize"
_CLOSER, _SEPARATOR, _DROPPED = 0, 1, 2
_KEPT, _LEFT_OUT, _LOOKED_AT = 0, 1, 2
_N_PROBES = 12
_N_TRIES = 100
# Words of no language, so that no list has them.
_ONE, _OTHER = "qqvx", "zzkq"
# What regular expressions look for, which no list shows.
_IN_PATTERNS = frozenset("aka fka nee formerly of y e i".split())
_IN_ORDER = [(string.digits * 2)[i : i + 4] for i in range(10)]
_DIGITS = re.compile(r"[0-9]+")
_MADE_UP = re.compile(
    "|".join([r"([0-9])\1\1", r"(?<![0-9])0+(?![0-9])", *_IN_ORDER, *(x[::-1] for x in _IN_ORDER)])
)
_PAIRED = '()[]{}<>"='


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from _texts_in(pair)
    elif isinstance(value, (frozenset, set, tuple, list)):
        for item in value:
            yield from _texts_in(item)


def listed_texts() -> frozenset[str]:
    """Return what the lists of this package name, such as titles and placeholders.

    Lists of modules count, and those that a module keeps when they were first read from a file.
    """
    # A copy, as another thread may import.
    names = (name for name in sys.modules.copy() if name.startswith(f"{_PACKAGE}."))
    return _texts_of(tuple(sorted(names)))


@lru_cache(maxsize=1)
def _texts_of(modules: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        text
        for name in modules
        for value in _lists_of(sys.modules[name])
        for text in _texts_in(value)
    )


def _lists_of(module: ModuleType) -> Iterator[object]:
    for name, value in vars(module).items():
        kept = hasattr(value, "cache_info") and getattr(value, "__module__", "") != __name__
        if kept and not inspect.signature(value).parameters:
            yield value()
        elif not name.startswith("__") and not isinstance(value, str):
            yield value


@lru_cache(maxsize=2)
def plain_forms(texts: frozenset[str]) -> frozenset[str]:
    """Return texts as plain words, without those of which nothing is left."""
    return frozenset(map(plain_words, texts)) - {""}


def listed_words() -> frozenset[str]:
    """Return the single words among what is listed."""
    plain = plain_forms(listed_texts())
    return frozenset(word for word in plain if word and " " not in word) | _IN_PATTERNS


def listed_dates() -> tuple[int, ...]:
    """Return the dates among what is listed, as YYYYMMDD."""
    return tuple(sorted(int(t) for t in listed_texts() if len(t) == 8 and t.isdecimal()))


def _value(read: Reader, cell: str) -> str | None:
    return read(cell).value


def byte_classes(read: Reader, *, has_numbers: bool) -> bytes:
    """Return what becomes of each byte: 0 closer look, 1 a space, 2 nothing, else the byte itself."""
    classes = bytearray(256)
    for letter in string.ascii_lowercase + string.digits:
        classes[ord(letter)] = ord(letter)
        classes[ord(letter.upper())] = ord(letter)
    for mark in sorted(set(string.punctuation + " ") - set(_PAIRED)):
        frames = ["{0}{2}{1}", "{0}{2} {1}", "{0} {2}{1}", "{0}{2}{2}{1}"]
        frames += ["12{2}34 {0}", "12 {0}{2}7", "{0} 7{2}{1}"] if has_numbers else []
        cells = [frame.format(_ONE, _OTHER, mark) for frame in frames]
        found = [_value(read, cell) for cell in cells]
        spaced, joined = ([_spelled(cell, mark, by) for cell in cells] for by in (" ", ""))
        classes[ord(mark)] = (
            _SEPARATOR if found == spaced else _DROPPED if found == joined else _CLOSER
        )
    return bytes(classes)


def _spelled(cell: str, mark: str, by: str) -> str:
    return " ".join(cell.replace(mark, by).split())


def initials_rule(read: Reader) -> int:
    """Return what words of one letter are: 0 words, 1 left out beside longer ones, 2 closer look."""
    cells = [f"{_ONE} j", f"j {_ONE}", f"{_ONE} j {_OTHER}", f"{_ONE} {_OTHER} j k"]
    found = [_value(read, cell) for cell in cells]
    if found == cells:
        return _KEPT
    long = [" ".join(word for word in cell.split() if len(word) > 1) for cell in cells]
    return _LEFT_OUT if found == long else _LOOKED_AT


def joins_po_box(read: Reader) -> bool:
    """Whether ``P.O. Box`` becomes ``po box``, wherever it stands."""
    frames = ("{} 12", f"12 {_ONE} {{}} 12", f"{{}} 12 {_ONE}")
    return all(_value(read, frame.format("P.O. Box")) == frame.format("po box") for frame in frames)


def learned_word(read: Reader, word: str, *, has_numbers: bool) -> str | None:
    """Return what a word becomes wherever it stands, or None if that depends on where."""
    frames = ["{0} {1}", "{1} {0}", "{1} {0} {2}", "{0} {1} {2}", "{1} {2} {0}", "{0} {0} {1}"]
    if has_numbers:
        frames += ["12 {0}", "12 {0} {1}", "12 {1} {0}", "12 {1} {0} 7", "{1} {0} 7", "12 {0} 7"]
    else:
        frames += ["{0}"]
    answers = {
        _replacement(read, frame.format(word, _ONE, _OTHER), frame.format("*", _ONE, _OTHER))
        for frame in frames
    }
    return answers.pop() if len(answers) == 1 else None


def _replacement(read: Reader, cell: str, frame: str) -> str | None:
    value = _value(read, cell)
    if value is None:
        return None
    words, places = value.split(), frame.split()
    n, extra = places.count("*"), len(words) - len(places)
    if extra % n or len(words) < len(places) - n:
        return None
    n_words = 1 + extra // n
    at = places.index("*")
    found = " ".join(words[at : at + n_words])
    spelled = " ".join(found if place == "*" else place for place in places)
    return found if " ".join(spelled.split()) == value else None


def month_place(read: Reader, year: int, form: tuple[int, int, int, int], where: int) -> int:
    """Return which part of a date is the month: 1 the first, 2 the second, 0 if that depends.

    Parameters
    ----------
    read : callable
        The reader of cells.
    year : int
        Of the date.
    form : tuple of int
        Kind, separator, ending and widths as :func:`_code_kernels.date_forms` numbers them.
    where : int
        0 where both parts are at most 12, 1 where the first is above, 2 where the second is.
    """
    pairs = {0: [(5, 6), (7, 3)], 1: [(25, 6), (29, 4)], 2: [(6, 25), (4, 29)]}[where]
    if form[0] != 2 and not form[3]:
        pairs = pairs if where == 0 else []
    found = {_month_of(read, year, form, one, two) for one, two in pairs}
    return found.pop() if len(found) == 1 else 0


def _month_of(read: Reader, year: int, form: tuple[int, int, int, int], one: int, two: int) -> int:
    cell = _date_cell(year, form, one, two)
    value = _value(read, cell)
    if value != _value(read, f" {cell}  "):
        return 0
    if value == f"{year:04d}{one:02d}{two:02d}":
        return 1
    return 2 if value == f"{year:04d}{two:02d}{one:02d}" else 0


def _date_cell(year: int, form: tuple[int, int, int, int], one: int, two: int) -> str:
    kind, separator, ending, widths = form
    first = f"{one:02d}" if widths & 2 or kind == 2 else str(one)
    second = f"{two:02d}" if widths & 1 or kind == 2 else str(two)
    mark = "" if kind == 2 else "-/."[separator]
    parts = (first, second, f"{year:04d}") if kind == 1 else (f"{year:04d}", first, second)
    return mark.join(parts) + ("", " 00:00:00", " 0:00")[ending]


def template_of(read: Reader, cell: str, *, n_literal: int, any_letter: bool) -> list[int] | None:
    """Return how cells of the shape of this one become codes, or None if that depends on the cell.

    Each item is the place of a character in the cell, or, below 0, minus the code of a character
    that is put in.
    """
    rng = random.Random(cell)  # noqa: S311  # no secret
    probes = [_probe(cell, rng, n_literal, any_letter=any_letter) for _ in range(_N_PROBES)]
    if any(is_dull(probe) for probe in probes):
        return None
    found = [_value(read, probe) for probe in probes]
    values = [value for value in found if value is not None]
    if len(values) < len(found) or len({len(value) for value in values}) > 1:
        return None
    template: list[int] = []
    for k in range(len(values[0])):
        places = [
            place
            for place in range(len(cell))
            if all(p[place].lower() == v[k] for p, v in zip(probes, values, strict=True))
        ]
        same = {value[k] for value in values}
        later = [place for place in places if not template or place > template[-1]]
        if not places and len(same) > 1:
            return None
        template.append((later or places)[0] if places else -ord(same.pop()))
    return template


def _probe(cell: str, rng: random.Random, n_literal: int, *, any_letter: bool) -> str:
    """Return another cell of the same shape, whose digits do not look made up if that can be."""
    probe = cell
    for _ in range(_N_TRIES):
        n_digits, made = 0, []
        for character in cell:
            if character.isdigit():
                n_digits += n_digits > 0 or character != "0"
                made.append(rng.choice(string.digits) if n_digits > n_literal else character)
            elif character.isalpha() and any_letter:
                upper = character.isupper()
                made.append(rng.choice(string.ascii_uppercase if upper else string.ascii_lowercase))
            else:
                made.append(character)
        probe = "".join(made)
        if not is_dull(probe):
            break
    return probe


def is_dull(cell: str) -> bool:
    """Whether digits look made up: three alike or four in order, a run of zeros, few different.

    Such codes may be fillers, and need a closer look.
    """
    digits = "".join(_DIGITS.findall(cell))
    few = not digits or (len(digits) >= 7 and len(set(digits)) < 4)
    return few or _MADE_UP.search(cell) is not None
