"""Amounts of memory: how they are written, and how much there is."""

from __future__ import annotations

import os
import re
from pathlib import Path

from linkkit.errors import OptionError

__all__ = ["available_memory", "bytes_text", "parse_bytes"]

_UNITS = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip
_MOST_DIGITS = 30
_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


def parse_bytes(amount: object, *, option: str) -> int:
    """Return an amount of memory in bytes.

    Parameters
    ----------
    amount : int or str
        Bytes, or a number with a unit: ``"500 MB"``, ``"2 GB"``, ``"1.5 GiB"``.
    option : str
        What it is for, to be named if it is no amount.

    Raises
    ------
    OptionError
        When it is no amount above 0.

    Examples
    --------
    >>> parse_bytes("1.5 GB", option="memory_limit")
    1500000000
    """
    found = _AMOUNT.fullmatch(amount) if isinstance(amount, str) else None
    size = 0
    if isinstance(amount, int) and not isinstance(amount, bool):
        size = amount
    elif found and found[2].lower() in _UNITS and len(found[1]) < _MOST_DIGITS:
        size = int(float(found[1]) * _UNITS[found[2].lower()])
    if size <= 0:
        raise OptionError(
            f"'{option}' is a number of bytes above 0, or text such as '2 GB'",
            hint="Leave it out for the default.",
        )
    return size


def bytes_text(n_bytes: float) -> str:
    """Return an amount of memory as people write it.

    Examples
    --------
    >>> bytes_text(3_069_000_000), bytes_text(512)
    ('3.1 GB', '512 bytes')
    """
    for name, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {name}"
    return f"{n_bytes:.0f} bytes"


def available_memory() -> int | None:
    """Return how many bytes of memory this machine has free for use, if it tells."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
