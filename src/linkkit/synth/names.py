"""Draw given names and surnames with plausible, skewed frequencies.

Run while the population is made. In: the origin of each family or child. Out: its names, with
diacritics where they are natural. Names come from lists of general knowledge; no person is real.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from linkkit.synth.origins import ORIGINS
from linkkit.synth.word_lists import Strings, read_word_list, strings

__all__ = ["GIVEN_SKEW", "draw_given_names", "draw_surnames", "given_lists", "surname_lists"]

_ENGLISH = 0
GIVEN_SKEW = 0.7
"""Exponent of the frequency of given names by rank."""

_UNCOMMON_ENGLISH = 0.2
_TRIES = 4

Codes = npt.NDArray[np.int64]


@cache
def given_lists() -> dict[tuple[str, ...], Strings]:
    """Return given names, most frequent first, by origin and sex."""
    return dict(read_word_list("given_names.tsv"))


@cache
def surname_lists() -> dict[str, Strings]:
    """Return surnames, most frequent first, by origin."""
    return {keys[0]: words for keys, words in read_word_list("surnames.tsv")}


@cache
def _uncommon_english() -> Strings:
    (_, stems), (_, endings) = read_word_list("surname_parts.tsv")
    return strings([stem + ending for stem in stems for ending in endings])


def _draw_by_rank(words: Strings, n: int, rng: np.random.Generator, *, skew: float) -> Strings:
    """Draw `n` words, the probability falling with the rank as ``1 / (rank + 2) ** skew``."""
    weights = (np.arange(len(words)) + 2.0) ** -skew
    return words[np.searchsorted(np.cumsum(weights / weights.sum())[:-1], rng.random(n))]


def _fill_by_group(groups: Codes, draw: Callable[[int, int], Strings]) -> Strings:
    """Return one word per row, drawn group by group in the order of the group codes."""
    filled = np.empty(len(groups), dtype=object)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        filled[rows] = draw(int(group), len(rows))
    return filled


def _single_surnames(origins: Codes, rng: np.random.Generator) -> Strings:
    def draw(origin: int, n: int) -> Strings:
        made = ORIGINS[origin]
        words = _draw_by_rank(surname_lists()[made.name], n, rng, skew=made.surname_skew)
        if origin == _ENGLISH:
            uncommon = _draw_by_rank(_uncommon_english(), n, rng, skew=0.0)
            return np.where(rng.random(n) < _UNCOMMON_ENGLISH, uncommon, words)
        return words

    return _fill_by_group(origins, draw)


def draw_surnames(origins: Codes, rng: np.random.Generator) -> Strings:
    """Draw a surname for each family; some have two, joined as their origin writes it.

    Parameters
    ----------
    origins : ndarray of int64, shape (n,)
        Positions in ``ORIGINS``.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of object, shape (n,)
    """
    first, second = _single_surnames(origins, rng), _single_surnames(origins, rng)
    double_share = np.array([origin.double_surname for origin in ORIGINS])[origins]
    joiner = np.array([origin.joiner for origin in ORIGINS], dtype=object)[origins]
    double = (rng.random(len(origins)) < double_share) & (first != second)
    return np.where(double, first + joiner + second, first)


def _given_names(origins: Codes, sexes: Strings, rng: np.random.Generator) -> Strings:
    anglicized = np.array([origin.english_given for origin in ORIGINS])[origins]
    lists = np.where(rng.random(len(origins)) < anglicized, _ENGLISH, origins)
    girls_list = np.where(sexes == "X", rng.random(len(sexes)) < 0.5, sexes == "F")

    def draw(group: int, n: int) -> Strings:
        key = (ORIGINS[group // 2].name, "F" if group % 2 else "M")
        return _draw_by_rank(given_lists()[key], n, rng, skew=GIVEN_SKEW)

    return _fill_by_group(lists * 2 + girls_list, draw)


def _repeated(families: Codes, names: Strings) -> npt.NDArray[np.bool_]:
    """Tell which rows bear a name that an earlier row of the same family bears."""
    name_codes, known = pd.factorize(names)
    return pd.Series(families * len(known) + name_codes).duplicated().to_numpy()


def draw_given_names(
    origins: Codes, sexes: Strings, rng: np.random.Generator, *, families: Codes
) -> Strings:
    """Draw a given name for each child, so that siblings rarely share one.

    Parameters
    ----------
    origins : ndarray of int64, shape (n,)
        Positions in ``ORIGINS``.
    sexes : ndarray of object, shape (n,)
        ``"F"``, ``"M"`` or ``"X"``.
    rng : numpy.random.Generator
    families : ndarray of int64, shape (n,)
        Which family each child belongs to.

    Returns
    -------
    ndarray of object, shape (n,)
    """
    names = _given_names(origins, sexes, rng)
    for _ in range(_TRIES):
        again = np.flatnonzero(_repeated(families, names))
        names[again] = _given_names(origins[again], sexes[again], rng)
    return names
