"""Compares bit vectors, in threads: every pair above a threshold, or a share of them faster."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, get_args

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress, ProgressEvent, has_numba, run_in_threads, silent
from linkkit.errors import LinkageError, OptionError
from linkkit.linkage.block import FilterPlan
from linkkit.linkage.compare.vectors import _reference as _vector_reference

__all__ = ["Measure", "SimilarPairs", "VectorScan", "similar_pairs", "too_many"]

Measure = Literal["dice", "jaccard", "matching", "cosine", "overlap"]
"""How alike two sets of bits are; see :func:`similar_pairs`."""

_COMPARISONS_PER_CHUNK = 40_000_000
_PAIRS_PER_CHUNK = 2_000_000
_FEWEST_ROWS_PER_CHUNK = 64
_MOST_ROWS_PER_CHUNK = 1_024
_FIRST_CAPACITY = 16_384
_TRIED_PAIRS = 4_000
_MOST_BITS = 65_535
_MOST_ROWS = 1 << 31
_WORDS_AT_ONCE = 4

_Words = npt.NDArray[np.uint64]
_Found = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.uint16]]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class SimilarPairs:
    """Pairs of rows of two arrays of bit vectors that are alike.

    Attributes
    ----------
    left, right : ndarray of int32, shape (n_pairs,)
        Rows of the two arrays; each pair once, in an order that no number of threads changes.
    common : ndarray of uint16, shape (n_pairs,)
        How many bits both have.
    measure : str
        What :attr:`score` is.
    n_bits : int
        How wide the vectors are.
    n_left_set, n_right_set : ndarray of int64, shape (n_left,) and (n_right,)
        How many bits each row of the two arrays has.
    plan : FilterPlan or None
        How they were found where not all pairs were compared.
    """

    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    common: npt.NDArray[np.uint16]
    measure: Measure
    n_bits: int
    n_left_set: npt.NDArray[np.int64]
    n_right_set: npt.NDArray[np.int64]
    plan: FilterPlan | None = None

    @property
    def score(self) -> npt.NDArray[np.float64]:
        """Similarity of each pair, 0 to 1."""
        return _vector_reference.similarities(
            self.measure,
            self.common.astype(np.int64),
            self.n_left_set[self.left],
            self.n_right_set[self.right],
            n_bits=self.n_bits,
        )

    def __len__(self) -> int:
        return len(self.left)

    def __repr__(self) -> str:
        return f"<SimilarPairs: {len(self)} pairs>"


def similar_pairs(
    left: _Words,
    right: _Words | None = None,
    *,
    threshold: float,
    measure: Measure = "dice",
    recall: float | None = None,
    max_pairs: int = 200_000_000,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> SimilarPairs:
    """Find all pairs of bit vectors that are at least so similar; none is missed, unless allowed.

    With a and b bits set in two vectors, and c in both:

    ============ ===================================================
    ``dice``      2 c / (a + b)
    ``jaccard``   c / (a + b - c); Tanimoto's coefficient
    ``matching``  share of all bits that are equal: 1 - Hamming distance / width
    ``cosine``    c / sqrt(a b)
    ``overlap``   c / min(a, b)
    ============ ===================================================

    Parameters
    ----------
    left : ndarray of uint64, shape (n_left, n_words)
        Bit vectors, 64 bits to a word.
    right : ndarray of uint64, shape (n_right, n_words), optional
        The others. Without it, rows of `left` are compared among themselves, each pair once, the
        smaller row left.
    threshold : float
        The least similarity, 0 to 1.
    measure : str
        See above. All but ``matching`` are 0 where one vector has no bit.
    recall : float, optional
        Find about this share of the pairs only, above 0 and below 1: vectors are compared that agree
        in some of their bits, which is much faster with many vectors and a high threshold. Where it is
        not, all are compared. No pair below the threshold is ever found. The same pairs are found
        whatever the order of rows; ``plan`` of the result says how, and which share it is.
    max_pairs : int
        Refuse to find more; a pair takes 10 bytes.
    n_threads : int, optional
        As many as there are processors by default. Results do not depend on it.
    progress : callable
        Told how many comparisons are done.

    Returns
    -------
    SimilarPairs

    Raises
    ------
    OptionError
        When the arrays or options do not fit.
    LinkageError
        When there are more than `max_pairs`.

    Examples
    --------
    >>> import numpy as np
    >>> vectors = np.array([[0b1111], [0b0111], [0b110000]], dtype=np.uint64)
    >>> found = similar_pairs(vectors, threshold=0.8)
    >>> found.left.tolist(), found.right.tolist(), found.score.round(3).tolist()
    ([0], [1], [0.857])
    """
    problems = [*_array_problems(left, right)]
    problems += _option_problems(
        threshold, measure, {"max_pairs": max_pairs, "n_threads": n_threads}
    )
    if recall is not None and not (_is_number(recall) and 0 < recall < 1):
        problems.append("'recall' is a number above 0 and below 1, or None to miss no pair")
    if problems:
        raise OptionError(problems, hint="See the help of similar_pairs.")
    if recall is not None:
        from linkkit.linkage.compare.vectors.recall import pairs_in_tables

        found_in_tables = pairs_in_tables(
            left, right, threshold=float(threshold), measure=measure, recall=float(recall),
            max_pairs=max_pairs, n_threads=n_threads, progress=progress,
        )  # fmt: skip
        if found_in_tables is not None:
            return found_in_tables
    return _all_similar(
        left, right, threshold=float(threshold), measure=measure, max_pairs=max_pairs,
        n_threads=n_threads, progress=progress,
    )  # fmt: skip


def _all_similar(
    left: _Words, right: _Words | None, *, threshold: float, measure: Measure, max_pairs: int,
    n_threads: int | None, progress: Progress,
) -> SimilarPairs:  # fmt: skip
    scan = VectorScan(left, right, measure=measure, threshold=threshold, max_pairs=max_pairs)
    tasks = scan.chunks()
    total, done = scan.n_comparisons, 0
    expected = math.ceil(1.1 * scan.density * total)
    found = _Growing(min(_FIRST_CAPACITY + expected, max_pairs + 1))
    for task, pairs in zip(tasks, run_in_threads(scan, tasks, n_threads=n_threads), strict=True):
        found.add(pairs)
        done += scan.comparisons_of(task)
        if found.size > max_pairs:
            raise too_many(max_pairs, threshold, found.size, f"{done:,} of {total:,}")
        progress(ProgressEvent(stage="compare", done=done, total=total, unit="comparisons"))
    lefts, rights, commons = found.done()
    return SimilarPairs(
        left=lefts, right=rights, common=commons, measure=measure, n_bits=scan.n_bits,
        n_left_set=scan.left.n_set_of_row, n_right_set=scan.right.n_set_of_row,
    )  # fmt: skip


def too_many(max_pairs: int, threshold: float, n_found: int, after: str) -> LinkageError:
    """Return the error of more pairs than are allowed, found after some comparisons."""
    return LinkageError(
        f"more than {max_pairs:,} pairs are at least {threshold:g} alike: {n_found:,} after {after} "
        "comparisons",
        hint="Raise the threshold, or max_pairs if there is memory: a pair takes 10 bytes.",
    )


def _array_problems(left: object, right: object) -> Iterator[str]:
    arrays = {"left": left} if right is None else {"left": left, "right": right}
    widths = set()
    for name, words in arrays.items():
        if not isinstance(words, np.ndarray) or words.dtype != np.uint64 or words.ndim != 2:
            yield f"'{name}' is an array of uint64 with a row for each vector"
            continue
        widths.add(words.shape[1])
        if not 1 <= words.shape[1] <= _MOST_BITS // 64:
            yield f"'{name}' has 64 to {_MOST_BITS // 64 * 64:,} bits in a row"
        if len(words) >= _MOST_ROWS:
            yield f"'{name}' has fewer than {_MOST_ROWS:,} rows"
    if len(widths) > 1:
        yield "'left' and 'right' are equally wide; filters of different specs cannot be compared"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _option_problems(
    threshold: object, measure: object, counts: Mapping[str, object]
) -> Iterator[str]:
    if not (_is_number(threshold) and 0 <= threshold <= 1):
        yield "'threshold' is a number from 0 to 1"
    if measure not in get_args(Measure):
        yield f"'measure' is one of {', '.join(get_args(Measure))}"
    for name, count in counts.items():
        whole = isinstance(count, int) and not isinstance(count, bool)
        if count is not None and not (whole and count >= 1):  # type: ignore[operator]
            yield f"'{name}' is a whole number, 1 or more"


class _Growing:
    """Columns that grow at their end without a second copy of themselves."""

    def __init__(self, expected: int) -> None:
        self.size = 0
        # Pages that nothing is written to take no memory.
        self.left, self.right = (np.empty(expected, dtype=np.int32) for _ in range(2))
        self.common = np.empty(expected, dtype=np.uint16)

    def add(self, part: _Found) -> None:
        new = slice(self.size, self.size + len(part[0]))
        self.size = new.stop
        if self.size > len(self.left):
            self._resize(self.size + self.size // 2)
        self.left[new], self.right[new], self.common[new] = part

    def done(self) -> _Found:
        """Return the columns as far as they are filled."""
        self._resize(self.size)
        return self.left, self.right, self.common

    def _resize(self, length: int) -> None:
        for column in (self.left, self.right, self.common):
            column.resize(length, refcheck=False)  # the system moves pages, not bytes


class _Side:
    """Bit vectors sorted by how many bits they have."""

    def __init__(self, words: _Words) -> None:
        self.n_set_of_row = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
        self.order = np.argsort(self.n_set_of_row, kind="stable").astype(np.int32)
        self.words = words[self.order]
        if missing := -words.shape[1] % _WORDS_AT_ONCE:
            self.words = np.pad(self.words, ((0, 0), (0, missing)))
        self.n_set = self.n_set_of_row[self.order]

    def n_late(self, n_early: int) -> npt.NDArray[np.int64]:
        """Return how many bits each has from word `n_early` on."""
        return np.asarray(np.bitwise_count(self.words[:, n_early:]).sum(axis=1, dtype=np.int64))


class VectorScan:
    """All comparisons of two arrays: a chunk of rows in, the pairs found out."""

    def __init__(
        self,
        left: _Words,
        right: _Words | None,
        *,
        measure: Measure,
        threshold: float,
        max_pairs: int,
    ) -> None:
        self.max_pairs = max_pairs
        self.n_bits = 64 * left.shape[1]
        self.measure, self.threshold = measure, threshold
        self.left = _Side(left)
        self.right = self.left if right is None else _Side(right)
        self.within = right is None
        self.first, self.last = self._partners()
        self.n_comparisons = int((self.last - self.first).sum())
        self.density = 0.0
        self.compiled = has_numba()
        if self.compiled:
            self._prepare()

    def _partners(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the range of columns that a row can be similar to, by their numbers of bits."""
        counts = np.unique(self.right.n_set)
        rows, which = np.unique(self.left.n_set, return_inverse=True)
        ranges = np.zeros((len(rows), 2), dtype=np.int64)
        for i, a in enumerate(rows):
            both = np.full(len(counts), a)
            best = _vector_reference.similarities(
                self.measure, np.minimum(both, counts), both, counts, n_bits=self.n_bits
            )
            near = counts[best >= self.threshold]
            if len(near):
                ranges[i, 0] = np.searchsorted(self.right.n_set, near[0], side="left")
                ranges[i, 1] = np.searchsorted(self.right.n_set, near[-1], side="right")
        first, last = ranges[which.reshape(-1)].T
        if self.within:
            first = np.minimum(np.maximum(first, np.arange(1, len(first) + 1)), last)
        return np.ascontiguousarray(first), np.ascontiguousarray(last)

    def _prepare(self) -> None:
        from linkkit.linkage.compare.vectors._kernels import LANES

        self.n_early, self.density = self._first_words(LANES)
        late = self.right.n_late(self.n_early)
        starts = np.arange(0, len(late), LANES)
        most_late = np.maximum.reduceat(late, starts) if len(late) else late
        self.arrays = (
            np.ravel(self.left.words), self.right.words.T.ravel(), self.left.words.shape[1], self.left.n_set,
            self.right.n_set, self.left.n_late(self.n_early), most_late, self.first, self.last,
        )  # fmt: skip

    def _first_words(self, lanes: int) -> tuple[int, float]:
        """Return how many words to look at first, and which share of pairs is similar, by trial.

        Of a block of candidates, all words are compared unless none can be similar by the first.
        """
        n_words = self.left.words.shape[1]
        rng = np.random.default_rng(0)
        have = np.flatnonzero(self.last > self.first)
        if not len(have):
            return n_words, 0.0
        rows = rng.choice(have, size=max(_TRIED_PAIRS // lanes, 16))
        starts = self.first[rows] + rng.integers(0, self.last[rows] - self.first[rows])
        early = np.arange(_WORDS_AT_ONCE, n_words + 1, _WORDS_AT_ONCE)
        passed = np.zeros(len(early))
        n_tried = n_similar = 0
        for p, q in zip(rows.tolist(), starts.tolist(), strict=True):
            end = min(q + lanes, int(self.last[p]))
            counts = np.bitwise_count(self.right.words[q:end] & self.left.words[p]).astype(np.int64)
            so_far = counts.cumsum(axis=1)[:, early - 1]
            a, b = np.full(end - q, self.left.n_set[p]), self.right.n_set[q:end]
            score = _vector_reference.similarities(
                self.measure, so_far[:, -1], a, b, n_bits=self.n_bits
            )
            n_tried, n_similar = n_tried + end - q, n_similar + int((score >= self.threshold).sum())
            passed += self._passed(so_far, early, p, slice(q, end))
        cost = early + passed / len(rows) * (n_words - early)
        return int(early[int(np.argmin(cost))]), n_similar / n_tried

    def _passed(
        self, so_far: npt.NDArray[np.int64], early: npt.NDArray[np.int64], p: int, block: slice
    ) -> npt.NDArray[np.bool_]:
        """Return after which of the first words a block still has a chance."""
        low, n_words = int(self.right.n_set[block.start]), self.left.words.shape[1]
        grown = np.arange(min(int(self.left.n_set[p]), low) + 1)
        a = np.full(len(grown), self.left.n_set[p])
        score = _vector_reference.similarities(
            self.measure, grown, a, np.full(len(grown), low), n_bits=self.n_bits
        )
        need = int(np.searchsorted(score, self.threshold))
        words = np.bitwise_count(self.left.words[p]).astype(np.int64)
        mine = words.sum() - words.cumsum()[early - 1]
        others = np.bitwise_count(self.right.words[block]).astype(np.int64)
        theirs = (others.sum(axis=1)[:, None] - others.cumsum(axis=1)[:, early - 1]).max(axis=0)
        late = np.where(early == n_words, 0, np.minimum(mine, theirs))
        return np.asarray(so_far.max(axis=0) >= need - late)

    def chunks(self) -> list[slice]:
        """Cut the rows into chunks of many comparisons but not too many pairs, whatever the threads."""
        most = min(_COMPARISONS_PER_CHUNK, _PAIRS_PER_CHUNK / max(self.density, 1e-9))
        ends = np.cumsum(self.last - self.first)
        chunks, start = [], 0
        while start < len(ends):
            before = ends[start - 1] if start else 0
            stop = int(np.searchsorted(ends, before + most, side="right"))
            stop = max(stop, start + _FEWEST_ROWS_PER_CHUNK)
            stop = min(stop, start + _MOST_ROWS_PER_CHUNK, len(ends))
            chunks.append(slice(start, stop))
            start = stop
        return chunks

    def comparisons_of(self, rows: slice) -> int:
        """Return how many comparisons a chunk of rows takes."""
        return int((self.last[rows] - self.first[rows]).sum())

    def __call__(self, rows: slice) -> _Found:
        """Return the pairs of a chunk of rows, and how many bits they have in common."""
        p, q, common = self._compiled(rows) if self.compiled else self._plain(rows)
        left, right = self.left.order[p], self.right.order[q]
        if self.within:
            left, right = np.minimum(left, right), np.maximum(left, right)
        return left, right, common

    def _plain(self, rows: slice) -> _Found:
        found: Iterator[Any] = (
            (p, self.first[p] + near, common)
            for p in range(rows.start, rows.stop)
            for near, common in [
                _vector_reference.similar_to_row(
                    self.left.words[p], self.right.words[self.first[p] : self.last[p]],
                    measure=self.measure, threshold=self.threshold, n_bits=self.n_bits,
                )
            ]
        )  # fmt: skip
        parts = [(np.full(len(q), p), q, c) for p, q, c in found]
        if not parts:
            return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.uint16)
        p, q, c = (np.concatenate(part) for part in zip(*parts, strict=True))
        return p.astype(np.int32), q.astype(np.int32), c.astype(np.uint16)

    def _compiled(self, rows: slice) -> _Found:
        from linkkit.linkage.compare.vectors import _kernels as _vector_kernels

        kernel: Any = _vector_kernels.scan_vectors
        expected = 1.1 * self.density * self.comparisons_of(rows)
        capacity = min(_FIRST_CAPACITY + math.ceil(expected), self.max_pairs + 1)
        while True:
            left, right = np.empty(capacity, dtype=np.int32), np.empty(capacity, dtype=np.int32)
            common = np.empty(capacity, dtype=np.uint16)
            n_found = kernel(
                *self.arrays, rows.start, rows.stop, self.n_early,
                get_args(Measure).index(self.measure), self.threshold, self.n_bits,
                *np.zeros((2, _vector_kernels.LANES), dtype=np.uint64), left, right, common,
            )  # fmt: skip
            # Who asks refuses what is more than the most.
            if n_found <= capacity or capacity > self.max_pairs:
                return left[:n_found], right[:n_found], common[:n_found]
            capacity = min(int(n_found), self.max_pairs + 1)
