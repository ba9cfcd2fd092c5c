"""Counting the people of a population who fit classes, compiled by numba when first used.

Pure: arrays in, arrays out. `Population._count_on_arrays` is the twin.
"""

from __future__ import annotations

from typing import Any

from linkkit.engines.compiled import kernel, kernel_part

__all__ = ["count_inside"]


@kernel_part
def _leaf_in_spans(
    low: Any, high: Any, c: Any, least_low: Any, most_low: Any, least_high: Any, most_high: Any,
    leaf: Any,
) -> Any:  # fmt: skip
    """Return 0 if nobody of a leaf is inside a class's ranges and levels, 2 if all are, else 1."""
    found = 2
    for v in range(low.shape[0]):
        if most_low[v, leaf] < low[v, c] or least_high[v, leaf] > high[v, c]:
            return 0
        if least_low[v, leaf] < low[v, c] or most_high[v, leaf] > high[v, c]:
            found = 1
    return found


@kernel_part
def _leaf_in_sets(
    words: Any, c: Any, leaf_words: Any, leaf_anywhere: Any, leaf: Any, set_starts: Any
) -> Any:
    """Return 0 if nobody of a leaf is inside a class's sets, 2 if all are, else 1."""
    found = 2
    for t in range(len(set_starts) - 1):
        some = leaf_anywhere[t, leaf]
        for w in range(set_starts[t], set_starts[t + 1]):
            shared = leaf_words[w, leaf] & words[w, c]
            some = some or shared != 0
            if shared != leaf_words[w, leaf]:
                found = 1
        if not some:
            return 0
    return found


@kernel_part
def _is_inside(
    low: Any, high: Any, words: Any, c: Any, item_low: Any, item_high: Any, item_words: Any,
    anywhere: Any, p: Any, set_starts: Any,
) -> Any:  # fmt: skip
    """Return whether an item is inside a class."""
    for v in range(low.shape[0]):
        if item_low[v, p] < low[v, c] or item_high[v, p] > high[v, c]:
            return False
    for t in range(len(set_starts) - 1):
        some = anywhere[t, p]
        for w in range(set_starts[t], set_starts[t + 1]):
            some = some or (item_words[w, p] & words[w, c]) != 0
        if not some:
            return False
    return True


@kernel
def count_inside(
    low: Any, high: Any, words: Any, item_low: Any, item_high: Any, item_words: Any, anywhere: Any,
    counts: Any, leaf_starts: Any, least_low: Any, most_low: Any, least_high: Any, most_high: Any,
    leaf_words: Any, leaf_anywhere: Any, leaf_counts: Any, set_starts: Any, inside: Any,
) -> None:  # fmt: skip
    """Count the people inside each class, leaf by leaf: all, none, or one by one."""
    for c in range(len(inside)):
        total = 0
        for leaf in range(len(leaf_counts)):
            found = _leaf_in_spans(low, high, c, least_low, most_low, least_high, most_high, leaf)
            if found:
                found = min(
                    found, _leaf_in_sets(words, c, leaf_words, leaf_anywhere, leaf, set_starts)
                )
            if found == 2:
                total += leaf_counts[leaf]
            if found == 1:
                for p in range(leaf_starts[leaf], leaf_starts[leaf + 1]):
                    if _is_inside(
                        low,
                        high,
                        words,
                        c,
                        item_low,
                        item_high,
                        item_words,
                        anywhere,
                        p,
                        set_starts,
                    ):
                        total += counts[p]
        inside[c] = total
