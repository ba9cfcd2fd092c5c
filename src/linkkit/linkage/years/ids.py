"""Ids of people and households that stay from one delivery to the next, and what became of those that did not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.exchange.changes import ChangeKind, ChangeReason
from linkkit.exchange.columns import TOKEN_TYPE, token_array
from linkkit.linkage.cluster import one_to_one
from linkkit.linkage.crosswalk import IdKind, fresh_ids
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.years.delivery import Delivery
from linkkit.linkage.years.kept import HadIds, KeptIds
from linkkit.linkage.years.tokens import among_tokens

__all__ = ["GivenIds", "IdKind", "carry_ids", "give_ids"]

_Bools = npt.NDArray[np.bool_]
_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class GivenIds:
    """The ids of people, or of households.

    Attributes
    ----------
    of_records : ndarray of uint8, shape (n_records, 16)
        The id of each record's person or household; zero where it has none.
    retired : ndarray of uint8, shape (n, 16)
        All ids that were given once and nobody has any more, sorted.
    changes : pyarrow.Table
        What became of ids with this delivery: the old one, the new one, kind, since and why.
    """

    of_records: _Bytes
    retired: _Bytes
    changes: pa.Table

    def __repr__(self) -> str:
        return f"<GivenIds: of {len(self.of_records)} records, {len(self.changes)} changes>"

    @property
    def kept(self) -> KeptIds:
        """What the next delivery needs of them."""
        return KeptIds(of_records=self.of_records, retired=self.retired)


def give_ids(
    delivery: Delivery,
    had: HadIds,
    group: _Ints,
    *,
    of: IdKind,
    unit: _Ints | None = None,
    reviewed: LabelledPairs | None = None,
    as_of: dt.date,
) -> GivenIds:
    """Give groups of records, people or households, the ids that they had.

    A group takes the id of which it holds most units; of as many, the smallest. An id goes to one
    group, the one that holds most of its units; whoever has none gets an id that nobody ever had.

    Parameters
    ----------
    delivery : Delivery
        All records.
    had : HadIds
        The ids that they had.
    group : ndarray of int64, shape (n_records,)
        For each record the position of the first record of the same group.
    of : {"person", "household"}
        What the groups are.
    unit : ndarray of int64, shape (n_records,), optional
        For each record the position of the first record of what counts once, and is in one group: a
        household has people. Each record by default.
    reviewed : LabelledPairs, optional
        The labels that are new.
    as_of : date
        Since when it is so.
    """
    labels = np.flatnonzero(group == np.arange(len(group)))
    number = np.zeros(len(group), dtype=np.int64)
    number[labels] = np.arange(len(labels))
    number = number[group]
    known = _Known.of(had)
    shared = _shared(known, number, had.has, np.arange(len(group)) if unit is None else unit)
    taken = one_to_one(shared.old, shared.new, shared.n_units.astype(np.float64))
    ids = np.zeros((len(labels), 16), dtype=np.uint8)
    ids[shared.new[taken]] = known.ids[shared.old[taken]]
    nameless = np.ones(len(labels), dtype=np.bool_)
    nameless[shared.new[taken]] = False
    kept = _marked(len(known.ids), shared.old[taken])
    used = np.concatenate([known.ids, had.retired])
    ids[nameless] = _never_used(delivery, group, labels[nameless], used, of=of)
    rows = _changes(known, shared, ~taken, _Causes.of(delivery, known, number, reviewed))
    return GivenIds(
        of_records=ids[number],
        retired=_numbered(np.concatenate([known.ids[~kept], had.retired]))[0],
        changes=_table(known, ids, rows, as_of),
    )


def carry_ids(had: HadIds, *, as_of: dt.date) -> GivenIds:
    """Keep the ids that there were, of a delivery that looks for no new ones, less those withdrawn."""
    known = _Known.of(had)
    gone = np.setdiff1d(np.arange(len(known.ids)), known.of_record)
    return GivenIds(
        of_records=had.of_records,
        retired=_numbered(np.concatenate([known.ids[gone], had.retired]))[0],
        changes=_table(known, known.ids[:0], _withdrawn(gone), as_of),
    )


class _Known(NamedTuple):
    """The ids that there were, sorted, and the number of each record's, or -1; of the withdrawn, too."""

    ids: _Bytes
    of_record: _Ints
    lost: _Ints

    @classmethod
    def of(cls, had: HadIds) -> _Known:
        ids, of_all = _numbered(np.concatenate([had.of_records[had.has], had.lost]))
        n_left = int(had.has.sum())
        of_record = np.full(len(had.has), -1, dtype=np.int64)
        of_record[had.has] = of_all[:n_left]
        return cls(ids, of_record, np.unique(of_all[n_left:]))


class _Shared(NamedTuple):
    """How many units of each id that there was each group has, where any; sorted by both."""

    old: _Ints
    new: _Ints
    n_units: _Ints


