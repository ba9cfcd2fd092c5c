"""Similarities that do not depend on the key: what two encodings share under any key.

A keyed filter hides which bit a token sets. It does not hide how much two filters agree, and in
expectation they agree as much under the attacker's key as under the secret one. All attacks here
rest on that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.optimize import minimize_scalar

from linkkit.assess.attack.target import PassView, Target
from linkkit.errors import OptionError

__all__ = [
    "Kernel",
    "TokenSets",
    "WeightedTokens",
    "comparable",
    "kernels",
    "signs",
    "similarities",
    "token_matrix",
]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class WeightedTokens(Sequence[npt.NDArray[np.int64]]):
    """Token ids of each record where some tokens set more bits than others.

    Attributes
    ----------
    sets : sequence of ndarray of int64
        Token ids of each record.
    weights : ndarray of float64, shape (n_tokens,)
        Bits that each token sets, or anything in proportion, above 0.
    """

    sets: Sequence[npt.NDArray[np.int64]]
    weights: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.sets)

    def __repr__(self) -> str:
        return f"<WeightedTokens: {len(self)} records, {len(self.weights)} tokens>"

    @overload
    def __getitem__(self, place: int) -> npt.NDArray[np.int64]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[npt.NDArray[np.int64]]: ...
    def __getitem__(self, place: int | slice) -> Any:
        """Return the token ids of a record, or of several."""
        return self.sets[place]


TokenSets = Sequence[Sequence[npt.NDArray[np.int64]]]
"""For each pass (or once for all) the token ids of each record of the attacker's list."""

Floats = npt.NDArray[np.float32]

_PAIRS_FITTED = 200_000
_MOST_XORED = 8
_POOR_FIT = 1.6


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Kernel:
    """Expected agreement of the bits of two records of the attacker's list.

    Attributes
    ----------
    values : ndarray of float32, shape (n_own, n_own)
        From -1 to 1; 0 for records that are not comparable.
    n_xored : int
        How many input bits seem to make an output bit; 0 when the encodings themselves
        served as the kernel.
    """

    values: Floats
    n_xored: int


def signs(view: PassView) -> Floats:
    """Return the bits as -1 and 1, shape (n_records, n_bits); 0 in a record that has none."""
    found = view.bits().astype(np.float32) * 2 - 1
    found[~view.usable] = 0
    return found


def comparable(view: PassView) -> npt.NDArray[np.bool_]:
    """Which pairs of records can be compared in a pass, shape (n_records, n_records)."""
    usable = view.usable
    pairs = usable[:, None] & usable[None, :]
    if view.groups is not None:
        pairs &= view.groups[:, None] == view.groups[None, :]
    return pairs


def similarities(view: PassView, *, center: bool) -> Floats:
    """Mean agreement of the bits of each pair of records, from -1 to 1; 0 across groups.

    Parameters
    ----------
    view : PassView
        Encodings of n records.
    center : bool
        Take the mean of each bit over all records out first, so that what every record has in
        common does not count; then it is a correlation.

    Returns
    -------
    ndarray of float32, shape (n, n)
    """
    found = signs(view)
    if center:
        found -= found.mean(axis=0, where=view.usable[:, None]) if view.usable.any() else 0
        found[~view.usable] = 0
        length = np.sqrt((found**2).sum(axis=1, keepdims=True))
        found /= np.maximum(length, 1e-6)
        values = found @ found.T
    else:
        values = found @ found.T / view.n_bits
    return np.where(comparable(view), values, np.float32(0))


def token_matrix(sets: Sequence[npt.NDArray[np.int64]]) -> sp.csr_array[np.float32]:
    """Which record has which token, shape (n_records, n_tokens), 0 or 1."""
    lengths = [len(one) for one in sets]
    flat = np.concatenate([*sets, np.zeros(0, dtype=np.int64)]).astype(np.int64)
    rows = np.repeat(np.arange(len(sets)), lengths)
    shape = (len(sets), int(flat.max(initial=0)) + 1)
    found = sp.csr_array((np.ones(len(flat), dtype=np.float32), (rows, flat)), shape=shape)
    found.data[:] = 1
    return found


