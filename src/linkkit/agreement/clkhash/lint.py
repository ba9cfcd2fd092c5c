"""Explains the silent traps of a clkhash schema, in sentences.

clkhash takes a schema that follows its rules and says nothing of what it makes of it. Partners
find out when nothing links, or when somebody else links too much.
"""

from __future__ import annotations

import difflib
import math
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from linkkit.agreement.clkhash.parts import (
    BitsPerFeature,
    DateFormat,
    DoubleHash,
    EnumFormat,
    Exact,
    IntegerFormat,
    MissingValue,
    NGram,
    Numeric,
    PatternFormat,
    TextFormat,
)
from linkkit.agreement.clkhash.schema import ClkFeature, ClkSchema, IgnoredKey

__all__ = ["Trap", "lint_clk_schema"]

Concern = Literal["no effect", "compatibility", "privacy", "quality"]

_LEAST_FILL, _MOST_FILL = 0.15, 0.65
_FEW_POSITIONS = 5
_USUAL_TEXT, _USUAL_INTEGER, _DATE_LENGTH = 8, 5, 8
_SHORTS = 1 << 16
_LOUD = frozenset(
    "xor-folds ignored-key kdf-no-salt kdf-not-base64 nothing-hashed plain-filter double-hash "
    "singularity tokens-without-bits letters-only two-digit-year no-year sentinel-hashed "
    "same-identifier".split()
)
"""What makes a linkage unsafe, or wrong without a word; the rest is good to know."""

_BASE64 = set(string.ascii_letters + string.digits + "+/=")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trap:
    """Something that a schema does and does not say.

    Attributes
    ----------
    code : str
        A stable name, such as ``"xor-folds"``.
    concern : {"no effect", "compatibility", "privacy", "quality"}
        What it touches.
    place : str
        Where it stands, such as ``"clkConfig"`` or ``"feature 'surname'"``.
    sentence : str
        What happens, and what to do.
    """

    code: str
    concern: Concern
    place: str
    sentence: str

    @property
    def is_loud(self) -> bool:
        """Whether a linkage becomes unsafe by it, or silently wrong."""
        return self.code in _LOUD

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence} [{self.code}]"


def lint_clk_schema(schema: ClkSchema) -> tuple[Trap, ...]:
    """Explain what a schema does without saying so.

    Parameters
    ----------
    schema : ClkSchema
        From :func:`~linkkit.agreement.clkhash.read_clk_schema`.

    Returns
    -------
    tuple of Trap
        Keys without effect first, then the schema as a whole, then feature by feature.

    Examples
    --------
    >>> from linkkit.agreement.clkhash import read_clk_schema
    >>> config = {"l": 1024, "xorFolds": 1, "kdf": {"type": "HKDF", "salt": "c2FsdA=="}}
    >>> features = [{"identifier": "id", "ignored": True}]
    >>> schema = read_clk_schema({"version": 3, "clkConfig": config, "features": features})
    >>> for trap in lint_clk_schema(schema):
    ...     print(trap.code, "-", trap.concern)
    xor-folds - no effect
    ignored-counts - compatibility
    nothing-hashed - quality
    """
    found = [*_ignored_keys(schema), *_whole_schema(schema)]
    for feature in schema.features:
        place = f"feature '{feature.identifier}'"
        for code, concern, sentence in _feature(feature, schema):
            found.append(Trap(code=code, concern=concern, place=place, sentence=sentence))
    return tuple(found)


Finding = tuple[str, Concern, str]


def _ignored_keys(schema: ClkSchema) -> Iterator[Trap]:
    if schema.documented_folds is not None:
        yield Trap(
            code="xor-folds",
            concern="no effect",
            place="clkConfig.xorFolds",
            sentence="clkhash documents 'xorFolds' and reads 'xor_folds', so filters are folded "
            f"{schema.n_folds} times and not {schema.documented_folds}. Write 'xor_folds' if "
            "folding is meant; every partner's encodings change with it.",
        )
    for item in schema.ignored_keys:
        yield Trap(
            code="ignored-key", concern="no effect", place=item.path, sentence=_key_sentence(item)
        )


