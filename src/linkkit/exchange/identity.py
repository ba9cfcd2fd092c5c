"""Who sent a file, and who may open it: each organization's identity keys."""

from __future__ import annotations

import base64
import hashlib
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from linkkit.errors import SecretError
from linkkit.exchange.opaque import OpaqueKey

__all__ = ["Identity", "PublicIdentity"]

_PREFIX = "lkpub1"
_N_KEY = 32
_N_CHECK = 4


class PublicIdentity:
    """What others need of an organization: to seal a file to it and to check its signature.

    The text form starts with ``lkpub1`` and carries a checksum; it goes into the agreement.
    """

    __slots__ = ("seal_key", "text", "verify_key")

    def __init__(self, text: str) -> None:
        keys = _decode_public(text)
        self.text = text
        self.seal_key = x25519.X25519PublicKey.from_public_bytes(keys[:_N_KEY])
        self.verify_key = ed25519.Ed25519PublicKey.from_public_bytes(keys[_N_KEY:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicIdentity) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"PublicIdentity('{self.text}')"


class Identity(OpaqueKey):
    """An organization's private identity: opens what is sealed to it, signs what it sends.

    One 32-byte seed from which an X25519 key (RFC 7748) and an Ed25519 key (RFC 8032) are
    derived by HKDF-Expand (RFC 5869).

    Examples
    --------
    >>> identity = Identity.generate()
    >>> identity
    <Identity: 32 bytes, not shown>
    >>> identity.public.text.startswith("lkpub1")
    True
    """

    __slots__ = ()
    label = "identity"

    def _seed(self, purpose: bytes) -> bytes:
        return HKDFExpand(SHA256(), _N_KEY, b"linkkit identity 1 " + purpose).derive(self.reveal())

    @property
    def seal_key(self) -> x25519.X25519PrivateKey:
        """The key that opens files sealed to this organization."""
        return x25519.X25519PrivateKey.from_private_bytes(self._seed(b"seal"))

    @property
    def sign_key(self) -> ed25519.Ed25519PrivateKey:
        """The key that signs files from this organization."""
        return ed25519.Ed25519PrivateKey.from_private_bytes(self._seed(b"sign"))

    @property
    def public(self) -> PublicIdentity:
        """The public half, to be written into the agreement."""
        keys = (
            self.seal_key.public_key().public_bytes_raw()
            + self.sign_key.public_key().public_bytes_raw()
        )
        return PublicIdentity(_encode_public(keys))


def _checksum(keys: bytes) -> bytes:
    return hashlib.sha256(b"linkkit public identity 1" + keys).digest()[:_N_CHECK]


def _encode_public(keys: bytes) -> str:
    return _PREFIX + base64.b32encode(keys + _checksum(keys)).decode().rstrip("=").lower()


def _decode_public(text: str) -> bytes:
    body = text.removeprefix(_PREFIX).upper()
    raw = b""
    try:
        raw = base64.b32decode(body + "=" * (-len(body) % 8))
    except ValueError:
        pass
    keys, check = raw[: 2 * _N_KEY], raw[2 * _N_KEY :]
    if not text.startswith(_PREFIX) or len(keys) != 2 * _N_KEY or check != _checksum(keys):
        _refuse_public()
    return keys


def _refuse_public() -> NoReturn:
    raise SecretError(
        "a public key is damaged or not of linkkit",
        hint="Copy it again, whole, from what 'linkkit keys identity' printed: lkpub1...",
    )
