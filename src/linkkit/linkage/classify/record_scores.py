"""Learns from the similarities of whole records, and scores pairs with what was learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from linkkit.linkage.classify.competition import compete
from linkkit.linkage.classify.known_strangers import not_so_clean
from linkkit.linkage.classify.record_curves import RIVALRY, Block, runners_up
from linkkit.linkage.classify.record_model import (
    RecordModel,
    fit_record_model,
    matches_within,
    record_levels,
)
from linkkit.linkage.classify.record_strangers import Within, pairs_within
from linkkit.linkage.classify.scores import ScoredPairs
from linkkit.linkage.compare.vectors.record_filters import RecordPairs, dice_of_pairs, party_blocks
from linkkit.linkage.pool import Pool

__all__ = ["fit_records", "record_log_odds", "score_records"]

_RANKS = (1, 6)
_NEARLY_EQUAL = 0.97
_FEWEST_TWICE = 5
_SHARE_TWICE = 0.003
_NO_HOPE = 1e-4
_OTHER_FIELDS = 1.15
_RANKS_WITH_DUPLICATES = (5, 10)


def fit_records(
    pool: Pool,
    pairs: RecordPairs,
    *,
    floor: float,
    n_pairs: int,
    pair_completeness: float = 1.0,
    known: npt.NDArray[np.int8] | None = None,
    n_threads: int | None = None,
) -> RecordModel:
    """Learn the model of a pool's candidates.

    Parameters
    ----------
    pool : Pool
        All records.
    pairs : RecordPairs
        All pairs at least as alike as `floor`.
    floor : float
        The least similarity.
    n_pairs : int
        All pairs that could match.
    pair_completeness : float
        Estimated share, 0 to 1, of matches that alike that were found.
    known : ndarray of int8, shape (n_pairs,), optional
        What is known of each pair: 1 the same person, -1 not, 0 nothing.
    n_threads : int, optional
        As many as there are processors by default.
    """
    within = {
        p: pairs_within(pool, p, floor=floor, n_threads=n_threads)
        for p in np.flatnonzero(pool.clean).tolist()
    }
    twice = {p: _twice(found, int(pool.party_sizes()[p]), floor) for p, found in within.items()}
    within = {p: found for p, found in within.items() if not twice[p]}
    fill = _fill_of_parties(pool)
    blocks = tuple(
        _with_strangers(
            _block(pool, pairs, p, q, floor),
            _as_between(within.get(p), fill[p], fill[q], floor),
            _as_between(within.get(q), fill[q], fill[p], floor),
        )
        for p, q in party_blocks(pool)
    )
    model = fit_record_model(
        blocks,
        _best_of_both(pool, pairs),
        floor=floor,
        n_pairs=n_pairs,
        compete=lambda odds: _rival(pool, pairs, odds),
        name=pool.spec.records[0].name,
        n_expected=float(min(pool.party_sizes())),
        pair_completeness=pair_completeness,
        known=known,
    )
    doubts = (
        not_so_clean(
            pool.parties[p],
            f"{n:,} pairs of its records are nearly equal, which strangers' are not",
        )
        for p, n in twice.items()
        if n
    )
    return replace(model, warnings=(*model.warnings, *doubts))


def _twice(within: Within, n_records: int, floor: float) -> int:
    """Return how many nearly equal pairs a party has, if they stand out from its other pairs; else 0."""
    n = int((within.pairs.dice >= _NEARLY_EQUAL).sum())
    least = max(_FEWEST_TWICE, _SHARE_TWICE * n_records)
    if n < least:
        return 0
    expected = matches_within(_one_file(within.pairs, n_records, floor), floor=floor)
    return n if expected >= least else 0


def _rival(
    pool: Pool, pairs: RecordPairs, odds: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return probabilities as candidates compete; the many hopeless ones are no rivals."""
    answer = odds / (1 + odds)
    hope = np.flatnonzero(odds > _NO_HOPE)
    answer[hope] = compete(pool, pairs.left[hope], pairs.right[hope], odds[hope])
    return np.asarray(answer, dtype=np.float64)


def _block(pool: Pool, pairs: RecordPairs, p: int, q: int, floor: float) -> Block:
    where = np.flatnonzero((pool.party[pairs.left] == p) & (pool.party[pairs.right] == q))
    starts = _party_starts(pool)
    sizes = pool.party_sizes()
    left, right, dice = (
        pairs.left[where] - starts[p],
        pairs.right[where] - starts[q],
        pairs.dice[where],
    )
    if p == q:
        found = RecordPairs(left=left, right=right, dice=dice)
        return replace(_one_file(found, int(sizes[p]), floor), where=where)
    levels = [
        runners_up(
            record,
            dice,
            n_records=int(sizes[own]),
            floor=floor,
            ranks=_RANKS if pool.clean[other] else _RANKS_WITH_DUPLICATES,
        )
        for record, own, other in ((left, p, q), (right, q, p))
    ]
    return Block(
        where=where, dice=dice, left_level=levels[0], right_level=levels[1], left=left, right=right
    )


