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

A file of any size takes the memory of some chunks: it is written as content comes, and read
where it is asked for, after one pass over all of it for the signature and another for the tags
of all chunks. Nothing is ever decrypted to disk.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from linkkit.errors import SealError
from linkkit.exchange.atomic import atomic_file
from linkkit.exchange.chunks import CHUNK_BYTES, ChunkReader, ChunkWriter
from linkkit.exchange.identity import Identity, PublicIdentity
from linkkit.exchange.manifest import Manifest

__all__ = [
    "CHUNK_BYTES",
    "SealedContent",
    "is_sealed",
    "open_sealed",
    "read_manifest",
    "sealed_file",
    "write_sealed",
]

MAGIC = b"linkkit sealed file 1\n"
_SIGNATURE_BYTES = 64
_HASHED_AT_ONCE = 1 << 20
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


class SealedContent(ChunkReader):
    """The content of a verified file, decrypted where it is read; seekable, to be closed.

    ``digest`` is the SHA-256 that the sender signed, in hexadecimal digits: it names the file.
    """

    digest: str = ""


@contextmanager
def sealed_file(
    path: str | Path,
    *,
    manifest: Manifest,
    signer: Identity,
    recipients: Sequence[PublicIdentity],
) -> Generator[BinaryIO]:
    """Open a sealed file to write its content, of any size; it appears when the block ends well.

    Parameters
    ----------
    path : str or Path
        Where to write; an existing file is replaced once the new one is complete.
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
    cipher, wrapped = _fresh_key(recipients)
    header = _Header(manifest=manifest, wrapped_keys=wrapped, raw=_pack_header(manifest, wrapped))
    if len(header.raw) > _MAX_HEADER_BYTES:
        raise SealError("the manifest is too large", hint="Send fewer counts in it.")
    with atomic_file(path) as file:
        digest = hashlib.sha256()

        def put(part: bytes) -> None:
            digest.update(part)
            file.write(part)

        put(MAGIC + len(header.raw).to_bytes(4, "big") + header.raw)
        content = ChunkWriter(put, cipher, header.digest)
        yield content
        content.finish()
        file.write(signer.sign_key.sign(digest.digest()))


def write_sealed(
    path: str | Path,
    content: bytes,
    *,
    manifest: Manifest,
    signer: Identity,
    recipients: Sequence[PublicIdentity],
) -> Path:
    """Seal bytes at once, as :func:`sealed_file` does for a stream; returns the path."""
    with sealed_file(path, manifest=manifest, signer=signer, recipients=recipients) as file:
        file.write(content)
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
) -> tuple[Manifest, SealedContent]:
    """Verify a sealed file, all of it, and open its content.

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
    tuple of Manifest and SealedContent
        The verified manifest and the content, at its beginning. Content is decrypted as it is
        read, from the very file that was verified; if that is changed meanwhile, reading
        raises :class:`SealError`.

    Raises
    ------
    SealError
        When the file is missing, altered, cut short, from somebody else or for somebody else.
    """
    file = _open(Path(path))
    try:
        manifest, content = _opened(file, recipient, signer_of)
    except BaseException:
        file.close()
        raise
    return manifest, content


def _opened(
    file: BinaryIO, recipient: Identity, signer_of: Callable[[Manifest], PublicIdentity]
) -> tuple[Manifest, SealedContent]:
    header = _read_header(file)
    start = file.tell()
    stop = file.seek(0, io.SEEK_END) - _SIGNATURE_BYTES
    if stop < start:
        _refuse("the file is cut short")
    digest = _verify(file, stop, signer_of(header.manifest))
    content = SealedContent(file, _unwrap(header, recipient), header.digest, start=start, stop=stop)
    content.digest = digest
    content.require_whole()
    return header.manifest, content


def _fresh_key(recipients: Sequence[PublicIdentity]) -> tuple[ChaCha20Poly1305, tuple[bytes, ...]]:
    # The bytes of the key stay in here: some tracebacks show the local variables of every frame
    # that an error passes, and writing can fail.
    file_key = os.urandom(32)
    wrapped = tuple(_SUITE.encrypt(file_key, r.seal_key, _WRAP_INFO) for r in recipients)
    return ChaCha20Poly1305(file_key), wrapped


def _pack_header(manifest: Manifest, wrapped: Sequence[bytes]) -> bytes:
    body = {
        "manifest": manifest.model_dump_json(),
        "keys": [base64.b64encode(key).decode() for key in wrapped],
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


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
        raise SealError(
            "the file is not a sealed file of linkkit, or its beginning is damaged",
            hint="If it is a table, such as a CSV or Excel file, it may hold names: only its party may have "
            "it, who runs 'linkkit encode' on it and sends what that writes. Else ask the sender to "
            "send the file again.",
        )
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


def _verify(file: BinaryIO, stop: int, signer: PublicIdentity) -> str:
    """Check the signature over all that stands before it; returns what was signed."""
    file.seek(0)
    digest = hashlib.sha256()
    left = stop
    while left and (part := file.read(min(left, _HASHED_AT_ONCE))):
        digest.update(part)
        left -= len(part)
    try:
        signer.verify_key.verify(file.read(_SIGNATURE_BYTES), digest.digest())
    except InvalidSignature:
        pass
    else:
        return digest.hexdigest()
    _refuse("the file was altered, cut short, or not signed by the organization that sent it")


def _unwrap(header: _Header, recipient: Identity) -> ChaCha20Poly1305:
    for wrapped in header.wrapped_keys:
        try:
            # The bytes of the key get no name: some tracebacks show local variables.
            return ChaCha20Poly1305(_SUITE.decrypt(wrapped, recipient.seal_key, _WRAP_INFO))
        except (InvalidTag, ValueError):
            continue
    raise SealError(
        "the file is sealed to somebody else",
        hint="Open it with the identity of the organization that it is addressed to.",
    )
