"""The comparison of passes, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare._pass_reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from linkkit.linkage.compare._kernels import _count_bits

__all__ = ["distances_of_pairs", "scan_groups"]

_BLOCK = 256
_FEW = 8

_popcount: Any = _count_bits


@njit(nogil=True, cache=True)
def _distance(words: Any, p: Any, q: Any) -> Any:
    total = np.uint64(0)
    for w in range(words.shape[1]):
        total += _popcount(words[p, w] ^ words[q, w])
    return np.int64(total)


@njit(nogil=True, cache=True)
def distances_of_pairs(words: Any, left: Any, right: Any, out: Any) -> None:
    """Fill `out` with the Hamming distance of each pair."""
    for i in range(len(left)):
        out[i] = _distance(words, left[i], right[i])


@njit(nogil=True, cache=True)
def _distances(words: Any, columns: Any, p: Any, q: Any, n: Any, distance: Any) -> None:
    """Fill `distance` for row `p` against rows `q` to `q + n`.

    The same word of all partners lies side by side, so that each vector lane is a partner; for a
    handful of partners that would only fetch more memory.
    """
    if n < _FEW:
        for k in range(n):
            distance[k] = _distance(words, p, q + k)
        return
    for k in range(n):
        distance[k] = 0
    for w in range(words.shape[1]):
        word = words[p, w]
        column = columns[w, q : q + n]
        for k in range(n):
            distance[k] += np.int64(_popcount(word ^ column[k]))


@njit(nogil=True, cache=True)
def scan_groups(
    words: Any, columns: Any, first: Any, last: Any, start: Any, stop: Any, most: Any,
    out_left: Any, out_right: Any,
) -> Any:  # fmt: skip
    """Keep the pairs at most `most` bits apart; returns how many there are.

    When more are found than fit, the rest is counted only.
    """
    distance = np.zeros(_BLOCK, dtype=np.int64)
    n_found = 0
    for p in range(start, stop):
        for q in range(first[p], last[p], _BLOCK):
            n = min(_BLOCK, last[p] - q)
            _distances(words, columns, p, q, n, distance)
            for k in range(n):
                if distance[k] <= most:
                    if n_found < len(out_left):
                        out_left[n_found] = p
                        out_right[n_found] = q + k
                    n_found += 1
    return n_found
