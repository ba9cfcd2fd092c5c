"""Agreement levels: what a field's similarity means.

The similarity of two filters is corrected for bits that coincide by chance: the numbers of
tokens in each value and in both together are estimated from how full the filters are (Swamidass
and Baldi, 2007), and the Dice coefficient of the tokens follows from those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.engines import has_numba
from linkkit.exchange import FilterSpec
from linkkit.linkage.compare.fields import _reference
from linkkit.linkage.pool import Pool

__all__ = ["LEVELS", "N_LEVELS", "Comparison", "make_comparison"]

LEVELS = ("missing", "disagree", "partly", "close", "equal")
"""Names of the levels, by code. "equal" means equal filters."""

N_LEVELS = len(LEVELS)

_PARTLY_AND_CLOSE: dict[FieldKind, tuple[float, float]] = {
    "given_name": (0.40, 0.66),
    "surname": (0.40, 0.66),
    "name": (0.45, 0.70),
    "guardian_name": (0.45, 0.70),
    "date": (0.45, 0.66),
    "sex": (2.0, 2.0),
    "street_address": (0.45, 0.72),
    "city": (0.45, 0.70),
    "postal_code": (0.50, 0.62),
    "phone": (0.50, 0.75),
    "email": (0.45, 0.70),
    "identifier": (0.50, 0.72),
    "ssn4": (0.50, 0.70),
    "number": (2.0, 2.0),
    "text": (0.45, 0.70),
}


_BY_DISTANCE = (0.40, 0.75)
"""Similarity falls evenly: three fifths of the reach apart, and a quarter of it."""

_NEVER_BETWEEN = (2.0, 2.0)
_ALMOST_EQUAL = 0.99
_SHIFT_BY_Q = {1: (0.20, 0.11), 2: (0.0, 0.0), 3: (-0.15, -0.08)}
"""One wrong letter in eight costs q of the q-grams, so that shorter ones must agree in more."""


def _thresholds(item: FilterSpec) -> tuple[float, float]:
    """Return the token Dice from which a field agrees partly, and closely."""
    usual = _PARTLY_AND_CLOSE[item.kind]
    if item.compare is None:
        return usual
    if item.compare.by == "qgrams":
        partly, close = _SHIFT_BY_Q[item.compare.q or 2]
        return usual[0] + partly, usual[1] + close
    return _BY_DISTANCE if item.compare.by == "distance" else _NEVER_BETWEEN


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Comparison:
    """All that the kernels need to compare two records of a pool.

    A field agrees partly, or closely, where its filters together have few enough bits. With L bits, of
    which a and b are set, and n in either, the estimated numbers of tokens are proportional to
    log(1 - a / L), log(1 - b / L) and log(1 - n / L), so that the Dice coefficient of the tokens is D
    or more where n is at most ``L - L (1 - a / L)^c (1 - b / L)^c``, with c = 1 - D / 2.
    The powers depend on one filter each, so that :attr:`powers` lists them by number of set bits.

    Attributes
    ----------
    words : ndarray of uint64, shape (n_records, n_words)
        Filters of all fields side by side.
    word_starts : ndarray of int64, shape (n_fields + 1,)
        First word of each field.
    present : ndarray of bool, shape (n_records, n_fields)
        Which fields each record has.
    powers : ndarray of float32, shape (n_fields, 3, most_bits + 1)
        ``(1 - a / L)^c`` for each number a of set bits: for fields that agree partly, and closely, and for a D
        that every level above "disagree" reaches.
    n_bits : ndarray of float64, shape (n_fields,)
        L, the width of each filter.
    """

    words: npt.NDArray[np.uint64]
    word_starts: npt.NDArray[np.int64]
    present: npt.NDArray[np.bool_]
    powers: npt.NDArray[np.float32]
    n_bits: npt.NDArray[np.float64]

    @property
    def n_fields(self) -> int:
        """Number of fields."""
        return len(self.word_starts) - 1

    def bits_set(self) -> npt.NDArray[np.int32]:
        """Return how many bits are set in each filter, -1 where the field is missing; (n, n_fields)."""
        if not has_numba():
            return _reference.count_bits(self.words, self.present, self.word_starts)
        from linkkit.linkage.compare.fields import _kernels

        kernel: Any = _kernels.count_bits
        n_set = np.empty(self.present.shape, dtype=np.int32)
        kernel(self.words, self.present, self.word_starts, n_set)
        return n_set

    def hope(self, n_set: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Return the last of the powers of filters with so many bits, shape (n_fields, n_records)."""
        bits = np.maximum(n_set.T, 0)
        return np.stack([self.powers[f, 2][bits[f]] for f in range(self.n_fields)])


def make_comparison(pool: Pool) -> Comparison:
    """Prepare the comparison of a pool's records."""
    filters = pool.spec.filters
    powers = np.zeros((len(filters), 3, max(x.n_bits for x in filters) + 1), dtype=np.float32)
    for f, item in enumerate(filters):
        partly, close = _thresholds(item)
        powers[f, :, : item.n_bits + 1] = _powers(
            item, (partly, close, min(partly, close, _ALMOST_EQUAL))
        ).T
        powers[f, 2, item.n_bits] = 0  # of full filters nothing can be told
    return Comparison(
        words=pool.words,
        word_starts=pool.word_starts,
        present=pool.present,
        powers=powers,
        n_bits=np.array([item.n_bits for item in filters], dtype=np.float64),
    )


def _powers(item: FilterSpec, dice: tuple[float, ...]) -> npt.NDArray[np.float32]:
    """Return the powers for each number of set bits and D, shape (n_bits + 1, n_dice)."""
    # Half a bit from full is the most that can be told of a full filter.
    share = np.minimum(np.arange(item.n_bits + 1), item.n_bits - 0.5) / item.n_bits
    return ((1 - share[:, None]) ** (1 - np.array(dice) / 2)[None, :]).astype(np.float32)
