"""What was asked: the linkage unit's own list, which leads from a pair's number back to its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from linkkit.errors import MismatchError, OptionError
from linkkit.exchange.atomic import atomic_file
from linkkit.exchange.columns import TOKEN_TYPE

if TYPE_CHECKING:
    import pandas as pd

    from linkkit.agreement import Agreement

__all__ = ["ReviewQuestions"]

_COLUMNS = {
    "pair_id": TOKEN_TYPE,
    "left_party": pa.string(),
    "left_token": TOKEN_TYPE,
    "right_party": pa.string(),
    "right_token": TOKEN_TYPE,
    "why": pa.string(),
    "match_weight": pa.float64(),
    "linked": pa.bool_(),
}
_HEX = ("pair_id", "left_token", "right_token")


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ReviewQuestions:
    """The pairs that were asked about. Stays at the linkage unit.

    Attributes
    ----------
    agreement_id, agreement_fingerprint : str
        The agreement that the encodings were made under.
    clean : tuple of str
        The parties that hold each person once.
    table : pyarrow.Table
        ``pair_id``, ``left_party``, ``left_token``, ``right_party``, ``right_token``, ``why`` it was chosen,
        ``match_weight`` in bits and whether it was ``linked``; sorted by pair.
    """

    agreement_id: str
    agreement_fingerprint: str
    clean: tuple[str, ...]
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"<ReviewQuestions: {len(self)} pairs>"

    def to_pandas(self) -> pd.DataFrame:
        """Return the list as a frame with numbers and tokens in hexadecimal."""
        frame: pd.DataFrame = self.table.to_pandas()
        for name in _HEX:
            frame[name] = [value.hex() for value in frame[name]]
        return frame

    def require_agreement(self, agreement: Agreement) -> None:
        """Refuse questions that were asked under another agreement."""
        if (self.agreement_id, self.agreement_fingerprint) != (agreement.id, agreement.fingerprint):
            raise MismatchError(
                "the questions were asked under another agreement, or another text of it",
                hint="Give the questions and the answers of one review.",
            )

    def save(self, path: str | Path) -> Path:
        """Write a Parquet file for its owner alone; raises :class:`SealError` when it cannot be."""
        about = {
            "agreement": self.agreement_id,
            "fingerprint": self.agreement_fingerprint,
            "clean": " ".join(self.clean),
        }
        with atomic_file(path, private=True) as file:
            pq.write_table(self.table.replace_schema_metadata(about), file)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> ReviewQuestions:
        """Read what :meth:`save` wrote; raises :class:`OptionError` when it is something else."""
        table: pa.Table | None = None
        try:
            table = pq.read_table(Path(path))
        except (pa.ArrowException, OSError, ValueError):
            pass
        about = {} if table is None else table.schema.metadata or {}
        if (
            table is None
            or not {b"agreement", b"fingerprint", b"clean"} <= about.keys()
            or not _whole(table)
        ):
            raise OptionError(
                "the questions of the review are not there, or not such a file",
                hint="It is the file that was written beside the requests when they were made.",
            )
        return cls(
            agreement_id=about[b"agreement"].decode(),
            agreement_fingerprint=about[b"fingerprint"].decode(),
            clean=tuple(about[b"clean"].decode().split()),
            table=table.replace_schema_metadata(None),
        )


def _whole(table: pa.Table) -> bool:
    types = dict(zip(table.schema.names, table.schema.types, strict=True))
    return types == _COLUMNS and not any(column.null_count for column in table.columns)
