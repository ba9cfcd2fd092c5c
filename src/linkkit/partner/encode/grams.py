"""The tokens of all fields as arrays, so that a pass can go through records without Python."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Compare, FieldKind
from linkkit.partner.encode.kinds import kind_encoding
from linkkit.partner.encode.tokenize import each_once, tokenize

__all__ = ["BLOCK_BYTES", "GramTable", "gram_block", "gram_table"]

BLOCK_BYTES = 16
_RECORDS_AT_ONCE = 4_096


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class GramTable:
    """Which tokens each record has in each field.

    Attributes
    ----------
    fields : tuple of str
        Field names.
    values : ndarray of int32, shape (n_records, n_fields)
        Number of each record's value; -1 where the field is missing.
    starts : ndarray of int64, shape (n_values + 1,)
        Where each value's tokens begin in `grams`.
    grams : ndarray of int32, shape (n_tokens,)
        Numbers of the tokens of each value, each once.
    blocks : ndarray of uint8, shape (n_grams, 16)
        What is enciphered for each token; see :func:`gram_block`.
    field_of_gram : ndarray of int32, shape (n_grams,)
        Which field each token belongs to.
    bounds : ndarray of int64, shape (n_records + 1,)
        Where each record's tokens begin in `tokens`.
    tokens : ndarray of int32
        Numbers of the tokens of each record, field by field, so that a pass reads them in a row.
    """

    fields: tuple[str, ...]
    values: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    grams: npt.NDArray[np.int32]
    blocks: npt.NDArray[np.uint8]
    field_of_gram: npt.NDArray[np.int32]
    bounds: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int32]

    def __repr__(self) -> str:
        return f"<GramTable: {len(self.values)} records, {len(self.fields)} fields>"

    @property
    def n_grams(self) -> int:
        """How many distinct tokens there are."""
        return len(self.blocks)


def gram_block(field: str, token: str) -> bytes:
    """Return 15 bytes that stand for a token of a field, and a zero for the block's number.

    The bytes are the start of SHA-256 over the field's length-prefixed name and the token. They are
    no secret: what keeps a token secret is the key that they are enciphered under.

    Examples
    --------
    >>> gram_block("surname", "an").hex()
    '90e0553ccc74e716c757e6198fed0600'
    """
    name = field.encode()
    digest = hashlib.sha256(len(name).to_bytes(4, "big") + name + token.encode()).digest()
    return digest[: BLOCK_BYTES - 1] + b"\x00"


def gram_table(
    columns: Mapping[str, pa.Array],
    kinds: Mapping[str, FieldKind],
    *,
    fields: Sequence[str],
    compares: Mapping[str, Compare] | None = None,
) -> GramTable:
    """Cut the values of standardized columns into tokens, each distinct value once.

    Parameters
    ----------
    columns : mapping of str to pyarrow.Array
        Standardized fields, null where missing.
    kinds : mapping of str to str
        The kind of each field.
    fields : sequence of str
        Which fields, in which order.
    compares : mapping of str to Compare, optional
        Fields that are compared otherwise than their kind usually is.
    """
    n_records = len(next(iter(columns.values())))
    values = np.full((n_records, len(fields)), -1, dtype=np.int32)
    starts = [np.zeros(1, dtype=np.int64)]
    grams: list[npt.NDArray[np.int32]] = []
    blocks: list[bytes] = []
    field_of_gram: list[int] = []
    n_values = n_grams = 0
    for f, name in enumerate(fields):
        distinct = columns[name].dictionary_encode()
        ids: dict[str, int] = {}
        first_gram = len(blocks)
        codes = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        values[:, f] = np.where(codes >= 0, codes + n_values, -1)
        tokens = kind_encoding(kinds[name], (compares or {}).get(name)).tokens
        for found in tokenize(distinct.dictionary, tokens):
            places = [ids.setdefault(token, first_gram + len(ids)) for token in found.texts]
            mine, edges = each_once(np.array(places, dtype=np.int32)[found.ids], found.starts)
            grams.append(mine)
            starts.append(n_grams + edges[1:])
            n_grams += len(mine)
        n_values += len(distinct.dictionary)
        blocks.extend(gram_block(name, token) for token in ids)
        field_of_gram.extend([f] * len(ids))
    edges_of_values = np.concatenate(starts)
    grams_of_values = np.concatenate([np.zeros(0, dtype=np.int32), *grams])
    bounds, of_records = _tokens_of_records(values, edges_of_values, grams_of_values)
    return GramTable(
        fields=tuple(fields),
        values=values,
        starts=edges_of_values,
        grams=grams_of_values,
        blocks=np.frombuffer(b"".join(blocks), dtype=np.uint8).reshape(-1, BLOCK_BYTES),
        field_of_gram=np.array(field_of_gram, dtype=np.int32),
        bounds=bounds,
        tokens=of_records,
    )


def _tokens_of_records(
    values: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], grams: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return where each record's tokens begin, and the tokens of its values in a row."""
    counts, firsts = np.append(np.diff(starts), 0), starts  # the last is that of a missing value
    bounds = np.zeros(len(values) + 1, dtype=np.int64)
    for column in values.T:
        bounds[1:] += counts[column]
    np.cumsum(bounds, out=bounds)
    tokens = np.empty(bounds[-1], dtype=np.int32)
    for start in range(0, len(values), _RECORDS_AT_ONCE):
        some = values[start : start + _RECORDS_AT_ONCE].reshape(-1)
        sizes = counts[some]
        ends = np.cumsum(sizes)
        places = np.arange(ends[-1]) + np.repeat(firsts[some] - ends + sizes, sizes)
        tokens[bounds[start] : bounds[start + len(some) // values.shape[1]]] = grams[places]
    return bounds, tokens
