"""Compares records by their only filter, in threads: the Dice similarity of every pair that matters.

Dice's is twice the number of bits that two filters have in common, over the number of bits that
they have: 0 where they share none, 1 where they are the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress, ProgressEvent, silent
from linkkit.errors import LinkageError
from linkkit.linkage.block import count_pairs
from linkkit.linkage.compare.vectors import similar_pairs
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
SCALE = 1 << 16
"""A floor is rounded down to so many parts of 1."""

_PAIRS_AT_ONCE = 100_000


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
    common = _common_bits(pool.words, left, right)
    return _dice(common, n_set[left] + n_set[right])


def _common_bits(
    words: npt.NDArray[np.uint64], left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    parts = [
        np.bitwise_count(words[left[i : i + _PAIRS_AT_ONCE]] & words[right[i : i + _PAIRS_AT_ONCE]])
        .sum(axis=1)
        .astype(np.int64)
        for i in range(0, len(left), _PAIRS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


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

    `progress` is told how many comparisons are done; the result does not depend on `n_threads`.

    Returns
    -------
    RecordPairs
        Each pair once, sorted.
    """
    n_set = _n_set(pool)
    starts = np.cumsum(np.append(0, pool.party_sizes()))
    nothing = np.zeros(0, dtype=np.int64)
    parts = [(nothing, nothing, nothing)]
    done = _Done(progress, count_pairs(pool))
    for p, q in party_blocks(pool):
        one, other = (pool.words[starts[x] : starts[x + 1]] for x in (p, q))
        found = similar_pairs(
            one, None if p == q else other, threshold=floor, n_threads=n_threads, progress=done
        )
        parts.append(
            (found.left + starts[p], found.right + starts[q], found.common.astype(np.int64))
        )
        done.block()
    left, right, common = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    return RecordPairs(
        left=left,
        right=right,
        dice=_dice(common[order], n_set[left] + n_set[right]),
    )


class _Done:
    """Adds up the progress of several comparisons."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total = progress, total
        self.before = self.here = 0

    def __call__(self, event: ProgressEvent) -> None:
        self.here = event.done
        self.progress(dataclasses.replace(event, done=self.before + event.done, total=self.total))

    def block(self) -> None:
        """Note that a comparison is finished."""
        self.before, self.here = self.before + self.here, 0
