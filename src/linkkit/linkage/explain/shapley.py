"""Shares of a sum that no order of its parts decides.

What a field tells depends on what is known already where fields hang together. So each gets what
it adds in the mean over all orders in which the fields might be looked at (Shapley, 1953). The shares sum to
the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_EXACT", "shares"]

MOST_EXACT = 12
"""Up to so many parts all subsets are looked at, 4,096; beyond, a fixed sample of orders."""

_N_ORDERS = 1_024

_Floats = npt.NDArray[np.float64]
_Bits = npt.NDArray[np.bool_]

Worth = Callable[[_Bits], _Floats]
"""From subsets, shape (n_subsets, n_parts), to what each is worth, shape (n_subsets,)."""


def shares(worth: Worth, n_parts: int) -> _Floats:
    """Return the share of each part, shape (n_parts,); they sum to the whole less nothing.

    Parameters
    ----------
    worth : callable
        What subsets of the parts are worth.
    n_parts : int
        How many parts there are.

    Examples
    --------
    >>> shares(lambda known: known @ np.array([3.0, 1.0]) + known.all(axis=1), 2).tolist()
    [3.5, 1.5]
    """
    if not n_parts:
        return np.zeros(0)
    return _exact(worth, n_parts) if n_parts <= MOST_EXACT else _sampled(worth, n_parts)


def _exact(worth: Worth, n: int) -> _Floats:
    number = np.arange(1 << n)
    known = (number[:, None] >> np.arange(n) & 1).astype(np.bool_)
    value, size = worth(known), known.sum(axis=1)
    chance = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)])
    answer = np.zeros(n)
    for part in range(n):
        without = number[~known[:, part]]
        gain = value[without | (1 << part)] - value[without]
        answer[part] = float(chance[size[without]] @ gain)
    return answer


def _sampled(worth: Worth, n: int) -> _Floats:
    """Return the shares over a sample of orders and the same orders from behind."""
    rng = np.random.default_rng(0)
    half = [rng.permutation(n) for _ in range(_N_ORDERS // 2)]
    orders = np.array([*half, *(order[::-1] for order in half)])
    known = np.zeros((len(orders), n + 1, n), dtype=np.bool_)
    for step in range(n):
        known[:, step + 1] = known[:, step]
        known[np.arange(len(orders)), step + 1, orders[:, step]] = True
    gains = np.diff(worth(known.reshape(-1, n)).reshape(len(orders), n + 1), axis=1)
    answer = np.zeros(n)
    np.add.at(answer, orders.ravel(), gains.ravel())
    return answer / len(orders)
