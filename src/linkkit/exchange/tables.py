"""Tables in sealed files: written and read as a stream of batches, or at once.

A table is Parquet in row groups of :data:`ROW_GROUP_ROWS`, sealed as it is made. What writes or
reads it holds one row group at a time, so the memory does not grow with the table. In which
portions the rows came leaves no trace: the content is that of the table written at once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from linkkit.agreement import Agreement
from linkkit.errors import SealError
from linkkit.exchange.container import SealedContent, open_sealed, sealed_file
from linkkit.exchange.deliveries import Deliveries
from linkkit.exchange.identity import Identity, PublicIdentity, require_identity
from linkkit.exchange.manifest import ArtifactKind, Manifest

__all__ = [
    "ROW_GROUP_ROWS",
    "SealedTable",
    "TableWriter",
    "load_table",
    "open_table",
    "save_table",
    "sealed_note",
    "table_writer",
]

ROW_GROUP_ROWS = 65_536
_MOST_ROWS_IN_GROUP = 1 << 20
_READ_AT_ONCE = 1 << 20


class TableWriter:
    """Takes the rows of a table in any portions, and writes them in row groups of one size."""

    def __init__(self, parquet: pq.ParquetWriter) -> None:
        self._parquet = parquet
        self._pending: list[pa.Table] = []
        self._n_pending = 0
        self.n_rows = 0

    def write(self, rows: pa.Table) -> None:
        """Take more rows, of the columns that were announced."""
        self.n_rows += len(rows)
        self._pending.append(rows.cast(self._parquet.schema))
        self._n_pending += len(rows)
        if self._n_pending >= ROW_GROUP_ROWS:
            self._write_groups(least=ROW_GROUP_ROWS)

    def finish(self) -> None:
        """Write the rows that are left."""
        self._write_groups(least=1)

    def _write_groups(self, *, least: int) -> None:
        if not self._pending:
            return
        rows = pa.concat_tables(self._pending)
        while len(rows) >= least:
            group = rows.slice(0, ROW_GROUP_ROWS).combine_chunks()
            self._parquet.write_table(group, row_group_size=ROW_GROUP_ROWS)
            rows = rows.slice(ROW_GROUP_ROWS)
        self._pending, self._n_pending = [rows], len(rows)


@contextmanager
def table_writer(
    path: str | Path,
    schema: pa.Schema,
    manifest: Manifest,
    agreement: Agreement,
    identity: Identity,
    *,
    recipient: str,
    notes: Mapping[str, str] | None = None,
) -> Generator[TableWriter]:
    """Open a sealed file for the organization in a role, to write a table's rows to.

    The file appears when the block ends well. It is signed by the manifest's sender, under the
    agreement's epoch and with the time. `notes` are sealed with the table, as metadata of its
    schema; the manifest is not secret.

    Raises
    ------
    NotAuthorizedError
        When the identity is not the sender's.
    MismatchError
        When the manifest is of another agreement.
    SealError
        When the file cannot be written, or other rows are written than the manifest states.
    """
    manifest.require_agreement(agreement)
    require_identity(identity, agreement, manifest.sender)
    manifest = manifest.sealed_now(epoch=agreement.epoch)
    noted = schema.with_metadata(dict(notes) if notes else None)
    to = PublicIdentity(agreement.require_public_key(recipient))
    with sealed_file(path, manifest=manifest, signer=identity, recipients=[to]) as file:
        with pq.ParquetWriter(file, noted, compression="zstd") as parquet:
            writer = TableWriter(parquet)
            yield writer
            writer.finish()
        if writer.n_rows != manifest.n_rows:
            raise SealError(
                f"the manifest states {manifest.n_rows} rows, and {writer.n_rows} were written",
                hint="Nothing was written to the file. State the number of all rows.",
            )


def save_table(
    path: str | Path,
    table: pa.Table,
    manifest: Manifest,
    agreement: Agreement,
    identity: Identity,
    *,
    recipient: str,
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Seal a table at once, as :func:`table_writer` does for a stream; returns the path."""
    with table_writer(
        path, table.schema, manifest, agreement, identity, recipient=recipient, notes=notes
    ) as writer:
        writer.write(table)
    return Path(path)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class SealedTable:
    """A table in a verified file, which is read as far as it is asked for.

    Attributes
    ----------
    manifest : Manifest
        What the file says of itself, verified.
    parquet : pyarrow.parquet.ParquetFile
        The opened content.
    """

    manifest: Manifest
    parquet: pq.ParquetFile

    def __repr__(self) -> str:
        return f"<SealedTable of '{self.manifest.sender}': {self.manifest.n_rows} rows>"

    @property
    def schema(self) -> pa.Schema:
        """Columns, their types, and notes."""
        return self.parquet.schema_arrow

    def read(self) -> pa.Table:
        """Return the whole table; raises :class:`SealError` when it is not the one stated."""
        table: pa.Table | None = None
        try:
            table = self.parquet.read()
        except (pa.ArrowException, OSError, ValueError):
            pass
        if table is None or len(table) != self.manifest.n_rows:
            raise _not_as_stated(self.manifest)
        return table

    def batches(self) -> Iterator[pa.Table]:
        """Return the rows in portions of at most a row group; raises as :meth:`read`."""
        n_rows = 0
        for number in range(self.parquet.num_row_groups):
            for rows in self._row_group(number):
                n_rows += len(rows)
                yield rows
        if n_rows != self.manifest.n_rows:
            raise _not_as_stated(self.manifest)

    def _row_group(self, number: int) -> Iterator[pa.Table]:
        # One row group at a time: over several, Arrow reads ahead as far as the file goes.
        damaged = self.parquet.metadata.row_group(number).num_rows > _MOST_ROWS_IN_GROUP
        portions = iter(())
        if not damaged:
            portions = self.parquet.iter_batches(batch_size=ROW_GROUP_ROWS, row_groups=[number])
        while not damaged:
            portion: pa.RecordBatch | None = None
            try:
                portion = next(portions, None)
            except (pa.ArrowException, OSError, ValueError):
                damaged = True
            if portion is None:
                break
            yield pa.Table.from_batches([portion])
        if damaged:
            raise _not_as_stated(self.manifest)


