"""The scored pairs of a linkage, as the linkage unit keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.engines import slices_of
from linkkit.errors import OptionError
from linkkit.exchange.atomic import atomic_file
from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.compare import LEVELS
from linkkit.linkage.pool import Pool

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LinkedPairs"]

_HEX = np.frombuffer(b"".join(b"%02x" % i for i in range(256)), dtype=np.uint8).reshape(256, 2)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class LinkedPairs:
    """The candidate pairs of a linkage, scored, and whether each was linked.

    Attributes
    ----------
    pool : Pool
        The records that the pairs point to.
    scored : ScoredPairs
        Pairs and scores.
    linked : ndarray of bool, shape (n_pairs,)
        Whether both records are of one person.
    """

    pool: Pool
    scored: ScoredPairs
    linked: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.scored)

    def __repr__(self) -> str:
        return f"<LinkedPairs: {len(self)} candidate pairs, {int(self.linked.sum())} linked>"

    def to_arrow(self) -> pa.Table:
        """Return one row for each pair: parties, tokens, levels, weight, probability, linked."""
        return self._rows(slice(0, len(self)))

    def to_pandas(self) -> pd.DataFrame:
        """Return the same as a frame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def save(self, path: str | Path) -> Path:
        """Write the pairs for the linkage unit's own use; returns the path.

        Parameters
        ----------
        path : path
            Ends in ``.parquet`` or, for an Arrow file, ``.arrow``.

        Raises
        ------
        OptionError
            When it ends otherwise.
        SealError
            When the file cannot be written.
        """
        path = Path(path)
        if path.suffix not in {".parquet", ".arrow"}:
            raise OptionError(
                f"'{path}' does not end in .parquet or .arrow", hint="Choose another name."
            )
        schema = self._rows(slice(0, 0)).schema
        with atomic_file(path, private=True) as file:
            if path.suffix == ".arrow":
                writer = pa.ipc.new_file(file, schema)
            else:
                import pyarrow.parquet as pq

                writer = pq.ParquetWriter(file, schema)
            with writer:
                for rows in slices_of(len(self)):
                    writer.write_table(self._rows(rows))
        return path

    def _rows(self, rows: slice) -> pa.Table:
        columns: dict[str, pa.Array] = {}
        parties = pa.array(self.pool.parties, pa.string())
        for side, where in (("left", self.scored.left[rows]), ("right", self.scored.right[rows])):
            columns[f"{side}_party"] = parties.take(pa.array(self.pool.party[where]))
            columns[f"{side}_token"] = _hexadecimal(self.pool.tokens[where])
        for f, item in enumerate(self.pool.spec.columns):
            columns[item.name] = pa.DictionaryArray.from_arrays(
                pa.array(self.scored.levels[rows, f]), pa.array(LEVELS), ordered=True
            )
        columns["match_weight"] = pa.array(self.scored.weight[rows])
        columns["probability"] = pa.array(self.scored.probability[rows])
        columns["linked"] = pa.array(self.linked[rows])
        return pa.table(columns)


def _hexadecimal(tokens: npt.NDArray[np.uint8]) -> pa.Array:
    """Return tokens, shape (n, n_bytes), as text."""
    n, n_bytes = tokens.shape
    ends = pa.py_buffer(np.arange(n + 1, dtype=np.int32) * np.int32(2 * n_bytes))
    text = pa.py_buffer(np.ascontiguousarray(_HEX[tokens]))
    return pa.StringArray.from_buffers(n, ends, text)
