"""Encodes a party's extract: what may leave, what stays home, and a report on both."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import Agreement, FieldKind
from linkkit.agreement.document import require_agreement
from linkkit.errors import ExtractError, OptionError, SecretError
from linkkit.exchange import EncodedExtract, EncodingSpec, Filter, FilterSpec, PayloadExtract
from linkkit.exchange.artifacts import token_array
from linkkit.partner.encode.bloom import bloom_filters
from linkkit.partner.encode.canary import canary_digests, canary_fields
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.kinds import KINDS, filter_spec
from linkkit.partner.encode.passes import (
    PassKeys,
    pass_filter,
    pass_specs,
    with_random_filters,
)
from linkkit.partner.encode.payload import payload_columns, row_years
from linkkit.partner.encode.records import Records, choose_records, exact_copies
from linkkit.partner.encode.results import EncodeResult, EncodingReport, TokenMap
from linkkit.partner.encode.salts import salt_codes
from linkkit.partner.encode.tokens import record_tokens
from linkkit.partner.keys import KeyScope, Secret, TokenKey, encoding_key, key_check
from linkkit.partner.read import Extract, extract_from_frame, read_extract
from linkkit.partner.standardize import (
    STANDARDIZATION_VERSION,
    Issue,
    StandardizedExtract,
    standardize,
)
from linkkit.partner.standardize.columns import require_columns, text_column
from linkkit.partner.standardize.text import clean, is_placeholder

__all__ = ["encode", "encoding_spec"]

ENCODING_VERSION = 1

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Work:
    """All that is known of an extract on its way to an encoding."""

    agreement: Agreement
    party: str
    table: Extract
    standardized: StandardizedExtract
    records: Records
    tokens: npt.NDArray[np.uint8]

    @property
    def sent_rows(self) -> npt.NDArray[np.int64]:
        """Positions of the rows that belong to a record."""
        return np.flatnonzero(self.records.record_of_row >= 0)


def encoding_spec(agreement: Agreement) -> EncodingSpec:
    """Return how an agreement's linkage fields are encoded, the same at every party."""
    fields = agreement.linkage.fields
    passes = pass_specs(agreement.linkage)
    return EncodingSpec(
        profile=agreement.linkage.profile,
        encoding_version=ENCODING_VERSION,
        standardization_version=STANDARDIZATION_VERSION,
        filters=()
        if passes
        else tuple(filter_spec(name, field.kind) for name, field in fields.items()),
        fields=tuple(fields) if passes else (),
        passes=passes,
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
    _require_party(party)
    agreement.require_in_force(today=today)
    clause = agreement.party(party)
    table = _as_extract(extract, party)
    require_columns(table, _columns_named(agreement, party), party=party)
    standardized = standardize(table, agreement, party=party)
    years = row_years(table, agreement, party=party)
    ids = _record_ids(table, clause.record_id)
    refused = {**exact_copies(table, ids), **_without_year(years)}
    records = choose_records(standardized.fields, ids, table.rows, agreement, refused=refused)
    if not records.ids:
        raise ExtractError(
            f"{party}: none of the {len(table)} rows has enough linkage fields to be linked",
            hint="Check that the agreement names the right columns.",
        )
    tokens = record_tokens(records.ids, key=token_key, agreement_id=agreement.id, party=party)
    work = _Work(
        agreement=agreement,
        party=party,
        table=table,
        standardized=standardized,
        records=records,
        tokens=tokens,
    )
    columns, issues = payload_columns(table, standardized, agreement, party=party)
    report = _report(work, issues)
    return EncodeResult(
        encodings=_encodings(work, secret, report),
        payload=_payload(work, columns, years, report),
        token_map=_token_map(work),
        set_aside=(*table.set_aside, *records.set_aside),
        report=report,
    )


def _require_keys(secret: object, token_key: object) -> None:
    if not isinstance(secret, Secret):
        raise SecretError(
            f"'secret' must be a Secret, not {type(secret).__name__}",
            hint="Load the partners' linkage secret: linkkit.Secret.load('linkage.key').",
        )
    if token_key is not None and not isinstance(token_key, TokenKey):
        raise SecretError(
            f"'token_key' must be a TokenKey, not {type(token_key).__name__}",
            hint="Load the party's own key: linkkit.TokenKey.load('district.tokens').",
        )


def _require_party(party: object) -> None:
    if not isinstance(party, str):
        raise OptionError(
            f"'party' is the name of a party, not {type(party).__name__}",
            hint="See the docstring of linkkit.encode.",
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
    return [_record_id(cell or "") for cell in cells]


def _record_id(cell: str) -> str | None:
    text = clean(cell)
    return None if not text or is_placeholder(text) else text


def _without_year(years: npt.NDArray[np.int64] | None) -> dict[int, str]:
    if years is None:
        return {}
    return dict.fromkeys(np.flatnonzero(years < 0).tolist(), "no year to be read")


def _report(work: _Work, issues: Sequence[Issue]) -> EncodingReport:
    table, records, standardized = work.table, work.records, work.standardized
    named = {" ".join(name.split()) for name in _columns_named(work.agreement, work.party)}
    reasons = Counter(item.reason for item in (*table.set_aside, *records.set_aside))
    chosen = pa.array(records.best_row)
    clause = work.agreement.party(work.party)
    return EncodingReport(
        party=work.party,
        n_rows=len(table) + len(table.set_aside),
        n_records=len(records.ids),
        n_set_aside=dict(sorted(reasons.items())),
        n_repeated=records.n_repeated,
        missing={
            name: column.take(chosen).null_count
            for name, column in standardized.fields.items()
            if name in clause.linkage_fields
        },
        not_brought=tuple(n for n in standardized.fields if n not in clause.linkage_fields),
        n_without_id=records.ids.count(None) if clause.record_id else 0,
        issues=(*standardized.issues, *issues),
        columns_left=tuple(name for name in table.columns if name not in named),
        notes=(*table.notes, *standardized.notes),
    )


def _counts(report: EncodingReport) -> dict[str, int]:
    return {"n_records": report.n_records, "n_set_aside": sum(report.n_set_aside.values())}


def _encodings(work: _Work, secret: Secret, report: EncodingReport) -> EncodedExtract:
    agreement = work.agreement
    spec = encoding_spec(agreement)
    order = _token_order(work.tokens)
    best = pa.array(work.records.best_row[order])
    scope = KeyScope.of(agreement, spec)
    fields = {name: column.take(best) for name, column in work.standardized.fields.items()}
    made_up = canary_fields(agreement, secret, scope)
    return EncodedExtract(
        party=work.party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        spec=spec,
        key_check=key_check(secret, *scope.labels),
        one_record_per_person=agreement.party(work.party).one_record_per_person,
        tokens=work.tokens[order],
        filters={
            **_filters(fields, secret, scope, spec),
            **{
                name: with_random_filters(item)
                for name, item in _pass_filters(fields, secret, scope, spec).items()
            },
        },
        counts=_counts(report),
        epoch=agreement.epoch,
        canaries=canary_digests(
            made_up,
            {
                **_filters(made_up, secret, scope, spec),
                **_pass_filters(made_up, secret, scope, spec),
            },
            secret=secret,
            scope=scope,
        ),
    )


def _filters(
    fields: Mapping[str, pa.Array], secret: Secret, scope: KeyScope, spec: EncodingSpec
) -> dict[str, Filter]:
    filters = {}
    for item in spec.filters:
        key = encoding_key(secret, scope, purpose="field-filter", field=item.name)
        filters[item.name] = _filter(fields[item.name], key, item)
    return filters


def _pass_filters(
    fields: Mapping[str, pa.Array], secret: Secret, scope: KeyScope, spec: EncodingSpec
) -> dict[str, Filter]:
    if not spec.passes:
        return {}
    kinds: dict[str, FieldKind] = {
        field.name: field.kind for item in spec.passes for field in item.fields
    }
    table = gram_table(fields, kinds, fields=[name for name in spec.fields if name in kinds])
    filters = {}
    for item in spec.passes:
        salts, tokens = (
            encoding_key(secret, scope, purpose=purpose, field=item.name)
            for purpose in ("pass-salt", "pass-token")
        )
        keys = PassKeys(salts=salts, tokens=tokens)
        distinct, codes = salt_codes(fields, item)
        filters[item.name] = pass_filter(table, distinct, codes, item=item, keys=keys)
    return filters


def _present(column: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _filter(column: pa.Array, key: bytes, item: FilterSpec) -> Filter:
    distinct = column.dictionary_encode()
    present = _present(column)
    words = np.zeros((len(column), item.n_words), dtype=np.uint64)
    values = distinct.dictionary.to_pylist()
    if values:
        table = bloom_filters(
            values,
            key=key,
            tokens=KINDS[item.kind].tokens,
            n_bits=item.n_bits,
            n_hashes=item.n_hashes,
        )
        codes = distinct.indices.fill_null(0).to_numpy(zero_copy_only=False)
        words = np.where(present[:, None], table[codes], words)
    return Filter(words=words, present=present)


def _payload(
    work: _Work,
    columns: dict[str, pa.Array],
    years: npt.NDArray[np.int64] | None,
    report: EncodingReport,
) -> PayloadExtract:
    agreement = work.agreement
    agreement.authorize_payload(work.party, columns)
    sent = work.sent_rows
    of_row = work.tokens[work.records.record_of_row[sent]]
    year = np.full(len(sent), -1, dtype=np.int64) if years is None else years[sent]
    table = pa.table(
        {
            "token": token_array(of_row),
            "year": pa.array(year, mask=year < 0).cast(pa.int32()),
            **{name: column.take(pa.array(sent)) for name, column in columns.items()},
        }
    )
    return PayloadExtract(
        party=work.party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=table.take(pa.array(_row_order(table, of_row))),
        counts=_counts(report),
    )


def _row_order(table: pa.Table, tokens: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the order by token, year and values, which the order of the file does not change."""
    ranks = [_rank(table.column(name)) for name in reversed(table.column_names[1:])]
    halves = np.ascontiguousarray(tokens).view(">u8").astype(np.uint64)
    return np.lexsort((*ranks, halves[:, 1], halves[:, 0])).astype(np.int64)


def _rank(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    values = column.combine_chunks()
    distinct = pc.unique(values)
    place = np.empty(len(distinct), dtype=np.int64)
    place[pc.sort_indices(distinct).to_numpy(zero_copy_only=False)] = np.arange(len(distinct))
    where = pc.index_in(values, value_set=distinct).to_numpy(zero_copy_only=False)
    return np.asarray(place[where], dtype=np.int64)


def _token_map(work: _Work) -> TokenMap:
    sent = work.sent_rows
    of_row = work.records.record_of_row[sent]
    return TokenMap(
        tokens=work.tokens[of_row],
        record_ids=[work.records.ids[i] for i in of_row],
        rows=work.table.rows[sent],
    )


def _token_order(tokens: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    # Tokens are random to everybody else, so their order says nothing about the file's order.
    halves = np.ascontiguousarray(tokens).view(">u8").astype(np.uint64)
    return np.lexsort((halves[:, 1], halves[:, 0])).astype(np.int64)
