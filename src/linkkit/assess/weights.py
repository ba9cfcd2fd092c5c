"""Weight histogram: how clearly the candidate pairs fall into matches and others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from linkkit.assess.inputs import require_result
from linkkit.errors import OptionError
from linkkit.linkage import LinkResult

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WeightHistogram", "weight_histogram"]

_MOST_BINS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightHistogram:
    """Candidate pairs by match weight.

    Attributes
    ----------
    bin_bits : float
        Width of a bin, in bits.
    starts : tuple of float
        Lower end of each bin, in bits, growing by `bin_bits`.
    n_linked, n_not_linked : tuple of int
        Pairs in each bin that were linked, and that were not.
    threshold_bits : float
        The match weight that the linkage's threshold stands for.
    """

    bin_bits: float
    starts: tuple[float, ...]
    n_linked: tuple[int, ...]
    n_not_linked: tuple[int, ...]
    threshold_bits: float

    @property
    def n_pairs(self) -> int:
        """How many candidate pairs there are."""
        return sum(self.n_linked) + sum(self.n_not_linked)

    def as_frame(self) -> pd.DataFrame:
        """Return columns ``from_bits``, ``to_bits``, ``n_linked`` and ``n_not_linked``."""
        import pandas as pd

        return pd.DataFrame(
            {
                "from_bits": self.starts,
                "to_bits": [start + self.bin_bits for start in self.starts],
                "n_linked": self.n_linked,
                "n_not_linked": self.n_not_linked,
            }
        )


def weight_histogram(result: LinkResult, *, bin_bits: float = 1.0) -> WeightHistogram:
    """Count candidate pairs by match weight.

    Parameters
    ----------
    result : LinkResult
        What :func:`~linkkit.link` returned.
    bin_bits : float
        Width of a bin in bits, above 0. Bins begin at its multiples; wider ones are taken
        where there would be more than 1,000.

    Returns
    -------
    WeightHistogram

    Raises
    ------
    WrongStageError
        When something else than a linkage result is given.
    OptionError
        When `bin_bits` is not above 0.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> made = example_linkage().result
    >>> histogram = weight_histogram(made)
    >>> histogram.n_pairs == len(made.pairs), round(abs(histogram.threshold_bits))
    (True, 0)
    """
    require_result(result)
    if not (math.isfinite(bin_bits) and bin_bits > 0):
        raise OptionError("'bin_bits' is a width in bits, above 0", hint="Leave it out for 1.")
    weight = result.pairs.scored.weight
    if len(weight):
        while np.ptp(weight) / bin_bits > _MOST_BINS:
            bin_bits *= 2
    number = np.floor(weight / bin_bits).astype(np.int64)
    first = int(number.min()) if len(number) else 0
    n_bins = int(number.max()) - first + 1 if len(number) else 0
    linked = result.pairs.linked
    return WeightHistogram(
        bin_bits=bin_bits,
        starts=tuple((first + i) * bin_bits for i in range(n_bins)),
        n_linked=tuple(np.bincount(number[linked] - first, minlength=n_bins).tolist()),
        n_not_linked=tuple(np.bincount(number[~linked] - first, minlength=n_bins).tolist()),
        threshold_bits=_bits(result.threshold),
    )


def _bits(probability: float) -> float:
    return math.inf if probability >= 1 else math.log2(probability / (1 - probability))
