"""Sub-keys: one for each purpose, so that no two uses of the secret meet."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from linkkit.exchange.opaque import OpaqueKey

__all__ = ["derive_key", "key_check"]

_SALT = b"linkkit key derivation 1"
_KEY_CHECK_BYTES = 16


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
    info = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (x.encode() for x in labels))
    return HKDF(SHA256(), n_bytes, _SALT, info).derive(key.reveal())


def key_check(key: OpaqueKey, *labels: str) -> str:
    """Return 32 hexadecimal digits that tell two keys apart without revealing either."""
    return derive_key(key, "key-check", *labels, n_bytes=_KEY_CHECK_BYTES).hex()
