"""Encodes a party's extract: what may leave, what stays home, and a report on both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.engines.local import run_in_threads
from linkkit.errors import SecretError
from linkkit.exchange import EncodedExtract, PayloadExtract
from linkkit.exchange.artifacts import token_array, token_matrix
from linkkit.partner.encode.block_keys import block_keys, by_name
from linkkit.partner.encode.canary import canary_digests, canary_fields
from linkkit.partner.encode.clk_profile import as_clkhash_secret, clk_encodings
from linkkit.partner.encode.filters import FieldEncoder, sent_filters
from linkkit.partner.encode.prepared import (
    PreparedExtract,
    encoding_spec,
    prepare_extract,
    report_of,
    side_by_side,
)
from linkkit.partner.encode.records import ranks_of, taken
from linkkit.partner.encode.results import EncodeResult, TokenMap
from linkkit.partner.encode.tokens import token_order
from linkkit.partner.keys import ClkhashSecret, KeyScope, Secret, TokenKey, key_check

__all__ = [
    "encode",
    "encodings_of",
    "payload_of",
    "require_keys",
    "row_order",
    "token_map_of",
]

Int64s = npt.NDArray[np.int64]
_ROWS_AT_ONCE = 131_072


def encode(
    extract: Any,
    agreement: Agreement,
    secret: Secret | ClkhashSecret,
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
    secret : Secret or ClkhashSecret
        The linkage secret that the parties share. The profile ``clkhash`` takes a
        :class:`~linkkit.partner.keys.ClkhashSecret` as well, for filters that are to match those
        that clkhash made.
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
    <EncodedExtract of 'district': 40 records, 6 filters, profile 'standard'>
    """
    require_keys(agreement, secret, token_key)
    work = prepare_extract(
        extract, agreement, party=party, secret=secret, token_key=token_key, today=today
    )
    report = report_of(work)
    set_aside = sorted((*work.table.set_aside, *work.records.set_aside), key=lambda item: item.row)
    encodings, payload, token_map = side_by_side(
        len(work.table),
        lambda: encodings_of(work, secret, counts=report.counts),
        lambda: payload_of(work, counts=report.counts),
        lambda: token_map_of(work),
    )
    return EncodeResult(
        encodings=encodings,
        payload=payload,
        token_map=token_map,
        set_aside=tuple(set_aside),
        report=report,
    )


def require_keys(agreement: object, secret: object, token_key: object) -> None:
    """Refuse anything but an agreement, the secret that its profile takes, and a token key."""
    profile = require_agreement(agreement).linkage.profile
    if isinstance(secret, ClkhashSecret) and profile != "clkhash":
        raise SecretError(
            f"a ClkhashSecret is for agreements of the profile 'clkhash', and this is '{profile}'",
            hint="Load the partners' linkage secret: linkkit.Secret.load('linkage.key').",
        )
    if not isinstance(secret, (Secret, ClkhashSecret)):
        raise SecretError(
            f"'secret' must be a Secret, not {type(secret).__name__}",
            hint="Load the partners' linkage secret: linkkit.Secret.load('linkage.key').",
        )
    if token_key is not None and not isinstance(token_key, TokenKey):
        raise SecretError(
            f"'token_key' must be a TokenKey, not {type(token_key).__name__}",
            hint="Load the party's own key: linkkit.TokenKey.load('district.tokens').",
        )


