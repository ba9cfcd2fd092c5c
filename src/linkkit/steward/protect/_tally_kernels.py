"""The kernel that counts values in classes; `_reference` and `tally` have its twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines.compiled import kernel

__all__ = ["count_values"]

_Ints = npt.NDArray[np.int64]


@kernel
def count_values(
    values: _Ints,
    items: _Ints,
    counts: _Ints,
    who: _Ints,
    item_starts: _Ints,
    item_classes: _Ints,
    starts: _Ints,
    ends: _Ints,
    last: _Ints,
    out_classes: _Ints,
    out_values: _Ints,
    out_counts: _Ints,
) -> Any:
    """Count the values in each class; return how many places of the output are used.

    Entries come by value and then by who, so that equal ones of a class meet one another:
    the last that was written for a class is all that has to be looked at. `starts` holds where
    each class may write, `ends` and `last` are scratch, one for each class.
    """
    for c in range(ends.size):
        ends[c] = starts[c]
    for e in range(values.size):
        value = values[e]
        for member in range(item_starts[items[e]], item_starts[items[e] + 1]):
            c = item_classes[member]
            end = ends[c]
            if end > starts[c] and out_values[end - 1] == value:
                if who.size and last[c] == who[e]:
                    continue
                out_counts[end - 1] += counts[e]
            else:
                out_values[end] = value
                out_counts[end] = counts[e]
                ends[c] = end + 1
            if who.size:
                last[c] = who[e]
    used = 0
    for c in range(ends.size):
        for place in range(starts[c], ends[c]):
            out_classes[used] = c
            out_values[used] = out_values[place]
            out_counts[used] = out_counts[place]
            used += 1
    return used
