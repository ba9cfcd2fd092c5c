"""Passes: one filter for each record over several fields, salted by group and diffused.

Salting makes the same token set other bits in every group of records with the same salt (a key for
each group, by HKDF), so that what is learned of one group is of no use in another. It
leaves the number of set bits tied to the length of the values; diffusion (Armknecht, Heng and
Schnell, 2023), where each bit becomes the exclusive or of several, removes that.

The combination is our own: experimental, measured, not peer-reviewed.
"""

from __future__ import annotations

import hmac
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from linkkit.agreement import FieldKind, LinkageClause, LinkagePass, passes_of
from linkkit.exchange import Filter, PassField, PassSpec
from linkkit.partner.encode import _pass_reference
from linkkit.partner.encode.comparison import field_options
from linkkit.partner.encode.grams import BLOCK_BYTES, GramTable
from linkkit.partner.encode.kinds import PASS_WEIGHTS, kind_encoding

__all__ = ["PassKeys", "diffusion_inputs", "pass_filter", "pass_specs", "with_fields"]

_BITS_AND_INPUTS = {"standard": (2_048, 3), "hardened": (4_096, 4)}
_FILL = 0.52
_GRAMS_AT_ONCE = 1_000_000
_POSITIONS_PER_BLOCK = BLOCK_BYTES // 2


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassKeys:
    """The three sub-keys of a pass: of group keys, of group ids, and of the diffusion."""

    groups: bytes
    ids: bytes
    diffusion: bytes

    def group_key(self, salt: str) -> bytes:
        """Return a group's AES-256 key: HKDF-Expand with SHA-256 (RFC 5869), salt as its info."""
        return hmac.digest(self.groups, _prefixed("pass group", salt) + b"\x01", "sha256")

    def group_id(self, salt: str) -> int:
        """Return the 64-bit id of a group, which is never 0."""
        digest = hmac.digest(self.ids, _prefixed("pass group id", salt), "sha256")
        return int.from_bytes(digest[:8], "big") or 1


def _prefixed(*labels: str) -> bytes:
    return b"".join(len(raw).to_bytes(4, "big") + raw for raw in (x.encode() for x in labels))


def pass_specs(linkage: LinkageClause) -> tuple[PassSpec, ...]:
    """Return the public parameters of an agreement's passes; none for the profile ``field``.

    A record with all fields, each of typical length, fills a little more than half of the filter
    before diffusion, as many records lack something. The fields share it by the weights of their
    kinds.
    """
    if linkage.profile == "field":
        return ()
    n_bits, n_inputs = _BITS_AND_INPUTS[linkage.profile]
    return tuple(
        PassSpec(
            name=name,
            salt=item.salt,
            part=item.part or "whole",
            length=item.length,
            n_bits=n_bits,
            n_inputs=n_inputs,
            fields=_pass_fields(linkage, item, n_bits=n_bits),
        )
        for name, item in passes_of(linkage).items()
    )


def _pass_fields(
    linkage: LinkageClause, item: LinkagePass, *, n_bits: int
) -> tuple[PassField, ...]:
    kinds: dict[str, FieldKind] = {
        name: linkage.fields[name].kind for name in item.fields or linkage.fields
    }
    total = sum(PASS_WEIGHTS[kind] for kind in kinds.values())
    fields = []
    for name, kind in kinds.items():
        clause = linkage.fields[name]
        tokens = round(kind_encoding(kind, clause.compare).typical_tokens)
        n_set = -n_bits * math.log(1 - _FILL) * PASS_WEIGHTS[kind] / total
        n_hashes = max(round(n_set / tokens), 1)
        options = field_options(clause)
        fields.append(
            PassField(name=name, kind=kind, n_hashes=n_hashes, typical_tokens=tokens, **options)
        )
    return tuple(fields)


def diffusion_inputs(key: bytes, *, n_bits: int, n_inputs: int) -> npt.NDArray[np.int64]:
    """Return which bits each diffused bit is made of, shape (n_bits, n_inputs).

    They are drawn without bias from HMAC-SHA256 in counter mode, two bytes each, the first counting
    for more, cut to the width. A number that the same bit has already is passed over.
    """
    inputs = np.zeros((n_bits, n_inputs), dtype=np.int64)
    stream = _positions(key, n_bits)
    for row in range(n_bits):
        chosen: list[int] = []
        while len(chosen) < n_inputs:
            position = next(stream)
            if position not in chosen:
                chosen.append(position)
        inputs[row] = chosen
    return inputs


def _positions(key: bytes, n_bits: int) -> Any:
    counter = 0
    while True:
        block = hmac.digest(key, counter.to_bytes(4, "big"), "sha256")
        yield from (
            int.from_bytes(block[i : i + 2], "big") % n_bits for i in range(0, len(block), 2)
        )
        counter += 1


