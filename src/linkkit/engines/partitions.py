"""Results of pieces of work: in memory, or past a limit in a folder, from which work can go on.

A partition is a few columns of numbers, kept as an Arrow file. It appears whole or not at all, so that
whatever is in the folder when work is interrupted is finished.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
import weakref
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.errors import OptionError

__all__ = ["Partitions"]

_NOTE = "linkkit-work.json"
_SUFFIX = ".arrow"
_FORMAT = "linkkit-work/1"

Columns = tuple[npt.NDArray[Any], ...]


class Partitions:
    """Columns that pieces of work yield, put together at the end.

    Parameters
    ----------
    types : mapping of str to numpy type
        The columns.
    folder : path, optional
        Where finished partitions are kept until all are: work that is interrupted goes on with them.
    work : str
        What the work is, as a digest: partitions of other work are never taken for it.
    memory : int, optional
        How many bytes may be kept in memory; more go to the folder, or to a temporary one. No
        limit by default.

    Raises
    ------
    OptionError
        When the folder cannot be used, or holds the partitions of other work.
    """

    def __init__(
        self,
        types: Mapping[str, type[np.generic]],
        *,
        folder: str | Path | None = None,
        work: str = "",
        memory: int | None = None,
    ) -> None:
        self._types = {name: np.dtype(kind) for name, kind in types.items()}
        self._memory, self._in_memory, self._bytes = memory, dict[str, Columns](), 0
        self._n: dict[str, int] = {}
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._folder = None if folder is None else Path(folder)
        self._is_kept = self._folder is not None
        self._unlock: Callable[[], object] = lambda: None
        if self._folder is not None:
            self._unlock = weakref.finalize(self, os.close, _claim(self._folder, work))
            for file in sorted(self._folder.glob(f"*{_SUFFIX}")):
                n = _length(file, self._types) if file.is_file() else None
                if n is None:
                    _remove(file)
                else:
                    self._n[file.stem] = n

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()
        if self._is_kept and self._folder is not None and kind is None:
            for name in self._n:
                (self._folder / f"{name}{_SUFFIX}").unlink(missing_ok=True)
            (self._folder / _NOTE).unlink(missing_ok=True)
        self._unlock()

    def __contains__(self, name: str) -> bool:
        return name in self._n

    def __len__(self) -> int:
        return sum(self._n.values())

    @property
    def may_be_on_disk(self) -> bool:
        """Whether partitions are kept in a folder, or may have to be."""
        return self._is_kept or self._memory is not None

    @property
    def is_on_disk(self) -> bool:
        """Whether partitions went to a folder because of their size."""
        return self._temporary is not None or (self._over() and bool(self._n))

    def put(self, name: str, columns: Sequence[npt.NDArray[Any]]) -> None:
        """Keep a finished partition.

        Raises
        ------
        OptionError
            When the disk is full, or the folder cannot be written; what was finished before stays.
        """
        columns = tuple(
            np.ascontiguousarray(column, dtype=kind)
            for column, kind in zip(columns, self._types.values(), strict=True)
        )
        self._n[name] = len(columns[0])
        self._bytes += sum(column.nbytes for column in columns)
        if self._is_kept:
            self._write(name, columns)
            return
        self._in_memory[name] = columns
        if self._over():
            for other in list(self._in_memory):
                self._write(other, self._in_memory.pop(other))

    def get(self, name: str) -> Columns:
        """Return the columns of one finished partition."""
        return self._read(name)

    def columns(self) -> Columns:
        """Return all columns, partitions in the order of their names.

        As arrays in memory, or where they are too large for it, of files that are gone when nobody
        uses them any more.
        """
        names = sorted(self._n)
        if not self._over():
            parts = [self._read(name) for name in names]
            return tuple(
                np.concatenate([np.zeros(0, dtype=kind), *(part[k] for part in parts)])
                for k, kind in enumerate(self._types.values())
            )
        whole = tuple(self.scratch(len(self), kind) for kind in self._types.values())
        start = 0
        for name in names:
            stop = start + self._n[name]
            for column, part in zip(whole, self._read(name), strict=True):
                column[start:stop] = part
            start = stop
        return whole

    def scratch(self, n: int, kind: np.dtype[Any] | type[np.generic]) -> npt.NDArray[Any]:
        """Return an array to fill, in memory, or where the columns are too large for it, in a file."""
        if not self._over() or not n:
            return np.empty(n, dtype=kind)
        problem, path = "", ""
        try:
            handle, path = tempfile.mkstemp(dir=self._place(), suffix=".scratch")
            with os.fdopen(handle, "r+b") as file:
                _reserve(file.fileno(), n * np.dtype(kind).itemsize)
                return np.memmap(file, dtype=kind, mode="r+", shape=(n,))
        except OSError as error:
            problem = _said(error)
        finally:
            # An array holds on to its file, whose name is not needed; elsewhere the folder is emptied.
            with suppress(OSError):
                Path(path).unlink()
        raise _full(problem)

    def _over(self) -> bool:
        if self._memory is None:
            return False
        size = sum(kind.itemsize for kind in self._types.values())
        return len(self) * size > self._memory

    def _place(self) -> Path:
        if self._folder is None:
            problem = ""
            try:
                self._temporary = tempfile.TemporaryDirectory(
                    prefix="linkkit-", ignore_cleanup_errors=True
                )
            except OSError as error:
                problem = _said(error)
            if problem or self._temporary is None:
                raise _full(problem)
            self._folder = Path(self._temporary.name)
        return self._folder

    def _write(self, name: str, columns: Columns) -> None:
        place, problem = self._place(), ""
        part = place / f".{name}.part"
        table = pa.table(dict(zip(self._types, map(pa.array, columns), strict=True)))
        table = table.replace_schema_metadata({"checksum": _checksum(columns)})
        try:
            with part.open("xb") as file:
                with pa.ipc.new_file(file, table.schema) as writer:
                    writer.write_table(table)
                if self._is_kept:
                    file.flush()
                    os.fsync(file.fileno())
            part.replace(place / f"{name}{_SUFFIX}")
        except OSError as error:
            problem = _said(error)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        if problem:
            del self._n[name]
            raise _full(problem)

    def _read(self, name: str) -> Columns:
        if name in self._in_memory:
            return self._in_memory[name]
        return _loaded(self._place() / f"{name}{_SUFFIX}", self._types)[0]


def _claim(folder: Path, work: str) -> int:
    """Make a folder that of some work, or find that it is already.

    Returns the handle of an open file, which keeps others out until it is closed.
    """
    problem, lock = "", -1
    try:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = folder / _NOTE
        others = [x for x in folder.iterdir() if not x.name.startswith(".") and x != own]
        if others and not own.is_file():
            problem = "it holds other files"
        else:
            lock = os.open(own, os.O_RDWR | os.O_CREAT, 0o600)
            problem = _locked(lock) or _noted(lock, work)
        if not problem:
            for file in folder.glob(".*.part"):
                file.unlink()
    except (OSError, ValueError) as error:
        problem = f"it cannot be made ({type(error).__name__})"
        if isinstance(error, NotADirectoryError):
            problem = "it is a file"
    if problem:
        if lock >= 0:
            os.close(lock)
        raise OptionError(
            f"the work folder '{folder}' cannot be used: {problem}",
            hint="Give an empty folder, or that of the same linkage to go on with it: of the same files, "
            "or of extracts encoded with the same token key.",
        )
    return lock


def _locked(lock: int) -> str:
    """Keep other processes out until the file is closed, where the system can."""
    try:
        import fcntl
    except ImportError:
        return ""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return "another linkage works in it"
    return ""


def _noted(note: int, work: str) -> str:
    """Write whose folder it is, unless that is there; says what is wrong if it is another's."""
    own = json.dumps({"format": _FORMAT, "work": work}).encode()
    known = os.read(note, 2 * len(own))
    if not known:
        os.write(note, own)
        os.fsync(note)
        return ""
    return "" if known == own else "it holds the unfinished work of another linkage"


