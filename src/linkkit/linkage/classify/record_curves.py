"""Curves over the similarity of whole records: how many strangers, and how many matches, are as alike.

Both are smooth (Poisson counts with a penalty on the curvature of their logarithm, as in Eilers
and Marx, 1996), so that they reach beyond what was seen. What they are learned from, and what tells the two
apart, is in :mod:`linkkit.linkage.classify.record_model`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "RIVALRY",
    "Block",
    "Curves",
    "Shape",
    "Valley",
    "learned_curves",
    "log_evidence",
    "runners_up",
    "smooth_log_rate",
    "valley_of",
]

RIVALRY = 0.5
"""How much of the likeness of the runners-up counts against a pair."""

_WIDTH = 0.01
_STIFFNESS = 3.0
_EXPOSED_PAIRS = 200_000
_LEAST_EXPOSED = 5e-6
_PRIOR_MATCHES = 10.0
_ENOUGH_MATCHES = 50.0
_EXPECTED_DISTANCE = 0.15
_VALLEY_WIDTH = 0.02
_NEARLY_EQUAL = 0.9
_RISES = 0.4
_MANY_MORE = 1.4
_ENOUGH_IN_HEAP = 5
_BINS_BEFORE_VALLEY = 6
_LEAST_DECLINE = 0.05
_FEWEST = 1e-3
_NEWTON_ROUNDS = 30
_NEWTON_STEP = 2.0
_LARGEST = 40.0

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


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
    strangers, stranger_level : ndarray of float64, shape (n_strangers,)
        Similarities of pairs that are known to be no match, and what is taken off them.
    n_known : float
        How many pairs were looked at to find these, for each pair of the block; 0: none is known.
    """

    where: _Ints
    dice: _Floats
    left_level: _Floats
    right_level: _Floats
    left: _Ints
    right: _Ints
    one_file: bool = False
    strangers: _Floats = field(default_factory=lambda: np.zeros(0))
    stranger_level: _Floats = field(default_factory=lambda: np.zeros(0))
    n_known: float = 0.0

    @property
    def level(self) -> _Floats:
        """What is taken off a pair's similarity, shape (n_pairs,)."""
        return self.level_of(self.left, self.right)

    @property
    def typical_level(self) -> float:
        """The mean of what is taken off, over all pairs of records."""
        return float(RIVALRY * (self.left_level.mean() + self.right_level.mean()) / 2)

    def level_of(self, left: _Ints, right: _Ints) -> _Floats:
        """Return the same of listed pairs, by the numbers of their records in the parties."""
        return np.asarray(RIVALRY * (self.left_level[left] + self.right_level[right]) / 2)


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

    def without_matches(self) -> Curves:
        """Return the curves of parties that share nobody."""
        return replace(self, matches=np.full_like(self.matches, -_LARGEST))

    def log_odds(self, dice: _Floats, excess: _Floats) -> _Floats:
        """Return the natural log of the odds of a match, each pair judged for itself."""
        bins = _bins(excess, self.lowest, len(self.strangers))
        odds = self.matches[_bins(dice, self.floor, len(self.matches))] - self.strangers[bins]
        return np.asarray(np.clip(odds, -_LARGEST, _LARGEST), dtype=np.float64)


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


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Shape:
    """The bins of a block, and how many pairs could have fallen into them."""

    floor: float
    lowest: float
    excess: _Floats
    excess_over_rivals: _Floats
    stranger_bin: _Ints
    match_bin: _Ints
    exposure: _Floats
    n_match_bins: int
    known: _Floats
    last_before_valley: int | None

    @classmethod
    def of(cls, block: Block, floor: float, *, valley: Valley | None) -> Shape:
        """Return the shape; pairs of strangers that are known tell more than a `valley`."""
        level = block.level
        excess = block.dice - level
        of_strangers = block.strangers - block.stranger_level
        every = np.append(excess, of_strangers)
        lowest = float(every.min()) if len(every) else 0.0
        highest = float(every.max()) if len(every) else 0.0
        n_bins = int((highest - lowest) / _WIDTH) + 3
        n_match_bins = max(round((1 - floor) / _WIDTH), 0) + 3
        return cls(
            floor=floor,
            lowest=lowest,
            excess=excess,
            excess_over_rivals=block.dice - level / RIVALRY,
            stranger_bin=_bins(excess, lowest, n_bins),
            match_bin=_bins(block.dice, floor, n_match_bins),
            exposure=_WIDTH
            * (1 + block.n_known)
            * _exposed(block, floor, _centers(lowest, n_bins)),
            n_match_bins=n_match_bins,
            known=_counted(_bins(of_strangers, lowest, n_bins), np.ones(len(of_strangers)), n_bins),
            last_before_valley=None
            if valley is None
            else _last_before(block.dice, excess, lowest, valley.edge),
        )


class Valley(NamedTuple):
    """Where pairs of one person begin, as far as only the shape of all similarities tells.

    `bottom` is the similarity above which nearly all are of one person, and `edge` the one below which hardly
    any are; above 1 where there is no heap of pairs that are nearly equal.
    """

    bottom: float = 2.0
    edge: float = 2.0


