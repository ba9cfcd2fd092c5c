"""Which records of a file form a class, from the cells of its quasi-identifiers.

Part of the independent check: it shares no code with what protects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

__all__ = ["Classes", "Linked", "as_codes", "find_classes", "renumbered"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_Ints = npt.NDArray[np.int64]

_LARGEST_KEY = 2**62
_MOST_LINKS = 4_000_000


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Linked:
    """Some classes, and the combinations in each.

    ``first`` is the first of the classes, which follow one another; ``classes`` counts from it.
    """

    first: int
    n_classes: int
    classes: _Ints
    combinations: _Ints


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Classes:
    """The combinations of quasi-identifiers, and which of them are a class together.

    Each combination has a class: itself, and where missing agrees with everything, also all
    combinations that it agrees with.

    Attributes
    ----------
    of_rows : ndarray of int64, shape (n_rows,)
        The combination of each row.
    codes : ndarray of int64, shape (n_combinations, n_variables)
        The value of each variable in each combination, from 0; -1 where it is missing.
    examples : ndarray of int64, shape (n_combinations,)
        A row with each combination.
    are_wild : bool
        Whether missing agrees with everything, and something is missing.
    """

    of_rows: _Ints
    codes: _Ints
    examples: _Ints
    are_wild: bool

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def n_missing(self) -> int:
        """How many rows lack a quasi-identifier."""
        return int(np.any(self.codes < 0, axis=1)[self.of_rows].sum())

    def linked(self) -> Iterator[Linked]:
        """Go through the classes, some at a time so that memory is bounded."""
        n = len(self)
        if not self.are_wild:
            yield Linked(first=0, n_classes=n, classes=np.arange(n), combinations=np.arange(n))
            return
        agreeing = _Agreeing(self.codes)
        ends = np.cumsum(agreeing.n_agreeing())
        first = 0
        while first < n:
            done = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + _MOST_LINKS, side="right")))
            yield agreeing.pairs(first, last)
            first = last


class _Agreeing:
    """Which combinations agree with one another: where both know a value, it is the same.

    Combinations that lack the same variables are a block. Two blocks know some variables in
    common, and what agrees in those is found by sorting.
    """

    def __init__(self, codes: _Ints) -> None:
        self.codes = codes
        lacks, self.block = np.unique(codes < 0, axis=0, return_inverse=True)
        self.block = self.block.reshape(-1)
        self.blocks = [(known, np.flatnonzero(self.block == i)) for i, known in enumerate(~lacks)]

    def n_agreeing(self) -> _Ints:
        """Return how many combinations agree with each, itself included."""
        total = np.zeros(len(self.codes), dtype=np.int64)
        for known, rows in self.blocks:
            for others, theirs in self.blocks:
                low, high, _ = self._ranges(rows, theirs, known & others)
                total[rows] += high - low
        return total

    def pairs(self, first: int, last: int) -> Linked:
        """Return what agrees with the combinations from `first` up to `last`."""
        classes, combinations = [], []
        for known, rows in self.blocks:
            mine = rows[np.searchsorted(rows, first) : np.searchsorted(rows, last)]
            if not len(mine):
                continue
            for others, theirs in self.blocks:
                low, high, order = self._ranges(mine, theirs, known & others)
                n = high - low
                place = np.arange(n.sum()) + np.repeat(low - (np.cumsum(n) - n), n)
                classes.append(np.repeat(mine - first, n))
                combinations.append(theirs[order[place]])
        return Linked(
            first=first,
            n_classes=last - first,
            classes=np.concatenate(classes),
            combinations=np.concatenate(combinations),
        )

    def _ranges(
        self, rows: _Ints, theirs: _Ints, common: npt.NDArray[np.bool_]
    ) -> tuple[_Ints, _Ints, _Ints]:
        both = np.concatenate([rows, theirs])
        keys = _combined([self.codes[both, i] for i in np.flatnonzero(common)], len(both))
        order = np.argsort(keys[len(rows) :], kind="stable")
        found = keys[len(rows) :][order]
        low = np.searchsorted(found, keys[: len(rows)], side="left")
        return low, np.searchsorted(found, keys[: len(rows)], side="right"), order


def as_codes(
    column: pa.Array | pa.ChunkedArray, *, nan_is_missing: bool = True
) -> tuple[_Ints, pa.Array]:
    """Return a number for each cell, -1 where it is missing, and the distinct values.

    Without `nan_is_missing`, what is not a number is a value.

    Examples
    --------
    >>> codes, values = as_codes(pa.array(["b", None, "a", "b"]))
    >>> codes.tolist(), values.to_pylist()
    ([0, -1, 1, 0], ['b', 'a'])
    """
    chunked = pa.chunked_array(column) if isinstance(column, pa.Array) else column
    kind = chunked.type
    if pa.types.is_floating(kind.value_type if pa.types.is_dictionary(kind) else kind):
        plain = pc.add(chunked.cast(pa.float64()), 0.0)
        nothing = pa.scalar(None, pa.float64())
        chunked = pc.if_else(pc.is_nan(plain), nothing, plain) if nan_is_missing else plain
    if not pa.types.is_dictionary(chunked.type):
        chunked = chunked.dictionary_encode()
    whole = chunked.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], whole.type)
    # Indices of a category may be without a sign.
    codes = whole.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, whole.dictionary


def renumbered(keys: _Ints) -> tuple[_Ints, int]:
    """Number the distinct keys in the order in which they first appear."""
    encoded = pa.array(keys).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)


def _combined(columns: Sequence[_Ints], n_rows: int) -> _Ints:
    """Return one key for each row: rows have the same where all columns are the same."""
    keys, bound = np.zeros(n_rows, dtype=np.int64), 1
    for column in columns:
        n = int(column.max(initial=-1)) + 2
        if bound * n > _LARGEST_KEY:
            keys, bound = renumbered(keys)
        keys, bound = keys * n + (column + 1), bound * n
    return keys


def find_classes(
    columns: Sequence[_Ints], *, missing: Literal["category", "wildcard", "suppress"]
) -> Classes:
    """Find the classes that coded columns form.

    Parameters
    ----------
    columns : sequence of ndarray of int64, each of shape (n_rows,)
        One or more quasi-identifiers, -1 where missing.
    missing : {"category", "wildcard", "suppress"}
        Whether missing agrees with everything (``wildcard``) or only with missing.

    Examples
    --------
    >>> import numpy as np
    >>> classes = find_classes([np.array([0, 0, 1, -1])], missing="wildcard")
    >>> [
    ...     sorted(zip(linked.classes.tolist(), linked.combinations.tolist()))
    ...     for linked in classes.linked()
    ... ]
    [[(0, 0), (0, 2), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]]
    """
    of_rows, n = renumbered(_combined(columns, len(columns[0])))
    examples = np.empty(n, dtype=np.int64)
    examples[of_rows[::-1]] = np.arange(len(of_rows))[::-1]
    codes = np.column_stack([column[examples] for column in columns])
    return Classes(
        of_rows=of_rows,
        codes=codes,
        examples=examples,
        are_wild=missing == "wildcard" and bool((codes < 0).any()),
    )
