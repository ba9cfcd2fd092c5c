"""Keys that cannot be printed, pickled, hashed or copied by accident."""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path
from typing import ClassVar, NoReturn, Self

from linkkit.errors import SecretError

__all__ = ["OpaqueKey", "read_key_text", "write_key_text"]

_FEWEST_DISTINCT_BYTES = 8


class OpaqueKey:
    """32 bytes of key material that stay inside the object.

    Subclasses say what the key is for; a key for one purpose is not accepted for another.
    Python cannot wipe memory, so the bytes may outlive the object: best effort only.

    Raises
    ------
    SecretError
        When the material is not 32 bytes or plainly not random.
    """

    __slots__ = ("_material",)
    n_bytes: ClassVar[int] = 32
    label: ClassVar[str] = "key"

    def __init__(self, material: bytes) -> None:
        if len(material) != self.n_bytes:
            raise SecretError(
                f"a {self.label} is {self.n_bytes} bytes, these are {len(material)}",
                hint="Make a new one with 'linkkit keys'.",
            )
        if len(set(material)) < _FEWEST_DISTINCT_BYTES:
            raise SecretError(
                f"this {self.label} is not random: it repeats a few bytes",
                hint="Make a new one with 'linkkit keys'.",
            )
        self._material = bytes(material)

    @classmethod
    def generate(cls) -> Self:
        """Make a new key from the system's random source."""
        return cls(os.urandom(cls.n_bytes))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a key from a file that only its owner may read.

        Raises
        ------
        SecretError
            When the file is missing, holds another kind of key, is readable by others, or
            its key is too weak.
        """
        return cls(_decode(read_key_text(path, label=cls.label), cls.label))

    def save(self, path: str | Path) -> Path:
        """Write the key to a new file that only its owner may read; returns the path.

        Raises
        ------
        SecretError
            When the file exists or cannot be written.
        """
        return write_key_text(path, f"linkkit-{self.label} {self._material.hex()}\n")

    def reveal(self) -> bytes:
        """Return the bytes, for the code that derives sub-keys from them."""
        return self._material

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self._material, other._material)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: 32 bytes, not shown>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise SecretError(
            f"a {self.label} cannot be pickled or copied",
            hint="Save it with save() to a file that only you may read.",
        )

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _decode(text: str, label: str) -> bytes:
    words = text.split()
    if len(words) == 2 and words[0] == f"linkkit-{label}":
        try:
            return bytes.fromhex(words[1])
        except ValueError:
            pass
    raise SecretError(
        f"the file does not hold a {label}",
        hint=f"It must be a file that 'linkkit keys' wrote for a {label}.",
    )


def read_key_text(path: str | Path, *, label: str) -> str:
    """Read a key file as text, refusing one that other users may read."""
    path = Path(path)
    problem = ""
    text = ""
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            problem = f"the {label} file '{path}' may be read by other users"
        else:
            text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        problem = f"there is no {label} file at '{path}'"
    except UnicodeDecodeError:
        problem = f"the file '{path}' does not hold a {label}"
    except OSError as error:
        problem = f"the {label} file '{path}' cannot be read ({type(error).__name__})"
    if problem:
        raise SecretError(problem, hint=f"Keep it where only you may read it: chmod 600 '{path}'.")
    return text


def write_key_text(path: str | Path, text: str) -> Path:
    """Write a new key file with mode 600; never overwrites one."""
    path = Path(path)
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        problem = f"'{path}' exists, and a key is never overwritten"
    except OSError as error:
        problem = f"'{path}' cannot be written ({type(error).__name__})"
    if problem:
        raise SecretError(problem, hint="Choose another path or move the old key away.")
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
    return path
