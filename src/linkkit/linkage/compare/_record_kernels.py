"""The comparison of record filters, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare._record_reference` says what it computes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from linkkit.linkage.compare._kernels import _count_bits

__all__ = ["scan_filters"]

_BLOCK = 256
_SHIFT = 17
_TWICE = 1 << _SHIFT

_popcount: Any = _count_bits


@njit(nogil=True, cache=True)
def _add_common(words: Any, columns: Any, p: Any, q: Any, n: Any, a: Any, b: Any, out: Any) -> None:
    """Add to `out` the bits that row `p` has in common with rows `q` on, in words `a` to `b`.

    The same word of all partners lies side by side, so that each vector lane is a partner.
    """
    for w in range(a, b):
        word = words[p, w]
        column = columns[w, q : q + n]
        for k in range(n):
            out[k] += np.int64(_popcount(word & column[k]))


@njit(nogil=True, cache=True)
def scan_filters(
    words: Any, columns: Any, n_set: Any, n_late: Any, first: Any, last: Any, start: Any, stop: Any,
    half: Any, least: Any, out_left: Any, out_right: Any, out_common: Any,
) -> Any:  # fmt: skip
    """Keep the pairs at least as alike as `least`; returns how many there are.

    `n_late` counts the bits from word `half` on. Where the first words leave no partner of a block
    a chance, the others are not looked at. When more are found than fit, the rest is counted only.
    """
    common = np.zeros(_BLOCK, dtype=np.int64)
    need = np.zeros(_BLOCK, dtype=np.int64)
    n_words = words.shape[1]
    n_found = 0
    for p in range(start, stop):
        for q in range(first[p], last[p], _BLOCK):
            n = min(_BLOCK, last[p] - q)
            for k in range(n):
                common[k] = 0
                # Twice the scale is a power of two; what is cut off is rounded up.
                need[k] = (least * (n_set[p] + n_set[q + k]) + _TWICE - 1) >> _SHIFT
            _add_common(words, columns, p, q, n, 0, half, common)
            best = np.int64(-1)
            for k in range(n):
                best = max(best, common[k] + min(n_late[p], n_late[q + k]) - need[k])
            if best < 0:
                continue
            _add_common(words, columns, p, q, n, half, n_words, common)
            for k in range(n):
                if common[k] >= need[k]:
                    if n_found < len(out_left):
                        out_left[n_found] = p
                        out_right[n_found] = q + k
                        out_common[n_found] = common[k]
                    n_found += 1
    return n_found
