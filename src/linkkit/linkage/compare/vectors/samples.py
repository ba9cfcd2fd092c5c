"""What is sought among filters, and a sample of what there is of it.

Some rows are compared with all others. What they find says how the pairs that are wanted differ, by which
tables are planned, and of which share is found in the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block.lsh import NearPairs, PeopleToLink, sampled_rows
from linkkit.linkage.compare.vectors import _reference as _vector_reference
from linkkit.linkage.compare.vectors.similar import Measure, similar_pairs

__all__ = [
    "Likely",
    "Sampled",
    "Sought",
    "affordable_rows",
    "near_pairs",
    "people_to_link",
    "sampled_pairs",
]

_SAMPLED_WORDS = 32_000_000_000
_FEWEST_SAMPLED, _MOST_SAMPLED = 200, 4_000
_MOST_SAMPLED_PAIRS, _FEWEST_OF_MANY = 10_000_000, 20
_PAIRS_FOR_DENSITY = 20_000
_ROWS_FOR_PLAN = 16_000
_BITS_FOR_PLAN = 64_000_000
_LOW = np.uint64(0xFFFFFFFF)

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Words = npt.NDArray[np.uint64]


class Sampled(NamedTuple):
    """Similar pairs of sampled rows with all rows: keys of pairs, sampled row, other's party, score."""

    key: _Words
    row: _Ints
    other: _Ints
    score: _Floats


Likely = Callable[[Sampled], _Floats]
"""From sampled pairs to how likely each is one that is wanted, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Sought:
    """What is sought among filters.

    Attributes
    ----------
    measure, threshold : str, float
        How similar pairs are at least.
    recall : float
        Which share of the wanted pairs is to be found, above 0 and below 1.
    always_tables : bool
        Whether tables are used even where comparing all is cheaper.
    affordable : float
        Seconds of one processor for which all pairs are compared without asking further.
    likely : callable
        Which pairs are wanted.
    expected_shares, expected_weight : ndarray of float64, float
        Shares of bits that differ in wanted pairs, as expected before any is seen, and for how many
        pairs they count.
    max_pairs : int
        Refuse to find more.
    """

    measure: Measure
    threshold: float
    recall: float
    always_tables: bool
    affordable: float
    likely: Likely
    expected_shares: _Floats
    expected_weight: float
    max_pairs: int


def people_to_link(
    words: _Words, party: _Ints, clean: npt.NDArray[np.bool_], digest: _Words
) -> PeopleToLink:
    """Return how many rows there are, and a sample of them in an order that is theirs alone."""
    blocks = _blocks(party, len(clean))
    n = min(_ROWS_FOR_PLAN, _BITS_FOR_PLAN // (64 * words.shape[1]))
    rows = sampled_rows([digest[block] for block in blocks], n)
    chosen = np.concatenate([own + block.start for own, block in zip(rows, blocks, strict=True)])
    chosen = chosen[np.argsort(digest[chosen], kind="stable")]
    sizes = np.bincount(party, minlength=len(clean)).astype(np.int64)
    return PeopleToLink(sizes=sizes, clean=clean, sample=words[chosen], party=party[chosen])


def _blocks(party: _Ints, n_parties: int) -> list[slice]:
    """Return the rows of each party."""
    ends = np.cumsum(np.bincount(party, minlength=n_parties))
    return [slice(a, b) for a, b in pairwise([0, *ends.tolist()])]


def affordable_rows(people: PeopleToLink, words: _Words, sought: Sought) -> int:
    """Return how many rows can be compared with all, in time and in memory for what is found."""
    n = int(np.clip(_SAMPLED_WORDS / max(words.size, 1), _FEWEST_SAMPLED, _MOST_SAMPLED))
    if len(people.sample) < 2:
        return n
    rng = np.random.default_rng(0)
    one, other = people.sample[rng.integers(0, len(people.sample), (2, _PAIRS_FOR_DENSITY))]
    n_one, n_other, common = (
        np.bitwise_count(x).sum(axis=1, dtype=np.int64) for x in (one, other, one & other)
    )
    score = _vector_reference.similarities(
        sought.measure, common, n_one, n_other, n_bits=64 * words.shape[1]
    )
    found_of_row = float((score >= sought.threshold).mean()) * len(words)
    return max(min(n, int(_MOST_SAMPLED_PAIRS / max(found_of_row, 1e-9))), _FEWEST_OF_MANY)


def sampled_pairs(
    words: _Words, party: _Ints, clean: npt.NDArray[np.bool_], sought: Sought, digest: _Words,
    *, n_rows: int, n_threads: int | None,
) -> Sampled:  # fmt: skip
    """Compare some rows with all others that they may match."""
    blocks = _blocks(party, len(clean))
    nothing = np.zeros(0, dtype=np.int64)
    parts = [(nothing.astype(np.uint64), nothing, nothing, np.zeros(0))]
    for p, chosen in enumerate(sampled_rows([digest[block] for block in blocks], n_rows)):
        rows = chosen + blocks[p].start
        for q, block in enumerate(blocks):
            if p == q and clean[p]:
                continue
            found = similar_pairs(
                words[rows], words[block], threshold=sought.threshold, measure=sought.measure,
                max_pairs=sought.max_pairs, n_threads=n_threads,
            )  # fmt: skip
            one, other = rows[found.left], found.right.astype(np.int64) + block.start
            apart = one != other
            one, other, score = one[apart], other[apart], found.score[apart]
            parts.append((_key_of(one, other), one, np.full(len(one), q), score))
    key, row, party_of, score = (np.concatenate(part) for part in zip(*parts, strict=True))
    # An order that no order of rows or parties changes, as sums of floats depend on it.
    one, two = digest[key >> np.uint64(32)], digest[key & _LOW]
    order = np.lexsort((digest[row], np.maximum(one, two), np.minimum(one, two), score))
    return Sampled(key=key[order], row=row[order], other=party_of[order], score=score[order])


def _key_of(one: _Ints, other: _Ints) -> _Words:
    low, high = np.minimum(one, other), np.maximum(one, other)
    return (low.astype(np.uint64) << np.uint64(32)) | high.astype(np.uint64)


def near_pairs(words: _Words, sampled: Sampled, weight: _Floats, sought: Sought) -> NearPairs:
    """Return how the sampled pairs that are wanted differ, by which tables are planned."""
    kept = np.flatnonzero(weight > 0)
    most = min(_MOST_SAMPLED, _BITS_FOR_PLAN // (64 * words.shape[1]))
    kept = kept[:: max(math.ceil(len(kept) / most), 1)]
    key = sampled.key[kept]
    return NearPairs(
        differ=words[key >> np.uint64(32)] ^ words[key & _LOW],
        weight=weight[kept],
        expected_shares=sought.expected_shares,
        expected_weight=sought.expected_weight,
    )
