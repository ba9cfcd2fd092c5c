"""Names for large files, as numbers into lists, with the frequencies of a census.

Run while people are made. In: how many, and a generator. Out: which given name and which surname
each has. The census of 1990 of the United States comes with the package ``names``; the lists of
this room serve where that is not installed, or where many cultures matter more than frequencies.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.errors import DependencyError
from linkkit.synth.names import GIVEN_SKEW, given_lists, surname_lists
from linkkit.synth.origins import ORIGINS
from linkkit.synth.word_lists import Strings

__all__ = ["NameTables", "Names", "name_tables"]

Names = Literal["census", "mixed"]
"""Where names come from: the census of the United States, or a city of many origins."""

Codes = npt.NDArray[np.int32]
_Floats = npt.NDArray[np.float64]


class _Words(NamedTuple):
    """Words, and the cumulated frequencies that they are drawn with."""

    words: Strings
    cumulated: _Floats

    @classmethod
    def of(cls, words: Strings, weights: _Floats) -> _Words:
        return cls(words, np.cumsum(weights / weights.sum()))

    def draw(self, n: int, rng: np.random.Generator) -> Codes:
        # The last sum can be a little less than 1.
        found = np.searchsorted(self.cumulated[:-1], rng.random(n), side="right")
        return found.astype(np.int32)


class _Group(NamedTuple):
    """People whose names are drawn from the same lists."""

    share: float
    given: tuple[_Words, _Words]
    surnames: _Words


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class NameTables:
    """Given names and surnames, by the people who bear them.

    Attributes
    ----------
    given_names, surnames : pyarrow.StringArray
        All names of all groups; a code is a place in them.
    """

    groups: tuple[_Group, ...]
    given_names: pa.StringArray
    surnames: pa.StringArray

    @classmethod
    def of(cls, groups: tuple[_Group, ...]) -> NameTables:
        """Return the tables of groups of people."""
        given = [item.words for group in groups for item in group.given]
        return cls(
            groups=groups,
            given_names=pa.array(np.concatenate(given), pa.string()),
            surnames=pa.array(np.concatenate([g.surnames.words for g in groups]), pa.string()),
        )

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Codes, Codes]:
        """Return codes of a given name and a surname for each of `n` people."""
        shares = np.cumsum([group.share for group in self.groups])
        which = np.searchsorted(shares[:-1] / shares[-1], rng.random(n), side="right")
        girls = rng.random(n) < 0.5
        given, surnames = np.empty(n, np.int32), np.empty(n, np.int32)
        given_start = surname_start = 0
        for number, group in enumerate(self.groups):
            members = which == number
            for sex, words in zip((False, True), group.given, strict=True):
                rows = np.flatnonzero(members & (girls == sex))
                given[rows] = words.draw(len(rows), rng) + given_start
                given_start += len(words.words)
            rows = np.flatnonzero(members)
            surnames[rows] = group.surnames.draw(len(rows), rng) + surname_start
            surname_start += len(group.surnames.words)
        return given, surnames


def name_tables(names: Names) -> NameTables:
    """Return the names to draw from.

    Raises
    ------
    DependencyError
        When the census is asked for and the package ``names`` is not installed.
    """
    return NameTables.of(_census() if names == "census" else _mixed())


def _census() -> tuple[_Group, ...]:
    folder = _census_folder()
    boys, girls, surnames = (
        _census_list(folder / f"dist.{name}") for name in ("male.first", "female.first", "all.last")
    )
    return (_Group(1.0, (boys, girls), surnames),)


def _census_folder() -> Path:
    found = importlib.util.find_spec("names")
    if found is None or found.origin is None:
        raise DependencyError(
            "the names of the census come with the package 'names', which is not installed",
            hint="pip install 'linkkit[bench]', or take the names of a mixed city: 'mixed'.",
        )
    return Path(found.origin).parent


def _census_list(path: Path) -> _Words:
    """Read name, frequency in percent, cumulated frequency and rank, one name to a line."""
    rows = [line.split() for line in path.read_text("ascii").splitlines()]
    words = np.array([row[0].capitalize() for row in rows], dtype=object)
    weights, cumulated = (np.array([float(row[place]) for row in rows]) for place in (1, 2))
    # Frequencies are rounded to .001 %, so that most surnames have none; they share what is left.
    rare = weights == 0
    if rare.any():
        weights[rare] = (cumulated[-1] - cumulated[~rare][-1]) / rare.sum()
    return _Words.of(words, weights)


def _mixed() -> tuple[_Group, ...]:
    given, surnames = given_lists(), surname_lists()
    return tuple(
        _Group(
            origin.share,
            (
                _by_rank(given[origin.name, "M"], GIVEN_SKEW),
                _by_rank(given[origin.name, "F"], GIVEN_SKEW),
            ),
            _by_rank(surnames[origin.name], origin.surname_skew),
        )
        for origin in ORIGINS
    )


def _by_rank(words: Strings, skew: float) -> _Words:
    weights = np.asarray((np.arange(len(words)) + 2.0) ** -skew, dtype=np.float64)
    return _Words.of(words, weights)
