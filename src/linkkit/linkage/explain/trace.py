"""Which part of blocking brought two records together, and why no other did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block import AllPairs, BlockingPlan, FilterPlan, KeyPass, PassPlan, Plan
from linkkit.linkage.block.keys import BLOCK_LIMIT, MOST_ALIKE
from linkkit.linkage.block.lsh import unpacked
from linkkit.linkage.block.passes import table_place
from linkkit.linkage.block.plan import count_pairs
from linkkit.linkage.compare import compare_passes
from linkkit.linkage.pool import Pool, part_of

__all__ = ["PassTrace", "set_aside", "trace_pair"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PassTrace:
    """Whether two records met in one pass of blocking.

    Attributes
    ----------
    name : str
        What the records of the pass have in common.
    met : bool
        Whether these two met there.
    why : str
        By what, or why they did not.
    """

    name: str
    met: bool
    why: str


def set_aside(pool: Pool, plan: Plan, row: int) -> bool:
    """Whether a record was not compared because too many of its party are equal to it."""
    if not plan.warnings or not pool.clean[pool.party[row]]:
        return False
    start, stop = pool.party_starts()[pool.party[row] : pool.party[row] + 2]
    own, alone = np.arange(start, stop), np.array([row])
    equal = (pool.present[own] == pool.present[row]).all(axis=1)
    for f in range(len(pool.spec.columns)):
        own, equal = own[equal], equal[equal]
        equal &= (pool.filters_of(f, own) == pool.filters_of(f, alone)).all(axis=1)
    return int(equal.sum()) > MOST_ALIKE


def trace_pair(pool: Pool, plan: Plan, left: int, right: int) -> tuple[PassTrace, ...]:
    """Return where two records met, worked out again for these two.

    Parameters
    ----------
    pool : Pool
        All records.
    plan : BlockingPlan, PassPlan or FilterPlan
        What was compared.
    left, right : int
        Their positions in the pool.
    """
    party = pool.party[left]
    if party == pool.party[right] and pool.clean[party]:
        why = f"both are of '{pool.parties[party]}', which holds each person once"
        return (PassTrace(name="all passes", met=False, why=why),)
    if set_aside(pool, plan, left) or set_aside(pool, plan, right):
        why = f"one of them was set aside, as more than {MOST_ALIKE} of its party are equal"
        return (PassTrace(name="all passes", met=False, why=why),)
    if isinstance(plan, PassPlan):
        return tuple(_pass(pool, plan, k, left, right) for k in range(len(plan.names)))
    if isinstance(plan, FilterPlan):
        return _tables_of_filters(pool, plan, left, right)
    return tuple(_fields(pool, plan, item, left, right) for item in plan.passes)


def _fields(
    pool: Pool, plan: BlockingPlan, item: AllPairs | KeyPass, left: int, right: int
) -> PassTrace:
    if isinstance(item, AllPairs) or plan.keys is None:
        return PassTrace(name=item.name, met=True, why="every pair was compared")
    spec = pool.spec
    names = [x.name for x in spec.filters] + [f"blocking key {x.name}" for x in spec.keys]
    one, other = (plan.keys[row, list(item.columns)] for row in (left, right))
    chosen = [names[column] for column in item.columns]
    lacking = [n for n, a, b in zip(chosen, one, other, strict=True) if not a or not b]
    unequal = [n for n, a, b in zip(chosen, one, other, strict=True) if a != b and a and b]
    if lacking or unequal:
        parts = [f"missing: {', '.join(lacking)}"] if lacking else []
        parts += [f"not equal: {', '.join(unequal)}"] if unequal else []
        return PassTrace(name=item.name, met=False, why="; ".join(parts))
    members = np.arange(len(pool)) if item.members is None else item.members
    if item.members is not None and not np.isin([left, right], members).all():
        why = "the pass is about blocks that were too large in another"
        return PassTrace(name=item.name, met=False, why=why)
    block = members[(plan.keys[members][:, list(item.columns)] == one).all(axis=1)]
    n_pairs = count_pairs(part_of(pool, block))
    if n_pairs > BLOCK_LIMIT:
        why = f"too many records agree in that: {n_pairs:,} pairs"
        return PassTrace(name=item.name, met=False, why=why)
    return PassTrace(name=item.name, met=True, why=f"equal, as {len(block):,} records are")


def _pass(pool: Pool, plan: PassPlan, k: int, left: int, right: int) -> PassTrace:
    item = pool.spec.passes[k]
    one, other = pool.pass_words.of(k, np.array([left, right]))
    alike = float(compare_passes(pool, np.array([left]), np.array([right])).correlations[0, k])
    above = alike * np.sqrt(item.n_bits)
    enough = above >= plan.deviations
    told = (
        f"{above:.1f} standard errors more alike than chance, and {plan.deviations:.1f} are enough"
    )
    if plan.is_exhaustive:
        return PassTrace(name=plan.names[k], met=enough, why=f"every pair was compared; {told}")
    if np.array_equal(one, other):
        return PassTrace(name=plan.names[k], met=True, why="equal filters")
    met = [t for t in range(plan.n_tables[k]) if _same_bits(one, other, t, plan.bits_per_table)]
    if not met:
        why = f"they agree in none of {plan.n_tables[k]:,} tables of sampled bits; {told}"
        return PassTrace(name=plan.names[k], met=False, why=why)
    why = (
        f"they agree in {len(met):,} of {plan.n_tables[k]:,} tables of sampled bits, where records look on until "
        f"their match is certain; {told}"
    )
    return PassTrace(name=plan.names[k], met=enough, why=why)


def _same_bits(
    one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64], table: int, bits: int
) -> bool:
    word, shift = table_place(table, bits)
    unlike = int(one[word] ^ other[word]) >> shift
    return unlike & ((1 << bits) - 1) == 0


def _tables_of_filters(
    pool: Pool, plan: FilterPlan, left: int, right: int
) -> tuple[PassTrace, ...]:
    if plan.is_exhaustive:
        return (PassTrace(name="all pairs", met=True, why="every pair was compared"),)
    one, other = unpacked(pool.words[[left, right]])
    met = sum(bool((one[list(bits)] == other[list(bits)]).all()) for bits in plan.tables)
    why = f"they agree in all bits of {met:,} of {plan.n_tables:,} tables"
    traces = [PassTrace(name=plan.names[0], met=met > 0, why=why)]
    for k, key in enumerate(pool.spec.keys):
        if key.name in plan.keys:
            a, b = pool.block_keys[[left, right], k]
            why = "equal" if a == b and a else "not equal" if a and b else "missing"
            traces.append(PassTrace(name=f"blocking key {key.name}", met=why == "equal", why=why))
    return tuple(traces)
