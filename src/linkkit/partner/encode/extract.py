"""Encodes a party's extract: what may leave, what stays home, and a report on both."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.errors import ExtractError, OptionError, SecretError
from linkkit.exchange import EncodedExtract, EncodingSpec, Filter, FilterSpec, PayloadExtract
from linkkit.exchange.artifacts import token_array, token_matrix
from linkkit.partner.encode.bloom import bloom_filters
from linkkit.partner.encode.canary import canary_digests, canary_fields
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.kinds import KINDS, filter_spec
from linkkit.partner.encode.passes import PassKeys, pass_filter, pass_specs
from linkkit.partner.encode.payload import payload_columns, positions_outside, row_years
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

__all__ = [
    "OUTSIDE_YEARS",
    "Prepared",
    "columns_named",
    "encode",
    "encoding_spec",
    "encodings_of",
    "payload_of",
    "prepare",
    "record_ids_of",
    "report_of",
    "require_ready",
    "require_records",
    "row_order",
    "token_map_of",
]

ENCODING_VERSION = 1
OUTSIDE_YEARS = "outside the agreement's years"

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Prepared:
    """All that is known of an extract, or of a part of one, on its way to an encoding."""

    agreement: Agreement
    party: str
    table: Extract
    standardized: StandardizedExtract
    records: Records
    tokens: npt.NDArray[np.uint8]
    years: npt.NDArray[np.int64] | None
    payload: dict[str, pa.Array]
    payload_issues: list[Issue]

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
    require_ready(agreement, secret, party=party, token_key=token_key, today=today)
    table = _as_extract(extract, party)
    require_columns(table, columns_named(agreement, party), party=party)
    years = row_years(table, agreement, party=party)
    work = prepare(table, agreement, party=party, token_key=token_key, years=years)
    require_records(len(work.records.ids), len(table), party=party)
    report = report_of(work)
    set_aside = sorted((*table.set_aside, *work.records.set_aside), key=lambda item: item.row)
    return EncodeResult(
        encodings=encodings_of(work, secret, counts=report.counts),
        payload=payload_of(work, counts=report.counts),
        token_map=token_map_of(work),
        set_aside=tuple(set_aside),
        report=report,
    )


def require_ready(
    agreement: Agreement,
    secret: Secret,
    *,
    party: str,
    token_key: TokenKey | None,
    today: dt.date | None,
) -> None:
    """Refuse what cannot be encoded under an agreement, before anything is read."""
    require_agreement(agreement)
    _require_keys(secret, token_key)
    _require_party(party)
    agreement.require_in_force(today=today)
    agreement.party(party)


def require_records(n_records: int, n_rows: int, *, party: str) -> None:
    """Refuse an extract of which nothing can be linked."""
    if not n_records:
        raise ExtractError(
            f"{party}: none of the {n_rows} rows has enough linkage fields to be linked",
            hint="Check that the agreement names the right columns.",
        )


def prepare(
    table: Extract,
    agreement: Agreement,
    *,
    party: str,
    token_key: TokenKey | None,
    years: npt.NDArray[np.int64] | None,
    whole: Mapping[str, Mapping[str, int]] | None = None,
) -> Prepared:
    """Standardize a table, choose its records and give them tokens.

    The table may be a part of an extract, if all rows of a record are in it, in their order, and
    `whole` holds what shows only in whole columns. Rows of years outside the agreement are set
    aside with the reason :data:`OUTSIDE_YEARS`.
    """
    standardized = standardize(table, agreement, party=party, whole=whole)
    ids = record_ids_of(table, agreement.party(party).record_id)
    refused = {**exact_copies(table, ids), **_without_year(years)}
    refused |= dict.fromkeys(positions_outside(years, agreement), OUTSIDE_YEARS)
    records = choose_records(standardized.fields, ids, table.rows, agreement, refused=refused)
    payload, issues = payload_columns(table, standardized, agreement, party=party)
    return Prepared(
        agreement=agreement,
        party=party,
        table=table,
        standardized=standardized,
        records=records,
        tokens=record_tokens(records.ids, key=token_key, agreement_id=agreement.id, party=party),
        years=years,
        payload=payload,
        payload_issues=issues,
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


def columns_named(agreement: Agreement, party: str) -> list[str]:
    """Return the columns that the agreement names at a party."""
    clause = agreement.party(party)
    linkage = [c for source in clause.linkage_fields.values() for c in source.columns]
    payload = [source.column for source in clause.payload.values() if source.column]
    own = [clause.record_id] if clause.record_id else []
    return [*own, *linkage, *payload, *([clause.year.column] if clause.year else [])]


def record_ids_of(table: Extract, column: str | None) -> list[str | None]:
    """Return the row id of each row, None where there is none."""
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


def report_of(work: Prepared) -> EncodingReport:
    """Return what is to be said of the work, without any value."""
    table, records, standardized = work.table, work.records, work.standardized
    named = {" ".join(name.split()) for name in columns_named(work.agreement, work.party)}
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
        issues=(*standardized.issues, *work.payload_issues),
        columns_left=tuple(name for name in table.columns if name not in named),
        notes=(*table.notes, *standardized.notes),
    )


def encodings_of(work: Prepared, secret: Secret, *, counts: Mapping[str, int]) -> EncodedExtract:
    """Return what goes to the linkage unit."""
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
        filters=_filters(fields, secret, scope, spec),
        fields_present=np.column_stack([_present(fields[name]) for name in spec.fields])
        if spec.passes
        else None,
        counts=counts,
        epoch=agreement.epoch,
        canaries=canary_digests(
            made_up, _filters(made_up, secret, scope, spec), secret=secret, scope=scope
        ),
    )


def _filters(
    fields: Mapping[str, pa.Array], secret: Secret, scope: KeyScope, spec: EncodingSpec
) -> dict[str, Filter]:
    filters = {}
    for item in spec.filters:
        key = encoding_key(secret, scope, purpose="field-filter", field=item.name)
        filters[item.name] = _filter(fields[item.name], key, item)
    return {**filters, **_pass_filters(fields, secret, scope, spec)}


def _pass_filters(
    fields: Mapping[str, pa.Array], secret: Secret, scope: KeyScope, spec: EncodingSpec
) -> dict[str, Filter]:
    if not spec.passes:
        return {}
    kinds = {field.name: field.kind for item in spec.passes for field in item.fields}
    table = gram_table(fields, kinds, fields=[name for name in spec.fields if name in kinds])
    filters = {}
    for item in spec.passes:
        groups, ids, diffusion = (
            encoding_key(secret, scope, purpose=purpose, field=item.salt, pass_name=item.name)
            for purpose in ("pass", "pass-group-id", "pass-diffusion")
        )
        keys = PassKeys(groups=groups, ids=ids, diffusion=diffusion)
        salts, codes = salt_codes(fields[item.salt], item)
        filters[item.name] = pass_filter(table, salts, codes, item=item, keys=keys)
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


def payload_of(work: Prepared, *, counts: Mapping[str, int]) -> PayloadExtract:
    """Return what goes to the steward."""
    agreement, years = work.agreement, work.years
    agreement.authorize_payload(work.party, work.payload)
    sent = work.sent_rows
    of_row = work.tokens[work.records.record_of_row[sent]]
    year = np.full(len(sent), -1, dtype=np.int64) if years is None else years[sent]
    table = pa.table(
        {
            "token": token_array(of_row),
            "year": pa.array(year, mask=year < 0).cast(pa.int32()),
            **{name: column.take(pa.array(sent)) for name, column in work.payload.items()},
        }
    )
    return PayloadExtract(
        party=work.party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=table.take(pa.array(row_order(table))),
        counts=counts,
    )


def row_order(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return the order by token, year and values, which the order of the file does not change."""
    ranks = [_rank(table.column(name)) for name in reversed(table.column_names[1:])]
    halves = np.ascontiguousarray(token_matrix(table.column("token"))).view(">u8").astype(np.uint64)
    return np.lexsort((*ranks, halves[:, 1], halves[:, 0])).astype(np.int64)


def _rank(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    values = column.combine_chunks()
    distinct = pc.unique(values)
    place = np.empty(len(distinct), dtype=np.int64)
    place[pc.sort_indices(distinct).to_numpy(zero_copy_only=False)] = np.arange(len(distinct))
    where = pc.index_in(values, value_set=distinct).to_numpy(zero_copy_only=False)
    return np.asarray(place[where], dtype=np.int64)


def token_map_of(work: Prepared) -> TokenMap:
    """Return what stays home: which row got which token."""
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
