"""Links, candidate pairs and labels as pandas indexes of two levels, as recordlinkage has them."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from linkkit.errors import OptionError
from linkkit.interop.listed import ListedPairs, hexadecimal, listed_pairs, positions, tokens_of
from linkkit.linkage import LinkResult
from linkkit.linkage.labels import PairLabels
from linkkit.linkage.pool import Pool

__all__ = [
    "candidates_index",
    "index_names",
    "labels_from_index",
    "labels_index",
    "links_index",
    "party_pairs",
]

_Ints = npt.NDArray[np.int64]


def party_pairs(result: LinkResult) -> tuple[tuple[str, str], ...]:
    """Return the pairs of parties whose records may match, a party with duplicates beside itself too.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> party_pairs(example_linkage().result)
    (('clinic', 'school'), ('clinic', 'shelter'), ('school', 'shelter'))
    """
    pool = result.pairs.pool
    numbers = combinations_with_replacement(range(len(pool.parties)), 2)
    return tuple(
        (pool.parties[p], pool.parties[q]) for p, q in numbers if p != q or not pool.clean[p]
    )


def links_index(result: LinkResult, one: str, other: str | None = None) -> pd.MultiIndex:
    """Return the links between two parties, or the duplicates within one, as an index.

    Parameters
    ----------
    result : LinkResult
        What the linkage found.
    one : str
        The party of the first level.
    other : str, optional
        The party of the second level; the same by default.

    Returns
    -------
    pandas.MultiIndex
        Tokens in hexadecimal. Its levels are named after the parties, and of one party with ``_1`` and ``_2``.

    Raises
    ------
    OptionError
        When a party is none of the linkage.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> result = example_linkage().result
    >>> links_index(result, "school", "clinic").names
    FrozenList(['school', 'clinic'])
    """
    pool = result.pairs.pool
    p, q = _party(pool, one), _party(pool, other or one)
    table = result.crosswalk.table
    person = table.column("person_id").combine_chunks().dictionary_encode().indices.to_numpy()
    tokens = [token.hex() for token in table.column("token").to_pylist()]
    records = pd.DataFrame({"person": person, "row": positions(pool, tokens)})
    of = pool.party[records["row"].to_numpy(dtype=np.int64)]
    both = records[of == p].merge(records[of == q], on="person", suffixes=("_1", "_2"))
    left, right = (both[name].to_numpy(dtype=np.int64) for name in ("row_1", "row_2"))
    if p == q:
        left, right = left[left < right], right[left < right]
    return _index(pool, left, right, index_names(one, other or one))


def candidates_index(result: LinkResult, one: str, other: str | None = None) -> pd.MultiIndex:
    """Return the candidate pairs of two parties, or within one, as :func:`links_index` has links."""
    pool, scored = result.pairs.pool, result.pairs.scored
    p, q = _party(pool, one), _party(pool, other or one)
    of_left, of_right = pool.party[scored.left], pool.party[scored.right]
    rows = np.flatnonzero((of_left == p) & (of_right == q))
    left, right = scored.left[rows], scored.right[rows]
    if p > q:
        rows = np.flatnonzero((of_left == q) & (of_right == p))
        left, right = scored.right[rows], scored.left[rows]
    return _index(pool, left, right, index_names(one, other or one))


def labels_index(labels: PairLabels, *, same: bool = True) -> pd.MultiIndex:
    """Return the labelled pairs that are one person's, or those that are not, as an index."""
    rows = np.flatnonzero(labels.same == same)
    tokens = [hexadecimal(side[rows]) for side in (labels.one, labels.other)]
    return pd.MultiIndex.from_arrays(tokens, names=["token_1", "token_2"])


def labels_from_index(same: Any, different: Any = None) -> PairLabels:
    """Return labels of the links, and of the distinct pairs, of another tool.

    Parameters
    ----------
    same : MultiIndex, Series, frame or Graph
        Pairs of one person.
    different : the same, optional
        Pairs of different people.

    Raises
    ------
    OptionError
        When the form is not known, or a level holds no tokens.

    Examples
    --------
    >>> index = pd.MultiIndex.from_tuples([("00" * 16, "01" * 16)])
    >>> len(labels_from_index(index))
    1
    """
    rows = [(*pair, True) for pair in _tokens(listed_pairs(same))]
    if different is not None:
        rows += [(*pair, False) for pair in _tokens(listed_pairs(different))]
    return PairLabels.of(rows)


def _tokens(pairs: ListedPairs) -> list[tuple[str, str]]:
    return list(zip(pairs.one, pairs.other, strict=True))


def index_names(one: str, other: str) -> list[str]:
    """Return the names of an index's levels."""
    return [one, other] if one != other else [f"{one}_1", f"{one}_2"]


def _index(pool: Pool, left: _Ints, right: _Ints, names: list[str]) -> pd.MultiIndex:
    order = np.lexsort((right, left))
    arrays = [tokens_of(pool, side[order]) for side in (left, right)]
    return pd.MultiIndex.from_arrays(arrays, names=names)


def _party(pool: Pool, name: str) -> int:
    if name not in pool.parties:
        raise OptionError(
            f"the linkage has no party '{name}'", hint=f"Its parties are {', '.join(pool.parties)}."
        )
    return pool.parties.index(name)
