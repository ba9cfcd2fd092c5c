"""Runs tables of sampled bits, in threads, in memory that is used again and again."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba, run_in_threads
from linkkit.linkage.block import PassPlan
from linkkit.linkage.block.passes import N_SIGNED_WORDS, table_place
from linkkit.linkage.compare.passes import _table_reference as _pass_table_reference
from linkkit.linkage.compare.passes.pairs import distances_in_pass, farthest
from linkkit.linkage.pool import Pool

__all__ = ["TableRun", "among"]

_FIRST_CAPACITY = 16_384
_SURELY_ALIKE = 8.0

_Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
_Near = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Pairs, and in how many bits of the signs they differ."""


def among(values: npt.NDArray[np.int64], ascending: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which values are among others, which ascend."""
    if not len(ascending):
        return np.zeros(len(values), dtype=np.bool_)
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[places] == values)


class _Desk(NamedTuple):
    """Room that one table is worked on in."""

    ends: npt.NDArray[np.int64]
    order: npt.NDArray[np.int32]
    signs: npt.NDArray[np.uint64]
    is_near: npt.NDArray[np.uint8]
    found: npt.NDArray[np.int64]


class _Members(NamedTuple):
    """Who takes part in the tables of a pass, ascending, and the signs of each."""

    rows: npt.NDArray[np.int64]
    signs: npt.NDArray[np.uint64]
    party_ends: npt.NDArray[np.int64]


class TableRun:
    """Tables of some records.

    Getting memory from the system takes longer than the work that is done in it, so it is kept: of a
    table, of the words that the next tables look at, and of the signs, the first words, in each pass.
    """

    def __init__(
        self,
        pool: Pool,
        members: npt.NDArray[np.int64],
        crowded: list[npt.NDArray[np.int64]],
        *,
        plan: PassPlan,
        n_threads: int | None,
    ) -> None:
        self.pool, self.all_members, self.crowded = pool, members, crowded
        self.bits, self.n_threads = plan.bits_per_table, n_threads
        self.compiled = has_numba()
        self.most_signs = farthest(plan.n_first_bits, plan.first_deviations)
        self.most_sure = farthest(plan.n_first_bits, _SURELY_ALIKE)
        self.members: dict[int, _Members] = {}
        self.rooms: dict[int, npt.NDArray[np.uint64]] = {}
        self.desks: list[_Desk] = []
        self.keys = np.empty(0, dtype=np.uint64)

    @property
    def n_members(self) -> int:
        """How many records take part."""
        return len(self.all_members)

    def go_on_with(self, members: npt.NDArray[np.int64]) -> None:
        """Let these alone take part in the tables that follow."""
        if len(members) > self.n_members:
            self.desks.clear()
        self.all_members = members
        self.members.clear()

    def tables(self, plan: PassPlan, k: int, n_new: int) -> _Pairs:
        """Return the pairs that the next tables of pass `k` find, as positions in the pool."""
        numbers = range(plan.n_tables[k], plan.n_tables[k] + n_new)
        members = self._members_of(k)
        first, last = (table_place(table, self.bits)[0] for table in (numbers[0], numbers[-1]))
        size = (last + 1 - first) * len(members.rows)
        if size > len(self.keys):
            self.keys = np.empty(size, dtype=np.uint64)
        room = self.keys[:size].reshape(len(members.rows), -1)
        keys = self._words(k, members.rows, first, room)
        most = farthest(self.pool.spec.passes[k].n_bits, plan.deviations)

        def join(table: int) -> _Pairs:
            word, shift = table_place(table, self.bits)
            answer = self._compiled_join if self.compiled else self._plain_join
            return self._near(k, most, *answer(members, keys, word - first, shift))

        answers = list(run_in_threads(join, numbers, n_threads=self.n_threads))
        left, right = (np.concatenate(side) for side in zip(*answers, strict=True))
        return left, right

    def _near(
        self,
        k: int,
        most: int,
        left: npt.NDArray[np.int64],
        right: npt.NDArray[np.int64],
        apart: npt.NDArray[np.int64],
    ) -> _Pairs:
        """Return the pairs that are near in all of a pass; those surely alike in the signs are taken for it."""
        # Looking a record up takes longer than a thousand comparisons of signs.
        unsure = np.flatnonzero(apart > self.most_sure)
        kept = apart <= self.most_sure
        distances = distances_in_pass(self.pool.pass_words, k, left[unsure], right[unsure])
        kept[unsure] = distances <= most
        return left[kept], right[kept]

    def _members_of(self, k: int) -> _Members:
        if k not in self.members:
            rows = self.all_members[~among(self.all_members, self.crowded[k])]
            if k not in self.rooms or len(self.rooms[k]) < len(rows):
                self.rooms[k] = np.empty((len(rows), N_SIGNED_WORDS), dtype=np.uint64)
            room = self.rooms[k][: len(rows)]
            sizes = np.bincount(self.pool.party[rows], minlength=len(self.pool.parties))
            signs = self._words(k, rows, 0, room)
            self.members[k] = _Members(rows, signs, np.cumsum(sizes))
        return self.members[k]

    def _words(
        self, k: int, rows: npt.NDArray[np.int64], first: int, room: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.uint64]:
        """Return as many words of some rows in pass `k`, from the first on, as there is room for."""
        gather: Any = _pass_table_reference.gather_words
        if self.compiled:
            from linkkit.linkage.compare.passes import _table_kernels as _pass_table_kernels

            gather = _pass_table_kernels.gather_words
        everybody = np.arange(len(rows))
        for share in self.pool.pass_words.shares(rows):
            words = self.pool.pass_words.runs[share.run][k]
            gather(words, share.rows, everybody[share.places], first, room)
        return room

    def _plain_join(
        self, members: _Members, keys: npt.NDArray[np.uint64], column: int, shift: int
    ) -> _Near:
        return _pass_table_reference.join_table(
            members.signs, members.rows, self.pool.party[members.rows], self.pool.clean,
            keys[:, column] >> np.uint64(shift) & np.uint64((1 << self.bits) - 1),
            most_signs=self.most_signs,
        )  # fmt: skip

    def _compiled_join(
        self, members: _Members, keys: npt.NDArray[np.uint64], column: int, shift: int
    ) -> _Near:
        from linkkit.linkage.compare.passes import _table_kernels as _pass_table_kernels

        kernels: Any = _pass_table_kernels
        desk = self._desk(_pass_table_kernels.LANES)
        kernels.sort_table(
            keys, column, np.uint64(shift), np.uint64((1 << self.bits) - 1), members.signs,
            desk.ends, desk.order, desk.signs,
        )  # fmt: skip
        largest = int(np.diff(desk.ends, prepend=0).max()) + _pass_table_kernels.LANES
        side = np.zeros((N_SIGNED_WORDS, largest), dtype=np.uint64)
        while True:
            n_found = kernels.join_table(
                desk.ends, desk.order, desk.signs, members.party_ends, self.pool.clean,
                members.rows, np.uint64(self.most_signs), *side,
                desk.is_near, desk.is_near.view(np.uint64), *desk.found,
            )  # fmt: skip
            if n_found <= desk.found.shape[1]:
                left, right, apart = desk.found[:, :n_found].copy()
                self.desks.append(desk)
                return left, right, apart
            desk = desk._replace(found=np.empty((3, 2 * n_found), dtype=np.int64))

    def _desk(self, lanes: int) -> _Desk:
        """Return a desk that is free, to be put back."""
        try:
            return self.desks.pop()
        except IndexError:
            return _Desk(
                ends=np.zeros(1 << self.bits, dtype=np.int64),
                order=np.empty(self.n_members, dtype=np.int32),
                signs=np.empty((self.n_members, N_SIGNED_WORDS), dtype=np.uint64),
                is_near=np.zeros(lanes, dtype=np.uint8),
                found=np.empty((3, _FIRST_CAPACITY), dtype=np.int64),
            )
