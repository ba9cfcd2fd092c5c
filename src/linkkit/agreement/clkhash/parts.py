"""What a clkhash linkage schema of version 3 is made of, as frozen models.

A part keeps the keys that clkhash reads over without a word in ``model_extra``, where the
linter finds them, and forbids those that clkhash forbids.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictStr,
    Tag,
    field_validator,
    model_validator,
)

__all__ = [
    "BitsPerFeature",
    "BitsPerToken",
    "BlakeHash",
    "ClkConfig",
    "DateFormat",
    "DoubleHash",
    "EnumFormat",
    "Exact",
    "HashedFeature",
    "Hashing",
    "Hkdf",
    "IgnoredFeature",
    "IntegerFormat",
    "MissingValue",
    "NGram",
    "Numeric",
    "PatternFormat",
    "SchemaDocument",
    "TextFormat",
]

_LONGEST_FILTER = 1 << 20
_MOST_BITS_SET = 1_000_000
_BLAKE2B_KEY_BYTES = 64
_HKDF_BLOCKS = 255
_DIGEST_BYTES = {"SHA256": 32, "SHA512": 64}


def _whole(value: object) -> object:
    # JSON Schema takes 2.0 for a whole number, and not true for 1.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("must be a whole number")
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError("must be a whole number")
        return int(value)
    return value


def _integer(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number, without a decimal point")
    return value


def _folds(value: object) -> object:
    # clkhash does not check this key, and counts with true as with 1.
    return int(value) if isinstance(value, bool) else _integer(value)


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("must be a number")
    return value


def _true_or_nothing(value: object) -> object:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


# Where 2.0 stands for 2, and where clkhash lets 2.0 pass and then fails on the first record.
Whole = Annotated[int, BeforeValidator(_whole)]
Integer = Annotated[int, BeforeValidator(_integer)]
Folds = Annotated[int, BeforeValidator(_folds)]
Encoding = Literal["ascii", "utf-8", "utf-16", "utf-32"]


def _tag(value: object, key: str) -> str | None:
    found = value.get(key) if isinstance(value, dict) else getattr(value, key, None)
    return f"<{found}>" if isinstance(found, str) else None


def _by_type(value: object) -> str | None:
    return _tag(value, "type")


class Part(BaseModel):
    """A part with keys that clkhash reads over."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    may_be_null: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _has_no_nulls(cls, value: object) -> object:
        known = {info.alias or name for name, info in cls.model_fields.items()} - cls.may_be_null
        if isinstance(value, dict):
            nulls = [f"'{key}'" for key in value if key in known and value[key] is None]
            if nulls:
                raise ValueError(f"{', '.join(nulls)} must not be null")
        return value


class ClosedPart(Part):
    """A part in which clkhash refuses unknown keys."""

    model_config = ConfigDict(extra="forbid")


class Hkdf(Part):
    """How the keys are derived: HKDF (RFC 5869) of the secret, two keys for each feature."""

    type: Literal["HKDF"]
    hash: Literal["SHA256", "SHA512"] = "SHA256"
    salt: StrictStr = ""
    info: StrictStr = ""
    key_bytes: Integer = Field(default=64, alias="keySize", ge=1)

    @field_validator("salt", "info")
    @classmethod
    def _decodes(cls, value: str) -> str:
        try:
            base64.b64decode(value)
        except (binascii.Error, ValueError):
            problem = "cannot be decoded as base64"
        else:
            return value
        raise ValueError(problem)

    @property
    def salt_bytes(self) -> bytes:
        """The salt, decoded as clkhash does: characters that are not base64 are left out."""
        return base64.b64decode(self.salt)

    @property
    def info_bytes(self) -> bytes:
        """The context, decoded likewise."""
        return base64.b64decode(self.info)


class ClkConfig(Part):
    """Length of the filters, XOR folds and key derivation."""

    n_bits: Integer = Field(alias="l", ge=1)
    kdf: Hkdf
    n_folds: Folds = Field(default=0, alias="xor_folds", ge=0)
    documented_folds: Whole | None = Field(default=None, alias="xorFolds", ge=0)

    @model_validator(mode="after")
    def _fits(self) -> ClkConfig:
        if self.n_folds > _LONGEST_FILTER or self.n_bits << self.n_folds > _LONGEST_FILTER:
            raise ValueError(f"filters of more than {_LONGEST_FILTER} bits before folding")
        return self


