r"""The sealed container: who may read it, whole or not at all, from whom, and nothing before that.

Layout, all integers big-endian::

    "linkkit sealed file 1\n"
    u32 length, header          JSON: manifest, HPKE-wrapped file key for each recipient
    chunks                      ChaCha20-Poly1305, 64 KiB of plaintext each, 16-byte tags
    64 bytes                    Ed25519 signature over SHA-256 of all that stands before

Chunk nonces are an 11-byte counter and a last-chunk flag (the STREAM construction of Hoang,
Reyhanitabar, Rogaway and Vizár, CRYPTO 2015, as age uses it), with the digest of the header
as associated data. The file key is fresh for every file and wrapped with HPKE (RFC 9180,
X25519, HKDF-SHA256, ChaCha20-Poly1305). Of an unverified file only the header is parsed, to
learn whose signature to check; what it says counts only once the signature holds.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from linkkit.errors import SealError
from linkkit.exchange.atomic import atomic_file
from linkkit.exchange.identity import Identity, PublicIdentity
from linkkit.exchange.manifest import Manifest

__all__ = ["is_sealed", "open_sealed", "read_manifest", "write_sealed"]

MAGIC = b"linkkit sealed file 1\n"
CHUNK_BYTES = 64 * 1024
_TAG_BYTES = 16
_SIGNATURE_BYTES = 64
_MAX_HEADER_BYTES = 16 * 1024 * 1024
_WRAP_INFO = b"linkkit file key 1"
_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Header:
    manifest: Manifest
    wrapped_keys: tuple[bytes, ...]
    raw: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(MAGIC + self.raw).digest()


def write_sealed(
    path: str | Path,
    content: bytes,
    *,
    manifest: Manifest,
    signer: Identity,
    recipients: Sequence[PublicIdentity],
) -> Path:
    """Seal `content` to the recipients and write it, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Where to write; an existing file is replaced once the new one is complete.
    content : bytes
        The artifact, usually Parquet.
    manifest : Manifest
        What the file says of itself in the clear.
    signer : Identity
        The sender.
    recipients : sequence of PublicIdentity
        Who may open the file.

    Raises
    ------
    SealError
        When the file cannot be written.
    """
    if not recipients:
        raise SealError("a file needs somebody who may open it", hint="Give a recipient.")
    file_key = os.urandom(32)
    wrapped = tuple(_SUITE.encrypt(file_key, r.seal_key, _WRAP_INFO) for r in recipients)
    header = _Header(manifest=manifest, wrapped_keys=wrapped, raw=_pack_header(manifest, wrapped))
    if len(header.raw) > _MAX_HEADER_BYTES:
        raise SealError("the manifest is too large", hint="Send fewer counts in it.")
    with atomic_file(path) as file:
        digest = hashlib.sha256()
        for part in _sealed_parts(header, file_key, content):
            digest.update(part)
            file.write(part)
        file.write(signer.sign_key.sign(digest.digest()))
    return Path(path)


def read_manifest(path: str | Path) -> Manifest:
    """Return what a file says of itself, without a key and **without checking its signature**."""
    with _open(Path(path)) as file:
        return _read_header(file).manifest


def is_sealed(path: str | Path) -> bool:
    """Whether a file starts as a sealed file of linkkit does."""
    with _open(Path(path)) as file:
        return file.read(len(MAGIC)) == MAGIC


def open_sealed(
    path: str | Path,
    *,
    recipient: Identity,
    signer_of: Callable[[Manifest], PublicIdentity],
) -> tuple[Manifest, BinaryIO]:
    """Verify and open a sealed file.

    Parameters
    ----------
    path : str or Path
        The sealed file.
    recipient : Identity
        Who opens it.
    signer_of : callable
        Given the manifest, which is not verified yet, returns who must have signed it, or
        raises if nobody may have sent such a file.

    Returns
    -------
    tuple of Manifest and binary file
        The verified manifest and the opened content, at its beginning.

    Raises
    ------
    SealError
        When the file is missing, altered, cut short, from somebody else or for somebody else.
    """
    with _open(Path(path)) as file:
        header = _read_header(file)
        start = file.tell()
        stop = file.seek(0, io.SEEK_END) - _SIGNATURE_BYTES
        if stop < start:
            _refuse("the file is cut short")
        _verify(file, stop, signer_of(header.manifest))
        file_key = _unwrap(header, recipient)
        return header.manifest, _decrypt(file, start, stop, header, file_key)


def _pack_header(manifest: Manifest, wrapped: Sequence[bytes]) -> bytes:
    body = {
        "manifest": manifest.model_dump_json(),
        "keys": [base64.b64encode(key).decode() for key in wrapped],
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _sealed_parts(header: _Header, file_key: bytes, content: bytes) -> Iterator[bytes]:
    yield MAGIC + len(header.raw).to_bytes(4, "big") + header.raw
    cipher = ChaCha20Poly1305(file_key)
    view = memoryview(content)
    n_chunks = max(1, -(-len(view) // CHUNK_BYTES))
    for i in range(n_chunks):
        chunk = view[i * CHUNK_BYTES : (i + 1) * CHUNK_BYTES]
        yield cipher.encrypt(_nonce(i, last=i == n_chunks - 1), chunk, header.digest)


def _nonce(counter: int, *, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        problem = f"there is no file at '{path}'"
    except (OSError, ValueError) as error:
        problem = f"the file cannot be read ({type(error).__name__})"
    raise SealError(problem, hint="Give the path of a file that linkkit wrote.")


def _refuse(problem: str) -> NoReturn:
    raise SealError(problem, hint="Do not use the file. Ask the sender to send it again.")


def _read_header(file: BinaryIO) -> _Header:
    if file.read(len(MAGIC)) != MAGIC:
        _refuse("the file is not a sealed file of linkkit, or its beginning is damaged")
    n_bytes = int.from_bytes(file.read(4), "big")
    raw = file.read(n_bytes) if n_bytes <= _MAX_HEADER_BYTES else b""
    header: _Header | None = None
    if len(raw) == n_bytes:
        header = _parse_header(raw)
    return header or _refuse("the file's header is damaged")


def _parse_header(raw: bytes) -> _Header | None:
    try:
        body = json.loads(raw)
        keys = tuple(base64.b64decode(key, validate=True) for key in body["keys"])
        manifest = str(body["manifest"]).encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return _Header(manifest=Manifest.parse(manifest), wrapped_keys=keys, raw=raw)


def _verify(file: BinaryIO, stop: int, signer: PublicIdentity) -> None:
    file.seek(0)
    digest = hashlib.sha256()
    left = stop
    while left:
        part = file.read(min(left, 1 << 20))
        digest.update(part)
        left -= len(part)
    try:
        signer.verify_key.verify(file.read(_SIGNATURE_BYTES), digest.digest())
    except InvalidSignature:
        pass
    else:
        return
    _refuse("the file was altered, cut short, or not signed by the organization that sent it")


def _unwrap(header: _Header, recipient: Identity) -> bytes:
    for wrapped in header.wrapped_keys:
        try:
            return bytes(_SUITE.decrypt(wrapped, recipient.seal_key, _WRAP_INFO))
        except (InvalidTag, ValueError):
            continue
    raise SealError(
        "the file is sealed to somebody else",
        hint="Open it with the identity of the organization that it is addressed to.",
    )


def _decrypt(file: BinaryIO, start: int, stop: int, header: _Header, file_key: bytes) -> BinaryIO:
    file.seek(start)
    cipher = ChaCha20Poly1305(file_key)
    content = io.BytesIO()
    n_left = stop - start
    for i in range(max(1, -(-n_left // (CHUNK_BYTES + _TAG_BYTES)))):
        sealed = file.read(min(n_left, CHUNK_BYTES + _TAG_BYTES))
        n_left -= len(sealed)
        try:
            content.write(cipher.decrypt(_nonce(i, last=n_left == 0), sealed, header.digest))
        except (InvalidTag, ValueError):
            break
    else:
        content.seek(0)
        return content
    return _refuse("the file's content is damaged")
