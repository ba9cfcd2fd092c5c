"""The inner loops, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.partner.encode.clkhash._kernels_numpy` has the same
functions where there is no numba, and says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linkkit.engines.compiled import kernel
from linkkit.partner.encode._vector_kernels import or_eight_onto

__all__ = ["ngram_ids", "or_rows", "or_tokens", "share_ids"]


@kernel
def _ngram_ids(
    chars: Any, bounds: Any, codes: Any, n: Any, bits: Any, position_step: Any, starts: Any,
    table: Any, found: Any, ids: Any,
) -> Any:  # fmt: skip
    mask = (np.int64(1) << np.int64(bits * n)) - np.int64(1)
    n_found = 0
    for row in range(len(starts) - 1):
        first, last, at = bounds[row], bounds[row + 1], starts[row]
        key = np.int64(0)
        for i in range(starts[row + 1] - at):
            code = np.int64(0)
            if first + i < last:
                code = np.int64(codes[chars[first + i]])
            key = ((key << bits) | code) & mask
            place = key + i * position_step
            token = table[place]
            if token < 0:
                token = np.int32(n_found)
                table[place] = token
                found[n_found] = place
                n_found += 1
            ids[at + i] = token
    return n_found


def ngram_ids(
    chars: Any, bounds: Any, codes: Any, *, n: int, bits: int, positional: bool, starts: Any,
    n_keys: int,
) -> Any:  # fmt: skip
    """Number the distinct n-grams of texts; returns ``ids`` and the distinct ``keys``."""
    n_tokens = int(starts[-1])
    ids = np.empty(n_tokens, dtype=np.int32)
    table = np.full(n_keys, -1, dtype=np.int32)
    found = np.empty(min(n_tokens, n_keys), dtype=np.int64)
    step = 1 << (bits * n) if positional else 0
    n_found = _ngram_ids(chars, bounds, codes, n, bits, step, starts, table, found, ids)
    return ids, found[:n_found]


@kernel
def _share_ids(
    ids: Any, starts: Any, total: Any, column_of: Any, n_columns: Any, table: Any, found: Any,
    out: Any,
) -> Any:  # fmt: skip
    n_found = 0
    for row in range(len(starts) - 1):
        first, last = starts[row], starts[row + 1]
        n = last - first
        if n == 0:
            continue
        least, more = total // n, total % n
        for i in range(n):
            column = column_of[n, 1 if i < more else 0]
            place = np.int64(ids[first + i]) * n_columns + column
            pair = table[place]
            if pair < 0:
                pair = np.int32(n_found)
                table[place] = pair
                found[n_found, 0] = ids[first + i]
                found[n_found, 1] = least + (1 if i < more else 0)
                n_found += 1
            out[first + i] = pair
    return n_found


def share_ids(ids: Any, starts: Any, *, total: int, n_distinct: int) -> Any:
    """Number the distinct pairs of token and positions; returns pair ids and the pairs."""
    counts = np.unique(np.diff(starts))
    counts = counts[counts > 0]
    shares, inverse = np.unique([total // counts, total // counts + 1], return_inverse=True)
    column_of = np.zeros((int(counts.max(initial=0)) + 1, 2), dtype=np.int64)
    column_of[counts] = np.asarray(inverse).reshape(2, -1).T
    table = np.full(n_distinct * len(shares), -1, dtype=np.int32)
    found = np.empty((min(len(ids), len(table)), 2), dtype=np.int64)
    out = np.empty(len(ids), dtype=np.int32)
    n_found = _share_ids(ids, starts, total, column_of, len(shares), table, found, out)
    return out, found[:n_found]


@kernel
def or_tokens(masks: Any, ids: Any, starts: Any, out: Any) -> None:
    """OR the masks of each row's tokens into the row, eight words at a time where it can."""
    n_words = masks.shape[1]
    n_parts = np.int64(n_words // 8) if n_words % 8 == 0 else np.int64(0)
    for row in range(len(starts) - 1):
        first, last = starts[row], starts[row + 1]
        for part in range(n_parts):
            or_eight_onto(masks, ids, first, last, (n_parts, part), out, row * n_parts + part)
        for word in range(8 * n_parts, n_words):
            for i in range(first, last):
                out[row, word] |= masks[ids[i], word]


@kernel
def or_rows(filters: Any, index: Any, out: Any) -> None:
    """OR the filter of each row's value into the row, eight words at a time where it can."""
    n_words = filters.shape[1]
    n_parts = np.int64(n_words // 8) if n_words % 8 == 0 else np.int64(0)
    for row in range(len(index)):
        for part in range(n_parts):
            to = row * n_parts + part
            or_eight_onto(filters, index, row, row + 1, (n_parts, part), out, to)
        for word in range(8 * n_parts, n_words):
            out[row, word] |= filters[index[row], word]
