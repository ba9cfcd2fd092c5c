"""Blocking by salt groups: in every pass, the records that have the same group id meet."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.errors import LinkageError
from linkkit.linkage.block.plan import BlockingPass, BlockingPlan, count_pairs, make_pass
from linkkit.linkage.pool import Pool

__all__ = ["GROUP_LIMIT", "plan_groups"]

GROUP_LIMIT = 3_000_000_000
"""A pass makes no more comparisons than this: about ten seconds on one processor."""


def plan_groups(pool: Pool, *, limit: int = GROUP_LIMIT) -> BlockingPlan:
    """Choose what to compare in the passes that the parties encoded.

    Parameters
    ----------
    pool : Pool
        Records with group ids.
    limit : int
        The most comparisons of a pass. Beyond it the largest groups are left out, which the
        plan's `skipped` says; their records still meet in other passes.

    Raises
    ------
    LinkageError
        When no two records that may match have a group in common.
    """
    passes = []
    skipped: list[str] = []
    for k, item in enumerate(pool.spec.passes):
        members = np.flatnonzero(pool.groups[:, k])
        whole = make_pass(pool, item.name, pool.groups[members, k], members)
        kept, note = _bounded(whole, pool.groups[whole.order, k], limit)
        skipped += [note] if note else []
        if kept.n_comparisons:
            passes.append(kept)
    if not passes:
        raise LinkageError(
            "no two records of different parties have a group in common in any pass",
            hint="Check that the parties serve the same area and years, and that each one's "
            "columns are the ones that the agreement names.",
        )
    return BlockingPlan(passes=tuple(passes), n_pairs=count_pairs(pool), skipped=tuple(skipped))


def _bounded(
    item: BlockingPass, groups: npt.NDArray[np.uint64], limit: int
) -> tuple[BlockingPass, str]:
    if item.n_comparisons <= limit:
        return item, ""
    starts = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
    cost = np.add.reduceat(item.last - item.first, starts)
    size = np.diff(np.append(starts, len(groups)))
    by_cost = np.lexsort((starts, cost))
    fits = np.cumsum(cost[by_cost]) <= limit
    left_out = np.zeros(len(starts), dtype=np.bool_)
    left_out[by_cost[~fits]] = True
    last = np.where(np.repeat(left_out, size), item.first, item.last)
    note = (
        f"{item.name}, {int(left_out.sum())} of {len(starts)} groups, "
        f"from {int(size[left_out].min()):,} records up"
    )
    return BlockingPass(name=item.name, order=item.order, first=item.first, last=last), note
