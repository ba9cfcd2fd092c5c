"""Tokens, filters and group ids as the columns of an Arrow table, and back.

A filter of a field is one column, null where the field is missing. A filter of a pass is two, the
bits and the 64-bit group id ``PASS.group``, both null where the record has no salt. With passes goes a
mask of the fields that a record has, ``fields.present``: bit `i` stands for field `i` of the spec. (Names
of fields and passes hold no dot, so these names are free.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.exchange.spec import EncodingSpec

__all__ = [
    "MASK_COLUMN",
    "TOKEN_TYPE",
    "Filter",
    "encoding_table",
    "encoding_types",
    "field_masks",
    "filters_of",
    "token_array",
    "token_matrix",
]

TOKEN_BYTES = 16
TOKEN_TYPE = pa.binary(TOKEN_BYTES)
MASK_COLUMN = "fields.present"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Filter:
    """One filter of every record, of a field or of a pass.

    Attributes
    ----------
    words : ndarray of uint64, shape (n_records, n_words)
        The bits, in 64-bit words; zero where the field, or the salt of the pass, is missing.
    present : ndarray of bool, shape (n_records,)
        Whether the record has the field, or the salt.
    groups : ndarray of uint64, shape (n_records,), optional
        Of a pass: the keyed id of the records that a record can be compared with; 0 where
        the salt is missing.
    """

    words: npt.NDArray[np.uint64]
    present: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.uint64] | None = None


def encoding_types(spec: EncodingSpec) -> dict[str, pa.DataType]:
    """Return the columns that an encoded extract has under a spec, with their types."""
    types: dict[str, pa.DataType] = {"token": TOKEN_TYPE}
    if spec.passes:
        types[MASK_COLUMN] = pa.uint32()
    for name, n_words in _whole_columns(spec):
        types[name] = pa.binary(n_words * 8)
    for one in spec.passes:
        types[_group_column(one.name)] = pa.uint64()
        types[one.name] = pa.binary(one.n_words * 8)
    return types


def encoding_table(
    spec: EncodingSpec,
    tokens: npt.NDArray[np.uint8],
    filters: Mapping[str, Filter],
    present: npt.NDArray[np.bool_],
) -> pa.Table:
    """Return the columns of an encoded extract; `present` has shape (n_records, n_fields)."""
    columns = {"token": token_array(tokens)}
    if spec.passes:
        weights = np.uint32(1) << np.arange(present.shape[1], dtype=np.uint32)
        columns[MASK_COLUMN] = pa.array((present * weights).sum(axis=1).astype(np.uint32))
    for item in spec.columns:
        content = filters[item.name]
        if content.groups is not None:
            columns[_group_column(item.name)] = pa.array(content.groups, mask=~content.present)
        columns[item.name] = _binary_column(content, item.n_words)
    return pa.table(columns)


def filters_of(table: pa.Table, spec: EncodingSpec) -> dict[str, Filter]:
    """Return the filters that a table holds under a spec."""
    fields = {name: _filter(table.column(name), n) for name, n in _whole_columns(spec)}
    return {**fields, **{x.name: _pass_filter(table, x.name, x.n_words) for x in spec.passes}}


def field_masks(table: pa.Table, spec: EncodingSpec) -> npt.NDArray[np.bool_] | None:
    """Return which fields each record has, where the table says so."""
    if not spec.passes:
        return None
    masks = table.column(MASK_COLUMN).to_numpy()
    bits = np.arange(len(spec.field_names), dtype=np.uint32)
    return np.asarray((masks[:, None] >> bits) & np.uint32(1), dtype=np.bool_)


def token_array(tokens: npt.NDArray[np.uint8]) -> pa.Array:
    """Return tokens, shape (n, 16), as an Arrow array of 16-byte values."""
    content = pa.py_buffer(np.ascontiguousarray(tokens).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(TOKEN_TYPE, len(tokens), [None, content])


def token_matrix(column: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """Return an Arrow column of 16-byte tokens as an array of shape (n, 16)."""
    return _bytes_of(column, TOKEN_BYTES)


def _whole_columns(spec: EncodingSpec) -> list[tuple[str, int]]:
    """Return name and words of the filters that are one column: of fields, or of the record."""
    fields = [(item.name, item.n_words) for item in spec.filters]
    return fields + [(item.name, item.n_words) for item in spec.records]


def _group_column(name: str) -> str:
    return f"{name}.group"


def _bytes_of(column: pa.ChunkedArray, n_bytes: int) -> npt.NDArray[np.uint8]:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    content = np.frombuffer(array.buffers()[1] or b"", dtype=np.uint8)
    start = array.offset * n_bytes
    return content[start : start + len(array) * n_bytes].reshape(len(array), n_bytes)


def _binary_column(item: Filter, n_words: int) -> pa.Array:
    n = len(item.present)
    valid = pa.array(item.present).buffers()[1]
    content = pa.py_buffer(np.ascontiguousarray(item.words.astype("<u8")).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(n_words * 8), n, [valid, content])


def _filter(column: pa.ChunkedArray, n_words: int) -> Filter:
    present = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    raw = np.ascontiguousarray(_bytes_of(column, n_words * 8))
    words = raw.view("<u8").astype(np.uint64).reshape(len(present), n_words)
    words = np.where(present[:, None], words, np.uint64(0))
    return Filter(words=words, present=present)


def _pass_filter(table: pa.Table, name: str, n_words: int) -> Filter:
    bits = _filter(table.column(name), n_words)
    groups = table.column(_group_column(name))
    # A record without one of the two cannot be compared in the pass.
    present = bits.present & groups.is_valid().to_numpy()
    return Filter(
        words=np.where(present[:, None], bits.words, np.uint64(0)),
        present=present,
        groups=np.where(present, groups.fill_null(0).to_numpy(), np.uint64(0)).astype(np.uint64),
    )