def _key_sentence(item: IgnoredKey) -> str:
    plain = {key.replace("_", "").lower(): key for key in item.known}
    near = difflib.get_close_matches(item.key.replace("_", "").lower(), plain, n=1, cutoff=0.7)
    meant = f" Is '{plain[near[0]]}' meant?" if near else ""
    return f"clkhash reads over the key '{item.key}', and a default takes its place.{meant}"


def _whole_schema(schema: ClkSchema) -> Iterator[Trap]:
    for code, concern, sentence in [*_key_findings(schema), *_filter_findings(schema)]:
        place = "clkConfig.kdf" if code.startswith("kdf-") else "schema"
        yield Trap(code=code, concern=concern, place=place, sentence=sentence)


def _key_findings(schema: ClkSchema) -> Iterator[Finding]:
    kdf = schema.kdf
    if not kdf.salt_bytes:
        yield (
            "kdf-no-salt", "privacy",
            "there is no salt for HKDF, so the same secret gives the same keys in every project "
            "and filters of different projects can be compared. Put 32 random bytes in 'salt'.",
        )  # fmt: skip
    for name, text in (("salt", kdf.salt), ("info", kdf.info)):
        if set(text) - _BASE64:
            yield (
                "kdf-not-base64", "compatibility",
                f"'{name}' has characters that are not base64, and clkhash leaves them out "
                "without a word. Encode the bytes again.",
            )  # fmt: skip
    n_ignored = len(schema.identifiers) - len(schema.features)
    if n_ignored:
        yield (
            "ignored-counts", "compatibility",
            f"{n_ignored} of {len(schema.identifiers)} features are ignored and count in the key "
            "derivation all the same: without them, or in another order, the features after "
            "them get other keys and nothing links. Every partner keeps the same list.",
        )  # fmt: skip
    repeated = [name for name, n in Counter(schema.identifiers).items() if n > 1]
    if repeated:
        names = ", ".join(f"'{name}'" for name in repeated)
        yield (
            "same-identifier", "compatibility",
            f"{names} stands for several columns, which are told apart by their order only.",
        )  # fmt: skip


def _filter_findings(schema: ClkSchema) -> Iterator[Finding]:
    if schema.version < 3:
        yield (
            "old-version", "compatibility",
            f"this is version {schema.version}, upgraded as clkhash 0.18.3 does it. Releases of "
            "clkhash that were made for it may encode otherwise.",
        )  # fmt: skip
    if not schema.features:
        yield "nothing-hashed", "quality", "every feature is ignored, so all filters are empty."
        return
    yield (
        "plain-filter", "privacy",
        "one filter holds all features, with the same bits for the same token in every record. "
        "Graph matching against a public list needs no key to tell who is in it, nor does "
        "anybody who knows some of the records. Whoever gets the filters must be trusted with "
        "the names.",
    )  # fmt: skip
    fill = _fill(schema)
    if not _LEAST_FILL <= fill <= _MOST_FILL:
        what = "many tokens share bits, and strangers look alike" if fill > 0.5 else (
            "each bit stands for one token or two, which are easy to tell"
        )  # fmt: skip
        yield (
            "fill", "quality" if fill > 0.5 else "privacy",
            f"about {fill:.0%} of the bits will be set if texts have {_USUAL_TEXT} characters: "
            f"{what}. Aim for a third to a half by way of the strategies, or of 'l'.",
        )  # fmt: skip
    if schema.hash_bits > _SHORTS and not all(
        isinstance(f.hashing.hash, DoubleHash) for f in schema.features
    ):
        yield (
            "blake-range", "quality",
            f"blakeHash reaches the first {_SHORTS:,} of {schema.hash_bits:,} bits only.",
        )  # fmt: skip


def _n_tokens(feature: ClkFeature) -> float:
    form, comparison = feature.format, feature.hashing.comparison
    if isinstance(comparison, Exact):
        return 1
    if isinstance(comparison, Numeric):
        return 2 * comparison.resolution + 1
    length: float = _USUAL_TEXT
    if isinstance(form, TextFormat):
        length = max(form.min_length, min(length, form.max_length or length))
    elif isinstance(form, DateFormat):
        length = _DATE_LENGTH
    elif isinstance(form, IntegerFormat):
        length = _USUAL_INTEGER
    elif isinstance(form, EnumFormat):
        length = sum(map(len, form.values)) / max(1, len(form.values))
    return max(1.0, length) + comparison.n - 1