def _remove(file: Path) -> None:
    """Remove what is no finished partition."""
    with suppress(OSError):
        file.unlink()


def _checksum(columns: Columns) -> str:
    total = 0
    for column in columns:
        total = zlib.crc32(column.data, total)
    return f"{total:08x}"


def _length(file: Path, types: Mapping[str, np.dtype[Any]]) -> int | None:
    """Return how many rows a partition has; None if the machine went down while it was written."""
    try:
        columns, noted = _loaded(file, types)
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None
    return len(columns[0]) if _checksum(columns) == noted else None


def _loaded(file: Path, types: Mapping[str, np.dtype[Any]]) -> tuple[Columns, str]:
    with pa.memory_map(str(file)) as source:
        table = pa.ipc.open_file(source).read_all()
    noted = (table.schema.metadata or {}).get(b"checksum", b"").decode()
    columns = (
        table.column(name).to_numpy().astype(kind, copy=False) for name, kind in types.items()
    )
    return tuple(np.ascontiguousarray(column) for column in columns), noted


def _reserve(handle: int, n_bytes: int) -> None:
    """Make room in a file, so that a full disk is told now and not by a signal later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, n_bytes)
    else:
        os.truncate(handle, n_bytes)


def _said(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "no space is left on the disk"
    return type(error).__name__


def _full(problem: str) -> OptionError:
    return OptionError(
        f"results cannot be kept on disk: {problem}",
        hint="Give a 'work_folder' where there is space, more memory, or 'max_pairs'. What was "
        "finished in a work folder is still there.",
    )
