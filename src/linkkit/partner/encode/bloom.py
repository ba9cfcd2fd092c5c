"""Keyed Bloom filters: tokens of a value set bits that only the key's holders can predict.

Bit positions are independent HMAC-SHA256 outputs, never double hashing (Kroll and Steinmetzer,
2015, enumerate the few patterns that double hashing can make).
"""

from __future__ import annotations

import hmac
import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.partner.encode.hmacs import hmac_sha256_many
from linkkit.partner.encode.tokenize import or_tokens, tokenize

__all__ = [
    "BloomEncoder",
    "bloom_filters_reference",
    "token_masks",
    "token_positions",
]

_BITS_AT_ONCE = 1 << 24
_POSITIONS_PER_BLOCK = 16


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


class BloomEncoder:
    """Encodes values of one field as Bloom filters (Schnell, Bachteler and Reiher, 2009).

    Batch after batch; each distinct token is hashed once, and its mask is OR-ed into every value
    that has it.

    Parameters
    ----------
    key : bytes
        The field's sub-key.
    tokens : callable
        Splits a value into tokens, at least one.
    n_bits, n_hashes : int
        Width, and bits per token.
    """

    __slots__ = ("_key", "_masks", "_rows", "_tokens", "n_bits", "n_hashes")

    def __init__(
        self, *, key: bytes, tokens: Callable[[str], Iterable[str]], n_bits: int, n_hashes: int
    ) -> None:
        self._key, self._tokens = key, tokens
        self.n_bits, self.n_hashes = n_bits, n_hashes
        self._rows: dict[str, int] = {}
        self._masks = np.zeros((0, n_bits // 64), dtype=np.uint64)

    def __repr__(self) -> str:
        return f"<BloomEncoder: {self.n_bits} bits, {self.n_hashes} for each token>"

    def encode(
        self, values: pa.Array, *, places: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.uint64]:
        """Return the filters of some values, zero where a value is null.

        Parameters
        ----------
        values : pyarrow.Array
            Standardized, non-empty values, or null.
        places : ndarray of int64, shape (n_values,), optional
            The row of the result that each value belongs to, all rows from 0 on once; below 0
            for a value that is left out. By default the order is that of the values.

        Returns
        -------
        ndarray of uint64, shape (n_places, n_bits / 64)
            Bit `i` of a filter is bit ``i % 64`` of word ``i // 64``.
        """
        if places is None:
            places = np.arange(len(values))
        n_rows = int(np.count_nonzero(places >= 0))
        filters = np.empty((n_rows, self.n_bits // 64), dtype=np.uint64)
        start = 0
        for found in tokenize(values, self._tokens):
            stop = start + len(found.starts) - 1
            masks = self._masks_of(found.texts)
            or_tokens(masks, found.ids, found.starts, places[start:stop], filters)
            start = stop
        return filters

    def _masks_of(self, tokens: Sequence[str]) -> npt.NDArray[np.uint64]:
        rows = self._rows
        known = len(rows)
        places = [rows.setdefault(token, len(rows)) for token in tokens]
        if len(rows) > known:
            new = list(itertools.islice(rows, known, None))
            masks = token_masks(new, self._key, n_bits=self.n_bits, n_hashes=self.n_hashes)
            self._masks = np.vstack([self._masks, masks])
        return self._masks[places]


def token_masks(
    tokens: Sequence[str], key: bytes, *, n_bits: int, n_hashes: int
) -> npt.NDArray[np.uint64]:
    """Return the bits that each token sets, shape (n_tokens, n_bits / 64).

    See :func:`token_positions` for the parameters.
    """
    masks = np.zeros((len(tokens), n_bits // 64), dtype=np.uint64)
    step = max(_BITS_AT_ONCE // n_bits, 1)
    for start in range(0, len(tokens), step):
        some = tokens[start : start + step]
        positions = _positions([token.encode() for token in some], key, n_hashes) % n_bits
        bits = np.zeros((len(some), n_bits), dtype=np.uint8)
        bits[np.arange(len(some))[:, None], positions] = 1
        masks[start : start + step] = np.packbits(bits, axis=1, bitorder="little").view("<u8")
    return masks


def _positions(messages: Sequence[bytes], key: bytes, n_hashes: int) -> npt.NDArray[np.int64]:
    n_blocks = -(-n_hashes // _POSITIONS_PER_BLOCK)
    counters = [block.to_bytes(4, "big") for block in range(n_blocks)]
    data = b"".join([counter + message for message in messages for counter in counters])
    lengths = np.array([len(message) + 4 for message in messages], dtype=np.int64)
    bounds = np.append(0, np.cumsum(np.repeat(lengths, n_blocks)))
    digests = hmac_sha256_many(key, np.frombuffer(data, dtype=np.uint8), bounds)
    words = digests.reshape(len(messages), -1).view(">u2")[:, :n_hashes]
    return words.astype(np.int64)


def bloom_filters_reference(
    values: Sequence[str],
    *,
    key: bytes,
    tokens: Callable[[str], Iterable[str]],
    n_bits: int,
    n_hashes: int,
) -> npt.NDArray[np.uint64]:
    """Do what :meth:`BloomEncoder.encode` does, one bit at a time, for values that are all there."""
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
