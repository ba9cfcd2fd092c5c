"""Passes in words: what records must agree in to meet, and what the filters of a pass cover."""

from __future__ import annotations

from linkkit.exchange import EncodingSpec, SaltField

__all__ = ["pass_rows", "salt_text"]

_PARTS = {
    "year": "year of ",
    "year_day": "year and day of ",
    "month_day": "month and day of ",
    "house": "house number and first letters of ",
}


def pass_rows(spec: EncodingSpec) -> tuple[tuple[str, str, str], ...]:
    """Return for each pass its name, its salt and its fields, in words; nothing without passes."""
    return tuple(
        (
            _spaced(item.name),
            ", ".join(salt_text(part) for part in item.salt),
            ", ".join(_spaced(field.name) for field in item.fields),
        )
        for item in spec.passes
    )


def salt_text(salt: SaltField) -> str:
    """Return what of a field is part of a salt.

    Examples
    --------
    >>> salt_text(SaltField(name="birth_date", part="month_day"))
    'month and day of birth date'
    >>> (
    ...     salt_text(SaltField(name="surname", part=1)),
    ...     salt_text(SaltField(name="phone", part="whole")),
    ... )
    ('first letter of surname', 'phone')
    """
    name = _spaced(salt.name)
    if isinstance(salt.part, int):
        n = abs(salt.part)
        which = "first" if salt.part > 0 else "last"
        return f"{which} {'letter' if n == 1 else f'{n} letters'} of {name}"
    return f"{_PARTS.get(salt.part, '')}{name}"


def _spaced(name: str) -> str:
    return name.replace("_", " ")
