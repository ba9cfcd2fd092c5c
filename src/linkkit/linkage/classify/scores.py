"""Match weights and probabilities of pairs, with a rare name, postal code or text counting for more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import expit

from linkkit.engines import slices_of
from linkkit.linkage.block.keys import block_sizes, filter_keys
from linkkit.linkage.classify.model import MatchModel
from linkkit.linkage.classify.priors import CLASSES, N_MATCHING
from linkkit.linkage.compare import ComparedPairs
from linkkit.linkage.compare.fields.pairs import unpack
from linkkit.linkage.pool import Pool

__all__ = ["FrequencyTable", "ScoredPairs", "frequency_table", "score_pairs"]

_EQUAL = 4
_NAMES = ("given_name", "surname", "name")
_COUNTED = (*_NAMES, "postal_code", "text")
"""Kinds of which a few values may be common and most rare. Dates are as good as evenly spread, and an address is a home's."""
_UNRELATED = CLASSES.index("unrelated")
_NAMESAKES = CLASSES.index("namesakes")  # the first of those who have nothing but chance in common
_TWINS, _HOUSEHOLD = CLASSES.index("twins"), CLASSES.index("household")
_RELATIVES = CLASSES.index("relatives")
_LOG2 = float(np.log(2))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ScoredPairs:
    """Candidate pairs with their scores.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Positions in the pool, left before right.
    levels : ndarray of int8, shape (n_pairs, n_fields)
        Agreement level of each field.
    weight : ndarray of float64, shape (n_pairs,)
        Match weight in bits: log2 of the odds that the records are of one person.
    probability : ndarray of float64, shape (n_pairs,)
        The same as a probability, 0 to 1.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    levels: npt.NDArray[np.int8]
    weight: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.left)

    def __repr__(self) -> str:
        return f"<ScoredPairs: {len(self)} pairs>"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class FrequencyTable:
    """How common each record's value is, for fields of which values are more and less common.

    Attributes
    ----------
    fields : ndarray of int64, shape (n_names,)
        Which fields.
    share : ndarray of float32, shape (n_records, n_names)
        Share of records that hold a record's value, of those that have the field; 0 where it is missing.
    alone : ndarray of bool, shape (n_names,)
        Whether the field is a name, which counts by itself. Postal codes and texts may follow from each other,
        so that of those that are equal in a pair the one counts that says most.
    """

    fields: npt.NDArray[np.int64]
    share: npt.NDArray[np.float32]
    alone: npt.NDArray[np.bool_]


def frequency_table(pool: Pool, keys: npt.NDArray[np.uint64] | None = None) -> FrequencyTable:
    """Count how often each encoded name, postal code or text occurs; encodings are equal where these are.

    `keys` are digests of the filters, if they are at hand.
    """
    keys = filter_keys(pool) if keys is None else keys
    fields = [i for i, item in enumerate(pool.spec.filters) if item.kind in _COUNTED]
    share = np.zeros((len(pool), len(fields)), dtype=np.float32)
    for column, f in enumerate(fields):
        position, n_alike = block_sizes(keys, (f,))
        share[position, column] = np.maximum(n_alike, 2) / max(len(position), 1)
    alone = [pool.spec.filters[f].kind in _NAMES for f in fields]
    return FrequencyTable(
        fields=np.array(fields, dtype=np.int64), share=share, alone=np.array(alone, dtype=np.bool_)
    )


Room = Callable[[int, type[np.generic]], npt.NDArray[Any]]
"""Makes an array of a length and type to fill."""


def score_pairs(
    pairs: ComparedPairs,
    model: MatchModel,
    frequencies: FrequencyTable,
    *,
    twins: float = 1.0,
    room: Room = np.empty,
) -> ScoredPairs:
    """Score pairs with a model.

    Parameters
    ----------
    pairs : ComparedPairs
        Pairs and their levels.
    model : MatchModel
        Probabilities of the levels in each class.
    frequencies : FrequencyTable
        How common each value is: two strangers share a common name more easily than a rare one
        (Winkler, 2000).
    twins : float
        How many times more common twins are than the model says, where pairs will compete: a record without
        another match is as likely to have a twin elsewhere as to be recorded under another name.
    room : callable
        Makes the arrays that are filled; in memory by default.

    Returns
    -------
    ScoredPairs
        One for each pair, in the same order.
    """
    n, n_fields = len(pairs), len(model.fields)
    scored = ScoredPairs(
        left=pairs.left,
        right=pairs.right,
        levels=room(n * n_fields, np.int8).reshape(n, n_fields),
        weight=room(n, np.float64),
        probability=room(n, np.float64),
    )
    for rows in slices_of(n):
        levels, log_odds = _judged(pairs.left[rows], pairs.codes[rows], model, frequencies, twins)
        scored.levels[rows] = levels
        scored.weight[rows] = log_odds / _LOG2
        scored.probability[rows] = expit(log_odds)
    return scored


def _judged(
    left: npt.NDArray[np.int64],
    codes: npt.NDArray[np.uint64],
    model: MatchModel,
    frequencies: FrequencyTable,
    twins: float,
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Return the levels of pairs, and the log odds that they match."""
    # Pairs have few patterns of levels, and within a class nothing else matters but how rare a name is.
    encoded = pa.array(codes).dictionary_encode()
    pattern = encoded.indices.to_numpy()
    patterns = encoded.dictionary.to_numpy()
    levels = unpack(patterns, n_fields=len(model.fields))
    logs = model.log_likelihoods(levels) + np.log(model.shares)
    logs[:, N_MATCHING:] += model.log_oddity_of(patterns)[:, None]
    same = np.logaddexp.reduce(logs[:, :N_MATCHING], axis=1)
    family = np.logaddexp(logs[:, _HOUSEHOLD], logs[:, _RELATIVES])
    at_home = np.logaddexp(logs[:, _TWINS] + np.log(twins), family)
    by_chance = np.logaddexp.reduce(logs[:, _NAMESAKES:], axis=1)[pattern]
    most = np.zeros(len(left))
    for column, f in enumerate(frequencies.fields):
        equal = np.flatnonzero((levels[:, f] == _EQUAL)[pattern])
        share = frequencies.share[left[equal], column].astype(np.float64)
        more = np.log(share / max(model.levels[_UNRELATED, f, _EQUAL], 1e-9))
        if frequencies.alone[column]:
            by_chance[equal] += more
        else:
            most[equal] = np.where(np.abs(more) > np.abs(most[equal]), more, most[equal])
    by_chance += most
    same += model.corrections_of(levels)
    log_odds = same[pattern] - np.logaddexp(at_home[pattern], by_chance)
    return levels[pattern], log_odds
