"""Strangers who share one value: how that shows in several passes at once.

Most strangers with one salt have nothing else in common, and two passes of theirs that are alike are as rare
as each alone, multiplied. But who shares a surname does so in every pass that covers it, so that two salts that agree
by chance are alike together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.exchange import EncodingSpec
from linkkit.linkage.classify.pass_priors import (
    equal_by_chance,
    expected_overlap,
    expected_same,
    n_values,
)

__all__ = ["Coincidences", "coincidence_classes", "share_seen"]

_MOST_SAME = 0.97
_MOST: dict[FieldKind, float] = {
    "given_name": 4, "surname": 4, "name": 4, "city": 4, "postal_code": 25,
}  # fmt: skip
"""How many times as many strangers as usual may have the value in common. People who share another are
households, or hardly more alike than any strangers."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Coincidences:
    """Classes of strangers, one for each field whose value they share.

    Attributes
    ----------
    shares, most : ndarray of float64, shape (n_fields,)
        How often strangers are expected to share it, and at most.
    salted : ndarray of int64, shape (n_fields,)
        The pass whose salt is the whole value and nothing else; -1: none.
    same : ndarray of float64, shape (n_fields, n_passes)
        How often these have the same salt.
    overlaps : ndarray of float64, shape (n_fields, n_passes)
        What two filters of theirs with one salt have in common.
    """

    shares: _Floats
    most: _Floats
    salted: npt.NDArray[np.int64]
    same: _Floats
    overlaps: _Floats


def coincidence_classes(spec: EncodingSpec) -> Coincidences:
    """Return the classes that follow from a spec's fields."""
    kinds: dict[str, FieldKind] = {
        field.name: field.kind for item in spec.passes for field in item.fields
    }
    shared = []
    for name, kind in kinds.items():
        if kind in _MOST:
            shared.append({name})
    times, overlaps = [], []
    for names in shared:
        times.append(
            [
                np.prod([n_values(kinds.get(s.name), s.part) for s in item.salt if s.name in names])
                for item in spec.passes
            ]
        )
        overlaps.append([expected_overlap(item, "unrelated", equal=names) for item in spec.passes])
    of_strangers = expected_same(spec)[-1]
    shape = (len(shared), len(spec.passes))
    chances = [(equal_by_chance(kind), _MOST[kind]) for kind in kinds.values() if kind in _MOST]
    usual, times_most = np.array(chances, dtype=np.float64).reshape(-1, 2).T
    return Coincidences(
        shares=usual,
        most=usual * times_most,
        salted=np.array([_salted(spec, name) for names in shared for name in names]),
        same=np.minimum(
            of_strangers * np.array(times, dtype=np.float64).reshape(shape), _MOST_SAME
        ),
        overlaps=np.array(overlaps, dtype=np.float64).reshape(shape),
    )


def _salted(spec: EncodingSpec, name: str) -> int:
    whole = [
        [(one.name, one.part) for one in item.salt] == [(name, "whole")] for item in spec.passes
    ]
    return whole.index(True) if any(whole) else -1


def share_seen(alive: list[float]) -> float:
    """Return how probable it is that two salts or more are seen alive, from that of each."""
    dead = 1 - np.array(alive)
    one = sum(alive[i] * float(np.delete(dead, i).prod()) for i in range(len(alive)))
    return max(1 - float(dead.prod()) - one, 0.0)
