"""Compares records by their only filter, in threads: the Dice similarity of every pair that matters.

Dice's is twice the number of bits that two filters have in common, over the number of bits that
they have: 0 where they share none, 1 where they are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress, ProgressEvent, run_in_threads, silent
from linkkit.errors import LinkageError
from linkkit.linkage.block import BlockingPass, count_pairs
from linkkit.linkage.compare import _record_reference
from linkkit.linkage.compare._record_reference import SCALE
from linkkit.linkage.compare.pairs import chunks_of, has_numba
from linkkit.linkage.pool import Pool

__all__ = [
    "MOST_PAIRS",
    "RecordPairs",
    "candidate_floor",
    "compare_filters",
    "dice_of_pairs",
    "party_blocks",
    "require_comparable",
]

MOST_PAIRS = 1_000_000_000_000
"""So many pairs of 1,024 bits take about an hour on one processor; no blocks save any of them."""

_SAMPLE_PAIRS = 1_000_000
_CANDIDATES_PER_RECORD = 50
_CANDIDATES_AT_LEAST_PER_RECORD = 10
_FEW_CANDIDATES = 5_000_000
_MOST_OF_ALL = 0.5
_TRIED_PAIRS = 20_000
_LITTLE_HOPE = 0.002
_FIRST_CAPACITY = 65_536

_Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class RecordPairs:
    """Pairs of records of a pool and how alike their filters are.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Positions in the pool; the smaller is left. Sorted, each pair once.
    dice : ndarray of float64, shape (n_pairs,)
        Dice similarity, 0 to 1.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    dice: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.left)

    def __repr__(self) -> str:
        return f"<RecordPairs: {len(self)} pairs>"


def require_comparable(pool: Pool) -> None:
    """Refuse a pool with more pairs than can be compared in reasonable time."""
    n_pairs = count_pairs(pool)
    if n_pairs > MOST_PAIRS:
        raise LinkageError(
            f"{n_pairs:,} pairs are too many: filters of whole records cannot be blocked, and at "
            f"most {MOST_PAIRS:,} pairs are compared",
            hint="Link smaller extracts, by year of birth say, or agree on another profile.",
        )


def party_blocks(pool: Pool) -> Iterator[tuple[int, int]]:
    """Yield the pairs of parties whose records may match, a party with itself included."""
    for p in range(len(pool.parties)):
        for q in range(p, len(pool.parties)):
            if p != q or not pool.clean[p]:
                yield p, q