def _fill(schema: ClkSchema) -> float:
    """Return the expected share of set bits, for values of usual length."""
    n_positions = 0.0
    for feature in schema.features:
        strategy = feature.hashing.strategy
        if isinstance(strategy, BitsPerFeature):
            n_positions += strategy.bits_per_feature
        else:
            n_positions += strategy.bits_per_token * _n_tokens(feature)
    fill = 1 - math.exp(-n_positions / schema.hash_bits)
    for _ in range(schema.n_folds):
        fill = 2 * fill * (1 - fill)
    return fill


def _feature(feature: ClkFeature, schema: ClkSchema) -> Iterator[Finding]:
    yield from _hash_findings(feature, schema)
    yield from _strategy_findings(feature)
    yield from _comparison_findings(feature)
    yield from _format_findings(feature)
    yield from _missing_findings(feature)


def _hash_findings(feature: ClkFeature, schema: ClkSchema) -> Iterator[Finding]:
    hash_ = feature.hashing.hash
    if not isinstance(hash_, DoubleHash):
        return
    n = schema.hash_bits
    yield (
        "double-hash", "privacy",
        f"double hashing can give a token {n:,} x {n:,} patterns and no more, which can be "
        "listed and looked for in the filters (Kroll and Steinmetzer, 2015). It rests on MD5 "
        "and SHA-1. Choose blakeHash.",
    )  # fmt: skip
    if not hash_.prevent_singularity:
        yield (
            "singularity", "quality",
            f"one token in {n:,} has all its positions in one bit. Set 'prevent_singularity', "
            "in all partners' schemas, or choose blakeHash.",
        )  # fmt: skip


def _strategy_findings(feature: ClkFeature) -> Iterator[Finding]:
    strategy, comparison = feature.hashing.strategy, feature.hashing.comparison
    if isinstance(strategy, BitsPerFeature):
        if strategy.bits_per_feature < 2 * _n_tokens(feature):
            yield (
                "tokens-without-bits", "quality",
                f"{strategy.bits_per_feature} positions are shared out among the tokens of a "
                "value; in long values the last tokens get none, and their letters do not count.",
            )  # fmt: skip
        if not isinstance(comparison, (Exact, Numeric)):
            yield (
                "shares-differ", "quality",
                "a token's positions depend on how many tokens the value has: the same letters "
                "in a longer and in a shorter name share fewer bits than they share tokens.",
            )  # fmt: skip
        return
    if isinstance(comparison, NGram):
        yield (
            "length-shows", "privacy",
            "longer values set more bits, so that the number of set bits tells of their length.",
        )  # fmt: skip
    if strategy.bits_per_token < _FEW_POSITIONS:
        yield (
            "few-positions", "quality",
            f"{strategy.bits_per_token} positions for a token are few: two tokens that meet in "
            "one position look alike by a good part, and a match counts for little beside "
            "other features.",
        )  # fmt: skip


def _comparison_findings(feature: ClkFeature) -> Iterator[Finding]:
    comparison = feature.hashing.comparison
    if isinstance(comparison, NGram) and comparison.n == 1:
        if comparison.positional:
            yield (
                "unpadded", "quality",
                "single characters are not padded, unlike longer n-grams, and each is tied to "
                "its place: one character more or less at the front and nothing agrees.",
            )  # fmt: skip
        else:
            yield (
                "letters-only", "quality",
                "single characters without their places tell 'anna' from 'nan' in nothing: "
                "order and repetition do not count.",
            )  # fmt: skip
    if isinstance(comparison, NGram) and comparison.n > 1 and comparison.positional:
        yield (
            "positional", "quality",
            f"n-grams are tied to their place, counted with the {comparison.n - 1} blanks that "
            "clkhash puts before the value: one character more or less and all later tokens "
            "differ.",
        )  # fmt: skip
    if isinstance(comparison, Numeric):
        yield (
            "numeric-grid", "quality",
            "numbers are moved to a grid before they are compared, so that some pairs a little "
            "beyond 'thresholdDistance' share a token"
            + ("." if comparison.fractional_precision else
               ", and decimals are cut off, not rounded. 'fractional_precision', in this very "
               "spelling, keeps them."),
        )  # fmt: skip


