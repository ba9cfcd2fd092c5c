"""Which rows become records: one record for each row id, and only with enough to link by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.partner.read import Extract, SetAside

__all__ = ["Records", "choose_records", "exact_copies"]

_NAMES = ("given_name", "surname", "name")

FEWEST_FIELDS = 2
"""A record with fewer linkage fields (sex apart) could be anybody, and is set aside."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Records:
    """The records of an extract.

    Attributes
    ----------
    ids : list of str or None
        The party's row id of each record.
    best_row : ndarray of int64, shape (n_records,)
        Position of the row whose linkage fields are encoded: the most complete one.
    record_of_row : ndarray of int64, shape (n_rows,)
        Which record each row belongs to, or -1 if the row is set aside.
    set_aside : tuple of SetAside
        Rows that are not sent, and why.
    n_repeated : int
        Rows beyond the first of their record.
    """

    ids: list[str | None]
    best_row: npt.NDArray[np.int64]
    record_of_row: npt.NDArray[np.int64]
    set_aside: tuple[SetAside, ...]
    n_repeated: int


def choose_records(
    fields: dict[str, pa.Array],
    record_ids: Sequence[str | None],
    rows: npt.NDArray[np.int64],
    agreement: Agreement,
    *,
    refused: Mapping[int, str],
) -> Records:
    """Group rows by row id and choose what is encoded.

    Rows with the same id are one record, such as the yearly rows of one student, unless they
    state different birth dates, or names that have nothing in common: then the id does not
    name one person, and the rows are set aside rather than merged. `refused` gives, by
    position, rows that are set aside for another reason.
    """
    kinds = {name: field.kind for name, field in agreement.linkage.fields.items()}
    present = {name: ~_is_null(column) for name, column in fields.items()}
    n_present = _count(present, [name for name in fields if kinds[name] != "sex"], len(rows))
    identity = _Identity(
        dates=[fields[name].to_pylist() for name in fields if kinds[name] == "date"],
        names=[fields[name].to_pylist() for name in fields if kinds[name] in _NAMES],
    )
    groups: dict[object, list[int]] = {}
    set_aside = [SetAside(row=int(rows[i]), reason=reason) for i, reason in refused.items()]
    for position, record_id in enumerate(record_ids):
        if position in refused:
            continue
        groups.setdefault(record_id if record_id is not None else (position,), []).append(position)
    record_of_row = np.full(len(rows), -1, dtype=np.int64)
    ids: list[str | None] = []
    best: list[int] = []
    for members in groups.values():
        reason = _reason(members, n_present, identity)
        if reason:
            set_aside += [SetAside(row=int(rows[i]), reason=reason) for i in members]
            continue
        record_of_row[members] = len(ids)
        ids.append(record_ids[members[0]])
        best.append(_most_complete(members, n_present, fields))
    return Records(
        ids=ids,
        best_row=np.asarray(best, dtype=np.int64),
        record_of_row=record_of_row,
        set_aside=tuple(sorted(set_aside, key=lambda item: item.row)),
        n_repeated=int(np.sum(record_of_row >= 0)) - len(ids),
    )


def exact_copies(extract: Extract, record_ids: Sequence[str | None]) -> dict[int, str]:
    """Return rows that repeat an earlier row with the same row id in every cell, by position.

    An export that lists a row twice would otherwise count its payload twice.
    """
    repeated = {x for x, n in Counter(record_ids).items() if x is not None and n > 1}
    positions = [i for i, record_id in enumerate(record_ids) if record_id in repeated]
    rows = zip(
        *extract.table.take(pa.array(positions, pa.int64())).to_pydict().values(), strict=True
    )
    copies: dict[int, str] = {}
    seen: set[tuple[str | None, ...]] = set()
    for position, row in zip(positions, rows, strict=True):
        if row in seen:
            copies[position] = "an exact copy of another row"
        seen.add(row)
    return copies


def _is_null(column: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _count(
    present: dict[str, npt.NDArray[np.bool_]], names: list[str], n_rows: int
) -> npt.NDArray[np.int64]:
    total = np.zeros(n_rows, dtype=np.int64)
    for name in names:
        total += present[name]
    return total


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Identity:
    """What rows of one record must not contradict: its dates, and its names as a whole."""

    dates: list[list[str | None]]
    names: list[list[str | None]]

    def contradicts(self, members: list[int]) -> str:
        """Return what rows contradict each other in, or an empty string."""
        if any(len({column[i] for i in members} - {None}) > 1 for column in self.dates):
            return "different dates of birth"
        words = [self._words(i) for i in members]
        named = [mine for mine in words if mine]
        if any(named[0].isdisjoint(other) for other in named[1:]):
            return "different names"
        return ""

    def _words(self, row: int) -> set[str]:
        return {word for column in self.names for word in (column[row] or "").split()}


def _reason(members: list[int], n_present: npt.NDArray[np.int64], identity: _Identity) -> str:
    if max(int(n_present[i]) for i in members) < FEWEST_FIELDS:
        return f"fewer than {FEWEST_FIELDS} linkage fields to link by"
    contradiction = identity.contradicts(members) if len(members) > 1 else ""
    return f"the record id is shared by rows with {contradiction}" if contradiction else ""


def _most_complete(
    members: list[int], n_present: npt.NDArray[np.int64], fields: dict[str, pa.Array]
) -> int:
    if len(members) == 1:
        return members[0]
    most = max(int(n_present[i]) for i in members)
    full = [i for i in members if int(n_present[i]) == most]
    return min(full, key=lambda i: [column[i].as_py() or "" for column in fields.values()])
