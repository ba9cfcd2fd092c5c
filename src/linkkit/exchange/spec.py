"""How records were encoded: the public parameters that a linkage unit needs to compare them."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field

from linkkit.agreement import FieldKind

__all__ = ["EncodingSpec", "FilterSpec", "spec_difference"]


class FilterSpec(BaseModel):
    """One filter of an encoding.

    ``n_bits`` is its width, a multiple of 64, and ``n_hashes`` how many bits a token sets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str
    kind: FieldKind
    n_bits: int = Field(ge=64, multiple_of=64)
    n_hashes: int = Field(ge=1)

    @property
    def n_words(self) -> int:
        """Width in 64-bit words."""
        return self.n_bits // 64


class EncodingSpec(BaseModel):
    """What two parties must share, apart from the secret, for their encodings to compare."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    profile: str
    encoding_version: int
    standardization_version: int
    filters: tuple[FilterSpec, ...]

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
        elif mine != theirs:
            parts.append(f"{name.replace('_', ' ')} {_short(mine)} and {_short(theirs)}")
    return "; ".join(parts)


def _filter_differences(one: tuple[FilterSpec, ...], other: tuple[FilterSpec, ...]) -> list[str]:
    mine, theirs = ({item.name: item for item in filters} for filters in (one, other))
    parts = [f"only one has filter '{name}'" for name in sorted(mine.keys() ^ theirs.keys())]
    for name in sorted(mine.keys() & theirs.keys()):
        parts += [
            f"filter '{name}' has {part} {getattr(mine[name], part)} and "
            f"{getattr(theirs[name], part)}"
            for part in FilterSpec.model_fields
            if getattr(mine[name], part) != getattr(theirs[name], part)
        ]
    if one != other and not parts:
        parts.append("the order of their filters")
    return parts


def _short(value: object) -> str:
    return str(value) if isinstance(value, (str, int, float)) else "of different content"
