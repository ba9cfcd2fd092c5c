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
    "of_words",
    "opened",
    "placeholder_words",
    "plain_words",
    "repaired",
    "standard_text",
    "whole_number",
]

MAX_CHARACTERS = 256
ROUNDED = "rounded by a spreadsheet"
"""Why a number such as ``4.15555E+09`` is missing: its last digits are lost."""

_PLACEHOLDERS = frozenset(
    line.strip()
    for line in """
    unknown|unk|unkn|unknwn|uknown|unknow|unkown|not known|n/a|n.a.|n / a|#n/a|not available
    not applicable|non applicable|not provided|not given|not stated|not reported|not recorded
    not entered|not asked|not specified|not on file|not listed|none given|none provided|unspecified
    unavailable|undisclosed|undetermined|unidentified|unnamed|refused|declined|declined to state
    decline to state|declined to answer|prefer not to say|prefer not to answer|withheld|redacted
    confidential|missing|no data|no info|no information|tbd|tba|to be determined|pending|empty
    -|--|---|.|?|??|???|no name|no last name|no first name
    no middle name|no surname|no name given|name unknown|nln|nfn|nmn|nmi|lnu|fnu|nlnu|anonymous
    test test|testing|test record|do not use|duplicate|delete|dummy|baby|baby boy|baby girl|babyboy
    babygirl|infant|newborn|unborn|fetus|boy unknown|girl unknown|unknown unknown|unknown boy
    unknown girl|unknown male|unknown female|john doe|jane doe|john q public|homeless|no address
    no known address|no fixed address|no fixed abode|no permanent address|address unknown|transient
    unhoused|unsheltered|same|same as above|see above|see notes|see comments|general delivery
    don't know|do not know|does not know|not sure|no phone|no email|no e-mail|none on file|zzz|xxx
    desconocido|desconocida|se desconoce|ignorado|ignorada|sin nombre|sin apellido|sin dato|sin datos
    sin informacion|sin información|sin domicilio|sin direccion|sin dirección|sin telefono
    sin teléfono|no aplica|no tiene|no sabe|no disponible|ninguno|ninguna|no se sabe|recien nacido
    recién nacido|recien nacida|recién nacida|inconnu|inconnue|desconhecido|desconhecida|unbekannt
    không rõ|không biết
    """.replace("\n", "|").split("|")
) - {""}
# As exports write "nothing"; in another case ("Nan", "Null") they are people's names.
_EXPORTED_NULLS = frozenset(
    "NULL null None NONE none NaN nan NaT NA <NA> <NULL> <null> (NULL) (null) (blank) (none) #N/A #REF! #VALUE! #DIV/0! #NAME? #NULL! #NUM! #SPILL! "
    "#CALC! #ERROR! \\N".split()
)
_REPEATED = re.compile(r"^([x*.\-_?#])\1+$|^z{3,}$")
_APOSTROPHES = re.compile(r"['’‘`´ʻʼ′＇]")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_QUOTED_CELL = re.compile(r'^="([^"]*)"$')

# UTF-8 that was read as Windows-1252: these first letters with these followers spell nothing in
# any language. Ã Â Ä Å begin two bytes, á» and áº the letters of Vietnamese, â€ quotation marks.
_HIGH = "\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_MOJIBAKE = re.compile(f"[ÃÂÄÅ][{_HIGH}]|Æ[°¡]|á[»º][{_HIGH}]|â€[{_HIGH}]")
_TWICE = 2
_SCIENTIFIC = re.compile(r"^\d(?:\.(\d+)[eE]\+?|[eE]\+)(\d{1,2})$")  # "4E5" may be a code
_WHOLE = re.compile(r"^(\d+)\.0*$")
_FRACTIONS = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")


def repaired(cell: str) -> str:
    """Return text with letters restored that one program wrote as UTF-8 and another read otherwise.

    Only sequences that spell nothing in any language are taken for such, up to twice over.

    Examples
    --------
    >>> repaired("JosÃ©"), repaired("Nguyá»…n"), repaired("JOSÉ’S")
    ('José', 'Nguyễn', 'JOSÉ’S')
    """
    for _ in range(_TWICE):
        cell = _MOJIBAKE.sub(lambda found: _restored(found[0]), cell)
    return cell


