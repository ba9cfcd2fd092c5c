"""Who sent a file, and who may open it: each organization's identity keys."""

from __future__ import annotations

from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from linkkit.agreement import Agreement
from linkkit.agreement.public_key import N_KEY, decode_public_key, encode_public_key
from linkkit.errors import NotAuthorizedError, SecretError
from linkkit.exchange.opaque import OpaqueKey

__all__ = ["Identity", "PublicIdentity", "require_identity"]

_FIELD = 2**255 - 19
_Y_OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = {0, 1, _FIELD - 1, _Y_OF_ORDER_8, _FIELD - _Y_OF_ORDER_8}


class PublicIdentity:
    """What others need of an organization: to seal a file to it and to check its signature.

    The text form starts with ``lkpub1`` and carries a checksum; it goes into the agreement.
    """

    __slots__ = ("seal_key", "text", "verify_key")

    def __init__(self, text: str) -> None:
        keys = decode_public_key(text) or _refuse_public()
        self.text = text
        self.seal_key = x25519.X25519PublicKey.from_public_bytes(keys[:N_KEY])
        self.verify_key = ed25519.Ed25519PublicKey.from_public_bytes(keys[N_KEY:])
        if not (_may_seal(self.seal_key) and _may_verify(keys[N_KEY:])):
            _refuse_public()

    def shares_key_with(self, other: PublicIdentity) -> bool:
        """Whether either half belongs to the same private key, however it is written."""
        pairs = ((self.seal_key, other.seal_key), (self.verify_key, other.verify_key))
        return any(_coordinate(one) == _coordinate(two) for one, two in pairs)

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
    described = "an identity"

    def _seed(self, purpose: bytes) -> bytes:
        return HKDFExpand(SHA256(), N_KEY, b"linkkit identity 1 " + purpose).derive(self.reveal())

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
        return PublicIdentity(encode_public_key(keys))


def require_identity(identity: Identity, agreement: Agreement, role: str) -> None:
    """Refuse to sign in the name of an organization with another's identity.

    Parameters
    ----------
    identity : Identity
        Who is about to sign.
    agreement : Agreement
        States the public keys.
    role : str
        A party's name, ``linkage_unit`` or ``steward``.

    Raises
    ------
    NotAuthorizedError
        Naming the clause of the public key.
    SecretError
        When `identity` is something else.
    """
    if not isinstance(identity, Identity):
        raise SecretError(
            f"'identity' must be an Identity, not {type(identity).__name__}",
            hint="Load your organization's own: linkkit.Identity.load('district.identity').",
        )
    if identity.public.text == agreement.require_public_key(role):
        return
    zone = role if role in ("linkage_unit", "steward") else f"parties.{role}"
    raise NotAuthorizedError(
        f"the identity given is not that of '{role}'",
        clause=f"{zone}.public_key",
        hint="Use the identity whose public key stands in the agreement.",
    )


def _coordinate(key: x25519.X25519PublicKey | ed25519.Ed25519PublicKey) -> int:
    # One point can be written in several ways: the top bit and multiples of the field's prime
    # do not count (RFC 7748, section 5).
    return int.from_bytes(key.public_bytes_raw(), "little") % 2**255 % _FIELD


def _refuse_public() -> NoReturn:
    raise SecretError(
        "a public key is damaged or not of linkkit",
        hint="Copy it again, whole, from what 'linkkit keys identity' printed: lkpub1...",
    )


def _may_seal(key: x25519.X25519PublicKey) -> bool:
    # A key of small order would agree on a secret that everybody knows (RFC 7748, section 6.1).
    try:
        x25519.X25519PrivateKey.generate().exchange(key)
    except ValueError:
        return False
    return True


def _may_verify(key: bytes) -> bool:
    # With a point of small order, one signature fits every message (Chalkias, Garillot and
    # Nikolaenko, "Taming the many EdDSAs", SSR 2020). The top bit is the sign of x.
    y = int.from_bytes(key, "little") & (2**255 - 1)
    return y % _FIELD not in _SMALL_ORDER
