"""Tokens, filters and blocking keys as the columns of an Arrow table, and back.

A filter of a field is a column of bits, null where the field is missing. A filter of a pass is never
null: what is missing looks like what is there, as the pattern of gaps would single people out.
A blocking key is a column of 64-bit digests, 0 where a part of it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.exchange.spec import EncodingSpec

__all__ = [
    "TOKEN_TYPE",
    "Filter",
    "encoding_table",
    "encoding_types",
    "filters_of",
    "key_column",
    "keys_of",
    "token_array",
    "token_matrix",
]

TOKEN_BYTES = 16
TOKEN_TYPE = pa.binary(TOKEN_BYTES)
KEY_TYPE = pa.uint64()


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Filter:
    """One filter of every record, of a field or of a pass.

    Attributes
    ----------
    words : ndarray of uint64, shape (n_records, n_words)
        The bits, in 64-bit words; zero where the field is missing.
    present : ndarray of bool, shape (n_records,)
        Whether the record has the field; true everywhere for a pass that is sent.
    """

    words: npt.NDArray[np.uint64]
    present: npt.NDArray[np.bool_]


def encoding_types(spec: EncodingSpec) -> dict[str, pa.DataType]:
    """Return the columns that an encoded extract has under a spec, with their types."""
    bits = {item.name: pa.binary(item.n_words * 8) for item in spec.columns}
    return {"token": TOKEN_TYPE, **bits, **{key_column(key.name): KEY_TYPE for key in spec.keys}}


def key_column(name: str) -> str:
    """Return the column of a blocking key; no filter has a colon in its name."""
    return f"key:{name}"


def encoding_table(
    spec: EncodingSpec,
    tokens: npt.NDArray[np.uint8],
    filters: Mapping[str, Filter],
    block_keys: npt.NDArray[np.uint64],
) -> pa.Table:
    """Return the columns of an encoded extract."""
    bits = {item.name: _binary_column(filters[item.name], item.n_words) for item in spec.columns}
    keys = {key_column(key.name): pa.array(block_keys[:, i]) for i, key in enumerate(spec.keys)}
    return pa.table({"token": token_array(tokens), **bits, **keys})


def filters_of(table: pa.Table, spec: EncodingSpec) -> dict[str, Filter]:
    """Return the filters that a table holds under a spec."""
    return {item.name: _filter(table.column(item.name), item.n_words) for item in spec.columns}


def keys_of(table: pa.Table, spec: EncodingSpec) -> npt.NDArray[np.uint64]:
    """Return the blocking keys that a table holds under a spec, shape (n_records, n_keys)."""
    keys = np.empty((len(table), len(spec.keys)), dtype=np.uint64)
    for i, key in enumerate(spec.keys):
        keys[:, i] = table.column(key_column(key.name)).to_numpy()
    return keys


def token_array(tokens: npt.NDArray[np.uint8]) -> pa.Array:
    """Return tokens, shape (n, 16), as an Arrow array of 16-byte values."""
    content = pa.py_buffer(np.ascontiguousarray(tokens).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(TOKEN_TYPE, len(tokens), [None, content])


def token_matrix(column: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """Return an Arrow column of 16-byte tokens as an array of shape (n, 16)."""
    return _bytes_of(column, TOKEN_BYTES)


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
