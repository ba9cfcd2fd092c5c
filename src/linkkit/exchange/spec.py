"""How records were encoded: the public parameters that a linkage unit needs to compare them."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field

from linkkit.agreement import FieldKind

__all__ = ["EncodingSpec", "FilterSpec"]


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
