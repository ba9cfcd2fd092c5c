"""Rounds of matching: likely matches teach, what they teach makes matches likelier.

The same loop serves an attacker without a key, who starts from key-independent features, and
one with known pairs, who starts from these. Every pair of records has a weight: how far it is
taken for the same person. Weights start almost even and grow sharper from round to round, so
that at first many doubtful matches teach together and at last only certain ones. Known pairs are
certain from the start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from linkkit.assess.attack.evidence import bit_evidence, group_evidence, ridge_for
from linkkit.assess.attack.similarity import Kernel, signs
from linkkit.assess.attack.target import Target

__all__ = [
    "Guesses",
    "Known",
    "Matching",
    "assign",
    "balanced",
    "certain_matches",
    "guesses",
    "no_known",
    "run_rounds",
    "sharpened",
]

Floats = npt.NDArray[np.float32]

Guesses = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Positions in the own list, shape (n_target,), -1 for none: in two ways, as one to one is best
where much is known, and each record for itself where little is."""

_SINKHORN_STEPS = 5
_BISECTIONS = 9
_SHARPEST = 0.9
_STEP = 1.12
_FADING = 15
_LEAST_SURE = 0.5


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Known:
    """Pairs the attacker knows: positions in the target and in the attacker's list."""

    of_target: npt.NDArray[np.int64]
    of_own: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.of_target)

    def settle(self, values: Floats, *, high: float, low: float) -> None:
        """Write the pairs into a matrix, in place."""
        values[self.of_target] = low
        values[:, self.of_own] = low
        values[self.of_target, self.of_own] = high


