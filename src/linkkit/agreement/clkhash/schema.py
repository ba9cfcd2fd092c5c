"""Reads clkhash linkage schemas, versions 1 to 3.

What clkhash 0.18.3 refuses is refused, what it reads over is read over (and explained by
:func:`~linkkit.agreement.clkhash.lint_clk_schema`). Some schemas that clkhash takes and
then fails on at the first record are refused here when they are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from linkkit.agreement.clkhash.parts import (
    ClkConfig,
    Format,
    HashedFeature,
    Hashing,
    Hkdf,
    IgnoredFeature,
    SchemaDocument,
)
from linkkit.agreement.clkhash.upgrade import upgrade
from linkkit.errors import OptionError

__all__ = ["ClkFeature", "ClkSchema", "IgnoredKey", "read_clk_document", "read_clk_schema"]

_HINT = "Compare the schema with clkhash's description of linkage schemas."


@dataclass(frozen=True, kw_only=True, slots=True)
class ClkFeature:
    """A column of a schema.

    Attributes
    ----------
    identifier : str
        Name of the column.
    position : int
        Where it stands in the schema, from 0. Its keys depend on that.
    format, hashing : model, optional
        What a cell must look like, and how it is hashed.
    """

    identifier: str
    position: int
    format: Format
    hashing: Hashing


@dataclass(frozen=True, kw_only=True, slots=True)
class IgnoredKey:
    """A key of the document that clkhash reads over: where it stands, and what is known there."""

    path: str
    key: str
    known: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClkSchema:
    """A linkage schema as it takes effect.

    Attributes
    ----------
    n_bits : int
        Length of a filter, after folding.
    n_folds : int
        How often a filter is folded: it is made with ``n_bits * 2**n_folds`` bits.
    kdf : model
        How keys are derived from the secret.
    identifiers : tuple of str
        All columns in the order of the schema, ignored ones included.
    features : tuple of ClkFeature
        The columns that are hashed.
    version : int
        Of the document that was read: 1, 2 or 3.
    documented_folds : int, optional
        What the document says under ``xorFolds``, which has no effect.
    ignored_keys : tuple of IgnoredKey
        Keys that have no effect.
    """

    n_bits: int
    n_folds: int
    kdf: Hkdf
    identifiers: tuple[str, ...]
    features: tuple[ClkFeature, ...]
    version: int
    documented_folds: int | None
    ignored_keys: tuple[IgnoredKey, ...]

    @property
    def hash_bits(self) -> int:
        """Length of a filter before folding."""
        return self.n_bits << self.n_folds

    @property
    def n_words(self) -> int:
        """Length of a folded filter in 64-bit words, the last of which may be part filled."""
        return -(-self.n_bits // 64)


def read_clk_schema(source: str | Path | Mapping[str, Any]) -> ClkSchema:
    """Read a clkhash linkage schema of version 1, 2 or 3.

    Parameters
    ----------
    source : str, Path or mapping
        The path of a JSON file, or the document itself.

    Returns
    -------
    ClkSchema
        The schema as clkhash 0.18.3 would follow it.

    Raises
    ------
    OptionError
        When the file cannot be read, or clkhash would refuse the schema or fail on its first
        record. All problems are named at once.

    Examples
    --------
    >>> schema = read_clk_schema(
    ...     {
    ...         "version": 3,
    ...         "clkConfig": {"l": 1024, "kdf": {"type": "HKDF"}},
    ...         "features": [
    ...             {"identifier": "id", "ignored": True},
    ...             {
    ...                 "identifier": "surname",
    ...                 "format": {"type": "string"},
    ...                 "hashing": {
    ...                     "comparison": {"type": "ngram", "n": 2},
    ...                     "strategy": {"bitsPerToken": 20},
    ...                 },
    ...             },
    ...         ],
    ...     }
    ... )
    >>> schema.identifiers, [feature.identifier for feature in schema.features]
    (('id', 'surname'), ['surname'])
    """
    document = dict(source) if isinstance(source, Mapping) else read_clk_document(source)
    latest = upgrade(document)
    parsed, problems = _parsed(latest)
    if parsed is None:
        raise OptionError(problems, hint=_HINT)
    return _schema(parsed, version=int(document["version"]))


def read_clk_document(path: str | Path) -> dict[str, Any]:
    """Return the JSON object of a schema's file; raises :class:`OptionError`."""
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError:
        problem = "cannot be read"
    except (ValueError, RecursionError):
        problem = "is not JSON"
    else:
        problem = "" if isinstance(document, dict) else "is JSON, but not an object"
        if not problem:
            return dict(document)
    raise OptionError(f"{path}: {problem}", hint="Give the path of a clkhash linkage schema.")


def _parsed(document: dict[str, Any]) -> tuple[SchemaDocument | None, list[str]]:
    try:
        return SchemaDocument.model_validate(document), []
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
    return None, [_problem(item["loc"], item["msg"]) for item in found]


def _problem(place: tuple[int | str, ...], message: str) -> str:
    # Tags of unions are no keys of the document.
    path = ".".join(str(part) for part in place if not str(part).startswith("<"))
    text = message.removeprefix("Value error, ")
    return f"{path}: {text[:1].lower()}{text[1:]}" if path else text


def _schema(document: SchemaDocument, *, version: int) -> ClkSchema:
    config = document.clk_config
    hashed = [
        ClkFeature(identifier=f.identifier, position=i, format=f.format, hashing=f.hashing)
        for i, f in enumerate(document.features)
        if isinstance(f, HashedFeature) and not f.ignored
    ]
    return ClkSchema(
        n_bits=config.n_bits,
        n_folds=config.n_folds,
        kdf=config.kdf,
        identifiers=tuple(f.identifier for f in document.features),
        features=tuple(hashed),
        version=version,
        documented_folds=config.documented_folds,
        ignored_keys=tuple(_ignored_keys(document, "")),
    )


def _ignored_keys(part: BaseModel, path: str) -> Iterator[IgnoredKey]:
    fields = type(part).model_fields
    known = tuple(info.alias or name for name, info in fields.items())
    if isinstance(part, ClkConfig):
        known = tuple(key for key in known if key != "xorFolds")
    for key in part.model_extra or {}:
        yield IgnoredKey(path=f"{path}{key}", key=key, known=known)
    for name, info in fields.items():
        value = getattr(part, name)
        here = f"{path}{info.alias or name}"
        if isinstance(value, BaseModel):
            yield from _ignored_keys(value, f"{here}.")
        elif isinstance(value, tuple):
            for i, item in enumerate(value):
                if isinstance(item, (HashedFeature, IgnoredFeature)):
                    yield from _ignored_keys(item, f"{here}.{i}.")
