"""The files of one run appear together or not at all.

They are written into a folder beside their places, for its owner alone, and moved when all of
them are whole. What a killed process left there is removed by the next run.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from linkkit.agreement import Agreement
from linkkit.errors import SealError
from linkkit.exchange import Identity
from linkkit.exchange.identity import require_identity
from linkkit.partner.encode.clk_profile import save_clks
from linkkit.partner.encode.prepared import require_ready
from linkkit.partner.encode.results import EncodeResult

__all__ = ["HOME", "publish", "require_to_send", "save_together", "staging"]

HOME = "stays-home"
_PREFIX = ".linkkit-encode-"
_LOCK = "lock"
_BEFORE = "before"
_NEW_SECONDS = 3600


def require_to_send(
    agreement: Agreement, identity: Identity, *, party: str, today: dt.date | None = None
) -> None:
    """Refuse a party that cannot sign or seal its files, before anything is read."""
    require_ready(agreement, party=party, today=today)
    for role in ("linkage_unit", "steward"):
        agreement.require_public_key(role)
    require_identity(identity, agreement, party)


def save_together(
    result: EncodeResult,
    out: str | Path,
    *,
    agreement: Agreement,
    identity: Identity,
    clks: bool = False,
) -> None:
    """Write all files of a result, or none.

    Parameters
    ----------
    result : EncodeResult
        What was encoded.
    out : str or Path
        Gets ``PARTY.encodings``, ``PARTY.payload`` and the folder ``stays-home``. Files of an
        earlier run are replaced.
    agreement, identity
        What the sealed files are written under, and by whom.
    clks : bool
        Whether the filters of the profile ``clkhash`` are written as CLK JSON, too, to stay home.

    Raises
    ------
    NotAuthorizedError
        When the identity is not the party's, or the agreement does not allow the content.
    SealError
        When a file cannot be written.
    """
    party, out = result.report.party, Path(out)
    with staging(out) as stage:
        sealed = stage / f"{party}.encodings"
        result.encodings.save(sealed, agreement=agreement, identity=identity)
        result.payload.save(stage / f"{party}.payload", agreement=agreement, identity=identity)
        if clks:
            save_clks(result.encodings, stage / HOME)
        result.save_home(stage / HOME)
        at_home = sorted(path.name for path in (stage / HOME).iterdir())
        sent = (f"{party}.payload", f"{party}.encodings")
        publish(stage, out, [*(f"{HOME}/{name}" for name in at_home), *sent])


@contextmanager
def staging(out: Path) -> Generator[Path]:
    """Make a folder in `out`, for its owner alone, and remove it in any case.

    Folders of runs that were killed are removed first.

    Raises
    ------
    SealError
        When it cannot be made.
    """
    stage = _new_folder(out)
    lock: IO[bytes] | None = None
    try:
        with suppress(OSError):
            _sweep(out, but=stage)
        with suppress(OSError):
            lock = _locked(stage)
        yield stage
    finally:
        if lock is not None:
            lock.close()
        shutil.rmtree(stage, ignore_errors=True)


def publish(stage: Path, out: Path, names: Sequence[str]) -> None:
    """Move files from a folder of :func:`staging` to their places in `out`, all or none.

    Parameters
    ----------
    stage, out : Path
        From where, and to where.
    names : sequence of str
        Paths within both, in the order in which they are moved.

    Raises
    ------
    SealError
        When one cannot be moved; what was in the places of all of them is there again.
    """
    moved: list[str] = []
    problem = ""
    try:
        for name in names:
            _keep_before(stage, out, name)
        for name in names:
            moved.append(name)
            (stage / name).replace(out / name)
    except OSError as error:
        problem = type(error).__name__
        _undo(stage, out, moved)
    except BaseException:
        _undo(stage, out, moved)
        raise
    if problem:
        raise SealError(
            f"the files cannot be put in their place ({problem})",
            hint="Check the folder, its permissions and the free space.",
        )


def _keep_before(stage: Path, out: Path, name: str) -> None:
    """Keep a second name of the file that is to be replaced, if there is one."""
    target, kept = out / name, stage / _BEFORE / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(target, kept)
    except OSError:  # some file systems know no second name
        shutil.copy2(target, kept)


def _undo(stage: Path, out: Path, moved: Sequence[str]) -> None:
    for name in moved:
        kept = stage / _BEFORE / name
        with suppress(OSError):
            if kept.exists():
                kept.replace(out / name)
            elif not (stage / name).exists():
                (out / name).unlink()


def _new_folder(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=out, prefix=_PREFIX))
    except (OSError, ValueError) as error:
        problem = type(error).__name__
    raise SealError(
        f"the folder for what is written cannot be used ({problem})",
        hint="Check the folder, its permissions and the free space.",
    )


def _locked(stage: Path) -> IO[bytes]:
    """Open the file that shows, for as long as the process lives, that the folder is in use."""
    file = (stage / f"{_LOCK}.new").open("wb")
    _lock(file)
    if os.name == "posix":  # elsewhere, an open file has to keep its name
        (stage / f"{_LOCK}.new").rename(stage / _LOCK)
    return file


def _lock(file: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(out: Path, *, but: Path) -> None:
    """Remove the folders of runs that are no more."""
    for folder in out.glob(f"{_PREFIX}*"):
        if folder != but and folder.is_dir() and not folder.is_symlink() and _is_left(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether nobody holds the folder's lock; without one, it has been there for an hour."""
    try:
        if os.name == "posix":
            with (folder / _LOCK).open("rb") as file:
                return _lock(file)
        (folder / f"{_LOCK}.new").unlink()  # fails while somebody has it open
        return True
    except FileNotFoundError:
        pass
    except OSError:
        return False
    try:
        return time.time() - folder.stat().st_mtime > _NEW_SECONDS
    except OSError:
        return False
