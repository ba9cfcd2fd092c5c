"""Blocking keys: keyed digests of parts of a record's values, by which candidate pairs are found.

A key is the start of an HMAC-SHA256 under a sub-key of its own, never the bare part: whoever
does not have the secret cannot tell which sound or year a group stands for by trying them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import LinkageClause, PhoneticCode
from linkkit.engines.local import run_in_threads
from linkkit.exchange import EncodingSpec, KeyField, KeySpec
from linkkit.partner.encode.comparison import field_options
from linkkit.partner.encode.hmacs import hmac_sha256_many
from linkkit.partner.encode.phonetic import codes_digest, sound_of
from linkkit.partner.encode.records import taken
from linkkit.partner.keys import KeyScope, Secret, encoding_key
from linkkit.partner.standardize.columns import threads_for

__all__ = ["KeyGroups", "block_keys", "by_name", "key_groups", "key_specs"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

Int64s = npt.NDArray[np.int64]

MISSING = np.uint64(0)
"""The key of a record that lacks a part of it; no digest is taken for it."""

_PIECES: dict[str | int, tuple[tuple[int, int], ...]] = {
    "year": ((0, 4),),
    "month": ((4, 6),),
    "day": ((6, 8),),
    "year_day": ((0, 4), (6, 8)),
    "month_day": ((4, 8),),
}
"""Where the pieces of a date's parts stand in YYYYMMDD."""

_PHONETIC: dict[str | int, PhoneticCode] = {by: by for by in get_args(PhoneticCode)}


def key_specs(linkage: LinkageClause) -> tuple[KeySpec, ...]:
    """Return the public parameters of an agreement's blocking keys, by name.

    Their order in the document has no bearing on its fingerprint, and so none on the spec.
    """
    return tuple(
        KeySpec(
            name=name,
            parts=tuple(
                KeyField(
                    name=part.field,
                    kind=linkage.fields[part.field].kind,
                    by=part.by,
                    codes=codes_digest(_PHONETIC[part.by]) if part.by in _PHONETIC else None,
                    # How a field is compared has no bearing on its parts.
                    **{**field_options(linkage.fields[part.field]), "compare": None},
                )
                for part in parts
            ),
        )
        for name, parts in sorted((linkage.blocking_keys or {}).items())
    )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class KeyGroups:
    """The groups that a blocking key makes: which parts they share, and who is in them.

    Attributes
    ----------
    values : tuple of pyarrow.Array
        For each part of the key, its distinct values.
    places : ndarray of int64, shape (n_groups, n_parts)
        Which of them each group has.
    codes : ndarray of int64, shape (n_records,)
        The group of each record; -1 where a part is missing.
    """

    values: tuple[pa.Array, ...]
    places: Int64s
    codes: Int64s

    def messages(self) -> tuple[npt.NDArray[np.uint8], Int64s]:
        """Return each group's parts as bytes, each behind its length in four, and their bounds."""
        pieces = []
        for values, places in zip(self.values, self.places.T, strict=True):
            binary = values.cast(pa.large_binary())
            lengths = pc.binary_length(binary).to_numpy(zero_copy_only=False).astype(">u4")
            heads = pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(4), len(binary), [None, pa.py_buffer(lengths.tobytes())]
            )
            prefixed = pc.binary_join_element_wise(
                heads.cast(pa.large_binary()), binary, pa.scalar(b"", pa.large_binary())
            )
            pieces.append(prefixed.take(pa.array(places)))
        joined = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.large_binary()))
        n, start = len(joined), joined.offset
        bounds = np.frombuffer(joined.buffers()[1], dtype=np.int64)[start : start + n + 1]
        return np.frombuffer(joined.buffers()[2] or b"", dtype=np.uint8), bounds.copy()


