"""Codes by their first characters, and postal codes of the countries that are known.

What the parts of a postal code stand for: US ZIP and ZIP+4 (United States Postal Service,
Publication 28), forward sortation area and postal district (Canada Post, Addressing Guidelines),
area, district, sector and unit (Royal Mail, PAF Programmers' Guide), Leitzone and Leitregion
(Deutsche Post).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from linkkit.agreement import Generalization, PostalCodes, PostalCountry
from linkkit.errors import ProtectionError
from linkkit.steward.protect.hierarchies.steps import TOP, Plan, Step
from linkkit.steward.protect.hierarchies.values import Values

__all__ = ["plan_postal", "plan_prefixes", "standard_code"]

_US = re.compile(r"(\d{3}|\d{5})|(\d{5})[- ]?(\d{4})")
_CA = re.compile(r"([ABCEGHJ-NPR-TVXY]\d[ABCEGHJ-NPR-TV-Z])(?:[ -]?(\d[ABCEGHJ-NPR-TV-Z]\d))?")
_GB = re.compile(r"([A-Z]{1,2}\d[A-Z\d]?)(?: ?(\d[ABD-HJLNP-UW-Z]{2}))?|(GIR) ?(0AA)")
_DE = re.compile(r"(\d{5})")
_AREA = re.compile(r"[A-Z]+")
_N_DIGITS = 5
_FSA = 3


def plan_prefixes(values: Values, ways: Generalization) -> Plan:
    """Plan one level for each length; what is cut off is shown as ``*``."""
    texts = values.texts
    longest = max(map(len, texts), default=0)
    return Plan(
        steps=[_prefix_step(texts, length, longest) for length in ways.prefixes or ()],
        shown_as="level",
    )


def _prefix_step(texts: Sequence[str], length: int, longest: int) -> Step:
    stars = TOP * max(0, longest - length)
    if not stars:
        return Step(description="kept as it is", labels=list(texts), keeps_values=True)
    return Step(
        description=f"first {length} characters" if length > 1 else "first character",
        labels=[text[:length] + stars for text in texts],
    )


def plan_postal(variable: str, values: Values, codes: PostalCodes) -> Plan:
    """Plan the levels of a country's postal codes.

    Raises
    ------
    ProtectionError
        When values are none of its postal codes.
    """
    numbers = values.kind in ("whole", "real")
    found = [standard_code(text, codes.country, number=numbers) for text in values.texts]
    problems = values.told(
        [code is None for code in found], f"are no postal codes of {codes.country}"
    )
    if problems:
        raise ProtectionError(
            [f"quasi-identifier '{variable}': {problem}" for problem in problems],
            hint="Correct them, make them missing, or use 'prefixes' for other codes.",
        )
    known = [code for code in found if code is not None]
    return Plan(
        steps=[_postal_step(known, values.texts, codes.country, level) for level in codes.kept],
        shown_as="level",
    )


def standard_code(text: str, country: PostalCountry, *, number: bool = False) -> str | None:
    """Return a postal code as it is written in its country, or None where it is none.

    The first part alone is one, too: a ZIP of three digits, a forward sortation area, an
    outward code. A `number` has lost the zeros in front.

    Examples
    --------
    >>> standard_code("981011234", "US"), standard_code("2139", "US", number=True)
    ('98101-1234', '02139')
    >>> standard_code("k1a0b1", "CA"), standard_code("sw1a1aa", "GB"), standard_code("1067", "DE")
    ('K1A 0B1', 'SW1A 1AA', None)
    """
    text = text.strip().upper()
    if number and text.isdigit():
        text = text.zfill(_N_DIGITS if len(text) <= _N_DIGITS else _N_DIGITS + 4)
    pattern, joint = _FORMS[country]
    match = pattern.fullmatch(text)
    return joint.join(part for part in match.groups() if part) if match else None


_FORMS: Mapping[PostalCountry, tuple[re.Pattern[str], str]] = {
    "US": (_US, "-"),
    "CA": (_CA, " "),
    "GB": (_GB, " "),
    "DE": (_DE, ""),
}


def _postal_step(
    codes: Sequence[str], texts: Sequence[str], country: PostalCountry, level: int | str
) -> Step:
    labels = [_CUTS[country](code, level) for code in codes]
    if labels == list(texts):
        return Step(description="kept as it is", labels=labels, keeps_values=True)
    words = f"the postal {level}" if isinstance(level, str) else f"first {level} characters"
    return Step(description="first character" if level == 1 else words, labels=labels)


def _digits(code: str, level: int | str) -> str:
    if level == _N_DIGITS + 4:
        return code.ljust(_N_DIGITS, TOP)
    return code[: int(level)].ljust(_N_DIGITS, TOP)


def _canadian(code: str, level: int | str) -> str:
    if level == 2 * _FSA:
        return code if len(code) > _FSA else f"{code} ***"
    return f"{code[: int(level)].ljust(_FSA, TOP)} ***"


def _british(code: str, level: int | str) -> str:
    outward, _, inward = code.partition(" ")
    if level == "unit":
        return code
    if level == "sector":
        return f"{outward} {inward[0]}" if inward else outward
    if level == "district":
        return outward
    match = _AREA.match(outward)
    return match.group() if match else outward


_CUTS: Mapping[PostalCountry, Callable[[str, int | str], str]] = {
    "US": _digits,
    "CA": _canadian,
    "GB": _british,
    "DE": _digits,
}
