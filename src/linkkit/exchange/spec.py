"""How records were encoded: the public parameters that a linkage unit needs to compare them."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from linkkit.agreement import Compare, FieldKind
from linkkit.agreement.clauses import KeyBy, SaltPart, Standardizing

__all__ = [
    "EncodingSpec",
    "FilterSpec",
    "KeyField",
    "KeySpec",
    "PassField",
    "PassSpec",
    "RecordFilterSpec",
    "SaltField",
    "spec_difference",
]

_CLOSED = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _FieldSpec(BaseModel):
    """What the agreement says of a field beyond its kind; what it does not say is not there.

    ``compare`` is how it is compared, ``nicknames`` the digest of the table by which nicknames
    were replaced, ``region`` whose phone numbers have no country code, if not those of the US.
    """

    model_config = _CLOSED

    compare: Compare | None = None
    nicknames: str | None = None
    region: str | None = None

    @model_serializer(mode="wrap")
    def _stated(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        return {name: value for name, value in content.items() if value is not None}


class FilterSpec(_FieldSpec):
    """The filter of one field.

    ``n_bits`` is its width, a multiple of 64, and ``n_hashes`` how many bits a token sets.
    """

    role: ClassVar[Literal["field"]] = "field"

    name: str
    kind: FieldKind
    n_bits: int = Field(ge=64, multiple_of=64)
    n_hashes: int = Field(ge=1)

    @property
    def n_words(self) -> int:
        """Width in 64-bit words."""
        return self.n_bits // 64


class PassField(_FieldSpec):
    """One field within a pass.

    ``n_hashes`` is how many bits a token sets, and ``typical_tokens`` how many tokens a typical
    value has.
    """

    name: str
    kind: FieldKind
    n_hashes: int = Field(ge=1)
    typical_tokens: int = Field(ge=1)


class SaltField(BaseModel):
    """What of one field's value is part of a salt: ``whole``, a part of a date, a prefix."""

    model_config = _CLOSED

    name: str
    part: SaltPart


class PassSpec(BaseModel):
    """The filter of one pass: several fields together, salted and diffused.

    ``salt`` is what records must agree in to meet in the pass.
    ``n_bits`` is the width, and ``n_inputs`` how many Bloom filters of that width are laid over each
    other by exclusive or.
    """

    model_config = _CLOSED
    role: ClassVar[Literal["pass"]] = "pass"

    name: str
    salt: tuple[SaltField, ...]
    n_bits: Literal[1_024, 2_048, 4_096, 8_192]
    n_inputs: int = Field(ge=1, le=16)
    fields: tuple[PassField, ...]

    @property
    def n_words(self) -> int:
        """Width in 64-bit words."""
        return self.n_bits // 64


