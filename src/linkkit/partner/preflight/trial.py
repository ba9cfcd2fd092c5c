"""A trial encoding: how full the filters are, and whether their fullness tells lengths.

The filters are made under a throw-away secret, looked at, and forgotten. Nothing of them leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import rankdata

from linkkit.agreement import Agreement, LinkageField
from linkkit.exchange import EncodingSpec, Filter
from linkkit.partner.encode.filters import record_filters
from linkkit.partner.encode.kinds import kind_encoding
from linkkit.partner.keys import KeyScope, Secret
from linkkit.partner.preflight.results import FilterFill
from linkkit.partner.preflight.rules import LIMITS

__all__ = ["clk_filters", "filter_fills", "sample_rows", "trial_filters", "trial_secret"]

Codes = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 4_096


def trial_secret() -> Secret:
    """Return the throw-away secret: the same each time, so that figures can be repeated."""
    return Secret(hashlib.sha256(b"linkkit preflight: what this encodes goes nowhere").digest())


def sample_rows(values: Mapping[str, Codes], *, n_most: int, seed: int = 1) -> Codes:
    """Return the rows of a trial: all, or a random sample that the order of rows does not change.

    Rows are put into the order of their values first. Rows with the same values are
    the same to the trial.
    """
    order = np.lexsort(tuple(reversed(list(values.values()))))
    if len(order) <= n_most:
        return order
    chosen = np.random.default_rng(seed).choice(len(order), n_most, replace=False)
    return order[np.sort(chosen)]


def trial_filters(
    fields: Mapping[str, pa.Array], agreement: Agreement, spec: EncodingSpec, secret: Secret
) -> dict[str, Filter]:
    """Encode standardized records as they would be for sending; returns filters by field or pass."""
    return record_filters(fields, secret, KeyScope.of(agreement, spec), spec)


def clk_filters(words: npt.NDArray[np.uint64], spec: EncodingSpec) -> dict[str, Filter]:
    """Return record filters that clkhash's profile made, by name."""
    present = np.ones(len(words), dtype=np.bool_)
    return {item.name: Filter(words=words, present=present) for item in spec.records}


def filter_fills(
    fields: Mapping[str, pa.Array],
    agreement: Agreement,
    spec: EncodingSpec,
    filters: Mapping[str, Filter],
) -> tuple[FilterFill, ...]:
    """Measure the filters of each field or pass that has any.

    Parameters
    ----------
    fields : mapping of str to pyarrow.Array
        The standardized records that were encoded, null where missing.
    agreement : Agreement
        Says how each field becomes tokens.
    spec : EncodingSpec
        How they were encoded.
    filters : mapping of str to Filter
        From :func:`trial_filters`.
    """
    linkage = agreement.linkage.fields
    counts = {name: _token_counts(column, linkage[name]) for name, column in fields.items()}
    covered = {item.name: [item.name] for item in spec.filters}
    covered |= {item.name: [field.name for field in item.fields] for item in spec.passes}
    covered |= {item.name: list(fields) for item in spec.records}
    return tuple(
        _fill(name, found, np.sum([counts[field] for field in covered[name]], axis=0))
        for name, found in filters.items()
        if found.present.any()
    )


def _token_counts(column: pa.Array, field: LinkageField) -> Codes:
    """Return how many distinct tokens each record has in a field."""
    distinct = column.dictionary_encode()
    tokens = kind_encoding(field.kind, field.compare).tokens
    found = [len(set(tokens(value))) for value in distinct.dictionary.to_pylist()]
    codes = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(
        np.array([*found, 0], dtype=np.int64)[codes], dtype=np.int64
    )  # the last is of a missing value


def _fill(name: str, found: Filter, n_tokens: Codes) -> FilterFill:
    words = found.words[found.present]
    n_records, n_bits = len(words), 64 * words.shape[1]
    share = np.bitwise_count(words).sum(axis=1, dtype=np.int64) / n_bits
    low, high = (float(x) for x in np.percentile(share, [5, 95]))
    bits = _bit_counts(words) / n_records
    least, most = LIMITS.fill_least, LIMITS.fill_most
    return FilterFill(
        name=name,
        n_records=n_records,
        n_bits=n_bits,
        mean=float(share.mean()),
        low=low,
        high=high,
        share_outside=float(np.mean((share < least) | (share > most))),
        bit_means=(float(bits.min()), float(bits.max())),
        token_correlation=_rank_correlation(share, n_tokens[found.present]),
    )


def _bit_counts(words: npt.NDArray[np.uint64]) -> Codes:
    """Return in how many filters each bit is set, shape (n_bits,)."""
    counts = np.zeros(64 * words.shape[1], dtype=np.int64)
    for start in range(0, len(words), _ROWS_AT_ONCE):
        rows = words[start : start + _ROWS_AT_ONCE].view(np.uint8)
        counts += np.unpackbits(rows, axis=1).sum(axis=0, dtype=np.int64)
    return counts


def _rank_correlation(one: npt.NDArray[np.float64], other: Codes) -> float | None:
    if len(np.unique(one)) < 2 or len(np.unique(other)) < 2:
        return None
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])