def dice_of_pairs(
    pool: Pool, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the Dice similarity of listed pairs, shape (n_pairs,)."""
    n_set = _n_set(pool)
    common = _record_reference.common_bits(pool.words, left, right)
    return _dice(common, n_set[left] + n_set[right])


def _dice(common: npt.NDArray[np.int64], total: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.asarray(2 * common / np.maximum(total, 1), dtype=np.float64)


def _n_set(pool: Pool) -> npt.NDArray[np.int64]:
    return np.asarray(np.bitwise_count(pool.words).sum(axis=1), dtype=np.int64)


def candidate_floor(pool: Pool, *, seed: int = 0) -> float:
    """Return the similarity from which pairs are worth a look, 0 to 1.

    So many random pairs reach it that there are some tens of candidates for each record: more
    than any record has matches, and enough to see what strangers have in common.
    """
    n_pairs = count_pairs(pool)
    wanted = min(
        _CANDIDATES_PER_RECORD * len(pool),
        max(_FEW_CANDIDATES, _CANDIDATES_AT_LEAST_PER_RECORD * len(pool)),
    )
    share = min(wanted / max(n_pairs, 1), _MOST_OF_ALL)
    rng = np.random.default_rng(seed)
    left, right = _random_pairs(pool, rng, min(_SAMPLE_PAIRS, 4 * n_pairs))
    floor = float(np.quantile(dice_of_pairs(pool, left, right), 1 - share)) if len(left) else 0.0
    return min(float(np.floor(floor * SCALE)) / SCALE, 1.0)


def _random_pairs(
    pool: Pool, rng: np.random.Generator, n_pairs: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return random pairs of those that may match, drawn with replacement."""
    sizes = pool.party_sizes()
    starts = np.cumsum(np.append(0, sizes[:-1]))
    blocks = list(party_blocks(pool))
    weight = np.array([float(sizes[p] * (sizes[q] - (p == q))) / (1 + (p == q)) for p, q in blocks])
    if not weight.sum():
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing
    chosen = rng.choice(len(blocks), size=n_pairs, p=weight / weight.sum())
    p, q = np.array(blocks, dtype=np.int64)[chosen].T
    left = starts[p] + rng.integers(0, sizes[p])
    # Within a party, the partner is one of the others.
    right = starts[q] + (rng.integers(0, np.maximum(sizes[q] - (p == q), 1)))
    right += (p == q) & (right >= left)
    return np.minimum(left, right), np.maximum(left, right)


def compare_filters(
    pool: Pool,
    *,
    floor: float,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> RecordPairs:
    """Compare all pairs, and keep those at least as alike as `floor`.

    Filters with too many bits, or too few, to be so alike are passed over. `progress` is told
    how many comparisons are done; the result does not depend on `n_threads`.

    Returns
    -------
    RecordPairs
        Each pair once, sorted.
    """
    n_set, least = _n_set(pool), round(floor * SCALE)
    half = _first_words(pool, least)
    items = [_strip(pool, n_set, block, least) for block in party_blocks(pool)]
    total, done = sum(item.n_comparisons for item in items), 0
    lefts, rights, dices = [[np.zeros(0, dtype=np.int64)] for _ in range(3)]
    for item in items:
        scan = _Scan(pool.words[item.order], n_set[item.order], item, least=least, half=half)
        tasks = list(chunks_of(item))
        for task, found in zip(
            tasks, run_in_threads(scan, tasks, n_threads=n_threads), strict=True
        ):
            one, other = item.order[found[0]], item.order[found[1]]
            lefts.append(np.minimum(one, other))
            rights.append(np.maximum(one, other))
            dices.append(found[2])
            done += int((item.last[task] - item.first[task]).sum())
            progress(ProgressEvent(stage="compare", done=done, total=total, unit="comparisons"))
    left, right, common = (np.concatenate(parts) for parts in (lefts, rights, dices))
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    return RecordPairs(
        left=left, right=right, dice=_dice(common[order], n_set[left] + n_set[right])
    )


def _first_words(pool: Pool, least: int) -> int:
    """Return how many words to compare before partners without a chance are given up.

    All, where too few of them would be given up to be worth the look.
    """
    n_words = int(pool.words.shape[1])
    half = (n_words + 1) // 2
    rng = np.random.default_rng(0)
    left, right = _random_pairs(pool, rng, min(_TRIED_PAIRS, 4 * count_pairs(pool)))
    if not len(left):
        return n_words
    n_set, early = _n_set(pool), pool.words[:, :half]
    n_late = np.bitwise_count(pool.words[:, half:]).sum(axis=1).astype(np.int64)
    most = _record_reference.common_bits(early, left, right)
    most += np.minimum(n_late[left], n_late[right])
    hope = float(np.mean(2 * SCALE * most >= least * (n_set[left] + n_set[right])))
    return half if hope < _LITTLE_HOPE else n_words


def _strip(
    pool: Pool, n_set: npt.NDArray[np.int64], block: tuple[int, int], least: int
) -> BlockingPass:
    """Return the comparisons of two parties, partners sorted by their number of bits."""
    p, q = block
    mine, theirs = (np.flatnonzero(pool.party == x) for x in block)
    mine = mine[np.argsort(n_set[mine], kind="stable")]
    theirs = theirs[np.argsort(n_set[theirs], kind="stable")]
    # 2 min(a, b) / (a + b) is the most that filters of a and b bits can be alike.
    low = n_set[mine] * least // max(2 * SCALE - least, 1)
    high = -(-n_set[mine] * (2 * SCALE - least) // max(least, 1))
    high = np.maximum(high, n_set.max(initial=0)) if least == 0 else high
    first = np.searchsorted(n_set[theirs], low, side="left")
    last = np.searchsorted(n_set[theirs], high, side="right")
    if p == q:
        first = np.maximum(first, np.arange(1, len(mine) + 1))
        return BlockingPass(
            name="", order=mine, first=np.minimum(first, last), last=last.astype(np.int64)
        )
    # Rows of the second party have no partners of their own.
    none = np.zeros(len(theirs), dtype=np.int64)
    n = len(mine)
    return BlockingPass(
        name="",
        order=np.concatenate([mine, theirs]),
        first=np.concatenate([first + n, none]),
        last=np.concatenate([last + n, none]),
    )


class _Scan:
    """One strip as a task for threads: a chunk of rows in, the pairs found out."""

    def __init__(
        self,
        words: npt.NDArray[np.uint64],
        n_set: npt.NDArray[np.int64],
        item: BlockingPass,
        *,
        least: int,
        half: int,
    ) -> None:
        self.words, self.n_set, self.item, self.least = words, n_set, item, least
        self.half = half
        self.n_late = np.bitwise_count(words[:, half:]).sum(axis=1).astype(np.int64)
        self.columns = np.ascontiguousarray(words.T)
        self.compiled = has_numba()

    def __call__(self, rows: slice) -> _Found:
        scan = self._compiled_scan if self.compiled else self._plain_scan
        return scan(rows)

    def _plain_scan(self, rows: slice) -> _Found:
        return _record_reference.scan_filters(
            self.words, self.n_set, self.item.first, self.item.last, rows.start, rows.stop,
            self.least,
        )  # fmt: skip

    def _compiled_scan(self, rows: slice) -> _Found:
        from linkkit.linkage.compare import _record_kernels

        kernel: Any = _record_kernels.scan_filters
        capacity = _FIRST_CAPACITY
        while True:
            left, right, common = (np.empty(capacity, dtype=np.int64) for _ in range(3))
            n_found = kernel(
                self.words, self.columns, self.n_set, self.n_late, self.item.first, self.item.last,
                rows.start, rows.stop, self.half, self.least, left, right, common,
            )  # fmt: skip
            if n_found <= capacity:
                return left[:n_found], right[:n_found], common[:n_found]
            capacity = int(n_found)
