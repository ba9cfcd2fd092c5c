"""Blocking: which pairs of records are compared at all.

Runs at the linkage unit, first. In: a pool of encodings. Out: a :class:`BlockingPlan`, whose
passes name pairs without ever listing them.
"""

from linkkit.linkage.block.keys import KeyPass
from linkkit.linkage.block.lsh import FilterPlan
from linkkit.linkage.block.passes import PassPlan, plan_passes
from linkkit.linkage.block.plan import (
    AllPairs,
    Block,
    BlockingPlan,
    count_pairs,
    plan_blocking,
)

Plan = BlockingPlan | PassPlan | FilterPlan
"""What is compared, and what that leaves out."""

__all__ = [
    "AllPairs",
    "Block",
    "BlockingPlan",
    "FilterPlan",
    "KeyPass",
    "PassPlan",
    "Plan",
    "count_pairs",
    "plan_blocking",
    "plan_passes",
]
