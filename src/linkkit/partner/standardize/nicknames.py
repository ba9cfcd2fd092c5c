"""Nicknames: one given name for what its bearers are called, where the agreement asks for it.

The table holds facts that were compared with the data set "nicknames" by Carlton Northern
(https://github.com/carltonnorthern/nicknames), and Spanish hypocorisms. It lies here, rather
than in a package of its own release dates, because two parties with two tables would encode two
spellings: its digest is part of the encoding spec.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from linkkit.partner.standardize.outcome import Outcome

__all__ = ["nickname_digest", "without_nicknames"]


def _table() -> str:
    folder = files("linkkit.partner.standardize") / "data"
    return (folder / "nicknames.tsv").read_text(encoding="utf-8")


@cache
def _given_names() -> MappingProxyType[str, str]:
    given_names: dict[str, str] = {}
    for line in _table().splitlines():
        given_name, _, nicknames = line.partition("\t")
        if not line.startswith("#"):
            given_names |= dict.fromkeys(nicknames.split(), given_name)
    return MappingProxyType(given_names)


@cache
def nickname_digest() -> str:
    """Return the start of the table's SHA-256, 16 hexadecimal digits."""
    content = "".join(f"{a}={b};" for a, b in sorted(_given_names().items()))
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def without_nicknames(read: Callable[[str], Outcome]) -> Callable[[str], Outcome]:
    """Return a reader of names that also replaces nicknames.

    Every word of the standard form is looked up. A nickname of several names stands for the one
    that it mostly belongs to, and "Jo" or "Terry", which belong to no one name, stay.

    Examples
    --------
    >>> from linkkit.partner.standardize.names import standard_given_name
    >>> without_nicknames(standard_given_name)("Billy").value
    'william'
    """

    def standard(cell: str) -> Outcome:
        outcome = read(cell)
        if outcome.value is None:
            return outcome
        known = _given_names()
        return Outcome(" ".join(known.get(word, word) for word in outcome.value.split()))

    return standard
