"""Finds pairs that are alike in some pass without comparing all: equal filters, then tables.

First come the pairs with an equal filter. Where two records are equal in all fields, and neither is so
to anybody else, and both parties hold each person once, their match is certain enough to leave both out of
the rest. The others meet in tables of sampled bits, a few in each pass at first, and then where most
is expected to be found: a pair that was found tells by its correlations how probable that was, and so
how many of its like were missed (Horvitz and Thompson, 1952).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress, ProgressEvent, run_in_threads
from linkkit.exchange import EncodingSpec
from linkkit.linkage.block import PassPlan
from linkkit.linkage.block.equal_filters import MOST_EQUAL, meet_equal
from linkkit.linkage.block.passes import (
    N_SIGNED_WORDS,
    completeness,
    most_tables,
    plan_tables,
    table_place,
    table_seconds,
)
from linkkit.linkage.compare import _table_reference
from linkkit.linkage.compare.pass_pairs import PassPairs, compare_passes, farthest
from linkkit.linkage.compare.pairs import has_numba
from linkkit.linkage.pool import Pool

__all__ = ["find_in_tables"]

_FIRST_CAPACITY = 4_096
_TABLES_AT_ONCE = 16
_LEAST_GAIN = 2.0e-4
_FEWEST_SEEN = 200
_SURELY_ALIKE = 8.0
_LIKE_FROM = 6.0
_SALTS_OF_LIKE = 2
_MOST_ALIKE = 50.0

_Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def find_in_tables(
    pool: Pool, plan: PassPlan, *, n_threads: int | None, progress: Progress
) -> tuple[PassPairs, PassPlan]:
    """Find the pairs that are alike in some pass, as far as tables do.

    Parameters
    ----------
    pool : Pool
        Records with passes.
    plan : PassPlan
        A plan with tables, the most that may be made.
    n_threads : int, optional
        As many as there are processors by default.
    progress : callable
        Told how many comparisons were made.

    Returns
    -------
    PassPairs, PassPlan
        Each pair once, sorted; and the plan as it was carried out.
    """
    found, crowded = _equal_pairs(pool)
    members = _open_members(pool, found)
    plan = plan_tables(
        pool.spec.passes, plan, n_members=len(members), n_meeting=_n_meeting(pool, members)
    )
    most = plan.n_tables
    plan = replace(plan, n_tables=(0,) * len(most), skipped=_set_aside(plan, crowded))
    total = round(plan.n_meeting * sum(most) / 2**plan.bits_per_table)
    prepared: dict[int, _Members] = {}
    while (k := _next_pass(pool.spec, plan, found, most, len(members))) is not None:
        run = min(_TABLES_AT_ONCE, _n_possible(pool.spec, plan) - plan.n_tables[k])
        if k not in prepared:
            prepared[k] = _members_of(pool, k, members[~_among(members, crowded[k])])
        new = _run_tables(pool, plan, k, prepared[k], run, n_threads)
        plan = replace(plan, n_tables=_more(plan.n_tables, k, run))
        found = _united(pool, found, new)
        progress(_event(plan.n_comparisons, total))
    progress(_event(total, total))
    reachable = completeness(pool.spec.passes, replace(plan, n_tables=()))
    share = _share_found(pool.spec, plan, found)
    return found, replace(plan, pair_completeness=share * reachable)


def _event(done: int, total: int) -> ProgressEvent:
    return ProgressEvent(stage="compare", done=min(done, total), total=total, unit="comparisons")


def _equal_pairs(pool: Pool) -> tuple[PassPairs, list[npt.NDArray[np.int64]]]:
    """Return the pairs with an equal filter in some pass, and in each pass who is set aside."""
    keys, crowded = [], []
    for start in pool.word_starts[:-1]:
        left, right, aside = meet_equal(pool, pool.words[:, start])
        keys.append(left * len(pool) + right)
        crowded.append(aside)
    united = np.unique(np.concatenate(keys))
    return compare_passes(pool, united // len(pool), united % len(pool)), crowded


def _set_aside(plan: PassPlan, crowded: list[npt.NDArray[np.int64]]) -> tuple[str, ...]:
    return tuple(
        f"{name}: {len(aside):,} records, whose filter is that of more than {MOST_EQUAL:,} pairs"
        for name, aside in zip(plan.names, crowded, strict=True)
        if len(aside)
    )


def _open_members(pool: Pool, found: PassPairs) -> npt.NDArray[np.int64]:
    """Return the records whose matches are not certain yet, ascending."""
    is_open = np.ones(len(pool), dtype=np.bool_)
    n_parties = len(pool.parties)
    if bool(pool.clean.all()):
        certain = _equal_in_all(pool.spec, found)
        ends = np.concatenate([found.left[certain], found.right[certain]])
        others = np.concatenate([found.right[certain], found.left[certain]])
        slots, counts = np.unique(ends * n_parties + pool.party[others], return_counts=True)
        alone = np.bincount(slots[counts == 1] // n_parties, minlength=len(pool))
        is_open = alone < n_parties - 1
        # A pair stays open unless both its records can have no other match.
        rival = is_open[found.left] | is_open[found.right]
        is_open[found.left[certain & rival]] = True
        is_open[found.right[certain & rival]] = True
    return np.flatnonzero(is_open)


def _equal_in_all(spec: EncodingSpec, pairs: PassPairs) -> npt.NDArray[np.bool_]:
    """Return which pairs are equal in passes that together hold all fields."""
    holds = np.array(
        [
            [
                name in {field.name for field in item.fields}
                or name in {source.name for source in item.salt if source.part == "whole"}
                for name in spec.fields
            ]
            for item in spec.passes
        ]
    )
    return np.asarray(((pairs.correlations == 1).astype(np.int64) @ holds > 0).all(axis=1))


def _n_meeting(pool: Pool, members: npt.NDArray[np.int64]) -> int:
    """Return how many pairs of some records may match."""
    sizes = np.bincount(pool.party[members], minlength=len(pool.parties)).tolist()
    whole = sum(sizes) * (sum(sizes) - 1) // 2
    return whole - sum(
        n * (n - 1) // 2 for n, clean in zip(sizes, pool.clean, strict=True) if clean
    )


def _more(n_tables: tuple[int, ...], k: int, run: int) -> tuple[int, ...]:
    return tuple(n + run * (i == k) for i, n in enumerate(n_tables))


def _united(pool: Pool, found: PassPairs, new: _Pairs) -> PassPairs:
    """Return the pairs found with new ones, which are compared in all passes if they are new."""
    keys = found.left * len(pool) + found.right
    more = np.unique(new[0] * len(pool) + new[1])
    more = more[~_among(more, keys)]
    if not len(more):
        return found
    compared = compare_passes(pool, more // len(pool), more % len(pool))
    places = np.searchsorted(keys, more)
    return PassPairs(
        left=np.insert(found.left, places, compared.left),
        right=np.insert(found.right, places, compared.right),
        correlations=np.insert(found.correlations, places, compared.correlations, axis=0),
    )


def _among(
    values: npt.NDArray[np.int64], ascending: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return which values are among others, which ascend."""
    if not len(ascending):
        return np.zeros(len(values), dtype=np.bool_)
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[places] == values)


