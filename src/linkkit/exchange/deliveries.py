"""Which delivery of each party was accepted last, so that an older one cannot take its place.

A signature shows who made a file and not that it is the latest. Whoever can put files in the way,
or picks up the wrong one, could bring back records that were corrected or withdrawn since. So the
sender signs the time, and the recipient remembers the newest that it accepted.
"""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from linkkit.errors import ReplayError, SealError
from linkkit.exchange.manifest import Manifest

__all__ = ["Deliveries"]

_APPLICATION_ID = 0x6C6B6465  # "lkde"
_WAIT_SECONDS = 30
_CLOCKS_DIFFER = dt.timedelta(hours=1)
_TABLE = """
CREATE TABLE IF NOT EXISTS delivery (
    agreement TEXT NOT NULL, sender TEXT NOT NULL, kind TEXT NOT NULL,
    sealed_at TEXT NOT NULL, digest TEXT NOT NULL, accepted_at TEXT NOT NULL,
    PRIMARY KEY (agreement, sender, kind)
)"""
_NEWEST = "SELECT sealed_at, digest FROM delivery WHERE agreement = ? AND sender = ? AND kind = ?"
_KEEP = "INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, ?)"


class Deliveries:
    """A recipient's ledger of deliveries: the newest of each agreement, sender and kind.

    It is a small SQLite database, for its owner alone, without anything about any person. Several
    programs may use it at the same time.

    Parameters
    ----------
    path : str or Path
        The file; made when the first delivery is accepted.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> Deliveries(pathlib.Path(tempfile.mkdtemp()) / "unit.deliveries")
    Deliveries('...unit.deliveries')
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Deliveries('{self.path}')"

    def check(self, manifest: Manifest, digest: str) -> None:
        """Refuse a delivery that may not be accepted; nothing is noted.

        Parameters
        ----------
        manifest : Manifest
            Of the file, verified.
        digest : str
            SHA-256 that the sender signed, in hexadecimal digits.

        Raises
        ------
        ReplayError
            When a newer one was accepted, another one of the same time, or the file does not
            say when it was sealed, or says a time to come.
        SealError
            When the ledger cannot be read.
        """
        if self.path.exists():
            with self._opened() as ledger:
                problem = _problem(ledger, manifest, digest)
        else:
            problem = _problem(None, manifest, digest)
        self._require(problem)

    def accept(self, manifest: Manifest, digest: str) -> None:
        """Note a delivery as the newest, or refuse it as :meth:`check` does, in one step."""
        with self._opened() as ledger:
            problem = _problem(ledger, manifest, digest)
            if not problem and manifest.sealed_at is not None:
                now = _text(dt.datetime.now(dt.UTC))
                ledger.execute(_KEEP, (*_key(manifest), _text(manifest.sealed_at), digest, now))
        self._require(problem)

    def _require(self, problem: str) -> None:
        if problem:
            raise ReplayError(
                problem,
                hint="Use the newest delivery, or ask the sender to seal it again. To go back to "
                f"an older one on purpose, name another ledger than '{self.path}'.",
            )

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        """Open the ledger for one transaction, which nobody else's can cross."""
        problem = ""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite would make a file that others may read.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(
                sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
            ) as ledger:
                ledger.execute("BEGIN IMMEDIATE")
                _require_ledger(ledger)
                yield ledger
                ledger.execute("COMMIT")
        except (OSError, ValueError, sqlite3.Error) as error:
            problem = type(error).__name__
        if problem:
            raise SealError(
                f"the ledger of deliveries '{self.path}' cannot be used ({problem})",
                hint="It is a file that linkkit wrote; check its folder and permissions, or name "
                "another. Without it, an older delivery is not told from the newest.",
            )


def _require_ledger(ledger: sqlite3.Connection) -> None:
    (mark,) = ledger.execute("PRAGMA application_id").fetchone()
    (n_tables,) = ledger.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if mark != _APPLICATION_ID and n_tables:
        raise sqlite3.DatabaseError
    ledger.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    ledger.execute(_TABLE)


def _key(manifest: Manifest) -> tuple[str, str, str]:
    return (manifest.agreement_id, manifest.sender, manifest.kind)


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _problem(ledger: sqlite3.Connection | None, manifest: Manifest, digest: str) -> str:
    what = f"the {manifest.kind} of '{manifest.sender}'"
    if manifest.sealed_at is None:
        return f"{what} does not say when it was sealed, so it may be an older one"
    mine = _text(manifest.sealed_at)
    if manifest.sealed_at > dt.datetime.now(dt.UTC) + _CLOCKS_DIFFER:
        return f"{what} says it was sealed at {mine}, which is still to come: a clock is wrong"
    row = ledger.execute(_NEWEST, _key(manifest)).fetchone() if ledger else None
    if row is None or (row[0], row[1]) == (mine, digest) or row[0] < mine:
        return ""
    if row[0] == mine:
        return f"{what} of {mine} is another than the one of the same time that was accepted"
    return f"{what} was sealed at {mine}, and a newer one, of {row[0]}, was accepted already"
