"""Tokens of fields that the agreement compares otherwise than their kind usually is.

Runs inside a party. In: a standardized value and the agreement's ``compare``. Out: tokens, of
which two values have the more in common the more alike they are.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Any

from linkkit.agreement import Compare, FieldKind, LinkageField
from linkkit.partner.standardize.nicknames import nickname_digest

__all__ = ["comparison_tokens", "field_options", "near_values", "qgrams"]

_PAD = "_"

_CHARACTERS_AND_WORDS: dict[FieldKind, tuple[int, int]] = {
    "given_name": (6, 1),
    "surname": (7, 1),
    "name": (13, 2),
    "guardian_name": (13, 2),
    "date": (8, 1),
    "street_address": (13, 4),
    "city": (9, 1),
    "postal_code": (5, 1),
    "phone": (10, 1),
    "email": (20, 1),
    "identifier": (8, 1),
    "ssn4": (4, 1),
    "text": (12, 2),
}
"""How long a typical value of a kind is."""


def field_options(field: LinkageField) -> dict[str, Any]:
    """Return what an encoding spec says of a field beyond its kind, without what is usual."""
    return {
        "compare": field.compare,
        "nicknames": nickname_digest() if field.nicknames else None,
        "region": None if field.region == "US" else field.region,
    }


def comparison_tokens(
    kind: FieldKind, compare: Compare
) -> tuple[Callable[[str], Iterator[str]], float]:
    """Return how a field's values are cut into tokens, and how many a typical value has.

    Parameters
    ----------
    kind : str
        The field's kind.
    compare : Compare
        What the agreement says.

    Examples
    --------
    >>> from linkkit.agreement import Compare
    >>> tokens, typical_tokens = comparison_tokens("surname", Compare(by="qgrams", q=3))
    >>> list(tokens("li")), typical_tokens
    (['__l', '_li', 'li_', 'i__'], 9)
    """
    if compare.by == "exact":
        return _whole, 1
    if compare.by == "distance":
        step = Decimal(str(compare.step))
        on_grid = _day if kind == "date" else Decimal
        return partial(near_values, read=on_grid, step=step, n_tokens=compare.n_steps), (
            compare.n_steps
        )
    q, padded = compare.q or 2, compare.padded is not False
    n_characters, n_words = _CHARACTERS_AND_WORDS[kind]
    typical = n_characters + (q - 1) * n_words * (1 if padded else -1)
    cut = partial(qgrams, q=q, padded=padded, positional=compare.positional is True)
    return cut, max(typical, 1)


def _whole(value: str) -> Iterator[str]:
    yield value


def qgrams(value: str, *, q: int, padded: bool, positional: bool) -> Iterator[str]:
    """Cut each word into pieces of `q` characters, so that the order of words does not matter.

    Parameters
    ----------
    value : str
        A standardized value.
    q : int
        Length of a piece, 1 to 3. A word that is shorter is one piece.
    padded : bool
        Whether ``q - 1`` marks stand before and after each word, so that its first and last
        characters count for more.
    positional : bool
        Whether a piece counts only at its place in the word.

    Examples
    --------
    >>> list(qgrams("ana li", q=2, padded=False, positional=True))
    ['0:an', '1:na', '0:li']
    """
    pad = _PAD * (q - 1) if padded else ""
    for word in value.split():
        text = f"{pad}{word}{pad}"
        for place in range(max(len(text) - q + 1, 1)):
            piece = text[place : place + q]
            yield f"{place}:{piece}" if positional else piece


def near_values(
    value: str, *, read: Callable[[str], Decimal], step: Decimal, n_tokens: int
) -> Iterator[str]:
    """Yield the values from this one upwards, a step apart.

    Two values that lie `d` steps apart share all but `d` of their tokens, so that their Dice
    coefficient is ``1 - d / n_tokens``, down to zero (the neighborhood tokens of Vatsalan and
    Christen, "Privacy-preserving matching of similar patients", Journal of Biomedical
    Informatics 59, 2016, on one side of the value instead of both, which shares as much).

    Parameters
    ----------
    value : str
        A standardized number or date.
    read : callable
        Turns it into a number.
    step : Decimal
        Distance between two tokens.
    n_tokens : int
        How many.

    Examples
    --------
    >>> list(near_values("12.4", read=Decimal, step=Decimal(1), n_tokens=3))
    ['12', '13', '14']
    """
    steps = (read(value) / step).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    yield from (str(int(steps) + i) for i in range(n_tokens))


def _day(value: str) -> Decimal:
    return Decimal(dt.date(int(value[:4]), int(value[4:6]), int(value[6:])).toordinal())
