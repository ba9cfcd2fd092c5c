"""Compares records by their only filter, in threads: the Dice similarity of every pair that matters.

Dice's is twice the number of bits that two filters have in common, over the number of bits that
they have: 0 where they share none, 1 where they are the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import Partitions, Progress, n_threads_available, silent
from linkkit.errors import LinkageError
from linkkit.linkage.block import Block, count_pairs
from linkkit.linkage.block.content import content_order
from linkkit.linkage.block.keys import pairs_of_blocks, sorted_blocks
from linkkit.linkage.block.lsh import FilterPlan, exhaustive_seconds, span
from linkkit.linkage.block.plan import FREE_PER_RECORD
from linkkit.linkage.compare.kept import lasting
from linkkit.linkage.compare.vectors.distinct import Distinct
from linkkit.linkage.compare.vectors.kept_pairs import Done, similar_and_kept
from linkkit.linkage.compare.vectors.samples import Sampled, Sought
from linkkit.linkage.compare.vectors.similar import similar_pairs
from linkkit.linkage.compare.vectors.tables import common_bits, find_near, plan_near
from linkkit.linkage.pool import Pool, part_of

__all__ = [
    "MOST_PAIRS",
    "Candidates",
    "RecordPairs",
    "candidate_floor",
    "compare_filters",
    "dice_of_pairs",
    "find_candidates",
    "likely_matches",
    "party_blocks",
]

MOST_PAIRS = 1_000_000_000_000
"""So many pairs of 1,024 bits take about an hour on one processor."""

MOST_ALIKE = 100
"""Of more filters than this that are equal within one party, none can be told from the others."""

AFFORDABLE_SECONDS = 25.0
"""All pairs are compared where one processor needs no longer: some 30,000 million of 1,024 bits."""

WANTED_SHARE = 0.995
"""Of the matches that comparing all pairs would find, this share must be found by tables.

By the sample, that is: matches that differ most look like strangers there and count for too little.
"""

MOST_CANDIDATES = 200_000_000
"""More candidate pairs are refused."""

_CLEAR = 0.95
_ENOUGH_CLEAR = 50
_WINDOW = 0.01
_EXPECTED_DISTANCE = 0.15
_EXPECTED_MATCHES = 5.0

_SAMPLE_PAIRS = 1_000_000
_CANDIDATES_PER_RECORD = 50
_CANDIDATES_AT_LEAST_PER_RECORD = 10
_FEW_CANDIDATES = 5_000_000
_MOST_OF_ALL = 0.5
SCALE = 1 << 16
"""A floor is rounded down to so many parts of 1."""

_PAIRS_AT_ONCE = 100_000
_POSITION = 0xFFFFFFFF
_MEET_MORE_OFTEN = 3.0

_Counts = npt.NDArray[np.int64]


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
    # Who is drawn depends on what records hold, and not on their tokens.
    order = content_order(pool)
    left, right = order[left], order[right]
    return np.minimum(left, right), np.maximum(left, right)


def likely_matches(sampled: Sampled) -> npt.NDArray[np.float64]:
    """Return how likely each sampled pair is a match, 0 to 1, by its lead over the runner-up.

    Among strangers the lead of the best over the second is like twice that of the second over the
    third (spacings of exponential order statistics: Renyi, 1953), and how often larger leads are seen
    says how many are matches. A pair that leads by less has to be more alike than the best strangers
    are, which are seen as runners-up of the clear matches.
    """
    answer = np.zeros(len(sampled.key))
    order = np.lexsort((-sampled.score, sampled.other, sampled.row))
    group = sampled.row[order] * (int(sampled.other.max(initial=0)) + 1) + sampled.other[order]
    starts = np.flatnonzero(np.append(True, group[1:] != group[:-1])[: len(group)])
    sizes = np.diff(np.append(starts, len(group)))
    score = np.append(sampled.score[order], 0.0)
    lowest = float(sampled.score.min()) if len(sampled.score) else 0.0
    best, second, third = (
        np.where(sizes > k, score[np.minimum(starts + k, len(group))], lowest) for k in range(3)
    )
    lead, chance = best - second, np.sort(2 * (second - third))
    seen, by_chance = _at_least(np.sort(lead), lead), _at_least(chance, lead)
    likely = np.clip(1 - by_chance / np.maximum(seen, 1), 0.0, 1.0)
    clear = likely >= _CLEAR
    # The runner-up of a clear match is the best of strangers.
    strangers = second[clear & (sizes > 1)]
    if len(strangers) >= _ENOUGH_CLEAR and not clear.all():
        likely = np.where(clear, likely, likely * _better_than(strangers, best[~clear], best))
    answer[order[starts]] = likely
    return answer


def _better_than(
    strangers: npt.NDArray[np.float64],
    seen: npt.NDArray[np.float64],
    score: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return which share of what is seen about each score are no best strangers.

    How many of all that is seen are strangers follows from those below the strangers' median, where
    matches are not (as in Storey, 2002).
    """
    below = float((seen <= np.median(strangers)).sum())
    n_strangers = min(2 * below, float(len(seen)))
    expected = _near_to(strangers, score) * (n_strangers / len(strangers))
    # Chance makes some more of them; so many are no sign of matches.
    most = expected + np.sqrt(expected)
    share = np.clip(1 - most / np.maximum(_near_to(seen, score), 1), 0.0, 1.0)
    return np.asarray(share, dtype=np.float64)