def valley_of(dice: _Floats, floor: float) -> Valley:
    """Return where, from equal pairs downwards, pairs are fewest before they become more again.

    Above it are the second records of a person; below it relatives, and then strangers. Within one file
    nothing else tells these apart. Pairs of one person become no more towards the lower end. So where there
    are several times as many pairs as at the bottom, most are of strangers.
    """
    if floor >= 1:
        return Valley()  # all are equal, and show no valley
    n_bins = max(round((1 - floor) / _VALLEY_WIDTH), 2)
    bins = np.clip(((dice - floor) / (1 - floor) * n_bins).astype(np.int64), 0, n_bins - 1)
    rate = smooth_log_rate(_counted(bins, np.ones(len(dice)), n_bins), np.ones(n_bins))
    nearly_equal = np.arange(n_bins) >= n_bins * (_NEARLY_EQUAL - floor) / (1 - floor)
    if not nearly_equal.any():
        return Valley()
    place = lowest = n_bins - 1 - int(rate[nearly_equal][::-1].argmax())
    while place > 0 and rate[place] < rate[lowest] + _RISES:
        place -= 1
        lowest = place if rate[place] < rate[lowest] else lowest
    bottom = floor + (1 - floor) * lowest / n_bins
    if np.count_nonzero(dice >= bottom) < _ENOUGH_IN_HEAP:
        return Valley()
    many = np.flatnonzero(rate[:lowest] >= rate[lowest] + _MANY_MORE)
    edge = floor + (1 - floor) * (many[-1] + 1 if len(many) else 0) / n_bins
    return Valley(bottom, edge)


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
    level = np.sort(RIVALRY * (one + other) / 2)
    share = 1 - np.searchsorted(level, floor - excess) / len(level)
    return np.asarray(np.maximum(share, _LEAST_EXPOSED), dtype=np.float64)


def _bins(values: _Floats, lowest: float, n_bins: int) -> _Ints:
    return np.clip(((values - lowest) / _WIDTH).astype(np.int64), 0, n_bins - 1)


def _counted(bins: _Ints, weights: _Floats, n_bins: int) -> _Floats:
    return np.asarray(np.bincount(bins, weights=weights, minlength=n_bins), dtype=np.float64)


def learned_curves(
    blocks: tuple[Block, ...], shapes: list[Shape], probability: _Floats
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
        strangers = _strangers_of(shape, 1 - probability[block.where])
        others = known and (len(apart) > 1 or block.one_file)
        matches = _matches_of(own, together if others else None, shape.floor)
        curves.append(
            Curves(strangers=strangers, matches=matches, lowest=shape.lowest, floor=shape.floor)
        )
    return tuple(curves)


def _strangers_of(shape: Shape, weight: _Floats) -> _Floats:
    """Return the log rate of strangers, from pairs that are with some weight, and from known ones."""
    counts = _counted(shape.stranger_bin, weight, len(shape.exposure)) + shape.known
    rate = smooth_log_rate(counts, shape.exposure)
    top = int(rate.argmax())
    rate[top:] = np.minimum.accumulate(rate[top:])
    at = shape.last_before_valley
    if at is not None and at > top:
        # Beyond the valley nearly all are matches. Strangers go on getting rarer as they did before it.
        start = max(at - _BINS_BEFORE_VALLEY, top)
        decline = max(float(rate[start] - rate[at]) / (at - start), _LEAST_DECLINE)
        beyond = np.arange(len(rate) - at)
        rate[at:] = np.minimum(rate[at:], rate[at] - decline * beyond)
    return rate


def _last_before(dice: _Floats, excess: _Floats, lowest: float, edge: float) -> int | None:
    """Return the bin of excess that pairs at the edge of the valley have; None where there is none."""
    near = np.abs(dice - edge) < _VALLEY_WIDTH
    if edge > 1 or not near.any():
        return None
    level = float((dice - excess)[near].mean())
    return max(int((edge - level - lowest) / _WIDTH), 0)


def log_evidence(
    blocks: tuple[Block, ...], shapes: list[Shape], probability: _Floats
) -> tuple[float, ...]:
    """Return by how much likelier the pairs of each block are with matches among them than without.

    As differences of natural logs of Poisson likelihoods.
    """
    curves = learned_curves(blocks, shapes, probability)
    none = learned_curves(blocks, shapes, np.zeros_like(probability))
    gains = []
    for block, shape, one, other in zip(blocks, shapes, curves, none, strict=True):
        odds = np.exp(one.log_odds(block.dice, shape.excess))
        change = one.strangers - other.strangers
        gain = float((change[shape.stranger_bin] + np.log1p(odds)).sum())
        gain += float(change @ shape.known) - one.expected_matches
        gain -= float(shape.exposure @ (np.exp(one.strangers) - np.exp(other.strangers)))
        gains.append(gain)
    return tuple(gains)


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
