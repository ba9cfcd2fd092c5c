"""Cuts values into tokens one by one: what the compiled kernels must equal, and run without numba."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["cut", "each_once", "or_tokens"]


def cut(
    values: Sequence[str | None], tokens: Callable[[str], Iterable[str]]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], list[str]]:
    """Return the numbers of each value's tokens, where each value's begin, and the tokens."""
    ids: dict[str, int] = {}
    lists = [
        [] if value is None else [ids.setdefault(token, len(ids)) for token in tokens(value)]
        for value in values
    ]
    flat = np.fromiter((i for row in lists for i in row), dtype=np.int32)
    starts = np.append(0, np.cumsum([len(row) for row in lists], dtype=np.int64)).astype(np.int64)
    return flat, starts, list(ids)


def each_once(
    ids: npt.NDArray[np.int32], starts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the distinct tokens of each value, in the order of appearance, and their starts."""
    lists = [
        list(dict.fromkeys(ids[first:last].tolist())) for first, last in pairwise(starts.tolist())
    ]
    edges = np.append(0, np.cumsum([len(row) for row in lists], dtype=np.int64)).astype(np.int64)
    return np.array([i for row in lists for i in row], dtype=np.int32), edges


def or_tokens(
    masks: npt.NDArray[np.uint64],
    ids: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint64],
) -> None:
    """Write the masks of each value's tokens, OR-ed, to a row of `out`, if `places` names one."""
    words = np.zeros((len(starts) - 1, masks.shape[1]), dtype=np.uint64)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        words[filled] = np.bitwise_or.reduceat(masks[ids], starts[filled], axis=0)
    out[places[places >= 0]] = words[places >= 0]