def no_known() -> Known:
    """Return no known pair."""
    return Known(of_target=np.zeros(0, dtype=np.int64), of_own=np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Matching:
    """The loop's sides and what stays the same in it."""

    target: Target
    own: Target
    kernels: list[Kernel]
    known: Known = field(default_factory=no_known)
    only: Literal["bits", "groups"] | None = None
    ridges: tuple[float, ...] | None = None

    def evidence(self, weights: Floats) -> Floats:
        """Add up bits and groups of all passes, in nats, shape (n_target, n_own)."""
        total = np.zeros(weights.shape, dtype=np.float32)
        passes = zip(self.target.passes, self.own.passes, strict=True)
        for number, (view, mine) in enumerate(passes):
            if self.only != "groups":
                total += bit_evidence(
                    signs(view),
                    view.usable,
                    self.kernels[number].values,
                    weights,
                    own_groups=mine.groups,
                    **({"ridge": self.ridges[number]} if self.ridges else {}),
                )
            if self.only != "bits" and view.groups is not None and mine.groups is not None:
                total += group_evidence(view.groups, mine.groups, weights)
        return total

    def with_ridges(self) -> Matching:
        """Return the same with each pass's ridge learned from the known pairs."""
        ridges = []
        for view, kernel in zip(self.target.passes, self.kernels, strict=True):
            there = view.usable[self.known.of_target]
            own = self.known.of_own[there]
            bits = signs(view)[self.known.of_target[there]]
            ridges.append(ridge_for(bits, kernel.values[np.ix_(own, own)]))
        return replace(self, ridges=tuple(ridges))


def run_rounds(
    matching: Matching,
    weights: Floats,
    *,
    start: Floats | None,
    certainty: float,
    n_rounds: int,
    n_soft: int,
    after: Callable[[Guesses], None],
) -> None:
    """Run the rounds and hand each one's assignment to `after`.

    Parameters
    ----------
    matching : Matching
        Both sides, kernels, known pairs.
    weights : ndarray of float32, shape (n_target, n_own)
        What is believed before the first round, each row 0 to 1 in sum.
    start : ndarray of float32, same shape, or None
        Evidence from features, which fades out over the first rounds.
    certainty : float
        Mean weight of the matches at the first sharpening, 0 to 1.
    n_rounds, n_soft : int
        How many rounds, and after how many only certain matches teach.
    after : callable
        Gets each round's guesses.
    """
    for number in range(n_rounds):
        found = matching.evidence(weights)
        after(guesses(found, matching.known))
        if number >= n_soft:
            weights = certain_matches(found, matching.known)
            matching.known.settle(weights, high=1, low=0)
            continue
        certainty = min(_SHARPEST, certainty * _STEP)
        if start is not None and number < _FADING:
            found = found - found.mean(axis=1, keepdims=True)
            found = found / max(float(found.std()), 1e-9)
            found += start * np.float32(0.5 * (1 - number / _FADING))
        weights = sharpened(found, certainty)
        matching.known.settle(weights, high=1, low=0)


def certain_matches(values: Floats, known: Known) -> Floats:
    """Return weights of the pairs that are each other's best by far, 0 for all others.

    A pair's weight is the smaller of its shares among all pairs of its row and of its column,
    taking `values` for log likelihood ratios; pairs below even odds teach more errors than bits.
    """
    free = values.copy()
    known.settle(free, high=-np.inf, low=-np.inf)
    rows, columns = np.isfinite(free).any(axis=1), np.isfinite(free).any(axis=0)
    shares = np.zeros_like(values)
    inner = free[np.ix_(rows, columns)]
    if inner.size:
        by_row = np.exp(inner - inner.max(axis=1, keepdims=True))
        by_column = np.exp(inner - inner.max(axis=0, keepdims=True))
        by_row /= by_row.sum(axis=1, keepdims=True)
        by_column /= by_column.sum(axis=0, keepdims=True)
        shares[np.ix_(rows, columns)] = np.minimum(by_row, by_column)
    found = np.zeros_like(values)
    of_row, best = np.arange(len(values)), shares.argmax(axis=1)
    sure = (shares[of_row, best] > _LEAST_SURE) & (shares.argmax(axis=0)[best] == of_row)
    found[of_row[sure], best[sure]] = shares[of_row[sure], best[sure]]
    return found


def guesses(values: Floats, known: Known) -> Guesses:
    """Return who each record is taken for: assigned one to one, and each record's own best."""
    free = values.copy()
    free[:, known.of_own] = -np.inf
    return assign(values, known), np.asarray(free.argmax(axis=1), dtype=np.int64)


def assign(values: Floats, known: Known) -> npt.NDArray[np.int64]:
    """Assign records one to one with the highest sum; -1 for what is left over."""
    values = values.copy()
    if values.shape[0] == values.shape[1]:  # everybody gets a partner: what a column has in
        values -= values.mean(axis=0)  # common changes no assignment, and slows it ten times
    least = float(values.min()) - 1
    known.settle(values, high=float(values.max()) + 1, low=least)
    rows, columns = linear_sum_assignment(values, maximize=True)
    found = np.full(len(values), -1, dtype=np.int64)
    found[rows] = columns
    return found


def balanced(weights: Floats) -> Floats:
    """Scale rows and columns in turn so that each sums to about 1, in place (Sinkhorn)."""
    for _ in range(_SINKHORN_STEPS):
        weights /= weights.sum(axis=1, keepdims=True) + np.float32(1e-12)
        weights /= np.maximum(weights.sum(axis=0, keepdims=True), 1)
    return weights


def sharpened(values: Floats, certainty: float) -> Floats:
    """Turn evidence into weights, so sharp that the mean match weighs `certainty`."""
    centered: Floats = values - values.mean(axis=0)
    centered -= centered.max(axis=1, keepdims=True)
    centered /= max(float(centered.std()), 1e-9)
    low, high = 0.05, 200.0
    weights: Floats = np.zeros_like(centered)
    for _ in range(_BISECTIONS):
        middle = float(np.sqrt(low * high))
        weights = balanced(np.exp(centered * np.float32(middle)))
        reached = (weights**2).sum() / max(float(weights.sum()), 1e-9)
        low, high = (middle, high) if reached < certainty else (low, middle)
    return weights
