"""The population: how many of its people fit each class.

Pure: arrays in, arrays out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.steward.protect.methods.costs import Costs, Ints

__all__ = ["Population"]


class Population:
    def __init__(self, costs: Costs, codes: npt.NDArray[np.int32], counts: Ints) -> None:
        pass

    def people_inside(self, codes: Any, classes: Any, *, n_classes: int) -> Ints:
        raise NotImplementedError
