"""The artifacts that cross from one zone to another, in memory and as sealed files.

The type of an artifact is the permission: it decides who may have it, so `save` seals an
encoded extract to the linkage unit and a payload extract or crosswalk to the steward, and
offers no choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement, VariableType
from linkkit.errors import NotAuthorizedError, OptionError, SealError
from linkkit.exchange.artifact import Artifact
from linkkit.exchange.columns import (
    TOKEN_TYPE,
    Filter,
    encoding_table,
    encoding_types,
    filters_of,
    key_column,
    keys_of,
    token_array,
    token_matrix,
)
from linkkit.exchange.manifest import ArtifactKind, Manifest
from linkkit.exchange.spec import EncodingSpec
from linkkit.exchange.table_artifact import PartyTable, TableArtifact
from linkkit.exchange.tables import SealedTable, load_table, save_table, sealed_note

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "TOKEN_TYPE",
    "Crosswalk",
    "EncodedExtract",
    "Filter",
    "PayloadExtract",
    "load_table",
    "save_table",
    "sealed_note",
    "token_array",
    "token_matrix",
]

_NEVER_NULL = ("token", "party", "person_id", "household_id")
_CROSSWALK_COLUMNS = {"party": pa.string(), "token": TOKEN_TYPE, "person_id": TOKEN_TYPE}
_WITH_HOUSEHOLDS = {**_CROSSWALK_COLUMNS, "household_id": TOKEN_TYPE}
_PAYLOAD_TYPES: dict[VariableType, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "category": pa.string(),
    "date": pa.date32(),
}


def _no_keys(n_records: int = 0) -> npt.NDArray[np.uint64]:
    return np.zeros((n_records, 0), dtype=np.uint64)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class EncodedExtract(Artifact):
    """A party's encoded records: tokens and keyed filters, no payload and no linkage field.

    Attributes
    ----------
    party : str
        Who sent it.
    agreement_id, agreement_fingerprint : str
        The agreement that it was made under.
    spec : EncodingSpec
        How it was encoded.
    key_check : str
        32 hexadecimal digits that agree when two parties used the same secret, agreement
        and spec, and reveal nothing of the secret.
    one_record_per_person : bool
        Whether the party's file holds each person at most once.
    tokens : ndarray of uint8, shape (n_records, 16)
        Record tokens, in ascending order.
    filters : dict of str to Filter
        One filter for each field or pass of the spec.
    counts : dict of str to int
        What the partner reports of its own work, such as records set aside.
    epoch : int
        The agreement's epoch; the key check agrees only within one.
    canaries : dict of str to str
        Keyed digests of made-up records that every party derives from the secret and encodes
        with its own installed code, by ``field:NAME`` as standardized, ``filter:NAME`` as encoded
        and ``key:NAME`` as blocking keys. Parties whose digests differ do not standardize, or
        encode, alike.
    block_keys : ndarray of uint64, shape (n_records, n_keys)
        The blocking keys of the spec, 0 where a part of one is missing; no column without keys.
    """

    _kind: ClassVar[ArtifactKind] = "encoded-extract"
    _recipient: ClassVar[str] = "linkage_unit"

    party: str
    agreement_id: str
    agreement_fingerprint: str
    spec: EncodingSpec
    key_check: str
    one_record_per_person: bool
    tokens: npt.NDArray[np.uint8]
    filters: Mapping[str, Filter]
    counts: Mapping[str, int] = field(default_factory=dict)
    epoch: int = 1
    canaries: Mapping[str, str] = field(default_factory=dict)
    block_keys: npt.NDArray[np.uint64] = field(default_factory=_no_keys)

    def __post_init__(self) -> None:
        n_keys = len(self.spec.keys)
        if not n_keys and not self.block_keys.size:
            object.__setattr__(self, "block_keys", _no_keys(len(self)))
        if self.block_keys.shape != (len(self), n_keys) or self.block_keys.dtype != np.uint64:
            raise OptionError(
                f"the blocking keys of '{self.party}' are no uint64 numbers, {n_keys} for each of "
                "its records",
                hint="Make the extract with linkkit.encode.",
            )

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        keys = f"{len(self.spec.keys)} blocking keys, " if self.spec.keys else ""
        return (
            f"<EncodedExtract of '{self.party}': {len(self)} records, "
            f"{len(self.filters)} filters, {keys}profile '{self.spec.profile}'>"
        )

    def to_arrow(self) -> pa.Table:
        """Return tokens, filters and keys as an Arrow table; a missing field is null."""
        return encoding_table(self.spec, self.tokens, self.filters, self.block_keys)

    def to_manifest(self, n_rows: int) -> Manifest:
        """Return what its file says of itself, with `n_rows` rows."""
        return Manifest(
            kind="encoded-extract",
            agreement_id=self.agreement_id,
            agreement_fingerprint=self.agreement_fingerprint,
            sender=self.party,
            party=self.party,
            n_rows=n_rows,
            one_record_per_person=self.one_record_per_person,
            spec=self.spec,
            key_check=self.key_check,
            counts=dict(self.counts),
            epoch=self.epoch,
            canaries=dict(self.canaries),
        )

    def to_table(self) -> pa.Table:
        """Return the rows, as :meth:`to_arrow`."""
        return self.to_arrow()

    @classmethod
    def from_table(cls, table: pa.Table, manifest: Manifest) -> Self:
        """Return the artifact of a file's rows and manifest."""
        spec = _require_spec(manifest)
        return cls(
            party=manifest.sender,
            agreement_id=manifest.agreement_id,
            agreement_fingerprint=manifest.agreement_fingerprint,
            spec=spec,
            key_check=manifest.key_check or "",
            one_record_per_person=bool(manifest.one_record_per_person),
            tokens=token_matrix(table.column("token")),
            filters=filters_of(table, spec),
            counts=manifest.counts,
            epoch=manifest.epoch or 1,
            canaries=manifest.canaries,
            block_keys=keys_of(table, spec),
        )

    @classmethod
    def _of_sealed(cls, sealed: SealedTable, agreement: Agreement) -> Self:
        """Return the extract of an opened file, of which only a portion is held twice."""
        nobody = sealed.schema.empty_table()
        cls._check(nobody, sealed.manifest, agreement)
        whole = cls.from_table(nobody, sealed.manifest)._with_room(sealed.manifest.n_rows)
        end = 0
        for rows in sealed.batches():
            cls._check(rows, sealed.manifest, agreement)
            start, end = end, end + len(rows)
            if end <= len(whole):  # with more rows than stated, the file is refused at its end
                whole._put(slice(start, end), cls.from_table(rows, sealed.manifest))
        return whole

    def _with_room(self, n: int) -> Self:
        """Return an extract that is made in the same way, of `n` rows that are not known yet."""

        def room(content: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.empty((n, *content.shape[1:]), dtype=content.dtype)

        filters = {
            name: Filter(words=room(item.words), present=room(item.present))
            for name, item in self.filters.items()
        }
        return replace(
            self,
            tokens=room(self.tokens),
            filters=filters,
            block_keys=room(self.block_keys),
        )

    def _put(self, rows: slice, portion: Self) -> None:
        """Fill in some rows."""
        self.tokens[rows], self.block_keys[rows] = portion.tokens, portion.block_keys
        for name, item in portion.filters.items():
            self.filters[name].words[rows] = item.words
            self.filters[name].present[rows] = item.present

    @classmethod
    def _check(cls, table: pa.Table, manifest: Manifest, agreement: Agreement) -> None:
        # The spec says what stands in the table.
        spec = _require_spec(manifest)
        _require_agreed_keys(spec, agreement, sender=manifest.sender)
        whole = [item.name for item in spec.passes] + [key_column(key.name) for key in spec.keys]
        _require_columns(table, encoding_types(spec), sender=manifest.sender, never_null=whole)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PayloadExtract(PartyTable):
    """A party's agreed variables, keyed by record token; no linkage field.

    Attributes
    ----------
    party : str
        Who sent it.
    agreement_id, agreement_fingerprint : str
        The agreement that it was made under.
    table : pyarrow.Table
        ``token``, ``year`` (int32, null when the party states none) and the variables; one
        row for each row of the party's extract, in the order of the tokens.
    counts : dict of str to int
        What the partner reports of its own work.
    """

    _kind: ClassVar[ArtifactKind] = "payload-extract"
    _recipient: ClassVar[str] = "steward"
    _strictly: ClassVar[bool] = False

    counts: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"<PayloadExtract of '{self.party}': {len(self)} rows, {len(self.variables)} variables>"
        )

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the payload variables."""
        return tuple(name for name in self.table.column_names if name not in ("token", "year"))

    def _stated(self) -> dict[str, Any]:
        # PartyTable's own, which super() without arguments does not find in a class with slots.
        return {**PartyTable._stated(self), "counts": dict(self.counts)}

    @classmethod
    def _read(cls, manifest: Manifest) -> dict[str, Any]:
        return {"party": manifest.sender, "counts": manifest.counts}

    @classmethod
    def _check(cls, table: pa.Table, manifest: Manifest, agreement: Agreement) -> None:
        _require_payload(table, agreement, party=manifest.sender)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Crosswalk(TableArtifact):
    """Which record tokens belong to the same person; knows no payload.

    Attributes
    ----------
    agreement_id, agreement_fingerprint : str
        The agreement that the encodings were made under.
    table : pyarrow.Table
        ``party`` (string), ``token`` and ``person_id`` (16 bytes each), and where households were
        asked for ``household_id`` (16 bytes), the same for all records of a person; one row for
        each record, sorted by person and token.
    """

    _kind: ClassVar[ArtifactKind] = "crosswalk"
    _recipient: ClassVar[str] = "steward"
    _ordered_by: ClassVar[tuple[str, ...]] = ("person_id", "token")

    def __repr__(self) -> str:
        homes = f", {self.n_households} households" if self.has_households else ""
        return f"<Crosswalk: {len(self)} records, {self.n_people} people{homes}>"

    @property
    def n_people(self) -> int:
        """How many different people there are: the unduplicated count."""
        return int(self.table.column("person_id").combine_chunks().unique().__len__())

    @property
    def has_households(self) -> bool:
        """Whether it says who lives together."""
        return "household_id" in self.table.column_names

    @property
    def n_households(self) -> int | None:
        """How many different households there are; None where they were not asked for."""
        if not self.has_households:
            return None
        return int(self.table.column("household_id").combine_chunks().unique().__len__())

    @property
    def parties(self) -> tuple[str, ...]:
        """The parties with a record in the crosswalk, sorted."""
        return tuple(sorted(self.table.column("party").unique().to_pylist()))

    def to_pandas(self) -> pd.DataFrame:
        """Return the crosswalk as a frame with tokens and ids in hexadecimal."""
        frame = self.table.to_pandas()
        for name in frame.columns.drop("party"):
            frame[name] = [value.hex() for value in frame[name]]
        return cast("pd.DataFrame", frame)

    @classmethod
    def _check(cls, table: pa.Table, manifest: Manifest, agreement: Agreement) -> None:
        del agreement  # every crosswalk has the same columns, or one more
        homes = "household_id" in table.column_names
        expected = _WITH_HOUSEHOLDS if homes else _CROSSWALK_COLUMNS
        _require_columns(table, expected, sender=manifest.sender)
        if homes and not _each_in_one_home(table):
            raise SealError(
                f"the file of '{manifest.sender}' has a person in two households",
                hint="Do not use the file. Ask the sender to make it again with the same version.",
            )


def _each_in_one_home(table: pa.Table) -> bool:
    """Return whether all records of a person have one household; they stand side by side."""
    person, home = (token_matrix(table.column(name)) for name in ("person_id", "household_id"))
    same_person = np.all(person[1:] == person[:-1], axis=1)
    return bool(np.all(np.all(home[1:] == home[:-1], axis=1)[same_person]))


def _require_spec(manifest: Manifest) -> EncodingSpec:
    if manifest.spec is None or manifest.party is None or manifest.key_check is None:
        raise SealError("the file's manifest is incomplete", hint="Ask for the file again.")
    return manifest.spec


def _require_agreed_keys(spec: EncodingSpec, agreement: Agreement, *, sender: str) -> None:
    """Refuse blocking keys that the agreement does not state."""
    stated = agreement.linkage.blocking_keys or {}
    agreed = {name: [(part.field, part.by) for part in parts] for name, parts in stated.items()}
    if {key.name: [(part.name, part.by) for part in key.parts] for key in spec.keys} != agreed:
        raise NotAuthorizedError(
            f"the blocking keys of '{sender}' are not those of agreement '{agreement.id}'",
            clause="linkage.blocking_keys",
            hint=f"Agreed are: {', '.join(agreed) or 'none'}. Encode again under the agreement.",
        )


def _require_columns(
    table: pa.Table,
    expected: Mapping[str, pa.DataType],
    *,
    sender: str,
    once: bool = True,
    never_null: Sequence[str] = (),
) -> None:
    """Refuse a table with other columns or types, or without whole tokens."""
    if list(zip(table.schema.names, table.schema.types, strict=True)) == [*expected.items()]:
        tokens = table.column("token")
        whole = {*_NEVER_NULL, *never_null} & expected.keys()
        complete = all(table.column(name).null_count == 0 for name in whole)
        if complete and (not once or len(tokens.unique()) == len(tokens)):
            return
    raise SealError(
        f"the file of '{sender}' does not hold the columns that such a file has, "
        "or its tokens are not whole",
        hint="Do not use the file. Ask the sender to make it again with the same version.",
    )


def _require_payload(table: pa.Table, agreement: Agreement, *, party: str) -> None:
    names = [name for name in table.column_names if name not in ("token", "year")]
    agreement.authorize_payload(party, names)
    types = {name: _PAYLOAD_TYPES[agreement.variables[name].type] for name in names}
    expected = {"token": TOKEN_TYPE, "year": pa.int32(), **types}
    _require_columns(table, expected, sender=party, once=False)
