"""Sub-keys: one for each purpose, so that no two uses of the secret meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from linkkit.agreement import Agreement
from linkkit.exchange import EncodingSpec
from linkkit.exchange.opaque import OpaqueKey

__all__ = [
    "KeyScope",
    "derive_key",
    "encoding_key",
    "key_check",
    "length_prefixed",
    "secret_check",
]

_SALT = b"linkkit key derivation 1"
_KEY_CHECK_BYTES = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyScope:
    """What the sub-keys of encodings are bound to, beside the secret.

    Encodings that differ in any part of it never match.

    Attributes
    ----------
    agreement_id : str
        The agreement's id, which stays through amendments.
    epoch : int
        The agreement's epoch, from 1.
    spec_digest : str
        Digest of the encoding spec, 64 hexadecimal digits.

    Examples
    --------
    >>> KeyScope(agreement_id="youth-2026", epoch=2, spec_digest="0" * 64).labels[:2]
    ('youth-2026', 'epoch 2')
    """

    agreement_id: str
    epoch: int
    spec_digest: str

    @classmethod
    def of(cls, agreement: Agreement, spec: EncodingSpec) -> Self:
        """Return the scope of encodings made under an agreement, as a spec says."""
        return cls(agreement_id=agreement.id, epoch=agreement.epoch, spec_digest=spec.digest)

    @property
    def labels(self) -> tuple[str, ...]:
        """The scope as labels of a sub-key.

        The first epoch adds none, so that an agreement need not state it. No digest and no
        agreement id has a space, so no epoch is taken for either.
        """
        epoch = () if self.epoch == 1 else (_epoch_label(self.epoch),)
        return (self.agreement_id, *epoch, self.spec_digest)


def length_prefixed(*parts: bytes) -> bytes:
    """Join parts, each behind its length in four bytes, so that no two lists look alike."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def derive_key(key: OpaqueKey, *labels: str, n_bytes: int = 32) -> bytes:
    """Derive a sub-key by HKDF-SHA256 (RFC 5869).

    Parameters
    ----------
    key : OpaqueKey
        The key to derive from.
    *labels : str
        What the sub-key is for, from general to special. Each is length-prefixed, so that
        ``("ab", "c")`` and ``("a", "bc")`` differ.
    n_bytes : int
        Length of the sub-key.

    Returns
    -------
    bytes
        The sub-key.
    """
    info = length_prefixed(*(label.encode() for label in labels))
    return HKDF(SHA256(), n_bytes, _SALT, info).derive(key.reveal())


def encoding_key(
    secret: OpaqueKey, scope: KeyScope, *, purpose: str, field: str, pass_name: str | None = None
) -> bytes:
    """Derive the sub-key under which a field is encoded.

    Parameters
    ----------
    secret : OpaqueKey
        The linkage secret.
    scope : KeyScope
        Agreement, epoch and encoding spec.
    purpose : str
        What the sub-key does, such as ``"field-filter"``.
    field : str
        The linkage field, or what stands in its place.
    pass_name : str, optional
        Which of several passes, where a profile has them.

    Returns
    -------
    bytes
        32 bytes.
    """
    passes = () if pass_name is None else (pass_name,)
    return derive_key(secret, purpose, *scope.labels, field, *passes)


def key_check(key: OpaqueKey, *labels: str) -> str:
    """Return 32 hexadecimal digits that tell two keys apart without revealing either."""
    return derive_key(key, "key-check", *labels, n_bytes=_KEY_CHECK_BYTES).hex()


def secret_check(secret: OpaqueKey, agreement: Agreement) -> str:
    """Return 32 hexadecimal digits of secret, agreement and epoch, to compare by voice."""
    labels = ("secret-check", agreement.id, _epoch_label(agreement.epoch))
    return derive_key(secret, *labels, n_bytes=_KEY_CHECK_BYTES).hex()


def _epoch_label(epoch: int) -> str:
    return f"epoch {epoch}"
