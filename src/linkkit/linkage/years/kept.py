"""What one delivery keeps for the next: ids, and what pairs were measured to be."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.linkage.labels import PairLabels
from linkkit.linkage.pool import Made, Pool

__all__ = ["HadIds", "Kept", "KeptIds"]

_Bools = npt.NDArray[np.bool_]
_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class KeptIds:
    """Ids of people, or of households.

    Attributes
    ----------
    of_records : ndarray of uint8, shape (n_records, 16)
        The id of each record; zero where it has none, as households were not asked for.
    retired : ndarray of uint8, shape (n, 16)
        Ids that were given once and nobody has any more.
    """

    of_records: _Bytes
    retired: _Bytes

    def __repr__(self) -> str:
        return f"<KeptIds: of {len(self.of_records)} records, {len(self.retired)} retired>"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class HadIds(KeptIds):
    """The ids that the records of a delivery had before.

    Attributes
    ----------
    of_records : ndarray of uint8, shape (n_records, 16)
        The id that each record had; zero where it had none.
    retired : ndarray of uint8, shape (n, 16)
        Ids that nobody had any more before.
    lost : ndarray of uint8, shape (n_withdrawn, 16)
        The ids of records that were withdrawn.
    """

    lost: _Bytes

    @property
    def has(self) -> _Bools:
        """Which records had one, shape (n_records,)."""
        return np.asarray(self.of_records.any(axis=1))

    @classmethod
    def none(cls, n_records: int) -> HadIds:
        """Return that no record had any."""
        nobody = np.zeros((0, 16), dtype=np.uint8)
        return cls(
            of_records=np.zeros((n_records, 16), dtype=np.uint8), retired=nobody, lost=nobody
        )

    @classmethod
    def of(cls, kept: KeptIds, stays: _Bools, place: _Ints, n_records: int) -> HadIds:
        """Return ids of the records that stay, which are now at other places, and of those withdrawn."""
        of_records = np.zeros((n_records, 16), dtype=np.uint8)
        of_records[place] = kept.of_records[stays]
        lost = kept.of_records[~stays]
        return cls(of_records=of_records, retired=kept.retired, lost=lost[lost.any(axis=1)])


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Kept:
    """What a result keeps, beside its pairs, for the deliveries that follow.

    Attributes
    ----------
    made : Made
        How its records were made.
    superseded : Pool
        Earlier versions of records.
    measure : ndarray
        What was measured of each candidate pair.
    floor : float
        The least similarity of a candidate, where candidates have one.
    people, households : KeptIds
        The ids of people, and of households where they were asked for at any time.
    as_of : date
        The date of the last delivery.
    labels : PairLabels, optional
        What is known of pairs for sure.
    """

    made: Made
    superseded: Pool
    measure: npt.NDArray[Any]
    floor: float
    people: KeptIds
    households: KeptIds
    as_of: dt.date
    labels: PairLabels | None = None

    def __repr__(self) -> str:
        return f"<Kept: {len(self.people.of_records)} records, {len(self.superseded)} earlier versions>"
