"""Sounds of names: one code for spellings that are said alike, in English ears."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

from linkkit.agreement import FieldKind, PhoneticCode

__all__ = ["codes_digest", "sound_of"]

_DIGEST_CHARACTERS = 32
_LONGEST_SYLLABLE = 3

_NO_LETTERS = re.compile(r"[^a-z]+")

_CODERS: dict[PhoneticCode, str] = {
    "soundex": "soundex",
    "metaphone": "metaphone",
    "nysiis": "nysiis",
    "match_rating": "match_rating_codex",
}


@cache
def _coder(by: PhoneticCode) -> Any:
    import jellyfish

    return getattr(jellyfish, _CODERS[by])


@cache
def codes_digest(by: PhoneticCode) -> str:
    """Digest what the installed code makes of all syllables of up to three letters.

    Versions of jellyfish differ: 1.3 codes a "gh" at the end of a name as no sound in Metaphone, and
    1.1 as one. Parties whose codes differ must learn of it, as their keys would not agree.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    code = _coder(by)
    text = "\n".join(code(syllable) for syllable in _syllables())
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _syllables() -> Iterator[str]:
    """Yield all syllables, each as a word of its own and between vowels."""
    for length in range(1, _LONGEST_SYLLABLE + 1):
        for letters in product(string.ascii_lowercase, repeat=length):
            syllable = "".join(letters)
            yield syllable
            yield f"a{syllable}e"


def sound_of(value: str, *, by: PhoneticCode, kind: FieldKind) -> str | None:
    """Return the code of a name's sound, or None if it has none.

    The codes are those of jellyfish: Soundex (Russell, US patent 1,261,167), Metaphone (Philips
    1990), NYSIIS (Taft 1970), the match rating codex (Moore et al. 1977). All are made
    for names as they are said in English.

    Parameters
    ----------
    value : str
        A standardized name: lower-case words of letters and digits, other scripts transliterated.
    by : str
        The code.
    kind : str
        What the field holds. Of a ``name``, a whole one, the words have a code each, in
        alphabetical order, as the order of given name and surname varies. All other
        kinds have one for all words together, as "Mary Ann" is also written "Maryann".

    Examples
    --------
    >>> sound_of("garcia lopez", by="soundex", kind="surname")
    'G624'
    >>> sound_of("li na", by="soundex", kind="name") == sound_of(
    ...     "na lee", by="soundex", kind="name"
    ... )
    True
    >>> sound_of("2", by="soundex", kind="surname") is None
    True
    """
    words = value.split() if kind == "name" else [value]
    letters = [_NO_LETTERS.sub("", word) for word in words]
    codes = sorted({code for text in letters if text and (code := _coder(by)(text).strip())})
    return " ".join(codes) or None