def _at_least(ordered: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> _Counts:
    return len(ordered) - np.searchsorted(ordered, values, side="left")


def _near_to(values: npt.NDArray[np.float64], centers: npt.NDArray[np.float64]) -> _Counts:
    """Return how many values are about each center."""
    ordered = np.sort(values)
    above = np.searchsorted(ordered, centers + _WINDOW, side="right")
    return above - np.searchsorted(ordered, centers - _WINDOW, side="left")


class Candidates(NamedTuple):
    """Candidate pairs, how they were found, and how alike they are at least."""

    pairs: RecordPairs
    plan: FilterPlan
    floor: float


def find_candidates(
    pool: Pool,
    *,
    floor: float | None = None,
    block: Block = "auto",
    store: Partitions | None = None,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> Candidates:
    """Find the pairs that are alike enough to be looked at: of all, or of those that meet in tables.

    Parameters
    ----------
    pool : Pool
        Records with one filter each.
    floor : float, optional
        The least similarity; :func:`candidate_floor` by default.
    block : {"auto", "exhaustive", "blocks"}
        "auto" compares all pairs where that takes seconds, and else in tables if these are faster.
        Unless it is "exhaustive", filters of which a party that holds each person once has more than
        :data:`MOST_ALIKE` equal ones are set aside: each is as like a match as all the others.
    store : Partitions, optional
        Where finished partitions of :data:`~linkkit.linkage.compare.kept.PAIR_TYPES` are kept. Those
        that it has are not made again; they are of one pool, floor and `block`.
    n_threads : int, optional
        As many as there are processors by default. Results do not depend on it.
    progress : callable
        Told how many comparisons are done.

    Returns
    -------
    Candidates
        Each pair once, sorted.

    Raises
    ------
    LinkageError
        When there are too many pairs to compare, or too many similar ones.
    """
    alone, warnings = (None, ()) if block == "exhaustive" else _set_aside(pool)
    kept = pool if alone is None else part_of(pool, alone)
    floor = candidate_floor(kept) if floor is None else floor
    found = None
    if block != "exhaustive":
        sought = _sought(floor, always_tables=block == "blocks")
        found = find_near(
            kept.words, kept.party, kept.clean, sought,
            store=store, n_threads=n_threads, progress=progress,
        )  # fmt: skip
    if found is None:
        pairs, plan = _all_pairs(
            kept, floor, block, store=store, n_threads=n_threads, progress=progress
        )
    else:
        plan = found.plan
        n_set = _n_set(kept)
        dice = _dice(found.common, n_set[found.left] + n_set[found.right])
        pairs = RecordPairs(left=found.left, right=found.right, dice=dice)
        pairs, plan = _with_keys(kept, pairs, plan, floor)
    if alone is not None:
        pairs = dataclasses.replace(pairs, left=alone[pairs.left], right=alone[pairs.right])
    plan = dataclasses.replace(plan, n_pairs=count_pairs(pool), warnings=warnings + plan.warnings)
    return Candidates(pairs=pairs, plan=plan, floor=floor)


def forecast_candidates(
    pool: Pool, *, block: Block = "auto", n_threads: int | None = None
) -> tuple[FilterPlan, int, float]:
    """Return what :func:`find_candidates` would do: the plan, candidate pairs and seconds expected."""
    alone, warnings = (None, ()) if block == "exhaustive" else _set_aside(pool)
    kept = pool if alone is None else part_of(pool, alone)
    floor = candidate_floor(kept)
    sought = _sought(floor, always_tables=block == "blocks")
    planned = None
    if block != "exhaustive":
        planned = plan_near(kept.words, kept.party, kept.clean, sought, n_threads=n_threads)
    n_pairs = count_pairs(kept)
    left, right = _random_pairs(kept, np.random.default_rng(1), min(_SAMPLE_PAIRS, 4 * n_pairs))
    share = float((dice_of_pairs(kept, left, right) >= floor).mean()) if len(left) else 0.0
    whole = exhaustive_seconds(n_pairs, pool.words.shape[1])
    plan, seconds = planned or (FilterPlan(n_pairs=n_pairs, n_comparisons=n_pairs), whole)
    plan = dataclasses.replace(plan, n_pairs=count_pairs(pool), warnings=warnings + plan.warnings)
    n = share * n_pairs
    if not plan.is_exhaustive:
        # Strangers that are alike meet more often than others do.
        n = min(n, share * _MEET_MORE_OFTEN * plan.n_comparisons + len(pool))
    return plan, round(n), seconds / (n_threads or n_threads_available())


def _with_keys(
    pool: Pool, pairs: RecordPairs, plan: FilterPlan, floor: float
) -> tuple[RecordPairs, FilterPlan]:
    """Add the pairs that agree in a blocking key of the partners, where these are few enough."""
    place = [(pairs.left << 32) | pairs.right]
    dice, names, n_compared = [pairs.dice], [], 0
    for k, key in enumerate(pool.spec.keys):
        blocks = sorted_blocks(pool, pool.block_keys, (k,))
        if blocks.n_comparisons > FREE_PER_RECORD * len(pool):
            continue
        names.append(key.name)
        n_compared += blocks.n_comparisons
        for left, right in pairs_of_blocks(pool, blocks):
            alike = dice_of_pairs(pool, left, right)
            enough = alike >= floor
            place.append(((left << 32) | right)[enough])
            dice.append(alike[enough])
    once, first = np.unique(np.concatenate(place), return_index=True)
    united = RecordPairs(left=once >> 32, right=once & _POSITION, dice=np.concatenate(dice)[first])
    n_comparisons = plan.n_comparisons + n_compared
    return united, dataclasses.replace(plan, n_comparisons=n_comparisons, keys=tuple(names))


def _sought(floor: float, *, always_tables: bool) -> Sought:
    # Matches become rarer the more they differ.
    quantile = (np.arange(32) + 0.5) / 32
    most = 1 - np.exp(-(1 - floor) / _EXPECTED_DISTANCE)
    distance = -_EXPECTED_DISTANCE * np.log1p(-quantile * most)
    return Sought(
        measure="dice", threshold=floor, recall=WANTED_SHARE, always_tables=always_tables,
        affordable=AFFORDABLE_SECONDS, likely=likely_matches, expected_shares=distance,
        expected_weight=_EXPECTED_MATCHES, max_pairs=MOST_CANDIDATES,
    )  # fmt: skip


def _all_pairs(
    pool: Pool,
    floor: float,
    block: Block,
    *,
    store: Partitions | None,
    n_threads: int | None,
    progress: Progress,
) -> tuple[RecordPairs, FilterPlan]:
    n_pairs = count_pairs(pool)
    if n_pairs > MOST_PAIRS:
        raise LinkageError(
            f"{n_pairs:,} pairs are too many: at most {MOST_PAIRS:,} pairs of filters are compared"
            + ("" if block == "exhaustive" else ", and no tables of sampled bits find enough"),
            hint="Link smaller extracts, by year of birth say, or leave 'block' at its default.",
        )
    pairs = compare_filters(pool, floor=floor, store=store, n_threads=n_threads, progress=progress)
    reason = {
        "exhaustive": "as asked",
        "blocks": "tables of sampled bits would find too few",
        "auto": f"about {span(exhaustive_seconds(n_pairs, pool.words.shape[1]))} on one processor",
    }[block]
    return pairs, FilterPlan(n_pairs=n_pairs, n_comparisons=n_pairs, reason=reason)


def _set_aside(pool: Pool) -> tuple[npt.NDArray[np.int64] | None, tuple[str, ...]]:
    """Return the records that are compared, None for all, and what was set aside."""
    rows = Distinct.of(pool.words, pool.party, n_parties=len(pool.parties))
    crowds = np.flatnonzero((rows.sizes > MOST_ALIKE) & pool.clean[rows.party])
    if not len(crowds):
        return None, ()
    kept = np.ones(len(pool), dtype=np.bool_)
    warnings = []
    for p, name in enumerate(pool.parties):
        own = crowds[rows.party[crowds] == p]
        for crowd in own.tolist():
            kept[rows.members[rows.starts[crowd] : rows.starts[crowd + 1]]] = False
        if len(own):
            n = int(rows.sizes[own].sum())
            warnings.append(
                f"{n:,} records of '{name}' were set aside: each has the same filter as {MOST_ALIKE} "
                "or more others of that party"
            )
    return np.flatnonzero(kept), tuple(warnings)


def compare_filters(
    pool: Pool,
    *,
    floor: float,
    store: Partitions | None = None,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> RecordPairs:
    """Compare all pairs, and keep those at least as alike as `floor`.

    `progress` is told how many comparisons are done; the result does not depend on `n_threads`.
    Where a `store` is on disk, the pairs of finished partitions are kept there, and not compared again.

    Returns
    -------
    RecordPairs
        Each pair once, sorted.
    """
    n_set = _n_set(pool)
    starts = np.cumsum(np.append(0, pool.party_sizes()))
    done = Done(progress, count_pairs(pool))
    if (kept := lasting(store)) is not None:
        rows = [slice(a, b) for a, b in pairwise(starts.tolist())]
        left, right = similar_and_kept(
            pool.words, [(rows[p], rows[q]) for p, q in party_blocks(pool)], threshold=floor,
            max_pairs=MOST_CANDIDATES, store=kept, n_threads=n_threads, progress=done,
        )  # fmt: skip
        dice = _dice(common_bits(pool.words, left, right), n_set[left] + n_set[right])
        done.end()
        return RecordPairs(left=left, right=right, dice=dice)
    nothing = np.zeros(0, dtype=np.int64)
    parts = [(nothing, nothing, nothing)]
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
    done.end()
    return RecordPairs(
        left=left,
        right=right,
        dice=_dice(common[order], n_set[left] + n_set[right]),
    )
