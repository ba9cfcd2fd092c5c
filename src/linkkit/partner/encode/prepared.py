"""An extract on its way to an encoding: read, standardized, put into records, given tokens."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.engines.local import run_in_threads
from linkkit.errors import ExtractError, OptionError
from linkkit.exchange import EncodingSpec
from linkkit.partner.encode.block_keys import key_specs
from linkkit.partner.encode.clk_profile import as_clkhash_secret, record_specs
from linkkit.partner.encode.clk_rows import ClkRows, as_schema_reads, clk_rows, schema_notes
from linkkit.partner.encode.kinds import filter_spec
from linkkit.partner.encode.passes import pass_specs
from linkkit.partner.encode.payload import payload_columns, positions_outside, row_years
from linkkit.partner.encode.records import Records, choose_records, exact_copies, id_codes_of
from linkkit.partner.encode.results import EncodingReport
from linkkit.partner.encode.tokenize import is_valid
from linkkit.partner.encode.tokens import record_tokens, token_order
from linkkit.partner.keys import ClkhashSecret, Secret, TokenKey
from linkkit.partner.read import Extract, extract_from_frame, read_extract
from linkkit.partner.standardize import (
    STANDARDIZATION_VERSION,
    Issue,
    StandardizedExtract,
    standardize,
)
from linkkit.partner.standardize.columns import require_columns, row_ids, text_column, threads_for

__all__ = [
    "OUTSIDE_YEARS",
    "PreparedExtract",
    "columns_named",
    "encoding_spec",
    "prepare",
    "prepare_extract",
    "record_ids_of",
    "report_of",
    "require_ready",
    "require_records",
    "side_by_side",
]

ENCODING_VERSION = 1
OUTSIDE_YEARS = "outside the agreement's years"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PreparedExtract:
    """All that is known of an extract, or of a part of one, on its way to an encoding.

    Attributes
    ----------
    agreement : Agreement
        Under which it is sent.
    party : str
        Whose it is.
    table : Extract
        The party's table.
    standardized : StandardizedExtract
        The linkage fields of its rows.
    records : Records
        Which rows are records, and which are set aside.
    tokens : ndarray of uint8, shape (n_records, 16)
        The token of each record; random without a token key.
    order : ndarray of int64, shape (n_records,)
        The records in the order of their tokens, in which they are sent.
    years : ndarray of int64 or None
        The year of each row, where the party states one.
    payload : dict of str to pyarrow.Array
        The agreed variables of each row.
    payload_issues : list of Issue
        Cells of them that were taken as missing.
    clks : ClkRows or None
        The rows as clkhash hashes them, under its profile and where the secret was given.
    notes : tuple of str
        What else the party should be told.
    """

    agreement: Agreement
    party: str
    table: Extract
    standardized: StandardizedExtract
    records: Records
    tokens: npt.NDArray[np.uint8]
    order: npt.NDArray[np.int64]
    years: npt.NDArray[np.int64] | None
    payload: dict[str, pa.Array]
    payload_issues: list[Issue]
    clks: ClkRows | None = None
    notes: tuple[str, ...] = ()

    @property
    def sent_rows(self) -> npt.NDArray[np.int64]:
        """Positions of the rows that belong to a record."""
        return np.flatnonzero(self.records.record_of_row >= 0)


def encoding_spec(agreement: Agreement) -> EncodingSpec:
    """Return how an agreement's linkage fields are encoded, the same at every party."""
    fields = agreement.linkage.fields
    passes = pass_specs(agreement)
    records = record_specs(agreement.linkage)
    return EncodingSpec(
        profile=agreement.linkage.profile,
        encoding_version=ENCODING_VERSION,
        standardization_version=STANDARDIZATION_VERSION,
        filters=()
        if passes or records
        else tuple(filter_spec(name, field) for name, field in fields.items()),
        fields=tuple(fields) if passes else (),
        passes=passes,
        records=records,
        keys=key_specs(agreement.linkage),
    )


def prepare_extract(
    extract: Any,
    agreement: Agreement,
    *,
    party: str,
    secret: Secret | ClkhashSecret | None = None,
    token_key: TokenKey | None = None,
    today: dt.date | None = None,
) -> PreparedExtract:
    """Read, standardize and check an extract, as :func:`~linkkit.encode` does.

    Takes and raises what :func:`~linkkit.encode` does. Without a secret, rows that break the
    schema of the profile ``clkhash`` are not known.
    """
    require_ready(agreement, party=party, today=today)
    table = _as_extract(extract, party)
    require_columns(table, columns_named(agreement, party), party=party)
    years = row_years(table, agreement, party=party)
    work = prepare(table, agreement, party=party, secret=secret, token_key=token_key, years=years)
    require_records(len(work.records.ids), len(table), party=party)
    return work


