"""Leakage statistics: what single encodings and single bits tell, compared with random bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from linkkit.assess.attack.linear import n_parities
from linkkit.assess.attack.similarity import TokenSets, token_matrix
from linkkit.assess.attack.target import PassView, Target
from linkkit.errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PassLeakage", "leakage", "leakage_frame"]

Floats = npt.NDArray[np.float32]

_FEWEST_RECORDS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class PassLeakage:
    """What the bits of one pass tell.

    Attributes
    ----------
    number : int
        Which pass, from 0.
    n_records : int
        Records with bits in it.
    popcount_rank_correlation : float
        Spearman's, of the number of set bits with the number of tokens; a long name shows.
    bit_mean_range : tuple of float
        Smallest and largest share of records in which a bit is set. Even random bits scatter
        around one half, the more the fewer records.
    largest_correlation, mean_correlation : float
        Of the absolute correlations between a token and a bit, over all tokens that at least
        one record in fifty has.
    random_largest, random_mean : float
        The same for random bits with the same bit means.
    n_parities : int or None
        Independent sets of bits whose exclusive or is 0 in every record; None with too few records
        to tell. More than a handful and diffusion can be undone without a key.
    """

    number: int
    n_records: int
    popcount_rank_correlation: float
    bit_mean_range: tuple[float, float]
    largest_correlation: float
    mean_correlation: float
    random_largest: float
    random_mean: float
    n_parities: int | None

    @property
    def ratio_to_random(self) -> float:
        """Largest correlation in units of that of random bits; 1 tells nothing."""
        return self.largest_correlation / self.random_largest if self.random_largest else 1.0


def leakage(target: Target, tokens: TokenSets, *, seed: int = 0) -> tuple[PassLeakage, ...]:
    """Measure what the bits of each pass tell about the tokens of the encoded records.

    Parameters
    ----------
    target : Target
        The encodings.
    tokens : sequence
        Token ids of the *encoded* records, once for all passes or for each pass.
    seed : int
        Seed of the random bits to compare with.

    Raises
    ------
    OptionError
        When there are fewer than 20 records with bits in a pass, or not a token set for each.
    """
    if len(tokens) not in (1, len(target.passes)) or any(len(x) != len(target) for x in tokens):
        raise OptionError("token sets are given for each record, once or for each pass")
    rng = np.random.default_rng(seed)
    return tuple(
        _of_pass(number, view, tokens[number if len(tokens) > 1 else 0], rng)
        for number, view in enumerate(target.passes)
    )


def leakage_frame(found: Sequence[PassLeakage]) -> pd.DataFrame:
    """Return one row for each pass."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "pass": x.number,
                "n_records": x.n_records,
                "popcount_rank_correlation": x.popcount_rank_correlation,
                "lowest_bit_mean": x.bit_mean_range[0],
                "highest_bit_mean": x.bit_mean_range[1],
                "largest_correlation": x.largest_correlation,
                "mean_correlation": x.mean_correlation,
                "random_largest": x.random_largest,
                "random_mean": x.random_mean,
                "ratio_to_random": x.ratio_to_random,
                "n_parities": x.n_parities,
            }
            for x in found
        ]
    )


def _of_pass(
    number: int,
    view: PassView,
    sets: Sequence[npt.NDArray[np.int64]],
    rng: np.random.Generator,
) -> PassLeakage:
    there = np.flatnonzero(view.usable)
    if len(there) < _FEWEST_RECORDS:
        raise OptionError(f"pass {number}: {len(there)} records, at least {_FEWEST_RECORDS}")
    bits = view.bits()[there].astype(np.float32)
    has = token_matrix([sets[int(i)] for i in there])
    sizes: Floats = np.asarray(has.sum(axis=1)).ravel()
    counts: Floats = np.asarray(has.sum(axis=0)).ravel()
    least = len(there) / 50
    common = has[:, np.flatnonzero((counts >= least) & (counts <= len(there) - least))].toarray()
    means = bits.mean(axis=0)
    largest, mean = _correlations(common, bits)
    random = (rng.random(bits.shape, dtype=np.float32) < means).astype(np.float32)
    random_largest, random_mean = _correlations(common, random)
    return PassLeakage(
        number=number,
        n_records=len(there),
        popcount_rank_correlation=_rank_correlation(sizes, view.popcounts()[there]),
        bit_mean_range=(float(means.min()), float(means.max())),
        largest_correlation=largest,
        mean_correlation=mean,
        random_largest=random_largest,
        random_mean=random_mean,
        n_parities=n_parities(view),
    )


def _correlations(one: Floats, other: Floats) -> tuple[float, float]:
    found = np.abs(_unit(one).T @ _unit(other))
    return (float(found.max()), float(found.mean())) if found.size else (0.0, 0.0)


def _unit(values: Floats) -> Floats:
    centered = values - values.mean(axis=0)
    length = np.sqrt((centered**2).sum(axis=0))
    return np.asarray(centered / np.where(length > 0, length, 1), dtype=np.float32)


def _rank_correlation(one: npt.NDArray[np.float32], other: npt.NDArray[np.int64]) -> float:
    ranks = np.column_stack([rankdata(one), rankdata(other)]).astype(np.float32)
    unit = _unit(ranks)
    return float(unit[:, 0] @ unit[:, 1])
