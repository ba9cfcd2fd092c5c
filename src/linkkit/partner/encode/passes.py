"""Passes: one filter for each record over several fields, salted and diffused.

Salting makes the same token set other bits for every salt, so that what is learned of the people with
one salt is of no use for others, and nothing that is sent says who has the same one. It
leaves the number of set bits tied to the length of the values; diffusion (Armknecht, Heng and
Schnell, 2023), where each bit becomes the exclusive or of several, removes that.

Several filters of the same tokens, each with positions of its own, are laid over each other by
exclusive or. So no bit goes into two bits of the result: where bits are used again, the results obey
linear equations, and whoever has enough records solves them without a key. One of the filters is
half full for every record, filled up or thinned, as the number of set bits tells something only if
all of them are more or less than half full.

The combination is our own: experimental, measured, not peer-reviewed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from linkkit.agreement import Agreement, FieldKind, LinkageClause, LinkagePass, passes_of
from linkkit.engines import has_numba, run_in_threads
from linkkit.exchange import Filter, PassField, PassSpec, SaltField
from linkkit.partner.encode import _pass_reference
from linkkit.partner.encode.comparison import field_options
from linkkit.partner.encode.grams import BLOCK_BYTES, GramTable
from linkkit.partner.encode.hmacs import hmac_sha256_many
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

# A batch stays in the processor's cache. It ends with a salt once it has enough blocks, as those of
# a salt that is cut in two are enciphered twice.
_ENOUGH_BLOCKS = 1 << 16
_BLOCKS_AT_ONCE = 1 << 18
_USES_AT_ONCE = 1 << 18
_MOST_IN_BATCH = 1 << 12
_RECORDS_AT_ONCE = 20_000
_POSITIONS_PER_BLOCK = BLOCK_BYTES // 2

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassKeys:
    """The two sub-keys of a pass: of salts, and of tokens (AES-256)."""

    salts: bytes
    tokens: bytes

    def masks(self, salts: Sequence[str]) -> npt.NDArray[np.uint8]:
        """Return what each salt adds to tokens' blocks: 16 bytes of HMAC-SHA256 in a row."""
        texts = [salt.encode() for salt in salts]
        bounds = np.append(0, np.cumsum([len(text) for text in texts])).astype(np.int64)
        data = np.frombuffer(b"".join(texts), dtype=np.uint8)
        return hmac_sha256_many(self.salts, data, bounds)[:, :BLOCK_BYTES].copy()


def pass_specs(agreement: Agreement) -> tuple[PassSpec, ...]:
    """Return the public parameters of an agreement's passes; none for profiles without.

    A record with all fields, each of typical length, fills a little more than half of each filter
    before they are laid over each other, as many records lack something. The fields share it by
    the weights of their kinds.
    """
    linkage = agreement.linkage
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
        for name, item in passes_of(agreement).items()
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
    covered = {field.name for field in item.fields}
    values = table.values[:, [name in covered for name in table.fields]]
    present = (codes >= 0) & np.any(values >= 0, axis=1)
    words = np.zeros((len(codes), item.n_words), dtype=np.uint64)
    order = _by_salt(codes, np.flatnonzero(present))
    filling = _Filling(table, item, keys, keys.masks(salts))
    if compiled is None:
        compiled = has_numba()
    if compiled:
        filling.run(order, codes[order], words)
    else:
        filling.run_plainly(order, codes[order], words)
    return Filter(words=words, present=present)


