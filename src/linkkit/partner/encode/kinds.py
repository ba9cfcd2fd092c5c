"""How each kind of field becomes tokens, and how many bits it gets.

A field's filter is 512 bits wide and each token sets so many of them that a typical value
fills about half (the fill at which a filter tells the most and at which single bits tell an
attacker the least).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from linkkit.agreement import Compare, FieldKind, LinkageField
from linkkit.exchange import FilterSpec
from linkkit.partner.encode.comparison import comparison_tokens, field_options
from linkkit.partner.standardize.damaged_dates import UNREADABLE

__all__ = ["KINDS", "PASS_WEIGHTS", "KindEncoding", "filter_spec", "kind_encoding"]

N_BITS = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class KindEncoding:
    """Tokens of a standardized value, and how many a typical value has."""

    tokens: Callable[[str], Iterator[str]]
    typical_tokens: float

    @property
    def n_hashes(self) -> int:
        """Bits per token that fill half of the filter at a typical value."""
        return round(N_BITS * math.log(2) / self.typical_tokens)


def word_bigrams(value: str) -> Iterator[str]:
    """Bigrams of each word, padded, so that the order of words does not matter.

    Examples
    --------
    >>> sorted(word_bigrams("ana li"))
    ['_a', '_l', 'a_', 'an', 'i_', 'li', 'na']
    """
    for word in value.split():
        padded = f"_{word}_"
        yield from (padded[i : i + 2] for i in range(len(padded) - 1))


def date_parts(value: str) -> Iterator[str]:
    """Each digit at its place, and year, month, day as wholes, for YYYYMMDD.

    Day and month also count without their order, so that a swap keeps most tokens. What cannot be
    read of a damaged date, marked by "?", is in no token.

    Examples
    --------
    >>> len(list(date_parts("20090305")))
    14
    >>> list(date_parts("2009??0?"))
    ['0:2', '1:0', '2:0', '3:9', '6:0', 'y2009']
    """
    yield from (f"{i}:{digit}" for i, digit in enumerate(value) if digit != UNREADABLE)
    year, month, day = value[:4], value[4:6], value[6:]
    parts = (f"y{year}", f"m{month}", f"d{day}", f"u{month}", f"u{day}", f"md{month}{day}")
    yield from (part for part in parts if UNREADABLE not in part)


def digit_places(value: str) -> Iterator[str]:
    """Each character at its place, and each pair of neighbors wherever it stands."""
    yield from (f"{i}:{character}" for i, character in enumerate(value))
    yield from (value[i : i + 2] for i in range(len(value) - 1))


def whole(value: str) -> Iterator[str]:
    """The value itself: equal or not, nothing between."""
    yield value


def address_parts(value: str) -> Iterator[str]:
    """Words with a digit as wholes and by place, other words as bigrams."""
    for word in value.split():
        if any(c.isdigit() for c in word):
            yield f"#{word}"
            yield from (f"#{i}:{c}" for i, c in enumerate(word))
        else:
            yield from word_bigrams(word)


def email_parts(value: str) -> Iterator[str]:
    """Bigrams of the part before the at sign, and the domain as a whole."""
    local, _, domain = value.partition("@")
    yield from word_bigrams(local)
    yield f"@{domain}"


KINDS: dict[FieldKind, KindEncoding] = {
    "given_name": KindEncoding(tokens=word_bigrams, typical_tokens=7),
    "surname": KindEncoding(tokens=word_bigrams, typical_tokens=8),
    "name": KindEncoding(tokens=word_bigrams, typical_tokens=15),
    "guardian_name": KindEncoding(tokens=word_bigrams, typical_tokens=15),
    "date": KindEncoding(tokens=date_parts, typical_tokens=14),
    "sex": KindEncoding(tokens=whole, typical_tokens=1),
    "street_address": KindEncoding(tokens=address_parts, typical_tokens=17),
    "city": KindEncoding(tokens=word_bigrams, typical_tokens=10),
    "postal_code": KindEncoding(tokens=digit_places, typical_tokens=9),
    "phone": KindEncoding(tokens=digit_places, typical_tokens=19),
    "email": KindEncoding(tokens=email_parts, typical_tokens=12),
    "identifier": KindEncoding(tokens=digit_places, typical_tokens=15),
    "ssn4": KindEncoding(tokens=digit_places, typical_tokens=7),
    "number": KindEncoding(tokens=whole, typical_tokens=1),
    "text": KindEncoding(tokens=word_bigrams, typical_tokens=14),
}

PASS_WEIGHTS: dict[FieldKind, float] = {
    "given_name": 1.4,
    "surname": 1.0,
    "name": 2.2,
    "guardian_name": 0.6,
    "date": 1.5,
    "sex": 0.1,
    "street_address": 0.8,
    "city": 0.4,
    "postal_code": 0.3,
    "phone": 0.6,
    "email": 0.6,
    "identifier": 1.0,
    "ssn4": 0.7,
    "number": 0.2,
    "text": 0.6,
}
"""How much of a pass's filter each kind gets. More for what tells one person from another of the
same household, and less for what many share; none so much that it could be read off alone."""


def kind_encoding(kind: FieldKind, compare: Compare | None = None) -> KindEncoding:
    """Return how a field becomes tokens: as its kind does, or as the agreement says."""
    if compare is None:
        return KINDS[kind]
    tokens, typical_tokens = comparison_tokens(kind, compare)
    return KindEncoding(tokens=tokens, typical_tokens=typical_tokens)


def filter_spec(name: str, field: LinkageField) -> FilterSpec:
    """Return the public parameters of a field's filter."""
    n_hashes = kind_encoding(field.kind, field.compare).n_hashes
    return FilterSpec(
        name=name, kind=field.kind, n_bits=N_BITS, n_hashes=n_hashes, **field_options(field)
    )
