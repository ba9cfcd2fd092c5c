"""Which rows become records: one record for each row id, and only with enough to link by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import Agreement
from linkkit.partner.encode.tokenize import all_differ
from linkkit.partner.read import Extract, SetAside

__all__ = [
    "Records",
    "choose_records",
    "codes_of",
    "exact_copies",
    "id_codes_of",
    "ranks_of",
    "taken",
]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_NAMES = ("given_name", "surname", "name")

FEWEST_FIELDS = 2
"""A record with fewer linkage fields (sex apart) could be anybody, and is set aside."""

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Records:
    """The records of an extract.

    Attributes
    ----------
    ids : pyarrow.Array
        The party's row id of each record, null where it has none.
    best_row : ndarray of int64, shape (n_records,)
        Position of the row whose linkage fields are encoded: the most complete one.
    record_of_row : ndarray of int64, shape (n_rows,)
        Which record each row belongs to, or -1 if the row is set aside.
    set_aside : tuple of SetAside
        Rows that are not sent, and why.
    n_repeated : int
        Rows beyond the first of their record.
    """

    ids: pa.Array
    best_row: Int64s
    record_of_row: Int64s
    set_aside: tuple[SetAside, ...]
    n_repeated: int


def choose_records(
    fields: dict[str, pa.Array],
    record_ids: pa.Array,
    rows: Int64s,
    agreement: Agreement,
    *,
    id_codes: Int64s,
    refused: Mapping[int, str],
) -> Records:
    """Group rows by row id and choose what is encoded.

    Rows with the same id are one record, such as the yearly rows of one student, unless they
    state different birth dates, or names that have nothing in common: then the id does not
    name one person, and the rows are set aside rather than merged. `id_codes` are the
    :func:`codes_of` the row ids; `refused` gives, by position, rows that are set aside for another
    reason.
    """
    kinds = {name: field.kind for name, field in agreement.linkage.fields.items()}
    n_present = np.zeros(len(rows), dtype=np.int64)
    for name, column in fields.items():
        if kinds[name] != "sex":
            n_present += ~_is_null(column)
    groups = _groups(id_codes, refused)
    few = groups.largest(n_present) < FEWEST_FIELDS
    dates = [fields[name] for name in fields if kinds[name] == "date"]
    names = [fields[name] for name in fields if kinds[name] in _NAMES]
    of_dates = groups.contradicts_in_dates(dates) & ~few
    of_names = groups.contradicts_in_names(names) & ~few & ~of_dates
    shared = "the record id is shared by rows with different"
    bad = {
        f"fewer than {FEWEST_FIELDS} linkage fields to link by": few,
        f"{shared} dates of birth": of_dates,
        f"{shared} names": of_names,
    }
    good = ~(few | of_dates | of_names)
    number = np.append(np.where(good, np.cumsum(good) - 1, -1), -1)
    record_of_row = number[groups.of_row]  # the last stands for rows in no group
    n_records = int(np.count_nonzero(good))
    return Records(
        ids=taken(record_ids, groups.first_row[good]),
        best_row=groups.most_complete(n_present, list(fields.values()))[good],
        record_of_row=record_of_row,
        set_aside=_set_aside(groups, rows, refused, bad),
        n_repeated=int(np.count_nonzero(record_of_row >= 0)) - n_records,
    )


def _set_aside(
    groups: _Groups, rows: Int64s, refused: Mapping[int, str], bad: Mapping[str, Bools]
) -> tuple[SetAside, ...]:
    found = [SetAside(row=int(rows[i]), reason=reason) for i, reason in refused.items()]
    for reason, of_group in bad.items():
        these = np.flatnonzero(np.append(of_group, False)[groups.of_row])
        found += [SetAside(row=row, reason=reason) for row in rows[these].tolist()]
    return tuple(sorted(found, key=lambda item: item.row))


def _groups(id_codes: Int64s, refused: Mapping[int, str]) -> _Groups:
    """Number the distinct row ids in the order of appearance; a row without one is by itself."""
    codes = id_codes.copy()
    alone = np.flatnonzero(codes < 0)
    codes[alone] = len(codes) + alone
    if refused:
        codes[list(refused)] = -1
    if len(alone) == len(codes) and not refused:
        codes = np.arange(len(codes))
    elif len(alone) or refused:
        kept = np.flatnonzero(codes >= 0)
        codes[kept] = codes_of(pa.array(codes[kept]))
    n_groups = int(codes.max(initial=-1)) + 1
    first_row = np.zeros(n_groups, dtype=np.int64)
    backwards = np.flatnonzero(codes >= 0)[::-1]
    first_row[codes[backwards]] = backwards
    sizes = np.bincount(codes[backwards], minlength=n_groups)
    several = np.flatnonzero((codes >= 0) & (sizes[codes] > 1)) if n_groups else backwards
    return _Groups(of_row=codes, first_row=first_row, several=several)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Groups:
    """Rows with the same row id: the group of each row, or -1; each group's first row.

    `several` are the rows of groups that have more than one.
    """

    of_row: Int64s
    first_row: Int64s
    several: Int64s

    def largest(self, of_row: Int64s) -> Int64s:
        """Return the largest of each group's numbers."""
        largest = of_row[self.first_row]
        np.maximum.at(largest, self.of_row[self.several], of_row[self.several])
        return largest

    def contradicts_in_dates(self, columns: list[pa.Array]) -> Bools:
        """Return which groups state different values in a column."""
        contradicts = np.zeros(len(self.first_row), dtype=np.bool_)
        for column in columns:
            contradicts |= self._differs(codes_of(column.take(pa.array(self.several))))
        return contradicts

    def _differs(self, codes: Int64s) -> Bools:
        """Return in which groups the rows of `several` have different codes; -1 is no code."""
        known = codes >= 0
        group, codes = self.of_row[self.several][known], codes[known]
        lowest = np.full(len(self.first_row), np.iinfo(np.int64).max)
        highest = np.full(len(self.first_row), -1)
        np.minimum.at(lowest, group, codes)
        np.maximum.at(highest, group, codes)
        return highest > lowest

    def contradicts_in_names(self, columns: list[pa.Array]) -> Bools:
        """Return in which groups a row shares no word of its names with the first that has one."""
        contradicts = np.zeros(len(self.first_row), dtype=np.bool_)
        if not columns or not len(self.several):
            return contradicts
        parts = [column.take(pa.array(self.several)) for column in columns]
        differ = np.logical_or.reduce([self._differs(codes_of(c, null=0) + 1) for c in parts])
        of_row = self.of_row[self.several]
        these = np.flatnonzero(differ[of_row])
        these = these[np.argsort(of_row[these], kind="stable")]
        texts = [column.take(pa.array(these)).to_pylist() for column in parts]
        words = [
            {w for text in row for w in (text or "").split()} for row in zip(*texts, strict=True)
        ]
        edges = np.flatnonzero(np.diff(of_row[these], prepend=-1, append=-1))
        for first, last in pairwise(edges.tolist()):
            named = [mine for mine in words[first:last] if mine]
            contradicts[of_row[these[first]]] = any(named[0].isdisjoint(mine) for mine in named[1:])
        return contradicts

    def most_complete(self, n_present: Int64s, columns: list[pa.Array]) -> Int64s:
        """Return each group's row with the most values; of several, the first by its values."""
        best = self.first_row.copy()
        group = self.of_row[self.several]
        full = self.several[n_present[self.several] == self.largest(n_present)[group]]
        alone = np.bincount(self.of_row[full], minlength=len(best)) == 1
        single = alone[self.of_row[full]]
        best[self.of_row[full[single]]] = full[single]
        tied = full[~single]
        keys = [ranks_of(pc.fill_null(column.take(pa.array(tied)), "")) for column in columns]
        order = np.lexsort((*reversed(keys), self.of_row[tied]))[::-1]
        best[self.of_row[tied[order]]] = tied[order]
        return best


