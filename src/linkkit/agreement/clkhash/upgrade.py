"""Brings clkhash schemas of version 1 and 2 up to version 3, as clkhash does itself."""

from __future__ import annotations

import copy
import math
from typing import Any

from linkkit.errors import OptionError

__all__ = ["upgrade"]

_HINT = "Compare the schema with clkhash's description of linkage schemas."
_IGNORED_KEYS = {"identifier", "ignored", "description"}


def upgrade(document: dict[str, Any]) -> dict[str, Any]:
    """Return a schema in the form of version 3, with keys that mean nothing left as they are.

    Parameters
    ----------
    document : dict
        A schema of version 1, 2 or 3, as parsed from JSON. It is not changed.

    Raises
    ------
    OptionError
        When the version is another, or parts that the upgrade needs are missing.
    """
    version = document.get("version")
    if isinstance(version, bool) or version not in (1, 2, 3):
        raise OptionError(
            "the clkhash schema has no 'version' of 1, 2 or 3", hint="Is this a linkage schema?"
        )
    document = copy.deepcopy(document)
    if version == 3:
        return document
    problems = _problems(document, version)
    if problems:
        raise OptionError(problems, hint=_HINT)
    if version == 1:
        _to_version_2(document)
    _to_version_3(document)
    return document


def _problems(document: dict[str, Any], version: object) -> list[str]:
    config, features = document.get("clkConfig"), document.get("features")
    problems = []
    if not isinstance(config, dict):
        problems.append("clkConfig: is missing, or not an object")
    elif version == 1:
        problems += [f"clkConfig.{key}: is missing" for key in ("k", "hash") if key not in config]
        problems += [f"clkConfig.{text}" for text in _fractions(config, ("k", "xorFolds"))]
    if not isinstance(features, list):
        return [*problems, "features: is missing, or not a list"]
    for i, feature in enumerate(features):
        problems += [f"features.{i}{text}" for text in _feature_problems(feature, version)]
    return problems


def _fractions(part: dict[str, Any], keys: tuple[str, ...]) -> list[str]:
    # Version 1 is written in an older JSON Schema, in which 2.0 is no whole number.
    found = [part.get(key, 0) for key in keys]
    return [
        f"{key}: must be a whole number, without a decimal point"
        for key, value in zip(keys, found, strict=True)
        if isinstance(value, bool) or not isinstance(value, int)
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _feature_problems(feature: object, version: object) -> list[str]:
    if not isinstance(feature, dict):
        return [": is not an object"]
    if feature.get("ignored") is True:
        more = sorted(set(feature) - _IGNORED_KEYS)
        return [f".{key}: does not go with 'ignored'" for key in more]
    hashing = feature.get("hashing")
    if not isinstance(hashing, dict) or "ngram" not in hashing:
        return [".hashing: is missing, or has no 'ngram'"]
    if version == 1:
        return [f".{text}" for text in _feature_problems_1(feature, hashing)]
    strategy = hashing.get("strategy")
    if not isinstance(strategy, dict) or len({"k", "numBits"} & strategy.keys()) != 1:
        return [".hashing.strategy: needs either 'k' or 'numBits'"]
    return []


def _feature_problems_1(feature: dict[str, Any], hashing: dict[str, Any]) -> list[str]:
    weight, form = hashing.get("weight", 1), feature.get("format")
    problems = []
    if not _is_number(weight) or not 0 <= weight < math.inf:
        problems.append("hashing.weight: must be a number that is not negative")
    limits = ("minLength", "maxLength", "minimum", "maximum")
    if isinstance(form, dict):
        problems += [f"format.{text}" for text in _fractions(form, limits)]
    return problems


def _to_version_2(document: dict[str, Any]) -> None:
    config = document["clkConfig"]
    bits, hashed = config.pop("k"), config.pop("hash")
    for feature in document["features"]:
        if feature.get("ignored") is True:
            continue
        hashing = feature["hashing"]
        weight = hashing.pop("weight", 1.0)
        # A weight of 0 has the feature ignored, but it must be well formed.
        if weight == 0:
            feature["ignored"] = True
        hashing["strategy"] = {"k": round(weight * bits) if weight else 1}
        hashing["hash"] = hashed


def _to_version_3(document: dict[str, Any]) -> None:
    document["version"] = 3
    for feature in document["features"]:
        if "hashing" not in feature:
            continue
        hashing = feature["hashing"]
        strategy = hashing["strategy"]
        if "k" in strategy:
            strategy["bitsPerToken"] = strategy.pop("k")
        else:
            strategy["bitsPerFeature"] = strategy.pop("numBits")
        hashing["comparison"] = {
            "type": "ngram",
            "n": hashing.pop("ngram"),
            "positional": hashing.pop("positional", False),
        }
