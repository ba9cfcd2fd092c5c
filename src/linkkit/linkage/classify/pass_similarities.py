"""How alike two filters with one salt are expected to be, by class of pairs.

Similarity is the share of equal bits beyond chance before filters were laid over each other. A class has
a histogram of it for each pass. For people it falls off from 1; for strangers it follows from the
share of tokens that their values have in common.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.exchange import EncodingSpec
from linkkit.linkage.classify.pass_priors import (
    N_MATCHING,
    PASS_CLASSES,
    coincidences,
    expected_overlap,
)

__all__ = ["SIMILARITIES", "expected_similar", "normal_density", "similar_at"]

SIMILARITIES: npt.NDArray[np.float64] = np.linspace(0.0, 1.0, 41)
"""Shares of equal bits beyond chance, before diffusion, that are told apart."""

_DECAYS = (0.16, 0.4)
_SPREAD = 0.10

_Floats = npt.NDArray[np.float64]


def expected_similar(spec: EncodingSpec) -> _Floats:
    """Return what similarities are expected, shape (n_classes, n_passes, n_similarities)."""
    rows = [[np.exp(-(1 - SIMILARITIES) / decay) for _ in spec.passes] for decay in _DECAYS]
    for pair_class in PASS_CLASSES[N_MATCHING:-1]:
        overlaps = [expected_overlap(item, pair_class) for item in spec.passes]
        rows.append([_around(overlap) + 1e-9 for overlap in overlaps])
    rows.append(
        [
            np.sum([share * _around(overlap) for overlap, share in coincidences(item)], axis=0)
            + 1e-9
            for item in spec.passes
        ]
    )
    table: _Floats = np.array(rows)
    return np.asarray(table / table.sum(axis=-1, keepdims=True))


def similar_at(overlaps: _Floats) -> _Floats:
    """Return the same by class and pass, for what filters have in common in each."""
    return np.array([[_around(float(x)) for x in row] for row in overlaps]).reshape(
        *overlaps.shape, len(SIMILARITIES)
    )


def _around(overlap: float) -> _Floats:
    """Return how often pairs that share so much of their tokens have each similarity."""
    # Half-full filters with a share o of their tokens in common are similar to 2 ** o - 1.
    density = normal_density((SIMILARITIES - (2**overlap - 1)) / _SPREAD)
    return np.asarray(density / density.sum())


def normal_density(z: _Floats) -> _Floats:
    """Return the density of the standard normal distribution."""
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))