@contextmanager
def open_table(
    path: str | Path,
    kind: ArtifactKind,
    agreement: Agreement,
    identity: Identity,
    *,
    deliveries: str | Path | None = None,
) -> Generator[SealedTable]:
    """Verify a sealed file against the agreement, and open its table.

    Parameters
    ----------
    path : str or Path
        The sealed file.
    kind : str
        What it must hold.
    agreement : Agreement
        The agreement, which states who may send it.
    identity : Identity
        Who opens it.
    deliveries : str or Path, optional
        The ledger of deliveries. With it an older delivery than one that was accepted is
        refused, and this one is noted as accepted when the block ends well.

    Raises
    ------
    SealError
        When the file was altered or cut short, is from or for somebody else, or does not hold
        the table that it states.
    MismatchError
        When it was made under another agreement, or holds another artifact.
    NotAuthorizedError
        When the sender may not send such an artifact.
    ReplayError
        When a newer delivery was accepted already.
    """

    def signer_of(claimed: Manifest) -> PublicIdentity:
        claimed.require_kind(kind)
        claimed.require_agreement(agreement)
        claimed.require_sender(agreement)
        return PublicIdentity(agreement.require_public_key(claimed.sender))

    ledger = None if deliveries is None else Deliveries(deliveries)
    manifest, content = open_sealed(path, recipient=identity, signer_of=signer_of)
    with content:
        if ledger is not None:
            ledger.check(manifest, content.digest)
        yield SealedTable(manifest=manifest, parquet=_parquet(content, manifest))
        if ledger is not None:
            ledger.accept(manifest, content.digest)


def load_table(
    path: str | Path,
    kind: ArtifactKind,
    agreement: Agreement,
    identity: Identity,
    *,
    deliveries: str | Path | None = None,
) -> tuple[Manifest, pa.Table]:
    """Return manifest and table of a sealed file, verified as :func:`open_table` does."""
    with open_table(path, kind, agreement, identity, deliveries=deliveries) as sealed:
        return sealed.manifest, sealed.read()


def _parquet(content: SealedContent, manifest: Manifest) -> pq.ParquetFile:
    parquet: pq.ParquetFile | None = None
    try:
        parquet = pq.ParquetFile(content, buffer_size=_READ_AT_ONCE)
    except (pa.ArrowException, OSError, ValueError):
        pass
    if parquet is None or parquet.metadata.num_rows != manifest.n_rows:
        raise _not_as_stated(manifest)
    return parquet


def _not_as_stated(manifest: Manifest) -> SealError:
    return SealError(
        f"the file of '{manifest.sender}' does not hold the {manifest.n_rows} rows it states",
        hint="Ask the sender to make the file again.",
    )


def sealed_note(table: pa.Table, name: str) -> str:
    """Return a note that was sealed with a table, or an empty string."""
    notes: Mapping[bytes, bytes] = table.schema.metadata or {}
    return notes.get(name.encode(), b"").decode()
