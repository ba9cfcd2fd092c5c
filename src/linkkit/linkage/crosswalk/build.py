"""Ids of people and households, and the table that leads to them."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from linkkit.exchange import Crosswalk
from linkkit.exchange.artifacts import token_array
from linkkit.linkage.pool import Pool

__all__ = ["IdKind", "build_crosswalk", "fresh_ids"]

IdKind = Literal["person", "household"]
"""Whose ids."""


_ID_BYTES = 16
_LABELS = {"person": b"person id 2", "household": b"household id 1"}
_POSITION = np.uint64(0xFFFFFFFF)


def build_crosswalk(
    pool: Pool,
    person: npt.NDArray[np.int64],
    ids: npt.NDArray[np.uint8] | None = None,
    household_ids: npt.NDArray[np.uint8] | None = None,
) -> Crosswalk:
    """Return the crosswalk of a pool, sorted by person id, then by token.

    Parameters
    ----------
    pool : Pool
        All records.
    person : ndarray of int64, shape (n_records,)
        For each record the position of the first record of the same person.
    ids : ndarray of uint8, shape (n_records, 16), optional
        The id of each record's person; :func:`fresh_ids` by default, so that the same records have the
        same ids whenever they are linked for the first time.
    household_ids : ndarray of uint8, shape (n_records, 16), optional
        The id of each record's household.
    """
    labels = np.flatnonzero(person == np.arange(len(person)))
    if ids is None:
        ids = fresh_ids(pool, person, labels)[np.searchsorted(labels, person)]
    order = _by_person(pool.tokens, person, labels, ids[labels])
    columns = {
        "party": pa.array(pool.parties).take(pa.array(pool.party[order])),
        "token": token_array(pool.tokens[order]),
        "person_id": token_array(ids[order]),
    }
    if household_ids is not None:
        columns["household_id"] = token_array(household_ids[order])
    return Crosswalk(
        agreement_id=pool.agreement_id,
        agreement_fingerprint=pool.agreement_fingerprint,
        table=pa.table(columns),
    )


def fresh_ids(
    pool: Pool,
    group: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    *,
    of: IdKind = "person",
    count: int = 0,
) -> npt.NDArray[np.uint8]:
    """Return ids of people or households who have none: a digest of the agreement and their smallest token.

    Parameters
    ----------
    pool : Pool
        All records.
    group : ndarray of int64, shape (n_records,)
        For each record the position of the first record of the same person, or household.
    labels : ndarray of int64, shape (n,)
        The first records of those who need an id.
    of : {"person", "household"}
        What the groups are; a person has another id than the household of the same records.
    count : int
        How many times the token's ids turned out to be taken.
    """
    label = _LABELS[of] + (f", again {count}:".encode() if count else b"")
    return _ids(label, pool.agreement_id, _smallest_tokens(pool, group, labels))


def _halves(ids: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    halves = np.ascontiguousarray(ids).view(">u8")
    return halves[:, 0].astype(np.uint64), halves[:, 1].astype(np.uint64)


def _smallest_tokens(
    pool: Pool, person: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Return the smallest token of each person or household, in the order of `labels`."""
    is_wanted = np.zeros(len(person), dtype=np.bool_)
    is_wanted[labels] = True
    is_wanted &= np.bincount(person, minlength=len(person)) > 1
    holder = np.flatnonzero(is_wanted[person])
    for half in _halves(pool.tokens):
        least = np.full(len(person), np.iinfo(np.uint64).max)
        np.minimum.at(least, person[holder], half[holder])
        holder = holder[half[holder] == least[person[holder]]]
    smallest = np.arange(len(person))
    smallest[person[holder]] = holder
    return np.asarray(pool.tokens[smallest[labels]])


def _by_person(
    tokens: npt.NDArray[np.uint8],
    person: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    ids: npt.NDArray[np.uint8],
) -> npt.NDArray[np.int64]:
    """Return the order of records by person id, then by token."""
    rank = np.empty(len(person), dtype=np.uint64)
    rank[labels[_in_order(ids)]] = np.arange(len(labels), dtype=np.uint64)
    by_token = _in_order(tokens)
    place = np.empty(len(person), dtype=np.uint64)
    place[by_token] = np.arange(len(person), dtype=np.uint64)
    # A position is below 2**32; numbers sort faster than rows.
    packed = (rank[person] << np.uint64(32)) | place
    packed.sort()
    return np.asarray(by_token[(packed & _POSITION).astype(np.int64)])


def _in_order(names: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the order of tokens or ids, byte by byte."""
    high, low = _halves(names)
    # A stable sort merges parties, each of which is sorted by token, in one go.
    order = np.argsort(high, kind="stable")
    ascending = high[order]
    if bool(np.any(ascending[1:] == ascending[:-1])):
        order = np.lexsort((low, high))
    return order.astype(np.int64, copy=False)


def _ids(label: bytes, agreement_id: str, tokens: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a digest of a label, the agreement and each token, shape (n, 16).

    A token is enciphered under a public key of the agreement, and added to the outcome, which
    leaves no way back (the construction of Matyas, Meyer and Oseas, 1985), a million in some milliseconds.
    """
    key = hashlib.sha256(b"linkkit " + label + agreement_id.encode()).digest()
    # Each block for itself is what is wanted: equal tokens have equal ids.
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    content = np.ascontiguousarray(tokens).tobytes()
    enciphered = np.frombuffer(cipher.update(content) + cipher.finalize(), dtype=np.uint8)
    return np.asarray(enciphered.reshape(-1, _ID_BYTES) ^ tokens)
