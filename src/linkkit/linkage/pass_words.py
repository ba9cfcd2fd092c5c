"""The filters of passes, where the extracts hold them: a copy would be most of the memory of a linkage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Meeting", "PassWords"]

_Ints = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


class Meeting(NamedTuple):
    """Pairs of records of two runs: which pairs, and where their records are in the runs."""

    pairs: slice | _Ints
    runs: tuple[int, int]
    left: _Ints
    right: _Ints


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassWords:
    """Records in runs, one after the other, each with filters of its own in every pass.

    Attributes
    ----------
    runs : tuple of tuple of ndarray of uint64, shape (n_records_of_run, n_words_of_pass)
        The filters of each run in each pass; contiguous. No run where there are no passes.
    n_bytes : int
        How many bytes of them are a copy.
    """

    runs: tuple[tuple[_Words, ...], ...] = ()
    n_bytes: int = 0

    def __len__(self) -> int:
        return sum(len(run[0]) for run in self.runs)

    def __repr__(self) -> str:
        return f"<PassWords: {len(self)} records in {len(self.runs)} runs>"

    @property
    def starts(self) -> _Ints:
        """The first record of each run, and how many records there are."""
        return np.cumsum([0, *(len(run[0]) for run in self.runs)], dtype=np.int64)

    def of(self, k: int, rows: _Ints) -> _Words:
        """Return the filters of some records in pass `k`, shape (n, n_words_of_pass)."""
        out = np.empty((len(rows), self.runs[0][k].shape[1]), dtype=np.uint64)
        starts = self.starts
        number = np.searchsorted(starts[1:], rows, side="right")
        for r, run in enumerate(self.runs):
            mine = np.flatnonzero(number == r)
            if len(mine) == len(rows):
                np.take(run[k], rows - starts[r], axis=0, out=out, mode="clip")
            elif len(mine):
                out[mine] = run[k][rows[mine] - starts[r]]
        return out

    def column(self, k: int, word: int) -> _Words:
        """Return one word of all filters of pass `k`."""
        return np.concatenate([run[k][:, word] for run in self.runs])

    def whole(self, k: int) -> _Words:
        """Return all filters of pass `k` in one array."""
        if len(self.runs) == 1:
            return self.runs[0][k]
        return np.concatenate([run[k] for run in self.runs])

    def part(self, rows: _Ints) -> PassWords:
        """Return those of some records, in any order, as one run."""
        run = tuple(self.of(k, rows) for k in range(len(self.runs[0]))) if self.runs else ()
        return PassWords(runs=(run,) if run else (), n_bytes=sum(words.nbytes for words in run))

    def joined(self, *others: PassWords) -> PassWords:
        """Return these, and then others."""
        every = (self, *others)
        runs = tuple(run for one in every for run in one.runs)
        return PassWords(runs=runs, n_bytes=sum(one.n_bytes for one in every))

    def meetings(self, left: _Ints, right: _Ints) -> Iterator[Meeting]:
        """Yield the pairs by the runs that their records are in, as kernels need them."""
        starts = self.starts
        one, other = (np.searchsorted(starts[1:], side, side="right") for side in (left, right))
        both = one * len(self.runs) + other
        for key in np.unique(both).tolist():
            a, b = divmod(key, len(self.runs))
            pairs: slice | _Ints = np.flatnonzero(both == key)
            if len(pairs) == len(both):
                pairs = slice(None)
            yield Meeting(pairs, (a, b), left[pairs] - starts[a], right[pairs] - starts[b])
