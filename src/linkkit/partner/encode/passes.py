"""Passes: one filter for each record over several fields, salted and diffused.

Salting makes the same token set other bits for every salt, so that what is learned of the people with
one salt is of no use for others, and nothing that is sent says who has the same one. It
leaves the number of set bits tied to the length of the values; diffusion (Armknecht, Heng and
Schnell, 2023), where each bit becomes the exclusive or of several, removes that.

Several filters of the same tokens, each with positions of its own, are laid over each other by
exclusive or. So no bit goes into two bits of the result: where bits are used again, the results obey
linear equations, and whoever has enough records solves them without a key. One of the filters is
filled up to half where a record is short, as the number of set bits tells something only if all of
them are more or less than half full.

The combination is our own: experimental, measured, not peer-reviewed.
"""

from __future__ import annotations

import hmac
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from linkkit.agreement import FieldKind, LinkageClause, LinkagePass, passes_of
from linkkit.engines import has_numba
from linkkit.exchange import Filter, PassField, PassSpec, SaltField
from linkkit.partner.encode import _pass_reference
from linkkit.partner.encode.comparison import field_options
from linkkit.partner.encode.grams import BLOCK_BYTES, GramTable
from linkkit.partner.encode.kinds import PASS_WEIGHTS, kind_encoding

__all__ = ["PassKeys", "pass_filter", "pass_specs", "with_random_filters"]

_BITS_AND_INPUTS: dict[str, tuple[Literal[2_048, 4_096], int]] = {
    "standard": (2_048, 3),
    "hardened": (4_096, 4),
}
_FILL = 0.52
_IN_SALT = 0.75
"""What a field that is in the salt counts for: records with the same salt share much of its value
already, which must not show who has the same one."""

_GRAMS_AT_ONCE = 30_000
_BYTES_AT_ONCE = 1 << 20
_POSITIONS_PER_BLOCK = BLOCK_BYTES // 2


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassKeys:
    """The two sub-keys of a pass: of salts, and of tokens (AES-256)."""

    salts: bytes
    tokens: bytes

    def mask(self, salt: str) -> bytes:
        """Return what a salt adds to each token's block: 16 bytes of HMAC-SHA256."""
        return hmac.digest(self.salts, salt.encode(), "sha256")[:BLOCK_BYTES]


