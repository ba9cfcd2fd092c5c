"""Street addresses: one spelling for what is abbreviated in many ways."""

from __future__ import annotations

from linkkit.partner.standardize.outcome import Outcome
from linkkit.partner.standardize.text import standard_text

__all__ = ["standard_address"]

# Common abbreviations of USPS Publication 28, appendices C1 (street suffixes) and C2 (units),
# and of directions.
_SHORT = {
    long: short
    for short, longs in {
        "ave": "avenue av aven avenu",
        "st": "street str strt",
        "rd": "road",
        "dr": "drive drv",
        "ln": "lane",
        "ct": "court crt",
        "pl": "place plc",
        "blvd": "boulevard boul blv",
        "ter": "terrace terr tce",
        "cir": "circle circ crcl circuit cct",
        "pkwy": "parkway pky parkwy",
        "hwy": "highway hiway",
        "sq": "square sqr",
        "trl": "trail",
        "cres": "crescent cresent",
        "cl": "close",
        "pde": "parade",
        "n": "north",
        "s": "south",
        "e": "east",
        "w": "west",
        "ne": "northeast",
        "nw": "northwest",
        "se": "southeast",
        "sw": "southwest",
        "mt": "mount",
        "ft": "fort",
    }.items()
    for long in longs.split()
}
_UNIT_WORDS = frozenset("apt apartment unit ste suite no number num rm room flat lot spc".split())


def standard_address(cell: str) -> Outcome:
    """Standardize a street address: abbreviated suffixes and directions, no unit words.

    Examples
    --------
    >>> standard_address("1200 North 5th Street, Apt. #4").value
    '1200 n 5th st 4'
    """
    outcome = standard_text(cell)
    if outcome.value is None:
        return outcome
    standard = f" {outcome.value} ".replace(" p o box ", " po box ").split()
    words = [_SHORT.get(word, word) for word in standard]
    kept = [word for word in words if word not in _UNIT_WORDS]
    return Outcome(" ".join(kept or words))
