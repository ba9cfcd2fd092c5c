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

import numpy as np
import numpy.typing as npt

from linkkit.linkage.classify.model import FieldWeights

__all__ = [
    "Block",
    "RecordModel",
    "fit_record_model",
    "record_levels",
    "runners_up",
    "smooth_log_rate",
]

_WIDTH = 0.01
_STIFFNESS = 3.0
_RIVALRY = 0.5
_EXPOSED_PAIRS = 200_000
_LEAST_EXPOSED = 5e-6
_FIRST_SLOPE = 0.2
_FIRST_MOST = 0.9
_PRIOR_MATCHES = 10.0
_ENOUGH_MATCHES = 50.0
_EXPECTED_DISTANCE = 0.15
_DISTANCE_BELOW = 0.05
_VALLEY_WIDTH = 0.02
_NEARLY_EQUAL = 0.9
_RISES = 0.4
_ENOUGH_IN_HEAP = 5
_HARDLY_ANY = 0.001
_FEWEST = 1e-3
_MOST_ROUNDS = 60
_CONVERGED = 1e-3
_NOTHING = 0.02
_NEWTON_ROUNDS = 30
_NEWTON_STEP = 2.0
_LARGEST = 40.0

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

Compete = Callable[[_Floats], _Floats]
"""From the odds of all candidates to their probabilities, as they compete with each other."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Block:
    """The candidate pairs of two parties, or of one with itself.

    Attributes
    ----------
    where : ndarray of int64, shape (n_pairs,)
        Positions among all candidates.
    dice : ndarray of float64, shape (n_pairs,)
        Similarities.
    left_level, right_level : ndarray of float64
        How alike the runners-up of every record of either party are.
    left, right : ndarray of int64, shape (n_pairs,)
        Which records, counted within the parties.
    one_file : bool
        Whether all are of one party.
    """

    where: _Ints
    dice: _Floats
    left_level: _Floats
    right_level: _Floats
    left: _Ints
    right: _Ints
    one_file: bool = False

    @property
    def level(self) -> _Floats:
        """What is taken off a pair's similarity, shape (n_pairs,)."""
        return self.level_of(self.left, self.right)

    @property
    def typical_level(self) -> float:
        """The mean of what is taken off, over all pairs of records."""
        return float(_RIVALRY * (self.left_level.mean() + self.right_level.mean()) / 2)

    def level_of(self, left: _Ints, right: _Ints) -> _Floats:
        """Return the same of listed pairs, by the numbers of their records in the parties."""
        return np.asarray(_RIVALRY * (self.left_level[left] + self.right_level[right]) / 2)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Curves:
    """The two curves of a block, as natural logs of pairs per unit of similarity.

    ``strangers`` is by the excess over the runners-up, from `lowest`; ``matches`` by the
    similarity, from `floor`. Both have bins of one width.
    """

    strangers: _Floats
    matches: _Floats
    lowest: float
    floor: float

    @property
    def expected_matches(self) -> float:
        """How many matches there are by the curve of matches."""
        return float(np.exp(self.matches).sum() * _WIDTH)

    def log_odds(self, dice: _Floats, excess: _Floats) -> _Floats:
        """Return the natural log of the odds of a match, each pair judged for itself."""
        bins = _bins(excess, self.lowest, len(self.strangers))
        odds = self.matches[_bins(dice, self.floor, len(self.matches))] - self.strangers[bins]
        return np.asarray(np.clip(odds, -_LARGEST, _LARGEST), dtype=np.float64)


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


def runners_up(
    record: _Ints, dice: _Floats, *, n_records: int, floor: float, ranks: tuple[int, int]
) -> _Floats:
    """Return how alike each record's candidates of some ranks are in the mean, shape (n_records,).

    Parameters
    ----------
    record, dice
        The record and the similarity of each candidate pair.
    n_records : int
        How many records there are.
    floor : float
        What a candidate that is not there counts as.
    ranks : (int, int)
        First and last rank, from 0, the last not included. The best may be a match.
    """
    order = np.lexsort((-dice, record))
    ordered = record[order]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    counts = (rank >= ranks[0]) & (rank < ranks[1])
    total = np.bincount(ordered[counts], weights=dice[order][counts], minlength=n_records)
    n_found = np.bincount(ordered[counts], minlength=n_records)
    n_ranks = ranks[1] - ranks[0]
    return np.asarray((total + (n_ranks - n_found) * floor) / n_ranks, dtype=np.float64)