# --- what is left to be found -----------------------------------------------------------------


class _Likes(NamedTuple):
    """Pairs that look like one person's: how many, and of those unequal in all passes, some."""

    n_equal: int
    n_unequal: int
    correlations: npt.NDArray[np.float64]


_MOST_LIKES = 5_000


def _likes(spec: EncodingSpec, pairs: PassPairs) -> _Likes:
    """Return the pairs that are alike in several salts, of which few are of strangers."""
    n_bits = np.array([item.n_bits for item in spec.passes])
    alike = pairs.correlations * np.sqrt(n_bits)[None, :] > _LIKE_FROM
    salts = [item.salt for item in spec.passes]
    n_salts = sum(
        alike[:, [k for k, other in enumerate(salts) if other == salt]].any(axis=1).astype(np.int64)
        for salt in dict.fromkeys(salts)
    )
    like = np.asarray(n_salts) >= _SALTS_OF_LIKE
    equal = like & (pairs.correlations == 1).any(axis=1)
    unequal = np.flatnonzero(like & ~equal)
    some = unequal[:: max(len(unequal) // _MOST_LIKES, 1)]
    return _Likes(int(equal.sum()), len(unequal), pairs.correlations[some])


def _missed(plan: PassPlan, likes: _Likes) -> npt.NDArray[np.float64]:
    """Return how many pairs like each of those that were found were missed."""
    missing = np.ones(len(likes.correlations))
    for k in range(len(plan.names)):
        missing *= 1 - plan.share_found(k, likes.correlations[:, k])
    each = likes.n_unequal / max(len(missing), 1)
    return each * np.minimum(missing / np.maximum(1 - missing, 1e-9), _MOST_ALIKE)


def _share_found(spec: EncodingSpec, plan: PassPlan, found: PassPairs) -> float:
    """Return the share of what all tables would find that was found."""
    likes = _likes(spec, found)
    n_found = likes.n_equal + likes.n_unequal
    if n_found < _FEWEST_SEEN:
        whole = completeness(spec.passes, replace(plan, n_tables=()))
        return completeness(spec.passes, plan) / whole
    return n_found / (n_found + float(_missed(plan, likes).sum()))


def _next_pass(
    spec: EncodingSpec, plan: PassPlan, found: PassPairs, most: tuple[int, ...], n_members: int
) -> int | None:
    """Return the pass in which the next tables are made; none, if they would find too little."""
    done = np.array(plan.n_tables)
    left = np.flatnonzero(done < _n_possible(spec, plan))
    if done.sum() >= sum(most) or not len(left):
        return None
    likes = _likes(spec, found)
    n_found = likes.n_equal + likes.n_unequal
    fewest = int(left[np.argmin(done[left])])
    if done[fewest] == 0 or n_found < _FEWEST_SEEN:
        return fewest
    missed = _missed(plan, likes)
    gains = []
    for k in left.tolist():
        now = plan.share_found(k, likes.correlations[:, k])
        then = replace(plan, n_tables=_more(plan.n_tables, k, _TABLES_AT_ONCE))
        more = then.share_found(k, likes.correlations[:, k]) - now
        gains.append(float(missed @ (more / np.maximum(1 - now, 1e-9))))
    if max(gains) < _LEAST_GAIN * n_found * _TABLES_AT_ONCE * table_seconds(plan, n_members):
        return None
    return int(left[int(np.argmax(gains))])


# --- tables -----------------------------------------------------------------------------------


def _n_possible(spec: EncodingSpec, plan: PassPlan) -> int:
    return min(most_tables(item.n_words, plan.bits_per_table) for item in spec.passes)


class _Members(NamedTuple):
    """Who takes part in the tables of a pass, ascending, and the signs of each, as columns."""

    rows: npt.NDArray[np.int64]
    signs: npt.NDArray[np.uint64]


def _members_of(pool: Pool, k: int, rows: npt.NDArray[np.int64]) -> _Members:
    signs = _columns(pool, rows, int(pool.word_starts[k]), N_SIGNED_WORDS)
    return _Members(rows, signs)


def _columns(
    pool: Pool, rows: npt.NDArray[np.int64], first: int, n_words: int
) -> npt.NDArray[np.uint64]:
    if not has_numba():
        return _table_reference.gather_columns(pool.words, rows, first, n_words)
    from linkkit.linkage.compare import _table_kernels

    out = np.empty((n_words, len(rows)), dtype=np.uint64)
    kernel: Any = _table_kernels.gather_columns
    kernel(pool.words, rows, first, out)
    return out


def _run_tables(
    pool: Pool, plan: PassPlan, k: int, members: _Members, run: int, n_threads: int | None
) -> _Pairs:
    """Return the pairs that the next tables of a pass find."""
    tables = range(plan.n_tables[k], plan.n_tables[k] + run)
    make = _Tables(pool, plan, k, members, tables)
    answers = list(run_in_threads(make, tables, n_threads=n_threads))
    left, right = (np.concatenate(side) for side in zip(*answers, strict=True))
    return left, right


class _Tables:
    """Tables as tasks for threads: the number of one in, the pairs that it finds out."""

    def __init__(
        self, pool: Pool, plan: PassPlan, k: int, members: _Members, tables: range
    ) -> None:
        self.pool, self.members, self.bits = pool, members, plan.bits_per_table
        self.first_word, self.last_word = (int(w) for w in pool.word_starts[k : k + 2])
        self.most = farthest(pool.spec.passes[k].n_bits, plan.deviations)
        self.most_signs = farthest(plan.n_first_bits, plan.first_deviations)
        self.most_sure = farthest(plan.n_first_bits, _SURELY_ALIKE)
        self.mask = np.uint64((1 << self.bits) - 1)
        self.first_key = table_place(tables[0], self.bits)[0]
        n_keys = table_place(tables[-1], self.bits)[0] + 1 - self.first_key
        self.keys = _columns(pool, members.rows, self.first_word + self.first_key, n_keys)
        self.party = pool.party[members.rows]
        self.compiled = has_numba()

    def __call__(self, table: int) -> _Pairs:
        word, shift = table_place(table, self.bits)
        join = self._compiled_join if self.compiled else self._plain_join
        return join(self.keys[word - self.first_key], np.uint64(shift))

    def _plain_join(self, keys: npt.NDArray[np.uint64], shift: np.uint64) -> _Pairs:
        return _table_reference.join_table(
            self.pool.words[:, self.first_word : self.last_word], self.members.rows, self.party,
            self.pool.clean, keys >> shift & self.mask, n_signed=N_SIGNED_WORDS,
            most_signs=self.most_signs, most_sure=self.most_sure, most=self.most,
        )  # fmt: skip

    def _compiled_join(self, keys: npt.NDArray[np.uint64], shift: np.uint64) -> _Pairs:
        from linkkit.linkage.compare import _table_kernels

        kernels: Any = _table_kernels
        rows = self.members.rows
        ends = np.zeros(1 << self.bits, dtype=np.int64)
        order = np.empty(len(rows), dtype=np.int32)
        signs = np.empty((N_SIGNED_WORDS, len(rows) + kernels.LANES), dtype=np.uint64)
        kernels.sort_table(keys, shift, self.mask, self.members.signs, ends, order, signs)
        is_near = np.zeros(kernels.LANES, dtype=np.uint8)
        sizes = np.bincount(self.party, minlength=len(self.pool.parties))
        capacity = _FIRST_CAPACITY
        while True:
            left = np.empty(capacity, dtype=np.int64)
            right = np.empty(capacity, dtype=np.int64)
            n_found = kernels.join_table(
                ends, order, *signs, np.cumsum(sizes), self.pool.clean, self.pool.words, rows,
                self.first_word, self.last_word, np.uint64(self.most_signs),
                np.uint64(self.most_sure), self.most, is_near, is_near.view(np.uint64), left, right,
            )  # fmt: skip
            if n_found <= capacity:
                return left[:n_found], right[:n_found]
            capacity = int(n_found)