def _format_findings(feature: ClkFeature) -> Iterator[Finding]:
    form = feature.format
    if isinstance(form, IntegerFormat):
        yield (
            "integer-rewritten", "quality",
            "values are hashed as the number they are: '02139' becomes '2139', and '+7' "
            "becomes '7'. Where leading zeros count, as in postal codes, the type is 'string'.",
        )  # fmt: skip
    if isinstance(form, DateFormat):
        yield from _date_findings(form)
    if isinstance(form, (TextFormat, PatternFormat)):
        if form.encoding in {"utf-16", "utf-32"}:
            yield (
                "byte-order", "compatibility",
                f"every token is hashed with the byte order mark of {form.encoding}, in the "
                "order of the machine; linkkit takes that of x86 and ARM. Choose utf-8.",
            )  # fmt: skip
        if getattr(form, "case", "") == "mixed":
            yield (
                "case", "quality",
                "upper and lower case are different letters. Standardize before encoding, and "
                "let 'case' check it.",
            )  # fmt: skip


def _date_findings(form: DateFormat) -> Iterator[Finding]:
    yield (
        "date-rewritten", "quality",
        f"dates are read as '{form.format}' and hashed as YYYYMMDD, eight digits, whatever "
        "the cells look like.",
    )  # fmt: skip
    codes = set(form.format.replace("%%", "").split("%")[1:])
    letters = {code[0] for code in codes if code}
    if "y" in letters:
        yield (
            "two-digit-year", "quality",
            "years of two digits are read as 1969 to 2068, so that people born in 1940 are "
            "encoded as born in 2040, the same at all partners only if all do it.",
        )  # fmt: skip
    if not letters & set("yYGcxs"):
        yield "no-year", "quality", "the format has no year, and 1900 takes its place."
    if letters & set("aAbBpcxX"):
        yield (
            "locale", "compatibility",
            "names of months and days are read in the language of the machine.",
        )  # fmt: skip


def _missing_findings(feature: ClkFeature) -> Iterator[Finding]:
    missing = feature.hashing.missing_value
    if missing is None:
        if _takes_blanks(feature):
            yield (
                "blank-agrees", "quality",
                "blank cells pass and set no bits, and nobody can tell them from short values.",
            )  # fmt: skip
        else:
            yield (
                "blank-refused", "quality",
                "blank cells break the format, at which clkhash stops; linkkit sets the row "
                "aside. A 'missingValue' with the sentinel '' lets them pass.",
            )  # fmt: skip
        return
    yield from _sentinel_findings(missing, feature)


def _takes_blanks(feature: ClkFeature) -> bool:
    form = feature.format
    if isinstance(form, EnumFormat):
        return "" in form.values
    return isinstance(form, TextFormat) and form.min_length == 0


def _sentinel_findings(missing: MissingValue, feature: ClkFeature) -> Iterator[Finding]:
    if missing.replacement:
        what = "the sentinel itself" if missing.replace_with is None else "'replaceWith'"
        yield (
            "sentinel-hashed", "quality",
            f"a missing value is hashed as {what}, like a name: two records that lack it agree "
            "in it. An empty 'replaceWith' sets no bits.",
        )  # fmt: skip
        if isinstance(feature.hashing.comparison, Numeric):
            yield (
                "sentinel-number", "quality",
                "what takes the place of a missing value is compared as a number. If it is "
                "none, clkhash stops there, and linkkit sets the row aside.",
            )  # fmt: skip
    if missing.sentinel and not _takes_blanks(feature):
        yield (
            "blank-refused", "quality",
            "only the exact sentinel passes. Blank cells break the format, at which clkhash "
            "stops; linkkit sets the row aside.",
        )  # fmt: skip
