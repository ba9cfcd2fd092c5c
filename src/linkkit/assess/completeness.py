"""Field completeness: in how many records of each party a linkage field is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from linkkit.assess.inputs import require_result, require_smallest_cell, shown_count
from linkkit.linkage import LinkResult

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FieldCompleteness", "field_completeness"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldCompleteness:
    """Missing fields by party.

    Attributes
    ----------
    fields : tuple of str
        Linkage fields, in the order of the agreement.
    n_records : dict of str to int
        Records of each party.
    n_missing : dict of str to tuple of int
        For each party the records without each field.
    """

    fields: tuple[str, ...]
    n_records: dict[str, int]
    n_missing: dict[str, tuple[int, ...]]

    def share_missing(self, party: str, field: str) -> float:
        """Return the share of a party's records without a field, 0 to 1."""
        n = self.n_missing[party][self.fields.index(field)]
        return n / self.n_records[party] if self.n_records[party] else 0.0

    def as_frame(self, smallest_cell: int | None = None) -> pd.DataFrame:
        """Return columns ``party``, ``field``, ``n_records`` and ``n_missing``.

        With `smallest_cell` the counts are text, and smaller ones read "<10" or the like.
        """
        import pandas as pd

        require_smallest_cell(smallest_cell)

        def shown(n: int) -> object:
            return n if smallest_cell is None else shown_count(n, smallest_cell)

        rows = [
            (party, field, shown(self.n_records[party]), shown(n))
            for party, missing in self.n_missing.items()
            for field, n in zip(self.fields, missing, strict=True)
        ]
        return pd.DataFrame(rows, columns=["party", "field", "n_records", "n_missing"])


def field_completeness(result: LinkResult) -> FieldCompleteness:
    """Count in how many encoded records of each party each linkage field is missing.

    Encodings by passes do not say; then there are no fields.

    Parameters
    ----------
    result : LinkResult
        What :func:`~linkkit.link` returned.

    Returns
    -------
    FieldCompleteness

    Raises
    ------
    WrongStageError
        When something else than a linkage result is given.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> completeness = field_completeness(example_linkage().result)
    >>> completeness.share_missing("shelter", "phone")
    1.0
    """
    pool = require_result(result).pairs.pool
    missing = np.zeros((len(pool.parties), pool.present.shape[1]), dtype=np.int64)
    np.add.at(missing, pool.party, ~pool.present)
    sizes = pool.party_sizes().tolist()
    return FieldCompleteness(
        fields=tuple(item.name for item in pool.spec.filters),
        n_records=dict(zip(pool.parties, sizes, strict=True)),
        n_missing={
            party: tuple(row) for party, row in zip(pool.parties, missing.tolist(), strict=True)
        },
    )