def _restored(letters: str) -> str:
    try:
        return b"".join(map(_byte, letters)).decode("utf-8")
    except UnicodeError:
        return letters


def _byte(letter: str) -> bytes:
    # The five bytes that Windows-1252 leaves open come through as control characters.
    return bytes([ord(letter)]) if ord(letter) < 256 else letter.encode("cp1252")


def clean(cell: str) -> str:
    """Return a cell in Unicode form NFKC, one space between words, digits of any script as 0-9.

    Control and format characters and pictures such as emoji are left out.
    """
    if cell.isascii() and cell.isprintable():
        return " ".join(cell.split())
    text = unicodedata.normalize("NFKC", _FRACTIONS.sub(" ", repaired(cell)))
    return " ".join("".join(_plain_character(c) for c in text).split())


def _plain_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    if category in ("Cf", "Cs", "Co", "So") or "\U0001f3fb" <= character <= "\U0001f3ff":
        return ""
    return str(unicodedata.digit(character)) if category == "Nd" else character


def opened(cell: str) -> tuple[str, Outcome | None]:
    """Return a cell cleaned, or what it is when nothing can be read from it.

    Blank, longer than :data:`MAX_CHARACTERS`, a placeholder, a formula instead of its value.
    ``="00123"``, as spreadsheets keep zeros, is its content.
    """
    if len(cell) > MAX_CHARACTERS:
        cell = cell.strip()
        if len(cell) > MAX_CHARACTERS:
            return "", Outcome(None, f"longer than {MAX_CHARACTERS} characters")
    text = clean(cell)
    if not text:
        return "", nothing_left(cell)
    if text[0] == "=":
        quoted = _QUOTED_CELL.match(text)
        text = quoted[1].strip() if quoted else ""
        if not text:
            return "", BLANK if quoted else Outcome(None, "a formula and not its value")
    return text, Outcome(None, "placeholder") if is_placeholder(text) else None


def nothing_left(cell: str, rule: str = "no letters or digits") -> Outcome:
    """Return what a cell is of which cleaning leaves nothing: blank, or rejected by a rule."""
    return Outcome(None, rule) if cell.strip() else BLANK


def is_placeholder(text: str) -> bool:
    """Whether a cleaned cell says that nothing is known, such as "Unknown" or "Baby Boy"."""
    if text in _EXPORTED_NULLS:
        return True
    folded = text.casefold()
    return folded in _PLACEHOLDERS or _REPEATED.match(folded) is not None


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


_PLACEHOLDER_WORDS = frozenset(map(plain_words, _PLACEHOLDERS)) - {""}


def placeholder_words(words: str) -> bool:
    """Whether plain words say that nothing is known, such as those of "(Unknown!)"."""
    return words in _PLACEHOLDER_WORDS or _REPEATED.match(words) is not None


def standard_text(cell: str) -> Outcome:
    """Standardize any text: words only."""
    text, early = opened(cell)
    return early or of_words(plain_words(text))


def of_words(words: str) -> Outcome:
    """Return plain words as an outcome: missing when there are none, or they are a placeholder."""
    if not words:
        return Outcome(None, "no letters or digits")
    return Outcome(None, "placeholder") if placeholder_words(words) else Outcome(words)


def whole_number(text: str) -> str | None:
    """Return a number without the decimals that a spreadsheet added; None if it was rounded.

    Examples
    --------
    >>> whole_number("94110.0"), whole_number("4.155552671E9"), whole_number("4.15555E+09")
    ('94110', '4155552671', None)
    """
    found = _WHOLE.match(text)
    if found:
        return found[1]
    found = _SCIENTIFIC.match(text)
    if found is None:
        return text
    decimals = found[1] or ""
    return text[0] + decimals if len(decimals) == int(found[2]) else None
