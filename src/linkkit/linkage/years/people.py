"""Person ids that stay from one delivery to the next, and what became of those that did not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.exchange.changes import CHANGE_COLUMNS, ChangeKind, ChangeReason
from linkkit.exchange.columns import token_array
from linkkit.linkage.cluster import one_to_one
from linkkit.linkage.crosswalk import fresh_ids
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.years.delivery import Delivery
from linkkit.linkage.years.tokens import among_tokens

__all__ = ["NamedPeople", "name_people"]

_Bools = npt.NDArray[np.bool_]
_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class NamedPeople:
    """People with their ids.

    Attributes
    ----------
    ids : ndarray of uint8, shape (n_people, 16)
        The id of each person, in the order of their first records.
    retired_ids : ndarray of uint8, shape (n, 16)
        All ids that people had once and nobody has any more, sorted.
    changes : pyarrow.Table
        What became of ids with this delivery.
    """

    ids: _Bytes
    retired_ids: _Bytes
    changes: pa.Table

    def of_records(self, person: _Ints) -> _Bytes:
        """Return the id of each record's person, shape (n_records, 16)."""
        is_first = person == np.arange(len(person))
        return np.asarray(self.ids[(np.cumsum(is_first) - 1)[person]])

    def __repr__(self) -> str:
        return f"<NamedPeople: {len(self.ids)} people, {len(self.changes)} changes>"


def name_people(
    delivery: Delivery, person: _Ints, *, reviewed: LabelledPairs | None, as_of: dt.date
) -> NamedPeople:
    """Give people the ids that they had.

    A person takes the id of which it holds most records; of as many, the smallest. An id goes to one
    person, the one that holds most of its records; whoever has none gets an id that nobody ever had.

    Parameters
    ----------
    delivery : Delivery
        All records, and the ids that they had.
    person : ndarray of int64, shape (n_records,)
        For each record the position of the first record of the same person.
    reviewed : LabelledPairs, optional
        The labels that are new.
    as_of : date
        Since when it is so.
    """
    labels = np.flatnonzero(person == np.arange(len(person)))
    number = np.zeros(len(person), dtype=np.int64)
    number[labels] = np.arange(len(labels))
    number = number[person]
    known = _Known.of(delivery)
    shared = _shared(known, number, delivery.had_id)
    taken = one_to_one(shared.old, shared.new, shared.n_records.astype(np.float64))
    ids = np.zeros((len(labels), 16), dtype=np.uint8)
    ids[shared.new[taken]] = known.ids[shared.old[taken]]
    nameless = np.ones(len(labels), dtype=np.bool_)
    nameless[shared.new[taken]] = False
    kept = _marked(len(known.ids), shared.old[taken])
    used = np.concatenate([known.ids, delivery.retired_ids])
    ids[nameless] = _never_used(delivery, person, labels[nameless], used)
    rows = _changes(known, shared, ~taken, _Causes.of(delivery, known, number, reviewed))
    return NamedPeople(
        ids=ids,
        retired_ids=_numbered(np.concatenate([known.ids[~kept], delivery.retired_ids]))[0],
        changes=_table(known, ids, rows, as_of),
    )


class _Known(NamedTuple):
    """The ids that there were, sorted, and the number of each record's, or -1; of the withdrawn, too."""

    ids: _Bytes
    of_record: _Ints
    lost: _Ints

    @classmethod
    def of(cls, delivery: Delivery) -> _Known:
        had = np.concatenate([delivery.old_ids[delivery.had_id], delivery.lost_ids])
        ids, of_all = _numbered(had)
        n_left = int(delivery.had_id.sum())
        of_record = np.full(len(delivery.had_id), -1, dtype=np.int64)
        of_record[delivery.had_id] = of_all[:n_left]
        return cls(ids, of_record, np.unique(of_all[n_left:]))


class _Shared(NamedTuple):
    """How many records of each id that there was each person has, where any; sorted by both."""

    old: _Ints
    new: _Ints
    n_records: _Ints


