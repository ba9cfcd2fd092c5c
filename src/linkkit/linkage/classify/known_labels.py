"""What labels say of candidate pairs, for the models to learn from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.labels import LabelledPairs

__all__ = ["verdicts"]


def verdicts(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], labels: LabelledPairs | None
) -> npt.NDArray[np.int8]:
    """Return what is known of each pair.

    Parameters
    ----------
    left, right : ndarray of int64, shape (n_pairs,)
        Positions of the records, the smaller one left.
    labels : LabelledPairs, optional
        Labels on the same records; those of other pairs say nothing here.

    Returns
    -------
    ndarray of int8, shape (n_pairs,)
        1 the same person, -1 not, 0 not known.
    """
    answer = np.zeros(len(left), dtype=np.int8)
    if labels is None or not len(labels) or not len(left):
        return answer
    known = (labels.left << 32) | labels.right
    order = np.argsort(known)
    wanted = (left << 32) | right
    at = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    found = known[order][at] == wanted
    answer[found] = np.where(labels.same[order][at[found]], 1, -1)
    return answer
