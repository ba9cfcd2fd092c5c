"""Person ids, and the table that leads to them."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.exchange import Crosswalk
from linkkit.exchange.artifacts import token_array
from linkkit.linkage.pool import Pool

__all__ = ["build_crosswalk"]

_ID_BYTES = 16


def build_crosswalk(pool: Pool, person: npt.NDArray[np.int64]) -> Crosswalk:
    """Return the crosswalk of a pool.

    Parameters
    ----------
    pool : Pool
        All records.
    person : ndarray of int64, shape (n_records,)
        For each record the position of the first record of the same person. The person id is
        a digest of the agreement and the smallest token of the person, so the same records
        have the same ids whenever they are linked.
    """
    smallest = _smallest_token(pool, person)
    ids = np.zeros((len(pool), _ID_BYTES), dtype=np.uint8)
    for label in np.unique(person):
        ids[label] = _person_id(pool.agreement_id, smallest[label].tobytes())
    ids = ids[person]
    names = pa.array(pool.parties).take(pa.array(pool.party))
    table = pa.table(
        {"party": names, "token": token_array(pool.tokens), "person_id": token_array(ids)}
    )
    order = np.lexsort(_halves(pool.tokens) + _halves(ids))
    return Crosswalk(
        agreement_id=pool.agreement_id,
        agreement_fingerprint=pool.agreement_fingerprint,
        table=table.take(pa.array(order)),
    )


def _halves(ids: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    halves = np.ascontiguousarray(ids).view(">u8").astype(np.uint64)
    return halves[:, 1], halves[:, 0]


def _smallest_token(pool: Pool, person: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    order = np.lexsort((*_halves(pool.tokens), person))
    _, first = np.unique(person[order], return_index=True)
    smallest = np.zeros_like(pool.tokens)
    smallest[person[order[first]]] = pool.tokens[order[first]]
    return smallest


def _person_id(agreement_id: str, token: bytes) -> npt.NDArray[np.uint8]:
    message = b"linkkit person id 1" + agreement_id.encode() + b"\x00" + token
    return np.frombuffer(hashlib.sha256(message).digest()[:_ID_BYTES], dtype=np.uint8)
