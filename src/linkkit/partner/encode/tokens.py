"""Record tokens: pseudonyms of rows, under a key that only the party holds."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.partner.encode.hmacs import hmac_sha256_many
from linkkit.partner.encode.tokenize import is_valid, text_buffers
from linkkit.partner.keys import TokenKey, derive_key

__all__ = ["record_tokens"]

N_BYTES = 16


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
    digests = hmac_sha256_many(sub_key, *text_buffers(record_ids.drop_null()))
    tokens[is_valid(record_ids)] = digests[:, :N_BYTES]
    return tokens
