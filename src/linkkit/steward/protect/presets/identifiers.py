"""Columns that look like one of the 18 classes of identifiers, by their name or their cells.

The classes are those of 45 CFR 164.514(b)(2)(i). What is found is a hint and no proof, and what
is not found may still be an identifier: names of people, for one, are only found by the name of
their column.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute

from linkkit.steward.protect.transforms.frames import arrow_column, open_frame

__all__ = ["Declared", "IdentifierClass", "Suspicion", "undeclared_identifiers"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

IdentifierClass = Literal[
    "name",
    "geography",
    "date",
    "phone",
    "fax",
    "email",
    "ssn",
    "medical_record",
    "health_plan",
    "account",
    "license",
    "vehicle",
    "device",
    "url",
    "ip",
    "biometric",
    "photo",
    "other",
]
"""The 18 classes, in the order of the rule, (A) to (R)."""

Declared = IdentifierClass | Literal["zip", "birth_date", "birth_year", "age", "not_identifier"]
"""What a column is. ``zip`` is of the class ``geography``; ``birth_date``, ``birth_year`` and
``age`` are of the class ``date``; ``not_identifier`` says that somebody looked and it is none."""

STUDY_ID = "study_id"
"""Made from random numbers under a key, so a code as 164.514(c) allows it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspicion:
    """A column that looks like an identifier and was not declared.

    Attributes
    ----------
    column : str
        Its name.
    identifier : IdentifierClass
        What it looks like.
    found_in : {"name", "cells", "type"}
        Where that shows: in the column's name, in cells, or in the column's type.
    n_cells : int
        How many cells look so; all that are not missing unless found in cells.
    """

    column: str
    identifier: IdentifierClass
    found_in: Literal["name", "cells", "type"]
    n_cells: int


def undeclared_identifiers(table: Any, *, declared: Collection[str] = ()) -> tuple[Suspicion, ...]:
    """Find columns that look like identifiers.

    Parameters
    ----------
    table : pandas, Polars or Arrow table
        Any table of people.
    declared : collection of str
        Columns that are not looked at, because it is known what they are.

    Returns
    -------
    tuple of Suspicion
        In the order of the columns; each column and class once.

    Raises
    ------
    OptionError
        When it is no table.
    ProtectionError
        When a column mixes types.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"contact": ["ask a@b.org", "none"], "score": [1, 2], "MRN": [7, 8]})
    >>> for found in undeclared_identifiers(table):
    ...     print(found.column, found.identifier, found.found_in, found.n_cells)
    contact email cells 1
    MRN medical_record name 2
    """
    frame = open_frame(table)
    found: list[Suspicion] = []
    for name in frame.columns:
        if name not in declared and name != STUDY_ID:
            found += _suspicions(str(name), arrow_column(frame, name))
    return tuple(found)


def _suspicions(name: str, column: pa.Array) -> Iterator[Suspicion]:
    seen: set[IdentifierClass] = set()
    n_present = len(column) - column.null_count
    words = _words(name)
    for identifier, pattern in _NAMES.items():
        if pattern.search(words):
            seen.add(identifier)
            yield Suspicion(column=name, identifier=identifier, found_in="name", n_cells=n_present)
    kind = column.type
    if (pa.types.is_date(kind) or pa.types.is_timestamp(kind)) and "date" not in seen:
        yield Suspicion(column=name, identifier="date", found_in="type", n_cells=n_present)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        for identifier, n in _counted(column).items():
            if n and identifier not in seen:
                yield Suspicion(column=name, identifier=identifier, found_in="cells", n_cells=n)


