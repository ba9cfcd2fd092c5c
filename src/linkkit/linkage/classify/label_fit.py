"""What labels of some pairs say of all: by how much the weights of agreement are off.

Pairs are labeled because they were doubtful, so that their share of matches tells nothing of all pairs. But
among pairs with the same agreement it does not matter why they were chosen. So the log odds of the
model are taken as given, and labels correct what each level of each field adds to them, and no more than
they can prove: logistic regression with an offset and a penalty (Hoerl and Kennard, 1970). A few
labels prove nothing of all pairs, nor does one that the model holds for all but impossible: some pairs
are special, and some answers wrong (a share of contaminated labels, Copas, 1988).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from linkkit.linkage.compare import N_LEVELS

__all__ = ["correction_by_labels"]

_SD_OF_LEVEL = 1.0
_SD_OF_ALL = 1.5
_FEWEST_OF_EACH = 8
"""With fewer labels of either verdict, nothing is corrected."""

_CONTAMINATED = 0.02
_MAX_ROUNDS = 100
_SMALL_STEP = 1e-8
_MOST_NATS = 30.0


def correction_by_labels(
    levels: npt.NDArray[np.int8],
    log_odds: npt.NDArray[np.float64],
    same: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """Return what to add to the log odds for each level of each field, in nats.

    Parameters
    ----------
    levels : ndarray of int8, shape (n_labels, n_fields)
        Agreement of the labeled pairs.
    log_odds : ndarray of float64, shape (n_labels,)
        What the model says of them, in nats.
    same : ndarray of bool, shape (n_labels,)
        The labels.

    Returns
    -------
    ndarray of float64, shape (n_fields, n_levels)
        What holds for all pairs alike is spread over the fields. Zeros where labels are few.
    """
    n_fields = levels.shape[1]
    if min(int(same.sum()), int((~same).sum())) < _FEWEST_OF_EACH:
        return np.zeros((n_fields, N_LEVELS))
    columns = np.arange(n_fields) * N_LEVELS + levels
    design = np.zeros((len(levels), n_fields * N_LEVELS + 1))
    np.put_along_axis(design, columns, 1.0, axis=1)
    design[:, -1] = 1.0
    penalty = np.full(design.shape[1], _SD_OF_LEVEL**-2)
    penalty[-1] = _SD_OF_ALL**-2
    offset, beta = np.clip(log_odds, -_MOST_NATS, _MOST_NATS), np.zeros(design.shape[1])
    for _ in range(_MAX_ROUNDS):
        p = expit(offset + design @ beta)
        # How probably each label is one of the usual ones, given its verdict.
        right = (1 - _CONTAMINATED) * np.where(same, p, 1 - p)
        usual = right / (right + _CONTAMINATED / 2)
        slope = design.T @ (usual * (same - p)) - penalty * beta
        curve = (design * (usual * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        beta += np.clip(step, -1, 1)
        if float(np.abs(step).max()) < _SMALL_STEP:
            break
    return np.asarray(beta[:-1].reshape(n_fields, N_LEVELS) + beta[-1] / n_fields)
