"""Record tokens: pseudonyms of rows, under a key that only the party holds."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.engines.local import run_in_threads
from linkkit.partner.encode.hmacs import hmac_sha256_many
from linkkit.partner.encode.tokenize import is_valid, text_buffers
from linkkit.partner.keys import TokenKey, derive_key

__all__ = ["record_tokens", "token_order"]

N_BYTES = 16
_IDS_AT_ONCE = 131_072


def record_tokens(
    record_ids: pa.Array, *, key: TokenKey | None, agreement_id: str, party: str
) -> npt.NDArray[np.uint8]:
    """Return a 128-bit token for each record.

    Parameters
    ----------
    record_ids : pyarrow.Array
        The party's own row ids as ``large_string``; null where a record has none.
    key : TokenKey, optional
        The party's token key. A record with an id has the same token in every delivery under
        the same key and agreement. Without a key, or without an id, a token is random.
    agreement_id, party : str
        What the tokens are for; another agreement gives other tokens.

    Returns
    -------
    ndarray of uint8, shape (n_records, 16)
        The tokens.
    """
    random = np.frombuffer(os.urandom(N_BYTES * len(record_ids)), dtype=np.uint8)
    tokens = random.reshape(len(record_ids), N_BYTES).copy()
    if key is None:
        return tokens
    sub_key = derive_key(key, "record-token", agreement_id, party)
    data, bounds = text_buffers(record_ids.drop_null())
    parts = [bounds[i : i + _IDS_AT_ONCE + 1] for i in range(0, len(bounds) - 1, _IDS_AT_ONCE)]
    digests = run_in_threads(lambda part: hmac_sha256_many(sub_key, data, part), parts)
    found = np.concatenate([np.zeros((0, 32), np.uint8), *digests])[:, :N_BYTES]
    tokens[is_valid(record_ids)] = found
    return tokens


def token_order(tokens: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the ascending order of tokens."""
    # Tokens are random to everybody else, so their order says nothing about the file's order.
    halves = np.ascontiguousarray(tokens).view(">u8").astype(np.uint64)
    first = np.ascontiguousarray(halves[:, 0])
    order = np.argsort(first)
    if (np.diff(first[order]) == 0).any():
        order = np.lexsort((halves[:, 1], first))
    return order.astype(np.int64)
