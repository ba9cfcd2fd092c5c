r"""Objects of arrays in one file that says what it is, without a pickle.

Layout, all integers big-endian::

    "linkkit link result 1\n"
    u64 length, header          JSON: the version of linkkit, the objects, type and shape of each array
    arrays                      as they are in memory of a little-endian machine, one after the other
    32 bytes                    SHA-256 of all that stands before

Only classes that the wanted class can hold are ever made, by their names. An array that occurs in
several places is written once.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import io
import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO, TypeVar, get_args, get_type_hints

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ValidationError

from linkkit._version import __version__
from linkkit.errors import MismatchError, SealError

__all__ = ["read_object", "write_object"]

_MAGIC = b"linkkit link result "
_FORMAT = b"1\n"
_DIGEST_BYTES = 32
_AT_ONCE = 1 << 24
_PLAIN = (type(None), bool, int, float, str)

_Array = npt.NDArray[Any]
_Wanted = TypeVar("_Wanted")


def write_object(file: BinaryIO, value: object) -> None:
    """Write an object, of dataclasses, arrays and plain values, to a file."""
    arrays = _Arrays()
    tree = _packed(value, arrays)
    header = json.dumps(
        {
            "made_by": f"linkkit {__version__}",
            "arrays": [[x.dtype.str, list(x.shape)] for x in arrays.found],
            "object": tree,
        }
    ).encode()
    digest = hashlib.sha256()
    parts = [_MAGIC + _FORMAT + len(header).to_bytes(8, "big") + header]
    for part in (*parts, *map(_bytes_of, arrays.found)):
        for start in range(0, len(part), _AT_ONCE):
            digest.update(part[start : start + _AT_ONCE])
            file.write(part[start : start + _AT_ONCE])
    file.write(digest.digest())


def read_object(file: BinaryIO, wanted: type[_Wanted]) -> _Wanted:
    """Read an object of a class that :func:`write_object` wrote; all of it is checked first.

    Raises
    ------
    SealError
        When the file is damaged, or none of these.
    MismatchError
        When it is of a version of linkkit whose objects are others.
    """
    header, arrays = _contents(file)
    value: object = None
    try:
        value = _Unpacking(_classes(wanted), arrays).unpacked(header["object"])
    except (KeyError, TypeError, ValueError, IndexError, ValidationError, pa.ArrowException):
        pass
    if not isinstance(value, wanted):
        raise MismatchError(
            f"the file was written by {_short(header.get('made_by'))}, and this is {__version__}",
            hint="Read it with that version, or link all deliveries again.",
        )
    return value


class _Arrays:
    """The arrays of an object, each once."""

    def __init__(self) -> None:
        self.found: list[_Array] = []
        self._place: dict[int, int] = {}
        self._alive: list[object] = []

    def place_of(self, array: _Array) -> int:
        """Return the number of an array."""
        if id(array) not in self._place:
            self._place[id(array)] = len(self.found)
            self._alive.append(array)  # so that no other array gets its id
            self.found.append(np.asarray(array).astype(array.dtype.newbyteorder("<"), copy=False))
        return self._place[id(array)]


def _packed(value: Any, arrays: _Arrays) -> Any:
    """Return an object as JSON can hold it, with arrays as numbers."""
    if isinstance(value, BaseModel):
        return {"model": _name(type(value)), "is": value.model_dump(mode="json")}
    if isinstance(value, pa.Table):
        return {"table": arrays.place_of(_stream_of(value))}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {x.name: _packed(getattr(value, x.name), arrays) for x in dataclasses.fields(value)}
        return {"object": _name(type(value)), "is": parts}
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        return {"array": arrays.place_of(np.asarray(value)), "single": not np.ndim(value)}
    if isinstance(value, (tuple, list)):
        name = "tuple" if isinstance(value, tuple) else "list"
        return {name: [_packed(item, arrays) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[_packed(k, arrays), _packed(v, arrays)] for k, v in value.items()]}
    if isinstance(value, dt.date):
        return {"date": value.isoformat()}
    if isinstance(value, _PLAIN):
        return value
    raise TypeError(f"{type(value).__name__} cannot be saved")


def _stream_of(table: pa.Table) -> _Array:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return np.frombuffer(sink.getvalue(), dtype=np.uint8)


class _Unpacking:
    """Makes objects of known classes again."""

    def __init__(self, classes: Mapping[str, type], arrays: list[_Array]) -> None:
        self.classes, self.arrays = classes, arrays

    def unpacked(self, content: Any) -> Any:
        """Return the object of some content."""
        if isinstance(content, _PLAIN):
            return content
        kind, held = next(iter(content.items()))
        if kind == "object":
            parts = {name: self.unpacked(part) for name, part in content["is"].items()}
            return self.classes[held](**parts)
        if kind == "model":
            model: Any = self.classes[held]
            return model.model_validate(content["is"])
        if kind == "array":
            array = self.arrays[held]
            return array[()] if content["single"] else array
        if kind == "table":
            return pa.ipc.open_stream(pa.py_buffer(self.arrays[held])).read_all()
        if kind == "dict":
            return {self.unpacked(k): self.unpacked(v) for k, v in held}
        if kind == "date":
            return dt.date.fromisoformat(held)
        items = [self.unpacked(item) for item in held]
        return tuple(items) if kind == "tuple" else items


def _classes(wanted: type) -> Mapping[str, type]:
    """Return the dataclasses and models that a class can hold, by name, and itself."""
    found: dict[str, type] = {}
    pending: list[Any] = [wanted]
    while pending:
        hint = pending.pop()
        pending += get_args(hint)
        if not isinstance(hint, type) or _name(hint) in found:
            continue
        if dataclasses.is_dataclass(hint) or issubclass(hint, BaseModel):
            found[_name(hint)] = hint
            pending += get_type_hints(hint).values()
    return found


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _bytes_of(array: _Array | bytes) -> memoryview | bytes:
    if isinstance(array, bytes):
        return array
    # numpy's arrays are buffers, which type checkers of Python before 3.12 cannot see.
    flat: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return memoryview(flat)


def _contents(file: BinaryIO) -> tuple[dict[str, Any], list[_Array]]:
    """Return the header and the arrays, after all that was written is seen to be there."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    digest, start = hashlib.sha256(), file.read(len(_MAGIC) + len(_FORMAT) + 8)
    digest.update(start)
    if not start.startswith(_MAGIC):
        raise SealError("the file is no saved link result", hint="Give what LinkResult.save wrote.")
    if size < len(_MAGIC) + len(_FORMAT) + 8 + _DIGEST_BYTES:
        raise _damaged()
    if start[len(_MAGIC) : -8] != _FORMAT:
        raise MismatchError(
            "the file is a link result in another format", hint="Install the newest linkkit."
        )
    n_header = int.from_bytes(start[-8:], "big")
    header: Any = None
    if len(start) + n_header + _DIGEST_BYTES <= size:
        raw = file.read(n_header)
        digest.update(raw)
        header = _parsed(raw)
    shapes = _shapes(header)
    n_bytes = [math.prod(shape) * kind.itemsize for kind, shape in shapes or []]
    if shapes is None or len(start) + n_header + sum(n_bytes) + _DIGEST_BYTES != size:
        raise _damaged()
    arrays = [_read_array(file, kind, shape, digest) for kind, shape in shapes]
    if file.read(_DIGEST_BYTES) != digest.digest():
        raise _damaged()
    return header, arrays


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _shapes(header: Any) -> list[tuple[np.dtype[Any], tuple[int, ...]]] | None:
    """Return type and shape of each array, or None where they are not stated."""
    try:
        shapes = [(np.dtype(kind), tuple(map(int, shape))) for kind, shape in header["arrays"]]
    except (KeyError, TypeError, ValueError):
        return None
    is_whole = all(not kind.hasobject and min(shape, default=0) >= 0 for kind, shape in shapes)
    return shapes if is_whole and "object" in header else None


def _read_array(file: BinaryIO, kind: np.dtype[Any], shape: tuple[int, ...], digest: Any) -> _Array:
    content = np.empty(math.prod(shape) * kind.itemsize, dtype=np.uint8)
    for start in range(0, len(content), _AT_ONCE):
        part = file.read(min(_AT_ONCE, len(content) - start))
        if not part:
            raise _damaged()
        digest.update(part)
        content[start : start + len(part)] = np.frombuffer(part, dtype=np.uint8)
    return content.view(kind).reshape(shape)


def _short(made_by: object) -> str:
    return made_by[:40] if isinstance(made_by, str) else "another linkkit"


def _damaged() -> SealError:
    return SealError(
        "the saved link result is damaged or cut short",
        hint="Take it from a backup, or link all deliveries again.",
    )