class DoubleHash(Part):
    """Positions ``(HMAC-SHA1 + i HMAC-MD5) mod length`` (Schnell, Bachteler, Reiher, 2011)."""

    type: Literal["doubleHash"]
    prevent_singularity: StrictBool = False


class BlakeHash(Part):
    """Positions from keyed BLAKE2b, 16 bits each."""

    may_be_null = frozenset({"prevent_singularity"})

    type: Literal["blakeHash"]
    prevent_singularity: None = None


class BitsPerToken(ClosedPart):
    """Every token is hashed to the same number of positions."""

    bits_per_token: Whole = Field(alias="bitsPerToken", ge=1, le=_MOST_BITS_SET)


class BitsPerFeature(ClosedPart):
    """A value's positions are shared out among its tokens."""

    bits_per_feature: Whole = Field(alias="bitsPerFeature", ge=1, le=_MOST_BITS_SET)


class NGram(Part):
    """Tokens are runs of `n` characters; with n > 1 the value is padded with blanks."""

    type: Literal["ngram"]
    n: Integer = Field(ge=1, le=1000)
    positional: StrictBool = False


class Exact(Part):
    """The whole value is the token."""

    type: Literal["exact"]


class Numeric(Part):
    """Tokens are grid points around a number (Vatsalan and Christen, 2016)."""

    type: Literal["numeric"]
    threshold_distance: Annotated[float, BeforeValidator(_number)] = Field(
        alias="thresholdDistance", gt=0, allow_inf_nan=False
    )
    resolution: Integer = Field(ge=1, le=100_000)
    fractional_precision: Integer = Field(default=0, ge=0, le=300)

    @property
    def grid(self) -> int:
        """Distance of neighboring tokens, in units of the last digit that counts."""
        scale: int = 10**self.fractional_precision
        return round(self.threshold_distance * scale)

    @model_validator(mode="after")
    def _has_a_grid(self) -> Numeric:
        if self.grid == 0:
            raise ValueError("'fractional_precision' is too low for this 'thresholdDistance'")
        return self


class MissingValue(Part):
    """Which cell stands for a missing value, and what is hashed in its stead."""

    sentinel: StrictStr
    replace_with: StrictStr | None = Field(default=None, alias="replaceWith")

    @property
    def replacement(self) -> str:
        """What is hashed: the sentinel itself where nothing else is named."""
        return self.sentinel if self.replace_with is None else self.replace_with


class _Format(ClosedPart):
    description: StrictStr = ""


class TextFormat(_Format):
    """Text of a certain length and case."""

    type: Literal["string"]
    encoding: Encoding = "utf-8"
    case: Literal["upper", "lower", "mixed"] = "mixed"
    min_length: Whole = Field(default=0, alias="minLength", ge=0)
    max_length: Whole | None = Field(default=None, alias="maxLength", ge=1)


class PatternFormat(_Format):
    """Text that matches a regular expression as a whole."""

    type: Literal["string"]
    encoding: Encoding = "utf-8"
    pattern: StrictStr

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError):
            problem = "is not a regular expression"
        else:
            return value
        raise ValueError(problem)

    def matches(self, value: str) -> bool:
        """Whether a value fits as a whole."""
        return re.fullmatch(self.pattern, value) is not None


class IntegerFormat(_Format):
    """Whole numbers."""

    type: Literal["integer"]
    minimum: Whole | None = None
    maximum: Whole | None = None


class DateFormat(_Format):
    """Dates as :meth:`datetime.datetime.strptime` reads them, hashed as ``YYYYMMDD``."""

    type: Literal["date"]
    format: StrictStr

    @field_validator("format")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            dt.datetime.strptime("", value)
        except re.error:
            problem = "has the same directive twice"
        except ValueError as error:
            text = str(error)
            problem = "has an unknown directive" if "bad directive" in text else ""
            problem = "ends in a stray %" if "stray %" in text else problem
        else:
            problem = ""
        if problem:
            raise ValueError(problem)
        return value


class EnumFormat(_Format):
    """One of some values."""

    type: Literal["enum"]
    values: tuple[StrictStr, ...]


def _format_tag(value: object) -> str | None:
    tag = _by_type(value)
    has_pattern = "pattern" in value if isinstance(value, dict) else hasattr(value, "pattern")
    return "<pattern>" if tag == "<string>" and has_pattern else tag


