"""The text form of an organization's public key, as it stands in an agreement.

``lkpub1`` and the base32 form, in lower case, of 32 bytes to seal to, 32 bytes to verify with,
and the first four bytes of a SHA-256 checksum of both.
"""

from __future__ import annotations

import base64
import hashlib

__all__ = ["N_KEY", "decode_public_key", "encode_public_key"]

N_KEY = 32
_PREFIX = "lkpub1"
_N_CHECK = 4


def encode_public_key(keys: bytes) -> str:
    """Return the text form of the 64 bytes of both keys."""
    return _PREFIX + base64.b32encode(keys + _checksum(keys)).decode().rstrip("=").lower()


def decode_public_key(text: str) -> bytes | None:
    """Return the 64 bytes of both keys, or None if the text is not exactly their text form."""
    body = text.removeprefix(_PREFIX).upper()
    try:
        raw = base64.b32decode(body + "=" * (-len(body) % 8))
    except ValueError:
        return None
    keys = raw[: 2 * N_KEY]
    return keys if len(keys) == 2 * N_KEY and encode_public_key(keys) == text else None


def _checksum(keys: bytes) -> bytes:
    return hashlib.sha256(b"linkkit public identity 1" + keys).digest()[:_N_CHECK]
