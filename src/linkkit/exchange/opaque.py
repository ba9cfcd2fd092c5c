"""Keys that cannot be printed, pickled, hashed or copied by accident."""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path
from typing import ClassVar, NoReturn, Self

from linkkit.errors import SecretError

__all__ = ["OpaqueKey", "decode_key_text", "read_key_text", "write_key_text"]

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
    described: ClassVar[str] = "a key"

    def __init__(self, material: bytes) -> None:
        problem = _weakness(material, self.n_bytes)
        if problem:
            del material  # some tracebacks show local variables
            raise SecretError(
                f"this is not {self.described}: {problem}",
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
        # Neither text nor bytes get a name here: some tracebacks show local variables.
        return cls(
            decode_key_text(read_key_text(path, described=cls.described), cls.label)
            or _refuse_file(path, cls.described)
        )

    def save(self, path: str | Path) -> Path:
        """Write the key to a new file that only its owner may read; returns the path.

        Raises
        ------
        SecretError
            When the file exists or cannot be written.
        """
        return write_key_text(path, f"{self.key_text()}\n")

    def key_text(self) -> str:
        """Return the key as its file holds it, for where a file cannot be, such as a keyring."""
        return f"linkkit-{self.label} {self._material.hex()}"

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
            f"{self.described} cannot be pickled",
            hint="Save it with save() to a file that only you may read.",
        )

    def __getstate__(self) -> NoReturn:
        self.__reduce_ex__(2)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


def _weakness(material: object, n_bytes: int) -> str:
    if not isinstance(material, (bytes, bytearray)):
        return f"it is made of {n_bytes} bytes, not of {type(material).__name__}"
    if len(material) != n_bytes:
        return f"it has {n_bytes} bytes, and these are {len(material)}"
    if len(set(material)) < _FEWEST_DISTINCT_BYTES:
        return "it is not random, but repeats a few bytes"
    return ""


def decode_key_text(text: str, label: str) -> bytes | None:
    """Return the bytes of a key file's text, or None if it holds no key of that label."""
    words = text.split()
    if len(words) != 2 or words[0] != f"linkkit-{label}":
        return None
    try:
        return bytes.fromhex(words[1])
    except ValueError:
        return None


def _refuse_file(path: str | Path, described: str) -> NoReturn:
    raise SecretError(
        f"the file '{path}' does not hold {described}",
        hint=f"It must be a file that 'linkkit keys' wrote for {described}.",
    )


def read_key_text(path: str | Path, *, described: str, encoding: str = "ascii") -> str:
    """Read a key file as text, refusing one that other users may read."""
    problem = ""
    text = ""
    try:
        # A pipe that nobody writes to would otherwise be waited for.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            mode = os.fstat(handle).st_mode
            if not stat.S_ISREG(mode):
                problem = f"'{path}' is not a file of {described}, but a folder, a pipe or a device"
            elif os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                problem = f"the file '{path}' of {described} may be read by other users"
            else:
                with os.fdopen(handle, encoding=encoding, closefd=False) as file:
                    text = file.read()
        finally:
            os.close(handle)
    except FileNotFoundError:
        problem = f"there is no file of {described} at '{path}'"
    except UnicodeDecodeError:
        problem = f"the file '{path}' does not hold {described}"
    except (OSError, ValueError) as error:
        problem = f"the file of {described} cannot be read ({type(error).__name__})"
    if problem:
        hint = "Keep it where only you may read it: chmod 600 FILE."
        if problem.startswith("there is no"):
            hint = "Check the path. 'linkkit keys --help' lists the commands that make keys."
        raise SecretError(problem, hint=hint)
    return text


def write_key_text(path: str | Path, text: str) -> Path:
    """Write a new key file with mode 600, whole or not at all; never overwrites one."""
    path = Path(path)
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_new(path, text)
    except FileExistsError:
        problem = f"'{path}' exists, and a key is never overwritten"
    except (OSError, ValueError) as error:
        problem = f"the key file cannot be written ({type(error).__name__})"
    if problem:
        del text  # some tracebacks show local variables
        raise SecretError(problem, hint="Choose another path or move the old key away.")
    return path


def _write_new(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
    except OSError:
        path.unlink(missing_ok=True)
        raise