def pass_specs(linkage: LinkageClause) -> tuple[PassSpec, ...]:
    """Return the public parameters of an agreement's passes; none for profiles without.

    A record with all fields, each of typical length, fills a little more than half of each filter
    before they are laid over each other, as many records lack something. The fields share it by
    the weights of their kinds.
    """
    if linkage.profile not in _BITS_AND_INPUTS:
        return ()
    n_bits, n_inputs = _BITS_AND_INPUTS[linkage.profile]
    return tuple(
        PassSpec(
            name=name,
            salt=tuple(SaltField(name=field, part=item.salt[field]) for field in sorted(item.salt)),
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
    weights = {
        name: PASS_WEIGHTS[kind] * (_IN_SALT if name in item.salt else 1.0)
        for name, kind in kinds.items()
    }
    total = sum(weights.values())
    fields = []
    for name, kind in kinds.items():
        clause = linkage.fields[name]
        tokens = round(kind_encoding(kind, clause.compare).typical_tokens)
        n_set = -n_bits * math.log(1 - _FILL) * weights[name] / total
        n_hashes = max(round(n_set / tokens), 1)
        options = field_options(clause)
        fields.append(
            PassField(name=name, kind=kind, n_hashes=n_hashes, typical_tokens=tokens, **options)
        )
    return tuple(fields)


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
        Each record's salt; -1 where it has none.
    item : PassSpec
        Public parameters.
    keys : PassKeys
        The pass's sub-keys.
    compiled : bool, optional
        Whether to use the compiled loops; by default where numba is installed.

    Returns
    -------
    Filter
        Not present, and zero, where a record has no salt or nothing to encode; before it is sent,
        :func:`with_random_filters` hides who that is.
    """
    values = _values_of(table, item)
    present = (codes >= 0) & np.any(values >= 0, axis=1)
    words = np.zeros((len(codes), item.n_words), dtype=np.uint64)
    rows = np.flatnonzero(present)
    order = rows[np.argsort(codes[rows], kind="stable")]
    masks = np.frombuffer(b"".join(keys.mask(salt) for salt in salts), dtype=np.uint8)
    filling = _Filling(table, values, item, keys, masks.reshape(-1, BLOCK_BYTES))
    if compiled is None:
        compiled = has_numba()
    if len(order) and compiled:
        filling.run(order, codes[order], words)
    elif len(order):
        filling.run_plainly(order, codes[order], words)
    return Filter(words=words, present=present)


def with_random_filters(made: Filter) -> Filter:
    """Give each record without a filter a fresh random one, so that nobody sees who had none.

    A constant would make the people who lack a field look like each other, and an empty place
    would tell which records lack what, which singles people out.
    """
    words = made.words.copy()
    missing = np.flatnonzero(~made.present)
    random = np.frombuffer(os.urandom(len(missing) * words.shape[1] * 8), dtype="<u8")
    words[missing] = random.reshape(len(missing), words.shape[1])
    return Filter(words=words, present=np.ones_like(made.present))


def _values_of(table: GramTable, item: PassSpec) -> npt.NDArray[np.int32]:
    covered = {field.name for field in item.fields}
    left_out = [name not in covered for name in table.fields]
    return np.where(np.array(left_out)[None, :], np.int32(-1), table.values).astype(np.int32)


def _n_hashes(table: GramTable, item: PassSpec) -> npt.NDArray[np.int64]:
    of_field = {field.name: field.n_hashes for field in item.fields}
    each = np.array([of_field.get(name, 0) for name in table.fields], dtype=np.int64)
    return each[table.field_of_gram]


class _Filling:
    """Fills the filters of a pass, some groups of one salt at a time."""

    def __init__(
        self,
        table: GramTable,
        values: npt.NDArray[np.int32],
        item: PassSpec,
        keys: PassKeys,
        masks: npt.NDArray[np.uint8],
    ) -> None:
        self.table, self.values, self.item, self.masks = table, values, item, masks
        self.n_hashes = _n_hashes(table, item)
        self.n_blocks = -(-self.n_hashes * item.n_inputs // _POSITIONS_PER_BLOCK)
        self.n_full = round(item.n_bits * math.log(2))
        # Blocks are distinct, so that AES is the keyed function that is wanted and no mode of
        # encryption.
        self.cipher = Cipher(algorithms.AES(keys.tokens), modes.ECB())  # noqa: S305

    def run_plainly(
        self,
        order: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int64],
        words: npt.NDArray[np.uint64],
    ) -> None:
        """Set the bits of the records `order` one by one."""
        for record, code in zip(order.tolist(), codes.tolist(), strict=True):
            words[record] = _pass_reference.record_filter(
                self.table,
                self.values[record],
                encipher=self.cipher.encryptor().update,
                mask=self.masks[code].tobytes(),
                n_bits=self.item.n_bits,
                n_inputs=self.item.n_inputs,
                n_full=self.n_full,
                n_hashes=self.n_hashes,
            )

    def run(
        self,
        order: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int64],
        words: npt.NDArray[np.uint64],
    ) -> None:
        """Set the bits of the records `order`, sorted by salt, in `words`."""
        from linkkit.partner.encode import _pass_kernels

        kernels: Any = _pass_kernels
        ends = np.flatnonzero(np.append(codes[1:] != codes[:-1], True)) + 1
        group_starts = np.append(0, ends).astype(np.int64)
        masks = self.masks[codes[group_starts[:-1]]].view("<u8")
        blocks = np.ascontiguousarray(self.table.blocks).view("<u8")
        records = (self.values, self.table.starts, self.table.grams, order, group_starts)
        n_groups, n_grams = len(group_starts) - 1, self.table.n_grams
        seen, place = np.full(n_grams, -1, dtype=np.int64), np.zeros(n_grams, dtype=np.int64)
        found = np.empty(max(_GRAMS_AT_ONCE, n_grams), dtype=np.int32)
        found_starts = np.zeros(n_groups + 1, dtype=np.int64)
        n_filler, sums = self._fillers(blocks)
        start = 0
        while start < n_groups:
            stop = int(kernels.distinct_grams(*records, start, n_groups, seen, found, found_starts))
            bounds = found_starts[: stop - start + 1]
            listed = found[: bounds[-1]]
            block_starts = np.append(0, np.cumsum(self.n_blocks[listed]))
            plain = np.empty((int(block_starts[-1]), 2), dtype="<u8")
            kernels.salted_blocks(blocks, masks[start:stop], listed, bounds, block_starts, plain)
            here = n_filler[order[group_starts[start] : group_starts[stop]]]
            filler_starts = np.append(0, np.cumsum(-(-here // _POSITIONS_PER_BLOCK)))
            filler = np.empty((int(filler_starts[-1]), 2), dtype="<u8")
            kernels.filler_blocks(
                sums, masks, order, group_starts, start, stop, filler_starts, filler
            )
            kernels.fill_filters(
                *records, start, stop, listed, bounds, self.n_hashes, self.item.n_inputs,
                self._enciphered(plain), block_starts * _POSITIONS_PER_BLOCK,
                self._enciphered(filler), filler_starts * _POSITIONS_PER_BLOCK, n_filler,
                place, words,
            )  # fmt: skip
            start = stop

    def _fillers(
        self, blocks: npt.NDArray[np.uint64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
        """Return how many bits fill up each record, and its tokens' blocks added up.

        How many bits are set would else tell short records, and those that lack a field, from others.
        """
        table = self.table
        n_set = np.append(0, np.cumsum(self.n_hashes[table.grams]))
        added = np.zeros((len(table.grams) + 1, 2), dtype=np.uint64)
        np.bitwise_xor.accumulate(blocks[table.grams], axis=0, out=added[1:])
        first, last = table.starts[:-1], table.starts[1:]
        of_value = np.append(n_set[last] - n_set[first], 0)  # the last is that of a missing value
        sum_of_value = np.vstack([added[last] ^ added[first], np.zeros((1, 2), dtype=np.uint64)])
        n_filler = np.maximum(self.n_full - of_value[self.values].sum(axis=1), 0)
        return n_filler, np.bitwise_xor.reduce(sum_of_value[self.values], axis=1)

    def _enciphered(self, plain: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint16]:
        found = np.empty(plain.nbytes + BLOCK_BYTES, dtype=np.uint8)
        source, out = plain.reshape(-1).view(np.uint8).data, found.data
        encryptor = self.cipher.encryptor()
        for start in range(0, len(source), _BYTES_AT_ONCE):
            part = source[start : start + _BYTES_AT_ONCE]
            encryptor.update_into(part, out[start : start + len(part) + BLOCK_BYTES])
        return found.view("<u2")
