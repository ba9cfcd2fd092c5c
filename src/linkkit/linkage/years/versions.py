"""Whether two versions of a record can be of one person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from linkkit.linkage.compare import compare_pairs, compare_passes, make_comparison
from linkkit.linkage.compare.fields.pairs import unpack
from linkkit.linkage.compare.vectors.record_filters import candidate_floor, dice_of_pairs
from linkkit.linkage.pool import Pool

__all__ = ["have_nothing_in_common"]

_OF_MANY_PEOPLE = ("sex", "city", "postal_code", "number")
_DISAGREE = 1
_BEYOND_CHANCE = 4.0
"""Standard errors; a pair of strangers is that alike in one of some thirty thousand passes."""


def have_nothing_in_common(one: Pool, other: Pool, *, everybody: Pool) -> npt.NDArray[np.bool_]:
    """Return which versions are no more alike than strangers: in no field that tells people apart.

    Parameters
    ----------
    one, other : Pool
        Two versions of each of some records, in the same order.
    everybody : Pool
        Among whom strangers are looked for.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    n = len(one)
    if not n:
        return np.zeros(0, dtype=np.bool_)
    both = replace(
        one,
        words=np.concatenate([one.words, other.words]),
        present=np.concatenate([one.present, other.present]),
        pass_words=one.pass_words.joined(other.pass_words),
    )
    left, right = np.arange(n), n + np.arange(n)
    if one.spec.passes:
        errors = np.sqrt([item.n_bits for item in one.spec.passes])
        alike = compare_passes(both, left, right).correlations * errors
        return np.asarray((alike < _BEYOND_CHANCE).all(axis=1))
    if one.spec.records:
        return dice_of_pairs(both, left, right) < candidate_floor(everybody)
    kinds = [item.kind for item in one.spec.filters]
    telling = [f for f, kind in enumerate(kinds) if kind not in _OF_MANY_PEOPLE]
    levels = unpack(compare_pairs(make_comparison(both), left, right), n_fields=len(kinds))
    levels = levels[:, telling] if telling else levels
    return np.asarray((levels <= _DISAGREE).all(axis=1) & (levels == _DISAGREE).any(axis=1))
