"""The inner loops in plain numpy: what the compiled ones must equal, and run without numba."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["ngram_ids", "or_rows", "or_tokens", "share_ids"]

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


def distinct_numbers(keys: npt.NDArray[Any]) -> tuple[Int32s, npt.NDArray[Any]]:
    """Number keys in the order in which they appear; returns the numbers and distinct keys."""
    encoded = pa.array(keys).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int32, copy=False), encoded.dictionary.to_numpy()


def ngram_ids(
    chars: npt.NDArray[Any],
    bounds: Int64s,
    codes: Int64s,
    *,
    n: int,
    bits: int,
    positional: bool,
    starts: Int64s,
    n_keys: int,  # noqa: ARG001  (the compiled twin has a table of this size)
) -> tuple[Int32s, Int64s]:
    """Number the distinct n-grams of texts.

    Parameters
    ----------
    chars : ndarray of uint8 or uint32
        The characters of all texts, one after the other.
    bounds : ndarray of int64, shape (n_texts + 1,)
        Where each text starts and ends in `chars`.
    codes : ndarray of int64
        Code of each character, from 0, the blank's, to ``2**bits - 1``.
    n : int
        Characters in an n-gram; ``n - 1`` blanks are put before and after each text.
    bits : int
        Width of a code.
    positional : bool
        Whether the n-grams at different places are different tokens.
    starts : ndarray of int64, shape (n_texts + 1,)
        Where each text's tokens start and end in `ids`.
    n_keys : int
        Keys are below this.

    Returns
    -------
    ids : ndarray of int32, shape (n_tokens,)
        Number of each token among the distinct ones, in the order of appearance.
    keys : ndarray of int64
        The distinct tokens: the codes of the n characters, `bits` wide each, below the place
        of the n-gram, from 0, where `positional`.
    """
    counts = np.diff(starts)
    place = np.arange(starts[-1], dtype=np.int64) - np.repeat(starts[:-1], counts)
    first = np.repeat(bounds[:-1], counts) + place
    low, high = np.repeat(bounds[:-1], counts), np.repeat(bounds[1:], counts)
    keys = place if positional else np.zeros_like(place)
    for back in range(n - 1, -1, -1):
        at = first - back
        inside = (at >= low) & (at < high)
        code = np.zeros(len(at), dtype=np.int64)
        code[inside] = codes[chars[at[inside]]]
        keys = (keys << bits) | code
    return distinct_numbers(keys)


def share_ids(ids: Int32s, starts: Int64s, *, total: int, n_distinct: int) -> tuple[Int32s, Int64s]:
    """Share the positions of a value out among its tokens, and number the distinct outcomes.

    Each of a value's `T` tokens gets ``total // T`` positions, and the first ``total % T``
    tokens one more.

    Parameters
    ----------
    ids : ndarray of int32, shape (n_tokens,)
        Tokens by number.
    starts : ndarray of int64, shape (n_values + 1,)
        Where each value's tokens start and end.
    total : int
        Positions of a value.
    n_distinct : int
        How many distinct tokens there are.

    Returns
    -------
    pair_ids : ndarray of int32, shape (n_tokens,)
        Number of each (token, positions) pair among the distinct ones.
    pairs : ndarray of int64, shape (n_pairs, 2)
        The distinct pairs, in the order of appearance.
    """
    counts = np.diff(starts)
    place = np.arange(starts[-1], dtype=np.int64) - np.repeat(starts[:-1], counts)
    n = np.repeat(counts, counts)
    share = total // n + (place < total % n)
    numbers, keys = distinct_numbers(share * n_distinct + ids)
    return numbers, np.stack([keys % n_distinct, keys // n_distinct], axis=1)


def or_tokens(masks: Words, ids: Int32s, starts: Int64s, out: Words) -> None:
    """OR the masks of each row's tokens into the row.

    Parameters
    ----------
    masks : ndarray of uint64, shape (n_masks, n_words)
        The bits of each token.
    ids : ndarray of int32
        Tokens by number.
    starts : ndarray of int64, shape (n_rows + 1,)
        Where each row's tokens start and end in `ids`.
    out : ndarray of uint64, shape (n_rows, n_words)
        Changed in place.
    """
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        chosen = masks[ids[starts[0] : starts[-1]]]
        firsts = starts[filled] - starts[0]
        out[filled] |= np.bitwise_or.reduceat(chosen, firsts, axis=0)


def or_rows(filters: Words, index: Int32s, out: Words) -> None:
    """OR row ``index[i]`` of `filters` into row `i` of `out`."""
    out |= filters[index]
