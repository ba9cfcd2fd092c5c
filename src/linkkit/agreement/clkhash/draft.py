"""A first draft of an agreement's linkage fields, from a clkhash schema."""

from __future__ import annotations

import re
from typing import Any

from linkkit.agreement.clauses import FieldKind
from linkkit.agreement.clkhash.parts import DateFormat
from linkkit.agreement.clkhash.schema import ClkFeature, ClkSchema

__all__ = ["draft_fields"]

_WORDS: tuple[tuple[str, FieldKind], ...] = (
    ("mail", "email"),
    ("phone|mobile|telephone", "phone"),
    ("zip|post ?code|postal", "postal_code"),
    ("suburb|city|town|locality", "city"),
    ("address|street", "street_address"),
    ("gender|sex", "sex"),
    ("guardian|parent", "guardian_name"),
    ("surname|last|family", "surname"),
    ("given|first|forename", "given_name"),
    ("name", "name"),
    ("birth|dob", "date"),
    ("id|number|no|ssn|mrn", "identifier"),
)


def draft_fields(schema: ClkSchema) -> dict[str, dict[str, Any]]:
    """Guess a linkage field for each hashed feature: its name, kind and feature.

    Examples
    --------
    >>> from linkkit.agreement.clkhash import read_clk_schema
    >>> hashing = {"comparison": {"type": "exact"}, "strategy": {"bitsPerFeature": 20}}
    >>> feature = {"identifier": "LAST NAME", "format": {"type": "string"}, "hashing": hashing}
    >>> config = {"l": 1024, "kdf": {"type": "HKDF"}}
    >>> schema = read_clk_schema({"version": 3, "clkConfig": config, "features": [feature]})
    >>> draft_fields(schema)
    {'last_name': {'kind': 'surname', 'feature': 'LAST NAME'}}
    """
    fields: dict[str, dict[str, Any]] = {}
    for feature in schema.features:
        name = _free(_name(feature.identifier), set(fields))
        fields[name] = {"kind": _kind(feature)}
        if name != feature.identifier:
            fields[name]["feature"] = feature.identifier
    return fields


def _name(identifier: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", identifier.lower()).strip("_")
    return (plain if plain[:1].isalpha() else f"field_{plain}".rstrip("_"))[:60]


def _free(name: str, taken: set[str]) -> str:
    numbered = (f"{name}_{i}" for i in range(2, len(taken) + 3))
    return name if name not in taken else next(x for x in numbered if x not in taken)


def _kind(feature: ClkFeature) -> FieldKind:
    if isinstance(feature.format, DateFormat):
        return "date"
    words = re.sub(r"[^a-z]+", " ", feature.identifier.lower())
    for pattern, kind in _WORDS:
        if re.search(rf"\b({pattern})|({pattern})\b", words):
            return kind
    return "text"