def _words(name: str) -> str:
    """Return a column's name as words in lower case."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.sub(r"[^a-z0-9]+", " ", parted.lower()).strip()


_NAME_PATTERNS: tuple[tuple[IdentifierClass, str], ...] = (
    (
        "name",
        r"(?:first|last|given|family|middle|maiden|full|patient|guardian|mothers?|fathers?|"
        r"parent|spouse|student|pupil|child|person|member|client|employee|user) ?names?|"
        r"surnames?|[fl]names?|forenames?|nicknames?|initials|alias|^names?$",
    ),
    (
        "geography",
        r"street|address|addr|city|town|village|county|parish|precinct|zip|zip ?code|zip ?[359]|"
        r"postal|postal ?code|postcode|census tract|tract|block group|lat|latitude|lon|lng|"
        r"longitude|geocode|geohash|neighbou?rhood",
    ),
    (
        "date",
        r"date|dates|dob|dod|birth ?date|birth ?day|birth ?year|year of birth|yob|birth|born|"
        r"death|died|admission|admitted|discharged?|age|ages|timestamp|datetime",
    ),
    ("phone", r"phones?|telephone|tel|mobile|cell ?phone|cell ?number|pager"),
    ("fax", r"fax|telefax"),
    ("email", r"e ?mails?"),
    ("ssn", r"ssn|ssn ?4|social security|sin|national insurance"),
    ("medical_record", r"mrn|medical record|chart (?:no|num|number|id)|patient id"),
    (
        "health_plan",
        r"health plan|beneficiary|medicaid|medicare|mbi|hicn|member id|subscriber|"
        r"policy (?:no|num|number|id)|insurance (?:no|num|number|id)",
    ),
    ("account", r"account|acct|iban|card number|credit card"),
    ("license", r"licen[cs]e|certificate|driver s?|drivers|passport|npi|dea"),
    ("vehicle", r"vin|vehicle|license plate|plate (?:no|num|number)"),
    ("device", r"device|serial|imei|udi|mac address"),
    ("url", r"urls?|website|web page|homepage"),
    ("ip", r"ip|ip ?address|ipv[46]"),
    ("biometric", r"finger ?prints?|voice ?prints?|retina|biometrics?|iris scan|dna|genome"),
    ("photo", r"photos?|photographs?|pictures?|images?|face"),
    (
        "other",
        r"ids?|identifier|uuid|guid|user ?name|login|record (?:no|num|number)|"
        r"student (?:no|num|number)|case (?:no|num|number)|barcode|token",
    ),
)
_NAMES: Mapping[IdentifierClass, re.Pattern[str]] = {
    identifier: re.compile(rf"\b(?:{pattern})\b") for identifier, pattern in _NAME_PATTERNS
}


class _Form(NamedTuple):
    """How cells of a class look: a pattern of RE2, and what else must hold of what it finds."""

    pattern: str
    holds: Callable[[str], bool] | None = None


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_card(text: str) -> bool:
    """Whether the check digit of a payment card holds (ISO/IEC 7812-1)."""
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[1::2]]
    return (
        13 <= len(digits) <= 19
        and len(set(digits)) > 1
        and (sum(digits[::2]) + sum(doubled)) % 10 == 0
    )


_VIN_VALUES = {
    **{str(d): d for d in range(10)},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def _is_vin(text: str) -> bool:
    """Whether the check digit of a vehicle holds (49 CFR 565.15(c))."""
    total = sum(_VIN_VALUES[c] * w for c, w in zip(text.upper(), _VIN_WEIGHTS, strict=True))
    return "0123456789X"[total % 11] == text[8].upper()


_CELLS: Mapping[IdentifierClass, tuple[_Form, ...]] = {
    "email": (_Form(r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+"),),
    "url": (_Form(r"(?i)\b(?:https?://|ftp://|www\.)[^\s]+"),),
    "ip": (
        _Form(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", _is_ip),
        _Form(r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}", _is_ip),
    ),
    "ssn": (_Form(r"\b\d{3}-\d{2}-\d{4}\b", lambda text: text[:3] not in ("000", "666")),),
    "phone": (
        _Form(r"(?:\+?1[\-. ]?)?(?:\(\d{3}\) ?|\b\d{3}[\-. ])\d{3}[\-. ]\d{4}\b"),
        _Form(r"\+\d{1,3}[\-. ]?\(?\d{1,4}\)?(?:[\-. ]?\d{2,4}){2,4}\b"),
    ),
    "medical_record": (_Form(r"(?i)\bMRN\b[ :#]*[A-Z]{0,3}\d{4,}"),),
    "account": (_Form(r"\b\d(?:[ \-]?\d){12,18}\b", _is_card),),
    "vehicle": (_Form(r"(?i)\b[A-HJ-NPR-Z0-9]{17}\b", _is_vin),),
    "device": (_Form(r"\b[0-9A-Fa-f]{2}(?:[:\-][0-9A-Fa-f]{2}){5}\b"),),
    "date": (
        _Form(r"\b(?:18|19|20)\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:\b|T)"),
        _Form(r"\b\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})\b"),
        _Form(r"\b\d{1,2}\.\d{1,2}\.(?:18|19|20)\d{2}\b"),
    ),
    "geography": (
        _Form(r"\b\d{5}-\d{4}\b"),
        _Form(
            r"(?i)\b\d{1,5} (?:[A-Za-z'.]+ ){1,3}(?:street|st|avenue|ave|road|rd|boulevard|blvd|"
            r"lane|ln|drive|dr|court|ct|place|pl)\b"
        ),
    ),
}


def _counted(column: pa.Array) -> dict[IdentifierClass, int]:
    """Return how many cells look like each class."""
    counted = column.drop_null().value_counts()
    texts, counts = counted.field("values"), counted.field("counts").to_numpy(zero_copy_only=False)
    found: dict[IdentifierClass, int] = {}
    for identifier, forms in _CELLS.items():
        hits = [_hits(texts, form) for form in forms]
        places = sorted(set().union(*hits))
        found[identifier] = int(counts[places].sum())
    return found


def _hits(texts: pa.Array, form: _Form) -> set[int]:
    mask = pc.match_substring_regex(texts, form.pattern).to_numpy(zero_copy_only=False)
    places: set[int] = set(mask.nonzero()[0].tolist())
    if form.holds is None or not places:
        return places
    pattern = re.compile(form.pattern)
    return {
        i
        for i in places
        if any(form.holds(match.group()) for match in pattern.finditer(texts[i].as_py()))
    }
