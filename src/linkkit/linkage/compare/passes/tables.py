"""Finds pairs that are alike in some pass without comparing all: equal filters, then tables.

First come the pairs with an equal filter. The others meet in tables of sampled bits, some in each pass at
first, and then where most is expected to be found for the work. Where all parties hold each person
once, records that are as good as matched are left out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from linkkit.engines import Partitions, Progress, ProgressEvent
from linkkit.linkage.block import PassPlan
from linkkit.linkage.block.equal_filters import MOST_EQUAL, meet_equal
from linkkit.linkage.block.passes import completeness, plan_tables, table_seconds
from linkkit.linkage.compare.kept import lasting
from linkkit.linkage.compare.passes.matched import matched_records, pairs_among
from linkkit.linkage.compare.passes.pairs import PassPairs, compare_passes
from linkkit.linkage.compare.passes.table_run import TableRun, among
from linkkit.linkage.compare.passes.table_yield import (
    best_pass,
    share_found,
    with_tables,
)
from linkkit.linkage.pool import Pool

__all__ = ["find_in_tables"]

_SHARE_LOOKING_ON = 1 / 16


def find_in_tables(
    pool: Pool,
    plan: PassPlan,
    *,
    store: Partitions | None = None,
    n_threads: int | None,
    progress: Progress,
) -> tuple[PassPairs, PassPlan]:
    """Find the pairs that are alike in some pass, as far as tables do.

    Parameters
    ----------
    pool : Pool
        Records with passes.
    plan : PassPlan
        A plan with tables.
    store : Partitions, optional
        Where what a round of tables found is kept. Which round is next follows from what was found
        before, so that finished ones are read in the order in which they were made.
    n_threads : int, optional
        As many as there are processors by default.
    progress : callable
        Told how many comparisons were made.

    Returns
    -------
    PassPairs, PassPlan
        Each pair once, sorted; and the plan as it was carried out.
    """
    found, crowded = _equal_pairs(pool)
    members = _open_members(pool, found)
    plan = plan_tables(
        pool.spec.passes, plan, n_members=len(members), n_meeting=pairs_among(pool, members)
    )
    total, left = plan.n_comparisons, sum(plan.n_tables) * table_seconds(plan, len(members))
    plan = replace(
        plan, n_tables=(0,) * len(plan.names), n_comparisons=0, warnings=_set_aside(plan, crowded)
    )
    run = TableRun(pool, members, crowded, plan=plan, n_threads=n_threads)
    is_first = True
    while left > 0 and (following := best_pass(pool.spec, plan, found, n_members=run.n_members)):
        k, n_new = following
        if is_first and plan.n_tables[k]:
            # All passes had their first tables, which leave fewer to be matched.
            members, is_first = _open_members(pool, found), False
            plan = replace(plan, n_meeting=pairs_among(pool, members))
            run.go_on_with(members)
        found = _united(pool, found, _new_pairs(run, plan, k, n_new, store))
        left -= n_new * table_seconds(plan, run.n_members)
        plan = with_tables(plan, k, n_new)
        progress(_event(plan.n_comparisons, total))
    progress(_event(total, total))
    reachable = completeness(pool.spec.passes, replace(plan, n_tables=()))
    return found, replace(plan, pair_completeness=reachable * share_found(pool.spec, plan, found))


def _event(done: int, total: int) -> ProgressEvent:
    return ProgressEvent(stage="compare", done=min(done, total), total=total, unit="comparisons")


def _equal_pairs(pool: Pool) -> tuple[PassPairs, list[npt.NDArray[np.int64]]]:
    """Return the pairs with an equal filter in some pass, and in each pass who is set aside."""
    keys, crowded = [], []
    for k in range(len(pool.spec.passes)):
        left, right, aside = meet_equal(pool, pool.pass_words.first_words(k))
        keys.append(left * len(pool) + right)
        crowded.append(aside)
    united = np.unique(np.concatenate(keys))
    return compare_passes(pool, united // len(pool), united % len(pool)), crowded


def _set_aside(plan: PassPlan, crowded: list[npt.NDArray[np.int64]]) -> tuple[str, ...]:
    return tuple(
        f"{name}: {len(aside):,} records, whose filter is that of more than {MOST_EQUAL:,} pairs"
        for name, aside in zip(plan.names, crowded, strict=True)
        if len(aside)
    )


def _open_members(pool: Pool, found: PassPairs) -> npt.NDArray[np.int64]:
    """Return the records that still look for a match in some party, ascending, and some others.

    To look no further for two records that are as good as matched can cost a match, where two people are
    that alike and the match of one is not found yet, but makes no link. A few look on all the same:
    what they find is of strangers, which tells how often strangers are alike.
    """
    is_open = ~matched_records(pool, found)
    is_open |= pool.tokens[:, 0] < 256 * _SHARE_LOOKING_ON
    return np.flatnonzero(is_open)


def _new_pairs(
    run: TableRun, plan: PassPlan, k: int, n_new: int, store: Partitions | None
) -> npt.NDArray[np.int64]:
    """Return the pairs that the next tables find or found, each once, as ascending numbers."""
    store, before = lasting(store), plan.n_tables
    name = f"tables-{sum(before):05d}-{k:03d}-{before[k]:05d}-{n_new:03d}"
    if store is not None and name in store:
        return store.get(name)[0].astype(np.int64)
    left, right = run.tables(plan, k, n_new)
    keys = np.unique(left * len(run.pool) + right)
    if store is not None:
        store.put(name, [keys])
    return keys


def _united(pool: Pool, found: PassPairs, new: npt.NDArray[np.int64]) -> PassPairs:
    """Return the pairs found with others, which are compared in all passes if they are new."""
    keys = found.left * len(pool) + found.right
    more = new[~among(new, keys)]
    if not len(more):
        return found
    compared = compare_passes(pool, more // len(pool), more % len(pool))
    places = np.searchsorted(keys, more)
    return PassPairs(
        left=np.insert(found.left, places, compared.left),
        right=np.insert(found.right, places, compared.right),
        correlations=np.insert(found.correlations, places, compared.correlations, axis=0),
    )
