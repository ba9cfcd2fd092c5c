"""The comparison kernels, compiled by numba when first used and cached on disk.

Pure: arrays in, arrays out. :mod:`linkkit.linkage.compare._reference` says what they compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["codes_of_pairs", "scan_rows"]

_BLOCK = 256


@intrinsic
def _count_bits(typing_context: Any, word: Any) -> Any:  # noqa: ARG001
    """Count the bits set in a 64-bit word with the processor's own instruction."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), emit


# The decorator supplies the first argument; to the type checker it does not look so.
_popcount: Any = _count_bits


@njit(nogil=True, cache=True)
def _level(
    words: Any,
    starts: Any,
    n_tokens: Any,
    n_bits: Any,
    table: Any,
    cuts: Any,
    f: Any,
    p: Any,
    q: Any,
) -> Any:
    tokens = n_tokens[p, f] + n_tokens[q, f]
    if n_tokens[p, f] == 0 or n_tokens[q, f] == 0:
        return 0
    both = np.uint64(0)
    for w in range(starts[f], starts[f + 1]):
        both += _popcount(words[p, w] | words[q, w])
    n_both = np.int64(both)
    if n_both == n_bits[p, f] and n_both == n_bits[q, f]:
        return 4
    union = table[f, n_both]
    if union <= cuts[f, 1] * tokens:
        return 3
    return 2 if union <= cuts[f, 0] * tokens else 1


@njit(nogil=True, cache=True)
def codes_of_pairs(
    words: Any, starts: Any, n_tokens: Any, n_bits: Any, table: Any, cuts: Any,
    left: Any, right: Any, out: Any,
) -> None:  # fmt: skip
    """Fill `out` with the packed levels of each pair."""
    for i in range(len(left)):
        code = np.uint64(0)
        for f in range(len(starts) - 1):
            level = _level(words, starts, n_tokens, n_bits, table, cuts, f, left[i], right[i])
            code |= np.uint64(level) << np.uint64(3 * f)
        out[i] = code


@njit(nogil=True, cache=True)
def _add_field(
    words: Any, columns: Any, starts: Any, n_tokens: Any, n_bits: Any, table: Any, cuts: Any,
    f: Any, p: Any, q: Any, n: Any, weights: Any, both: Any, totals: Any, codes: Any,
) -> Any:  # fmt: skip
    """Add field `f` of row `p` against rows `q` to `q + n`; returns the largest total.

    The same word of all partners lies side by side, so that each vector lane is a partner.
    """
    for k in range(n):
        both[k] = 0
    for w in range(starts[f], starts[f + 1]):
        word = words[p, w]
        column = columns[w, q : q + n]
        for k in range(n):
            both[k] += np.int64(_popcount(word | column[k]))
    tokens_here, bits_here = n_tokens[f, p], n_bits[f, p]
    tokens = n_tokens[f, q : q + n]
    bits = n_bits[f, q : q + n]
    shift = np.uint64(3 * f)
    most = np.int64(-1 << 60)
    for k in range(n):
        union = table[f, both[k]]
        sum_of_tokens = tokens_here + tokens[k]
        level = 1 + (union <= cuts[f, 0] * sum_of_tokens) + (union <= cuts[f, 1] * sum_of_tokens)
        if both[k] == bits_here and both[k] == bits[k]:
            level = 4
        if tokens_here == 0 or tokens[k] == 0:
            level = 0
        totals[k] += weights[f, level]
        codes[k] |= np.uint64(level) << shift
        most = max(most, totals[k])
    return most


@njit(nogil=True, cache=True)
def scan_rows(
    words: Any, columns: Any, starts: Any, n_tokens: Any, n_bits: Any, table: Any, cuts: Any,
    first: Any, last: Any, start: Any, stop: Any, visit: Any, weights: Any, best: Any, floor: Any,
    out_left: Any, out_right: Any, out_code: Any,
) -> Any:  # fmt: skip
    """Compare rows with their partners, keep those at the floor; returns how many there are.

    Fields are visited in the order `visit`; ``best[i]`` is the most that the fields from the
    i-th on can still add, so that a block of partners is left as soon as none of it can reach
    the floor. When more pairs are found than fit, the rest is counted only.
    """
    both = np.zeros(_BLOCK, dtype=np.int64)
    totals = np.zeros(_BLOCK, dtype=np.int64)
    codes = np.zeros(_BLOCK, dtype=np.uint64)
    n_found = 0
    for p in range(start, stop):
        for q in range(first[p], last[p], _BLOCK):
            n = min(_BLOCK, last[p] - q)
            for k in range(n):
                totals[k] = 0
                codes[k] = 0
            reached = True
            for i in range(len(visit)):
                most = _add_field(
                    words, columns, starts, n_tokens, n_bits, table, cuts,
                    visit[i], p, q, n, weights, both, totals, codes,
                )  # fmt: skip
                if most + best[i + 1] < floor:
                    reached = False
                    break
            if reached:
                n_found = _emit(
                    p, q, n, totals, codes, floor, n_found, out_left, out_right, out_code
                )
    return n_found


@njit(nogil=True, cache=True)
def _emit(
    p: Any, q: Any, n: Any, totals: Any, codes: Any, floor: Any, n_found: Any,
    out_left: Any, out_right: Any, out_code: Any,
) -> Any:  # fmt: skip
    for k in range(n):
        if totals[k] >= floor:
            if n_found < len(out_left):
                out_left[n_found] = p
                out_right[n_found] = q + k
                out_code[n_found] = codes[k]
            n_found += 1
    return n_found
