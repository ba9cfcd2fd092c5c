"""The join: payload rows to people by the crosswalk, and one value for each variable."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import Agreement, Variable, VariableType, Years
from linkkit.agreement.document import require_agreement
from linkkit.errors import MismatchError, SecretError
from linkkit.exchange import Crosswalk, PayloadExtract
from linkkit.steward.integrate import permission
from linkkit.steward.integrate.combine import Combined, combine_values
from linkkit.steward.integrate.dataset import (
    HOUSEHOLD_ID,
    STUDY_ID,
    IntegratedDataset,
    without_households,
)
from linkkit.steward.integrate.study_id import StudyKey, study_ids

__all__ = ["integrate"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_ARROW: Mapping[VariableType, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "category": pa.string(),
    "date": pa.date32(),
}
_INT64_MAX = 2.0**63


def integrate(
    payloads: Sequence[PayloadExtract],
    crosswalk: Crosswalk,
    agreement: Agreement,
    *,
    project: str,
    study_key: StudyKey | None = None,
    without: Collection[str] = (),
    today: dt.date | None = None,
) -> IntegratedDataset:
    """Join payloads on the crosswalk: one row for each person, with the project's variables.

    Everybody with a row in the project's years is a person of the result. ``in_PARTY`` says
    whether the person has such a row at that party; for a party left out on purpose, whether
    the crosswalk has a record of the person. A variable's values
    over all rows and parties are combined as the agreement's ``combine`` says; missing,
    empty and non-finite values are left out; the mean of an integer variable is rounded to
    the nearest integer, halves to even.

    Parameters
    ----------
    payloads : sequence of PayloadExtract
        One for each party, in any order.
    crosswalk : Crosswalk
        From the linkage unit.
    agreement : Agreement
        The agreement that all of them were made under.
    project : str
        The project to integrate for.
    study_key : StudyKey, optional
        Makes the study ids. Without it a random key is used and forgotten, so that study ids,
        and the order of the rows, differ from run to run.
    without : collection of str
        Parties whose payload is left out on purpose: they add people and no values. Any
        other party of the crosswalk that sends variables of the project must be there.
    today : datetime.date, optional
        The date by which to judge whether the agreement is in force; the system's by default.

    Returns
    -------
    IntegratedDataset
        With these counts: ``people``, ``people_outside_years`` (no row in the project's years,
        so not in the result); for each party ``people_in.PARTY``, ``rows.PARTY``,
        ``rows_unmatched.PARTY`` (no entry in the crosswalk), ``rows_outside_years.PARTY``
        (outside the project's own years), ``people_without_rows.PARTY``; for each variable
        ``conflicts.VARIABLE``, the people whose rows differ in it.

    Raises
    ------
    WrongStageError
        When something else than payloads and a crosswalk is given.
    NotAuthorizedError
        When the agreement is no longer in force, or does not allow the project, a party, a
        variable or the year of a row.
    MismatchError
        When artifacts come from different agreements or deliveries, cannot be read as agreed,
        or a party's payload is missing.
    SecretError
        When `study_key` is a key for another purpose.

    Examples
    --------
    >>> from linkkit.steward.integrate.example import small_partnership
    >>> agreement, payloads, crosswalk = small_partnership()
    >>> people = integrate(payloads, crosswalk, agreement, project="study")
    >>> people
    <IntegratedDataset for 'study': 60 people, 5 variables, not protected>
    >>> people.counts["people_in.school"], people.counts["people_in.club"]
    (60, 20)
    """
    agreement = require_agreement(agreement)
    items = permission.require_payloads(payloads)
    crosswalk = permission.require_crosswalk(crosswalk)
    agreement.require_in_force(today=today)
    variables = agreement.project(project).variables
    permission.require_same_agreement(items, crosswalk, agreement)
    permission.require_authorized(items, crosswalk, agreement)
    permission.require_complete(items, crosswalk, agreement, variables, without=without)
    key = _require_study_key(study_key)
    people = _resolve(crosswalk)
    rows = [_find_rows(item, people, agreement.years_of(project)) for item in items]
    _require_one_delivery(rows)
    members = _members(people, rows)
    kept = np.logical_or.reduce(list(members.values())) if members else np.zeros(0, np.bool_)
    counts = _count(people, rows, kept)
    columns: dict[str, pa.Array] = {
        STUDY_ID: pa.array(
            study_ids(people.ids, key, agreement_id=agreement.id, project=project), pa.string()
        )
    }
    for name in variables:
        if name in agreement.variables:
            columns[name] = _column(name, people, rows, agreement, counts)
        else:
            columns[name] = pa.array(members[name.removeprefix("in_")])
    if people.homes is not None:
        columns[HOUSEHOLD_ID] = _study_homes(people.homes, key, agreement.id, project)
    table = pa.table(columns).filter(pa.array(kept)).sort_by(STUDY_ID).combine_chunks()
    rows, households = without_households(table)
    return IntegratedDataset(
        project=project,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=rows,
        households=households,
        counts=counts,
    )


def _study_homes(
    homes: Sequence[bytes], key: StudyKey, agreement_id: str, project: str
) -> pa.Array:
    """Return a pseudonym of each person's household, valid in this project only."""
    distinct = list(dict.fromkeys(homes))
    named = study_ids(distinct, key, agreement_id=agreement_id, project=f"{project}/household")
    name = dict(zip(distinct, named, strict=True))
    return pa.array([name[home] for home in homes], pa.string())


def _require_one_delivery(rows: Sequence[_Rows]) -> None:
    strangers = [r.payload for r in rows if len(r.payload) and r.n_unmatched == len(r.payload)]
    if strangers:
        raise MismatchError(
            [
                f"none of the {len(item)} rows of '{item.party}' is in the crosswalk: its tokens "
                "are those of another delivery"
                for item in strangers
            ],
            hint="Use the payload that was encoded together with the linked encodings. With a "
            "token key, tokens stay the same in every delivery.",
        )


def _require_study_key(key: StudyKey | None) -> StudyKey:
    if key is None:
        return StudyKey.generate()
    if isinstance(key, StudyKey):
        return key
    raise SecretError(
        f"'study_key' must be a StudyKey, not a {type(key).__name__}",
        hint="Make one with StudyKey.generate() and keep it with save().",
    )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _People:
    """The crosswalk, by party: tokens and, for each, the number of the person."""

    ids: list[bytes]
    tokens: Mapping[str, pa.Array]
    numbers: Mapping[str, npt.NDArray[np.int64]]
    homes: list[bytes] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def with_record(self, party: str) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(self), dtype=np.bool_)
        if party in self.numbers:
            found[self.numbers[party]] = True
        return found


