"""Finds pairs of similar filters in tables of sampled bits, in threads.

Equal filters of a party are one row in the tables; what is found of it is found of all of them. Each
table brings rows together that agree in its bits; these are compared by a sketch, then as a whole, and only
what is similar enough is kept. To compare a pair again that met in an earlier table costs less than to
ask whether it did; what is found twice is kept once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from linkkit.engines import (
    Partitions,
    Progress,
    ProgressEvent,
    has_numba,
    run_in_threads,
    silent,
)
from linkkit.errors import LinkageError
from linkkit.linkage.block.lsh import (
    FilterPlan,
    count_all,
    exhaustive_seconds,
    plan_tables,
    seconds_of,
    unpacked,
)
from linkkit.linkage.compare.kept import groups_of, lasting
from linkkit.linkage.compare.vectors import _reference as _vector_reference
from linkkit.linkage.compare.vectors import _table_reference
from linkkit.linkage.compare.vectors.distinct import Distinct, digests
from linkkit.linkage.compare.vectors.samples import (
    Sampled,
    Sought,
    affordable_rows,
    near_pairs,
    people_to_link,
    sampled_pairs,
)
from linkkit.linkage.compare.vectors.similar import Measure

__all__ = ["Found", "common_bits", "find_near"]

_COMPARISONS_PER_CHUNK = 20_000_000
_FIRST_CAPACITY = 65_536
_MOST_PARTNERS = 4_096
_PARTNERS_OVER_EXPECTED = 64
_SPLITS = 3
_ROWS_FOR_SPLIT = 2_048
_BALANCED = 64
_MOST_BITS_OF_KEY = 31
_LOW = np.uint64(0xFFFFFFFF)

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Found:
    """Pairs of rows, sorted, the bits that they have in common, and how they were found."""

    left: _Ints
    right: _Ints
    common: _Ints
    plan: FilterPlan


def find_near(
    words: _Words,
    party: _Ints,
    clean: npt.NDArray[np.bool_],
    sought: Sought,
    *,
    store: Partitions | None = None,
    n_threads: int | None = None,
    progress: Progress = silent,
) -> Found | None:
    """Find similar pairs in tables, if that is cheaper than to compare all.

    Parameters
    ----------
    words : ndarray of uint64, shape (n, n_words)
        Filters, sorted by party.
    party : ndarray of int64, shape (n,)
        Parties, from 0.
    clean : ndarray of bool, shape (n_parties,)
        Whether a party's rows are not compared with each other.
    sought : Sought
        What is sought.
    store : Partitions, optional
        Where what groups of tables found is kept; what it has is not sought again.

    Returns
    -------
    Found or None
        Nothing where all pairs are better compared.

    Raises
    ------
    LinkageError
        When there are more pairs than `max_pairs`.
    """
    prepared = _prepared(words, party, clean, sought, n_threads)
    if prepared is None:
        return None
    rows, sampled, weight, table = prepared
    keys, plan = _run(table, store=lasting(store), n_threads=n_threads, progress=progress)
    share = _share_found(sampled, weight, keys, plan, sought)
    left, right, common = rows.expanded(
        _exact(rows.words, keys, sought),
        clean=clean,
        measure=sought.measure,
        threshold=sought.threshold,
        max_pairs=sought.max_pairs,
    )
    n_pairs = count_all(np.bincount(party, minlength=len(clean)).astype(np.int64), clean)
    done = replace(plan, n_pairs=n_pairs, pair_completeness=share)
    return Found(left=left, right=right, common=common, plan=done)


def plan_near(
    words: _Words,
    party: _Ints,
    clean: npt.NDArray[np.bool_],
    sought: Sought,
    *,
    n_threads: int | None = None,
) -> tuple[FilterPlan, float] | None:
    """Return the tables by which :func:`find_near` would go, and their seconds on one processor."""
    prepared = _prepared(words, party, clean, sought, n_threads)
    if prepared is None:
        return None
    plan = prepared.table.plan
    return plan, seconds_of(plan, len(prepared.rows.words))


class _Prepared(NamedTuple):
    """Rows that are distinct, similar pairs of some of them and how likely each is wanted, tables."""

    rows: Distinct
    sampled: Sampled
    weight: _Floats
    table: _Table


def _prepared(
    words: _Words,
    party: _Ints,
    clean: npt.NDArray[np.bool_],
    sought: Sought,
    n_threads: int | None,
) -> _Prepared | None:
    everybody = np.bincount(party, minlength=len(clean)).astype(np.int64)
    if not sought.always_tables and _whole(everybody, clean, words) <= sought.affordable:
        return None
    rows = Distinct.of(words, party, n_parties=len(clean))
    unique, own = rows.words, rows.party
    digest = digests(unique)
    people = people_to_link(unique, own, clean, digest)
    n_sampled = affordable_rows(people, unique, sought)
    sampled = sampled_pairs(
        unique, own, clean, sought, digest, n_rows=n_sampled, n_threads=n_threads
    )
    weight = sought.likely(sampled)
    plan = plan_tables(people, near_pairs(unique, sampled, weight, sought), recall=sought.recall)
    whole = _whole(people.sizes, clean, words)
    if plan is None or (not sought.always_tables and seconds_of(plan, len(unique)) >= whole):
        return None
    table = _Table(unique, own, clean, plan=plan, sought=sought, digest=digest)
    return _Prepared(rows, sampled, weight, table)


def _whole(sizes: _Ints, clean: npt.NDArray[np.bool_], words: _Words) -> float:
    return exhaustive_seconds(count_all(sizes, clean), words.shape[1])


def _share_found(
    sampled: Sampled, weight: _Floats, keys: _Words, plan: FilterPlan, sought: Sought
) -> float:
    """Return the share of the sampled pairs that was found; what was planned counts for the expected."""
    at = np.minimum(np.searchsorted(keys, sampled.key), max(len(keys) - 1, 0))
    found = keys[at] == sampled.key if len(keys) else np.zeros(len(sampled.key), dtype=np.bool_)
    expected = sought.expected_weight
    right = float(weight[found].sum()) + expected * plan.pair_completeness
    return right / max(float(weight.sum()) + expected, 1e-12)


def _exact(words: _Words, keys: _Words, sought: Sought) -> tuple[_Ints, _Ints, _Ints]:
    """Return the pairs that are similar enough, and the bits they have in common."""
    left, right = (keys >> np.uint64(32)).astype(np.int64), (keys & _LOW).astype(np.int64)
    common = common_bits(words, left, right)
    n_set = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    score = _vector_reference.similarities(
        sought.measure, common, n_set[left], n_set[right], n_bits=64 * words.shape[1]
    )
    enough = score >= sought.threshold
    return left[enough], right[enough], common[enough]


def common_bits(words: _Words, left: _Ints, right: _Ints) -> _Ints:
    """Return how many bits the rows of each pair have in common."""
    if not has_numba():
        return _table_reference.common_bits(words, left, right)
    from linkkit.linkage.compare.vectors import _table_kernels

    common = np.zeros(len(left), dtype=np.int64)
    kernel: Any = _table_kernels.common_bits
    kernel(words, left, right, common)
    return common


def _event(done: int, total: int) -> ProgressEvent:
    return ProgressEvent(stage="compare", done=done, total=total, unit="comparisons")


def _run(
    table: _Table, *, store: Partitions | None, n_threads: int | None, progress: Progress
) -> tuple[_Words, FilterPlan]:
    """Go through all tables; return the keys of pairs, sorted, and what was done."""
    plan, max_pairs = table.plan, table.sought.max_pairs
    keys, waiting = np.zeros(0, dtype=np.uint64), [np.zeros(0, dtype=np.uint64)]
    done, n_crowded, n_waiting, aside = 0, 0, 0, 0
    for answer in _answers(table, store, n_threads):
        done += answer.n_comparisons
        n_crowded, aside = n_crowded + answer.n_crowded, max(aside, answer.n_set_aside)
        waiting.append(answer.keys)
        n_waiting += len(answer.keys)
        if n_waiting > max(len(keys), _COMPARISONS_PER_CHUNK):
            keys, waiting, n_waiting = _once([keys, *waiting]), [], 0
        if len(keys) > max_pairs:
            break
        progress(_event(min(done, plan.n_comparisons), plan.n_comparisons))
    keys = _once([keys, *waiting])
    progress(_event(done, done))  # the total before was that expected
    if len(keys) > max_pairs:
        raise LinkageError(
            f"more than {max_pairs:,} pairs are at least {table.sought.threshold:g} alike",
            hint="Raise the threshold, or max_pairs if there is memory.",
        )
    warnings = plan.warnings
    if n_crowded:
        warnings += (
            f"up to {aside:,} filters that hardly differ were set aside in {n_crowded} of "
            f"{plan.n_tables} tables: too many agreed in all of the bits that were looked at",
        )
    return keys, replace(plan, n_comparisons=done, warnings=warnings)


def _answers(table: _Table, store: Partitions | None, n_threads: int | None) -> Iterator[_Answer]:
    """Yield what each table finds, or the tables of a finished partition found."""
    for numbers in groups_of(range(table.plan.n_tables), store):
        name = f"tables-{numbers[0]:05d}-{numbers[-1]:05d}"
        if store is not None and name in store:
            yield _Answer.read(store.get(name)[0])
            continue
        answers = []
        for answer in run_in_threads(table, numbers, n_threads=n_threads):
            yield answer
            if store is not None:
                answers.append(answer)
        if store is not None:
            store.put(name, [_Answer.of_all(answers).written()])


def _once(parts: list[_Words]) -> _Words:
    """Return all keys sorted, each once; by sorting, which is faster here than hashing."""
    keys = np.concatenate(parts)
    keys.sort()
    is_new = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    return np.asarray(keys[is_new])


class _Answer(NamedTuple):
    """What tables found; of how many some rows were set aside, and how many at most."""

    keys: _Words
    n_comparisons: int
    n_crowded: int
    n_set_aside: int

    @classmethod
    def of_all(cls, answers: list[_Answer]) -> _Answer:
        keys, n_comparisons, n_crowded, n_set_aside = zip(*answers, strict=True)
        return cls(_once(list(keys)), sum(n_comparisons), sum(n_crowded), max(n_set_aside))

    def written(self) -> _Words:
        """Return all in one column: numbers lead and pairs follow, so that none is kept alone."""
        return np.concatenate([np.array(self[1:], dtype=np.uint64), self.keys])

    @classmethod
    def read(cls, column: _Words) -> _Answer:
        n_comparisons, n_crowded, n_set_aside = column[:3].tolist()
        return cls(column[3:], n_comparisons, n_crowded, n_set_aside)


class _Table:
    """One table as a task for threads: its number in, the pairs found out."""

    def __init__(
        self,
        words: _Words,
        party: _Ints,
        clean: npt.NDArray[np.bool_],
        *,
        plan: FilterPlan,
        sought: Sought,
        digest: _Words,
    ) -> None:
        self.words, self.clean, self.plan, self.sought = words, clean, plan, sought
        self.digest = digest
        self.party = party.astype(np.int32)
        self.n_set = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
        self.sketches = np.ascontiguousarray(words[:, list(plan.sketch)])
        expected = plan.n_comparisons / max(plan.n_tables * len(words), 1)
        self.most_partners = max(_MOST_PARTNERS, int(_PARTNERS_OVER_EXPECTED * expected))
        self.compiled = has_numba()
        if self.compiled:
            from linkkit.linkage.compare.vectors._table_kernels import SKETCH

            missing = SKETCH - self.sketches.shape[1]
            self.sketches = np.pad(self.sketches, ((0, 0), (0, missing)))

    def __call__(self, number: int) -> _Answer:
        bits = np.array(self.plan.tables[number], dtype=np.int64)
        answers = self._answers(None, bits, number, 0)
        n_set_aside = sum(answer[2] for answer in answers)
        return _Answer(
            np.concatenate([part for answer in answers for part in answer[0]] or [self._none()]),
            sum(answer[1] for answer in answers),
            int(n_set_aside > 0),
            n_set_aside,
        )

    @staticmethod
    def _none() -> _Words:
        return np.zeros(0, dtype=np.uint64)

    def _answers(
        self, rows: _Ints | None, bits: _Ints, number: int, n_splits: int
    ) -> list[tuple[list[_Words], int, int]]:
        """Compare those of the rows that agree in the bits, all rows if none are given."""
        order, first, last = self._buckets(rows, bits)
        crowds = list(self._crowds(first, last))
        answers = []
        for a, b in crowds:
            answers += self._split(np.sort(order[a:b]), number, n_splits)
            first[a:b] = last[a:b]
        n_comparisons = int(np.subtract(last, first, dtype=np.int64).sum())
        return [(self._scanned(order, first, last), n_comparisons, 0), *answers]

    def _crowds(
        self, first: npt.NDArray[np.int32], last: npt.NDArray[np.int32]
    ) -> Iterator[tuple[int, int]]:
        """Yield the places of buckets whose rows have too many partners on average."""
        n_partners = last - first
        if int(n_partners.max(initial=0)) <= self.most_partners:
            return
        ends = np.flatnonzero(np.append(last[1:] != last[:-1], True)) + 1
        starts = np.append(0, ends[:-1])
        n_pairs = np.add.reduceat(n_partners, starts, dtype=np.int64)
        for i in np.flatnonzero(n_pairs > (ends - starts) * self.most_partners).tolist():
            yield int(starts[i]), int(ends[i])

    def _split(
        self, rows: _Ints, number: int, n_splits: int
    ) -> list[tuple[list[_Words], int, int]]:
        """Tell a crowd apart by further bits, those that are set in about half of it."""
        some = rows[np.argsort(self.digest[rows], kind="stable")[:_ROWS_FOR_SPLIT]]
        often = np.abs(unpacked(self.words[some]).mean(axis=0) - 0.5)
        telling = np.argsort(np.round(often, 9), kind="stable")[:_BALANCED]
        telling = telling[often[telling] < 0.5 - 1e-9]
        n_bits = math.ceil(math.log2(8 * len(rows) / self.most_partners))
        if n_splits == _SPLITS or not len(telling):
            return [([], 0, len(rows))]
        rng = np.random.default_rng([number, n_splits])
        bits = np.sort(rng.permutation(telling)[: min(n_bits, _MOST_BITS_OF_KEY)])
        return self._answers(rows, bits, number, n_splits + 1)

    def _buckets(
        self, rows: _Ints | None, bits: _Ints
    ) -> tuple[_Ints, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return rows sorted by bucket, and the places of each one's partners."""
        words = self.words if rows is None else self.words[rows]
        party = self.party if rows is None else self.party[rows]
        if not self.compiled:
            keys = np.sort(_table_reference.gather_keys(words, bits))
            order, begin, end = _table_reference.bucket_ranges(keys, party, self.clean)
            first, last = begin.astype(np.int32), end.astype(np.int32)
        else:
            from linkkit.linkage.compare.vectors import _table_kernels

            gather: Any = _table_kernels.gather_keys
            ranges: Any = _table_kernels.bucket_ranges
            keys = np.empty(len(words), dtype=np.uint64)
            gather(words, bits // 64, (bits % 64).astype(np.uint64), keys)
            keys.sort()
            order = np.empty(len(words), dtype=np.int64)
            first, last = np.empty((2, len(words)), dtype=np.int32)
            ranges(keys, party, self.clean, order, first, last)
        return (order if rows is None else rows[order]), first, last

    def _scanned(
        self, order: _Ints, first: npt.NDArray[np.int32], last: npt.NDArray[np.int32]
    ) -> list[_Words]:
        most = self.plan.most_different
        if not self.compiled:
            return _table_reference.scan_buckets(
                self.sketches, order, first.astype(np.int64), last.astype(np.int64), most=most
            )
        from linkkit.linkage.compare.vectors import _table_kernels

        gather: Any = _table_kernels.gather_sketches
        scan: Any = _table_kernels.scan_buckets
        columns = np.empty((_table_kernels.SKETCH, len(order)), dtype=np.uint64)
        gather(self.sketches, order, columns)
        is_near = np.zeros(_table_kernels.LANES, dtype=np.uint8)
        found, out = [], np.empty(_FIRST_CAPACITY, dtype=np.uint64)
        ends = np.cumsum(last - first, dtype=np.int64)
        start = 0
        while start < len(order):
            before = int(ends[start - 1]) if start else 0
            stop = int(np.searchsorted(ends, before + _COMPARISONS_PER_CHUNK, side="right"))
            stop = max(stop, start + 1)
            n = scan(
                columns, self.words, self.n_set, order, first, last, start, stop, most,
                get_args(Measure).index(self.sought.measure), self.sought.threshold,
                64 * self.words.shape[1], is_near, is_near.view(np.uint64), out,
            )  # fmt: skip
            if n > len(out):
                out = np.empty(2 * int(n), dtype=np.uint64)
                continue
            found.append(out[:n].copy())
            start = stop
        return found
