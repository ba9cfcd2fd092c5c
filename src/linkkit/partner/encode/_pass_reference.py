"""Pass filters, one record and one token at a time: slow, obvious, what the fast way must equal.

It also runs where numba has no wheel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from linkkit.partner.encode.grams import BLOCK_BYTES, GramTable

__all__ = ["record_filter", "token_positions"]

Encipher = Callable[[bytes], bytes]
"""AES-256 of one block."""

FILLER_START = 32_768
"""From here on the counter of a filler goes, as a record may have a single token."""


def token_positions(
    encipher: Encipher, mask: bytes, block: bytes, *, n: int, start: int = 0
) -> list[int]:
    """Return `n` numbers from 0 to 65,535 that a block has under a salt's mask.

    Block, mask and a counter, bit by bit added, are enciphered by AES-256 once for every eight
    numbers; each two bytes are a number, the first byte counting for less. The counter is as long
    as a block, its last byte counts for least, and it begins at `start`.
    """
    salted = int.from_bytes(block, "big") ^ int.from_bytes(mask, "big")
    stream = b""
    for counter in range(-(-n * 2 // BLOCK_BYTES)):
        stream += encipher((salted ^ (start + counter)).to_bytes(BLOCK_BYTES, "big"))
    return [int.from_bytes(stream[2 * i : 2 * i + 2], "little") for i in range(n)]


def record_filter(
    table: GramTable,
    record: int,
    *,
    encipher: Encipher,
    mask: bytes,
    n_bits: int,
    n_inputs: int,
    n_full: int,
    n_hashes: npt.NDArray[np.int64],
) -> npt.NDArray[np.uint64]:
    """Return the filter of a record, shape (n_bits / 64,).

    It is the exclusive or of `n_inputs` Bloom filters. A token sets bits in the first by its first
    ``n_hashes`` numbers, cut to the width, in the second by the next, and so on. A record whose
    tokens set fewer than ``n_full`` bits has the first filter filled up from the sum of their blocks;
    where they set more, each sets so large a share of its bits in the first filter, rounded down, that
    these are ``n_full``. Tokens that set none are left out.
    """
    filters = [0] * n_inputs
    grams = table.tokens[table.bounds[record] : table.bounds[record + 1]]
    n_set, total = int(n_hashes[grams].sum()), 0
    for gram in grams:
        n = int(n_hashes[gram])
        if not n:
            continue
        block = table.blocks[gram].tobytes()
        total ^= int.from_bytes(block, "big")
        n_first = n * n_full // max(n_set, n_full)
        numbers = token_positions(encipher, mask, block, n=n * n_inputs)
        for place, number in enumerate(numbers):
            if not n_first <= place < n:
                filters[place // n] |= 1 << (number % n_bits)
    filler = total.to_bytes(BLOCK_BYTES, "big")
    for number in token_positions(
        encipher, mask, filler, n=max(n_full - n_set, 0), start=FILLER_START
    ):
        filters[0] |= 1 << (number % n_bits)
    laid_over = 0
    for one in filters:
        laid_over ^= one
    return np.frombuffer(laid_over.to_bytes(n_bits // 8, "little"), dtype="<u8").astype(np.uint64)
