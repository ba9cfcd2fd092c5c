"""The slow, obvious twin of `lattice`: every node, one person at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

from linkkit.steward.protect.hierarchies import LOSS_UNITS
from linkkit.steward.protect.methods.lattice import Optimum

__all__ = ["search_reference"]


def search_reference(
    people: Sequence[Sequence[int]],
    *,
    groups: Sequence[Sequence[Sequence[int]]],
    losses: Sequence[Sequence[Sequence[int]]],
    k: int,
    max_suppressed: int,
) -> Optimum:
    """Return what `search_lattice` must, from one row of finest groups for each person.

    Examples
    --------
    >>> search_reference(
    ...     [[0]] * 9 + [[1]],
    ...     groups=[[[0, 1], [0, 0]]],
    ...     losses=[[[0, 0], [10**9, 10**9]]],
    ...     k=2,
    ...     max_suppressed=1,
    ... )
    Optimum(levels=(0,), loss=1000000000, n_suppressed=1)
    """
    nodes = [
        _measure(people, levels, groups=groups, losses=losses, k=k)
        for levels in product(*(range(len(mine)) for mine in groups))
    ]
    feasible = [node for node in nodes if node.n_suppressed <= max_suppressed]
    return min(feasible, key=lambda node: node.rank)


def _measure(
    people: Sequence[Sequence[int]],
    levels: tuple[int, ...],
    *,
    groups: Sequence[Sequence[Sequence[int]]],
    losses: Sequence[Sequence[Sequence[int]]],
    k: int,
) -> Optimum:
    coded = [tuple(groups[i][levels[i]][v] for i, v in enumerate(person)) for person in people]
    size = Counter(coded)
    loss = n_suppressed = 0
    for person, code in zip(people, coded, strict=True):
        if size[code] < k:
            n_suppressed += 1
            loss += LOSS_UNITS * len(levels)
        else:
            loss += sum(losses[i][levels[i]][v] for i, v in enumerate(person))
    return Optimum(levels=levels, loss=loss, n_suppressed=n_suppressed)
