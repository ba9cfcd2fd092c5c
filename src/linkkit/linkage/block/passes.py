"""Which pairs are compared in passes: all of them, or those that agree in sampled bits.

Nothing tells who has the same salt, and nothing needs to: filters with different salts agree in half of
their bits, give or take what chance gives. The share of bits that agree beyond that, ``1 - 2 h`` of the
share h that differs, is here called the *correlation* of two filters.

Where all pairs are too many, records meet that agree in some bits chosen at random, in many tables
(locality-sensitive hashing for the Hamming distance: Indyk and Motwani, 1998). Filters are
uniform, so tables have no crowded places.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from linkkit.exchange import PassSpec
from linkkit.linkage.block.plan import Block, BlockingPass, count_pairs, make_pass
from linkkit.linkage.pool import Pool

__all__ = ["PassPlan", "correlation_at", "plan_passes", "sampled_bits", "tables_of"]

EXHAUSTIVE_LIMIT = 30_000_000_000
"""Up to so many pairs, all are compared in each pass: some ten seconds a pass on one processor."""

_CHANCE_PER_RECORD = 0.5
_LEAST_DEVIATIONS = 1.0
_BUDGET_SECONDS = 10.0

_FIRST_PARTS = ((1_024, 1.65, 1.0e9), (512, 2.05, 1.5e9), (256, 2.4, 2.2e9))
"""Bits looked at first, standard errors above chance that they must show, pairs per second."""

_WHOLE_RATE = 0.4e9
_SECONDS_PER_ROW = 2.0e-7
"""What a table costs for each record, in which it is sorted and gathered."""

_BITS_OF_TABLE = range(6, 17)
_MOST_TABLES = 2_000
_WANTED_SHARE = 0.97
"""Of the matches that comparing all pairs would find, this share must be found by tables."""

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
    n_tables, bits_per_table : int
        Tables of sampled bits in each pass, and how many bits agree; no tables: all pairs.
    pair_completeness : float
        Estimated share of true pairs that become candidates, 0 to 1, at assumed rates of errors.
    skipped : tuple of str
        Always empty: no pass is left out.
    """

    n_pairs: int
    names: tuple[str, ...]
    deviations: float
    n_first_bits: int
    first_deviations: float
    n_tables: int
    bits_per_table: int
    pair_completeness: float
    skipped: tuple[str, ...] = ()

    @property
    def n_comparisons(self) -> int:
        """How many comparisons all passes make, for tables as expected."""
        share = self.n_tables / 2**self.bits_per_table if self.n_tables else 1.0
        return round(self.n_pairs * len(self.names) * share)

    @property
    def is_exhaustive(self) -> bool:
        """Whether every pair is compared in every pass."""
        return self.n_tables == 0

    @property
    def reduction_ratio(self) -> float:
        """Share of the comparisons of all pairs in all passes that is not made, 0 to 1."""
        whole = self.n_pairs * len(self.names)
        return 1 - min(1.0, self.n_comparisons / whole) if whole else 0.0

    def __str__(self) -> str:
        if self.is_exhaustive:
            how = f"all {self.n_pairs:,} pairs in each of {len(self.names)} passes"
        else:
            how = (
                f"{self.n_comparisons:,} comparisons in {self.n_tables} tables of "
                f"{self.bits_per_table} bits in each of {len(self.names)} passes"
            )
        return f"{how}, about {self.pair_completeness:.0%} of true pairs expected among candidates"