def id_codes_of(record_ids: pa.Array) -> Int64s:
    """Return the :func:`codes_of` row ids, which mostly differ."""
    return np.arange(len(record_ids)) if all_differ(record_ids) else codes_of(record_ids)


def taken(column: pa.Array, rows: Int64s) -> pa.Array:
    """Return some rows of a column; the column itself where that is all of them in their order."""
    whole = len(rows) == len(column) and bool((rows == np.arange(len(rows))).all())
    return column if whole else column.take(pa.array(rows))


def codes_of(column: pa.Array, *, null: int = -1) -> Int64s:
    """Return the number of each value among the distinct ones, in the order of appearance.

    A null has the number `null`, in which case others are counted from ``null + 1`` on.
    """
    codes = column.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(codes, dtype=np.int64) + (null + 1)


def ranks_of(column: pa.Array) -> Int64s:
    """Return the rank of each value among the distinct ones, without nulls; a null comes last."""
    encoded = column.dictionary_encode()
    place = np.empty(len(encoded.dictionary) + 1, dtype=np.int64)
    order = pc.sort_indices(encoded.dictionary).to_numpy(zero_copy_only=False)
    place[order] = np.arange(len(order))
    place[-1] = len(order)
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(place[codes], dtype=np.int64)


def exact_copies(extract: Extract, id_codes: Int64s) -> dict[int, str]:
    """Return rows that repeat an earlier row with the same row id in every cell, by position.

    An export that lists a row twice would otherwise count its payload twice. `id_codes` are the
    :func:`codes_of` the row ids.
    """
    rows = np.flatnonzero(id_codes >= 0)
    keys = id_codes[rows]
    for column in [None, *extract.table.columns]:
        if column is not None:
            part = column.take(pa.array(rows)).combine_chunks()
            keys = codes_of(pa.array(keys * (len(rows) + 1) + codes_of(part, null=0)))
        repeated = np.bincount(keys)[keys] > 1 if len(keys) else np.zeros(0, dtype=np.bool_)
        rows, keys = rows[repeated], keys[repeated]
    _, first = np.unique(keys, return_index=True)
    copies = np.delete(rows, first)
    return dict.fromkeys(copies.tolist(), "an exact copy of another row")


def _is_null(column: pa.Array) -> Bools:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
