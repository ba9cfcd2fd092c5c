"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, cast

from linkkit.errors import SealError

__all__ = ["atomic_file", "atomic_text"]


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


@contextmanager
def atomic_file(path: str | Path, *, private: bool = False) -> Generator[BinaryIO]:
    """Open a file to the side of `path` and rename it there when the block ends well.

    A `private` file may be read by its owner only; others get the permissions of any new file.

    Raises
    ------
    SealError
        When the file cannot be written; `path` is then as it was before.
    """
    path = Path(path)
    problem = ""
    file: IO[bytes] | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        )
        with file:
            yield cast(BinaryIO, file)
            file.flush()
            os.fsync(file.fileno())
        if not private:
            Path(file.name).chmod(0o666 & ~_umask())
        Path(file.name).replace(path)
    except (OSError, ValueError) as error:
        if file is not None and not isinstance(error, OSError):
            raise
        problem = f"the file cannot be written ({type(error).__name__})"
    finally:
        if file is not None:
            with suppress(OSError):
                Path(file.name).unlink()
    if problem:
        raise SealError(problem, hint="Check the folder, its permissions and the free space.")


def atomic_text(path: str | Path, text: str, *, private: bool = False) -> Path:
    """Write a UTF-8 text file, whole or not at all; returns its path."""
    with atomic_file(path, private=private) as file:
        file.write(text.encode("utf-8"))
    return Path(path)
