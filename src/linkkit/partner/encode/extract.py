"""Encodes a party's extract: what may leave, what stays home, and a report on both."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.errors import ExtractError, SecretError
from linkkit.exchange import EncodedExtract, EncodingSpec, Filter, PayloadExtract
from linkkit.exchange.artifacts import token_array
from linkkit.exchange.atomic import atomic_text
from linkkit.partner.encode.bloom import bloom_filters
from linkkit.partner.encode.kinds import KINDS, filter_spec
from linkkit.partner.encode.payload import payload_columns, row_years
from linkkit.partner.encode.records import Records, choose_records
from linkkit.partner.encode.tokens import record_tokens
from linkkit.partner.keys import Secret, TokenKey, derive_key, key_check
from linkkit.partner.read import Extract, SetAside, extract_from_frame, read_extract
from linkkit.partner.standardize import (
    STANDARDIZATION_VERSION,
    Issue,
    StandardizedExtract,
    standardize,
)
from linkkit.partner.standardize.columns import require_columns, text_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EncodeResult", "EncodingReport", "TokenMap", "encode", "encoding_spec"]

ENCODING_VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TokenMap:
    """Which row got which token. Stays home: it leads from a token back to a person.

    Attributes
    ----------
    tokens : ndarray of uint8, shape (n_rows, 16)
        The token of each row that was sent.
    record_ids : list of str or None
        The party's row ids.
    rows : ndarray of int64, shape (n_rows,)
        Row numbers below the header, from 1.
    """

    tokens: npt.NDArray[np.uint8]
    record_ids: list[str | None]
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<TokenMap: {len(self)} rows, stays home>"

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame of ``token`` (hexadecimal), ``record_id`` and ``row``."""
        import pandas as pd  # noqa: PLC0415

        tokens = [bytes(token).hex() for token in self.tokens]
        return pd.DataFrame({"token": tokens, "record_id": self.record_ids, "row": self.rows})

    def save(self, path: str | Path) -> Path:
        """Write a CSV file that only its owner may read."""
        return atomic_text(path, self.to_pandas().to_csv(index=False), private=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodingReport:
    """What was encoded and what was not, in counts, column names and row numbers.

    Attributes
    ----------
    party : str
        Whose extract it was.
    n_rows, n_records : int
        Rows read, and records encoded.
    n_set_aside : dict of str to int
        Rows that were not sent, by reason.
    n_repeated : int
        Rows that belong to a record with an earlier row.
    missing : dict of str to int
        Records without a value, by linkage field.
    issues : tuple of Issue
        Cells that were taken as missing, by rule.
    columns_left : tuple of str
        Columns that the agreement does not name; they stay home.
    notes : tuple of str
        How the file and its columns were read.
    """

    party: str
    n_rows: int
    n_records: int
    n_set_aside: dict[str, int]
    n_repeated: int
    missing: dict[str, int]
    issues: tuple[Issue, ...]
    columns_left: tuple[str, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterable[str]:
        yield f"{self.party}: {self.n_rows} rows read, {self.n_records} records encoded"
        if self.n_repeated:
            yield f"  {self.n_repeated} rows belong to a record that has another row"
        for reason, n in self.n_set_aside.items():
            yield f"  {n} rows set aside: {reason}"
        for field, n in self.missing.items():
            yield f"  {field}: missing in {n} of {self.n_records} records"
        yield from (f"  {issue}" for issue in self.issues)
        yield from (f"  {note}" for note in self.notes)
        if self.columns_left:
            yield f"  columns that stay home: {', '.join(self.columns_left)}"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class EncodeResult:
    """What :func:`encode` makes of an extract.

    Attributes
    ----------
    encodings : EncodedExtract
        For the linkage unit.
    payload : PayloadExtract
        For the steward.
    token_map : TokenMap
        Stays home.
    set_aside : tuple of SetAside
        Rows that were not sent, and why. Stays home.
    report : EncodingReport
        What was done, without any value.
    """

    encodings: EncodedExtract
    payload: PayloadExtract
    token_map: TokenMap
    set_aside: tuple[SetAside, ...]
    report: EncodingReport

    def __repr__(self) -> str:
        return (
            f"<EncodeResult of '{self.encodings.party}': {len(self.encodings)} records, "
            f"{len(self.set_aside)} rows set aside>"
        )


def encoding_spec(agreement: Agreement) -> EncodingSpec:
    """Return how an agreement's linkage fields are encoded, the same at every party."""
    return EncodingSpec(
        profile=agreement.linkage.profile,
        encoding_version=ENCODING_VERSION,
        standardization_version=STANDARDIZATION_VERSION,
        filters=tuple(
            filter_spec(name, field.kind) for name, field in agreement.linkage.fields.items()
        ),
    )


def encode(
    extract: Any,
    agreement: Agreement,
    secret: Secret,
    *,
    party: str,
    token_key: TokenKey | None = None,
    today: dt.date | None = None,
) -> EncodeResult:
    """Standardize and encode a party's extract, at the party.

    Parameters
    ----------
    extract : frame, Extract, str or Path
        The party's records: a pandas, Polars or Arrow frame, what
        :func:`~linkkit.read_extract` returned, or the path of a file.
    agreement : Agreement
        Says which columns are linkage fields and which payload may be sent.
    secret : Secret
        The linkage secret that the parties share.
    party : str
        Which party of the agreement this is.
    token_key : TokenKey, optional
        The party's own key. With it and with row ids, a record keeps its token through all
        deliveries under the agreement; without it tokens are random.
    today : datetime.date, optional
        The date on which the agreement must be in force; the system's date by default.

    Returns
    -------
    EncodeResult
        ``encodings`` for the linkage unit, ``payload`` for the steward, ``token_map`` and
        ``set_aside`` for the party itself, and a ``report`` without values.

    Raises
    ------
    NotAuthorizedError
        When the agreement has no such party, is past its destroy-by date, or rows lie outside
        its years.
    ExtractError
        When the table cannot be read, columns are missing, or no record can be linked.
    SecretError
        When `secret` or `token_key` is another kind of key.

    Examples
    --------
    >>> import linkkit as lk
    >>> from linkkit.synth import youth_partnership
    >>> town = youth_partnership(n_district=40, n_summer=10, n_jobs=5)
    >>> agreement = lk.Agreement.from_document(town.agreement)
    >>> district = lk.encode(
    ...     town.extracts["district"], agreement, lk.Secret.generate(), party="district"
    ... )
    >>> district.encodings
    <EncodedExtract of 'district': 40 records, 7 filters, profile 'field'>
    """
    require_agreement(agreement)
    _require_keys(secret, token_key)
    agreement.require_in_force(today=today)
    clause = agreement.party(party)
    table = _as_extract(extract, party)
    require_columns(table, _columns_named(agreement, party), party=party)
    standardized = standardize(table, agreement, party=party)
    years = row_years(table, agreement, party=party)
    ids = _record_ids(table, clause.record_id)
    records = choose_records(standardized.fields, ids, table.rows, agreement)
    if not records.ids:
        raise ExtractError(
            f"{party}: none of the {len(table)} rows has enough linkage fields to be linked",
            hint="Check that the agreement names the right columns.",
        )
    tokens = record_tokens(
        records.ids, key=token_key, agreement_id=agreement.id, party=party
    )
    columns, issues = payload_columns(table, standardized, agreement, party=party)
    report = _report(party, table, standardized, records, issues, agreement)
    return EncodeResult(
        encodings=_encodings(agreement, secret, party, standardized, records, tokens, report),
        payload=_payload(agreement, party, columns, years, records, tokens, report),
        token_map=_token_map(records, tokens, table),
        set_aside=(*table.set_aside, *records.set_aside),
        report=report,
    )


def _require_keys(secret: object, token_key: object) -> None:
    if not isinstance(secret, Secret):
        raise SecretError(
            f"'secret' must be a Secret, not {type(secret).__name__}",
            hint="Load the partners' linkage secret: linkkit.Secret.load('see-2026.key').",
        )
    if token_key is not None and not isinstance(token_key, TokenKey):
        raise SecretError(
            f"'token_key' must be a TokenKey, not {type(token_key).__name__}",
            hint="Load the party's own key: linkkit.TokenKey.load('district.tokens').",
        )


def _as_extract(extract: Any, party: str) -> Extract:
    if isinstance(extract, Extract):
        return extract
    if isinstance(extract, (str, Path)):
        return read_extract(extract)
    return extract_from_frame(extract, source=f"the extract of '{party}'")


def _columns_named(agreement: Agreement, party: str) -> list[str]:
    clause = agreement.party(party)
    linkage = [c for source in clause.linkage_fields.values() for c in source.columns]
    payload = [source.column for source in clause.payload.values() if source.column]
    own = [clause.record_id] if clause.record_id else []
    return [*own, *linkage, *payload, *([clause.year.column] if clause.year else [])]


def _record_ids(table: Extract, column: str | None) -> list[str | None]:
    if column is None:
        return [None] * len(table)
    cells = text_column(table, column).to_pylist()
    return [(cell or "").strip() or None for cell in cells]


def _report(
    party: str,
    table: Extract,
    standardized: StandardizedExtract,
    records: Records,
    issues: Sequence[Issue],
    agreement: Agreement,
) -> EncodingReport:
    named = {" ".join(name.split()) for name in _columns_named(agreement, party)}
    reasons = Counter(item.reason for item in (*table.set_aside, *records.set_aside))
    chosen = pa.array(records.best_row)
    return EncodingReport(
        party=party,
        n_rows=len(table) + len(table.set_aside),
        n_records=len(records.ids),
        n_set_aside=dict(sorted(reasons.items())),
        n_repeated=records.n_repeated,
        missing={
            name: column.take(chosen).null_count for name, column in standardized.fields.items()
        },
        issues=(*standardized.issues, *issues),
        columns_left=tuple(name for name in table.columns if name not in named),
        notes=(*table.notes, *standardized.notes),
    )


def _encodings(
    agreement: Agreement,
    secret: Secret,
    party: str,
    standardized: StandardizedExtract,
    records: Records,
    tokens: npt.NDArray[np.uint8],
    report: EncodingReport,
) -> EncodedExtract:
    spec = encoding_spec(agreement)
    order = _token_order(tokens)
    best = pa.array(records.best_row[order])
    filters = {}
    for item in spec.filters:
        key = derive_key(secret, "field-filter", agreement.id, spec.digest, item.name)
        column = standardized.fields[item.name].take(best)
        filters[item.name] = _filter(column, key, item.n_bits, item.n_hashes, item.kind)
    return EncodedExtract(
        party=party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        spec=spec,
        key_check=key_check(secret, agreement.id, spec.digest),
        one_record_per_person=agreement.party(party).one_record_per_person,
        tokens=tokens[order],
        filters=filters,
        counts={"n_records": report.n_records, "n_set_aside": sum(report.n_set_aside.values())},
    )


def _filter(column: pa.Array, key: bytes, n_bits: int, n_hashes: int, kind: Any) -> Filter:
    distinct = column.dictionary_encode()
    present = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    words = np.zeros((len(column), n_bits // 64), dtype=np.uint64)
    values = distinct.dictionary.to_pylist()
    if values:
        table = bloom_filters(
            values, key=key, tokens=KINDS[kind].tokens, n_bits=n_bits, n_hashes=n_hashes
        )
        codes = distinct.indices.fill_null(0).to_numpy(zero_copy_only=False)
        words = np.where(present[:, None], table[codes], words)
    return Filter(words=words, present=present)


def _payload(
    agreement: Agreement,
    party: str,
    columns: dict[str, pa.Array],
    years: npt.NDArray[np.int64] | None,
    records: Records,
    tokens: npt.NDArray[np.uint8],
    report: EncodingReport,
) -> PayloadExtract:
    agreement.authorize_payload(party, columns)
    sent = np.flatnonzero(records.record_of_row >= 0)
    of_row = tokens[records.record_of_row[sent]]
    year = np.full(len(sent), -1, dtype=np.int64) if years is None else years[sent]
    table = pa.table(
        {
            "token": token_array(of_row),
            "year": pa.array(year, mask=year < 0).cast(pa.int32()),
            **{name: column.take(pa.array(sent)) for name, column in columns.items()},
        }
    )
    return PayloadExtract(
        party=party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=table.take(pa.array(_token_order(of_row))),
        counts={"n_records": report.n_records, "n_set_aside": sum(report.n_set_aside.values())},
    )


def _token_map(
    records: Records, tokens: npt.NDArray[np.uint8], table: Extract
) -> TokenMap:
    sent = np.flatnonzero(records.record_of_row >= 0)
    of_row = records.record_of_row[sent]
    return TokenMap(
        tokens=tokens[of_row], record_ids=[records.ids[i] for i in of_row], rows=table.rows[sent]
    )


def _token_order(tokens: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    # Tokens are random to everybody else, so their order says nothing about the file's order.
    halves = np.ascontiguousarray(tokens).view(">u8").astype(np.uint64)
    return np.lexsort((halves[:, 1], halves[:, 0])).astype(np.int64)
