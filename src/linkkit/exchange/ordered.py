"""Whether rows stand in the order that their file promises, looked at one portion at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.exchange.columns import token_matrix

__all__ = ["OrderCheck"]


class OrderCheck:
    """Holds the last row seen, and tells whether the next rows follow it.

    Parameters
    ----------
    columns : str
        Columns of 16 bytes by which rows ascend, the first counting most.
    strictly : bool
        Whether two rows may not be equal in all of them.

    Examples
    --------
    >>> token = pa.array([bytes(16), bytes([1] * 16)], pa.binary(16))
    >>> check = OrderCheck("token", strictly=True)
    >>> check.follows(pa.table({"token": token})), check.follows(pa.table({"token": token}))
    (True, False)
    """

    def __init__(self, *columns: str, strictly: bool) -> None:
        self._columns = columns
        self._strictly = strictly
        self._last: npt.NDArray[np.uint64] | None = None

    def follows(self, rows: pa.Table) -> bool:
        """Return whether rows are in order, also after those of earlier calls."""
        keys = np.hstack([_halves(rows.column(name)) for name in self._columns])
        if self._last is not None:
            keys = np.vstack([self._last, keys])
        if not len(keys):
            return True
        self._last = keys[-1:].copy()
        below, above = keys[:-1], keys[1:]
        less = np.zeros(len(below), dtype=np.bool_)
        equal = np.ones(len(below), dtype=np.bool_)
        for i in range(keys.shape[1]):
            less |= equal & (below[:, i] < above[:, i])
            equal &= below[:, i] == above[:, i]
        return bool(np.all(less if self._strictly else less | equal))


def _halves(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(token_matrix(column)).view(">u8").astype(np.uint64)
