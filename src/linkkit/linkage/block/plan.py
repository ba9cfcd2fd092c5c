"""Passes over the pool: all pairs where that is affordable, agreeing fields where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.errors import LinkageError
from linkkit.linkage.pool import Pool

__all__ = [
    "Block",
    "BlockingPass",
    "BlockingPlan",
    "count_pairs",
    "filter_keys",
    "make_pass",
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

_EQUAL_IN_MATCHES: dict[FieldKind, float] = {
    "given_name": 0.80,
    "surname": 0.83,
    "name": 0.76,
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

_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class BlockingPass:
    """One way through the pool.

    Record ``order[p]`` is compared with each of ``order[first[p]:last[p]]``.

    Attributes
    ----------
    name : str
        What the records of a block have in common.
    order : ndarray of int64, shape (n,)
        Positions in the pool, sorted by block and then by party.
    first, last : ndarray of int64, shape (n,)
        The range of partners of each, in positions of `order`.
    """

    name: str
    order: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]

    @property
    def n_comparisons(self) -> int:
        """How many pairs the pass compares."""
        return int((self.last - self.first).sum())


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class BlockingPlan:
    """What will be compared, and what that leaves out.

    Attributes
    ----------
    passes : tuple of BlockingPass
        Their pairs are united.
    n_pairs : int
        All pairs that could be compared.
    skipped : tuple of str
        Passes that were left out: too many comparisons for what they are expected to find.
    """

    passes: tuple[BlockingPass, ...]
    n_pairs: int
    skipped: tuple[str, ...] = ()

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
        return len(self.passes) == 1 and self.n_comparisons == self.n_pairs

    @property
    def reduction_ratio(self) -> float:
        """Share of all pairs that is not compared, 0 to 1."""
        return 1 - min(1.0, self.n_comparisons / self.n_pairs) if self.n_pairs else 0.0

    def __str__(self) -> str:
        if self.is_exhaustive:
            return f"all {self.n_pairs:,} pairs"
        return (
            f"{self.n_comparisons:,} comparisons in {len(self.passes)} passes, "
            f"{self.reduction_ratio:.2%} of {self.n_pairs:,} pairs saved"
        )


def count_pairs(pool: Pool) -> int:
    """Return how many pairs may match: across parties, and within a party with duplicates."""
    sizes = [int(n) for n in pool.party_sizes()]
    across = sum(a * b for a, b in combinations(sizes, 2))
    within = sum(n * (n - 1) // 2 for n, clean in zip(sizes, pool.clean, strict=True) if not clean)
    return across + within


def plan_blocking(pool: Pool, *, block: Block = "auto") -> BlockingPlan:
    """Choose what to compare.

    All pairs, by default while there are at most :data:`EXHAUSTIVE_LIMIT`. Else the pairs that agree
    exactly in two linkage fields, for every two fields whose agreement leaves few enough pairs.

    Parameters
    ----------
    pool : Pool
        All records.
    block : {"auto", "exhaustive", "blocks"}
        Whether all pairs, or those of blocks.

    Raises
    ------
    LinkageError
        When no two fields narrow the pairs down enough.

    Notes
    -----
    Of two fields that are equal in many pairs, such as city and postal code, hardly a match is found
    that is equal in no other two. A pass is left out where such matches would cost too many comparisons
    each, at the shares of equal values that are expected of matches.
    """
    n_pairs = count_pairs(pool)
    if block == "exhaustive" or (block == "auto" and n_pairs <= EXHAUSTIVE_LIMIT):
        everything = make_pass(
            pool, "all pairs", np.zeros(len(pool), np.uint64), np.arange(len(pool))
        )
        return BlockingPlan(passes=(everything,), n_pairs=n_pairs)
    passes: list[BlockingPass] = []
    skipped: list[str] = []
    fields, keys = _distinctive(pool), filter_keys(pool)
    found = []
    for one, other in combinations(fields, 2):
        name = f"{pool.spec.filters[one].name} and {pool.spec.filters[other].name}"
        both = np.flatnonzero(pool.present[:, one] & pool.present[:, other])
        item = make_pass(pool, name, keys[both, one] * _ODD ^ keys[both, other], both)
        if item.n_comparisons:
            found.append((item, (one, other)))
    for item, is_worth_it in _judged(pool, found):
        if is_worth_it:
            passes.append(item)
        else:
            skipped.append(item.name)
    if skipped and not passes:
        raise LinkageError(
            f"{n_pairs:,} pairs are too many to compare, and no two fields narrow them down",
            hint="Add linkage fields to the agreement, or link smaller extracts.",
        )
    return BlockingPlan(passes=tuple(passes), n_pairs=n_pairs, skipped=tuple(skipped))


def _judged(
    pool: Pool, found: Sequence[tuple[BlockingPass, tuple[int, int]]]
) -> Iterator[tuple[BlockingPass, bool]]:
    """Yield passes, the cheapest first, and whether each is worth its comparisons."""
    ordered = sorted(found, key=lambda pair: (pair[0].n_comparisons, pair[0].name))
    fields = sorted({f for _, both in ordered for f in both})[:_MOST_FIELDS]
    equal = np.array([_EQUAL_IN_MATCHES.get(pool.spec.filters[f].kind, 0.7) for f in fields])
    patterns = np.arange(1 << len(fields))[:, None] >> np.arange(len(fields)) & 1 == 1
    chance = np.where(patterns, equal, 1 - equal).prod(axis=1)
    missed = np.ones(len(patterns), dtype=np.bool_)
    for item, both in ordered:
        agree = np.ones(len(patterns), dtype=np.bool_)
        for f in both:
            agree &= patterns[:, fields.index(f)] if f in fields else True
        matches = float(chance[agree & missed].sum()) * _MATCHES_PER_RECORD * len(pool)
        cheap = item.n_comparisons <= FREE_PER_RECORD * len(pool)
        made = item.n_comparisons <= PASS_LIMIT and (
            cheap or item.n_comparisons <= DEAREST_MATCH * matches
        )
        if made:
            missed &= ~agree
        yield item, made


def _distinctive(pool: Pool) -> Sequence[int]:
    return [i for i, item in enumerate(pool.spec.filters) if item.kind != "sex"]


def filter_keys(pool: Pool) -> npt.NDArray[np.uint64]:
    """Return a 64-bit digest of each record's filter of each field, shape (n, n_fields).

    Equal filters have equal digests; different ones agree by chance in one of 2**64.
    """
    starts = pool.word_starts
    keys = np.zeros((len(pool), len(starts) - 1), dtype=np.uint64)
    for field in range(len(starts) - 1):
        for word in range(starts[field], starts[field + 1]):
            mixed = (keys[:, field] ^ pool.words[:, word]) * _ODD
            keys[:, field] = mixed ^ (mixed >> np.uint64(29))
    return keys


def make_pass(
    pool: Pool, name: str, keys: npt.NDArray[np.generic], members: npt.NDArray[np.int64]
) -> BlockingPass:
    """Return the pass in which records with equal keys meet, if they may match at all.

    `members` are positions in the pool, ascending.
    """
    party = pool.party[members]
    # Members ascend and the pool is sorted by party, so a stable sort keeps parties together.
    order = np.argsort(keys, kind="stable")
    members, keys, party = members[order], keys[order], party[order]
    n = len(members)
    ends = np.flatnonzero(np.append(keys[1:] != keys[:-1], True)) + 1
    last = np.repeat(ends, np.diff(np.append(0, ends)))
    change = (keys[1:] != keys[:-1]) | (party[1:] != party[:-1])
    party_ends = np.flatnonzero(np.append(change, True)) + 1
    next_party = np.repeat(party_ends, np.diff(np.append(0, party_ends)))
    first = np.where(pool.clean[party], next_party, np.arange(1, n + 1))
    return BlockingPass(
        name=name, order=members, first=np.minimum(first, last), last=last.astype(np.int64)
    )
