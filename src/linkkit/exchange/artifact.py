"""What all artifacts have in common: sealed as a table, at once or in batches, for one reader."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, Self

import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.errors import MismatchError, SealError
from linkkit.exchange.identity import Identity
from linkkit.exchange.manifest import ArtifactKind, Manifest
from linkkit.exchange.ordered import OrderCheck
from linkkit.exchange.tables import SealedTable, open_table, save_table, table_writer

__all__ = ["Artifact"]


class Artifact:
    """A table that crosses from one organization to another, in a file sealed to the latter.

    The kind decides who signs the file and who can open it; there is no choice to get wrong.
    """

    __slots__ = ()

    _kind: ClassVar[ArtifactKind]
    _recipient: ClassVar[str]
    _ordered_by: ClassVar[tuple[str, ...]] = ("token",)
    _strictly: ClassVar[bool] = True

    @property
    def recipient(self) -> str:
        """Who may open the file: a party's name, ``linkage_unit`` or ``steward``."""
        return self._recipient

    def to_manifest(self, n_rows: int) -> Manifest:
        """Return what a file of the artifact says of itself, with `n_rows` rows."""
        raise NotImplementedError

    def to_table(self) -> pa.Table:
        """Return the rows."""
        raise NotImplementedError

    @classmethod
    def from_table(cls, table: pa.Table, manifest: Manifest) -> Self:
        """Return the artifact that rows and a manifest make."""
        raise NotImplementedError

    @classmethod
    def _check(cls, table: pa.Table, manifest: Manifest, agreement: Agreement) -> None:
        raise NotImplementedError

    def save(self, path: str | Path, *, agreement: Agreement, identity: Identity) -> Path:
        """Write a file, signed by the sender and sealed to the one organization that may open it.

        Parameters
        ----------
        path : str or Path
            Where to write; by custom ``PARTY.encodings``, ``PARTY.payload`` or ``crosswalk``.
        agreement : Agreement
            The agreement, which states the public keys.
        identity : Identity
            The sender's own identity.

        Raises
        ------
        NotAuthorizedError
            When the identity is not the sender's, or the agreement does not allow the content.
        MismatchError
            When the content was made under another agreement.
        SealError
            When the file cannot be written.
        """
        table = self.to_table()
        manifest = self.to_manifest(len(table))
        manifest.require_agreement(agreement)
        self._check(table, manifest, agreement)
        return save_table(path, table, manifest, agreement, identity, recipient=self.recipient)

    @classmethod
    def save_batches(
        cls,
        path: str | Path,
        batches: Iterable[Self],
        *,
        n_rows: int,
        agreement: Agreement,
        identity: Identity,
    ) -> Path:
        """Write a file as :meth:`save` does, of content that is never held as a whole.

        Parameters
        ----------
        path : str or Path
            Where to write.
        batches : iterable
            Portions, at least one, that are alike in all but their rows; the rows ascend by
            token, within and between them (a crosswalk's by person id and token).
        n_rows : int
            How many rows they have together.
        agreement, identity
            As for :meth:`save`.

        Raises
        ------
        MismatchError
            When portions differ, or the content was made under another agreement.
        SealError
            When rows are out of order or not as many, or the file cannot be written.
        """
        portions = iter(batches)
        head = next(portions, None)
        if head is None:
            raise SealError("there is no batch to write", hint="Give one, of no rows.")
        manifest, schema = head.to_manifest(n_rows), head.to_table().schema
        manifest.require_agreement(agreement)
        order = OrderCheck(*cls._ordered_by, strictly=cls._strictly)
        with table_writer(
            path, schema, manifest, agreement, identity, recipient=head.recipient
        ) as writer:
            for portion in itertools.chain([head], portions):
                if portion.to_manifest(n_rows) != manifest:
                    raise MismatchError(
                        "the batches are of different extracts",
                        hint="Give portions of one, made under one agreement, secret and spec.",
                    )
                table = portion.to_table()
                cls._check(table, manifest, agreement)
                _require_order(order, table, sender=manifest.sender)
                writer.write(table)
        return Path(path)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        agreement: Agreement,
        identity: Identity,
        deliveries: str | Path | None = None,
    ) -> Self:
        """Verify a file and open it, at the organization that it is sealed to.

        Parameters
        ----------
        path : str or Path
            The file that :meth:`save` wrote.
        agreement : Agreement
            The agreement, which states the public keys.
        identity : Identity
            The recipient's own identity.
        deliveries : str or Path, optional
            The recipient's ledger of deliveries, a file that remembers the newest of each
            sender, made at first use. With it an older delivery is refused.

        Raises
        ------
        SealError
            When the file was altered or cut short, or is from or for somebody else.
        MismatchError
            When it was made under another agreement, or holds another artifact.
        NotAuthorizedError
            When the sender may not send such an artifact, or the agreement does not allow the
            content.
        ReplayError
            When a newer delivery was accepted already.
        """
        with open_table(path, cls._kind, agreement, identity, deliveries=deliveries) as sealed:
            artifact = cls._of_sealed(sealed, agreement)
        # What was read is as large as what is returned; whoever loads several files needs the memory.
        pa.default_memory_pool().release_unused()
        return artifact

    @classmethod
    def _of_sealed(cls, sealed: SealedTable, agreement: Agreement) -> Self:
        """Return the artifact of an opened file, checked."""
        table = sealed.read()
        cls._check(table, sealed.manifest, agreement)
        return cls.from_table(table, sealed.manifest)

    @classmethod
    def load_batches(
        cls,
        path: str | Path,
        *,
        agreement: Agreement,
        identity: Identity,
        deliveries: str | Path | None = None,
    ) -> Iterator[Self]:
        """Verify a file as :meth:`load` does, and return its rows in portions.

        A portion has at most 65,536 rows, so the memory does not grow with the file. All of the
        file is verified before the first one, and a delivery counts as accepted after the last.
        What shows only in all rows together is not checked: that no record of a crosswalk
        belongs to two people.
        """
        order = OrderCheck(*cls._ordered_by, strictly=cls._strictly)
        with open_table(path, cls._kind, agreement, identity, deliveries=deliveries) as sealed:
            for table in sealed.batches():
                cls._check(table, sealed.manifest, agreement)
                _require_order(order, table, sender=sealed.manifest.sender)
                yield cls.from_table(table, sealed.manifest)


def _require_order(order: OrderCheck, table: pa.Table, *, sender: str) -> None:
    if not order.follows(table):
        raise SealError(
            f"the rows of '{sender}' are not in the order that such a file has",
            hint="Do not use the file. Ask the sender to make it again with the same version.",
        )
