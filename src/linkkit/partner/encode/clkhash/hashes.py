"""From a secret and tokens to masks: the keys, the keyed hashes and the bits they set."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from linkkit.agreement.clkhash.parts import BlakeHash, DoubleHash
from linkkit.agreement.clkhash.schema import ClkFeature, ClkSchema

__all__ = ["Masks", "feature_keys"]

_BITS_AT_ONCE = 1 << 22
_MOST_REMEMBERED = 1 << 27
_SHORTS_PER_DIGEST = 32
_BOM = {"utf-16": b"\xff\xfe", "utf-32": b"\xff\xfe\x00\x00"}
_CODECS = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}

Words = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]


def feature_keys(schema: ClkSchema, secret: bytes) -> list[tuple[bytes, bytes]]:
    """Derive two keys for each column of a schema, ignored ones included.

    Parameters
    ----------
    schema : ClkSchema
        Names salt, context, hash and length of the keys.
    secret : bytes
        What the partners share.

    Returns
    -------
    list of (bytes, bytes)
        For each column of ``schema.identifiers`` the keys that double hashing uses with SHA1
        and with MD5; BLAKE2 uses the first.
    """
    kdf, n = schema.kdf, len(schema.identifiers)
    algorithm = hashes.SHA512() if kdf.hash == "SHA512" else hashes.SHA256()
    size = kdf.key_bytes
    stream = HKDF(algorithm, 2 * n * size, kdf.salt_bytes, kdf.info_bytes).derive(secret)
    keys = [stream[i * size : (i + 1) * size] for i in range(2 * n)]
    return list(zip(keys[::2], keys[1::2], strict=True))


class Masks:
    """The bits that a feature's tokens set. Each is hashed once and remembered.

    What is remembered lives as long as one call of the encoder, never longer: it leads from
    tokens to bits.

    Parameters
    ----------
    schema : ClkSchema
        Length of the filters.
    feature : ClkFeature
        The hash and the text encoding.
    keys : (bytes, bytes)
        The feature's keys.
    """

    __slots__ = ("_encoding", "_hash", "_keys", "_rows", "_schema", "_stored", "_streams")

    def __init__(
        self, schema: ClkSchema, feature: ClkFeature, *, keys: tuple[bytes, bytes]
    ) -> None:
        self._schema = schema
        self._keys = keys
        self._hash: DoubleHash | BlakeHash = feature.hashing.hash
        self._encoding: str = getattr(feature.format, "encoding", "utf-8")
        self._streams: dict[str, bytes] = {}
        self._rows: dict[tuple[str, int], int] = {}
        self._stored: Words = np.zeros((0, self.n_words), dtype=np.uint64)

    @property
    def n_words(self) -> int:
        """Width of a mask: one folded filter's words for each part that folding lays on it."""
        return self._schema.n_words << self._schema.n_folds

    def of(self, tokens: Sequence[str], n_positions: Sequence[int]) -> Words:
        """Return the masks of tokens.

        Parameters
        ----------
        tokens : sequence of str
            The tokens.
        n_positions : sequence of int
            To how many positions each is hashed.

        Returns
        -------
        ndarray of uint64, shape (n_tokens, n_words)
            Bit `b` of the unfolded filter is bit ``b % n_bits`` of part ``b // n_bits``.
        """
        if len(self._rows) * self.n_words * 8 > _MOST_REMEMBERED:
            self._streams, self._rows = {}, {}
            self._stored = np.zeros((0, self.n_words), dtype=np.uint64)
        rows, n_known = self._rows, len(self._rows)
        places = [
            rows.setdefault(pair, len(rows)) for pair in zip(tokens, n_positions, strict=True)
        ]
        if len(rows) > n_known:
            new = list(rows)[n_known:]
            self._stored = np.concatenate([self._stored, self._made(new)])
        return self._stored[np.array(places, dtype=np.int64)]

    def _made(self, pairs: Sequence[tuple[str, int]]) -> Words:
        n_hash_bits, n_words = self._schema.hash_bits, self._schema.n_words
        masks = np.zeros((len(pairs), self.n_words), dtype=np.uint64)
        step = max(1, _BITS_AT_ONCE // max(n_hash_bits, *(k for _, k in pairs)))
        for start in range(0, len(pairs), step):
            chunk = pairs[start : start + step]
            positions, rows = self._positions(chunk)
            part, bit = np.divmod(positions, self._schema.n_bits)
            bits = np.zeros((len(chunk), self.n_words * 64), dtype=np.uint8)
            bits[rows, part * (n_words * 64) + bit] = 1
            packed = np.packbits(bits, axis=1, bitorder="little")
            masks[start : start + len(chunk)] = packed.view("<u8")
        return masks

    def _positions(self, pairs: Sequence[tuple[str, int]]) -> tuple[Int64s, Int64s]:
        """Return the positions of each pair, one after the other, and the row of each."""
        counts = np.array([k for _, k in pairs], dtype=np.int64)
        place = np.arange(counts.max(initial=0))
        wanted = place < counts[:, None]
        rows = np.nonzero(wanted)[0]
        if isinstance(self._hash, DoubleHash):
            raw = b"".join([self._double(token) for token, _ in pairs])
            start, stride = np.frombuffer(raw, dtype="<i8").reshape(-1, 2).T
            spread = (start[:, None] + place * stride[:, None]) % self._schema.hash_bits
            return spread[wanted], rows
        raw = b"".join([self._blake(token, k)[: 2 * k] for token, k in pairs])
        shorts = np.frombuffer(raw, dtype="<u2").astype(np.int64)
        return shorts % self._schema.hash_bits, rows

    def _bytes(self, token: str) -> bytes:
        # Python's UTF-16 and UTF-32 begin with a byte order mark and follow the machine's
        # order; that of x86 and ARM is fixed here.
        codec = _CODECS.get(self._encoding, self._encoding)
        return _BOM.get(self._encoding, b"") + token.encode(codec)

    def _double(self, token: str) -> bytes:
        """Return start and stride of a token's positions, 8 bytes each."""
        known = self._streams.get(token)
        if known is not None:
            return known
        message, n = self._bytes(token), self._schema.hash_bits
        start = int.from_bytes(hmac.digest(self._keys[0], message, "sha1"), "big") % n
        stride = int.from_bytes(hmac.digest(self._keys[1], message, "md5"), "big") % n
        again = 0
        while stride == 0 and self._hash.prevent_singularity and n > 1:
            longer = message + chr(again).encode()
            stride = int.from_bytes(hmac.digest(self._keys[1], longer, "md5"), "big") % n
            again += 1
        found = start.to_bytes(8, "little") + stride.to_bytes(8, "little")
        self._streams[token] = found
        return found

    def _blake(self, token: str, n_positions: int) -> bytes:
        """Return at least two bytes for each position."""
        known = self._streams.get(token, b"")
        if len(known) >= 2 * n_positions:
            return known
        message = self._bytes(token)
        for block in range(len(known) // (2 * _SHORTS_PER_DIGEST), -(-n_positions // 32)):
            salt = str(block).encode()
            known += hashlib.blake2b(message, key=self._keys[0], salt=salt).digest()
        self._streams[token] = known
        return known
