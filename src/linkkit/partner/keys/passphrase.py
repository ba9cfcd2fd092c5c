"""Passphrases: refused when weak, and stretched by Argon2id, never used as they are."""

from __future__ import annotations

import getpass
import hashlib
import hmac
import re
import threading
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import UnsupportedAlgorithm

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.errors import DependencyError, SecretError
from linkkit.exchange.opaque import read_key_text
from linkkit.partner.keys.derive import length_prefixed

__all__ = ["ITERATIONS", "LANES", "MEMORY_KIB", "Passphrase", "stretch", "stretch_bytes"]

# The second choice of RFC 9106, section 4, for machines that share memory; OWASP's least are
# 19 MiB, 2 iterations and 1 lane. Part of the derivation, so no option.
MEMORY_KIB = 64 * 1024
ITERATIONS = 3
LANES = 4

# Two derivations at once, each of several lanes, wait for each other for ever or end in a
# MemoryError in cryptography 50.0.2 with OpenSSL 4.0.3.
_one_at_a_time = threading.Lock()

FEWEST_CHARACTERS = 20
FEWEST_BITS = 75.0
"""What six words of a dice list have (77.5 bits)."""

_IN_DOCUMENTATION = "ladle umbrella nectar frozen tapir quilt"
_BITS_PER_WORD = 12.9
_BITS_PER_LETTER = 4.7
_BITS_PER_LONG_LETTER = 2.0
_BITS_PER_DIGIT = 3.3
_BITS_PER_MIXED = 5.0
_LONG_WORD = 10
_WORDS = re.compile(r"[^\W_]+")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertz", "azerty")
_OBVIOUS = frozenset(
    "admin agreement changeme correct data district horse battery staple letmein link linkage "
    "linkkit login pass passphrase password passwort project school secret study welcome".split()
)
_HINT = (
    "Take six or more words that dice choose from a list, such as the EFF's, or a secret of "
    "'linkkit keys secret', which is better."
)


class Passphrase:
    """A passphrase that cannot be printed, pickled or hashed, and is not plainly weak.

    What it is worth is estimated from below: repeated words, rows of the keyboard, years and
    words that everybody tries count for nothing. The estimate cannot know whether words were
    chosen by dice or by a person.

    Parameters
    ----------
    text : str
        The passphrase. Spaces around and between words do not matter, nor does the Unicode
        form in which a keyboard writes a letter.

    Raises
    ------
    SecretError
        When it has fewer than 20 characters, or is worth fewer than 75 bits.

    Examples
    --------
    >>> Passphrase("ladle umbrella nectar frozen tapir quilt")
    <Passphrase: not shown>
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            kind = type(text).__name__
            del text
            raise SecretError(f"a passphrase is text, not {kind}", hint=_HINT)
        self._text = _normal(text)
        del text  # some tracebacks show local variables
        self.require_strong()

    @classmethod
    def load(cls, path: str | Path) -> Passphrase:
        """Read a passphrase from a file of one line that only its owner may read.

        Raises
        ------
        SecretError
            When the file is missing or readable by others, or the passphrase is weak.
        """
        # The text gets no name here: some tracebacks show local variables.
        return cls(
            _only_line(read_key_text(path, described="a passphrase", encoding="utf-8"))
            or _refuse_lines(path)
        )

    @classmethod
    def prompt(cls, text: str = "Passphrase of the partners") -> Passphrase:
        """Ask for a passphrase at the terminal, twice, without showing it.

        Raises
        ------
        SecretError
            When the two differ, there is no terminal, or the passphrase is weak.
        """
        first, second = cls(_asked(text)), cls(_asked(f"{text}, again"))
        if first != second:
            raise SecretError("the two passphrases differ", hint="Type the same one twice.")
        return first

    def require_strong(self, *, known: Iterable[str] = ()) -> None:
        """Refuse a passphrase that is weak once `known` words count for nothing."""
        if len(self._text) < FEWEST_CHARACTERS:
            problem = f"the passphrase has fewer than {FEWEST_CHARACTERS} characters"
        elif _worth(self._text, known) < FEWEST_BITS:
            problem = (
                "the passphrase is too easily guessed: too few different words or characters "
                "remain without repetitions, rows of the keyboard, years and common words"
            )
        else:
            return
        raise SecretError(problem, hint=_HINT)

    def require_own(self) -> None:
        """Refuse the passphrase that everybody reads in the documentation."""
        if self._text.casefold() == _IN_DOCUMENTATION:
            raise SecretError(
                "this passphrase stands in linkkit's documentation, where everybody reads it",
                hint=_HINT,
            )

    def reveal(self) -> bytes:
        """Return the passphrase in UTF-8, for Argon2id."""
        return self._text.encode()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Passphrase):
            return NotImplemented
        return hmac.compare_digest(self.reveal(), other.reveal())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<Passphrase: not shown>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise SecretError("a passphrase cannot be pickled", hint="Ask for it where it is needed.")

    def __getstate__(self) -> NoReturn:
        self.__reduce_ex__(2)

    def __copy__(self) -> Passphrase:
        return self

    def __deepcopy__(self, memo: object) -> Passphrase:
        return self


def stretch(passphrase: Passphrase, agreement: Agreement) -> bytes:
    """Return 32 bytes by Argon2id (RFC 9106), salted by agreement id and epoch.

    Raises
    ------
    SecretError
        When the passphrase is weak without the words of the agreement.
    DependencyError
        When OpenSSL is too old for Argon2id.
    """
    require_agreement(agreement)
    passphrase.require_strong(known=_words_of(agreement))
    return stretch_bytes(passphrase.reveal(), agreement)


def stretch_bytes(material: bytes, agreement: Agreement) -> bytes:
    """Return 32 bytes by Argon2id of what may be guessed.

    Raises
    ------
    SecretError
        When there is not enough memory.
    DependencyError
        When OpenSSL is too old for Argon2id.
    """
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    is_short = False
    try:
        stretcher = Argon2id(
            salt=passphrase_salt(agreement),
            length=32,
            iterations=ITERATIONS,
            lanes=LANES,
            memory_cost=MEMORY_KIB,
        )
        with _one_at_a_time:
            return stretcher.derive(material)
    except UnsupportedAlgorithm:
        pass
    except MemoryError:
        is_short = True
    if is_short:
        del material  # some tracebacks show local variables
        raise SecretError(
            f"there is not enough memory to stretch a secret, which takes {MEMORY_KIB // 1024} MiB",
            hint="End other programs or raise the limit of this one, and try again.",
        )
    raise DependencyError(
        "this build of the package 'cryptography' has no Argon2id",
        hint="Install its wheel from PyPI, or OpenSSL 3.2 or newer.",
    )


def passphrase_salt(agreement: Agreement) -> bytes:
    """Return the salt of an agreement's passphrase: public, and its own for each epoch."""
    parts = (b"linkkit passphrase 1", agreement.id.encode(), str(agreement.epoch).encode())
    return hashlib.sha256(length_prefixed(*parts)).digest()


