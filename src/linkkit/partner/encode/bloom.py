"""Keyed Bloom filters: tokens of a value set bits that only the key's holders can predict.

Bit positions are independent HMAC-SHA256 outputs, never double hashing (Kroll and Steinmetzer,
2015, enumerate the few patterns that double hashing can make).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["bloom_filters", "bloom_filters_reference", "token_positions"]

_VALUES_AT_ONCE = 65_536


def token_positions(key: bytes, token: str, *, n_bits: int, n_hashes: int) -> list[int]:
    """Return the bits that a token sets.

    Parameters
    ----------
    key : bytes
        The field's sub-key.
    token : str
        Such as a bigram.
    n_bits : int
        Width of the filter, a power of two from 64 to 65,536: 16-bit words of the HMAC stream
        are cut to it without bias.
    n_hashes : int
        How many positions; some may coincide.
    """
    message = token.encode()
    stream = b""
    block = 0
    while len(stream) < 2 * n_hashes:
        stream += hmac.digest(key, block.to_bytes(4, "big") + message, "sha256")
        block += 1
    words = np.frombuffer(stream[: 2 * n_hashes], dtype=">u2")
    return [int(word) % n_bits for word in words]


def bloom_filters(
    values: Sequence[str],
    *,
    key: bytes,
    tokens: Callable[[str], Iterable[str]],
    n_bits: int,
    n_hashes: int,
) -> npt.NDArray[np.uint64]:
    """Encode values as Bloom filters (Schnell, Bachteler and Reiher, 2009).

    Each distinct token is hashed once, and its mask is OR-ed into every value that has it.

    Parameters
    ----------
    values : sequence of str
        Standardized, non-empty values.
    key : bytes
        The field's sub-key.
    tokens : callable
        Splits a value into tokens, at least one.
    n_bits, n_hashes : int
        Width, and bits per token.

    Returns
    -------
    ndarray of uint64, shape (n_values, n_bits / 64)
        Bit `i` of a filter is bit ``i % 64`` of word ``i // 64``.
    """
    ids: dict[str, int] = {}
    filters = np.zeros((len(values), n_bits // 64), dtype=np.uint64)
    masks = np.zeros((0, n_bits // 64), dtype=np.uint64)
    for start in range(0, len(values), _VALUES_AT_ONCE):
        chunk = values[start : start + _VALUES_AT_ONCE]
        lists = [[ids.setdefault(token, len(ids)) for token in tokens(value)] for value in chunk]
        new = list(ids)[len(masks) :]
        masks = np.vstack([masks, _masks(new, key, n_bits, n_hashes)])
        flat = np.fromiter((i for row in lists for i in row), dtype=np.int64)
        starts = np.cumsum([0] + [len(row) for row in lists[:-1]])
        filters[start : start + len(chunk)] = np.bitwise_or.reduceat(masks[flat], starts, axis=0)
    return filters


def _masks(tokens: Sequence[str], key: bytes, n_bits: int, n_hashes: int) -> npt.NDArray[np.uint64]:
    masks = np.zeros((len(tokens), n_bits // 64), dtype=np.uint64)
    for row, token in enumerate(tokens):
        for position in token_positions(key, token, n_bits=n_bits, n_hashes=n_hashes):
            masks[row, position // 64] |= np.uint64(1 << (position % 64))
    return masks


def bloom_filters_reference(
    values: Sequence[str],
    *,
    key: bytes,
    tokens: Callable[[str], Iterable[str]],
    n_bits: int,
    n_hashes: int,
) -> npt.NDArray[np.uint64]:
    """Do what :func:`bloom_filters` does, one bit at a time."""
    filters = np.zeros((len(values), n_bits // 64), dtype=np.uint64)
    for row, value in enumerate(values):
        bits = {
            position
            for token in tokens(value)
            for position in token_positions(key, token, n_bits=n_bits, n_hashes=n_hashes)
        }
        for position in bits:
            filters[row, position // 64] |= np.uint64(1 << (position % 64))
    return filters
