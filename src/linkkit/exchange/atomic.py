"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from linkkit.errors import SealError

__all__ = ["atomic_file", "atomic_text"]


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
    file: BinaryIO | None = None
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part") if path.name else path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o600 if private else _usual_mode(part.with_suffix(".mode"))
        file = _new_file(part, 0o600)
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not private:
            part.chmod(mode)
        part.replace(path)
    except (OSError, ValueError) as error:
        if file is not None and not isinstance(error, OSError):
            raise
        problem = f"the file cannot be written ({type(error).__name__})"
    finally:
        if file is not None:
            with suppress(OSError):
                part.unlink()
    if problem:
        raise SealError(problem, hint="Check the folder, its permissions and the free space.")


def _usual_mode(probe: Path) -> int:
    """Return the permissions of new files in a folder.

    Seen from one, as asking for the mask would change it for all threads meanwhile.
    """
    try:
        with _new_file(probe, 0o666) as file:
            return stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    finally:
        probe.unlink()


def _new_file(path: Path, mode: int) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, mode), "w+b")


def atomic_text(path: str | Path, text: str, *, private: bool = False) -> Path:
    """Write a UTF-8 text file, whole or not at all; returns its path."""
    with atomic_file(path, private=private) as file:
        file.write(text.encode("utf-8"))
    return Path(path)