def correlation_at(item: PassSpec, overlap: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the correlation in one pass of records of typical length that share so many tokens.

    A filter holds, in units of its width, a tokens' bits. With a share o in common, bits
    differ with probability d = 2 exp(-a) (1 - exp(-a (1 - o))); after diffusion of order
    t, 1 - 2 d has become its t-th power.
    """
    load = sum(field.n_hashes * field.typical_tokens for field in item.fields) / item.n_bits
    differ = 2 * np.exp(-load) * (1 - np.exp(-load * (1 - overlap)))
    return np.asarray(np.maximum(1 - 2 * differ, 0.0) ** item.n_inputs)


def plan_passes(pool: Pool, *, block: Block = "auto") -> PassPlan:
    """Choose how to find candidates, from sizes alone.

    Parameters
    ----------
    pool : Pool
        Records with passes.
    block : {"auto", "exhaustive", "blocks"}
        Whether all pairs, or those of tables; by default all up to :data:`EXHAUSTIVE_LIMIT`, and
        beyond it, tables where they are expected to be faster.

    Returns
    -------
    PassPlan
    """
    passes, n_pairs = pool.spec.passes, count_pairs(pool)
    by_chance = min(_CHANCE_PER_RECORD * len(pool) / max(n_pairs, 1), 0.5)
    deviations = max(float(-ndtri(by_chance)), _LEAST_DEVIATIONS)
    n_bits = min(item.n_bits for item in passes)
    found = _found(passes, deviations, n_bits, -np.inf)

    def plan(first: tuple[int, float], n_tables: int, bits: int, complete: float) -> PassPlan:
        return PassPlan(
            n_pairs=n_pairs, names=tuple(item.name for item in passes), deviations=deviations, n_first_bits=first[0],
            first_deviations=first[1], n_tables=n_tables, bits_per_table=bits,
            pair_completeness=complete,
        )  # fmt: skip

    affordable = block == "exhaustive" or (block == "auto" and n_pairs <= EXHAUSTIVE_LIMIT)
    if affordable and n_pairs * len(passes) <= _WHOLE_RATE * _BUDGET_SECONDS:
        return plan((n_bits, -math.inf), 0, 0, _completeness(found))
    m, z, rate = _first_part(n_pairs * len(passes))
    staged = _found(passes, deviations, m, z)
    whole = plan((m, z), 0, 0, _completeness(staged))
    if affordable:
        return whole
    cost, n_tables, bits = _best_tables(passes, staged, len(pool), n_pairs, rate)
    if block == "auto" and cost >= n_pairs * len(passes) / rate:
        return whole
    return plan((m, z), n_tables, bits, _completeness(_by_tables(passes, staged, n_tables, bits)))


def _first_part(n_comparisons: int) -> tuple[int, float, float]:
    """Return the longest first part that is affordable, or the shortest."""
    for part in _FIRST_PARTS:
        if n_comparisons / part[2] <= _BUDGET_SECONDS:
            return part
    return _FIRST_PARTS[-1]


def _found(
    passes: tuple[PassSpec, ...], deviations: float, n_first: int, first_deviations: float
) -> npt.NDArray[np.float64]:
    """Return the chance that a pair with each overlap passes both thresholds, (passes, overlaps)."""
    rows = []
    for item in passes:
        c = correlation_at(item, _OVERLAPS)
        spread = np.sqrt(np.maximum(1 - c**2, 1e-6))
        whole = ndtr((c * math.sqrt(item.n_bits) - deviations) / spread)
        first = ndtr((c * math.sqrt(n_first) - first_deviations) / spread)
        rows.append(whole * first)
    return np.array(rows)


def _by_tables(
    passes: tuple[PassSpec, ...], found: npt.NDArray[np.float64], n_tables: int, bits: int
) -> npt.NDArray[np.float64]:
    agree = np.array([(1 + correlation_at(item, _OVERLAPS)) / 2 for item in passes]) ** bits
    return np.asarray(found * (1 - (1 - agree) ** n_tables))


def _completeness(found: npt.NDArray[np.float64]) -> float:
    missed = np.prod(1 - _SALT_AGREES * found, axis=0)
    weights = np.exp(-(1 - _OVERLAPS) / _DECAY)
    return float(1 - np.average(missed, weights=weights))


def _best_tables(
    passes: tuple[PassSpec, ...],
    found: npt.NDArray[np.float64],
    n_records: int,
    n_pairs: int,
    rate: float,
) -> tuple[float, int, int]:
    """Return the cost in seconds, number of tables and bits of the cheapest tables that do."""
    wanted = _WANTED_SHARE * _completeness(found)
    best = (math.inf, _MOST_TABLES, _BITS_OF_TABLE[0])
    for bits in _BITS_OF_TABLE:
        low, high = 1, _MOST_TABLES
        if _completeness(_by_tables(passes, found, high, bits)) < wanted:
            continue
        while low < high:
            middle = (low + high) // 2
            enough = _completeness(_by_tables(passes, found, middle, bits)) >= wanted
            low, high = (low, middle) if enough else (middle + 1, high)
        cost = len(passes) * low * (n_records * _SECONDS_PER_ROW + n_pairs / 2**bits / rate)
        best = min(best, (cost, low, bits))
    return best


def sampled_bits(pool: Pool, item: PassSpec, table: int, plan: PassPlan) -> list[int]:
    """Return which bits of a pass's filter a table looks at, from public parameters only.

    They lie behind the bits that are compared first, so that agreement in them is not counted twice.
    """
    label = f"{pool.spec.digest} {item.name} {table}".encode()
    width = item.n_bits - plan.n_first_bits
    chosen: list[int] = []
    counter = 0
    while len(chosen) < plan.bits_per_table:
        block = hashlib.sha256(label + counter.to_bytes(4, "big")).digest()
        counter += 1
        for i in range(0, len(block), 4):
            position = plan.n_first_bits + int.from_bytes(block[i : i + 4], "big") % width
            if position not in chosen and len(chosen) < plan.bits_per_table:
                chosen.append(position)
    return chosen


def tables_of(
    pool: Pool, item: PassSpec, plan: PassPlan, columns: npt.NDArray[np.uint64]
) -> Iterator[BlockingPass]:
    """Yield the ways through the pool in one pass, one at a time, as each fills much memory.

    `columns` are the words of the pass's filters, shape (n_words, n_records).
    """
    everybody = np.arange(len(pool), dtype=np.int64)
    if plan.is_exhaustive:
        yield make_pass(pool, item.name, np.zeros(len(pool), dtype=np.uint16), everybody)
        return
    for table in range(plan.n_tables):
        keys = np.zeros(len(pool), dtype=np.uint16)
        for i, bit in enumerate(sampled_bits(pool, item, table, plan)):
            one = (columns[bit // 64] >> np.uint64(bit % 64)).astype(np.uint16) & np.uint16(1)
            keys |= one << np.uint16(i)
        yield make_pass(pool, f"{item.name}, table {table + 1}", keys, everybody)