def _shared(known: _Known, number: _Ints, has: _Bools, unit: _Ints) -> _Shared:
    # Of several records of one unit with one id, one counts.
    width = len(number)
    once = np.unique(known.of_record[has] * width + unit[has])
    both, n_units = np.unique(
        once // max(width, 1) * width + number[once % max(width, 1)], return_counts=True
    )
    return _Shared(both // max(width, 1), both % max(width, 1), n_units)


class _Causes(NamedTuple):
    """What happened to each group and each id: a label, a withdrawal, a new record."""

    reviewed: _Bools
    reviewed_old: _Bools
    withdrawn_old: _Bools
    delivered: _Bools

    @classmethod
    def of(
        cls, delivery: Delivery, known: _Known, number: _Ints, reviewed: LabelledPairs | None
    ) -> _Causes:
        n_groups, n_old = int(number.max(initial=-1)) + 1, len(known.ids)
        judged = np.zeros(0, dtype=np.int64)
        if reviewed is not None:
            judged = np.append(reviewed.left, reviewed.right)
        judged_old = known.of_record[judged]
        return cls(
            reviewed=_marked(n_groups, number[judged]),
            reviewed_old=_marked(n_old, judged_old[judged_old >= 0]),
            withdrawn_old=_marked(n_old, known.lost),
            delivered=_marked(n_groups, number[delivery.is_new]),
        )


def _marked(n: int, places: _Ints) -> _Bools:
    marks = np.zeros(n, dtype=np.bool_)
    marks[places] = True
    return marks


class _Changes(NamedTuple):
    """What became of ids: the old one, the group that has its records now or -1, how and why."""

    old: _Ints
    new: _Ints
    kind: Sequence[ChangeKind]
    why: Sequence[ChangeReason]


def _changes(known: _Known, shared: _Shared, moved: _Bools, causes: _Causes) -> _Changes:
    n_old = len(known.ids)
    n_groups_of = np.bincount(shared.old, minlength=n_old)
    # What happened anywhere in a group counts for all ids whose records it has, and the other way round.
    withdrawn = _marked(len(causes.delivered), shared.new[causes.withdrawn_old[shared.old]])
    delivered_old = _marked(n_old, shared.old[causes.delivered[shared.new]])
    old, new = list[int](), list[int]()
    kind, why = list[ChangeKind](), list[ChangeReason]()
    for row in np.flatnonzero(moved).tolist():
        x, z = int(shared.old[row]), int(shared.new[row])
        old.append(x)
        new.append(z)
        kind.append("merge" if n_groups_of[x] == 1 else "split")
        if causes.reviewed[z] or causes.reviewed_old[x]:
            why.append("reviewed label")
        elif causes.withdrawn_old[x] or withdrawn[z]:
            why.append("withdrawn record")
        elif causes.delivered[z] or delivered_old[x]:
            why.append("new delivery")
        else:
            why.append("evidence reweighed")
    gone = np.flatnonzero(n_groups_of == 0)
    rest = _withdrawn(gone)
    return _Changes(
        np.append(np.array(old, dtype=np.int64), rest.old),
        np.append(np.array(new, dtype=np.int64), rest.new),
        [*kind, *rest.kind],
        [*why, *rest.why],
    )


def _withdrawn(gone: _Ints) -> _Changes:
    """Return that ids have nothing left."""
    n = len(gone)
    nobody = np.full(n, -1, dtype=np.int64)
    kind: list[ChangeKind] = ["withdrawn"] * n
    why: list[ChangeReason] = ["withdrawn record"] * n
    return _Changes(gone, nobody, kind, why)


def _table(known: _Known, ids: _Bytes, rows: _Changes, as_of: dt.date) -> pa.Table:
    n = len(rows.old)
    now = np.where((rows.new >= 0)[:, None], ids[rows.new] if len(ids) else 0, 0).astype(np.uint8)
    table = pa.table(
        {
            "old": token_array(known.ids[rows.old]),
            "new": pa.array(
                [None if new < 0 else now[k].tobytes() for k, new in enumerate(rows.new.tolist())],
                type=TOKEN_TYPE,
            ),
            "kind": pa.array(rows.kind, type=pa.string()),
            "since": pa.array([as_of] * n, type=pa.date32()),
            "why": pa.array(rows.why, type=pa.string()),
        }
    )
    return table.sort_by([("old", "ascending"), ("new", "ascending")])


def _never_used(
    delivery: Delivery, group: _Ints, labels: _Ints, used: _Bytes, *, of: IdKind
) -> _Bytes:
    ids = np.zeros((len(labels), 16), dtype=np.uint8)
    open_rows, count = np.arange(len(labels)), 0
    while len(open_rows):
        tried = fresh_ids(delivery.pool, group, labels[open_rows], of=of, count=count)
        ids[open_rows] = tried
        open_rows, count = open_rows[among_tokens(tried, used)], count + 1
    return ids


def _numbered(ids: _Bytes) -> tuple[_Bytes, _Ints]:
    """Return the distinct ids in ascending order, and the number of each."""
    high, low = np.ascontiguousarray(ids).view(">u8").astype(np.uint64).T
    order = np.lexsort((low, high))
    new = (np.diff(high[order]) != 0) | (np.diff(low[order]) != 0)
    starts = np.append(True, new)[: len(order)]
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(starts) - 1
    return ids[order[starts]], number
