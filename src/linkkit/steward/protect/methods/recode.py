"""Global recoding: each quasi-identifier at one level for everybody, and who is withheld."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.errors import ProtectionError
from linkkit.steward.protect.dataset import ClassSizes, Recoding
from linkkit.steward.protect.equivalence import class_numbers, class_totals
from linkkit.steward.protect.hierarchies import LOSS_UNITS, Hierarchy
from linkkit.steward.protect.methods.lattice import Optimum, search_lattice

__all__ = ["GlobalRecoding", "recode_globally"]

MAX_NODES = 2_000_000


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class GlobalRecoding:
    """Levels that were chosen, and the classes that they form.

    Attributes
    ----------
    hierarchies : tuple of Hierarchy
        One for each quasi-identifier.
    optimum : Optimum
        Their levels.
    suppressed : ndarray of bool, shape (n_people,)
        Who is in a class of fewer than k people.
    classes : ClassSizes
        The classes of those who stay.
    """

    hierarchies: tuple[Hierarchy, ...]
    optimum: Optimum
    suppressed: npt.NDArray[np.bool_]
    classes: ClassSizes

    @property
    def information_loss(self) -> float:
        """Mean over people and quasi-identifiers; somebody suppressed counts 1."""
        return self.optimum.loss / (LOSS_UNITS * len(self.suppressed) * len(self.hierarchies))

    def apply(self, table: pa.Table) -> pa.Table:
        """Return the table of those who stay, with the quasi-identifiers recoded."""
        for hierarchy, level in zip(self.hierarchies, self.optimum.levels, strict=True):
            place = table.column_names.index(hierarchy.variable)
            recoded = hierarchy.recode(level, table.column(place))
            table = table.set_column(place, hierarchy.variable, recoded)
        return table.filter(pa.array(~self.suppressed)).combine_chunks()

    def recodings(self) -> tuple[Recoding, ...]:
        """Describe what became of each quasi-identifier."""
        return tuple(
            self._recoding(hierarchy, level)
            for hierarchy, level in zip(self.hierarchies, self.optimum.levels, strict=True)
        )

    def _recoding(self, hierarchy: Hierarchy, level: int) -> Recoding:
        chosen = hierarchy.levels[level]
        lost = chosen.losses[hierarchy.base[~self.suppressed]]
        return Recoding(
            variable=hierarchy.variable,
            level=level,
            n_levels=len(hierarchy.levels),
            description=chosen.description,
            information_loss=int(lost.sum()) / (LOSS_UNITS * max(1, len(lost))),
        )


def recode_globally(
    hierarchies: Sequence[Hierarchy], *, k: int, max_suppressed: int
) -> GlobalRecoding:
    """Choose the levels that lose least and leave at most `max_suppressed` people withheld.

    The search works on the distinct combinations of finest groups and how often each occurs.

    Parameters
    ----------
    hierarchies : sequence of Hierarchy
        One or more, over the same n_people of at least `k`.
    k : int
        The fewest people in a class.
    max_suppressed : int
        The most people that may be withheld.

    Raises
    ------
    ProtectionError
        When the hierarchies have too many levels to try them all, or nobody would stay.
    """
    _require_searchable(hierarchies)
    n_groups = [len(hierarchy.levels[0].groups) for hierarchy in hierarchies]
    numbers, _ = class_numbers([hierarchy.base for hierarchy in hierarchies], n_groups)
    _, first, of_people = np.unique(numbers, return_index=True, return_inverse=True)
    combinations = np.column_stack([hierarchy.base[first] for hierarchy in hierarchies])
    optimum = search_lattice(
        combinations,
        np.bincount(of_people).astype(np.int64),
        groups=[[level.groups for level in mine.levels] for mine in hierarchies],
        losses=[[level.losses for level in mine.levels] for mine in hierarchies],
        k=k,
        max_suppressed=max_suppressed,
    )
    sizes = _class_sizes(hierarchies, optimum)
    suppressed = sizes < k
    if suppressed.all():
        raise ProtectionError(
            "nobody would be left: everybody is in a class of fewer than k people",
            hint="Ask for fewer quasi-identifiers in the project.",
        )
    return GlobalRecoding(
        hierarchies=tuple(hierarchies),
        optimum=optimum,
        suppressed=suppressed,
        classes=_summary(sizes[~suppressed]),
    )


def _require_searchable(hierarchies: Sequence[Hierarchy]) -> None:
    n_nodes = int(np.prod([float(len(hierarchy.levels)) for hierarchy in hierarchies]))
    if n_nodes > MAX_NODES:
        raise ProtectionError(
            f"the quasi-identifiers' levels can be combined in {n_nodes} ways, more than the "
            f"{MAX_NODES} that can be searched",
            hint="Give fewer quasi-identifiers to the project, or fewer levels to each.",
        )


def _class_sizes(hierarchies: Sequence[Hierarchy], optimum: Optimum) -> npt.NDArray[np.int64]:
    """Return for each person how many people are in the same class, shape (n_people,)."""
    chosen = [mine.levels[i] for mine, i in zip(hierarchies, optimum.levels, strict=True)]
    codes = [level.groups[mine.base] for level, mine in zip(chosen, hierarchies, strict=True)]
    numbers, n_classes = class_numbers(codes, [len(level.labels) for level in chosen])
    ones = np.ones(len(numbers), dtype=np.int64)
    return class_totals(numbers, ones, n_classes=n_classes)[numbers]


def _summary(sizes: npt.NDArray[np.int64]) -> ClassSizes:
    """Summarize classes from the class size of each person: a class of n is there n times."""
    size, n_people = np.unique(sizes, return_counts=True)
    per_class = np.repeat(size, n_people // size)
    return ClassSizes(
        smallest=int(per_class.min()), median=float(np.median(per_class)), n_classes=len(per_class)
    )
