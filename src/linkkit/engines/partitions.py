"""Results of pieces of work: in memory, or past a limit in a folder, from which work can go on.

A partition is a few columns of numbers, kept as an Arrow file. It appears whole or not at all, so that
whatever is in the folder when work is interrupted is finished.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
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
        if self._folder is not None:
            _claim(self._folder, work)
            for file in sorted(self._folder.glob(f"*{_SUFFIX}")):
                n = _length(file)
                if n is None:
                    file.unlink()
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
        try:
            with part.open("xb") as file, pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
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
        with pa.memory_map(str(self._place() / f"{name}{_SUFFIX}")) as file:
            table = pa.ipc.open_file(file).read_all()
        return tuple(
            table.column(column).to_numpy().astype(kind, copy=False)
            for column, kind in self._types.items()
        )


def _claim(folder: Path, work: str) -> None:
    """Make a folder that of some work, or find that it is already."""
    problem, note = "", {"format": _FORMAT, "work": work}
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.iterdir()):
            if not (folder / _NOTE).is_file():
                problem = "it holds other files"
            elif json.loads((folder / _NOTE).read_text("utf-8")) != note:
                problem = "it holds the unfinished work of another linkage"
        else:
            (folder / _NOTE).write_text(json.dumps(note), encoding="utf-8")
        for file in folder.glob(".*.part"):
            file.unlink()
    except (OSError, ValueError) as error:
        problem = type(error).__name__
    if problem:
        raise OptionError(
            f"the work folder '{folder}' cannot be used: {problem}",
            hint="Give an empty folder, or that of the same linkage to go on with it.",
        )


def _length(file: Path) -> int | None:
    """Return how many rows a partition has; None if the machine went down while it was written."""
    try:
        with pa.memory_map(str(file)) as source:
            reader = pa.ipc.open_file(source)
            return sum(len(reader.get_batch(i)) for i in range(reader.num_record_batches))
    except (OSError, pa.ArrowException):
        return None


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