def block_keys(
    fields: Mapping[str, pa.Array],
    secret: Secret,
    scope: KeyScope,
    spec: EncodingSpec,
    *,
    rows: Int64s | None = None,
) -> npt.NDArray[np.uint64]:
    """Return the blocking keys of standardized records.

    Parameters
    ----------
    fields : mapping of str to pyarrow.Array
        Each linkage field as text, null where it is missing.
    secret : Secret
        The linkage secret.
    scope : KeyScope
        Agreement, epoch and spec.
    spec : EncodingSpec
        Names the keys and their parts.
    rows : ndarray of int64, optional
        Which records, and in which order; all by default.

    Returns
    -------
    ndarray of uint64, shape (n_records, n_keys)
        The first 64 bits of each digest, 1 in place of 0; 0 where a part is missing.
    """
    n_records = len(next(iter(fields.values()))) if rows is None else len(rows)
    found = np.zeros((n_records, len(spec.keys)), dtype=np.uint64)
    if not spec.keys:
        return found
    groups = key_groups(fields, spec, rows=rows)

    def digest(column: int) -> None:
        item, mine = spec.keys[column], groups[column]
        key = encoding_key(secret, scope, purpose="block-key", field=item.name)
        digests = _digests(key, *mine.messages())
        found[:, column] = np.append(digests, MISSING)[mine.codes]  # the last: no group

    for _ in run_in_threads(digest, range(len(spec.keys)), n_threads=threads_for(n_records)):
        pass
    return found


def by_name(keys: npt.NDArray[np.uint64], spec: EncodingSpec) -> dict[str, npt.NDArray[np.uint64]]:
    """Return the columns of :func:`block_keys` by the names of the keys."""
    return {item.name: keys[:, column] for column, item in enumerate(spec.keys)}


def _digests(key: bytes, data: npt.NDArray[np.uint8], bounds: Int64s) -> npt.NDArray[np.uint64]:
    digests = np.ascontiguousarray(hmac_sha256_many(key, data, bounds)[:, :8])
    numbers = digests.view(">u8").astype(np.uint64).reshape(-1)
    return np.where(numbers == MISSING, np.uint64(1), numbers)


def key_groups(
    fields: Mapping[str, pa.Array], spec: EncodingSpec, *, rows: Int64s | None = None
) -> list[KeyGroups]:
    """Return the groups that each blocking key of a spec makes; takes what :func:`block_keys` does.

    Each distinct value is looked at once for each part that is taken of it.
    """
    names = list(dict.fromkeys(part.name for key in spec.keys for part in key.parts))
    n_threads = threads_for(len(fields[names[0]]) if names else 0)

    def distinct(name: str) -> tuple[pa.Array, Int64s]:
        column = fields[name] if rows is None else taken(fields[name], rows)
        encoded = column.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return encoded.dictionary, codes.astype(np.int64)

    values = dict(zip(names, run_in_threads(distinct, names, n_threads=n_threads), strict=True))
    wanted = dict.fromkeys(part for key in spec.keys for part in key.parts)
    parts = {part: _part_codes(*values[part.name], part) for part in wanted}
    return [_joined([parts[part] for part in key.parts]) for key in spec.keys]


def _joined(parts: list[tuple[pa.Array, Int64s]]) -> KeyGroups:
    values, codes = parts[0]
    places = np.arange(len(values), dtype=np.int64)[:, None]
    for values, own in parts[1:]:
        both = np.where((codes >= 0) & (own >= 0), codes * max(len(values), 1) + own, -1)
        distinct = pa.array(both, mask=both < 0).dictionary_encode()
        codes = _codes(distinct)
        before, now = np.divmod(distinct.dictionary.to_numpy(), max(len(values), 1))
        places = np.column_stack([places[before], now])
    return KeyGroups(values=tuple(part for part, _ in parts), places=places, codes=codes)


def _codes(distinct: pa.Array) -> Int64s:
    codes = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(codes, dtype=np.int64)


def _part_codes(values: pa.Array, codes: Int64s, part: KeyField) -> tuple[pa.Array, Int64s]:
    """Return the distinct parts of a column's distinct values, and which each record has."""
    parts = _parts(values, part).dictionary_encode()
    of_value = np.append(_codes(parts), -1)  # the last stands for a missing value
    return parts.dictionary, of_value[codes]


def _parts(values: pa.Array, part: KeyField) -> pa.Array:
    """Return the part of each value, null where it has none."""
    if part.by in _PHONETIC:
        by = _PHONETIC[part.by]
        sounds = [sound_of(value, by=by, kind=part.kind) for value in values.to_pylist()]
        return pa.array(sounds, pa.large_string())
    if part.by == "whole":
        return values
    if isinstance(part.by, int):
        plain = pc.replace_substring(values, " ", "")
        return pc.utf8_slice_codeunits(plain, 0, part.by)
    pieces = [pc.utf8_slice_codeunits(values, *piece) for piece in _PIECES[part.by]]
    return pc.binary_join_element_wise(*pieces, pa.scalar("", values.type))
