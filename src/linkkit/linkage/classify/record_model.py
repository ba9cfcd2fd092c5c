"""A mixture of matches and strangers over the similarity of whole records, learned without labels.

No fixed similarity tells a match from a stranger: it moves with the schema, the errors and how
many people two files share. Two curves are learned for each two parties instead:

- how many *strangers* are as alike as a pair is, over and above what the two records' runners-up
  are. Some records are much like many others; a similarity counts for less in them.
- how many *matches* are as alike.

Both are smooth (Poisson counts with a penalty on the curvature of their logarithm, as in Eilers
and Marx, 1996), so that they reach beyond what was seen. What tells the two apart is competition:
where a party holds each person once, all but one of a record's candidates are strangers. Within one
file it is the valley between pairs that are nearly equal and all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.linkage.classify.model import FieldWeights
from linkkit.linkage.classify.record_curves import (
    Block,
    Curves,
    Shape,
    Valley,
    learned_curves,
    log_evidence,
    valley_of,
)

__all__ = [
    "RecordModel",
    "fit_record_model",
    "matches_within",
    "record_levels",
]

_WIDTH = 0.01
_FIRST_SLOPE = 0.2
_FIRST_MOST = 0.9
_DISTANCE_BELOW = 0.05
_HARDLY_ANY = 0.001
_FEWEST = 1e-3
_MOST_ROUNDS = 100
_GAIN, _GAIN_OF_BLOCK = 5.0, 1.0
_GAIN_IF_UNKNOWN, _GAIN_OF_BLOCK_IF_UNKNOWN = 8.0, 2.0
_CONVERGED = 1e-3
_NOTHING = 0.02

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

Compete = Callable[[_Floats], _Floats]
"""From the odds of all candidates to their probabilities, as they compete with each other."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class RecordModel:
    """The learned model.

    Attributes
    ----------
    blocks : tuple of Block
        What was learned from.
    curves : tuple of Curves
        What was learned of each block.
    fields : tuple of FieldWeights
        What the levels of the filter tell, see :meth:`field_weights`.
    expected_matches : float
        Expected number of matching pairs among the candidates.
    n_pairs : int
        All pairs that could match.
    n_rounds : int
        Rounds of EM.
    converged : bool
        Whether EM came to rest.
    missed : float
        Expected number of matching pairs that are no candidates.
    warnings : tuple of str
        What makes the model doubtful.
    """

    blocks: tuple[Block, ...]
    curves: tuple[Curves, ...]
    fields: tuple[FieldWeights, ...]
    expected_matches: float
    n_pairs: int
    n_rounds: int
    converged: bool
    missed: float = 0.0
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<RecordModel: {self.expected_matches:.0f} matches expected>"

    def field_weights(self) -> tuple[FieldWeights, ...]:
        """Return m, u and weight in bits of each level of the filter.

        "disagree" is a pair that was no candidate, "close" one at least as alike as half of the
        matches are.
        """
        return self.fields


def fit_record_model(
    blocks: tuple[Block, ...],
    first: _Floats,
    *,
    floor: float,
    n_pairs: int,
    compete: Compete,
    name: str,
    n_expected: float = 0.0,
    pair_completeness: float = 1.0,
    known: npt.NDArray[np.int8] | None = None,
) -> RecordModel:
    """Learn the curves by EM.

    Parameters
    ----------
    blocks : tuple of Block
        Candidates by party.
    first : ndarray of float64, shape (n_candidates,)
        Whether a pair is the best of both of its records, 0 or 1: where to begin.
    floor : float
        The least similarity of a candidate.
    n_pairs : int
        All pairs that could match.
    compete : callable
        From odds to probabilities.
    name : str
        Name of the filter.
    n_expected : float
        How many records could be among the others; with hardly any matches a warning says so.
    pair_completeness : float
        Share of matches at least so alike that are candidates, 0 to 1.
    known : ndarray of int8, shape (n_candidates,), optional
        Labels: 1 the same person, -1 not, 0 not known.
    """
    lowest = _valley_of(blocks, floor)
    shapes = [Shape.of(block, floor, valley=None if block.n_known else lowest) for block in blocks]
    probability = np.zeros_like(first)
    for block, shape in zip(blocks, shapes, strict=True):
        slope = np.clip(shape.excess_over_rivals / _FIRST_SLOPE, 0, _FIRST_MOST)
        probability[block.where] = first[block.where] * slope
        if not block.n_known:
            probability[block.where] = block.dice >= lowest.bottom
    labels = np.zeros(len(first), dtype=np.int8) if known is None else known
    learned = _learned(blocks, shapes, _as_known(probability, labels), labels, compete)
    learned = _without_invented(blocks, shapes, learned, labels)
    curves, probability = learned.curves, learned.probability
    dice = np.zeros_like(first)
    for block in blocks:
        dice[block.where] = block.dice
    return RecordModel(
        blocks=blocks,
        curves=curves,
        fields=(_weights(name, dice, probability, n_pairs=n_pairs),),
        expected_matches=float(probability.sum()),
        n_pairs=n_pairs,
        n_rounds=learned.n_rounds,
        converged=learned.converged,
        missed=_missed(curves, float(probability.sum()), pair_completeness),
        warnings=tuple(_doubts(learned, n_expected)),
    )


