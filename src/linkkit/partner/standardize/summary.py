"""What standardization did to a party's own data, for the party to look at: counts and rows only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import FieldKind

__all__ = ["FieldSummary", "look_swapped", "summarize"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_SHOULD_DIFFER: frozenset[FieldKind] = frozenset({"date", "phone", "email", "identifier"})
_FEWEST_OFTEN, _SHARE_OFTEN = 20, 0.01
_ROWS_SHOWN = 10

# A name counts as one that is only a surname here when the column of surnames has it this often
# and the column of given names hardly ever.
_FEWEST_AS_OTHER, _MOST_AS_THIS = 3, 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldSummary:
    """What became of the cells of one linkage field.

    Attributes
    ----------
    n_cells, n_blank, n_rejected, n_values : int
        All cells; those without content; those that a rule took as missing; those that are left.
    n_rewritten : int
        Values that are spelled otherwise than their cells, by more than case.
    n_distinct_cells, n_distinct_values : int
        How many there are before and after, of those that are left.
    n_commonest : int
        How often the most frequent value stands; 0 unless it stands suspiciously often for a
        kind of field in which few people share a value.
    """

    n_cells: int
    n_blank: int
    n_rejected: int
    n_values: int
    n_rewritten: int
    n_distinct_cells: int
    n_distinct_values: int
    n_commonest: int

    def __str__(self) -> str:
        often = (
            f"; one value stands in {self.n_commonest} of them and may be a placeholder"
            if self.n_commonest
            else ""
        )
        return (
            f"{self.n_values} of {self.n_cells} cells have a value, {self.n_blank} are blank, "
            f"{self.n_rejected} taken as missing by a rule; {self.n_rewritten} values rewritten, "
            f"{self.n_distinct_cells} spellings are now {self.n_distinct_values}{often}"
        )


def summarize(cells: pa.Array, values: pa.Array, *, kind: FieldKind) -> FieldSummary:
    """Count what became of the cells of a column.

    Parameters
    ----------
    cells : pyarrow.Array
        As the party wrote them.
    values : pyarrow.Array
        The same standardized, null where missing.
    kind : str
        The field's kind.

    Examples
    --------
    >>> summary = summarize(
    ...     pa.array(["Ana", "José", "?", ""]),
    ...     pa.array(["ana", "jose", None, None]),
    ...     kind="given_name",
    ... )
    >>> print(summary)
    2 of 4 cells have a value, 1 are blank, 1 taken as missing by a rule; 1 values rewritten,
    2 spellings are now 2
    """
    written = pc.fill_null(cells, "").cast(pa.large_string())
    blank = pc.equal(pc.utf8_trim_whitespace(written), "")
    kept = pc.is_valid(values)
    n_values = int(pc.sum(kept).as_py() or 0)
    n_blank = int(pc.sum(pc.and_(blank, pc.invert(kept))).as_py() or 0)
    lower = pc.utf8_lower(written.filter(kept))
    rewritten = pc.sum(pc.not_equal(lower, values.filter(kept))).as_py() or 0
    return FieldSummary(
        n_cells=len(cells),
        n_blank=n_blank,
        n_rejected=len(cells) - n_values - n_blank,
        n_values=n_values,
        n_rewritten=int(rewritten),
        n_distinct_cells=len(written.filter(kept).unique()),
        n_distinct_values=len(values.drop_null().unique()),
        n_commonest=_suspicious(values, n_values) if kind in _SHOULD_DIFFER else 0,
    )


def _suspicious(values: pa.Array, n_values: int) -> int:
    if n_values == 0:
        return 0
    most = int(pc.max(values.drop_null().value_counts().field(1)).as_py())
    return most if most >= max(_FEWEST_OFTEN, _SHARE_OFTEN * n_values) else 0


def look_swapped(
    fields: Mapping[str, pa.Array],
    kinds: Mapping[str, FieldKind],
    rows: npt.NDArray[np.int64],
) -> list[str]:
    """Tell the rows whose given name and surname look as if they had changed places.

    The given name is one that the column of surnames knows and that of given names does not, and
    the surname the other way round. Nothing is changed, as "James Thomas" is no mistake.

    Parameters
    ----------
    fields : mapping of str to pyarrow.Array
        Standardized fields.
    kinds : mapping of str to str
        Their kinds.
    rows : ndarray of int64
        Row numbers.
    """
    named = {kind: name for name, kind in kinds.items() if kind in ("given_name", "surname")}
    if len(named) < 2:
        return []
    given, surname = fields[named["given_name"]], fields[named["surname"]]
    odd = _foreign(given, surname) & _foreign(surname, given)
    found = rows[np.flatnonzero(odd)]
    if not len(found):
        return []
    shown = ", ".join(str(row) for row in found[:_ROWS_SHOWN])
    more = ", ..." if len(found) > _ROWS_SHOWN else ""
    return [f"given name and surname look swapped in {len(found)} rows: {shown}{more}"]


def _foreign(column: pa.Array, other: pa.Array) -> npt.NDArray[np.bool_]:
    """Whether each value is frequent in another column and rare in its own."""
    encoded = column.dictionary_encode()
    here, there = _frequencies(column), _frequencies(other)
    is_foreign = np.array(
        [
            there.get(value, 0) >= max(_FEWEST_AS_OTHER, here[value] / _MOST_AS_THIS)
            for value in encoded.dictionary.to_pylist()
        ]
        + [False],
        dtype=np.bool_,
    )
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(is_foreign[codes], dtype=np.bool_)


def _frequencies(column: pa.Array) -> dict[str, int]:
    counts = column.drop_null().value_counts()
    return dict(zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True))
