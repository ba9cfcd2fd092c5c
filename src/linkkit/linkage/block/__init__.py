"""Blocking: which pairs of records are compared at all.

Runs at the linkage unit, first. In: a pool of encodings. Out: a :class:`BlockingPlan`, whose
passes name pairs without ever listing them.
"""

from linkkit.linkage.block.groups import plan_groups
from linkkit.linkage.block.plan import BlockingPass, BlockingPlan, count_pairs, plan_blocking

__all__ = ["BlockingPass", "BlockingPlan", "count_pairs", "plan_blocking", "plan_groups"]
