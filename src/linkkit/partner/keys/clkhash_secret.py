"""The secret of clkhash: any text that partners share, or one derived from the linkage secret."""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path
from typing import NoReturn, Self

from linkkit.agreement import Agreement
from linkkit.errors import SecretError
from linkkit.exchange import EncodingSpec
from linkkit.exchange.opaque import OpaqueKey, write_key_text
from linkkit.partner.keys.derive import KeyScope, encoding_key
from linkkit.partner.keys.passphrase import stretch_bytes
from linkkit.partner.keys.secret import Secret

__all__ = ["ClkhashSecret"]

_MOST_BYTES = 64 * 1024
_SHORT_BYTES = 16
_FEW_DISTINCT = 8


class ClkhashSecret(OpaqueKey):
    """What clkhash calls the secret: bytes of any length, read from a file of one line.

    clkhash takes whatever it is given, a word too. A secret that can be guessed is no secret:
    whoever has filters can try words. :attr:`weakness` says what is wrong with one.

    Parameters
    ----------
    material : bytes
        The secret; of a text, its UTF-8 bytes.

    Raises
    ------
    SecretError
        When it is empty, no bytes, or longer than 64 KiB.

    Examples
    --------
    >>> ClkhashSecret(b"horse")
    <ClkhashSecret: not shown>
    >>> ClkhashSecret(b"horse").weakness
    'it is short'
    """

    __slots__ = ()
    label = "clkhash-secret"
    described = "a clkhash secret"

    # In these methods neither text nor bytes of a key get a name: some tracebacks show local
    # variables.

    def __init__(self, material: bytes) -> None:
        if not isinstance(material, (bytes, bytearray)) or not 0 < len(material) <= _MOST_BYTES:
            kind = type(material).__name__
            del material
            raise SecretError(
                f"a clkhash secret is bytes, not empty and at most 64 KiB (this is {kind})",
                hint="Read it from a file: ClkhashSecret.load('clkhash.secret').",
            )
        self._material = bytes(material)

    @classmethod
    def generate(cls) -> Self:
        """Make a new secret: 64 hexadecimal digits of 32 random bytes, as text."""
        return cls(os.urandom(32).hex().encode())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a secret from a file of one line that only its owner may read.

        A line break at the end is no part of the secret; every other character is.

        Raises
        ------
        SecretError
            When the file is missing, empty, readable by others, or has several lines.
        """
        return cls(_one_line(path) or _refuse(path))

    @classmethod
    def derive(cls, secret: Secret, *, agreement: Agreement, spec: EncodingSpec) -> Self:
        """Derive the secret of an agreement from the linkage secret, by HKDF-SHA256.

        It is 64 hexadecimal digits, so that clkhash itself can be given it as text.
        """
        scope = KeyScope.of(agreement, spec)
        return cls(
            encoding_key(secret, scope, purpose="clkhash-secret", field="clkhash").hex().encode()
        )

    @property
    def weakness(self) -> str:
        """What makes the secret easy to guess, or an empty string."""
        if len(self._material) < _SHORT_BYTES:
            return "it is short"
        if len(set(self._material)) < _FEW_DISTINCT:
            return "it repeats a few characters"
        return ""

    def stretched(self, agreement: Agreement) -> Secret:
        """Return a linkage secret of the same content, by Argon2id.

        What travels with encodings, to tell secrets apart, is derived from it: a word would
        otherwise be found by trying words, without a single filter.
        """
        return Secret(stretch_bytes(self._material, agreement))

    def save(self, path: str | Path) -> Path:
        """Write the secret, and nothing else, to a new file that only its owner may read.

        Raises
        ------
        SecretError
            When it is no text of one line in ASCII, the file exists or cannot be written.
        """
        if not self._material.isascii() or self._material.splitlines() != [self._material]:
            raise SecretError(
                "the clkhash secret is no line of ASCII text", hint="Copy its file instead."
            )
        return write_key_text(path, f"{self._material.decode()}\n")

    def key_text(self) -> NoReturn:
        """Refuse: a clkhash secret has no form of linkkit's own."""
        raise SecretError("a clkhash secret is kept in a file", hint="Use save().")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self._material, other._material)

    __hash__ = None

    def __repr__(self) -> str:
        return "<ClkhashSecret: not shown>"


def _one_line(path: str | Path) -> bytes:
    """Return the only line of a file, or nothing if it has none or several."""
    problem = ""
    try:
        with Path(path).open("rb") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                problem = f"the file '{path}' of a clkhash secret may be read by other users"
            else:
                return _line_of(file.read(_MOST_BYTES + 3))
    except FileNotFoundError:
        problem = f"there is no file of a clkhash secret at '{path}'"
    except (OSError, ValueError) as error:
        problem = f"the file of a clkhash secret cannot be read ({type(error).__name__})"
    raise SecretError(problem, hint="Keep it where only you may read it: chmod 600 FILE.")


def _line_of(content: bytes) -> bytes:
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    return b"" if b"\n" in line or b"\r" in line else line


def _refuse(path: str | Path) -> NoReturn:
    raise SecretError(
        f"the file '{path}' does not hold one line with a clkhash secret",
        hint="Write the secret, and nothing else, into one line, exactly as clkhash was given it.",
    )