def with_random_filters(made: Filter, tokens: npt.NDArray[np.uint8], *, key: bytes) -> Filter:
    """Give each record without a filter one that looks random, so that nobody sees who had none.

    A constant would make the people who lack a field look like each other, and an empty place
    would tell which records lack what, which singles people out. The filter is a keyed function of the
    record's token: were it another in each delivery, the passes of a record that change while others
    stay would tell the same.

    Parameters
    ----------
    made : Filter
        The filters of a pass.
    tokens : ndarray of uint8, shape (n_records, 16)
        Record tokens.
    key : bytes
        32 bytes, of this purpose and pass alone.
    """
    words = made.words.copy()
    missing = np.flatnonzero(~made.present)
    blocks = np.repeat(tokens[missing][:, None, :], words.shape[1] // 2, axis=1)
    # Each block of 16 bytes has its number, added to the end of the token.
    blocks.view("<u2")[:, :, -1] ^= np.arange(words.shape[1] // 2, dtype="<u2")
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    random = np.frombuffer(cipher.update(blocks.tobytes()) + cipher.finalize(), dtype="<u8")
    words[missing] = random.reshape(len(missing), words.shape[1])
    return Filter(words=words, present=np.ones_like(made.present))


def _by_salt(codes: Int64s, rows: Int64s) -> Int64s:
    """Return `rows` sorted by their codes: by 16 bits at a time, which numpy sorts by radix."""
    order = rows
    for shift in range(0, int(codes.max(initial=0)).bit_length(), 16):
        digits = (codes[order] >> shift).astype(np.uint16)
        order = order[np.argsort(digits, kind="stable")]
    return order


def _n_hashes(table: GramTable, item: PassSpec) -> npt.NDArray[np.int64]:
    of_field = {field.name: field.n_hashes for field in item.fields}
    each = np.array([of_field.get(name, 0) for name in table.fields], dtype=np.int64)
    return each[table.field_of_gram]


class _Filling:
    """Fills the filters of a pass."""

    def __init__(
        self, table: GramTable, item: PassSpec, keys: PassKeys, masks: npt.NDArray[np.uint8]
    ) -> None:
        self.table, self.item, self.masks = table, item, masks
        self.n_hashes = _n_hashes(table, item)
        self.n_full = round(item.n_bits * math.log(2))
        # Blocks are distinct, so that AES is the keyed function that is wanted and no mode of
        # encryption.
        self.cipher = Cipher(algorithms.AES(keys.tokens), modes.ECB())  # noqa: S305

    def run_plainly(self, order: Int64s, codes: Int64s, words: npt.NDArray[np.uint64]) -> None:
        """Set the bits of the records `order` one by one."""
        for record, code in zip(order.tolist(), codes.tolist(), strict=True):
            words[record] = _pass_reference.record_filter(
                self.table,
                record,
                encipher=self.cipher.encryptor().update,
                mask=self.masks[code].tobytes(),
                n_bits=self.item.n_bits,
                n_inputs=self.item.n_inputs,
                n_full=self.n_full,
                n_hashes=self.n_hashes,
            )

    def run(self, order: Int64s, codes: Int64s, words: npt.NDArray[np.uint64]) -> None:
        """Set the bits of the records `order`, sorted by salt, in `words`."""
        pieces = np.linspace(0, len(order), -(-len(order) // _RECORDS_AT_ONCE) + 1).astype(int)

        def fill(number: int) -> None:
            self._run_piece(order, codes, pieces[number], pieces[number + 1], words)

        for _ in run_in_threads(fill, range(len(pieces) - 1)):
            pass

    def _run_piece(
        self, order: Int64s, codes: Int64s, start: int, stop: int, words: npt.NDArray[np.uint64]
    ) -> None:
        """Set the bits of the records from one place of `order` to another."""
        from linkkit.partner.encode import _pass_kernels

        kernels: Any = _pass_kernels
        table, n_inputs = self.table, self.item.n_inputs
        blocks, masks = table.blocks.view("<u8"), self.masks.view("<u8")
        n_blocks = -(-self.n_hashes * n_inputs // _POSITIONS_PER_BLOCK)
        hashes = np.stack([self.n_hashes, n_blocks], axis=1)
        place = np.full(table.n_grams, -1, dtype=np.int64)
        marks = np.zeros(n_inputs * self.item.n_bits, dtype=np.uint8)
        room, base = _Room(_BLOCKS_AT_ONCE, _USES_AT_ONCE), 0
        while start < stop:
            done, n, base = kernels.list_uses(
                table.bounds, table.tokens, order, codes, start, stop, blocks, masks, hashes,
                self.n_full, _ENOUGH_BLOCKS, base, place, room.new, room.plain, room.uses, room.starts,
            )  # fmt: skip
            if done == start:
                room = _Room(2 * len(room.plain), 2 * len(room.uses))
                continue
            kernels.fill_filters(
                order, start, done, room.enciphered(self.cipher, n), room.uses, room.starts,
                n_inputs, self.n_full, marks, words,
            )  # fmt: skip
            start = done


class _Room:
    """Room for a batch: what is enciphered, what comes of it, and who uses what of it."""

    def __init__(self, n_blocks: int, n_uses: int) -> None:
        self.plain = np.empty((n_blocks, 2), dtype="<u8")
        self.found = np.empty(self.plain.nbytes + BLOCK_BYTES, dtype=np.uint8)
        self.uses = np.empty((n_uses, 2), dtype=np.int32)
        self.new = np.empty(n_uses, dtype=np.int64)
        self.starts = np.zeros(_MOST_IN_BATCH + 1, dtype=np.int64)

    def enciphered(self, cipher: Cipher[modes.ECB], n: int) -> npt.NDArray[np.uint16]:
        """Return the first `n` blocks, enciphered."""
        source = self.plain[:n].reshape(-1).view(np.uint8)
        cipher.encryptor().update_into(source.data, self.found.data)
        return self.found[: n * BLOCK_BYTES].view("<u2")
