"""Places: cities and postal codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.text import (
    MAX_CHARACTERS,
    clean,
    of_words,
    opened,
    plain_words,
    whole_number,
)

__all__ = ["STATES", "postal_code_reader", "standard_city"]

STATES = frozenset(
    "al ak az ar ca co ct de dc fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj "
    "nm ny nc nd oh ok or pa ri sc sd tn tx ut vt va wa wv wi wy pr vi gu as mp".split()
)
# Those that are no other word, as "La", "Mt" or "De" are, also without a comma.
_STATES_ONLY = STATES - frozenset("al as co de hi id in la ma me mp mt oh ok or pa pr vi".split())
_SPELLINGS = {
    "saint": "st",
    "sainte": "ste",
    "fort": "ft",
    "mount": "mt",
    "mountain": "mtn",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "heights": "hts",
    "springs": "spgs",
    "township": "twp",
    "village": "vlg",
    "beach": "bch",
    "junction": "jct",
}
_STATE_AT_END = re.compile(r"\s*,\s*([A-Za-z]\.?[A-Za-z])\.?(?:\s+\d{5}(?:-?\d{4})?)?\s*$")
_CITY_OF = re.compile(r"^(?:city|town|village) of (?=\S)", re.IGNORECASE)
_ZIP = re.compile(r"^\d{5}(-?\d{4})?$")
_ZIP_AMONG_WORDS = re.compile(r"\b(\d{5})(?:-?\d{4})?\b")
_PLUS_4 = 9  # digits of a ZIP+4 code; a spreadsheet takes up to two zeros from it
# Codes that the Postal Service never assigned, and one that a company has for itself.
_NO_ZIPS = frozenset("00000 11111 66666 77777 88888 99999 12345".split())


def standard_city(cell: str) -> Outcome:
    """Standardize the name of a place: no state after a comma, "Saint" as "St.".

    Examples
    --------
    >>> standard_city("Saint Paul, MN").value, standard_city("N. Las Vegas").value
    ('st paul', 'n las vegas')
    """
    text, early = opened(cell)
    if early:
        return early
    found = _STATE_AT_END.search(text)
    if found and found[1].replace(".", "").casefold() in STATES:
        text = text[: found.start()]
    words = plain_words(_CITY_OF.sub("", text)).split()
    while len(words) > 1 and words[-1] in _STATES_ONLY:
        words.pop()
    return of_words(" ".join(_SPELLINGS.get(word, word) for word in words))


def postal_code_reader(
    counts: Mapping[str, int],
) -> tuple[Callable[[str], Outcome], tuple[str, ...]]:
    """Return how to read a column of postal codes, and a sentence that says so.

    US ZIP+4 codes lose their last four digits. In a column of mostly five-digit codes, shorter
    ones get back the zeros that a spreadsheet took.
    """
    digits = {cell: whole_number(clean(cell[:MAX_CHARACTERS])) or "" for cell in counts}
    n_five = sum(n for cell, n in counts.items() if _ZIP.match(digits[cell]))
    n_other = sum(n for cell, n in counts.items() if digits[cell].isdigit()) - n_five
    pad = n_five > n_other
    note = "ZIP codes; lost leading zeros are put back" if pad else "postal codes as written"
    return (lambda cell: _postal_code(cell, pad=pad)), (note,)


def _postal_code(cell: str, *, pad: bool) -> Outcome:
    text, early = opened(cell)
    if early:
        return early
    code = plain_words(whole_number(text) or text).replace(" ", "")
    if code.isdigit() and (len(code) == _PLUS_4 or (pad and _PLUS_4 - 2 <= len(code) < _PLUS_4)):
        code = code[:-4]
    elif pad and not code.isdigit():
        found = _ZIP_AMONG_WORDS.findall(text)
        code = found[0] if len(found) == 1 else code
    if pad and code.isdigit() and 3 <= len(code) < 5:
        code = code.zfill(5)
    filler = (pad and code in _NO_ZIPS) or (code.isdigit() and set(code) in ({"0"}, {"9"}))
    return Outcome(None, "placeholder") if filler else of_words(code)
