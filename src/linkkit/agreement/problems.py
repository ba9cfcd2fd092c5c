"""Validation errors as sentences: the clause, what is wrong, the nearest known name."""

from __future__ import annotations

import difflib
import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from linkkit.agreement.clauses import NAME_PATTERN, SLUG_PATTERN

__all__ = ["describe"]

_IN_WORDS = {
    NAME_PATTERN: "use lower-case letters, digits and underscores, a letter first",
    SLUG_PATTERN: "use lower-case letters, digits and hyphens, at least two of them",
}
_PLAIN = {
    "date_from_datetime_parsing": "write the date as YYYY-MM-DD",
    "date_type": "write the date as YYYY-MM-DD",
    "int_type": "write a whole number",
    "float_type": "write a number",
    "bool_type": "write true or false",
    "string_type": "write text; put quotes around it if it looks like a number",
    "dict_type": "write names and values below it, indented",
    "model_type": "write names and values below it, indented",
    "too_short": "it has no item",
    "tuple_type": "write a list: [a, b]",
}
_MOST = 100
_LONGEST_NAME = 64


def describe(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Turn a validation error into sentences that name clauses and no values."""
    sentences: list[str] = []
    found = error.errors(include_url=False, include_context=True, include_input=False)[:_MOST]
    within = {item["loc"][:n] for item in found for n in range(len(item["loc"]))}
    for item in found:
        # A list is also called too short where its items are wrong.
        if item["type"] != "too_short" or item["loc"] not in within:
            sentences.extend(_sentences(item, model))
    return list(dict.fromkeys(sentences))


def _sentences(item: Any, model: type[BaseModel]) -> list[str]:
    path = _clause_path(item["loc"], model)
    clause = ".".join(str(part) for part in path)
    if item["type"] == "extra_forbidden":
        return [_unknown_key(path, clause, model)]
    if item["type"] == "missing":
        return [f"clause '{clause}' is missing"]
    if item["type"] == "string_pattern_mismatch":
        return [f"clause '{clause}': {_IN_WORDS.get(item['ctx']['pattern'], item['msg'])}"]
    if item["type"] == "too_short" and item["ctx"]["min_length"] > 1:
        return [f"clause '{clause}': it needs {item['ctx']['min_length']} or more items"]
    if item["type"] in _PLAIN:
        return [f"clause '{clause}': {_PLAIN[item['type']]}"]
    text = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "it must be")
    return [f"clause '{clause}': {line}" if clause else line for line in text.split("\n")]


def _clause_path(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[int | str, ...]:
    """Return the location without the marks of pydantic's own for keys and alternatives."""
    here: Any = model
    path: list[int | str] = []
    for i, part in enumerate(location):
        last = i == len(location) - 1
        if part == "[key]" and last:
            continue
        alternatives = [x for x in _options(here) if x is not type(None)]
        if len(alternatives) > 1:
            here = alternatives[-1]
            continue
        path.append(part)
        here = _step(here, part)
    return tuple(path)


def _unknown_key(path: tuple[int | str, ...], clause: str, model: type[BaseModel]) -> str:
    known = _known_keys(path[:-1], model)
    near = difflib.get_close_matches(str(path[-1])[:_LONGEST_NAME], known, n=1)
    advice = f"; did you mean '{near[0]}'?" if near else ""
    return f"clause '{clause}' is not known{advice}"


def _known_keys(path: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    here: Any = model
    for part in path:
        here = _step(here, part)
    found = _models(here)
    return list(found[0].model_fields) if found else []


def _step(annotation: Any, part: int | str) -> Any:
    for model in _models(annotation):
        if part in model.model_fields:
            return model.model_fields[str(part)].annotation
    for option in _options(annotation):
        if get_origin(option) in (dict, tuple):
            return get_args(option)[1 if get_origin(option) is dict else 0]
    return None


def _options(annotation: Any) -> tuple[Any, ...]:
    plain = _bare(annotation)
    if get_origin(plain) in (Union, types.UnionType):
        return tuple(_bare(option) for option in get_args(plain))
    return (plain,)


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [x for x in _options(annotation) if isinstance(x, type) and issubclass(x, BaseModel)]