class RecordFilterSpec(BaseModel):
    """One filter for the whole record, made by clkhash under a schema.

    ``n_bits`` is any width; the last word is filled up with zeros. ``schema_digest`` is that of
    the linkage schema, and ``standardize`` what was done to values before.
    """

    model_config = _CLOSED
    role: ClassVar[Literal["record"]] = "record"

    name: str
    n_bits: int = Field(ge=1, le=1 << 20)
    schema_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    standardize: Standardizing

    @property
    def n_words(self) -> int:
        """Width in 64-bit words."""
        return -(-self.n_bits // 64)


class KeyField(_FieldSpec):
    """What of one field's value is part of a blocking key: its sound, the ``whole``, a part.

    ``codes`` is, for a sound, the digest of what many syllables are coded as.
    """

    name: str
    kind: FieldKind
    by: KeyBy
    codes: str | None = None


class KeySpec(BaseModel):
    """A blocking key: records that agree in all of its parts have the same digest."""

    model_config = _CLOSED

    name: str
    parts: tuple[KeyField, ...] = Field(min_length=1)


class EncodingSpec(BaseModel):
    """What two parties must share, apart from the secret, for their encodings to compare.

    A spec has ``filters``, one for each field, or ``passes`` over ``fields``, the names of all
    linkage fields, or ``records``, one filter for all fields. ``keys`` are the blocking keys that
    records have beside their filters, where the agreement states some.
    """

    model_config = _CLOSED

    profile: str
    encoding_version: int
    standardization_version: int
    filters: tuple[FilterSpec, ...] = ()
    fields: tuple[str, ...] = ()
    passes: tuple[PassSpec, ...] = ()
    records: tuple[RecordFilterSpec, ...] = ()
    keys: tuple[KeySpec, ...] = ()

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What a profile has no use for does not stand in the spec, nor count in its digest.
        content: dict[str, Any] = handler(self)
        optional = ("fields", "passes", "records", "keys")
        return {name: value for name, value in content.items() if value or name not in optional}

    @property
    def columns(self) -> tuple[FilterSpec | PassSpec | RecordFilterSpec, ...]:
        """All filters of a record: those of fields, of passes, and of the whole record."""
        return (*self.filters, *self.passes, *self.records)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the spec in canonical form, 64 hexadecimal digits."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()


def spec_difference(one: EncodingSpec, other: EncodingSpec) -> str:
    """Say in which parts two specs differ, such as ``"encoding version 1 and 2"``.

    Examples
    --------
    >>> spec = EncodingSpec(
    ...     profile="field", encoding_version=1, standardization_version=1, filters=()
    ... )
    >>> spec_difference(spec, spec.model_copy(update={"standardization_version": 2}))
    'standardization version 1 and 2'
    """
    parts = []
    for name in EncodingSpec.model_fields:
        mine, theirs = getattr(one, name), getattr(other, name)
        if name == "filters":
            parts += _filter_differences(mine, theirs)
        elif name == "keys":
            parts += _key_differences(mine, theirs)
        elif mine != theirs:
            parts.append(f"{name.replace('_', ' ')} {_short(mine)} and {_short(theirs)}")
    return "; ".join(parts)


def _filter_differences(one: tuple[FilterSpec, ...], other: tuple[FilterSpec, ...]) -> list[str]:
    mine, theirs = ({item.name: item for item in filters} for filters in (one, other))
    parts = [f"only one has filter '{name}'" for name in sorted(mine.keys() ^ theirs.keys())]
    for name in sorted(mine.keys() & theirs.keys()):
        parts += [
            f"filter '{name}' has {part} {_plain(getattr(mine[name], part))} and "
            f"{_plain(getattr(theirs[name], part))}"
            for part in FilterSpec.model_fields
            if getattr(mine[name], part) != getattr(theirs[name], part)
        ]
    if one != other and not parts:
        parts.append("the order of their filters")
    return parts


def _key_differences(one: tuple[KeySpec, ...], other: tuple[KeySpec, ...]) -> list[str]:
    mine, theirs = ({item.name: item.parts for item in keys} for keys in (one, other))
    parts = [f"only one has blocking key '{name}'" for name in sorted(mine.keys() ^ theirs.keys())]
    for name in sorted(mine.keys() & theirs.keys()):
        plain = [
            [part.model_copy(update={"codes": None}) for part in key]
            for key in (mine[name], theirs[name])
        ]
        if plain[0] != plain[1]:
            parts.append(f"blocking key '{name}' is made of different parts")
        elif mine[name] != theirs[name]:
            parts.append(
                f"blocking key '{name}' has sounds coded differently, as another version of the "
                "package jellyfish does"
            )
    if one != other and not parts:
        parts.append("the order of their blocking keys")
    return parts


def _plain(value: object) -> str:
    if isinstance(value, Compare):
        return " ".join(f"{k} {v}" for k, v in value.model_dump(exclude_none=True).items())
    return "as its kind" if value is None else str(value)


def _short(value: object) -> str:
    return str(value) if isinstance(value, (str, int, float)) else "of different content"