def smooth_log_rate(counts: _Floats, exposure: _Floats) -> _Floats:
    """Return the log of a smooth rate, by bin, from Poisson counts.

    Parameters
    ----------
    counts : ndarray of float64, shape (n_bins,)
        What was counted; need not be whole.
    exposure : ndarray of float64, shape (n_bins,)
        What a rate of one would have given.
    """
    n = len(counts)
    curvature = np.diff(np.eye(n), 2, axis=0)
    penalty = _STIFFNESS * curvature.T @ curvature + 1e-9 * np.eye(n)
    eta = np.log((counts + 0.1) / exposure)
    for _ in range(_NEWTON_ROUNDS):
        expected = np.maximum(exposure * np.exp(np.clip(eta, -_LARGEST, _LARGEST)), 1e-12)
        wanted = expected * eta + counts - expected
        step = np.linalg.solve(np.diag(expected) + penalty, wanted) - eta
        eta = eta + np.clip(step, -_NEWTON_STEP, _NEWTON_STEP)
        if np.abs(step).max() < 1e-4:
            break
    return np.asarray(eta, dtype=np.float64)


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
    shapes = [_Shape.of(block, floor) for block in blocks]
    probability = np.zeros_like(first)
    for block, shape in zip(blocks, shapes, strict=True):
        slope = np.clip(shape.excess_over_rivals / _FIRST_SLOPE, 0, _FIRST_MOST)
        probability[block.where] = first[block.where] * slope
        if block.one_file:
            probability[block.where] = block.dice >= _valley(block.dice, shape.floor)
    labels = np.zeros(len(first), dtype=np.int8) if known is None else known
    probability = _as_known(probability, labels)
    curves: tuple[Curves, ...] = ()
    n_rounds, converged = 0, False
    while not converged and n_rounds < _MOST_ROUNDS:
        n_rounds += 1
        curves = _learned(blocks, shapes, probability)
        odds = np.zeros_like(first)
        for block, shape, curve in zip(blocks, shapes, curves, strict=True):
            odds[block.where] = np.exp(curve.log_odds(block.dice, shape.excess))
        new = _as_known(compete(odds), labels)
        moved = float(np.abs(new - probability).sum())
        converged = moved < _CONVERGED * float(new.sum()) + _NOTHING
        probability = new
    dice = np.zeros_like(first)
    for block in blocks:
        dice[block.where] = block.dice
    return RecordModel(
        blocks=blocks,
        curves=curves,
        fields=(_weights(name, dice, probability, n_pairs=n_pairs),),
        expected_matches=float(probability.sum()),
        n_pairs=n_pairs,
        n_rounds=n_rounds,
        converged=converged,
        missed=_missed(curves, float(probability.sum()), pair_completeness),
        warnings=tuple(
            _doubts(float(probability.sum()), n_expected, n_rounds, converged=converged)
        ),
    )


def _as_known(probability: _Floats, known: npt.NDArray[np.int8]) -> _Floats:
    return np.asarray(np.where(known, known > 0, probability), dtype=np.float64)


def _missed(curves: tuple[Curves, ...], n_found: float, pair_completeness: float) -> float:
    """Return how many matches are expected below the floor, and in pairs that were not looked at."""
    below = sum(float(np.exp(curve.matches[0])) * _DISTANCE_BELOW for curve in curves)
    return below + n_found * (1 / max(pair_completeness, _FEWEST) - 1)


def _doubts(
    n_matches: float, n_expected: float, n_rounds: int, *, converged: bool
) -> Iterator[str]:
    if n_matches < _HARDLY_ANY * n_expected:
        yield f"the parties seem to share nobody: {n_matches:.0f} matching pairs are expected"
    elif not converged:
        yield f"the model did not come to rest in {n_rounds} rounds; probabilities are rough"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Shape:
    """The bins of a block, and how many pairs could have fallen into them."""

    floor: float
    lowest: float
    excess: _Floats
    excess_over_rivals: _Floats
    stranger_bin: _Ints
    match_bin: _Ints
    exposure: _Floats
    n_match_bins: int

    @classmethod
    def of(cls, block: Block, floor: float) -> _Shape:
        level = block.level
        excess = block.dice - level
        lowest = float(excess.min()) if len(excess) else 0.0
        highest = float(excess.max()) if len(excess) else 0.0
        n_bins = int((highest - lowest) / _WIDTH) + 3
        n_match_bins = max(round((1 - floor) / _WIDTH), 0) + 3
        return cls(
            floor=floor,
            lowest=lowest,
            excess=excess,
            excess_over_rivals=block.dice - level / _RIVALRY,
            stranger_bin=_bins(excess, lowest, n_bins),
            match_bin=_bins(block.dice, floor, n_match_bins),
            exposure=_WIDTH * _exposed(block, floor, _centers(lowest, n_bins)),
            n_match_bins=n_match_bins,
        )


