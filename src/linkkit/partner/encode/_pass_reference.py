"""Pass filters, one record and one token at a time: slow, obvious, what the fast way must equal.

It also runs where numba has no wheel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from linkkit.partner.encode.grams import BLOCK_BYTES, GramTable

__all__ = ["diffused", "inner_filter", "token_positions"]

Encipher = Callable[[bytes], bytes]
"""AES-256 of one block."""


def token_positions(
    encipher: Encipher, mask: bytes, block: bytes, *, n_bits: int, n_hashes: int
) -> list[int]:
    """Return the bits that a token sets under a salt's mask; some may coincide.

    Block and mask, bit by bit added, are enciphered by AES-256 once for every eight positions, the
    block's last byte counting up; each two bytes are a number, the first byte counting for less,
    cut to the width.
    """
    stream = b""
    for number in range(-(-n_hashes * 2 // BLOCK_BYTES)):
        plain = block[:-1] + bytes([number])
        stream += encipher(bytes(a ^ b for a, b in zip(plain, mask, strict=True)))
    return [int.from_bytes(stream[2 * i : 2 * i + 2], "little") % n_bits for i in range(n_hashes)]


def inner_filter(
    table: GramTable,
    values: npt.NDArray[np.int32],
    *,
    encipher: Encipher,
    mask: bytes,
    n_bits: int,
    n_hashes: npt.NDArray[np.int64],
) -> npt.NDArray[np.uint64]:
    """Return the filter before diffusion of a record with `values`, shape (n_bits / 64,)."""
    words = np.zeros(n_bits // 64, dtype=np.uint64)
    for value in values[values >= 0]:
        for gram in table.grams[table.starts[value] : table.starts[value + 1]]:
            block = table.blocks[gram].tobytes()
            for position in token_positions(
                encipher, mask, block, n_bits=n_bits, n_hashes=int(n_hashes[gram])
            ):
                words[position // 64] |= np.uint64(1 << (position % 64))
    return words


def diffused(
    words: npt.NDArray[np.uint64], inputs: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Return filters whose bit `j` is the exclusive or of the bits ``inputs[j]``; same shape."""
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, bitorder="little")
    mixed = np.zeros((len(bits), len(inputs)), dtype=np.uint8)
    for t in range(inputs.shape[1]):
        mixed ^= bits[:, inputs[:, t]]
    packed = np.packbits(mixed, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64)