def _valley_of(blocks: tuple[Block, ...], floor: float) -> Valley:
    """Return where matches begin among pairs of parties without known strangers."""
    dice = [block.dice for block in blocks if not block.n_known]
    return valley_of(np.concatenate(dice), floor) if dice else Valley()


def matches_within(block: Block, *, floor: float) -> float:
    """Return how many pairs of one file are expected to match, by the shape of its similarities alone."""
    alone = (block,)
    lowest = _valley_of(alone, floor)
    shapes = [Shape.of(block, floor, valley=lowest)]
    labels = np.zeros(len(block.dice), dtype=np.int8)
    first = (block.dice >= lowest.bottom).astype(np.float64)
    learned = _learned(alone, shapes, first, labels, lambda odds: odds / (1 + odds))
    return float(_without_invented(alone, shapes, learned, labels).probability.sum())


class _Learned(NamedTuple):
    """What EM has learned, and how it ended."""

    curves: tuple[Curves, ...]
    probability: _Floats
    n_rounds: int
    converged: bool


def _learned(
    blocks: tuple[Block, ...],
    shapes: list[Shape],
    probability: _Floats,
    labels: npt.NDArray[np.int8],
    compete: Compete,
) -> _Learned:
    curves: tuple[Curves, ...] = ()
    n_rounds, converged = 0, False
    while not converged and n_rounds < _MOST_ROUNDS:
        n_rounds += 1
        curves = learned_curves(blocks, shapes, probability)
        odds = np.zeros_like(probability)
        for block, shape, curve in zip(blocks, shapes, curves, strict=True):
            odds[block.where] = np.exp(curve.log_odds(block.dice, shape.excess))
        new = _as_known(compete(odds), labels)
        moved = float(np.abs(new - probability).sum())
        converged = moved < _CONVERGED * float(new.sum()) + _NOTHING
        probability = new
    return _Learned(curves, probability, n_rounds, converged)


def _without_invented(
    blocks: tuple[Block, ...],
    shapes: list[Shape],
    learned: _Learned,
    labels: npt.NDArray[np.int8],
) -> _Learned:
    """Take no pair for a match where all pairs are about as likely with nobody shared (likelihood ratio).

    That is asked of all blocks together whose strangers are known, and of all others together, where more
    is needed. Labels are proof enough.
    """
    if (labels > 0).any():
        return learned
    gains = np.array(log_evidence(blocks, shapes, learned.probability))
    is_known = np.array([block.n_known > 0 for block in blocks], dtype=np.bool_)
    curves, probability = [*learned.curves], learned.probability.copy()
    for mine, each, once in (
        (is_known, _GAIN_OF_BLOCK, _GAIN),
        (~is_known, _GAIN_OF_BLOCK_IF_UNKNOWN, _GAIN_IF_UNKNOWN),
    ):
        if float((gains[mine] - each).sum()) > once:
            continue
        for at in np.flatnonzero(mine).tolist():
            curves[at] = curves[at].without_matches()
            probability[blocks[at].where] = 0.0
    return learned._replace(curves=tuple(curves), probability=probability)


def _as_known(probability: _Floats, known: npt.NDArray[np.int8]) -> _Floats:
    return np.asarray(np.where(known, known > 0, probability), dtype=np.float64)


def _missed(curves: tuple[Curves, ...], n_found: float, pair_completeness: float) -> float:
    """Return how many matches are expected below the floor, and in pairs that were not looked at."""
    below = sum(float(np.exp(curve.matches[0])) * _DISTANCE_BELOW for curve in curves)
    return below + n_found * (1 / max(pair_completeness, _FEWEST) - 1)


def _doubts(learned: _Learned, n_expected: float) -> Iterator[str]:
    n_matches = float(learned.probability.sum())
    if n_matches < _HARDLY_ANY * n_expected:
        yield (
            f"the parties seem to share nobody: {n_matches:.0f} matching pairs are expected; what is alike "
            "in their records is no more than strangers have in common"
        )
    elif not learned.converged:
        yield f"the model did not come to rest in {learned.n_rounds} rounds; probabilities are rough"


def _weights(name: str, dice: _Floats, match: _Floats, *, n_pairs: int) -> FieldWeights:
    levels = record_levels(dice, match) if len(dice) else np.zeros(0, dtype=np.int64)
    n_match = np.bincount(levels, weights=match, minlength=5)[1:] + 0.5
    n_other = np.bincount(levels, weights=1 - match, minlength=5)[1:] + 0.5
    n_other[0] = max(n_pairs - float(match.sum()) - float(n_other[1:].sum()), n_other[0])
    m, u = n_match / n_match.sum(), n_other / n_other.sum()
    return FieldWeights(
        field=name,
        levels=("disagree", "partly", "close", "equal"),
        m=tuple(m.tolist()),
        u=tuple(u.tolist()),
        weight=tuple(np.log2(m / u).tolist()),
    )


def record_levels(dice: _Floats, match: _Floats) -> _Ints:
    """Return the agreement level of each candidate: 2 partly, 3 close, 4 equal.

    A pair is close from the median of the matches on.
    """
    order = np.argsort(dice, kind="stable")
    mass = np.cumsum(match[order])
    middle = dice[order[min(int(np.searchsorted(mass, mass[-1] / 2)), len(order) - 1)]]
    return np.asarray(2 + (dice >= middle) + (dice == 1), dtype=np.int64)