def kernels(
    own: Target,
    tokens: TokenSets | None,
    *,
    rng: np.random.Generator,
    hidden: Collection[int] = (),
) -> list[Kernel]:
    """Return each pass's kernel: from the tokens, if they explain the encodings, or as measured.

    Under a random key the bits of a Bloom filter are independent, and two filters of x and y
    tokens that hold u different ones agree in a bit with a probability that depends on
    ``q ** x``, ``q ** y`` and ``q ** u`` alone, where ``q`` is the chance that a token leaves
    a bit empty; XOR of t bits raises the agreement to the power t. The attacker reads `q` and
    t off its own encodings. `hidden` numbers the passes where the target is known bit by bit
    before XOR, and the power is left out.

    Raises
    ------
    OptionError
        When `tokens` has neither one entry nor one for each pass, of all records.
    """
    if tokens is not None:
        _require_tokens(tokens, own)
    found = []
    for number, view in enumerate(own.passes):
        kernel = None
        if tokens is not None:
            sets = tokens[number if len(tokens) > 1 else 0]
            kernel = _from_tokens(view, sets, rng, hidden=number in hidden)
        found.append(kernel or Kernel(values=similarities(view, center=False), n_xored=0))
    return found


def _require_tokens(tokens: TokenSets, own: Target) -> None:
    if len(tokens) not in (1, len(own.passes)):
        raise OptionError("token sets are given once for all passes, or once for each")
    if any(len(sets) != len(own) for sets in tokens):
        raise OptionError("token sets are given for each record of the attacker's list")


def _from_tokens(
    view: PassView, sets: Sequence[npt.NDArray[np.int64]], rng: np.random.Generator, *, hidden: bool
) -> Kernel | None:
    matrix = token_matrix(sets)
    if isinstance(sets, WeightedTokens):
        scale = sets.weights / sets.weights.mean()
        matrix.data *= np.sqrt(scale)[matrix.indices].astype(np.float32)
    sizes = matrix.power(2).sum(axis=1).astype(np.float32)
    joint = (matrix @ matrix.T).toarray().astype(np.float32)
    unions = sizes[:, None] + sizes[None, :] - joint
    pairs = comparable(view)
    rows, columns = np.nonzero(np.triu(pairs, 1))
    if len(rows) > _PAIRS_FITTED:
        chosen = rng.choice(len(rows), _PAIRS_FITTED, replace=False)
        rows, columns = rows[chosen], columns[chosen]
    if not len(rows):
        return None
    bits = signs(view)
    measured = np.concatenate(
        [
            np.einsum("ij,ij->i", bits[rows[i : i + 4096]], bits[columns[i : i + 4096]])
            for i in range(0, len(rows), 4096)
        ]
    )
    measured /= view.n_bits
    q, n_xored, error = _fitted(
        measured, sizes[rows], sizes[columns], unions[rows, columns], view.n_bits
    )
    if error > _POOR_FIT:
        return None
    n_xored = 1 if hidden else n_xored
    values = _agreement(q, sizes[:, None], sizes[None, :], unions) ** n_xored
    np.fill_diagonal(values, 1)
    return Kernel(values=np.where(pairs, values, 0).astype(np.float32), n_xored=n_xored)


def _fitted(
    measured: Floats, one: Floats, other: Floats, unions: Floats, n_bits: int
) -> tuple[float, int, float]:
    """Return q, t and the squared error in units of what random bits would leave."""
    noise = float(np.mean(1 - measured**2)) / n_bits
    best = (0.5, 1, np.inf)
    for n_xored in range(1, _MOST_XORED + 1):

        def error(rate: float, t: int = n_xored) -> float:
            expected = _agreement(np.exp(-rate), one, other, unions) ** t
            return float(np.mean((measured - expected) ** 2)) / noise

        found = minimize_scalar(error, bounds=(1e-4, 0.5), method="bounded")
        if found.fun < best[2] - 1e-6:
            best = (float(np.exp(-found.x)), n_xored, float(found.fun))
    return best


def _agreement(q: float, one: Floats, other: Floats, unions: Floats) -> Floats:
    differ = q**one + q**other - 2 * q**unions
    return np.asarray(1 - 2 * differ, dtype=np.float32)
