"""Record tokens: pseudonyms of rows, under a key that only the party holds."""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from linkkit.partner.keys import TokenKey, derive_key

__all__ = ["record_tokens"]

N_BYTES = 16


def record_tokens(
    record_ids: Sequence[str | None], *, key: TokenKey | None, agreement_id: str, party: str
) -> npt.NDArray[np.uint8]:
    """Return a 128-bit token for each record.

    Parameters
    ----------
    record_ids : sequence of str or None
        The party's own row ids; None where a record has none.
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
    for row, record_id in enumerate(record_ids):
        if record_id is not None:
            digest = hmac.digest(sub_key, record_id.encode(), "sha256")
            tokens[row] = np.frombuffer(digest[:N_BYTES], dtype=np.uint8)
    return tokens
