"""What passes say of pairs, held against pairs that are known to be of strangers.

A party that holds each person once has no match within. Pairs of its own records that look as much like one
person as a pair of two parties does say how many such pairs of two parties are strangers, whatever makes
them alike: families, common names, few postal codes. No probability may be higher than that leaves
(an empirical null and a local false discovery rate; Efron, 2004).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block.content import content_digests
from linkkit.linkage.block.passes import plan_passes
from linkkit.linkage.classify import PassModel, ScoredPairs
from linkkit.linkage.classify.field_scores import NOBODY_SHARED
from linkkit.linkage.classify.known_strangers import not_so_clean
from linkkit.linkage.compare.passes.scan import find_pairs
from linkkit.linkage.pool import Pool, part_of
from linkkit.linkage.routes.work import Found, Work

__all__ = ["held_against_strangers", "largest_gain", "largest_share", "local_share"]

_MOST_COMPARED = 4_000
_WORTH_A_LOOK = 0.01
_BIN = 1.0
_DEVIATIONS = 1.0
_FEWEST_TWICE = 5
_BITS_BEYOND_CHANCE = 14.0
_SHARE_TWICE = 0.003
_LEAST = 1e-12
_LEAST_GAIN = 7.0
_LEAST_TAKEN = 0.1

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


def held_against_strangers(work: Work, found: Found, compared: _Ints) -> Found:
    """Lower probabilities that known strangers contradict, and say which party is not what it is declared.

    Nothing changes where no party holds each person once, or nobody is linked.

    Parameters
    ----------
    work : Work
        All records.
    found : Found
        Their candidates, scored.
    compared : ndarray of int64
        Positions of the records that are compared: all but those that many equal.
    """
    pool, scored = work.pool, found.scored
    rows = np.flatnonzero(
        (scored.probability > _WORTH_A_LOOK) & (pool.party[scored.left] != pool.party[scored.right])
    )
    if not len(rows) or not pool.clean.any():
        return found
    weight = found.score(scored.left[rows], scored.right[rows])
    of_strangers, n_compared, doubts = [np.zeros(0)], 0, []
    least = np.log2(_pairs_across(pool)) + _BITS_BEYOND_CHANCE
    for p in np.flatnonzero(pool.clean).tolist():
        within, n_records = _within(work, found, compared[pool.party[compared] == p])
        twice = max(int((weights >= least).sum()) for weights in within)
        if twice >= max(_FEWEST_TWICE, _SHARE_TWICE * n_records):
            seen = f"{twice:,} pairs of {n_records:,} of its records are as alike as one person's"
            doubts.append(not_so_clean(pool.parties[p], seen))
            continue
        of_strangers += within
        n_compared += len(within) * (n_records * (n_records - 1) // 2)
    known, times = np.concatenate(of_strangers), _pairs_across(pool) / max(n_compared, 1)
    proven = work.labels is not None and bool(work.labels.same.any())
    if n_compared and not proven and largest_gain(weight, known, times=times) < _LEAST_GAIN:
        nobody = _capped(scored, rows, np.full(len(rows), _LEAST))
        return found._replace(
            scored=nobody, n_unseen=0.0, warnings=(NOBODY_SHARED, *found.warnings, *doubts)
        )
    share = local_share(weight, known, times=times)
    # Who has a match is no stranger's match; but no more have one than known strangers leave.
    matched = np.minimum(scored.probability[rows], largest_share(1 - share))
    most = largest_share(1 - share * _free(pool, scored, rows, matched))
    given = scored.probability[rows]
    # Little of it is noise: of few strangers, and of who is a stranger to whom.
    if float(np.maximum(given - most, 0.0).sum()) > _LEAST_TAKEN * float(given.sum()):
        found = found._replace(scored=_capped(scored, rows, most))
    return found._replace(warnings=(*found.warnings, *doubts))


def local_share(weight: _Floats, of_strangers: _Floats, *, times: float) -> _Floats:
    """Return which share of the pairs of about each weight known strangers account for, 0 to 1.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_pairs,)
        Match weights in bits.
    of_strangers : ndarray of float64, shape (n_strangers,)
        The same of pairs that are known to be of strangers.
    times : float
        How many pairs there are for each pair that was looked at to find these.

    Returns
    -------
    ndarray of float64, shape (n_pairs,)
        Falls with the weight (isotonic regression), and holds no more than chance leaves certain.

    Examples
    --------
    >>> import numpy as np
    >>> weights = np.repeat([2.0, 9.0], [100, 40])
    >>> share = local_share(weights, np.repeat(2.0, 90), times=1.0)
    >>> share[0].round(2), share[-1]
    (np.float64(0.81), np.float64(0.0))
    """
    low = float(weight.min())
    bins = ((weight - low) / _BIN).astype(np.int64)
    n_bins = int(bins.max()) + 1
    seen = np.bincount(bins, minlength=n_bins).astype(np.float64)
    at = np.clip(((of_strangers[of_strangers >= low] - low) / _BIN).astype(np.int64), 0, n_bins - 1)
    known = np.bincount(at, minlength=n_bins).astype(np.float64)
    # From above, pools of neighbors whose share would fall towards lower weights are made one.
    pools: list[list[float]] = []
    for n_known, n_seen in zip(known[::-1].tolist(), seen[::-1].tolist(), strict=True):
        pools.append([n_known, n_seen, 1])
        while len(pools) > 1 and _of(pools[-2], times) >= _of(pools[-1], times):
            last = pools.pop()
            pools[-1] = [a + b for a, b in zip(pools[-1], last, strict=True)]
    by_bin = np.repeat([_of(one, times) for one in pools], [int(one[2]) for one in pools])[::-1]
    return np.asarray(by_bin[bins])


def _of(pool: list[float], times: float) -> float:
    n_known, n_seen, _ = pool
    certain = max(n_known - _DEVIATIONS * float(np.sqrt(n_known)), 0.0)
    return min(times * certain / max(n_seen, _LEAST), 1.0)


def largest_gain(weight: _Floats, of_strangers: _Floats, *, times: float) -> float:
    """Return by how much likelier the heaviest pairs are, were they more than known strangers explain.

    As the natural log of a ratio of Poisson likelihoods, the largest for any least weight.

    Examples
    --------
    >>> import numpy as np
    >>> strangers = np.arange(10.0)
    >>> largest_gain(strangers, strangers, times=1.0)
    0.0
    >>> largest_gain(np.append(strangers, np.full(20, 30.0)), strangers, times=1.0) > 10
    True
    """
    grid = np.unique(np.floor(weight))
    n_seen = len(weight) - np.searchsorted(np.sort(weight), grid)
    n_known = len(of_strangers) - np.searchsorted(np.sort(of_strangers), grid)
    each = (n_seen + n_known) / (times + 1)
    gain = n_seen * np.log(np.maximum(n_seen, _LEAST) / (times * each)) + n_known * np.log(
        np.maximum(n_known, _LEAST) / each
    )
    return float(np.where(n_seen > times * n_known, gain, 0.0).max(initial=0.0))


def largest_share(share: _Floats) -> _Floats:
    """Return probabilities that are none of a pair that is certain, 0 to just below 1."""
    return np.asarray(np.clip(share, _LEAST, 1 - 1e-15))


def _within(work: Work, found: Found, rows: _Ints) -> tuple[list[_Floats], int]:
    """Return the weights of candidates among a party's records, and how many of these were compared.

    Once for each other party, as if the other record were its: what a pass tells is another thing
    for each two parties.
    """
    pool = work.pool
    party = int(pool.party[rows[0]]) if len(rows) else 0
    if len(rows) > _MOST_COMPARED:
        by_content = np.argsort(content_digests(pool, rows), kind="stable")
        rows = np.sort(rows[by_content[:_MOST_COMPARED]])
    part = replace(
        part_of(pool, rows),
        parties=("of one party",),
        party=np.zeros(len(rows), dtype=np.int64),
        clean=np.zeros(1, dtype=np.bool_),
    )
    pairs, _ = find_pairs(part, plan_passes(part), n_threads=work.n_threads)
    others = [q for q in range(len(pool.parties)) if q != party] or [party]
    if not len(pairs) or not isinstance(found.model, PassModel):
        return [np.zeros(0) for _ in others], len(rows)
    blocks = [min(party, q) * len(pool.parties) + max(party, q) for q in others]
    weights = [
        found.model.log_evidence(pairs.correlations, block=np.full(len(pairs), block, np.int64))
        / np.log(2)
        for block in blocks
    ]
    return [np.asarray(one, dtype=np.float64) for one in weights], len(rows)


def _pairs_across(pool: Pool) -> float:
    sizes = pool.party_sizes().astype(np.float64)
    return float((sizes.sum() ** 2 - (sizes**2).sum()) / 2)


def _free(pool: Pool, scored: ScoredPairs, rows: _Ints, probability: _Floats) -> _Floats:
    """Return the chance that strangers are not ruled out by the matches of either record."""
    sizes = pool.party_sizes()
    one, other = pool.party[scored.left[rows]], pool.party[scored.right[rows]]
    block = one * len(sizes) + other
    expected = np.bincount(block, weights=probability, minlength=len(sizes) ** 2)
    free = np.ones(len(rows))
    for mine, partner in ((one, other), (other, one)):
        covered = np.minimum(expected[block] / sizes[mine], 1.0)
        free *= np.where(pool.clean[partner], 1 - covered, 1.0)
    return free


def _capped(scored: ScoredPairs, rows: _Ints, most: _Floats) -> ScoredPairs:
    probability, weight = scored.probability.copy(), scored.weight.copy()
    lower = rows[probability[rows] > most]
    probability[rows] = np.minimum(probability[rows], most)
    weight[lower] = np.log2(probability[lower]) - np.log2(1 - probability[lower])
    return replace(scored, probability=probability, weight=weight)