def _strategy_tag(value: object) -> str | None:
    for key, name in (("bitsPerToken", "bits_per_token"), ("bitsPerFeature", "bits_per_feature")):
        if key in value if isinstance(value, dict) else hasattr(value, name):
            return f"<{key}>"
    return None


def _one_of(what: str) -> dict[str, Any]:
    return {"custom_error_type": "kind", "custom_error_message": what}


Format = Annotated[
    Annotated[TextFormat, Tag("<string>")]
    | Annotated[PatternFormat, Tag("<pattern>")]
    | Annotated[IntegerFormat, Tag("<integer>")]
    | Annotated[DateFormat, Tag("<date>")]
    | Annotated[EnumFormat, Tag("<enum>")],
    Discriminator(_format_tag, **_one_of("needs 'type': 'string', 'integer', 'date' or 'enum'")),
]
Comparison = Annotated[
    Annotated[NGram, Tag("<ngram>")]
    | Annotated[Exact, Tag("<exact>")]
    | Annotated[Numeric, Tag("<numeric>")],
    Discriminator(_by_type, **_one_of("needs 'type': 'ngram', 'exact' or 'numeric'")),
]
Hash = Annotated[
    Annotated[DoubleHash, Tag("<doubleHash>")] | Annotated[BlakeHash, Tag("<blakeHash>")],
    Discriminator(_by_type, **_one_of("needs 'type': 'blakeHash' or 'doubleHash'")),
]
Strategy = Annotated[
    Annotated[BitsPerToken, Tag("<bitsPerToken>")]
    | Annotated[BitsPerFeature, Tag("<bitsPerFeature>")],
    Discriminator(_strategy_tag, **_one_of("needs 'bitsPerToken' or 'bitsPerFeature'")),
]


class Hashing(ClosedPart):
    """How a feature's values become positions."""

    comparison: Comparison
    strategy: Strategy
    hash: Hash = BlakeHash(type="blakeHash")
    missing_value: MissingValue | None = Field(default=None, alias="missingValue")


class IgnoredFeature(ClosedPart):
    """A column that is not hashed, but counts in the key derivation."""

    identifier: StrictStr
    ignored: Literal[True]
    description: StrictStr = ""


class HashedFeature(Part):
    """A column with its format and hashing."""

    identifier: StrictStr
    description: StrictStr = ""
    ignored: Annotated[bool, BeforeValidator(_true_or_nothing)] = False
    format: Format
    hashing: Hashing


def _feature_tag(value: object) -> str:
    if isinstance(value, IgnoredFeature):
        return "<ignored>"
    if not isinstance(value, dict) or value.get("ignored") is not True:
        return "<hashed>"
    return "<hashed>" if {"format", "hashing"} & value.keys() else "<ignored>"


Feature = Annotated[
    Annotated[HashedFeature, Tag("<hashed>")] | Annotated[IgnoredFeature, Tag("<ignored>")],
    Discriminator(_feature_tag),
]


class SchemaDocument(Part):
    """A linkage schema of version 3."""

    version: Whole
    clk_config: ClkConfig = Field(alias="clkConfig")
    features: tuple[Feature, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_hashed(self) -> SchemaDocument:
        problems = [*self._too_many_keys(), *self._blake_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _too_many_keys(self) -> list[str]:
        kdf = self.clk_config.kdf
        most = _HKDF_BLOCKS * _DIGEST_BYTES[kdf.hash] // (2 * kdf.key_bytes)
        if len(self.features) <= most:
            return []
        return [
            f"HKDF with {kdf.hash} gives keys of {kdf.key_bytes} bytes to {most} features "
            f"at the most, ignored ones included, and the schema has {len(self.features)}"
        ]

    def _blake_problems(self) -> list[str]:
        config = self.clk_config
        if not any(isinstance(h.hash, BlakeHash) for h in _hashings(self.features)):
            return []
        problems = []
        if (config.n_bits << config.n_folds).bit_count() != 1:
            problems.append("blakeHash needs a filter length that is a power of two")
        if config.kdf.key_bytes > _BLAKE2B_KEY_BYTES:
            problems.append(f"blakeHash takes keys of at most {_BLAKE2B_KEY_BYTES} bytes")
        return problems


def _hashings(features: tuple[HashedFeature | IgnoredFeature, ...]) -> list[Hashing]:
    return [f.hashing for f in features if isinstance(f, HashedFeature) and not f.ignored]
