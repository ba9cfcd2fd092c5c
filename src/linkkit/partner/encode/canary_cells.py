"""Cells of canary records: made up from random bytes, and messy on purpose.

Nobody real is described: names are chains of syllables, phone numbers are those set apart for
fiction (555-01xx), mail addresses end in ``example.org`` (RFC 2606). Another list or another
order here makes other canaries at one site than at the other: raise the encoding version with it.
No function whose result depends on a version of Unicode is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from linkkit.agreement import FieldKind

__all__ = ["canary_cell"]

_SYLLABLES = (
    "ba be bé BE\u0301 bjö ca CHÉ cze Da DO đa e fa \ufb01 GU u\u0308 hy ĩ Ja jañ ka KO łu ma "
    "mé NA ngọ nü o Ô pa phù ra řE sa Şi ß ta þo u va wi XA ya Žu za \uff4e\uff4f Ⅳ 李 Мар æ ø"
).split()
_FIRST_WORDS = ("", "", "", "", "", "Dr. ", "Ms ", "mr ", "St. ", "de la ", "O'", "Mc", "  ")
_LAST_WORDS = ("", "", "", "", "", " Jr.", " III", ", MD", " (", "-", "\u2019", " de", "\u00a0")
_JOINTS = ("", "", "", "", "", "", " ", "-", "'", "\u2019", ".", "\u2010", "\u200b")
_STREETS = ("St", "Street", "AVE.", "Avenue", "Blvd", "rd", "Ln", "Highway", "Pkwy", "Court")
_SIDES = ("", "", "N. ", "North ", "sw ", "E ")
_UNITS = ("", "", " Apt 4B", " #12", " Unit c", ", Suite 200", " P.O. Box 9", " \u00bd")
_SEXES = (
    "F M f m female Male X nonbinary U 1 2 girl boy W D unknown other FEMALE transgender".split()
)
_PLACEHOLDERS = (
    "", "", "Unknown", "N/A", "none", "-", "xxx", "Baby Boy", "999999999", "test", "?", "1900-01-01"
)  # fmt: skip
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_LONGEST = 4


class _Draws:
    """Choices by the bytes of a stream, one after the other."""

    def __init__(self, stream: bytes) -> None:
        self._bytes = iter(stream)

    def number(self, n: int) -> int:
        """Return a number below `n`, at most 256; hardly biased, which does not matter here."""
        return next(self._bytes) % n

    def choose(self, items: Sequence[str]) -> str:
        """Return one of up to 256 items."""
        return items[self.number(len(items))]


def canary_cell(kind: FieldKind, stream: bytes) -> str:
    """Make up a cell.

    Parameters
    ----------
    kind : str
        What the linkage field holds.
    stream : bytes
        32 random bytes, which decide.

    Returns
    -------
    str
        The cell; one in 16 is blank or holds a placeholder.

    Examples
    --------
    >>> canary_cell("phone", bytes(range(1, 33)))
    '1-202-555-0103 x12'
    """
    draw = _Draws(stream)
    if draw.number(16) == 0:
        return draw.choose(_PLACEHOLDERS)
    return _MAKERS[kind](draw)


def _word(draw: _Draws) -> str:
    parts = [draw.choose(_SYLLABLES)]
    for _ in range(1 + draw.number(_LONGEST)):
        parts += [draw.choose(_JOINTS), draw.choose(_SYLLABLES)]
    return "".join(parts)


def _name(draw: _Draws) -> str:
    return draw.choose(_FIRST_WORDS) + _word(draw) + draw.choose(_LAST_WORDS)


def _whole_name(draw: _Draws) -> str:
    given, surname = _word(draw), _word(draw)
    return f"{surname}, {given}" if draw.number(2) else f"{given} {surname}"


def _date(draw: _Draws) -> str:
    year, month, day = 1940 + draw.number(75), 1 + draw.number(12), 1 + draw.number(28)
    forms = (
        f"{month:02}/{day:02}/{year}",
        f"{month}/{day}/{year}",
        f"{month}/{day}/{year % 100:02}",
        f"{year}-{month:02}-{day:02}",
        f"{year}-{month:02}-{day:02} 00:00:00",
        f"{_MONTHS[month - 1]} {day}, {year}",
    )
    return draw.choose(forms)


def _address(draw: _Draws) -> str:
    number, side = 1 + draw.number(250), draw.choose(_SIDES)
    return f"{number} {side}{_word(draw)} {draw.choose(_STREETS)}{draw.choose(_UNITS)}"


def _postal_code(draw: _Draws) -> str:
    code = f"{draw.number(10)}{draw.number(10)}{draw.number(10)}{draw.number(10)}{draw.number(10)}"
    return draw.choose((code, code, f"{code}-0123", f" {code}", code[1:], f"{code}.0"))


def _phone(draw: _Draws) -> str:
    area, line = 200 + draw.number(200), draw.number(100)
    forms = (
        f"555-01{line:02}",
        f"({area}) 555-01{line:02}",
        f"{area}.555.01{line:02}",
        f"+1 {area} 555 01{line:02}",
        f"1-{area}-555-01{line:02} x12",
        f"{area}55501{line:02}.0",
    )
    return draw.choose(forms)


def _email(draw: _Draws) -> str:
    user = f"{draw.choose('abc')}.canary{draw.number(200)}"
    return draw.choose((f"{user}@example.org", f" {user}+x@Example.ORG ", f"<{user}@example.org>"))


def _identifier(draw: _Draws) -> str:
    code = f"{draw.choose('AbZ')}{draw.choose(('', '-', ' '))}{draw.number(256):06}"
    return draw.choose((code, code, f"00{code}", f"{code}.0", f"#{code}"))


def _ssn4(draw: _Draws) -> str:
    digits = f"{draw.number(10)}{draw.number(10)}{draw.number(10)}{draw.number(10)}"
    return draw.choose((digits, digits, f"xxx-xx-{digits}", f"900-70-{digits}", f"{digits}.0"))


def _number(draw: _Draws) -> str:
    number = draw.number(256)
    return draw.choose((f"{number}", f"{number}.0", f"{number}.50", f"-{number}", f"1,{number:03}"))


_MAKERS: dict[FieldKind, Callable[[_Draws], str]] = {
    "given_name": _name,
    "surname": _name,
    "name": _whole_name,
    "guardian_name": _whole_name,
    "date": _date,
    "sex": lambda draw: draw.choose(_SEXES),
    "street_address": _address,
    "city": _name,
    "postal_code": _postal_code,
    "phone": _phone,
    "email": _email,
    "identifier": _identifier,
    "ssn4": _ssn4,
    "number": _number,
    "text": _whole_name,
}
