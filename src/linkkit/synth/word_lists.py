"""Read the packaged lists of names, streets and nicknames.

Run by the other modules of this room. In: the name of a list. Out: its rows, split at tabs, with
the last cell split at commas.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

__all__ = ["Strings", "nicknames", "packaged_text", "read_word_list", "strings"]

Strings = npt.NDArray[np.object_]
"""A one-dimensional object array of ``str``, with ``None`` where a cell is missing."""


def packaged_text(file_name: str) -> str:
    """Return the text of a data file that ships with this package.

    Examples
    --------
    >>> packaged_text("streets.tsv").startswith("# part")
    True
    """
    return (files("linkkit.synth") / "data" / file_name).read_text(encoding="utf-8")


def read_word_list(file_name: str) -> list[tuple[tuple[str, ...], Strings]]:
    """Return each row of a word list as its leading cells and its words, in the list's order.

    Examples
    --------
    >>> keys, words = read_word_list("streets.tsv")[1]
    >>> keys, words[:2].tolist()
    (('type',), ['Street', 'Avenue'])
    """
    rows = (line for line in packaged_text(file_name).splitlines() if not line.startswith("#"))
    cells = (row.split("\t") for row in rows)
    return [(tuple(row[:-1]), strings(row[-1].split(", "))) for row in cells]


def strings(cells: list[str] | list[str | None]) -> Strings:
    """Return cells as an object array of one dimension."""
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


@cache
def nicknames() -> dict[str, tuple[str, ...]]:
    """Return what people call the bearers of a given name, by given name.

    Examples
    --------
    >>> nicknames()["William"]
    ('Bill', 'Billy', 'Will')
    """
    return {keys[0]: tuple(words) for keys, words in read_word_list("nicknames.tsv")}
