"""What is compared: all pairs where that is affordable, agreeing fields where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.errors import LinkageError
from linkkit.linkage.block.keys import (
    Blocks,
    KeyPass,
    crowded_members,
    filter_keys,
    sorted_blocks,
)
from linkkit.linkage.pool import Pool

__all__ = [
    "AllPairs",
    "Block",
    "BlockingPlan",
    "all_keys",
    "all_of",
    "all_pairs",
    "before",
    "count_pairs",
    "first_partners",
    "plan_blocking",
]

Block = Literal["auto", "exhaustive", "blocks"]
"""How it is chosen which pairs are compared."""

EXHAUSTIVE_LIMIT = 1_000_000_000
"""Up to so many pairs, all are compared unless it is said otherwise: some seconds on two cores."""

PASS_LIMIT = 300_000_000
"""A pass of agreeing fields with more pairs than this is left out."""

FREE_PER_RECORD = 20
"""A pass with no more comparisons for each record is always made."""

DEAREST_MATCH = 20_000
"""What a match may cost, in comparisons, that no cheaper pass is expected to find."""

_MATCHES_PER_RECORD = 0.25
_MOST_FIELDS = 12
_MOST_AGREEING = 4
_PART_AGREES = 0.5
"""How often the sound or a part of a value agrees in matches whose values differ."""

_EQUAL_IN_MATCHES: dict[FieldKind, float] = {
    "given_name": 0.80,
    "surname": 0.83,
    "name": 0.76,
    "guardian_name": 0.60,
    "date": 0.88,
    "street_address": 0.58,
    "city": 0.78,
    "postal_code": 0.77,
    "phone": 0.68,
    "email": 0.62,
    "identifier": 0.90,
    "ssn4": 0.90,
    "number": 0.75,
    "text": 0.65,
}
"""Share of pairs of one person whose values are equal, as is expected before any is seen."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class AllPairs:
    """Every record against all after it that it may match.

    Attributes
    ----------
    first, last : ndarray of int64, shape (n_records,)
        The range of partners of each record, in positions of the pool.
    name : str
        What it is called among the passes of a plan.
    """

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    name: str = "all pairs"

    @property
    def n_comparisons(self) -> int:
        """How many pairs there are."""
        return int((self.last - self.first).sum())


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class BlockingPlan:
    """What will be compared, and what that leaves out.

    Attributes
    ----------
    passes : tuple of AllPairs or KeyPass
        Their pairs are united. One of all pairs, or those of blocks.
    n_pairs : int
        All pairs that could be compared.
    pair_completeness : float
        Share of the true pairs that is expected to be compared, 0 to 1, at usual rates of errors.
    keys : ndarray of uint64, shape (n_records, n_columns), or None
        What the records of a block agree in; 0 where a record lacks it. None without blocks.
    skipped : tuple of str
        Passes that were left out: too many comparisons for what they are expected to find.
    crowded : tuple of str
        Passes with blocks that were too large, and were crossed only where more agrees.
    set_aside : tuple of str
        Parties of whose records some were not compared, as too many are equal.
    n_known : int
        Pairs that were compared before, with earlier deliveries, and are not compared again.
    """

    passes: tuple[AllPairs | KeyPass, ...]
    n_pairs: int
    pair_completeness: float = 1.0
    keys: npt.NDArray[np.uint64] | None = None
    skipped: tuple[str, ...] = ()
    crowded: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    n_known: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not compared although it met, with counts."""
        crossed = "blocks in which too many records meet were crossed only where more agrees: "
        return (*self.set_aside, *([crossed + "; ".join(self.crowded)] if self.crowded else []))

    @property
    def names(self) -> tuple[str, ...]:
        """What the records of each pass have in common."""
        return tuple(item.name for item in self.passes)

    @property
    def n_comparisons(self) -> int:
        """How many comparisons all passes make."""
        return sum(item.n_comparisons for item in self.passes)

    @property
    def is_exhaustive(self) -> bool:
        """Whether every pair is compared."""
        return self.keys is None

    @property
    def reduction_ratio(self) -> float:
        """Share of all pairs that is not compared, 0 to 1."""
        return 1 - min(1.0, self.n_comparisons / self.n_pairs) if self.n_pairs else 0.0

    def __repr__(self) -> str:
        return f"<BlockingPlan: {self}>"

    def __str__(self) -> str:
        how = all_of(self.n_pairs, self.n_known)
        if not self.is_exhaustive:
            how = (
                f"{self.n_comparisons:,} comparisons in {len(self.passes)} passes, "
                f"{self.reduction_ratio:.2%} of {self.n_pairs:,} pairs saved, about "
                f"{self.pair_completeness:.1%} of true pairs expected among them"
            )
        return "; ".join([how, *before(self.n_known), *self.warnings])


def all_of(n_pairs: int, n_known: int) -> str:
    """Say that all pairs are compared, but for those that were before."""
    if n_pairs == n_known:
        return "no new pair" if n_known else "no pair"
    return f"all {n_pairs - n_known:,} pairs" + (" with new records" if n_known else "")


def before(n_known: int) -> tuple[str, ...]:
    """Say how many pairs were compared before, if any."""
    return (f"{n_known:,} pairs were compared before",) if n_known else ()


def count_pairs(pool: Pool) -> int:
    """Return how many pairs may match: across parties, and within a party with duplicates."""
    sizes = [int(n) for n in pool.party_sizes()]
    across = sum(a * b for a, b in combinations(sizes, 2))
    within = sum(n * (n - 1) // 2 for n, clean in zip(sizes, pool.clean, strict=True) if not clean)
    return across + within


def first_partners(pool: Pool) -> npt.NDArray[np.int64]:
    """Return where the partners of each record begin, who are all from there on, shape (n_records,)."""
    ends = pool.party_starts()[1:]
    return np.where(pool.clean[pool.party], ends[pool.party], np.arange(1, len(pool) + 1))


def all_pairs(pool: Pool) -> AllPairs:
    """Return every pair of a pool that may match."""
    return AllPairs(first=first_partners(pool), last=np.full(len(pool), len(pool)))


def all_keys(pool: Pool) -> npt.NDArray[np.uint64]:
    """Return digests of all filters, then the blocking keys, shape (n_records, n_fields + n_keys)."""
    digests = filter_keys(pool)
    return np.hstack([digests, pool.block_keys]) if pool.block_keys.shape[1] else digests


def plan_blocking(
    pool: Pool,
    *,
    block: Block = "auto",
    keys: npt.NDArray[np.uint64] | None = None,
    whole: Pool | None = None,
) -> BlockingPlan:
    """Choose what to compare.

    All pairs, by default while there are at most :data:`EXHAUSTIVE_LIMIT`. Else the pairs that agree
    exactly in two linkage fields, or in a blocking key of the partners, wherever that leaves few enough.

    Parameters
    ----------
    pool : Pool
        All records.
    block : {"auto", "exhaustive", "blocks"}
        Whether all pairs, or those of blocks.
    keys : ndarray of uint64, shape (n_records, n_fields + n_keys), optional
        What :func:`all_keys` returns, if it is at hand.
    whole : Pool, optional
        All records, where some pairs of them were compared before and are not in `pool`. What is worth its
        comparisons when all are made at once is worth its part of them.

    Raises
    ------
    LinkageError
        When no two fields narrow the pairs down enough.

    Notes
    -----
    Of two fields that are equal in many pairs, such as city and postal code, hardly a match is found
    that is equal in no other two. A pass is left out where such matches would cost too many comparisons
    each, at the shares of equal values that are expected of matches.

    A block that is too large, of a placeholder or of a name that everybody has, is crossed only where
    its records agree in one or two fields more.
    """
    n_pairs = count_pairs(pool)
    n_whole = n_pairs if whole is None else count_pairs(whole)
    if block == "exhaustive" or (block == "auto" and n_whole <= EXHAUSTIVE_LIMIT):
        return BlockingPlan(passes=(all_pairs(pool),), n_pairs=n_pairs)
    keys = all_keys(pool) if keys is None else keys
    n_records = len(pool) if whole is None else len(whole) * n_pairs / max(n_whole, 1)
    expected = _Expected(pool, n_records)
    passes: list[KeyPass] = []
    skipped: list[str] = []
    crowded: list[str] = []
    for item in sorted(_key_passes(pool, keys), key=lambda item: (item.n_comparisons, item.name)):
        if not expected.is_worth(item):
            skipped.append(item.name)
            continue
        expected.find(item)
        if not item.n_comparisons and not item.n_crowded_records:
            continue
        passes.append(item)
        if item.n_crowded_records:
            crowded.append(f"{item.name} ({item.n_crowded_records:,} records)")
            passes.extend(_splits(pool, keys, item))
    if skipped and not passes:
        raise LinkageError(
            f"{n_pairs:,} pairs are too many to compare, and no two fields narrow them down",
            hint="Add linkage fields to the agreement, or link smaller extracts.",
        )
    return BlockingPlan(
        passes=tuple(passes),
        n_pairs=n_pairs,
        pair_completeness=expected.completeness,
        keys=keys,
        skipped=tuple(skipped),
        crowded=tuple(crowded),
    )


def _key_passes(pool: Pool, keys: npt.NDArray[np.uint64]) -> Iterator[KeyPass]:
    """Yield the pass of every two fields, and of every blocking key that the partners added."""
    for columns in (*combinations(_distinctive(pool), 2), *_added(pool)):
        yield _key_pass(pool, columns, sorted_blocks(pool, keys, columns))


def _distinctive(pool: Pool) -> list[int]:
    return [i for i, item in enumerate(pool.spec.filters) if item.kind != "sex"]


def _added(pool: Pool) -> list[tuple[int]]:
    n_fields = len(pool.spec.filters)
    return [(n_fields + k,) for k in range(len(pool.spec.keys))]


def _key_pass(pool: Pool, columns: tuple[int, ...], blocks: Blocks) -> KeyPass:
    names = [item.name for item in pool.spec.filters]
    names += [f"blocking key {item.name}" for item in pool.spec.keys]
    chosen = [names[column] for column in columns]
    return KeyPass(
        name=" and ".join([", ".join(chosen[:-1]), chosen[-1]] if chosen[1:] else chosen),
        columns=columns,
        n_comparisons=blocks.n_comparisons,
        n_records=len(blocks.packed),
        n_crowded_records=blocks.n_crowded_records,
    )


def _splits(pool: Pool, keys: npt.NDArray[np.uint64], item: KeyPass) -> list[KeyPass]:
    """Return the passes that cross the crowded blocks of a pass where more agrees than that."""
    passes: list[KeyPass] = []
    members = crowded_members(pool, sorted_blocks(pool, keys, item.columns, item.members))
    for column in _distinctive(pool):
        if column in item.columns:
            continue
        columns = tuple(sorted((*item.columns, column)))
        blocks = sorted_blocks(pool, keys, columns, members)
        finer = replace(
            _key_pass(pool, columns, blocks), splits=item.splits or item.columns, members=members
        )
        if finer.n_comparisons <= PASS_LIMIT:
            passes.append(finer)
        if finer.n_crowded_records and len(columns) < _MOST_AGREEING:
            passes.extend(_splits(pool, keys, finer))
    return passes


class _Expected:
    """Which matches no pass has found yet, by what is expected of matches before any is seen."""

    def __init__(self, pool: Pool, n_records: float) -> None:
        self.pool, self.n_records = pool, n_records
        self.fields = _distinctive(pool)[:_MOST_FIELDS]
        kinds: list[FieldKind] = [pool.spec.filters[f].kind for f in self.fields]
        equal = np.array([_EQUAL_IN_MATCHES.get(kind, 0.7) for kind in kinds])
        equal *= pool.present[:, self.fields].mean(axis=0) ** 2 if len(pool) else 1.0
        patterns = np.arange(1 << len(equal))[:, None] >> np.arange(len(equal)) & 1
        self.patterns = patterns == 1
        self.chance = np.where(self.patterns, equal, 1 - equal).prod(axis=1)
        self.missed = self.chance.copy()

    @property
    def completeness(self) -> float:
        """Share of matches that are found, 0 to 1."""
        return float(1 - self.missed.sum() / self.chance.sum())

    def is_worth(self, item: KeyPass) -> bool:
        """Whether a pass costs little, or little for each match that it alone would find."""
        if item.n_comparisons > PASS_LIMIT or not _share_uncrowded(item):
            return False
        if item.n_comparisons <= FREE_PER_RECORD * self.n_records:
            return True
        share = float((self.missed * self._agree(item)).sum()) * _share_uncrowded(item)
        return item.n_comparisons <= DEAREST_MATCH * share * _MATCHES_PER_RECORD * self.n_records

    def find(self, item: KeyPass) -> None:
        """Count the matches of a pass as found."""
        self.missed *= 1 - _share_uncrowded(item) * self._agree(item)

    def _agree(self, item: KeyPass) -> npt.NDArray[np.float64]:
        """Return how probably matches of each pattern of equal fields agree in all of a pass."""
        agree = np.ones(len(self.patterns))
        spec = self.pool.spec
        names = [spec.filters[f].name for f in self.fields]
        for column in item.columns:
            if column < len(spec.filters):
                parts = [(spec.filters[column].name, 0.0)]
            else:
                key = spec.keys[column - len(spec.filters)]
                parts = [(x.name, 0.0 if x.by == "whole" else _PART_AGREES) for x in key.parts]
            for name, unequal in parts:
                if name in names:
                    agree *= np.where(self.patterns[:, names.index(name)], 1.0, unequal)
        return agree


def _share_uncrowded(item: KeyPass) -> float:
    return 1 - item.n_crowded_records / max(item.n_records, 1)
