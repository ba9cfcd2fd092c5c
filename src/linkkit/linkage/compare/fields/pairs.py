"""Compares a pool along a blocking plan, in threads, into arrays of pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import (
    Partitions,
    Progress,
    ProgressEvent,
    has_numba,
    run_in_threads,
    silent,
)
from linkkit.errors import LinkageError
from linkkit.linkage.block import BlockingPlan
from linkkit.linkage.block.content import content_digests, smallest
from linkkit.linkage.compare.fields import _reference
from linkkit.linkage.compare.fields.levels import Comparison
from linkkit.linkage.compare.fields.scans import Bar, Found, scans_of
from linkkit.linkage.compare.kept import TOO_MANY, groups_of
from linkkit.linkage.pool import Pool

__all__ = [
    "CANDIDATE_TYPES",
    "ComparedPairs",
    "compare_all",
    "compare_pairs",
    "sample_pairs",
    "unpack",
]

CANDIDATE_TYPES = {"left": np.int64, "right": np.int64, "code": np.uint64}
"""Columns of candidate pairs, on their way to disk."""

_RECORDS_SAMPLED = 20_000
"""Their numbers are of 16 bits, which sort fast."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ComparedPairs:
    """Pairs of records of a pool, each with its agreement levels.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Positions in the pool; the smaller is left. Each pair once, sorted if in memory.
    codes : ndarray of uint64, shape (n_pairs,)
        Levels of all fields, 3 bits each; see :func:`unpack`.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    codes: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.left)

    def __repr__(self) -> str:
        return f"<ComparedPairs: {len(self)} pairs>"


def unpack(codes: npt.NDArray[np.uint64], *, n_fields: int) -> npt.NDArray[np.int8]:
    """Return packed levels as an array of shape (n_pairs, n_fields)."""
    shifts = np.arange(n_fields, dtype=np.uint64) * np.uint64(3)
    return ((codes[:, None] >> shifts) & np.uint64(7)).astype(np.int8)


def compare_pairs(
    comparison: Comparison, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """Return the packed levels of listed pairs.

    Parameters
    ----------
    comparison : Comparison
        What to compare.
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the records.

    Returns
    -------
    ndarray of uint64, shape (n_pairs,)
    """
    if not has_numba():
        return _reference.codes_of_pairs(comparison, left, right)
    from linkkit.linkage.compare.fields import _kernels

    out = np.zeros(len(left), dtype=np.uint64)
    kernel: Any = _kernels.codes_of_pairs
    c = comparison
    kernel(c.words, c.word_starts, c.present, c.powers, c.n_bits, left, right, out)
    return out


def sample_pairs(
    pool: Pool,
    comparison: Comparison,
    *,
    n_pairs: int,
    digests: npt.NDArray[np.uint64] | None = None,
    seed: int = 0,
) -> npt.NDArray[np.uint64]:
    """Return the packed levels of random pairs of those that may match.

    Drawn with replacement, of each party from some ten thousand records that the processor's cache
    holds, by what the records hold, so that the sample depends neither on how they were handed over nor on
    their tokens. `digests` are those of what records hold, if they are at hand.
    """
    rng = np.random.default_rng(seed)
    sizes = pool.party_sizes()
    starts = np.cumsum(np.append(0, sizes[:-1]))
    digests = content_digests(pool) if digests is None else digests
    strata = [
        (a, b, int(sizes[a] * sizes[b]) if a != b else int(sizes[a] * (sizes[a] - 1) // 2))
        for a in range(len(sizes))
        for b in range(a, len(sizes))
        if a != b or not pool.clean[a]
    ]
    total = sum(n for _, _, n in strata)
    if not total:
        return np.zeros(0, dtype=np.uint64)
    drawn = rng.multinomial(n_pairs, [n / total for _, _, n in strata])
    few = [
        int(start) + smallest(digests[start : start + size], _RECORDS_SAMPLED)
        for start, size in zip(starts, sizes, strict=True)
    ]
    chosen = np.concatenate(few)
    # Side by side they are in the processor's cache, and far apart they are not.
    comparison = replace(
        comparison, words=comparison.words[chosen], present=comparison.present[chosen]
    )
    first = np.cumsum([0, *(len(rows) for rows in few)])
    left, right, orders = (list[npt.NDArray[np.int64]]() for _ in range(3))
    for (a, b, _), n in zip(strata, drawn, strict=True):
        one = rng.integers(0, len(few[a]), size=n)
        # Within a party the other record is any but the first.
        other = rng.integers(0, len(few[b]) - (a == b), size=n)
        # One record after the other, so that only every second has to be looked for.
        orders.append(
            sum(len(rows) for rows in left) + np.argsort(one.astype(np.uint16), kind="stable")
        )
        left.append(first[a] + one)
        right.append(first[b] + other + ((a == b) & (other >= one)))
    order = np.concatenate(orders)
    codes = np.empty(len(order), dtype=np.uint64)
    codes[order] = compare_pairs(
        comparison, np.concatenate(left)[order], np.concatenate(right)[order]
    )
    return codes


def compare_all(
    pool: Pool,
    comparison: Comparison,
    plan: BlockingPlan,
    *,
    weights: npt.NDArray[np.float64],
    floor: float,
    store: Partitions | None = None,
    max_pairs: int | None = None,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> ComparedPairs:
    """Compare all pairs of a plan and keep those whose weights sum to `floor` or more.

    Parameters
    ----------
    pool : Pool
        The records.
    comparison : Comparison
        What to compare of them.
    plan : BlockingPlan
        Which pairs.
    weights : ndarray of float64, shape (n_fields, n_levels)
        Match weight in bits of each level of each field; 0 for missing. Rounded to 1/1,024
        bit, so that sums are exact in any order.
    floor : float
        Match weight in bits; pairs below it are dropped on the spot.
    store : Partitions, optional
        Where finished partitions are kept; in memory by default. Those that it has are not made again.
    max_pairs : int, optional
        With more pairs than this the work ends.
    n_threads : int, optional
        All processors by default; the result does not depend on it.
    progress : callable
        Told how many comparisons are done.

    Returns
    -------
    ComparedPairs
        Each pair once, though several passes may find it. Sorted, if they are in memory.

    Raises
    ------
    LinkageError
        When there are more pairs than `max_pairs`.
    """
    done = 0
    store = Partitions(CANDIDATE_TYPES) if store is None else store
    for k, scan in enumerate(scans_of(pool, comparison, plan, Bar(weights, floor))):
        for g, tasks in enumerate(groups_of(scan.tasks(), store)):
            name = f"compared-{k:03d}-{g:05d}"
            if name in store:
                done += sum(map(scan.size, tasks))
                progress(_event(done, plan))
                continue
            found: list[Found] = []
            n_found = len(store)
            results = run_in_threads(scan, tasks, n_threads=n_threads)
            for task, pairs in zip(tasks, results, strict=True):
                found.append(pairs)
                n_found += len(pairs[0])
                done += scan.size(task)
                _require_few(n_found, max_pairs, done, plan)
                progress(_event(done, plan))
            store.put(name, [np.concatenate(column) for column in zip(*found, strict=True)])
    left, right, codes = store.columns()
    if store.is_on_disk and not plan.crowded:
        return ComparedPairs(left=left, right=right, codes=codes)
    return _sorted(left, right, codes)


def _event(done: int, plan: BlockingPlan) -> ProgressEvent:
    return ProgressEvent(stage="compare", done=done, total=plan.n_comparisons, unit="comparisons")


def _require_few(n_found: int, max_pairs: int | None, done: int, plan: BlockingPlan) -> None:
    if max_pairs is not None and n_found > max_pairs:
        raise LinkageError(
            f"{n_found:,} candidate pairs after {done:,} of {plan.n_comparisons:,} comparisons are more "
            f"than 'max_pairs' allows, even if the least likely are left out",
            hint=TOO_MANY,
        )


def _sorted(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], codes: npt.NDArray[np.uint64]
) -> ComparedPairs:
    """Return pairs sorted, each once."""
    place = (left << 32) | right  # positions are below 2**31
    order = np.argsort(place)
    place, codes = place[order], codes[order]
    again = place[1:] == place[:-1]
    if again.any():
        once = np.append(True, ~again)
        place, codes = place[once], codes[once]
    return ComparedPairs(left=place >> 32, right=place & 0xFFFFFFFF, codes=codes)