def prepare(
    table: Extract,
    agreement: Agreement,
    *,
    party: str,
    secret: Secret | ClkhashSecret | None = None,
    token_key: TokenKey | None,
    years: npt.NDArray[np.int64] | None,
    whole: Mapping[str, Mapping[str, int]] | None = None,
) -> PreparedExtract:
    """Standardize a table, choose its records and give them tokens.

    The table may be a part of an extract, if all rows of a record are in it, in their order, and
    `whole` holds what shows only in whole columns. Rows of years outside the agreement are set
    aside with the reason :data:`OUTSIDE_YEARS`.
    """
    read_as = as_schema_reads(agreement, party)
    standardized, (ids, codes, copies) = side_by_side(
        len(table),
        lambda: standardize(table, read_as, party=party, whole=whole),
        lambda: _ids_and_copies(table, agreement.party(party).record_id),
    )
    clks, notes = _clk_rows(table, standardized, agreement, secret, party=party)
    chosen = standardized if clks is None else clks.standardized
    refused = {} if clks is None else clks.lost(codes)
    refused |= {**copies, **_without_year(years)}
    refused |= dict.fromkeys(positions_outside(years, agreement), OUTSIDE_YEARS)

    def with_tokens() -> tuple[Records, npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        records = choose_records(
            chosen.fields, ids, table.rows, agreement, id_codes=codes, refused=refused
        )
        named = {"agreement_id": agreement.id, "party": party}
        tokens = record_tokens(records.ids, key=token_key, **named)
        return records, tokens, token_order(tokens)

    (records, tokens, order), (payload, issues) = side_by_side(
        len(table),
        with_tokens,
        lambda: payload_columns(table, standardized, agreement, party=party),
    )
    return PreparedExtract(
        agreement=agreement,
        party=party,
        table=table,
        standardized=chosen,
        records=records,
        tokens=tokens,
        order=order,
        years=years,
        payload=payload,
        payload_issues=issues,
        clks=clks,
        notes=notes,
    )


def side_by_side(n_rows: int, *works: Callable[[], Any]) -> list[Any]:
    """Do works that do not need each other, in threads where there are many rows."""
    return list(run_in_threads(lambda work: work(), works, n_threads=threads_for(n_rows)))


def _ids_and_copies(
    table: Extract, column: str | None
) -> tuple[pa.Array, npt.NDArray[np.int64], dict[int, str]]:
    ids = record_ids_of(table, column)
    codes = id_codes_of(ids)
    return ids, codes, exact_copies(table, codes)


def _clk_rows(
    table: Extract,
    standardized: StandardizedExtract,
    agreement: Agreement,
    secret: Secret | ClkhashSecret | None,
    *,
    party: str,
) -> tuple[ClkRows | None, tuple[str, ...]]:
    if agreement.linkage.profile != "clkhash":
        return None, ()
    notes = schema_notes(agreement, secret if isinstance(secret, ClkhashSecret) else None)
    if secret is None:
        return None, notes
    shared = as_clkhash_secret(secret, agreement, encoding_spec(agreement))
    return clk_rows(table, standardized, agreement, shared, party=party), notes


def require_ready(agreement: Agreement, *, party: str, today: dt.date | None) -> None:
    """Refuse a party that cannot encode under an agreement, before anything is read."""
    require_agreement(agreement)
    if not isinstance(party, str):
        raise OptionError(
            f"'party' is the name of a party, not {type(party).__name__}",
            hint="See the docstring of linkkit.encode.",
        )
    agreement.require_in_force(today=today)
    agreement.party(party)


def require_records(n_records: int, n_rows: int, *, party: str) -> None:
    """Refuse an extract of which nothing can be linked."""
    if not n_records:
        raise ExtractError(
            f"{party}: none of the {n_rows} rows has enough linkage fields to be linked",
            hint="Check that the agreement names the right columns.",
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


def record_ids_of(table: Extract, column: str | None) -> pa.Array:
    """Return the row id of each row, null where there is none."""
    if column is None:
        return pa.nulls(len(table), pa.large_string())
    return row_ids(text_column(table, column))


def _without_year(years: npt.NDArray[np.int64] | None) -> dict[int, str]:
    if years is None:
        return {}
    return dict.fromkeys(np.flatnonzero(years < 0).tolist(), "no year to be read")


def report_of(work: PreparedExtract) -> EncodingReport:
    """Return what is to be said of the work, without any value."""
    table, records, standardized = work.table, work.records, work.standardized
    named = {" ".join(name.split()) for name in columns_named(work.agreement, work.party)}
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
        issues=(*standardized.issues, *work.payload_issues),
        columns_left=tuple(name for name in table.columns if name not in named),
        notes=(*table.notes, *standardized.notes, *work.notes),
    )
