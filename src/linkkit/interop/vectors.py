"""Comparison vectors: how alike pairs are in each field, as classifiers of other tools take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from linkkit.errors import OptionError
from linkkit.exchange import EncodedExtract
from linkkit.interop.listed import listed_pairs
from linkkit.linkage import LinkResult
from linkkit.linkage.compare.similarity import similarities
from linkkit.linkage.pool import Pool, make_pool

__all__ = ["comparison_vectors"]


def comparison_vectors(
    source: LinkResult | Sequence[EncodedExtract], pairs: Any, *, missing: float = 0.0
) -> pd.DataFrame:
    """Return how alike pairs are in each field, pass or filter, 0 to 1.

    Parameters
    ----------
    source : LinkResult or sequence of EncodedExtract
        Where the records are.
    pairs : MultiIndex, Series, frame or Graph
        Which pairs: :func:`~linkkit.interop.candidates_index`, or what another tool's blocking gave.
    missing : float
        What stands where a record lacks the field: 0, as recordlinkage has it, or ``float("nan")``.

    Returns
    -------
    pandas.DataFrame
        Indexed by the pairs, in their order; float64.

    Raises
    ------
    OptionError
        When the form is not known, or a token is of no record.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> from linkkit.interop import candidates_index
    >>> result = example_linkage().result
    >>> vectors = comparison_vectors(result, candidates_index(result, "clinic", "school"))
    >>> list(vectors.columns)
    ['given_name', 'surname', 'birth_date', 'postal_code', 'phone']
    """
    if isinstance(missing, bool) or not isinstance(missing, (int, float)):
        raise OptionError("'missing' is a number", hint="Leave it out for 0.")
    pool = pool_of(source)
    listed = listed_pairs(pairs)
    one, other = listed.on(pool)
    found = similarities(pool, one, other)
    frame = pd.DataFrame(
        np.where(np.isnan(found), missing, found),
        columns=[item.name for item in pool.spec.columns],
    )
    frame.index = _own_index(pairs, listed.one, listed.other)
    return frame


def pool_of(source: LinkResult | Sequence[EncodedExtract]) -> Pool:
    """Return the records of a linkage, or of extracts."""
    return source.pairs.pool if isinstance(source, LinkResult) else make_pool(source)


def _own_index(pairs: Any, one: list[str], other: list[str]) -> pd.MultiIndex:
    """Return the index that the pairs came with, or one of their tokens."""
    index = pairs if isinstance(pairs, pd.MultiIndex) else getattr(pairs, "index", None)
    if isinstance(index, pd.MultiIndex):
        return index
    return pd.MultiIndex.from_arrays([one, other], names=["token_1", "token_2"])
