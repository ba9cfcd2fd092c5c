"""Linear structure: bits that are the exclusive or of fewer hidden bits can be unmixed without a key.

If each bit of an encoding is the exclusive or of some hidden bits, and every record is mixed alike,
then all encodings lie in the linear code that the hidden bits span over GF(2). Once there are more
records than hidden bits, elimination shows the code. A hidden bit that goes into few bits is a word of low
weight in it, and such words are found by information-set decoding (Prange 1962; with pivots exchanged
a few at a time, Canteaut and Chabaud 1998). Written in these words, an encoding *is* its hidden bits.

Salts do not hinder this, as all groups of a pass are mixed alike. Hidden filters that are
wider than the encodings do: then there is no code to see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.assess.attack.target import PassView, Target

__all__ = ["n_parities", "unmixed", "unmixed_view"]

Words = npt.NDArray[np.uint64]
Bits = npt.NDArray[np.uint8]

_SPARE_RECORDS = 16
_LEAST_PARITIES = 32
_HEAVIEST = 64
_CHANCE = -10.0
_ROUNDS = 3000
_CHECK_EVERY = 25
_PATIENCE = 1000
_LEAST_FOUND = 0.1
_EXCHANGED = 8
_LEAST_EXPLAINED = 0.7
_MIXED_SIGNS = 0.2
_POWER_STEPS = 20


def n_parities(view: PassView) -> int | None:
    """Count the independent sets of bits whose exclusive or is 0 in every record.

    Any above a handful come from mixing. They show with a little more than as many different
    encodings as there are hidden bits; with fewer the answer is None, as nothing can be said.

    Examples
    --------
    >>> bits = np.random.default_rng(0).integers(0, 2, (200, 64), dtype=np.uint8)
    >>> bits[:, 63] = bits[:, 0] ^ bits[:, 1]
    >>> n_parities(PassView(words=_packed(bits)))
    1
    """
    words = np.unique(view.words[view.usable], axis=0)
    rank = len(_eliminated(words.copy(), np.arange(view.n_bits)))
    return view.n_bits - rank if rank + _SPARE_RECORDS <= len(words) else None


def unmixed(*sides: Target, seed: int = 0) -> tuple[tuple[Target, ...], tuple[int, ...]]:
    """Replace each pass by its hidden bits, where they can be had on all sides.

    Parameters
    ----------
    *sides : Target
        Lists encoded alike.
    seed : int
        Seed of the search.

    Returns
    -------
    sides : tuple of Target
        The same lists; a record that was not mixed like the others (random bits in place of a
        filter) is not present in a pass that was unmixed.
    which : tuple of int
        Numbers of the passes that were unmixed.
    """
    rng = np.random.default_rng(seed)
    passes = [list(side.passes) for side in sides]
    which = []
    for number in range(len(passes[0])):
        found: list[PassView] = []
        for side in passes:
            view = unmixed_view(side[number], rng=rng)
            if view is None:
                break
            found.append(view)
        if len(found) == len(sides):
            which.append(number)
            width = min(view.words.shape[1] for view in found)
            for side, view in zip(passes, found, strict=True):
                side[number] = PassView(
                    words=view.words[:, :width], groups=view.groups, present=view.present
                )
    return tuple(Target(passes=tuple(side)) for side in passes), tuple(which)


def unmixed_view(view: PassView, *, rng: np.random.Generator) -> PassView | None:
    """Return the hidden bits of a pass, in an unknown order, or None where they do not show."""
    n_bits, rows = view.n_bits, np.flatnonzero(view.usable)
    words = view.words[rows]
    reduced = words.copy()
    pivots = _eliminated(reduced, np.arange(n_bits))
    n_different = len(np.unique(words, axis=0))
    if len(pivots) + _SPARE_RECORDS > n_different or n_bits - len(pivots) < _LEAST_PARITIES:
        return None
    checks = _checks(_unpacked(reduced[: len(pivots)]), pivots)
    basis = _hidden_words(checks, words, rng)
    if basis is None:
        return None
    hidden, explained = _coordinates(words, basis)
    hidden = _same_sign(hidden, explained)
    n_words = hidden.shape[1] // 64
    found = np.zeros((len(view.words), n_words), dtype=np.uint64)
    found[rows] = _packed(hidden[:, : n_words * 64])
    present = np.zeros(len(view.words), dtype=np.bool_)
    present[rows] = explained
    found[~present] = 0
    return PassView(words=found, groups=view.groups, present=present)


def _hidden_words(checks: Bits, words: Words, rng: np.random.Generator) -> Words | None:
    """Search light words of the code until they explain the records; None if they do not."""
    heaviest = _heaviest_telling(*checks.shape)
    if heaviest < 1:
        return None
    search = _Search.start(checks, rng)
    basis = _Basis.empty(checks.shape[1])
    found: dict[bytes, int] = {}
    rank, grown = checks.shape[1] - len(checks), 0
    for number in range(_ROUNDS):
        for word, weight in search.light_words(heaviest):
            found.setdefault(word, weight)
        if (number + 1) % _CHECK_EVERY == 0:
            before = len(basis.words)
            basis = _Basis.of(found, checks.shape[1])
            grown = number + 1 if len(basis.words) > before else grown
            if len(basis.words) < _LEAST_FOUND * rank or number + 1 - grown > _PATIENCE:
                return None
            if len(basis.words) and _explained(words, basis.words) >= _LEAST_EXPLAINED:
                return basis.words
            search.exchange(rng, all_of_them=True)
        else:
            search.exchange(rng)
    return None


def _same_sign(hidden: Bits, explained: npt.NDArray[np.bool_]) -> Bits:
    """Undo the flip of all of a record's bits, which an even number of inputs leaves open.

    Records agree a little more than not, so most lie on one side of their main direction.
    """
    signs = hidden[explained].astype(np.float32) * 2 - 1
    side = np.ones(len(signs), dtype=np.float32)
    length = 0.0
    for _ in range(_POWER_STEPS):
        side = signs @ (signs.T @ side)
        length = float(np.sqrt((side**2).sum()))
        side /= max(length, 1e-9)
    flipped = side < 0
    of_random = (math.sqrt(signs.shape[0]) + math.sqrt(signs.shape[1])) ** 2
    if length < 2 * of_random or not _MIXED_SIGNS < flipped.mean() < 1 - _MIXED_SIGNS:
        return hidden
    found = hidden.copy()
    found[np.flatnonzero(explained)[flipped]] ^= 1
    return found


def _explained(words: Words, basis: Words) -> float:
    return float(_coordinates(words[:: max(len(words) // 200, 1)], basis)[1].mean())


def _heaviest_telling(n_checks: int, n_bits: int) -> int:
    """Return up to which weight a random code of these sizes would hardly have a word."""
    total = 0.0
    for weight in range(1, _HEAVIEST + 1):
        total += math.comb(n_bits, weight)
        if math.log2(total) - n_checks > _CHANCE:
            return weight - 1
    return _HEAVIEST


def _checks(reduced: Bits, pivots: npt.NDArray[np.int64]) -> Bits:
    """Return the words orthogonal to a code in reduced form, one for each free bit."""
    n_bits = reduced.shape[1]
    free = np.setdiff1d(np.arange(n_bits), pivots)
    checks = np.zeros((len(free), n_bits), dtype=np.uint8)
    checks[np.arange(len(free)), free] = 1
    checks[:, pivots] = reduced[:, free].T
    return checks


@dataclass(kw_only=True, slots=True)
class _Search:
    """A check matrix in reduced form; each of its free columns is a word of the code."""

    checks: Words
    pivots: npt.NDArray[np.int64]
    bits: Bits

    @classmethod
    def start(cls, checks: Bits, rng: np.random.Generator) -> _Search:
        words = _packed(checks)
        pivots = _eliminated(words, rng.permutation(checks.shape[1]))
        return cls(checks=words, pivots=pivots, bits=_unpacked(words)[:, : checks.shape[1]])

    def light_words(self, heaviest: int) -> list[tuple[bytes, int]]:
        """Return the light ones of the words that show, each as packed bits, and its weight."""
        weights = self.bits.sum(axis=0, dtype=np.int64) + 1
        weights[self.pivots] = heaviest + 1
        found = []
        for column in np.flatnonzero(weights <= heaviest):
            word = np.zeros(self.bits.shape[1], dtype=np.uint8)
            word[column] = 1
            word[self.pivots[self.bits[:, column] == 1]] = 1
            found.append((_packed(word[None]).tobytes(), int(weights[column])))
        return found

    def exchange(self, rng: np.random.Generator, *, all_of_them: bool = False) -> None:
        """Exchange some pivots, or all, for other columns."""
        if all_of_them:
            self.pivots = _eliminated(self.checks, rng.permutation(self.bits.shape[1]))
        else:
            n_rows = len(self.checks)
            for row in rng.choice(n_rows, max(n_rows // _EXCHANGED, 1), replace=False):
                columns = np.flatnonzero(_unpacked(self.checks[row : row + 1])[0])
                columns = columns[columns != self.pivots[row]]
                if len(columns):
                    column = int(rng.choice(columns))
                    _clear(self.checks, int(row), column)
                    self.pivots[row] = column
        self.bits = _unpacked(self.checks)[:, : self.bits.shape[1]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Basis:
    """Independent words, the lightest of what was found."""

    words: Words

    @classmethod
    def empty(cls, n_bits: int) -> _Basis:
        return cls(words=np.zeros((0, n_bits // 64), dtype=np.uint64))

    @classmethod
    def of(cls, found: dict[bytes, int], n_bits: int) -> _Basis:
        if not found:
            return cls.empty(n_bits)
        order = sorted(found, key=lambda word: (found[word], word))
        words = np.frombuffer(b"".join(order), dtype=np.uint64).reshape(len(order), -1)
        # Pivot columns of the matrix whose columns are the words, lightest first.
        across = _packed(np.ascontiguousarray(_unpacked(words).T))
        return cls(words=words[_eliminated(across, np.arange(len(words)))])


def _coordinates(words: Words, basis: Words) -> tuple[Bits, npt.NDArray[np.bool_]]:
    """Write words in a basis, shape (n, n_basis), and say which of them can be."""
    n_basis, n_words = basis.shape
    joined = np.hstack([basis, _packed(np.eye(n_basis, dtype=np.uint8))])
    pivots = _eliminated(joined, np.arange(n_words * 64))
    change = _unpacked(joined[:, n_words:])[:, :n_basis].astype(np.float32)
    at_pivots = _unpacked(words)[:, pivots].astype(np.float32)
    # Sums of 0 and 1 stay far below what a float32 holds exactly.
    hidden = np.asarray(at_pivots @ change).astype(np.int64) & 1
    back = (hidden.astype(np.float32) @ _unpacked(basis).astype(np.float32)).astype(np.int64) & 1
    return hidden.astype(np.uint8), np.asarray((back == _unpacked(words)).all(axis=1))


def _eliminated(
    words: Words, order: Sequence[int] | npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Bring packed rows to reduced form, in place, pivots first; return the pivot columns."""
    pivots: list[int] = []
    for column in order:
        row = len(pivots)
        if row == len(words):
            break
        place, bit = int(column) // 64, np.uint64(int(column) % 64)
        below = np.flatnonzero((words[row:, place] >> bit) & np.uint64(1))
        if not len(below):
            continue
        if below[0]:
            words[[row, row + below[0]]] = words[[row + below[0], row]]
        _clear(words, row, int(column))
        pivots.append(int(column))
    return np.array(pivots, dtype=np.int64)


def _clear(words: Words, row: int, column: int) -> None:
    """Make `column` a unit vector with its one in `row`, in place."""
    has = ((words[:, column // 64] >> np.uint64(column % 64)) & np.uint64(1)).astype(np.bool_)
    has[row] = False
    words[has] ^= words[row]


def _packed(bits: Bits) -> Words:
    short = -bits.shape[1] % 64
    octets = np.packbits(np.pad(bits, ((0, 0), (0, short))), axis=1, bitorder="little")
    return np.ascontiguousarray(octets).view("<u8").astype(np.uint64)


def _unpacked(words: Words) -> Bits:
    octets = np.ascontiguousarray(words.astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(octets.reshape(len(words), -1), axis=1, bitorder="little")
