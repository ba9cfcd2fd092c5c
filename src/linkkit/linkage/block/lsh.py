"""Which filters of whole records are compared: all, or those that agree in sampled bits of some table.

Of two filters of one person most bits agree, of two strangers' many fewer. Records meet that agree in
all of some bits chosen at random, and of several such tables one at least is likely to bring a person's
records together (locality-sensitive hashing for the Hamming distance: Indyk and Motwani, 1998).
How many tables, of how many bits and of which, is not asked of anybody. It follows from a sample:
pairs of which most are one person's say how many bits differ that ought to agree, and records taken
at random say how many strangers will meet. The cheapest tables that find the wanted share are taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block.plan import all_of, before

__all__ = [
    "FilterPlan",
    "NearPairs",
    "PeopleToLink",
    "count_all",
    "exhaustive_seconds",
    "plan_tables",
    "sampled_rows",
    "seconds_of",
    "span",
    "unpacked",
]

SKETCH_WORDS = 4
"""So many words of a filter are compared first."""

_SECONDS_PER_ROW = 1.3e-7
_SECONDS_PER_COMPARISON = 3.5e-10
_SECONDS_PER_WHOLE = 4e-8
_SECONDS_PER_WORD = 5e-11
"""Roughly what one processor of 2024 takes: for a record in a table, for a comparison of sketches, for
one of whole filters that a table brought together, and for a word of two filters where all are
compared. Only their ratios matter."""

_MOST_BITS_OF_TABLE = 24
_MOST_TABLES = 1_000
_TRIED_TABLES = 6
_SHARES_OF_BITS = (1.0, 0.75, 0.5)
_LEAST_INFORMATIVE = 0.01
_FEWEST_BITS = 8
_PRIOR_PAIRS = 200.0
_SKETCH_LOSS = 0.002
_STRANGERS = 50_000

_Bits = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PeopleToLink:
    """Who is to be compared: how many, and some of them.

    Attributes
    ----------
    sizes : ndarray of int64, shape (n_parties,)
        Records of each party.
    clean : ndarray of bool, shape (n_parties,)
        Whether a party's records are not compared with each other.
    sample : ndarray of uint64, shape (n_sampled, n_words)
        Filters of some records, the same for any order of all.
    party : ndarray of int64, shape (n_sampled,)
        Their parties.
    """

    sizes: _Ints
    clean: _Bits
    sample: _Words
    party: _Ints


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class NearPairs:
    """Pairs that ought to be found, by comparing some records with all.

    Attributes
    ----------
    differ : ndarray of uint64, shape (n_pairs, n_words)
        Which bits of the two filters differ.
    weight : ndarray of float64, shape (n_pairs,)
        How likely the pair is one that is wanted, 0 to 1.
    expected_shares : ndarray of float64, shape (n_expected,)
        Shares of bits that differ, as is expected before any pair is seen.
    expected_weight : float
        For how many pairs these count, all together.
    """

    differ: _Words
    weight: _Floats
    expected_shares: _Floats
    expected_weight: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterPlan:
    """What is compared of filters of whole records, and what that leaves out.

    Attributes
    ----------
    n_pairs : int
        All pairs that may match.
    n_comparisons : int
        How many comparisons are made: as expected in a plan, as counted in a result. A pair that meets
        in several tables counts in each, and is found once.
    tables : tuple of tuple of int
        The bits in which records agree that meet in each table; none where all pairs are compared.
    sketch : tuple of int
        The words of a filter that are compared first.
    most_different : int
        Pairs whose sketches differ in more bits are not compared further.
    wanted : float
        The share of the pairs that comparing all would find that the tables had to find, 0 to 1.
    pair_completeness : float
        The share of these that they are estimated to find, 0 to 1; 1 where all pairs are compared.
    reason : str
        Why it is done that way.
    skipped : tuple of str
        Always empty: no table is left out.
    keys : tuple of str
        Blocking keys in which pairs were looked for, beside the tables.
    warnings : tuple of str
        What was set aside, with counts.
    n_known : int
        Pairs that were compared before, with earlier deliveries, and are not compared again.
    """

    n_pairs: int
    n_comparisons: int
    tables: tuple[tuple[int, ...], ...] = ()
    sketch: tuple[int, ...] = ()
    most_different: int = 0
    wanted: float = 1.0
    pair_completeness: float = 1.0
    reason: str = ""
    skipped: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    n_known: int = 0

    @property
    def n_tables(self) -> int:
        """How many tables there are; 0 where all pairs are compared."""
        return len(self.tables)

    @property
    def bits_per_table(self) -> int:
        """In how many bits records agree that meet in a table; 0 without tables."""
        return len(self.tables[0]) if self.tables else 0

    @property
    def names(self) -> tuple[str, ...]:
        """What the records that meet have in common."""
        if self.is_exhaustive:
            return ("all pairs",)
        tables = f"{self.bits_per_table} sampled bits, in one of {self.n_tables} tables"
        return (tables, *(f"blocking key {name}" for name in self.keys))

    @property
    def is_exhaustive(self) -> bool:
        """Whether every pair is compared."""
        return not self.tables

    @property
    def reduction_ratio(self) -> float:
        """Share of all pairs that is not compared, 0 to 1."""
        return 1 - min(1.0, self.n_comparisons / self.n_pairs) if self.n_pairs else 0.0

    def __str__(self) -> str:
        how = all_of(self.n_pairs, self.n_known)
        if not self.is_exhaustive:
            how = (
                f"{self.n_comparisons:,} comparisons in {self.n_tables} tables of "
                f"{self.bits_per_table} bits"
                + "".join(f" and blocking key {name}" for name in self.keys)
                + f", {self.reduction_ratio:.2%} of {self.n_pairs:,} pairs "
                f"saved, about {self.pair_completeness:.1%} of the matches that comparing all would "
                "find expected among candidates"
            )
        because = f" ({self.reason})" if self.reason else ""
        return "; ".join([how + because, *before(self.n_known), *self.warnings])


def count_all(sizes: _Ints, clean: _Bits) -> int:
    """Return how many pairs may match: across parties, and within those that are not clean."""
    numbers = [int(n) for n in sizes]
    across = (sum(numbers) ** 2 - sum(n * n for n in numbers)) // 2
    own = zip(numbers, clean.tolist(), strict=True)
    return across + sum(n * (n - 1) // 2 for n, is_clean in own if not is_clean)


def exhaustive_seconds(n_pairs: int, n_words: int) -> float:
    """Return about how long one processor takes to compare so many pairs of filters."""
    return n_pairs * max(n_words, SKETCH_WORDS) * _SECONDS_PER_WORD


def unpacked(words: _Words) -> _Bits:
    """Return the bits of filters, shape (n, 64 n_words)."""
    octets = np.ascontiguousarray(words.astype("<u8")).view(np.uint8)
    return np.unpackbits(octets, axis=1, bitorder="little").astype(np.bool_)


def plan_tables(people: PeopleToLink, near: NearPairs, *, recall: float) -> FilterPlan | None:
    """Choose the cheapest tables that find a share of the near pairs.

    Parameters
    ----------
    people : PeopleToLink
        Who is to be compared.
    near : NearPairs
        A sample of what ought to be found.
    recall : float
        The wanted share, above 0 and below 1.

    Returns
    -------
    FilterPlan or None
        Nothing where no number of tables up to 1,000 finds so many.
    """
    bits = _Positions.of(people, near)
    sketch, most, passed = _sketch(people, near, bits)
    # What the sketches lose, the tables have to find.
    best = _cheapest(people, near, bits, share=min(recall / (1 - _SKETCH_LOSS), 1.0), passed=passed)
    if best is None:
        return None
    return FilterPlan(
        n_pairs=count_all(people.sizes, people.clean),
        n_comparisons=round(best.n_tables * best.n_met),
        tables=_dealt(best.positions, best.n_bits, best.n_tables),
        sketch=sketch,
        most_different=most,
        wanted=recall,
        pair_completeness=best.share * (1 - _SKETCH_LOSS),
        reason=f"about {span(best.seconds)} on one processor instead of "
        f"{span(exhaustive_seconds(count_all(people.sizes, people.clean), people.sample.shape[1]))}",
    )


def seconds_of(plan: FilterPlan, n_rows: int) -> float:
    """Return about how long one processor takes for the tables of a plan."""
    return n_rows * plan.n_tables * _SECONDS_PER_ROW + plan.n_comparisons * _SECONDS_PER_COMPARISON


def span(seconds: float) -> str:
    """Return a time in words, rounded up to seconds, or to minutes or hours."""
    if seconds < 100:
        return f"{max(math.ceil(seconds), 1)} s"
    return f"{seconds / 60:,.0f} min" if seconds < 6_000 else f"{seconds / 3_600:,.0f} h"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Positions:
    """What is known of each bit position.

    Attributes
    ----------
    sampled, differing : ndarray of bool
        Bits of the sampled records, and those that differ in near pairs; a row for each.
    by_worth : ndarray of int64
        Positions that tell strangers apart, those first that seldom differ in near pairs.
    near : ndarray of float64, shape (n_bits,)
        How often each differs in near pairs.
    """

    sampled: _Bits
    differing: _Bits
    by_worth: _Ints
    near: _Floats

    @classmethod
    def of(cls, people: PeopleToLink, near: NearPairs) -> _Positions:
        sampled, differing = unpacked(people.sample), unpacked(near.differ)
        is_set = sampled.mean(axis=0) if len(sampled) else np.zeros(sampled.shape[1])
        strangers = 2 * is_set * (1 - is_set)
        # Few pairs say little of a single position; it is taken to differ in proportion to strangers.
        seen = near.weight @ differing
        ratio = (float(seen.sum()) + 1e-9) / (float(near.weight.sum() * strangers.sum()) + 1e-9)
        n_seen = float(near.weight.sum()) + _PRIOR_PAIRS
        often = (seen + _PRIOR_PAIRS * min(ratio, 1.0) * strangers) / n_seen
        informative = np.flatnonzero(strangers >= _LEAST_INFORMATIVE)
        worth = np.log1p(-strangers[informative]) / np.log1p(
            -np.clip(often[informative], 1e-6, 1 - 1e-6)
        )
        order = np.argsort(-np.round(worth, 9), kind="stable")
        return cls(sampled=sampled, differing=differing, by_worth=informative[order], near=often)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Tables:
    """Tables of so many of some positions, what they find and what they cost."""

    positions: _Ints
    n_bits: int
    n_tables: int
    share: float
    n_met: float
    seconds: float


def _cheapest(
    people: PeopleToLink, near: NearPairs, bits: _Positions, *, share: float, passed: float
) -> _Tables | None:
    """Return the best of tables of all informative positions, or of the better part of them."""
    best: _Tables | None = None
    n_rows = int(people.sizes.sum())
    per_comparison = _SECONDS_PER_COMPARISON + passed * _SECONDS_PER_WHOLE
    for part in _SHARES_OF_BITS:
        positions = bits.by_worth[: math.ceil(part * len(bits.by_worth))]
        if len(positions) < _FEWEST_BITS:
            continue
        n_bits = min(_MOST_BITS_OF_TABLE, len(positions) // 2)
        met = _pairs_that_meet(people, bits.sampled, positions, n_bits)
        agree = _chances(near, bits, positions, n_bits)
        weights = _weights(near)
        for b in range(1, n_bits + 1):
            found = _enough_tables(agree[b], weights, share)
            if found is None:
                break
            seconds = found[0] * (n_rows * _SECONDS_PER_ROW + met[b] * per_comparison)
            if best is None or seconds < best.seconds:
                best = _Tables(
                    positions=positions, n_bits=b, n_tables=found[0], share=found[1],
                    n_met=float(met[b]), seconds=seconds,
                )  # fmt: skip
    return best


def _weights(near: NearPairs) -> _Floats:
    n = len(near.expected_shares)
    return np.append(near.weight, np.full(n, near.expected_weight / max(n, 1)))


def _chances(near: NearPairs, bits: _Positions, positions: _Ints, n_bits: int) -> _Floats:
    """Return the chance that a near pair agrees in so many of the positions, (n_bits + 1, n_pairs)."""
    n = len(positions)
    differ = bits.differing[:, positions].sum(axis=1).astype(np.float64)
    # A position that tells strangers apart differs more often in near pairs, too.
    more = float(bits.near[positions].mean() / max(float(bits.near.mean()), 1e-12))
    expected = np.minimum(np.round(near.expected_shares * more * n), n)
    differ = np.append(differ, expected)
    chance = np.ones((n_bits + 1, len(differ)))
    for b in range(n_bits):
        chance[b + 1] = chance[b] * np.maximum(n - differ - b, 0) / (n - b)
    return chance


def _enough_tables(chance: _Floats, weights: _Floats, share: float) -> tuple[int, float] | None:
    """Return how many tables find the wanted share, and what they find."""

    def found(n_tables: int) -> float:
        return float(np.average(1 - (1 - chance) ** n_tables, weights=weights))

    low, high = 1, _MOST_TABLES
    if found(high) < share:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) >= share else (middle + 1, high)
    return low, found(low)


def _pairs_that_meet(
    people: PeopleToLink, sampled: _Bits, positions: _Ints, n_bits: int
) -> _Floats:
    """Return how many pairs agree in so many of the positions, (n_bits + 1,), from the sample."""
    met = np.zeros(n_bits + 1)
    for order in _permutations(positions, _TRIED_TABLES):
        bits = sampled[:, order[:n_bits]]
        keys = bits @ (np.uint64(1) << np.arange(n_bits, dtype=np.uint64)[::-1])
        met += [_met(people, keys >> np.uint64(n_bits - b)) for b in range(n_bits + 1)]
    met /= _TRIED_TABLES
    # Hardly a bit does better than to halve the pairs; where the sample has none left, the rest is guessed.
    for b in range(1, n_bits + 1):
        met[b] = max(met[b], met[b - 1] / 2)
    return met


def _met(people: PeopleToLink, keys: _Words) -> float:
    n_parties = len(people.sizes)
    sampled = np.bincount(people.party, minlength=n_parties)
    weight = people.sizes / np.maximum(sampled, 1)
    bucket = np.unique(keys, return_inverse=True)[1].reshape(-1)
    n = np.bincount(
        bucket * n_parties + people.party, minlength=(bucket.max(initial=0) + 1) * n_parties
    )
    n = n.reshape(-1, n_parties)
    total = (n * weight).sum(axis=1)
    pairs = float((total**2).sum() - ((n * weight) ** 2).sum()) / 2
    dirty = ~people.clean
    return pairs + float((n * (n - 1) * weight**2)[:, dirty].sum()) / 2


def _permutations(positions: _Ints, n: int) -> list[_Ints]:
    rng = np.random.default_rng(0)
    ordered = np.sort(positions)
    return [rng.permutation(ordered) for _ in range(n)]


def _dealt(positions: _Ints, n_bits: int, n_tables: int) -> tuple[tuple[int, ...], ...]:
    """Deal the positions to tables as cards, so that tables share as few as possible."""
    rng = np.random.default_rng(1)
    ordered, left = np.sort(positions), np.zeros(0, dtype=np.int64)
    tables = []
    for _ in range(n_tables):
        if len(left) < n_bits:
            left = rng.permutation(ordered)
        tables.append(tuple(sorted(left[:n_bits].tolist())))
        left = left[n_bits:]
    return tuple(tables)


def _sketch(
    people: PeopleToLink, near: NearPairs, bits: _Positions
) -> tuple[tuple[int, ...], int, float]:
    """Return the words compared first, in how many bits they may differ, and how many strangers do not more."""
    n_words = people.sample.shape[1]
    is_set = bits.sampled.mean(axis=0) if len(bits.sampled) else np.zeros(64 * n_words)
    strangers = 2 * is_set * (1 - is_set)
    worth = (strangers - bits.near).reshape(n_words, 64).sum(axis=1)
    words = np.sort(np.argsort(-np.round(worth, 9), kind="stable")[:SKETCH_WORDS])
    n_bits = 64 * len(words)
    if n_words <= SKETCH_WORDS:
        return tuple(words.tolist()), n_bits, 1.0
    differ = np.bitwise_count(near.differ[:, words]).sum(axis=1).astype(np.float64)
    of_these = bits.near.reshape(n_words, 64)[words].mean() / max(float(bits.near.mean()), 1e-12)
    share = np.minimum(near.expected_shares * float(of_these), 1.0)
    expected = share * n_bits + 3 * np.sqrt(n_bits * share * (1 - share))
    differ = np.append(differ, expected)
    order = np.argsort(differ, kind="stable")
    mass = np.cumsum(_weights(near)[order])
    at = np.searchsorted(mass, (1 - _SKETCH_LOSS) * mass[-1]) if len(mass) else 0
    most = int(differ[order[min(int(at), len(order) - 1)]]) if len(order) else n_bits
    return tuple(words.tolist()), most, _share_of_strangers(people.sample[:, words], most)


def _share_of_strangers(sketches: _Words, most: int) -> float:
    rng = np.random.default_rng(2)
    if len(sketches) < 2:
        return 1.0
    one, other = rng.integers(0, len(sketches), (2, _STRANGERS))
    apart = np.flatnonzero(one != other)
    differ = np.bitwise_count(sketches[one[apart]] ^ sketches[other[apart]]).sum(axis=1)
    return float((differ <= most).mean())


def sampled_rows(digests: Sequence[_Words], n: int) -> list[_Ints]:
    """Return about `n` rows in all, each party's by its share, those with the smallest digests.

    What is drawn does not depend on the order of rows.
    """
    total = sum(len(party) for party in digests)
    chosen = []
    for party in digests:
        size = min(len(party), max(math.ceil(n * len(party) / max(total, 1)), 1))
        order = np.argsort(party, kind="stable") if len(party) else np.zeros(0, dtype=np.int64)
        chosen.append(np.asarray(order[:size], dtype=np.int64))
    return chosen
