"""HMAC-SHA256 of many messages with the standard library, and the constants of SHA-256.

The slow, obvious twin of :mod:`linkkit.partner.encode._hmac_kernels`.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from itertools import pairwise
from math import isqrt

import numpy as np
import numpy.typing as npt

__all__ = ["INITIAL_STATE", "ROUND_CONSTANTS", "compressed", "hmac_digests"]

_WORD = 0xFFFFFFFF


def _primes(n: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < n:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found


def _cube_root(number: int) -> int:
    low, high = 0, 1 << (number.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= number else (low, middle - 1)
    return low


INITIAL_STATE = tuple(isqrt(prime << 64) & _WORD for prime in _primes(8))
"""The first 32 bits of the fractions of the square roots of the first 8 primes (FIPS 180-4)."""

ROUND_CONSTANTS = tuple(_cube_root(prime << 96) & _WORD for prime in _primes(64))
"""The first 32 bits of the fractions of the cube roots of the first 64 primes (FIPS 180-4)."""


def hmac_digests(
    key: bytes, data: npt.NDArray[np.uint8], bounds: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Return the digest of ``data[bounds[i] : bounds[i + 1]]`` for each `i`, shape (n, 32)."""
    edges, content = bounds.tolist(), data.tobytes()
    digests = [hmac.digest(key, content[first:last], "sha256") for first, last in pairwise(edges)]
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32)


def _rotated(word: int, n: int) -> int:
    return (word >> n | word << (32 - n)) & _WORD


def compressed(state: Sequence[int], block: bytes) -> list[int]:
    """Return the state of SHA-256 after one more block of 64 bytes (FIPS 180-4, 6.2.2)."""
    words = [int.from_bytes(block[i : i + 4], "big") for i in range(0, 64, 4)]
    for i in range(16, 64):
        early, late = words[i - 15], words[i - 2]
        small = _rotated(early, 7) ^ _rotated(early, 18) ^ early >> 3
        large = _rotated(late, 17) ^ _rotated(late, 19) ^ late >> 10
        words.append((words[i - 16] + small + words[i - 7] + large) & _WORD)
    a, b, c, d, e, f, g, h = state
    for word, constant in zip(words, ROUND_CONSTANTS, strict=True):
        turned = _rotated(e, 6) ^ _rotated(e, 11) ^ _rotated(e, 25)
        one = h + turned + (e & f ^ ~e & g) + constant + word
        two = (_rotated(a, 2) ^ _rotated(a, 13) ^ _rotated(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (one + two) & _WORD, a, b, c, (d + one) & _WORD, e, f, g
    return [(old + new) & _WORD for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True)]
