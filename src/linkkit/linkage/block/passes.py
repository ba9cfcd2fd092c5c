"""Which pairs are compared in passes: all of them, or those that agree in sampled bits.

Nothing tells who has the same salt, and nothing needs to: filters with different salts agree in half of
their bits, give or take what chance gives. The share of bits that agree beyond that, ``1 - 2 h`` of the
share h that differs, is here called the *correlation* of two filters.

Where all pairs are too many, records meet that have an equal filter in some pass, and then in many
tables those that agree in some of the bits (locality-sensitive hashing for the Hamming distance: Indyk
and Motwani, 1998). Filters are uniform, so tables have no crowded places but those of equal filters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from linkkit.exchange import PassSpec
from linkkit.linkage.block.plan import Block, all_of, before, count_pairs
from linkkit.linkage.pool import Pool

__all__ = [
    "CHANCE_PER_RECORD",
    "N_SIGNED_WORDS",
    "PassPlan",
    "budget_seconds",
    "completeness",
    "correlation_at",
    "most_tables",
    "plan_passes",
    "plan_tables",
    "table_place",
    "table_seconds",
]

EXHAUSTIVE_LIMIT = 2_500_000_000
"""Up to so many pairs, all are compared in each pass: a second a pass on one processor."""

N_SIGNED_WORDS = 4
"""First words of each filter: pairs that meet in a table are compared in these, and no table uses them."""

CHANCE_PER_RECORD = 0.5
"""So many candidate pairs for each record are let in by chance, in each pass."""

_LEAST_DEVIATIONS = 1.0
_BUDGET_SECONDS = 15.0
_BUDGET_PER_RECORD = 6.0e-6
_LEAST_BUDGET_SECONDS = 1.5
"""What tables may cost, in all and for each record; and for the smallest delivery to many records."""

_FIRST_PARTS = ((1_024, 1.65, 1.0e9), (512, 2.05, 1.5e9), (256, 2.4, 2.2e9))
"""Bits looked at first, standard errors above chance that they must show, pairs per second."""

_IN_TABLES = (64 * N_SIGNED_WORDS, 3.75)
"""The same for pairs that meet in tables."""

_WHOLE_RATE = 0.4e9
_SECONDS_PER_MEMBER = 1.4e-8
_SECONDS_PER_MEETING = 3.5e-10
_SECONDS_PER_BUCKET = 2.0e-8
"""What a table costs, as measured: sorting its members, comparing who meets, going to the next bucket."""

_BITS_OF_TABLE = range(4, 25)

_OVERLAPS = np.linspace(0.3, 1.0, 71)
_DECAY = 0.12
_SALT_AGREES = 0.8
"""What is assumed of matches: how fast they become rarer as less is in common, how often a salt
agrees. Links are found however many there are; only the plan's estimate rests on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PassPlan:
    """What will be compared in passes, and how.

    Attributes
    ----------
    n_pairs : int
        All pairs that may match.
    names : tuple of str
        The passes in which they can be compared.
    deviations : float
        How many standard errors above chance two filters must be to make a candidate pair.
    n_first_bits, first_deviations : int, float
        How many bits are compared first, and the same for these; pairs below it are dropped there.
    n_tables : tuple of int
        Tables of sampled bits in each pass; none: all pairs.
    bits_per_table : int
        In how many bits the records agree that meet in a table.
    n_meeting : int
        The pairs that can meet in tables, at last: those of records whose match is not yet certain.
    n_comparisons : int
        How many comparisons all passes make, in tables as expected.
    pair_completeness : float
        Estimated share of true pairs that become candidates, 0 to 1: at assumed rates of errors, and
        of those that meet in tables, as the pairs that were found say.
    skipped : tuple of str
        Always empty: no pass is left out.
    warnings : tuple of str
        In which passes how many records were set aside, as too many have the very same filter.
    n_known : int
        Pairs that were compared before, with earlier deliveries, and are not compared again.
    share_new : float
        Share of all pairs that is new, 0 to 1; tables may cost as large a share of what they would for all.
    """

    n_pairs: int
    names: tuple[str, ...]
    deviations: float
    n_first_bits: int
    first_deviations: float
    n_tables: tuple[int, ...]
    bits_per_table: int
    n_meeting: int
    n_comparisons: int
    pair_completeness: float
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    n_known: int = 0
    share_new: float = 1.0

    @property
    def is_exhaustive(self) -> bool:
        """Whether every pair is compared in every pass."""
        return not self.n_tables

    @property
    def reduction_ratio(self) -> float:
        """Share of the comparisons of all pairs in all passes that is not made, 0 to 1."""
        whole = self.n_pairs * len(self.names)
        return 1 - min(1.0, self.n_comparisons / whole) if whole else 0.0

    def share_found(self, k: int, correlation: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return how often a pair that may meet is found in pass `k`, by its correlation there."""
        c = np.minimum(correlation, 1.0)
        spread = np.sqrt(np.maximum(1 - c**2, 1e-6))
        first = ndtr((c * math.sqrt(self.n_first_bits) - self.first_deviations) / spread)
        if self.is_exhaustive:
            return np.asarray(first)
        return np.asarray(first * _meet(c, self.n_tables[k], self.bits_per_table))

    def __str__(self) -> str:
        if self.is_exhaustive:
            how = f"{all_of(self.n_pairs, self.n_known)} in each of {len(self.names)} passes"
        else:
            how = (
                f"equal filters of {len(self.names)} passes, and {self.n_comparisons:,} comparisons in "
                f"{sum(self.n_tables):,} tables of {self.bits_per_table} bits"
            )
        how += f", about {self.pair_completeness:.0%} of true pairs expected among candidates"
        return "; ".join([how, *before(self.n_known), *self.warnings])


def _meet(
    correlation: npt.NDArray[np.float64], n_tables: int, bits: int
) -> npt.NDArray[np.float64]:
    """Return how often a pair agrees in all bits of one of some tables."""
    agree = np.maximum((1 + correlation) / 2, 0.0) ** bits
    return np.asarray(1 - (1 - agree) ** n_tables)


def correlation_at(item: PassSpec, overlap: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the correlation in one pass of records of typical length that share so many tokens.

    A filter holds, in units of its width, a tokens' bits. With a share o in common, bits
    differ with probability d = 2 exp(-a) (1 - exp(-a (1 - o))); after diffusion of order
    t, 1 - 2 d has become its t-th power.
    """
    load = sum(field.n_hashes * field.typical_tokens for field in item.fields) / item.n_bits
    differ = 2 * np.exp(-load) * (1 - np.exp(-load * (1 - overlap)))
    return np.asarray(np.maximum(1 - 2 * differ, 0.0) ** item.n_inputs)


def plan_passes(
    pool: Pool, *, block: Block = "auto", chance_per_record: float = CHANCE_PER_RECORD
) -> PassPlan:
    """Choose how to find candidates, from sizes alone.

    Parameters
    ----------
    pool : Pool
        Records with passes.
    block : {"auto", "exhaustive", "blocks"}
        Whether all pairs, or those of equal filters and tables; by default all up to
        :data:`EXHAUSTIVE_LIMIT`.
    chance_per_record : float
        How many candidate pairs for each record chance may make in a pass.

    Returns
    -------
    PassPlan
        Of tables, the most that there will be: :func:`linkkit.linkage.compare.find_pairs` makes no
        more where hardly a pair is left to be found.
    """
    passes, n_pairs = pool.spec.passes, count_pairs(pool)
    by_chance = min(chance_per_record * max(len(pool), 1) / max(n_pairs, 1), 0.5)
    deviations = max(float(-ndtri(by_chance)), _LEAST_DEVIATIONS)
    plan = PassPlan(
        n_pairs=n_pairs, names=tuple(item.name for item in passes), deviations=deviations,
        n_first_bits=min(item.n_bits for item in passes), first_deviations=-math.inf, n_tables=(),
        bits_per_table=0, n_meeting=n_pairs, n_comparisons=n_pairs * len(passes),
        pair_completeness=0.0, share_new=_share_new(pool),
    )  # fmt: skip
    if block == "blocks" or (block == "auto" and not _is_quick(pool, plan)):
        return plan_tables(pool.spec.passes, plan, n_members=len(pool), n_meeting=n_pairs)
    if n_pairs * len(passes) > _WHOLE_RATE * _BUDGET_SECONDS:
        n_first, first_deviations = _first_part(n_pairs * len(passes))
        plan = replace(plan, n_first_bits=n_first, first_deviations=first_deviations)
    return replace(plan, pair_completeness=completeness(passes, plan))


def _is_quick(pool: Pool, plan: PassPlan) -> bool:
    """Whether all pairs are compared in seconds; of a delivery, in as many as its tables may cost."""
    if not pool.with_earlier or plan.n_pairs > EXHAUSTIVE_LIMIT:
        return plan.n_pairs <= EXHAUSTIVE_LIMIT
    return plan.n_comparisons / _FIRST_PARTS[0][2] <= _budget(plan, len(pool))


def _budget(plan: PassPlan, n_members: int) -> float:
    """Return what tables may cost, in seconds of one processor: of a delivery its share."""
    return max(plan.share_new * budget_seconds(n_members), _LEAST_BUDGET_SECONDS)


def _share_new(pool: Pool) -> float:
    """Return which share of all pairs is not among records that were compared before."""
    if not pool.with_earlier or not len(pool):
        return 1.0
    return 1 - (int(pool.party_sizes()[-1]) / len(pool)) ** 2


def plan_tables(
    passes: tuple[PassSpec, ...], plan: PassPlan, *, n_members: int, n_meeting: int
) -> PassPlan:
    """Return the plan with the tables that find most within the budget.

    Parameters
    ----------
    passes : tuple of PassSpec
        The passes.
    plan : PassPlan
        The plan so far.
    n_members : int
        How many records are in the tables.
    n_meeting : int
        How many of their pairs can match.
    """
    budget = _budget(plan, n_members)
    n_words = min(item.n_words for item in passes)
    found = []
    for bits in _BITS_OF_TABLE:
        tried = replace(
            plan, n_first_bits=_IN_TABLES[0], first_deviations=_IN_TABLES[1], bits_per_table=bits,
            n_meeting=n_meeting,
        )  # fmt: skip
        affordable = int(budget / table_seconds(tried, n_members) / len(passes))
        if not affordable and bits < _BITS_OF_TABLE[-1]:
            continue
        # More tables than buckets would compare more than all pairs.
        n_tables = min(max(affordable, 1), most_tables(n_words, bits), 2**bits)
        tried = replace(
            tried, n_tables=(n_tables,) * len(passes),
            n_comparisons=round(n_meeting * n_tables * len(passes) / 2**bits),
        )  # fmt: skip
        found.append(replace(tried, pair_completeness=completeness(passes, tried)))
    return max(found, key=lambda tried: (tried.pair_completeness, -tried.n_comparisons))


def budget_seconds(n_members: int) -> float:
    """Return what all tables may cost, in seconds of one processor."""
    return max(_BUDGET_SECONDS, _BUDGET_PER_RECORD * n_members)


def table_seconds(plan: PassPlan, n_members: int) -> float:
    """Return what a table costs, in seconds of one processor."""
    n_buckets = float(1 << plan.bits_per_table)
    comparing = plan.n_meeting / n_buckets * _SECONDS_PER_MEETING
    return n_members * _SECONDS_PER_MEMBER + comparing + n_buckets * _SECONDS_PER_BUCKET


def _first_part(n_comparisons: int) -> tuple[int, float]:
    """Return the longest first part that is affordable, or the shortest."""
    for n_bits, deviations, rate in _FIRST_PARTS:
        if n_comparisons / rate <= _BUDGET_SECONDS:
            return n_bits, deviations
    return _FIRST_PARTS[-1][:2]


def completeness(passes: tuple[PassSpec, ...], plan: PassPlan) -> float:
    """Return the share of matches that become candidates, 0 to 1, at assumed rates of errors."""
    missed = np.ones(len(_OVERLAPS))
    for k, item in enumerate(passes):
        c = correlation_at(item, _OVERLAPS)
        spread = np.sqrt(np.maximum(1 - c**2, 1e-6))
        whole = ndtr((c * math.sqrt(item.n_bits) - plan.deviations) / spread)
        missed *= 1 - _SALT_AGREES * whole * plan.share_found(k, c)
    weights = np.exp(-(1 - _OVERLAPS) / _DECAY)
    return float(1 - np.average(missed, weights=weights))


def most_tables(n_words: int, bits: int) -> int:
    """Return how many tables there are in a filter of so many words, none of which share a bit."""
    return (n_words - N_SIGNED_WORDS) * (64 // bits)


def table_place(table: int, bits: int) -> tuple[int, int]:
    """Return the word of a filter, and the first of its bits, that a table looks at.

    Which bits do not matter: to whoever has no key, all of a filter are alike.
    """
    per_word = 64 // bits
    return N_SIGNED_WORDS + table // per_word, table % per_word * bits
