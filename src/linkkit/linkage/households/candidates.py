"""Pairs of people who may share a home: they agree in a phone, an address, a guardian, or a name and an area."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block.keys import pairs_of_blocks, sorted_blocks
from linkkit.linkage.households.evidence import MOST_SHARING, Evidence, combined

__all__ = ["HomePairs", "count_meetings", "find_candidates"]

_MOST_NAMESAKES = 400
"""So many rows with one surname in one place are compared; of more, too few are of one home."""

_PAIRS_PER_PERSON = 60

_Keys = npt.NDArray[np.uint64]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class HomePairs:
    """Pairs of people, by number, the smaller left; each once, sorted.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Numbers of people.
    n_crowded : int
        Rows whose value was too common, in one of the ways to meet, to bring people together.
    """

    left: _Ints
    right: _Ints
    n_crowded: int = 0

    def __len__(self) -> int:
        return len(self.left)


def find_candidates(evidence: Evidence) -> HomePairs:
    """Find all pairs of people who agree in one of the keys of a home."""
    found: list[_Ints] = [np.zeros(0, dtype=np.int64)]
    n_crowded = 0
    for every, most in _ways_to_meet(evidence):
        keys, n = _affordable(every, most, budget=_PAIRS_PER_PERSON * len(evidence.person))
        n_crowded += n
        found += _met(evidence, keys)
    places = np.unique(np.concatenate(found))
    return HomePairs(left=places >> 32, right=places & 0xFFFFFFFF, n_crowded=n_crowded)


def count_meetings(evidence: Evidence) -> int:
    """Return how many pairs of rows agree in one of the keys of a home, those that agree in two twice."""
    n_pairs = 0
    for every, most in _ways_to_meet(evidence):
        keys, _ = _affordable(every, most, budget=_PAIRS_PER_PERSON * len(evidence.person))
        sizes = np.unique(keys[keys != 0], return_counts=True)[1]
        n_pairs += int((sizes * (sizes - 1) // 2).sum())
    return n_pairs


def _ways_to_meet(evidence: Evidence) -> Iterator[tuple[_Keys, int]]:
    """Yield keys, and how many rows may share one."""
    fields, values = evidence.fields, evidence.values
    for f in fields.others:
        yield values[f].keys, MOST_SHARING
    surname = None if fields.surname is None else values[fields.surname].keys
    if fields.address is not None:
        yield values[fields.address].keys, MOST_SHARING
        if surname is not None:
            yield combined(values[fields.address].keys, surname), _MOST_NAMESAKES
    if evidence.places is not None:
        yield evidence.places.keys, MOST_SHARING
    if surname is not None and evidence.areas is not None:
        yield combined(surname, evidence.areas.keys), _MOST_NAMESAKES
    elif surname is not None:
        yield surname, MOST_SHARING


def _affordable(keys: _Keys, most: int, *, budget: int) -> tuple[_Keys, int]:
    """Return keys without those that too many rows share, and how many rows lose theirs."""
    value, number, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    sizes[value == 0] = 1
    size = sizes[number]
    has = keys != 0
    n_of_size = np.bincount(sizes, minlength=2).astype(np.float64)
    scale = np.arange(len(n_of_size), dtype=np.float64)
    pairs = np.cumsum(n_of_size * scale * (scale - 1) / 2)
    largest = min(most, int(np.searchsorted(pairs, budget, side="right")))
    crowded = has & (size > max(largest, 2))
    return np.where(crowded, np.uint64(0), keys), int(crowded.sum())


def _met(evidence: Evidence, keys: _Keys) -> Iterator[_Ints]:
    blocks = sorted_blocks(evidence.pool, keys[:, None], (0,))
    blocks = replace(blocks, largest=_MOST_NAMESAKES**2)
    for left, right in pairs_of_blocks(evidence.pool, blocks):
        one, other = evidence.person[left], evidence.person[right]
        different = one != other
        # Rows are sorted by person, so the smaller row is of the smaller person.
        yield np.unique((one[different] << 32) | other[different])
