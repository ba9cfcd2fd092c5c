"""Dictionary with a leaked key: encode a list under the key itself, and look for equals."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from linkkit.assess.attack.result import AttackResult, scores_of_rounds
from linkkit.assess.attack.rounds import Known, assign
from linkkit.assess.attack.similarity import signs
from linkkit.assess.attack.target import Target, Truth, require_pair

__all__ = ["dictionary"]


def dictionary(target: Target, under_key: Target, truth: Truth, *, seed: int = 0) -> AttackResult:
    """Compare encodings with a list that was encoded under the same key.

    Nothing local withstands it: who has the key and the encodings has the people.

    Parameters
    ----------
    target : Target
        The encodings.
    under_key : Target
        The attacker's list under the leaked key.
    truth : Truth
        Who is who, for scoring only.
    seed : int
        Reported, not used: nothing here is random.

    Raises
    ------
    OptionError
        When the lists do not go together.
    """
    began = time.perf_counter()
    require_pair(target, under_key, truth)
    agreement = np.zeros((len(target), len(under_key)), dtype=np.float32)
    for view, mine in zip(target.passes, under_key.passes, strict=True):
        agreement += signs(view) @ signs(mine).T / view.n_bits
    nobody: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    found = assign(agreement, Known(of_target=nobody, of_own=nobody))
    n_overlap, right = scores_of_rounds([found], truth, nobody)
    return AttackResult(
        attack="dictionary with the key",
        n_target=len(target),
        n_own=len(under_key),
        n_overlap=n_overlap,
        n_known=0,
        n_right=right[0],
        share_by_round=(right[0] / n_overlap,),
        guessing=1 / len(under_key),
        seed=seed,
        seconds=time.perf_counter() - began,
    )
