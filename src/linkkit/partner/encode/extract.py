"""Encodes a party's extract: what may leave, what stays home, and a report on both."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.engines.local import run_in_threads
from linkkit.errors import ExtractError, OptionError, SecretError
from linkkit.exchange import EncodedExtract, EncodingSpec, Filter, PayloadExtract
from linkkit.exchange.artifacts import token_array
from linkkit.partner.encode.bloom import BloomEncoder
from linkkit.partner.encode.canary import canary_digests, canary_fields
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.kinds import KINDS, filter_spec
from linkkit.partner.encode.passes import PassKeys, pass_filter, pass_specs
from linkkit.partner.encode.payload import payload_columns, row_years
from linkkit.partner.encode.records import (
    Records,
    choose_records,
    exact_copies,
    id_codes_of,
    ranks_of,
    taken,
)
from linkkit.partner.encode.results import EncodeResult, EncodingReport, TokenMap
from linkkit.partner.encode.salts import salt_codes
from linkkit.partner.encode.tokenize import is_valid
from linkkit.partner.encode.tokens import record_tokens
from linkkit.partner.keys import KeyScope, Secret, TokenKey, encoding_key, key_check
from linkkit.partner.read import Extract, extract_from_frame, read_extract
from linkkit.partner.standardize import (
    STANDARDIZATION_VERSION,
    Issue,
    StandardizedExtract,
    standardize,
)
from linkkit.partner.standardize.columns import require_columns, row_ids, text_column, threads_for

__all__ = ["FieldEncoder", "encode", "encoding_spec"]

ENCODING_VERSION = 1

Int64s = npt.NDArray[np.int64]

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
    order: Int64s

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
    standardized, (ids, codes, copies), years = _side_by_side(
        len(table),
        lambda: standardize(table, agreement, party=party),
        lambda: _ids_and_copies(table, clause.record_id),
        lambda: row_years(table, agreement, party=party),
    )
    refused = {**copies, **_without_year(years)}
    records = choose_records(
        standardized.fields, ids, table.rows, agreement, id_codes=codes, refused=refused
    )
    if not len(records.ids):
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
        order=_token_order(tokens),
    )
    columns, issues = payload_columns(table, standardized, agreement, party=party)
    report = _report(work, issues)
    encodings, payload, token_map = _side_by_side(
        len(table),
        lambda: _encodings(work, secret, report),
        lambda: _payload(work, columns, years, report),
        lambda: _token_map(work),
    )
    return EncodeResult(
        encodings=encodings,
        payload=payload,
        token_map=token_map,
        set_aside=(*table.set_aside, *records.set_aside),
        report=report,
    )


def _side_by_side(n_rows: int, *works: Callable[[], Any]) -> list[Any]:
    """Do works that do not need each other, in threads where there are many rows."""
    return list(run_in_threads(lambda work: work(), works, n_threads=threads_for(n_rows)))


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


def _ids_and_copies(table: Extract, column: str | None) -> tuple[pa.Array, Int64s, dict[int, str]]:
    ids = _record_ids(table, column)
    codes = id_codes_of(ids)
    return ids, codes, exact_copies(table, codes)


def _record_ids(table: Extract, column: str | None) -> pa.Array:
    if column is None:
        return pa.nulls(len(table), pa.large_string())
    return row_ids(text_column(table, column))


def _without_year(years: npt.NDArray[np.int64] | None) -> dict[int, str]:
    if years is None:
        return {}
    return dict.fromkeys(np.flatnonzero(years < 0).tolist(), "no year to be read")


def _report(work: _Work, issues: Sequence[Issue]) -> EncodingReport:
    table, records, standardized = work.table, work.records, work.standardized
    named = {" ".join(name.split()) for name in _columns_named(work.agreement, work.party)}
    reasons = Counter(item.reason for item in (*table.set_aside, *records.set_aside))
    clause = work.agreement.party(work.party)
    return EncodingReport(
        party=work.party,
        n_rows=len(table) + len(table.set_aside),
        n_records=len(records.ids),
        n_set_aside=dict(sorted(reasons.items())),
        n_repeated=records.n_repeated,
        missing={
            name: int(np.count_nonzero(~is_valid(column)[records.best_row]))
            for name, column in standardized.fields.items()
            if name in clause.linkage_fields
        },
        not_brought=tuple(n for n in standardized.fields if n not in clause.linkage_fields),
        n_without_id=records.ids.null_count if clause.record_id else 0,
        issues=(*standardized.issues, *issues),
        columns_left=tuple(name for name in table.columns if name not in named),
        notes=(*table.notes, *standardized.notes),
    )


def _counts(report: EncodingReport) -> dict[str, int]:
    return {"n_records": report.n_records, "n_set_aside": sum(report.n_set_aside.values())}


def _encodings(work: _Work, secret: Secret, report: EncodingReport) -> EncodedExtract:
    agreement = work.agreement
    spec = encoding_spec(agreement)
    order = work.order
    best = work.records.best_row[order]
    scope = KeyScope.of(agreement, spec)
    fields = work.standardized.fields
    encoder = FieldEncoder(secret, scope, spec)
    made_up = canary_fields(agreement, secret, scope)
    return EncodedExtract(
        party=work.party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        spec=spec,
        key_check=key_check(secret, *scope.labels),
        one_record_per_person=agreement.party(work.party).one_record_per_person,
        tokens=work.tokens[order],
        filters=encoder.encode(fields, rows=best),
        fields_present=np.column_stack([is_valid(fields[name])[best] for name in spec.fields])
        if spec.passes
        else None,
        counts=_counts(report),
        epoch=agreement.epoch,
        canaries=canary_digests(made_up, encoder.encode(made_up), secret=secret, scope=scope),
    )


class FieldEncoder:
    """Encodes standardized records, batch after batch; each distinct token is hashed once.

    Parameters
    ----------
    secret : Secret
        The linkage secret.
    scope : KeyScope
        Agreement, epoch and spec.
    spec : EncodingSpec
        How to encode.
    """

    __slots__ = ("_encoders", "_scope", "_secret", "_spec")

    def __init__(self, secret: Secret, scope: KeyScope, spec: EncodingSpec) -> None:
        self._secret, self._scope, self._spec = secret, scope, spec
        self._encoders = {
            item.name: BloomEncoder(
                key=encoding_key(secret, scope, purpose="field-filter", field=item.name),
                tokens=KINDS[item.kind].tokens,
                n_bits=item.n_bits,
                n_hashes=item.n_hashes,
            )
            for item in spec.filters
        }

    def encode(
        self, fields: Mapping[str, pa.Array], *, rows: Int64s | None = None
    ) -> dict[str, Filter]:
        """Encode some records.

        Parameters
        ----------
        fields : mapping of str to pyarrow.Array
            Each linkage field as text, null where it is missing.
        rows : ndarray of int64, optional
            Which records, and in which order; all by default.
        """
        n_rows = max(map(len, fields.values()), default=0)
        places = None
        if rows is not None and 2 * len(rows) > n_rows:
            places = np.full(n_rows, -1, dtype=np.int64)
            places[rows] = np.arange(len(rows))

        def chosen(name: str) -> pa.Array:
            return fields[name] if rows is None else taken(fields[name], rows)

        def encoded(name: str) -> Filter:
            column = chosen(name) if places is None else fields[name]
            present = is_valid(column) if places is None else is_valid(column)[rows]
            words = self._encoders[name].encode(column, places=places)
            return Filter(words=words, present=present)

        filters = run_in_threads(encoded, list(self._encoders), n_threads=threads_for(n_rows))
        of_fields = dict(zip(self._encoders, filters, strict=True))
        covered = {name: chosen(name) for name in self._spec.fields}
        return {**of_fields, **_pass_filters(covered, self._secret, self._scope, self._spec)}


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
    columns = {name: taken(column, sent) for name, column in columns.items()}
    rest = {"year": pa.array(year, mask=year < 0).cast(pa.int32()), **columns}
    ranks = np.empty(len(work.order), dtype=np.int64)
    ranks[work.order] = np.arange(len(work.order))
    order = _row_order(rest, ranks[work.records.record_of_row[sent]], n_records=len(work.order))
    sorted_columns = {name: column.take(pa.array(order)) for name, column in rest.items()}
    return PayloadExtract(
        party=work.party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=pa.table({"token": token_array(of_row[order]), **sorted_columns}),
        counts=_counts(report),
    )


def _row_order(columns: Mapping[str, pa.Array], ranks: Int64s, *, n_records: int) -> Int64s:
    """Return the order by token, year and values, which the order of the file does not change.

    `ranks` are those of the rows' tokens among the tokens of all records, each of which has a row.
    """
    if len(ranks) == n_records:
        order = np.empty(len(ranks), dtype=np.int64)
        order[ranks] = np.arange(len(ranks))
        return order
    order = np.argsort(ranks, kind="stable")
    tied = (np.bincount(ranks) > 1)[ranks[order]]
    rows = order[tied]
    values = [ranks_of(column.take(pa.array(rows))) for column in reversed(list(columns.values()))]
    order[tied] = rows[np.lexsort((*values, ranks[rows]))]
    return order


def _token_map(work: _Work) -> TokenMap:
    sent = work.sent_rows
    of_row = work.records.record_of_row[sent]
    return TokenMap(
        tokens=work.tokens[of_row],
        record_ids=taken(work.records.ids, of_row),
        rows=work.table.rows[sent],
    )


def _token_order(tokens: npt.NDArray[np.uint8]) -> Int64s:
    # Tokens are random to everybody else, so their order says nothing about the file's order.
    halves = np.ascontiguousarray(tokens).view(">u8").astype(np.uint64)
    first = np.ascontiguousarray(halves[:, 0])
    order = np.argsort(first)
    if (np.diff(first[order]) == 0).any():
        order = np.lexsort((halves[:, 1], first))
    return order.astype(np.int64)
