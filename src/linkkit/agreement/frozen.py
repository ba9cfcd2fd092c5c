"""Mappings that cannot be changed, so that an agreement stays what was checked."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator

__all__ = ["FROZEN_EMPTY", "Frozen", "FrozenDict", "plain_json"]


class FrozenDict(dict[Any, Any]):
    """A dict that refuses to change, so that an agreement stays what was checked."""

    def __deepcopy__(self, memo: object) -> FrozenDict:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return FrozenDict, (dict(self),)


def _refuse_change(*_args: object, **_options: object) -> NoReturn:
    raise TypeError("an agreement cannot be changed; load an amended document instead")


for _name in "__setitem__ __delitem__ __ior__ clear pop popitem setdefault update".split():
    setattr(FrozenDict, _name, _refuse_change)

FROZEN_EMPTY = FrozenDict
"""Makes an empty mapping that cannot be changed."""

Key = TypeVar("Key")
Item = TypeVar("Item")

Frozen = Annotated[dict[Key, Item], AfterValidator(FrozenDict)]
"""A mapping that cannot be changed."""


def plain_json(value: object) -> object:
    """Return a frozen copy of plain data, as JSON has it."""
    problem = "it is not the JSON object of a schema"
    if isinstance(value, dict):
        problem = _not_json(value)
    if not isinstance(value, dict) or problem:
        raise ValueError(problem)
    # JSON joins the halves of characters that YAML reads as two.
    return _deeply_frozen(json.loads(json.dumps(value)))


def _not_json(value: object) -> str:
    """Say what of a value JSON does not have, or nothing."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            return "a key is no text; put quotes around it"
        return next((text for item in value.values() if (text := _not_json(item))), "")
    if isinstance(value, (list, tuple)):
        return next((text for item in value if (text := _not_json(item))), "")
    if isinstance(value, float) and not math.isfinite(value):
        return "a number is not finite"
    if value is None or isinstance(value, (str, bool, int, float)):
        return ""
    return "a value is no text, number, true, false or null; put quotes around a date"


def _deeply_frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return FrozenDict({key: _deeply_frozen(item) for key, item in value.items()})
    return tuple(map(_deeply_frozen, value)) if isinstance(value, list) else value
