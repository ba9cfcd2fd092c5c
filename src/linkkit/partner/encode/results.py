"""What encoding gives: what may leave, what stays home, and a report on both."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.exchange import EncodedExtract, PayloadExtract
from linkkit.exchange.atomic import atomic_text
from linkkit.partner.read import SetAside
from linkkit.partner.standardize import Issue

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EncodeResult", "EncodingReport", "TokenMap", "set_aside_csv"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TokenMap:
    """Which row got which token. Stays home: it leads from a token back to a person.

    Attributes
    ----------
    tokens : ndarray of uint8, shape (n_rows, 16)
        The token of each row that was sent.
    record_ids : pyarrow.Array
        The party's row ids, null where a row has none.
    rows : ndarray of int64, shape (n_rows,)
        Row numbers below the header, from 1.
    """

    tokens: npt.NDArray[np.uint8]
    record_ids: pa.Array
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<TokenMap: {len(self)} rows, stays home>"

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame of ``token`` (hexadecimal), ``record_id`` and ``row``."""
        import pandas as pd

        tokens = [bytes(token).hex() for token in self.tokens]
        record_ids = self.record_ids.to_pylist()
        return pd.DataFrame({"token": tokens, "record_id": record_ids, "row": self.rows})

    def to_csv(self, *, header: bool = True) -> str:
        """Return the map as the text of a CSV file, or of a part of one."""
        return self.to_pandas().to_csv(index=False, header=header, lineterminator="\n")

    def save(self, path: str | Path) -> Path:
        """Write a CSV file that only its owner may read."""
        return atomic_text(path, self.to_csv(), private=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodingReport:
    """What was encoded and what was not, in counts, column names and row numbers.

    Attributes
    ----------
    party : str
        Whose extract it was.
    n_rows, n_records : int
        Rows read, and records encoded.
    n_set_aside : dict of str to int
        Rows that were not sent, by reason.
    n_repeated : int
        Rows that belong to a record with an earlier row.
    missing : dict of str to int
        Records without a value, by linkage field of the party.
    not_brought : tuple of str
        Linkage fields of the agreement that the party does not have.
    n_without_id : int
        Records of a party with row ids that have none.
    issues : tuple of Issue
        Cells that were taken as missing, by rule.
    columns_left : tuple of str
        Columns that the agreement does not name; they stay home.
    notes : tuple of str
        How the file and its columns were read.
    """

    party: str
    n_rows: int
    n_records: int
    n_set_aside: dict[str, int]
    n_repeated: int
    missing: dict[str, int]
    not_brought: tuple[str, ...]
    n_without_id: int
    issues: tuple[Issue, ...]
    columns_left: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """What goes with the files: records encoded, and rows that were not sent."""
        return {"n_records": self.n_records, "n_set_aside": sum(self.n_set_aside.values())}

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterable[str]:
        yield f"{self.party}: {self.n_rows} rows read, {self.n_records} records encoded"
        if self.n_without_id:
            yield f"  {self.n_without_id} records without a record id; their tokens are random"
        if self.n_repeated:
            yield f"  {self.n_repeated} rows belong to a record that has another row"
        for reason, n in self.n_set_aside.items():
            yield f"  {n} rows set aside: {reason}"
        for name, n in self.missing.items():
            yield f"  {name}: missing in {n} of {self.n_records} records"
        if self.not_brought:
            yield f"  not among this party's fields: {', '.join(self.not_brought)}"
        yield from (f"  {issue}" for issue in self.issues)
        if self.issues or self.n_set_aside:
            yield "  (rows are counted from the first one below the header)"
        yield from (f"  {note}" for note in self.notes)
        if self.columns_left:
            yield f"  columns that stay home: {', '.join(self.columns_left)}"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class EncodeResult:
    """What :func:`encode` makes of an extract.

    Attributes
    ----------
    encodings : EncodedExtract
        For the linkage unit.
    payload : PayloadExtract
        For the steward.
    token_map : TokenMap
        Stays home.
    set_aside : tuple of SetAside
        Rows that were not sent, and why. Stays home.
    report : EncodingReport
        What was done, without any value.
    """

    encodings: EncodedExtract
    payload: PayloadExtract
    token_map: TokenMap
    set_aside: tuple[SetAside, ...]
    report: EncodingReport

    def __repr__(self) -> str:
        return (
            f"<EncodeResult of '{self.encodings.party}': {len(self.encodings)} records, "
            f"{len(self.set_aside)} rows set aside>"
        )

    def save_home(self, folder: str | Path) -> None:
        """Write what stays with the party, for its owner's eyes only.

        Parameters
        ----------
        folder : str or Path
            Gets ``PARTY.token-map.csv``, ``PARTY.set-aside.csv`` and ``PARTY.report.txt``.

        Raises
        ------
        SealError
            When a file cannot be written.
        """
        folder, party = Path(folder), self.report.party
        rows = set_aside_csv(self.set_aside)
        self.token_map.save(folder / f"{party}.token-map.csv")
        atomic_text(folder / f"{party}.set-aside.csv", rows, private=True)
        atomic_text(folder / f"{party}.report.txt", f"{self.report}\n", private=True)


def set_aside_csv(rows: Iterable[SetAside], *, header: bool = True) -> str:
    """Return rows that were set aside as the text of a CSV file, or of a part of one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(["row", "reason"])
    writer.writerows((item.row, item.reason) for item in rows)
    return text.getvalue()
