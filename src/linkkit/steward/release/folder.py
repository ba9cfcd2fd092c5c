"""A folder that appears whole or not at all."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from linkkit.errors import ReleaseError

__all__ = ["side_folder"]


@contextmanager
def side_folder(target: Path, *, overwrite: bool, own_files: Collection[str]) -> Generator[Path]:
    """Give a new folder beside `target`, and rename it there when the block ends well.

    Parameters
    ----------
    target : Path
        Where the folder is to be.
    overwrite : bool
        Whether a folder that is there may be replaced; it must hold nothing but `own_files`.
    own_files : collection of str
        Names of the files of a release.

    Raises
    ------
    ReleaseError
        When `target` may not be replaced or cannot be written; it is then as it was before.
    """
    _require_free(target, overwrite=overwrite, own_files=own_files)
    problem = ""
    side: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        side = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
        side.mkdir()
        yield side
        _swap(side, target)
    except OSError as error:
        problem = f"'{target}' cannot be written ({type(error).__name__})"
    finally:
        if side is not None:
            shutil.rmtree(side, ignore_errors=True)
    if problem:
        _refuse(problem, "Check the folder, its permissions and the free space.")


def _require_free(target: Path, *, overwrite: bool, own_files: Collection[str]) -> None:
    if target.exists() and not target.is_dir():
        _refuse(f"'{target}' is a file, not a folder", "Give the path of a new folder.")
    there = sorted(item.name for item in target.iterdir()) if target.is_dir() else []
    if any(not (target / name).is_file() for name in there):
        _refuse(f"the folder '{target}' holds other folders", "Give another folder.")
    if there and not overwrite:
        _refuse(
            f"the folder '{target}' is not empty",
            "Give another folder, or replace an earlier release with --overwrite (overwrite=True).",
        )
    n_strangers = len(set(there) - set(own_files))
    if n_strangers:
        _refuse(
            f"the folder '{target}' holds {n_strangers} files that are not of a release",
            "Only a folder that holds nothing but a release is replaced. Give another folder.",
        )


def _refuse(problem: str, hint: str) -> NoReturn:
    raise ReleaseError(problem, hint=hint)


def _swap(side: Path, target: Path) -> None:
    if not target.exists():
        side.rename(target)
        return
    old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".old"))
    try:
        target.rename(old / "release")
        try:
            side.rename(target)
        except OSError:
            (old / "release").rename(target)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