def _shared(known: _Known, number: _Ints, had_id: _Bools) -> _Shared:
    width = int(number.max(initial=0)) + 1
    both, n_records = np.unique(
        known.of_record[had_id] * width + number[had_id], return_counts=True
    )
    return _Shared(both // width, both % width, n_records)


class _Causes(NamedTuple):
    """What happened to each person and each id: a label, a withdrawal, a new record."""

    reviewed: _Bools
    reviewed_old: _Bools
    withdrawn_old: _Bools
    delivered: _Bools

    @classmethod
    def of(
        cls, delivery: Delivery, known: _Known, number: _Ints, reviewed: LabelledPairs | None
    ) -> _Causes:
        n_people, n_old = int(number.max(initial=-1)) + 1, len(known.ids)
        judged = np.zeros(0, dtype=np.int64)
        if reviewed is not None:
            judged = np.append(reviewed.left, reviewed.right)
        judged_old = known.of_record[judged]
        return cls(
            reviewed=_marked(n_people, number[judged]),
            reviewed_old=_marked(n_old, judged_old[judged_old >= 0]),
            withdrawn_old=_marked(n_old, known.lost),
            delivered=_marked(n_people, number[delivery.is_new]),
        )


def _marked(n: int, places: _Ints) -> _Bools:
    marks = np.zeros(n, dtype=np.bool_)
    marks[places] = True
    return marks


class _Changes(NamedTuple):
    """What became of ids: the old one, the person that has its records now or -1, how and why."""

    old: _Ints
    new: _Ints
    kind: Sequence[ChangeKind]
    why: Sequence[ChangeReason]


def _changes(known: _Known, shared: _Shared, moved: _Bools, causes: _Causes) -> _Changes:
    n_old = len(known.ids)
    n_people_of = np.bincount(shared.old, minlength=n_old)
    # What happened anywhere in a person counts for all ids whose records it has, and the other way round.
    withdrawn = _marked(len(causes.delivered), shared.new[causes.withdrawn_old[shared.old]])
    delivered_old = _marked(n_old, shared.old[causes.delivered[shared.new]])
    old, new = list[int](), list[int]()
    kind, why = list[ChangeKind](), list[ChangeReason]()
    for row in np.flatnonzero(moved).tolist():
        x, z = int(shared.old[row]), int(shared.new[row])
        old.append(x)
        new.append(z)
        kind.append("merge" if n_people_of[x] == 1 else "split")
        if causes.reviewed[z] or causes.reviewed_old[x]:
            why.append("reviewed label")
        elif causes.withdrawn_old[x] or withdrawn[z]:
            why.append("withdrawn record")
        elif causes.delivered[z] or delivered_old[x]:
            why.append("new delivery")
        else:
            why.append("evidence reweighed")
    gone = np.flatnonzero(n_people_of == 0).tolist()
    old += gone
    new += [-1] * len(gone)
    kind.extend("withdrawn" for _ in gone)
    why.extend("withdrawn record" for _ in gone)
    return _Changes(np.array(old, dtype=np.int64), np.array(new, dtype=np.int64), kind, why)


def _table(known: _Known, ids: _Bytes, rows: _Changes, as_of: dt.date) -> pa.Table:
    n = len(rows.old)
    now = np.where((rows.new >= 0)[:, None], ids[rows.new] if len(ids) else 0, 0).astype(np.uint8)
    table = pa.table(
        {
            "old_person_id": token_array(known.ids[rows.old]),
            "new_person_id": pa.array(
                [None if new < 0 else now[k].tobytes() for k, new in enumerate(rows.new.tolist())],
                type=CHANGE_COLUMNS["new_person_id"],
            ),
            "kind": pa.array(rows.kind, type=pa.string()),
            "since": pa.array([as_of] * n, type=pa.date32()),
            "why": pa.array(rows.why, type=pa.string()),
        }
    )
    return table.sort_by([("old_person_id", "ascending"), ("new_person_id", "ascending")])


def _never_used(delivery: Delivery, person: _Ints, labels: _Ints, used: _Bytes) -> _Bytes:
    ids = np.zeros((len(labels), 16), dtype=np.uint8)
    open_rows, count = np.arange(len(labels)), 0
    while len(open_rows):
        tried = fresh_ids(delivery.pool, person, labels[open_rows], count=count)
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
