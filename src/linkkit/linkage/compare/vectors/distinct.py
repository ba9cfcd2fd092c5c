"""Equal filters as one: what is compared once for all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.errors import LinkageError
from linkkit.linkage.compare.vectors._reference import similarities

__all__ = ["Distinct", "digests"]

_ODD = np.uint64(0x9E3779B97F4A7C15)

_Ints = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


def digests(words: _Words) -> _Words:
    """Return a 64-bit digest of each row; equal rows have equal ones."""
    keys = np.zeros(len(words), dtype=np.uint64)
    for word in range(words.shape[1]):
        keys ^= words[:, word]
        keys *= _ODD
        keys ^= keys >> np.uint64(29)
    return keys


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Distinct:
    """The different filters of each party.

    Attributes
    ----------
    words : ndarray of uint64, shape (n_distinct, n_words)
        Filters, in the order in which each is first seen.
    party : ndarray of int64, shape (n_distinct,)
        Parties.
    members : ndarray of int64, shape (n,)
        All rows, sorted by which of the distinct they equal.
    starts : ndarray of int64, shape (n_distinct + 1,)
        Where the rows of each begin among `members`.
    """

    words: _Words
    party: _Ints
    members: _Ints
    starts: _Ints

    @classmethod
    def of(cls, words: _Words, party: _Ints, *, n_parties: int) -> Distinct:
        """Group the rows, which are sorted by party."""
        digest = digests(words)
        ends = np.cumsum(np.bincount(party, minlength=n_parties))
        order = np.concatenate(
            [start + np.argsort(digest[start:end], kind="stable")
             for start, end in zip(np.append(0, ends[:-1]).tolist(), ends.tolist(), strict=True)]
        ).astype(np.int64)  # fmt: skip
        is_new = np.ones(len(order), dtype=np.bool_)
        is_new[1:] = (digest[order[1:]] != digest[order[:-1]]) | (
            party[order[1:]] != party[order[:-1]]
        )
        # Rows with equal digests are equal, but for one in 2**64.
        alike = np.flatnonzero(~is_new)
        is_new[alike] = np.any(words[order[alike]] != words[order[alike - 1]], axis=1)
        starts = np.flatnonzero(is_new)
        if len(starts) == len(order):
            everybody = np.arange(len(order), dtype=np.int64)
            return cls(
                words=words, party=party, members=everybody, starts=np.arange(len(order) + 1)
            )
        # The first row of a group stands for it, and groups are sorted by it.
        by_first = np.argsort(order[starts], kind="stable")
        sizes = np.diff(np.append(starts, len(order)))
        members = order[_ranges(starts[by_first], sizes[by_first])]
        first = order[starts[by_first]]
        return cls(
            words=words[first], party=party[first], members=members,
            starts=np.append(0, np.cumsum(sizes[by_first])),
        )  # fmt: skip

    @property
    def sizes(self) -> _Ints:
        """How many rows equal each."""
        return np.diff(self.starts)

    def expanded(
        self,
        pairs: tuple[_Ints, _Ints, _Ints],
        *,
        clean: npt.NDArray[np.bool_],
        measure: str,
        threshold: float,
        max_pairs: int,
    ) -> tuple[_Ints, _Ints, _Ints]:
        """Return pairs of rows for pairs of distinct filters.

        Parameters
        ----------
        pairs : tuple of ndarray
            Positions of the two filters, and the bits that they have in common.
        clean : ndarray of bool, shape (n_parties,)
            Whether equal rows of a party are no pairs.
        measure, threshold : str, float
            How similar equal rows have to be; those without any bit may not be.
        max_pairs : int
            Refuse to return more.

        Raises
        ------
        LinkageError
            When there are more pairs, before any is made.
        """
        left, right, common = pairs
        sizes = self.sizes
        if int(sizes.max(initial=0)) <= 1:
            return left, right, common
        crowds, n_set = self._alike(clean, measure, threshold)
        n = sizes[left] * sizes[right]
        total = int(n.sum()) + int((sizes[crowds] * (sizes[crowds] - 1) // 2).sum())
        if total > max_pairs:
            raise LinkageError(
                f"{total:,} pairs are at least {threshold:g} alike, more than {max_pairs:,}: "
                f"up to {int(sizes.max()):,} filters of a file are equal",
                hint="Leave out rows that nothing tells apart, or raise max_pairs.",
            )
        which, place = np.repeat(np.arange(len(left)), n), _ranges(np.zeros_like(n), n)
        n_right = sizes[right[which]]
        one = self.members[self.starts[left[which]] + place // n_right]
        other = self.members[self.starts[right[which]] + place % n_right]
        parts = [(one, other, common[which])]
        for crowd, bits in zip(crowds.tolist(), n_set.tolist(), strict=True):
            rows = self.members[self.starts[crowd] : self.starts[crowd + 1]]
            a, b = np.triu_indices(len(rows), 1)
            parts.append((rows[a], rows[b], np.full(len(a), bits)))
        ends = [np.concatenate(part) for part in zip(*parts, strict=True)]
        low, high = np.minimum(ends[0], ends[1]), np.maximum(ends[0], ends[1])
        order = np.lexsort((high, low))
        return low[order], high[order], ends[2][order]

    def _alike(
        self, clean: npt.NDArray[np.bool_], measure: str, threshold: float
    ) -> tuple[_Ints, _Ints]:
        """Return filters of which a party has several, that are pairs of their own, and their bits."""
        crowds = np.flatnonzero((self.sizes > 1) & ~clean[self.party])
        n_set = np.bitwise_count(self.words[crowds]).sum(axis=1, dtype=np.int64)
        n_bits = 64 * self.words.shape[1]
        score = similarities(measure, n_set, n_set, n_set, n_bits=n_bits)
        return crowds[score >= threshold], n_set[score >= threshold]


def _ranges(starts: _Ints, sizes: _Ints) -> _Ints:
    """Return the numbers from each start, so many."""
    ends = np.cumsum(sizes)
    places = np.arange(int(sizes.sum())) + np.repeat(starts - (ends - sizes), sizes)
    return np.asarray(places, dtype=np.int64)
