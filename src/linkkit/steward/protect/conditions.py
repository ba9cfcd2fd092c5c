"""Conditions: the privacy models of one table as arrays, and which classes keep them.

Pure: arrays in, arrays out. The methods know no model; all of them ask :meth:`Conditions.met`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Conditions", "compile_conditions"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Conditions:
    """What every class must keep.

    Attributes
    ----------
    k : int
        The fewest people in a class.
    counts : ndarray of int64, shape (n_items,)
        How many people each item has.
    """

    k: int
    counts: npt.NDArray[np.int64]

    @property
    def only_k(self) -> bool:
        """Whether the number of people is all that counts, so that a kernel may decide alone."""
        return True

    @property
    def grow(self) -> bool:
        """Whether a class that keeps the models keeps them with anybody added."""
        return True

    @property
    def needs_population(self) -> bool:
        """Whether `met` has to be told how many people of the population fit each class."""
        return False

    def met(
        self,
        items: npt.NDArray[np.int64],
        classes: npt.NDArray[np.int64],
        *,
        n_classes: int,
        population: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Return which classes keep every model, shape (n_classes,).

        Parameters
        ----------
        items, classes : ndarray of int64, shape (n_members,)
            An item and a class that it is in. An item is in several classes only where
            missing values agree with everything.
        n_classes : int
            How many classes there are; one without members keeps nothing.
        population : ndarray of int64, shape (n_classes,), optional
            How many people of the population fit each class.
        """
        del population
        people = np.bincount(classes, weights=self.counts[items], minlength=n_classes)
        return people >= self.k


def compile_conditions(models, items, *, sensitive, persons=None, households=None):
    return Conditions(k=models[0].k, counts=items.counts)
