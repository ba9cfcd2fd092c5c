"""What a record looks like under any key: features of its place among the others.

Nothing here depends on the key: how many bits are set, how similar a record is to the others,
how large its salt groups are, who else is in them, and the same of its neighbors, some
steps deep (as Weisfeiler and Lehman refine the colors of a graph's nodes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sp

from linkkit.assess.attack.evidence import membership
from linkkit.assess.attack.similarity import similarities
from linkkit.assess.attack.target import PassView, Target

__all__ = ["feature_distances"]

Floats = npt.NDArray[np.float64]

_POWERS = (1, 2, 4, 8, 16)
_RANKS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_SHARES = (0.5, 0.75, 0.9)
_STEPS = 3
_WIDTH = 60
_WIDEST = 600
_RIDGE = 0.05


def feature_distances(
    target: Target, own: Target, rehearsals: Sequence[Target]
) -> npt.NDArray[np.float32]:
    """Return how unlike each record of the target is each record of the attacker's list.

    Parameters
    ----------
    target, own : Target
        Both sides.
    rehearsals : sequence of Target
        The attacker's list under other keys, with or without made-up errors. From two or more
        the attacker learns which features withstand a change of key and errors, and which are
        noise (linear discriminants); with fewer all features count alike.

    Returns
    -------
    ndarray of float32, shape (n_target, n_own)
        Squared distances, divided by their standard deviation.
    """
    sides = [target, *(_as_shown(one, target) for one in (own, *rehearsals))]
    blocks = [*_grouped_features(sides), *_similarity_features(sides)]
    found = [np.hstack([block[i] for block in blocks]) for i in range(len(sides))]
    if found[0].shape[1] > _WIDEST:
        found = _main_directions(found, _WIDEST)
    one, other = found[0], found[1]
    if len(rehearsals) >= 2:
        one, other = _discriminants(one, found[2:])
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :]
    distances = squares - 2 * one @ other.T
    return np.asarray(distances / max(float(distances.std()), 1e-12), dtype=np.float32)


def _as_shown(own: Target, target: Target) -> Target:
    """Hide the own groups of the passes that show none in the target, to compare like with like."""
    shown = (
        mine if theirs.groups is not None else replace(mine, groups=None)
        for mine, theirs in zip(own.passes, target.passes, strict=True)
    )
    return Target(passes=tuple(shown))


def _discriminants(one: Floats, rehearsed: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Weigh features by how little they vary for the same record."""
    mean = np.mean(rehearsed, axis=0)
    varying = np.vstack([features - mean for features in rehearsed])
    within = varying.T @ varying / (len(mean) * (len(rehearsed) - 1))
    root = np.linalg.cholesky(within + _RIDGE * np.eye(len(within)))
    white = scipy.linalg.solve_triangular(root, mean.T, lower=True).T
    white_one = scipy.linalg.solve_triangular(root, one.T, lower=True).T
    _, vectors = np.linalg.eigh(np.cov(white.T))
    directions = vectors[:, -_WIDTH:]
    return white_one @ directions, white @ directions


def _scaled(features: Floats) -> Floats:
    """Each side has its own mean and spread, as a smaller overlap shifts them."""
    found = np.nan_to_num(features - np.nanmean(features, axis=0))
    spread = found.std(axis=0)
    return np.asarray(found / np.where(spread > 1e-9, spread, 1))


def _main_directions(sides: Sequence[Floats], width: int) -> list[Floats]:
    stacked = np.vstack(sides)
    _, vectors = np.linalg.eigh(stacked.T @ stacked)
    return [features @ vectors[:, -width:] for features in sides]


def _similarity_features(sides: Sequence[Target]) -> list[list[Floats]]:
    """Features of each pass without groups, for each side."""
    free = [i for i, view in enumerate(sides[0].passes) if view.groups is None]
    return [[_of_similarities(side.passes[i]) for side in sides] for i in free]


def _of_similarities(view: PassView) -> Floats:
    others = ~np.eye(len(view.words), dtype=np.bool_)
    columns = [view.popcounts().astype(np.float64), view.usable.astype(np.float64)]
    alike = similarities(view, center=True)
    for values in (similarities(view, center=False), alike):
        ordered = -np.sort(-values[others].reshape(len(values), -1), axis=1)
        places = {p for p in _RANKS if p < ordered.shape[1]}
        places |= {int(ordered.shape[1] * share) for share in _SHARES}
        columns += [ordered[:, place].astype(np.float64) for place in sorted(places)]
        columns += [ordered.std(axis=1), (ordered**3).mean(axis=1)]
    start = _scaled(np.column_stack(columns))
    found = [start]
    for power in _POWERS:
        weights = np.where(others, np.maximum(alike, 0), 0).astype(np.float64) ** power
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
        step = start
        for _ in range(_STEPS):
            step = _scaled(weights @ step)
            found.append(step)
    return np.hstack(found)


def _grouped_features(sides: Sequence[Target]) -> list[list[Floats]]:
    """Features from the sizes of groups and from who meets whom in them, for each side."""
    grouped = [[view.groups for view in side.passes if view.groups is not None] for side in sides]
    if not grouped[0]:
        return []
    members = [[membership(g).astype(np.float64) for g in groups] for groups in grouped]
    of_groups = [[np.log(m.sum(axis=0))[:, None] for m in side] for side in members]
    found = _of_members(members, of_groups)
    for _ in range(_STEPS):
        of_groups = [
            [np.hstack([np.log(m.sum(axis=0))[:, None], _moments(m, features)]) for m in side]
            for side, features in zip(members, found, strict=True)
        ]
        of_groups = [[_scaled(values) for values in side] for side in of_groups]
        found = _of_members(members, of_groups)
    return [found]


def _of_members(
    members: Sequence[Sequence[sp.csr_array]], of_groups: Sequence[Sequence[Floats]]
) -> list[Floats]:
    """Hand the groups' features down to their members; a missing group says nothing."""
    found = []
    for side, values in zip(members, of_groups, strict=True):
        parts = [
            np.where(m.sum(axis=1)[:, None] > 0, m @ v, np.nan)
            for m, v in zip(side, values, strict=True)
        ]
        found.append(_scaled(np.hstack(parts)))
    return _main_directions(found, _WIDTH) if found[0].shape[1] > _WIDTH else found


def _moments(members: sp.csr_array, features: Floats) -> Floats:
    sizes = np.maximum(members.sum(axis=0), 1)[:, None]
    mean, square, cube = (members.T @ features**power / sizes for power in (1, 2, 3))
    return np.hstack([mean, np.sqrt(np.maximum(square - mean**2, 0)), np.cbrt(cube)])