def _normal(text: str) -> str:
    # NFC, as RFC 8265 asks of passwords: keyboards differ in how they compose a letter.
    return " ".join(unicodedata.normalize("NFC", text).split())


def _only_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if len(lines) == 1 else ""


def _refuse_lines(path: str | Path) -> NoReturn:
    raise SecretError(
        f"the file '{path}' does not hold one passphrase",
        hint="Write the passphrase, and nothing else, into one line.",
    )


def _asked(text: str) -> str:
    try:
        with warnings.catch_warnings():
            # Where it cannot hide what is typed, getpass only warns.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"{text}: ")
    except (EOFError, OSError, getpass.GetPassWarning):
        pass
    raise SecretError(
        "there is no terminal to type a passphrase at",
        hint="Give the file of the passphrase instead.",
    )


def _words_of(agreement: Agreement) -> set[str]:
    organizations = [*agreement.parties.values(), agreement.linkage_unit, agreement.steward]
    texts = [agreement.id, agreement.title, agreement.purpose, *agreement.parties]
    return _words(" ".join([*texts, *(organization.name for organization in organizations)]))


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORDS.findall(text)}


def _worth(text: str, known: Iterable[str]) -> float:
    """Estimate the bits of a passphrase, from below."""
    nothing = _OBVIOUS | set(known)
    different = dict.fromkeys(_WORDS.findall(text))
    words = {word.casefold(): word for word in different if word.casefold() not in nothing}
    return sum(_word_worth(word) for word in words.values())


def _word_worth(word: str) -> float:
    n = _without_rows(word.casefold())
    if word.isdigit():
        return 0.0 if re.fullmatch(r"(19|20)\d\d", word) else _BITS_PER_DIGIT * n
    if word.isalpha() and word[1:] == word[1:].casefold():
        long = _BITS_PER_LONG_LETTER * n if n > _LONG_WORD else 0.0
        return max(min(_BITS_PER_WORD, _BITS_PER_LETTER * n), long)
    return _BITS_PER_MIXED * n


def _without_rows(word: str) -> int:
    """Count characters that neither repeat or continue the one before nor come again."""
    seen: set[str] = set()
    n = 0
    for i, character in enumerate(word):
        before = word[i - 1] if i else ""
        pair = before + character
        if not (before and (_continues(before, character) or pair in seen)):
            n += 1
        seen.add(pair)
    return n


def _continues(before: str, character: str) -> bool:
    pair = before + character
    return abs(ord(before) - ord(character)) <= 1 or any(
        pair in row or pair in row[::-1] for row in _ROWS
    )
