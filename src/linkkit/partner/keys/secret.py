"""The key objects of the partner zone."""

from __future__ import annotations

import os
from typing import Self

from linkkit.errors import SecretError
from linkkit.exchange.opaque import OpaqueKey

__all__ = ["Secret", "TokenKey"]


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

    @classmethod
    def from_environment(cls, variable: str = "LINKKIT_SECRET") -> Self:
        """Take the secret from an environment variable of 64 hexadecimal digits.

        Raises
        ------
        SecretError
            When the variable is not set, is not hexadecimal, or the secret is too weak.
        """
        text = os.environ.get(variable, "").strip()
        if not text:
            raise SecretError(
                f"no linkage secret: environment variable '{variable}' is not set",
                hint="Name a file with --secret FILE, or in Python: Secret.load('linkage.key').",
            )
        material: bytes | None = None
        try:
            material = bytes.fromhex(text)
        except ValueError:
            pass
        if not material:
            raise SecretError(
                f"environment variable '{variable}' does not hold a linkage secret",
                hint="Set it to 64 hexadecimal digits, or use a file: Secret.load('linkage.key').",
            )
        return cls(material)


class TokenKey(OpaqueKey):
    """A party's own key, under which its row ids become record tokens.

    The same key gives a record the same token in every delivery under one agreement.
    """

    __slots__ = ()
    label = "token-key"
    described = "a token key"
