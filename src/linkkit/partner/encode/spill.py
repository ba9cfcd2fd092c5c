"""Rows parted over many parts on disk, encrypted, for work that goes through one part at a time.

People's cells are among the rows. So a spill is a file without a name where the system knows
such, is deleted with its last user everywhere, and holds nothing but ciphertext under a key that
was never written anywhere: what a crash or a stolen disk leaves cannot be read.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from linkkit.errors import SealError

__all__ = ["Spill"]

_HELD_BYTES = 32 << 20


class Spill:
    """A table on disk whose rows were parted; a part comes back in the order it was added.

    Parameters
    ----------
    folder : Path
        Where there is room for it.
    n_parts : int
        How many parts there are.

    Examples
    --------
    >>> import tempfile
    >>> with Spill(Path(tempfile.gettempdir()), n_parts=2) as spill:
    ...     spill.add(pa.table({"a": [10, 11, 12]}), np.array([1, 0, 1]))
    ...     spill.part(1).to_pydict()
    {'a': [10, 12]}
    """

    def __init__(self, folder: Path, *, n_parts: int) -> None:
        self.n_parts = n_parts
        self.n_rows = 0
        self._cipher = ChaCha20Poly1305(os.urandom(32))
        self._blocks: list[list[tuple[int, int]]] = [[] for _ in range(n_parts)]
        self._n_blocks = 0
        self._held: list[tuple[pa.Table, npt.NDArray[np.int64]]] = []
        self._n_held = 0
        self._schema: pa.Schema | None = None
        self._file = _unnamed_file(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.clear()
        with suppress(OSError):  # on a full disk, what was not written cannot be written now
            self._file.close()

    def add(self, rows: pa.Table, parts: npt.NDArray[np.integer]) -> None:
        """Take rows, each for the part whose number stands in `parts`, shape (n_rows,)."""
        if self._schema is None:
            self._schema = rows.schema
        order = np.argsort(parts, kind="stable")
        starts = np.searchsorted(parts[order], np.arange(self.n_parts + 1))
        sorted_rows = rows.take(pa.array(order))
        self.n_rows += len(rows)
        self._held.append((sorted_rows, starts.astype(np.int64)))
        self._n_held += sorted_rows.nbytes
        if self._n_held > _HELD_BYTES:
            self._write_held()

    def part(self, number: int) -> pa.Table:
        """Return the rows of a part; nothing can be added afterwards without a new block."""
        self._write_held()
        tables = [self._read(number, *block) for block in self._blocks[number]]
        if not tables:
            return (self._schema or pa.schema([])).empty_table()
        return pa.concat_tables(tables).combine_chunks()

    def _write_held(self) -> None:
        for number in range(self.n_parts):
            pieces = [
                rows.slice(starts[number], starts[number + 1] - starts[number])
                for rows, starts in self._held
                if starts[number + 1] > starts[number]
            ]
            if pieces:
                self._write(number, pa.concat_tables(pieces).combine_chunks())
        self._held.clear()
        self._n_held = 0

    def _write(self, number: int, rows: pa.Table) -> None:
        content = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(content, rows.schema, options=options) as stream:
            stream.write_table(rows)
        sealed = self._cipher.encrypt(
            self._n_blocks.to_bytes(12, "big"),
            memoryview(content.getvalue()).cast("B"),
            number.to_bytes(8, "big"),
        )
        problem, place = "", 0
        try:
            place = self._file.seek(0, os.SEEK_END)
            self._file.write(len(sealed).to_bytes(8, "big") + sealed)
            self._file.flush()
        except OSError as error:
            problem = type(error).__name__
        if problem:
            raise _unwritable(problem)
        self._blocks[number].append((self._n_blocks, place))
        self._n_blocks += 1

    def _read(self, number: int, block: int, place: int) -> pa.Table:
        content: bytes | None = None
        try:
            self._file.seek(place)
            sealed = self._file.read(int.from_bytes(self._file.read(8), "big"))
            content = self._cipher.decrypt(
                block.to_bytes(12, "big"), sealed, number.to_bytes(8, "big")
            )
        except (InvalidTag, OSError, ValueError):
            pass
        if content is None:
            raise SealError(
                "the temporary file was altered or cannot be read",
                hint="Check the disk, and encode again.",
            )
        with pa.ipc.open_stream(content) as stream:
            return stream.read_all()


def _unnamed_file(folder: Path) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(dir=folder, prefix=".linkkit-")
    except (OSError, ValueError) as error:
        problem = type(error).__name__
    raise _unwritable(problem)


def _unwritable(problem: str) -> SealError:
    return SealError(
        f"the temporary file cannot be written ({problem})",
        hint="Name a folder for temporary files that exists and has room for the extract and its "
        "encodings together.",
    )
