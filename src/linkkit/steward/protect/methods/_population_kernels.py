"""Counting the people of a population who fit classes, compiled by numba when first used.

Pure: arrays in, arrays out. `Population._count_on_arrays` is the twin.
"""

from __future__ import annotations

from typing import Any

from linkkit.engines.compiled import kernel

__all__ = ["count_inside"]


@kernel
def count_inside(
    low: Any, high: Any, words: Any, item_low: Any, item_high: Any, item_words: Any, anywhere: Any,
    counts: Any, leaf_starts: Any, least_low: Any, most_low: Any, least_high: Any, most_high: Any,
    leaf_words: Any, leaf_anywhere: Any, leaf_counts: Any, set_starts: Any, inside: Any,
) -> None:  # fmt: skip
    """Count the people inside each class, leaf by leaf: all, none, or one by one."""
    n_spans, n_sets = low.shape[0], len(set_starts) - 1
    for c in range(len(inside)):
        total = 0
        for leaf in range(len(leaf_counts)):
            whole, none = True, False
            for v in range(n_spans):
                if most_low[v, leaf] < low[v, c] or least_high[v, leaf] > high[v, c]:
                    none = True
                    break
                if least_low[v, leaf] < low[v, c] or most_high[v, leaf] > high[v, c]:
                    whole = False
            if none:
                continue
            for t in range(n_sets):
                some = leaf_anywhere[t, leaf]
                for w in range(set_starts[t], set_starts[t + 1]):
                    if leaf_words[w, leaf] & words[w, c]:
                        some = True
                    if (leaf_words[w, leaf] & words[w, c]) != leaf_words[w, leaf]:
                        whole = False
                if not some:
                    none = True
                    break
            if none:
                continue
            if whole:
                total += leaf_counts[leaf]
                continue
            for p in range(leaf_starts[leaf], leaf_starts[leaf + 1]):
                fits = True
                for v in range(n_spans):
                    if item_low[v, p] < low[v, c] or item_high[v, p] > high[v, c]:
                        fits = False
                        break
                for t in range(n_sets):
                    if not fits or anywhere[t, p]:
                        continue
                    some = False
                    for w in range(set_starts[t], set_starts[t + 1]):
                        if item_words[w, p] & words[w, c]:
                            some = True
                    fits = some
                if fits:
                    total += counts[p]
        inside[c] = total
