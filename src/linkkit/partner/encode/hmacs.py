"""HMAC-SHA256 of many short messages under one key."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba
from linkkit.partner.encode import _hmac_reference

__all__ = ["hmac_sha256_many"]

_WORTH_COMPILED = 8_000
_BLOCK_BYTES = 64


def hmac_sha256_many(
    key: bytes, data: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Return the HMAC-SHA256 of each message.

    Parameters
    ----------
    key : bytes
        Of any length.
    data : ndarray of uint8
        All messages, one after another.
    bounds : ndarray of int64, shape (n + 1,)
        Message `i` is ``data[bounds[i] : bounds[i + 1]]``.

    Returns
    -------
    ndarray of uint8, shape (n, 32)
        The digests.

    Examples
    --------
    >>> data = np.frombuffer(b"what do ya want for nothing?", dtype=np.uint8)
    >>> hmac_sha256_many(b"Jefe", data, np.array([0, 28])).tobytes().hex()[:16]  # RFC 4231, 2
    '5bdcc146bf60754e'
    """
    few = len(bounds) - 1 < _WORTH_COMPILED
    if few or not has_numba():
        return _hmac_reference.hmac_digests(key, data, bounds)
    from linkkit.partner.encode import _hmac_kernels

    digests: Any = _hmac_kernels.hmac_digests
    out = np.empty((len(bounds) - 1, 8), dtype=np.uint32)
    digests(_key_state(key, 0x36), _key_state(key, 0x5C), data, bounds, out)
    return out.astype(">u4").view(np.uint8)


def _key_state(key: bytes, pad: int) -> npt.NDArray[np.uint32]:
    """Return the state of SHA-256 after the block that holds the key (RFC 2104)."""
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    block = bytes(byte ^ pad for byte in key.ljust(_BLOCK_BYTES, b"\0"))
    state = _hmac_reference.compressed(_hmac_reference.INITIAL_STATE, block)
    return np.array(state, dtype=np.uint32)
