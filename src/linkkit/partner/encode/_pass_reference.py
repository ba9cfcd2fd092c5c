"""Pass filters, one record and one token at a time: slow, obvious, what the fast way must equal.

It also runs where numba has no wheel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from linkkit.partner.encode.grams import BLOCK_BYTES, GramTable

__all__ = ["diffused", "inner_filter", "token_positions"]


def token_positions(key: bytes, block: bytes, *, n_bits: int, n_hashes: int) -> list[int]:
    """Return the bits that a token sets under the key of its salt group; some may coincide.

    The block is enciphered by AES-256 once for every eight positions, its last byte counting up;
    each two bytes are a number, the first byte counting for more, cut to the width.
    """
    n_blocks = -(-n_hashes * 2 // BLOCK_BYTES)
    plain = b"".join(block[:-1] + bytes([i]) for i in range(n_blocks))
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305  # as a keyed function
    stream = cipher.encryptor().update(plain)
    return [int.from_bytes(stream[2 * i : 2 * i + 2], "big") % n_bits for i in range(n_hashes)]


def inner_filter(
    table: GramTable, record: int, *, key: bytes, n_bits: int, n_hashes: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Return a record's filter before diffusion, shape (n_bits / 64,)."""
    words = np.zeros(n_bits // 64, dtype=np.uint64)
    for value in table.values[record]:
        if value < 0:
            continue
        for gram in table.grams[table.starts[value] : table.starts[value + 1]]:
            block = table.blocks[gram].tobytes()
            for position in token_positions(
                key, block, n_bits=n_bits, n_hashes=int(n_hashes[gram])
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
