"""The filters of passes, where the extracts hold them: a copy would be most of the memory of a linkage."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Meeting", "PassWords"]

_MOST_RUNS = 32
"""Deliveries bring further runs; with more of them than this all are copied into one."""

_Ints = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


class Meeting(NamedTuple):
    """Pairs of records of two runs: which pairs, and where their records are in the runs."""

    pairs: slice | _Ints
    runs: tuple[int, int]
    left: _Ints
    right: _Ints


class Share(NamedTuple):
    """Records of one run: which of those that were asked for, and where they are in the run."""

    run: int
    places: slice | _Ints
    rows: _Ints


def _read_only(words: _Words) -> _Words:
    if words.flags.c_contiguous and not words.flags.writeable:
        return words
    view = np.ascontiguousarray(words).view()
    view.flags.writeable = False
    return view


def _address(run: tuple[_Words, ...]) -> tuple[int, int]:
    """Return where a run is in memory, and its length."""
    return run[0].ctypes.data, len(run[0])


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassWords:
    """Records, each with filters of its own in every pass, in runs as they came.

    Attributes
    ----------
    runs : tuple of tuple of ndarray of uint64, shape (n_records_of_run, n_words_of_pass)
        The filters of each run in each pass; contiguous and read only. No run where there are no passes.
    at : ndarray of int64, shape (n_records,), or None
        Where each record is in all runs, one after the other; None where they are in that order.
    """

    runs: tuple[tuple[_Words, ...], ...] = ()
    at: _Ints | None = None

    def __post_init__(self) -> None:
        """Keep what extracts hold from being changed, and kernels from being compiled for both kinds."""
        runs = tuple(tuple(map(_read_only, run)) for run in self.runs)
        object.__setattr__(self, "runs", runs)

    def __len__(self) -> int:
        return int(self.starts[-1]) if self.at is None else len(self.at)

    def __repr__(self) -> str:
        return f"<PassWords: {len(self)} records in {len(self.runs)} runs>"

    @property
    def starts(self) -> _Ints:
        """The first record of each run, and how many records there are in all."""
        return np.cumsum([0, *(len(run[0]) for run in self.runs)], dtype=np.int64)

    def of(self, k: int, rows: _Ints) -> _Words:
        """Return the filters of some records in pass `k`, shape (n, n_words_of_pass)."""
        out = np.empty((len(rows), self.runs[0][k].shape[1]), dtype=np.uint64)
        for share in self.shares(rows):
            out[share.places] = self.runs[share.run][k][share.rows]
        return out

    def first_words(self, k: int, rows: _Ints | None = None) -> _Words:
        """Return the first word of the filters of some records, or of all, in pass `k`.

        Filters are uniform: those of unlike people share it as good as never.
        """
        if rows is None and self.at is None:
            return np.concatenate([run[k][:, 0] for run in self.runs])
        rows = np.arange(len(self)) if rows is None else rows
        out = np.empty(len(rows), dtype=np.uint64)
        for share in self.shares(rows):
            out[share.places] = self.runs[share.run][k][share.rows, 0]
        return out

    def whole(self, k: int) -> _Words:
        """Return all filters of pass `k` in one array."""
        if self.at is not None:
            return self.of(k, np.arange(len(self.at)))
        return self.runs[0][k] if len(self.runs) == 1 else np.concatenate([x[k] for x in self.runs])

    def part(self, rows: _Ints) -> PassWords:
        """Return those of some records, in any order, which stay where they are."""
        return replace(self, at=self._places(rows)) if self.runs else self

    def joined(self, *others: PassWords) -> PassWords:
        """Return these, and then others; a run that several have is one."""
        runs: list[tuple[_Words, ...]] = []
        starts: dict[tuple[int, int], int] = {}
        n, ats = 0, [np.zeros(0, dtype=np.int64)]
        for one in (self, *others):
            for run in one.runs:
                if _address(run) not in starts:
                    starts[_address(run)] = n
                    runs.append(run)
                    n += len(run[0])
            moved = np.array([starts[_address(run)] for run in one.runs], dtype=np.int64)
            ats.append(one._moved(moved))
        return PassWords(runs=tuple(runs), at=np.concatenate(ats) if runs else None)

    def tidied(self) -> PassWords:
        """Return these without what is of no record; runs are copied only where something is left out."""
        if self.at is None or not self.runs:
            return self
        is_used = np.zeros(int(self.starts[-1]), dtype=np.bool_)
        is_used[self.at] = True
        runs = []
        for run, start in zip(self.runs, self.starts, strict=False):
            used = is_used[start : start + len(run[0])]
            if used.all() and len(used):
                runs.append(run)
            elif used.any():
                runs.append(tuple(words[used] for words in run))
        if not runs:
            runs = [tuple(words[:0] for words in self.runs[0])]
        at = (np.cumsum(is_used) - 1)[self.at]
        tidy = PassWords(runs=tuple(runs), at=at)
        if len(runs) <= _MOST_RUNS:
            return tidy
        return PassWords(runs=(tuple(tidy.whole(k) for k in range(len(runs[0]))),))

    def shares(self, rows: _Ints) -> Iterator[Share]:
        """Yield some records by the runs that they are in."""
        places, starts = self._places(rows), self.starts
        number = np.searchsorted(starts[1:], places, side="right")
        for run in range(len(self.runs)):
            mine = np.flatnonzero(number == run)
            if len(mine) == len(rows):
                yield Share(run, slice(0, len(rows)), places - starts[run])
            elif len(mine):
                yield Share(run, mine, places[mine] - starts[run])

    def meetings(self, left: _Ints, right: _Ints) -> Iterator[Meeting]:
        """Yield pairs by the runs that their records are in, as kernels need them."""
        starts = self.starts
        left, right = self._places(left), self._places(right)
        one, other = (np.searchsorted(starts[1:], side, side="right") for side in (left, right))
        both = one * len(self.runs) + other
        if not len(both):
            return
        order = np.argsort(both, kind="stable")
        cuts = np.flatnonzero(np.diff(both[order])) + 1
        for start, end in itertools.pairwise([0, *cuts.tolist(), len(both)]):
            a, b = divmod(int(both[order[start]]), len(self.runs))
            pairs = slice(0, len(both)) if end - start == len(both) else order[start:end]
            yield Meeting(pairs, (a, b), left[pairs] - starts[a], right[pairs] - starts[b])

    def _places(self, rows: _Ints) -> _Ints:
        return rows if self.at is None else self.at[rows]

    def _moved(self, starts: _Ints) -> _Ints:
        """Return where the records are if runs start elsewhere."""
        places = self._places(np.arange(len(self)))
        number = np.searchsorted(self.starts[1:], places, side="right")
        return places + (starts - self.starts[:-1])[number] if len(places) else places
