"""What a method returns: the class of each item, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Grouping", "Method"]

Method = Literal["optimal", "local", "partition"]
"""``optimal``: the best global recoding; ``local``: classes are grown from neighbors and
refined; ``partition``: people are split again and again (multidimensional)."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Grouping:
    """The classes that a method found.

    Attributes
    ----------
    classes : ndarray of int64, shape (n_items,)
        The class of each item, from 0; -1 for items whose people are withheld.
    n_classes : int
        How many classes there are.
    levels : tuple of int, optional
        The level of each quasi-identifier, where all people have the same (``optimal``).
    method : str
        The method that was used.
    """

    classes: npt.NDArray[np.int64]
    n_classes: int
    method: Method
    levels: tuple[int, ...] | None = None