def _one_file(pairs: RecordPairs, n_records: int, floor: float) -> Block:
    """Return the block of pairs of one file, their records counted within it."""
    # A record's candidates are on either side.
    both = np.concatenate([pairs.left, pairs.right])
    ranks = _RANKS_WITH_DUPLICATES
    level = runners_up(both, np.tile(pairs.dice, 2), n_records=n_records, floor=floor, ranks=ranks)
    return Block(
        where=np.arange(len(pairs)), dice=pairs.dice, left_level=level, right_level=level,
        left=pairs.left, right=pairs.right, one_file=True,
    )  # fmt: skip


def _fill_of_parties(pool: Pool) -> list[float]:
    """Return the mean share of bits that are set in each party's filters."""
    n_set = np.bitwise_count(pool.words).sum(axis=1, dtype=np.int64)
    total = np.bincount(pool.party, weights=n_set, minlength=len(pool.parties))
    n_bits = 64 * pool.words.shape[1]
    return [float(x) for x in total / np.maximum(pool.party_sizes(), 1) / n_bits]


def _as_between(within: Within | None, own: float, other: float, floor: float) -> Within | None:
    """Return pairs within a party as alike as they would be if one record were of a party with other fields.

    A party that lacks fields fills less of its filters. What pairs of the fuller party have in common beside,
    such as an address, no pair of the two has, so they tell nothing. Those of the other are less alike by
    what is set in the fuller filter alone: the likeness of random filters, and that of a filter and a part of
    it, are where theirs are.
    """
    if within is None or not own or max(own, other) < _OTHER_FIELDS * min(own, other):
        return within
    if own > other:
        return None
    chance, most = 2 * own * other / (own + other), 2 * own / (own + other)
    pairs = within.pairs
    dice = chance + (pairs.dice - own) / (1 - own) * (most - chance)
    kept = np.flatnonzero(dice >= floor)
    found = RecordPairs(left=pairs.left[kept], right=pairs.right[kept], dice=dice[kept])
    return within._replace(pairs=found)


def _with_strangers(block: Block, left: Within | None, right: Within | None) -> Block:
    """Return a block with what is known of pairs within its parties.

    Records of the smaller file have runners-up that are more alike, as there are more to choose from. So
    what is taken off a pair within a party is moved to what is usual between the two.
    """
    dice, level, n_known = [np.zeros(0)], [np.zeros(0)], 0.0
    for within, own in ((left, block.left_level), (right, block.right_level)):
        if within is None or block.one_file:
            continue
        pairs = within.pairs
        mean = (block.left_level.mean() + block.right_level.mean()) / 2
        runners = (own[pairs.left] + own[pairs.right]) / 2 + mean - own.mean()
        dice.append(pairs.dice)
        level.append(RIVALRY * runners)
        n_known += within.n_compared / (len(block.left_level) * len(block.right_level))
    return replace(
        block,
        strangers=np.concatenate(dice),
        stranger_level=np.concatenate(level),
        n_known=n_known,
    )


def _party_starts(pool: Pool) -> npt.NDArray[np.int64]:
    return np.asarray(np.cumsum(np.append(0, pool.party_sizes()[:-1])), dtype=np.int64)


def _best_of_both(pool: Pool, pairs: RecordPairs) -> npt.NDArray[np.float64]:
    """Return 1 for pairs that are the best of both records among the other's party, else 0."""
    n_parties = len(pool.parties)
    best = np.ones(len(pairs), dtype=np.bool_)
    for record, partner in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
        key = record * n_parties + pool.party[partner]
        most = np.zeros(len(pool) * n_parties)
        np.maximum.at(most, key, pairs.dice)
        best &= pairs.dice >= most[key]
    return best.astype(np.float64)


def score_records(pool: Pool, pairs: RecordPairs, model: RecordModel) -> ScoredPairs:
    """Score all candidate pairs with a model, as they compete with each other.

    Returns
    -------
    ScoredPairs
        One for each pair, in the same order.
    """
    log_odds = record_log_odds(pool, pairs.left, pairs.right, pairs.dice, model)
    probability = _rival(pool, pairs, np.exp(log_odds))
    certain = np.clip(probability, 1e-300, 1 - 1e-15)
    levels = record_levels(pairs.dice, probability) if len(pairs) else np.zeros(0, dtype=np.int64)
    return ScoredPairs(
        left=pairs.left,
        right=pairs.right,
        levels=levels[:, None].astype(np.int8),
        weight=np.log2(certain) - np.log2(1 - certain),
        probability=probability,
    )


def record_log_odds(
    pool: Pool,
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    dice: npt.NDArray[np.float64] | None,
    model: RecordModel,
) -> npt.NDArray[np.float64]:
    """Return the natural log of the odds of a match of listed pairs, each judged for itself.

    `dice` are their similarities, where they are known.
    """
    if dice is None:
        dice = dice_of_pairs(pool, left, right)
    answer = np.full(len(left), -np.inf)
    starts = _party_starts(pool)
    for (p, q), block, curves in zip(party_blocks(pool), model.blocks, model.curves, strict=True):
        here = np.flatnonzero((pool.party[left] == p) & (pool.party[right] == q))
        level = block.level_of(left[here] - starts[p], right[here] - starts[q])
        answer[here] = curves.log_odds(dice[here], dice[here] - level)
    return np.asarray(np.maximum(answer, -60.0), dtype=np.float64)