def _resolve(crosswalk: Crosswalk) -> _People:
    table = crosswalk.table.combine_chunks()
    ids = _whole(table.column("person_id")).dictionary_encode()
    number = ids.indices.to_numpy().astype(np.int64)
    token, party = _whole(table.column("token")), _whole(table.column("party"))
    chosen = {
        name: np.flatnonzero(pc.equal(party, name).to_numpy(False)) for name in crosswalk.parties
    }
    people = _People(
        ids=ids.dictionary.to_pylist(),
        tokens={name: token.take(pa.array(rows)) for name, rows in chosen.items()},
        numbers={name: number[rows] for name, rows in chosen.items()},
        homes=_homes(table, number) if crosswalk.has_households else None,
    )
    twice = {name: len(mine) - len(mine.unique()) for name, mine in people.tokens.items()}
    if any(twice.values()):
        raise MismatchError(
            [f"the crosswalk repeats {n} tokens of '{name}'" for name, n in twice.items() if n],
            hint="Ask the linkage unit for the crosswalk again.",
        )
    return people


def _homes(table: pa.Table, number: npt.NDArray[np.int64]) -> list[bytes]:
    """Return the household of each person; it is the same in all the person's records."""
    first = np.unique(number, return_index=True)[1]
    homes: list[bytes] = table.column("household_id").take(pa.array(first)).to_pylist()
    return homes


