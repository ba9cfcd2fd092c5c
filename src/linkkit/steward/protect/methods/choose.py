"""Which method is used when the user leaves the choice open, and why."""

from __future__ import annotations

from linkkit.engines.capability import has_numba
from linkkit.steward.protect.items import Items
from linkkit.steward.protect.methods.grouping import Method

__all__ = ["LOCAL_LIMIT", "choose_method"]

LOCAL_LIMIT = 500_000
LOCAL_LIMIT_OF_MODELS = 100_000
INTERPRETED_LIMIT = 20_000


def choose_method(items: Items, *, only_k: bool = True) -> tuple[Method, str]:
    """Choose by size, and say why in a sentence.

    Parameters
    ----------
    items : Items
        The distinct combinations of the table.
    only_k : bool
        Whether k-anonymity is all that is asked for.

    Examples
    --------
    >>> import numpy as np
    >>> choose_method(Items(codes=np.zeros((9, 2)), counts=np.ones(9), of_rows=np.arange(9)))[0]
    'local'
    """
    n = len(items)
    if n > INTERPRETED_LIMIT and not has_numba():
        return "partition", (
            f"partitioning, because numba is not there, and without it local recoding of {n} different "
            f"combinations of quasi-identifiers (more than {INTERPRETED_LIMIT}) takes long"
        )
    limit = LOCAL_LIMIT if only_k else LOCAL_LIMIT_OF_MODELS
    if n <= limit:
        return "local", (
            f"local recoding, which loses least: with {n} different combinations of "
            f"quasi-identifiers it takes a minute at most (up to {limit})"
        )
    return "partition", (
        f"partitioning, because {n} different combinations of quasi-identifiers are more than "
        f"the {limit} that local recoding can do in about a minute"
    )
