"""What tables found, and what more of them would find.

A pair that was found tells by its correlations how probable that was, and so how many of its like were
missed (Horvitz and Thompson, 1952). Counted are pairs that are alike in several salts: hardly any of
these are of strangers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from linkkit.exchange import EncodingSpec
from linkkit.linkage.block import PassPlan
from linkkit.linkage.block.passes import completeness, most_tables, table_seconds
from linkkit.linkage.compare.passes.matched import LIKE_SALTS, n_alike
from linkkit.linkage.compare.passes.pairs import PassPairs

__all__ = ["best_pass", "share_found", "with_tables"]

_FIRST_TABLES = 8
_TABLES_AT_ONCE = 16
"""Tables of a pass that are made before it is looked at again where the next would find most."""

_LEAST_GAIN = 2.0e-4
"""No more tables are made where a second of work is expected to find a smaller share of the pairs."""

_FEWEST_LIKES = 200
_MOST_LIKES = 5_000
_MOST_MISSED = 50.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Likes:
    """Pairs that look like one person's.

    All of `n_found`; of some of those that are unequal in all passes, their correlations and how many
    like each were missed.
    """

    n_found: int
    correlations: npt.NDArray[np.float64]
    missed: npt.NDArray[np.float64]


def _likes(spec: EncodingSpec, plan: PassPlan, pairs: PassPairs) -> _Likes:
    like = n_alike(spec, pairs)[0] >= LIKE_SALTS
    unequal = np.flatnonzero(like & ~(pairs.correlations == 1).any(axis=1))
    correlations = pairs.correlations[unequal[:: max(len(unequal) // _MOST_LIKES, 1)]]
    missing = np.ones(len(correlations))
    for k in range(len(plan.names)):
        missing *= 1 - plan.share_found(k, correlations[:, k])
    each = len(unequal) / max(len(correlations), 1)
    return _Likes(
        n_found=int(like.sum()),
        correlations=correlations,
        missed=each * np.minimum(missing / np.maximum(1 - missing, 1e-9), _MOST_MISSED),
    )


def share_found(spec: EncodingSpec, plan: PassPlan, pairs: PassPairs) -> float:
    """Return the share of the pairs that comparing all would find that tables found, 0 to 1."""
    likes = _likes(spec, plan, pairs)
    if likes.n_found < _FEWEST_LIKES:
        whole = completeness(spec.passes, replace(plan, n_tables=()))
        return min(completeness(spec.passes, plan) / max(whole, 1e-9), 1.0)
    return likes.n_found / (likes.n_found + float(likes.missed.sum()))


def with_tables(plan: PassPlan, k: int, n_new: int) -> PassPlan:
    """Return the plan with more tables in pass `k`, and their comparisons."""
    n_tables = tuple(n + n_new * (i == k) for i, n in enumerate(plan.n_tables))
    more = round(plan.n_meeting * n_new / 2**plan.bits_per_table)
    return replace(plan, n_tables=n_tables, n_comparisons=plan.n_comparisons + more)


def best_pass(
    spec: EncodingSpec, plan: PassPlan, pairs: PassPairs, *, n_members: int
) -> tuple[int, int] | None:
    """Return in which pass how many tables should be next; none where they would find too little."""
    possible = [most_tables(item.n_words, plan.bits_per_table) for item in spec.passes]
    n_new = [
        min(_TABLES_AT_ONCE if done else _FIRST_TABLES, most - done)
        for most, done in zip(possible, plan.n_tables, strict=True)
    ]
    open_passes = [k for k, n in enumerate(n_new) if n]
    if not open_passes:
        return None
    fewest = min(open_passes, key=lambda k: (plan.n_tables[k], k))
    likes = _likes(spec, plan, pairs)
    if plan.n_tables[fewest] == 0 or likes.n_found < _FEWEST_LIKES:
        return fewest, n_new[fewest]
    seconds = table_seconds(plan, n_members)
    gains = {k: _gain(plan, likes, k, n_new[k]) / (n_new[k] * seconds) for k in open_passes}
    best = max(open_passes, key=lambda k: gains[k])
    if gains[best] < _LEAST_GAIN * likes.n_found:
        return None
    return best, n_new[best]


def _gain(plan: PassPlan, likes: _Likes, k: int, n_new: int) -> float:
    """Return how many of the pairs that were missed some more tables of pass `k` would find."""
    now = plan.share_found(k, likes.correlations[:, k])
    then = with_tables(plan, k, n_new).share_found(k, likes.correlations[:, k])
    return float(likes.missed @ ((then - now) / np.maximum(1 - now, 1e-9)))