def _valley(dice: _Floats, floor: float) -> float:
    """Return where, from equal pairs downwards, pairs are fewest before they become more again.

    Above it are the second records of a person; below it relatives, and then strangers. Within one file
    nothing else tells these apart. Above 1 where there is no heap of pairs that are nearly equal.
    """
    if floor >= 1:
        return 2.0  # all are equal, and show no valley
    n_bins = max(round((1 - floor) / _VALLEY_WIDTH), 2)
    bins = np.clip(((dice - floor) / (1 - floor) * n_bins).astype(np.int64), 0, n_bins - 1)
    rate = smooth_log_rate(_counted(bins, np.ones(len(dice)), n_bins), np.ones(n_bins))
    nearly_equal = np.arange(n_bins) >= n_bins * (_NEARLY_EQUAL - floor) / (1 - floor)
    if not nearly_equal.any():
        return 2.0
    place = lowest = n_bins - 1 - int(rate[nearly_equal][::-1].argmax())
    while place > 0 and rate[place] < rate[lowest] + _RISES:
        place -= 1
        lowest = place if rate[place] < rate[lowest] else lowest
    least = floor + (1 - floor) * lowest / n_bins
    return least if np.count_nonzero(dice >= least) >= _ENOUGH_IN_HEAP else 2.0


def _centers(lowest: float, n_bins: int) -> _Floats:
    return np.asarray(lowest + (np.arange(n_bins) + 0.5) * _WIDTH, dtype=np.float64)


def _exposed(block: Block, floor: float, excess: _Floats) -> _Floats:
    """Return the share of all pairs that would be candidates, at each excess.

    A pair of records that are like few others has to be more alike than its excess says to be one.
    """
    rng = np.random.default_rng(0)
    n = min(_EXPOSED_PAIRS, max(len(block.left_level), len(block.right_level)) * 100)
    one = rng.choice(block.left_level, n) if len(block.left_level) else np.zeros(1)
    other = rng.choice(block.right_level, n) if len(block.right_level) else np.zeros(1)
    level = np.sort(_RIVALRY * (one + other) / 2)
    share = 1 - np.searchsorted(level, floor - excess) / len(level)
    return np.asarray(np.maximum(share, _LEAST_EXPOSED), dtype=np.float64)


def _bins(values: _Floats, lowest: float, n_bins: int) -> _Ints:
    return np.clip(((values - lowest) / _WIDTH).astype(np.int64), 0, n_bins - 1)


def _counted(bins: _Ints, weights: _Floats, n_bins: int) -> _Floats:
    return np.asarray(np.bincount(bins, weights=weights, minlength=n_bins), dtype=np.float64)


def _learned(
    blocks: tuple[Block, ...], shapes: list[_Shape], probability: _Floats
) -> tuple[Curves, ...]:
    """Return the curves that the candidates, each a match with some probability, give."""
    found = [
        _counted(shape.match_bin, probability[block.where], shape.n_match_bins)
        for block, shape in zip(blocks, shapes, strict=True)
    ]
    apart = [own for block, own in zip(blocks, found, strict=True) if not block.one_file]
    together = np.sum(apart, axis=0) if apart else np.zeros(1)
    known = float(together.sum()) >= _ENOUGH_MATCHES
    curves = []
    for block, shape, own in zip(blocks, shapes, found, strict=True):
        weight = 1 - probability[block.where]
        counts = _counted(shape.stranger_bin, weight, len(shape.exposure))
        strangers = smooth_log_rate(counts, shape.exposure)
        top = int(strangers.argmax())
        strangers[top:] = np.minimum.accumulate(strangers[top:])
        others = known and (len(apart) > 1 or block.one_file)
        matches = _matches_of(own, together if others else None, shape.floor)
        curves.append(
            Curves(strangers=strangers, matches=matches, lowest=shape.lowest, floor=shape.floor)
        )
    return tuple(curves)


def _matches_of(own: _Floats, together: _Floats | None, floor: float) -> _Floats:
    """Return the log rate of matches between two files, or within one.

    To what was found are added a few that look as matches of other files do, or else as those of
    one person are expected to. Where there are hardly any, that keeps the best of the strangers from
    being taken for them.
    """
    expected = together
    if expected is None:
        expected = np.exp((_centers(floor, len(own)) - 1) / _EXPECTED_DISTANCE)
    helped = own + _PRIOR_MATCHES * expected / float(expected.sum())
    helped = helped * (float(own.sum()) / float(helped.sum())) + _FEWEST
    rate = smooth_log_rate(helped, np.full(len(own), _WIDTH))
    # One person's records are seldom less alike; more of them at the lower end are strangers.
    middle = int(np.searchsorted(np.cumsum(helped), float(helped.sum()) / 2))
    top = middle + int(rate[middle:].argmax())
    rate[: top + 1] = np.minimum.accumulate(rate[top::-1])[::-1]
    return rate


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
