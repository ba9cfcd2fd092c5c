"""Content as a stream of authenticated chunks: written as it comes, read where it is wanted."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from linkkit.errors import SealError

__all__ = ["CHUNK_BYTES", "ChunkReader", "ChunkWriter"]

CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
_SEALED_BYTES = CHUNK_BYTES + TAG_BYTES


def _nonce(counter: int, *, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


class ChunkWriter(io.RawIOBase, BinaryIO):
    """A file to write to; full chunks are sealed and passed on, the last one by :meth:`finish`.

    Parameters
    ----------
    put : callable
        Takes the sealed chunks in order.
    cipher : ChaCha20Poly1305
        Of a key that seals nothing else.
    bound : bytes
        Associated data of every chunk.
    """

    def __init__(
        self, put: Callable[[bytes], object], cipher: ChaCha20Poly1305, bound: bytes
    ) -> None:
        super().__init__()
        self._put, self._cipher, self._bound = put, cipher, bound
        self._pending = bytearray()
        self._n_chunks = 0

    def writable(self) -> bool:
        """Whether it can be written to: yes."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._n_chunks * CHUNK_BYTES + len(self._pending)

    def write(self, data: object, /) -> int:
        """Take content; a chunk leaves once it is known not to be the last."""
        view = memoryview(cast(bytes, data)).cast("B")
        start = 0
        while start < len(view):
            if len(self._pending) == CHUNK_BYTES:
                self._seal(last=False)
            part = view[start : start + CHUNK_BYTES - len(self._pending)]
            self._pending += part
            start += len(part)
        return len(view)

    def finish(self) -> None:
        """Seal the last chunk, which is empty only where there is no content at all."""
        self._seal(last=True)
        self.close()

    def _seal(self, *, last: bool) -> None:
        nonce = _nonce(self._n_chunks, last=last)
        self._put(self._cipher.encrypt(nonce, self._pending, self._bound))
        self._n_chunks += 1
        self._pending.clear()


class ChunkReader(io.RawIOBase, BinaryIO):
    """A file to read from and seek in, over the sealed chunks of another.

    Every chunk is checked each time that it is read, for its content, its place and whether it
    is the last.

    Parameters
    ----------
    file : binary file
        Holds the chunks from `start` to `stop`; closed with this one.
    cipher : ChaCha20Poly1305
        Of the key that sealed them.
    bound : bytes
        Associated data of every chunk.
    """

    def __init__(
        self, file: BinaryIO, cipher: ChaCha20Poly1305, bound: bytes, *, start: int, stop: int
    ) -> None:
        super().__init__()
        self._file, self._cipher, self._bound = file, cipher, bound
        self._start = start
        self._n_sealed = stop - start
        self._n_chunks = max(1, -(-self._n_sealed // _SEALED_BYTES))
        self._size = self._n_sealed - self._n_chunks * TAG_BYTES
        self._place = 0
        self._held = (-1, b"")

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether one can seek in it: yes."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(base + offset, 0)
        return self._place

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, all that are left by default."""
        left = max(self._size - self._place, 0)
        if size is not None and size >= 0:
            left = min(left, size)
        parts = []
        while left:
            number, skip = divmod(self._place, CHUNK_BYTES)
            part = self._chunk(number)[skip : skip + left]
            parts.append(part)
            self._place += len(part)
            left -= len(part)
        return b"".join(parts)

    def readall(self) -> bytes:
        """Return all that is left."""
        return self.read(-1)

    def readinto(self, buffer: object, /) -> int:
        """Fill a buffer as far as content goes."""
        target = memoryview(cast(bytearray, buffer)).cast("B")
        content = self.read(len(target))
        target[: len(content)] = content
        return len(content)

    def require_whole(self) -> None:
        """Check every chunk, and that there are no others; content is not kept."""
        if self._n_chunks > 1 and self._size <= (self._n_chunks - 1) * CHUNK_BYTES:
            self._refuse()  # the last chunk is empty
        for number in range(self._n_chunks):
            self._chunk(number)

    def close(self) -> None:
        """Close this file and the one below it."""
        self._held = (-1, b"")
        self._file.close()
        super().close()

    def _chunk(self, number: int) -> bytes:
        if self._held[0] != number:
            content = self._decrypted(number)
            if content is None:
                self._refuse()
            self._held = (number, content or b"")
        return self._held[1]

    def _decrypted(self, number: int) -> bytes | None:
        # What is damaged comes back as None, so that no frame of the error to come holds content.
        offset = number * _SEALED_BYTES
        last = number == self._n_chunks - 1
        n_bytes = self._n_sealed - offset if last else _SEALED_BYTES
        self._file.seek(self._start + offset)
        try:
            sealed = self._file.read(n_bytes)
            return self._cipher.decrypt(_nonce(number, last=last), sealed, self._bound)
        except (InvalidTag, ValueError, OSError):
            return None

    def _refuse(self) -> None:
        self._held = (-1, b"")
        raise SealError(
            "the file's content is damaged",
            hint="Do not use the file. Ask the sender to send it again.",
        )
