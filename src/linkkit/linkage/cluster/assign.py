"""One-to-one assignment of scored pairs: each record of either side in one link at most."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from linkkit.engines import has_numba
from linkkit.errors import OptionError
from linkkit.linkage.cluster import _assign_reference

__all__ = ["connected_records", "one_to_one"]

_Ints = npt.NDArray[np.integer[Any]]


def one_to_one(
    left: _Ints,
    right: _Ints,
    score: npt.NDArray[np.floating[Any]],
    *,
    method: Literal["greedy", "optimal"] = "greedy",
    threshold: float = 0.0,
) -> npt.NDArray[np.bool_]:
    """Choose among scored pairs so that each record is in one pair at most.

    Parameters
    ----------
    left, right : ndarray of int, shape (n_pairs,)
        Records of either side, 0 or more. No pair twice.
    score : ndarray of float, shape (n_pairs,)
        The more, the better: a probability, a similarity or a match weight.
    method : {"greedy", "optimal"}
        The best pair first, then the best that is left, and so on; or the choice whose scores, less
        the threshold, have the largest sum (shortest augmenting paths: Jonker and Volgenant,
        1987). Greedy is as good where few records compete, and what is chosen does not depend on pairs
        elsewhere that are worse.
    threshold : float
        Pairs with less are not chosen, nor, by "optimal", those with just as much.

    Returns
    -------
    ndarray of bool, shape (n_pairs,)
        Which pairs are chosen. Of equal scores the pair with the smaller left, then right, comes first,
        so that the order of pairs does not matter.

    Raises
    ------
    OptionError
        When the arrays do not fit, a score is not finite, or a pair is given twice.

    Examples
    --------
    >>> import numpy as np
    >>> left, right = np.array([0, 0, 1]), np.array([0, 1, 0])
    >>> score = np.array([0.9, 0.8, 0.8])
    >>> one_to_one(left, right, score).tolist()
    [True, False, False]
    >>> one_to_one(left, right, score, method="optimal").tolist()
    [False, True, True]
    """
    one, other, gain = _checked(left, right, score)
    if method not in {"greedy", "optimal"}:
        raise OptionError("'method' is greedy or optimal", hint="Leave it out for greedy.")
    enough = np.flatnonzero(gain >= threshold)
    order = enough[_by_place(one[enough], other[enough])]
    one, other, gain = one[order], other[order], gain[order]
    if np.any((one[1:] == one[:-1]) & (other[1:] == other[:-1])):
        raise OptionError("a pair is given twice", hint="Give each pair once.")
    chosen = (
        _greedy(one, other, gain) if method == "greedy" else _optimal(one, other, gain - threshold)
    )
    answer = np.zeros(len(left), dtype=np.bool_)
    answer[order[chosen]] = True
    return answer


def connected_records(left: _Ints, right: _Ints, *, n_records: int) -> npt.NDArray[np.int64]:
    """Return the smallest record of each record's connected component, shape (n_records,).

    Parameters
    ----------
    left, right : ndarray of int, shape (n_pairs,)
        The ends of each edge, 0 to `n_records` - 1.
    n_records : int
        How many records there are; those without an edge are their own component.

    Examples
    --------
    >>> import numpy as np
    >>> connected_records(np.array([3, 1]), np.array([4, 3]), n_records=6).tolist()
    [0, 1, 2, 1, 1, 5]
    """
    one, other, _ = _checked(left, right, np.zeros(len(left)))
    if len(one) and max(int(one.max()), int(other.max())) >= n_records:
        raise OptionError(
            f"a record is not below {n_records:,}", hint="Give the number of records."
        )
    if not has_numba():
        return _assign_reference.components(one, other, n_records)
    from linkkit.linkage.cluster import _assign_kernels

    kernel: Any = _assign_kernels.components
    return np.asarray(kernel(one, other, n_records))


def _checked(
    left: _Ints, right: _Ints, score: npt.NDArray[np.floating[Any]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    one, other, gain = np.asarray(left), np.asarray(right), np.asarray(score, dtype=np.float64)
    problems = []
    if not (one.ndim == other.ndim == gain.ndim == 1 and len(one) == len(other) == len(gain)):
        problems.append("the arrays are one-dimensional and equally long")
    elif len(one) and not (one.dtype.kind in "iu" and other.dtype.kind in "iu"):
        problems.append("records are whole numbers")
    elif len(one) and min(int(one.min()), int(other.min())) < 0:
        problems.append("records are numbers from 0 on")
    if not problems and not np.all(np.isfinite(gain)):
        problems.append("scores are finite")
    if problems:
        raise OptionError(problems, hint="Give left, right and score, an entry for each pair.")
    return one.astype(np.int64), other.astype(np.int64), gain


def _by_place(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the order of pairs by left, then right; most often they have it already."""
    step_left, step_right = np.diff(left), np.diff(right)
    if not len(left) or np.all((step_left > 0) | ((step_left == 0) & (step_right >= 0))):
        return np.arange(len(left))
    width = int(right.max()) + 1
    if (int(left.max()) + 1) * width < 1 << 63:
        return np.argsort(left * width + right).astype(np.int64)
    return np.lexsort((right, left)).astype(np.int64)


def _greedy(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], gain: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    best_first = np.argsort(-gain, kind="stable").astype(np.int64)
    if not has_numba():
        return _assign_reference.take_best_first(left, right, best_first)
    from linkkit.linkage.cluster import _assign_kernels

    kernel: Any = _assign_kernels.take_best_first
    n_left, n_right = (int(side.max(initial=-1)) + 1 for side in (left, right))
    return np.asarray(kernel(left, right, best_first, n_left, n_right))


def _optimal(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], gain: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    worth = np.flatnonzero(gain > 0)
    left, right = left[worth], right[worth]
    kept = np.zeros(len(gain), dtype=np.bool_)
    if not len(worth):
        return kept
    if not has_numba():
        kept[worth] = _assign_reference.best_total(left, right, gain[worth])
        return kept
    from linkkit.linkage.cluster import _assign_kernels

    starts = np.flatnonzero(np.append(True, left[1:] != left[:-1]))
    kernel: Any = _assign_kernels.assign_components
    pairs = kernel(
        np.append(starts, len(left)).astype(np.int64), right, gain[worth], int(right.max()) + 1
    )
    kept[worth[pairs[pairs >= 0]]] = True
    return kept
