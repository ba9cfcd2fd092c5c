"""How alike two records are in each pass, in four words, and what each of these tells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.exchange import EncodingSpec
from linkkit.linkage.classify.model import FieldWeights

__all__ = ["ALIVE_FROM", "pass_levels", "pass_weights"]

ALIVE_FROM = 3.0
"""Standard errors above chance from which a pass is taken to be alive."""

_LEVELS = ("disagree", "partly", "close", "equal")
_LEVEL_FROM = (0.5, 0.75)

_Floats = npt.NDArray[np.float64]


def pass_levels(spec: EncodingSpec, correlations: _Floats) -> npt.NDArray[np.int64]:
    """Return agreement levels by pass, 1 to 4: how much of all tokens is in common, roughly."""
    columns = []
    for k, item in enumerate(spec.passes):
        c = correlations[:, k]
        similar = np.maximum(c, 0) ** (1 / item.n_inputs)
        level = 1 + (similar >= _LEVEL_FROM[0]) + (similar >= _LEVEL_FROM[1])
        level = np.where(c == 1, 4, level)
        columns.append(np.where(c * np.sqrt(item.n_bits) < ALIVE_FROM, 1, level))
    return np.column_stack(columns).astype(np.int64)


def pass_weights(
    spec: EncodingSpec, correlations: _Floats, match: _Floats, *, n_pairs: float
) -> tuple[FieldWeights, ...]:
    """Return m, u and weight in bits of each level of each pass.

    `match` is the probability of each candidate; all pairs that are no candidates disagree.
    """
    levels = pass_levels(spec, correlations)
    answer = []
    for k, item in enumerate(spec.passes):
        n_match = np.bincount(levels[:, k], weights=match, minlength=5)[1:] + 0.5
        n_other = np.bincount(levels[:, k], weights=1 - match, minlength=5)[1:] + 0.5
        n_other[0] = max(n_pairs - n_match.sum() - n_other[1:].sum(), n_other[0])
        m, u = n_match / n_match.sum(), n_other / n_other.sum()
        answer.append(
            FieldWeights(
                field=item.name,
                levels=_LEVELS,
                m=tuple(m.tolist()),
                u=tuple(u.tolist()),
                weight=tuple(np.log2(m / u).tolist()),
            )
        )
    return tuple(answer)
