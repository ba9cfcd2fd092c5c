"""Blocking: which pairs of records are compared at all.

Runs at the linkage unit, first. In: a pool of encodings. Out: a :class:`BlockingPlan`, whose
passes name pairs without ever listing them.
"""

from linkkit.linkage.block.lsh import FilterPlan
from linkkit.linkage.block.passes import PassPlan, plan_passes
from linkkit.linkage.block.plan import (
    Block,
    BlockingPass,
    BlockingPlan,
    count_pairs,
    plan_blocking,
)

__all__ = [
    "Block",
    "BlockingPass",
    "BlockingPlan",
    "FilterPlan",
    "PassPlan",
    "count_pairs",
    "plan_blocking",
    "plan_passes",
]
