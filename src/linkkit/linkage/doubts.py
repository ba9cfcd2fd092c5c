"""What makes the links of a linkage doubtful, whatever the encoding: said with counts, and what to do.

Each text is what was seen, a semicolon, and advice.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from linkkit.engines import slices_of
from linkkit.linkage.block.content import content_digests
from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.classify.known_strangers import not_so_clean
from linkkit.linkage.cluster import ScorePairs
from linkkit.linkage.pool import Pool
from linkkit.linkage.quality import LinkageQuality

__all__ = ["doubts_of_links", "doubts_of_parties"]

_LEAST_PRECISION = 0.9
_HARDLY_SHARED = 0.02
_MOST_LOOKED_AT = 20_000
_FEWEST_DOUBLES = 5
_LEAST_SHARE = 0.01

_Ints = npt.NDArray[np.int64]


def doubts_of_links(
    quality: LinkageQuality, *, most_links: int, told: tuple[str, ...] = ()
) -> Iterator[str]:
    """Yield what is doubtful about the links as a whole.

    Parameters
    ----------
    quality : LinkageQuality
        What is expected of the links.
    most_links : int
        How many there would be if every record that can have a match had one.
    told : tuple of str
        What is said already.
    """
    least = quality.precision_interval[0]
    if not (quality.n_links or told):
        yield (
            "the parties seem to share nobody: no two records are likely enough to be of one person; "
            "check that all encoded the same fields in the same way"
        )
    if not quality.n_links or least >= _LEAST_PRECISION:
        return
    share = quality.n_links / max(most_links, 1)
    few = share < _HARDLY_SHARED
    yield (
        f"{'few records are linked, and ' if few else ''}of {quality.n_links:,} links as few as "
        f"{least:.0%} may be right"
        + (
            ": the fewer people are shared, the more links are of relatives and namesakes"
            if few
            else ""
        )
        + "; review a sample of pairs with the partners (LinkResult.review), or give a "
        "'max_false_match_rate' to link fewer"
    )


def doubts_of_parties(
    pool: Pool,
    scored: ScoredPairs,
    person: _Ints,
    score: ScorePairs,
    *,
    told: tuple[str, ...] = (),
) -> Iterator[str]:
    """Yield which parties seem to hold people twice that were declared to hold each person once.

    There a record of another party has two candidates that are both as alike as half of all links are, and
    only one of them can be linked.

    Parameters
    ----------
    pool : Pool
        All records.
    scored : ScoredPairs
        Candidate pairs.
    person : ndarray of int64, shape (n_records,)
        The person of each record.
    score : callable
        Match weight of pairs, each judged for itself.
    told : tuple of str
        What is said already; of no party it is said twice.
    """
    for p in np.flatnonzero(pool.clean).tolist():
        if any(text.startswith(not_so_clean(pool.parties[p], "").split(";")[0]) for text in told):
            continue
        partner = _linked_partners(pool, scored, person, p)
        linked = _some_of(pool, np.flatnonzero(partner >= 0))
        if len(linked) < _FEWEST_DOUBLES:
            continue
        other, rival = _rivals(pool, scored, partner, linked, p)
        usual = float(np.median(_score(score, linked, partner[linked])))
        doubled = np.unique(other[_score(score, other, rival) >= usual])
        if len(doubled) >= max(_FEWEST_DOUBLES, _LEAST_SHARE * len(linked)):
            yield not_so_clean(
                pool.parties[p],
                f"of {len(linked):,} records of others that are linked with it, {len(doubled):,} have a second "
                "record there that is as alike as links usually are, and that was left out",
            )


def _linked_partners(pool: Pool, scored: ScoredPairs, person: _Ints, p: int) -> _Ints:
    """Return for each record the one of party `p` that it is linked with as a candidate, or -1."""
    partner = np.full(len(pool), -1, dtype=np.int64)
    for rows in slices_of(len(scored)):
        left, right = scored.left[rows], scored.right[rows]
        same = person[left] == person[right]
        for one, other in ((left[same], right[same]), (right[same], left[same])):
            across = (pool.party[one] != p) & (pool.party[other] == p)
            partner[one[across]] = other[across]
    return partner


def _some_of(pool: Pool, records: _Ints) -> _Ints:
    """Return all records or, of very many, some that what they hold chooses."""
    if len(records) <= _MOST_LOOKED_AT:
        return records
    by_content = np.argsort(content_digests(pool, records), kind="stable")
    return np.sort(records[by_content[:_MOST_LOOKED_AT]])


def _rivals(
    pool: Pool, scored: ScoredPairs, partner: _Ints, linked: _Ints, p: int
) -> tuple[_Ints, _Ints]:
    """Return candidates of some records in party `p` beside the ones that they are linked with."""
    wanted = np.zeros(len(pool), dtype=np.bool_)
    wanted[linked] = True
    found: list[tuple[_Ints, _Ints]] = [(linked[:0], linked[:0])]
    for rows in slices_of(len(scored)):
        left, right = scored.left[rows], scored.right[rows]
        for one, other in ((left, right), (right, left)):
            mine = wanted[one] & (pool.party[other] == p) & (partner[one] != other)
            found.append((one[mine], other[mine]))
    return np.concatenate([x[0] for x in found]), np.concatenate([x[1] for x in found])


def _score(score: ScorePairs, one: _Ints, other: _Ints) -> npt.NDArray[np.float64]:
    if not len(one):
        return np.zeros(0)
    return score(np.minimum(one, other), np.maximum(one, other))