def pass_filter(
    table: GramTable,
    salts: Sequence[str],
    codes: npt.NDArray[np.int64],
    *,
    item: PassSpec,
    keys: PassKeys,
    compiled: bool | None = None,
) -> Filter:
    """Encode all records in one pass.

    Parameters
    ----------
    table : GramTable
        The tokens of the records, in all fields.
    salts : sequence of str
        Distinct salts.
    codes : ndarray of int64, shape (n_records,)
        Each record's salt; -1 where it has none, and then neither filter nor group.
    item : PassSpec
        Public parameters.
    keys : PassKeys
        The pass's sub-keys.
    compiled : bool, optional
        Whether to use the compiled loops; by default where numba is installed.

    Returns
    -------
    Filter
        With group ids.
    """
    values = _values_of(table, item)
    present = (codes >= 0) & np.any(values >= 0, axis=1)
    ids = np.array([keys.group_id(salt) for salt in salts] + [0], dtype=np.uint64)
    inputs = diffusion_inputs(keys.diffusion, n_bits=item.n_bits, n_inputs=item.n_inputs)
    words = np.zeros((len(codes), item.n_words), dtype=np.uint64)
    rows = np.flatnonzero(present)
    order = rows[np.argsort(codes[rows], kind="stable")]
    if compiled is None:
        compiled = importlib.util.find_spec("numba") is not None
    if len(order) and compiled:
        _Filling(table, values, item, order, codes[order]).run(salts, keys, words)
        from linkkit.partner.encode import _pass_kernels

        diffuse: Any = _pass_kernels.diffuse
        diffuse(words, inputs, order)
    elif len(order):
        group_keys = [keys.group_key(salt) for salt in salts]
        _fill_plainly(table, item, group_keys=group_keys, codes=codes, order=order, words=words)
        words[order] = _pass_reference.diffused(words[order], inputs)
    return Filter(words=words, present=present, groups=np.where(present, ids[codes], np.uint64(0)))


def _values_of(table: GramTable, item: PassSpec) -> npt.NDArray[np.int32]:
    covered = {field.name for field in item.fields}
    left_out = [name not in covered for name in table.fields]
    return np.where(np.array(left_out)[None, :], np.int32(-1), table.values).astype(np.int32)


def _n_hashes(table: GramTable, item: PassSpec) -> npt.NDArray[np.int64]:
    of_field = {field.name: field.n_hashes for field in item.fields}
    each = np.array([of_field.get(name, 0) for name in table.fields], dtype=np.int64)
    return each[table.field_of_gram]


def with_fields(table: GramTable, item: PassSpec) -> GramTable:
    """Return the table with only the fields that a pass covers."""
    return GramTable(
        fields=table.fields,
        values=_values_of(table, item),
        starts=table.starts,
        grams=table.grams,
        blocks=table.blocks,
        field_of_gram=table.field_of_gram,
    )


def _fill_plainly(
    table: GramTable,
    item: PassSpec,
    *,
    group_keys: Sequence[bytes],
    codes: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint64],
) -> None:
    covered, n_hashes = with_fields(table, item), _n_hashes(table, item)
    for record in order:
        words[record] = _pass_reference.inner_filter(
            covered,
            int(record),
            key=group_keys[int(codes[record])],
            n_bits=item.n_bits,
            n_hashes=n_hashes,
        )


class _Filling:
    """Fills the filters of a pass before diffusion, some groups at a time."""

    def __init__(
        self,
        table: GramTable,
        values: npt.NDArray[np.int32],
        item: PassSpec,
        order: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int64],
    ) -> None:
        self.table, self.order = table, order
        self.n_hashes = _n_hashes(table, item)
        self.n_blocks = -(-self.n_hashes // _POSITIONS_PER_BLOCK)
        self.n_words = item.n_words
        ends = np.flatnonzero(np.append(codes[1:] != codes[:-1], True)) + 1
        self.group_starts = np.append(0, ends).astype(np.int64)
        self.code_of_group = codes[self.group_starts[:-1]]
        self.records = (values, table.starts, table.grams, order, self.group_starts)
        self.room = max(_GRAMS_AT_ONCE, table.n_grams)

    def run(self, salts: Sequence[str], keys: PassKeys, words: npt.NDArray[np.uint64]) -> None:
        """Set the bits of all records in `words`, shape (n_records, n_words)."""
        from linkkit.partner.encode import _pass_kernels

        distinct: Any = _pass_kernels.distinct_grams
        fill: Any = _pass_kernels.fill_filters
        n_groups = len(self.code_of_group)
        seen = np.full(self.table.n_grams, -1, dtype=np.int64)
        place = np.zeros(self.table.n_grams, dtype=np.int32)
        found = np.empty(self.room, dtype=np.int32)
        found_starts = np.zeros(n_groups + 1, dtype=np.int64)
        start = 0
        while start < n_groups:
            stop = int(distinct(*self.records, start, n_groups, seen, found, found_starts))
            bounds = found_starts[: stop - start + 1]
            group_keys = [keys.group_key(salts[int(c)]) for c in self.code_of_group[start:stop]]
            listed = found[: bounds[-1]]
            stream, word_starts = self._enciphered(listed, bounds, group_keys)
            masks = np.empty((int(np.diff(bounds).max()), self.n_words), dtype=np.uint64)
            fill(
                *self.records, start, stop, listed, bounds, self.n_hashes,
                stream, word_starts, place, masks, words,
            )  # fmt: skip
            start = stop

    def _enciphered(
        self,
        listed: npt.NDArray[np.int32],
        bounds: npt.NDArray[np.int64],
        group_keys: Sequence[bytes],
    ) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64]]:
        n_blocks = self.n_blocks[listed]
        block_starts = np.append(0, np.cumsum(n_blocks))
        plain = np.repeat(self.table.blocks[listed], n_blocks, axis=0)
        number = np.arange(len(plain)) - np.repeat(block_starts[:-1], n_blocks)
        plain[:, BLOCK_BYTES - 1] = number.astype(np.uint8)
        out = bytearray(plain.size + BLOCK_BYTES)
        source, target = memoryview(plain.data).cast("B"), memoryview(out)
        edges = (block_starts[bounds] * BLOCK_BYTES).tolist()
        for key, first, last in zip(group_keys, edges[:-1], edges[1:], strict=True):
            # Blocks are distinct under a key, so that AES is the keyed function that is wanted and
            # no mode of encryption.
            cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
            cipher.encryptor().update_into(source[first:last], target[first:])
        stream = np.frombuffer(out, dtype="<u2")
        return stream, block_starts[:-1] * _POSITIONS_PER_BLOCK