def encodings_of(
    work: PreparedExtract, secret: Secret | ClkhashSecret, *, counts: Mapping[str, int]
) -> EncodedExtract:
    """Return what goes to the linkage unit."""
    agreement = work.agreement
    spec = encoding_spec(agreement)
    order = work.order
    best = work.records.best_row[order]
    if work.clks is not None or isinstance(secret, ClkhashSecret):
        words = work.clks.words if work.clks is not None else np.zeros((0, 0), dtype=np.uint64)
        return clk_encodings(
            _rows_of(words, best),
            work.tokens[order],
            agreement=agreement,
            secret=as_clkhash_secret(secret, agreement, spec),
            spec=spec,
            party=work.party,
            counts=counts,
            fields=work.standardized.fields,
            rows=best,
        )
    scope = KeyScope.of(agreement, spec)
    encoder = FieldEncoder(secret, scope, spec)
    made_up = canary_fields(agreement, secret, scope)
    made = encoder.encode(work.standardized.compared, rows=best)
    return EncodedExtract(
        party=work.party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        spec=spec,
        key_check=key_check(secret, *scope.labels),
        one_record_per_person=agreement.party(work.party).one_record_per_person,
        tokens=work.tokens[order],
        filters=sent_filters(made, spec, work.tokens[order], secret=secret, scope=scope),
        counts=counts,
        epoch=agreement.epoch,
        canaries=canary_digests(
            made_up,
            encoder.encode(made_up),
            secret=secret,
            scope=scope,
            keys=by_name(block_keys(made_up, secret, scope, spec), spec),
        ),
        block_keys=block_keys(work.standardized.fields, secret, scope, spec, rows=best),
    )


def _rows_of(words: npt.NDArray[np.uint64], rows: Int64s) -> npt.NDArray[np.uint64]:
    """Return some rows of filters, copied in threads where there are many."""
    out = np.empty((len(rows), words.shape[1]), dtype=np.uint64)

    def copy(start: int) -> None:
        part = slice(start, start + _ROWS_AT_ONCE)
        np.take(words, rows[part], axis=0, out=out[part], mode="clip")

    for _ in run_in_threads(copy, range(0, len(rows), _ROWS_AT_ONCE)):
        pass
    return out


def payload_of(work: PreparedExtract, *, counts: Mapping[str, int]) -> PayloadExtract:
    """Return what goes to the steward."""
    agreement, years = work.agreement, work.years
    agreement.authorize_payload(work.party, work.payload)
    rows = _payload_rows(work)
    year = None if years is None else years[rows]
    table = pa.table(
        {
            "token": token_array(work.tokens[work.records.record_of_row[rows]]),
            "year": pa.nulls(len(rows), pa.int32())
            if year is None
            else pa.array(year, mask=year < 0).cast(pa.int32()),
            **{name: taken(column, rows) for name, column in work.payload.items()},
        }
    )
    return PayloadExtract(
        party=work.party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=table,
        counts=counts,
    )


def _payload_rows(work: PreparedExtract) -> Int64s:
    """Return the rows that are sent, by token, year and values."""
    sent, n_records = work.sent_rows, len(work.order)
    rank = np.empty(n_records, dtype=np.int64)
    rank[work.order] = np.arange(n_records)
    ranks = rank[work.records.record_of_row[sent]]
    columns: dict[str, pa.Array] = {}
    if len(sent) > n_records:
        years = np.zeros(len(work.table), np.int64) if work.years is None else work.years
        # A row without a year comes last, as a null does.
        of_year = pa.array(years[sent], mask=years[sent] < 0)
        columns = {"year": of_year, **{n: taken(c, sent) for n, c in work.payload.items()}}
    return sent[_row_order(columns, ranks, n_records=n_records)]


def row_order(table: pa.Table) -> Int64s:
    """Return the order by token, year and values, which the order of the file does not change."""
    tokens = np.ascontiguousarray(token_matrix(table.column("token")))
    order = token_order(tokens)
    if not len(order):
        return order
    same = (np.diff(tokens[order].view(np.uint64), axis=0) == 0).all(axis=1)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.cumsum(np.insert(~same, 0, False))
    columns = {name: table.column(name).combine_chunks() for name in table.column_names[1:]}
    return _row_order(columns, ranks, n_records=len(order) - int(same.sum()))


def _row_order(columns: Mapping[str, pa.Array], ranks: Int64s, *, n_records: int) -> Int64s:
    """Return the order by token, year and values.

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


def token_map_of(work: PreparedExtract) -> TokenMap:
    """Return what stays home: which row got which token."""
    sent = work.sent_rows
    of_row = work.records.record_of_row[sent]
    return TokenMap(
        tokens=work.tokens[of_row],
        record_ids=taken(work.records.ids, of_row),
        rows=work.table.rows[sent],
    )