def _whole(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Rows:
    """The rows of a payload that are used, and the number of the person of each."""

    payload: PayloadExtract
    used: npt.NDArray[np.intp]
    people: npt.NDArray[np.int64]
    n_unmatched: int
    n_outside_years: int

    def column(self, name: str) -> pa.Array:
        return _whole(self.payload.table.column(name)).take(pa.array(self.used))


def _find_rows(payload: PayloadExtract, people: _People, years: Years) -> _Rows:
    n = len(payload)
    number = np.full(n, -1, dtype=np.int64)
    if payload.party in people.tokens:
        token = _whole(payload.table.column("token"))
        place = pc.index_in(token, value_set=people.tokens[payload.party])
        place = place.fill_null(-1).to_numpy(False)
        number[place >= 0] = people.numbers[payload.party][place[place >= 0]]
    within = permission.is_within(payload, years)
    used = np.flatnonzero((number >= 0) & within)
    return _Rows(
        payload=payload,
        used=used,
        people=number[used],
        n_unmatched=int((number < 0).sum()),
        n_outside_years=int(((number >= 0) & ~within).sum()),
    )


def _members(people: _People, rows: Sequence[_Rows]) -> Mapping[str, npt.NDArray[np.bool_]]:
    """Return who is with each party, as far as the project's years go."""
    members: dict[str, npt.NDArray[np.bool_]] = defaultdict(
        lambda: np.zeros(len(people), dtype=np.bool_)
    )
    for party in people.tokens:
        members[party] = people.with_record(party)
    for item in rows:
        members[item.payload.party] = np.zeros(len(people), dtype=np.bool_)
        members[item.payload.party][item.people] = True
    return members


def _count(people: _People, rows: Sequence[_Rows], kept: npt.NDArray[np.bool_]) -> dict[str, int]:
    counts = {"people": int(kept.sum()), "people_outside_years": int((~kept).sum())}
    for name in people.tokens:
        counts[f"people_in.{name}"] = int(people.with_record(name).sum())
    for item in rows:
        name = item.payload.party
        counts.setdefault(f"people_in.{name}", 0)
        counts[f"rows.{name}"] = len(item.payload)
        counts[f"rows_unmatched.{name}"] = item.n_unmatched
        counts[f"rows_outside_years.{name}"] = item.n_outside_years
    seen = {item.payload.party: len(np.unique(item.people)) for item in rows}
    for name in people.tokens:
        counts[f"people_without_rows.{name}"] = counts[f"people_in.{name}"] - seen.get(name, 0)
    return counts


def _column(
    name: str,
    people: _People,
    rows: Sequence[_Rows],
    agreement: Agreement,
    counts: dict[str, int],
) -> pa.Array:
    variable = agreement.variables[name]
    senders = [item for item in rows if name in item.payload.variables]
    number = np.concatenate([np.empty(0, np.int64), *(item.people for item in senders)])
    parts = [_read(item, name, variable) for item in senders]
    values = pa.concat_arrays([pa.array([], _ARROW[variable.type]), *parts])
    column, counts[f"conflicts.{name}"] = _combine(name, variable, number, values, len(people))
    return column


def _read(rows: _Rows, name: str, variable: Variable) -> pa.Array:
    column = rows.column(name)
    try:
        column = column.cast(_ARROW[variable.type])
    except pa.ArrowException:
        column = None
    if column is None:
        raise MismatchError(
            f"the payload of '{rows.payload.party}': variable '{name}' holds values that are "
            f"not of type {variable.type}",
            hint="Ask the party to encode its extract again.",
        )
    if variable.type == "category":
        return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
    if variable.type == "number":
        return pc.if_else(pc.is_finite(column), column, pa.scalar(None, pa.float64()))
    return column


def _combine(
    name: str, variable: Variable, people: npt.NDArray[np.int64], values: pa.Array, n_people: int
) -> tuple[pa.Array, int]:
    present = values.is_valid().to_numpy(False)
    values, people = values.drop_null(), people[present]
    names: pa.Array | None = None
    if variable.type == "category":
        names, codes = _ordered_codes(values)
    elif variable.type == "date":
        codes = values.cast(pa.int32()).to_numpy(False).astype(np.int64)
    else:
        # Adding zero turns -0.0 into 0.0, so that which of them comes first cannot matter.
        codes = values.to_numpy(False) + 0
    combined = combine_values(people, codes, n_people=n_people, how=variable.combine)
    _require_in_range(name, variable, people, codes, combined)
    missing = ~combined.present
    if names is not None:
        indices = pa.array(combined.values, mask=missing)
        return names.take(indices), combined.n_conflicts
    result = combined.values
    if variable.type == "date":
        result = result.astype(np.int32)
    if variable.type == "integer" and result.dtype != np.int64:
        result = np.rint(result).astype(np.int64)
    return pa.array(result, _ARROW[variable.type], mask=missing), combined.n_conflicts


def _ordered_codes(values: pa.Array) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    encoded = values.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy(False)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), rank[encoded.indices.to_numpy(False)]


def _require_in_range(
    name: str,
    variable: Variable,
    people: npt.NDArray[np.int64],
    values: npt.NDArray[Any],
    combined: Combined,
) -> None:
    if variable.combine not in ("sum", "mean"):
        return
    with np.errstate(over="ignore"):
        total = np.bincount(people, weights=values, minlength=len(combined.values))
    limit = _INT64_MAX if variable.type == "integer" else np.inf
    n_beyond = int((~(np.abs(total) < limit)).sum())
    if n_beyond:
        raise MismatchError(
            f"variable '{name}': the {variable.combine} is too large to be computed for "
            f"{n_beyond} people",
            hint="Ask the parties to check the unit of the variable.",
        )
