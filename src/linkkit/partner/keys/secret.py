"""The key objects of the partner zone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn, Self

from linkkit.agreement import Agreement
from linkkit.errors import SecretError
from linkkit.exchange.opaque import OpaqueKey, decode_key_text
from linkkit.partner.keys.passphrase import Passphrase, stretch
from linkkit.partner.keys.sources import KeyService, keyring_text, put_into_keyring, unwrapped

__all__ = ["Secret", "TokenKey"]

_KEYRING = "linkkit"


class Secret(OpaqueKey):
    """The linkage secret: 32 random bytes that the parties share and nobody else has.

    Whoever holds it can encode names of their own choosing and compare, so it never goes to
    the linkage unit or the steward.

    Examples
    --------
    >>> Secret.generate()
    <Secret: 32 bytes, not shown>
    """

    __slots__ = ()
    label = "linkage-secret"
    described = "a linkage secret"

    # In these methods neither text nor bytes of a key get a name: some tracebacks show local
    # variables.

    @classmethod
    def from_environment(cls, variable: str = "LINKKIT_SECRET") -> Self:
        """Take the secret from an environment variable of 64 hexadecimal digits.

        Raises
        ------
        SecretError
            When the variable is not set, is not hexadecimal, or the secret is too weak.
        """
        if not os.environ.get(variable, "").strip():
            raise SecretError(
                f"no linkage secret: environment variable '{variable}' is not set",
                hint="Name a file with --secret FILE, or in Python: Secret.load('linkage.key').",
            )
        return cls(
            _from_hexadecimal(os.environ.get(variable, ""))
            or _refuse(
                f"environment variable '{variable}' does not hold a linkage secret",
                hint="Set it to 64 hexadecimal digits, or use a file: Secret.load('linkage.key').",
            )
        )

    @classmethod
    def from_keyring(cls, name: str, *, service: str = _KEYRING) -> Self:
        """Take the secret from the system's keyring, such as macOS Keychain or Secret Service.

        Parameters
        ----------
        name : str
            Under which :meth:`save_to_keyring` kept it; by custom the agreement's id.
        service : str
            The application's name in the keyring.

        Raises
        ------
        DependencyError
            When the package ``keyring`` is not installed (``pip install "linkkit[keyring]"``).
        SecretError
            When there is no keyring, no such entry, or the entry holds something else.
        """
        return cls(
            decode_key_text(keyring_text(service, name), cls.label)
            or _refuse(
                f"the keyring has no linkage secret under '{name}' of '{service}'",
                hint="Put it there with Secret.save_to_keyring, or use a file.",
            )
        )

    def save_to_keyring(self, name: str, *, service: str = _KEYRING) -> None:
        """Keep the secret in the system's keyring; raises as :meth:`from_keyring`."""
        put_into_keyring(self.key_text(), service, name)

    @classmethod
    def from_kms(cls, service: KeyService, wrapped: bytes | str | Path) -> Self:
        """Let a key management service unwrap the secret.

        Parameters
        ----------
        service : KeyService
            Anything with ``unwrap(wrapped: bytes) -> bytes``; see :class:`KeyService`.
        wrapped : bytes, str or Path
            The 32 bytes as the service encrypted them, or the file that holds them.

        Raises
        ------
        SecretError
            When the service fails, or what it gives is not a secret.
        """
        return cls(unwrapped(service, wrapped))

    @classmethod
    def from_passphrase(cls, passphrase: Passphrase, *, agreement: Agreement) -> Self:
        """Stretch a passphrase into the secret of an agreement and its epoch, by Argon2id.

        Every partner that knows the passphrase gets the same secret. A random secret is
        better: whoever holds encodings can try passphrases, at the price of Argon2id for each.

        Parameters
        ----------
        passphrase : Passphrase
            Read with :meth:`Passphrase.load` or :meth:`Passphrase.prompt`.
        agreement : Agreement
            Another agreement or epoch gives another secret.

        Raises
        ------
        SecretError
            When the passphrase leans on words of the agreement and is weak without them.
        DependencyError
            When OpenSSL is too old for Argon2id.
        """
        if not isinstance(passphrase, Passphrase):
            kind = type(passphrase).__name__
            del passphrase
            raise SecretError(
                f"a Passphrase is needed, not {kind}", hint="Use Passphrase.prompt()."
            )
        return cls(stretch(passphrase, agreement))


class TokenKey(OpaqueKey):
    """A party's own key, under which its row ids become record tokens.

    The same key gives a record the same token in every delivery under one agreement.
    """

    __slots__ = ()
    label = "token-key"
    described = "a token key"


def _from_hexadecimal(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        return None


def _refuse(problem: str, *, hint: str) -> NoReturn:
    raise SecretError(problem, hint=hint)
