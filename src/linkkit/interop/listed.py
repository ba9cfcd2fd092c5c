"""Pairs that another tool lists, in any of the usual forms, as positions in a pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from linkkit.errors import OptionError
from linkkit.linkage.pool import Pool

__all__ = ["ListedPairs", "hexadecimal", "listed_pairs", "positions", "tokens_of"]

_SPLINK = ("unique_id_l", "unique_id_r")
_FORMS = (
    "Give a MultiIndex of two levels of tokens in hexadecimal, a Series or frame on one, a frame of Splink's "
    "predictions, or a networkx Graph whose nodes are tokens."
)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ListedPairs:
    """Pairs of tokens, with a probability of each.

    Attributes
    ----------
    one, other : list of str
        Tokens.
    probability : ndarray of float64, shape (n_pairs,)
        1 where the other tool states none.
    """

    one: list[str]
    other: list[str]
    probability: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.one)

    def __repr__(self) -> str:
        return f"<ListedPairs: {len(self)} pairs>"

    def on(self, pool: Pool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the positions of both records of each pair, in the order of the pairs.

        Raises
        ------
        OptionError
            When a token is of no record, or a pair is a record with itself.
        """
        both = positions(pool, [*self.one, *self.other])
        one, other = both[: len(self)], both[len(self) :]
        unknown = int(((one < 0) | (other < 0)).sum())
        itself = int(((one == other) & (one >= 0)).sum())
        if unknown or itself:
            problems = [f"{unknown:,} of {len(self):,} pairs have a token of no record"] * (
                unknown > 0
            )
            problems += [f"{itself:,} pairs are a record with itself"] * (itself > 0)
            raise OptionError(
                problems,
                hint="Tokens are 32 hexadecimal digits, of the very extracts that are linked.",
            )
        return one, other


def listed_pairs(pairs: Any) -> ListedPairs:
    """Return pairs of any of the forms that are known.

    Raises
    ------
    OptionError
        When it is another form, or a probability is none.
    """
    if isinstance(pairs, pd.MultiIndex):
        return _of_index(pairs, np.ones(len(pairs)))
    if isinstance(pairs, pd.DataFrame) and set(_SPLINK) <= set(pairs.columns):
        return _of_frame(pairs)
    if isinstance(pairs, pd.Series) and isinstance(pairs.index, pd.MultiIndex):
        return _of_index(pairs.index, pairs.to_numpy(dtype=np.float64))
    if isinstance(pairs, pd.DataFrame) and isinstance(pairs.index, pd.MultiIndex):
        return _of_index(pairs.index, np.ones(len(pairs)))
    if hasattr(pairs, "edges") and hasattr(pairs, "nodes"):
        return _of_graph(pairs)
    raise OptionError(f"pairs in the form of {type(pairs).__name__} are not known", hint=_FORMS)


def _of_index(index: pd.MultiIndex, probability: npt.NDArray[np.float64]) -> ListedPairs:
    if index.nlevels != 2:
        raise OptionError(f"the index has {index.nlevels} levels, not 2", hint=_FORMS)
    one, other = ([str(x) for x in index.get_level_values(level)] for level in (0, 1))
    return _checked(one, other, probability)


def _of_frame(frame: pd.DataFrame) -> ListedPairs:
    probability = np.ones(len(frame))
    if "match_probability" in frame.columns:
        probability = frame["match_probability"].to_numpy(dtype=np.float64)
    one, other = ([str(x) for x in frame[name]] for name in _SPLINK)
    return _checked(one, other, probability)


def _of_graph(graph: Any) -> ListedPairs:
    edges = [
        (str(a), str(b), data.get("probability", 1.0)) for a, b, data in graph.edges(data=True)
    ]
    one, other, probability = zip(*edges, strict=True) if edges else ((), (), ())
    return _checked(list(one), list(other), np.array(probability, dtype=np.float64))


def _checked(one: list[str], other: list[str], probability: npt.NDArray[np.float64]) -> ListedPairs:
    bad = int((~((probability >= 0) & (probability <= 1))).sum())
    if bad:
        raise OptionError(
            f"{bad:,} probabilities are not between 0 and 1",
            hint="Leave them out if there are none.",
        )
    return ListedPairs(one=one, other=other, probability=probability)


def positions(pool: Pool, tokens: list[str]) -> npt.NDArray[np.int64]:
    """Return the position of each token's record in the pool, -1 where there is none."""
    place = {token: i for i, token in enumerate(hexadecimal(pool.tokens))}
    return np.array([place.get(token.lower(), -1) for token in tokens], dtype=np.int64)


def hexadecimal(tokens: npt.NDArray[np.uint8]) -> list[str]:
    """Return tokens, shape (n, 16), as text."""
    text = np.ascontiguousarray(tokens).tobytes().hex()
    return [text[i : i + 32] for i in range(0, len(text), 32)]


def tokens_of(pool: Pool, rows: npt.NDArray[np.int64]) -> list[str]:
    """Return the tokens of some records as text."""
    return hexadecimal(pool.tokens[rows])
