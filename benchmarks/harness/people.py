"""Two files of made-up people, as large as wanted, with names as frequent as in the US census.

Names are drawn with the frequencies of the 1990 census of the United States, which the package `names`
carries. Nobody is real. Some of the people are in both files, some of these with errors.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["FIELDS", "TwoFiles", "two_files"]

FIELDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "address": "street_address",
    "city": "city",
    "postal_code": "postal_code",
}
"""Columns of the files and their kinds."""

_STREET_TYPES = ("St", "Ave", "Rd", "Ln", "Dr", "Ct", "Blvd", "Way")
_MOST_STREETS = 3_000
_PEOPLE_PER_POSTAL_CODE = 300
_CODES_PER_CITY = 4
_DAYS = 70 * 365
_MISSING = 0.02
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"

_Texts = npt.NDArray[np.object_]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class TwoFiles:
    """Two parties' files and who is in both.

    Attributes
    ----------
    left, right : pyarrow.Table
        A row for each person, in random order.
    matches : ndarray of int64, shape (n_matches, 2)
        Rows of the same person in the two files.
    corrupted : ndarray of bool, shape (n_matches,)
        Which of these were given errors.
    """

    left: pa.Table
    right: pa.Table
    matches: npt.NDArray[np.int64]
    corrupted: npt.NDArray[np.bool_]

    def __repr__(self) -> str:
        return f"<TwoFiles: {len(self.left)} and {len(self.right)} rows>"


def two_files(n: int, *, overlap: float = 0.5, corrupted: float = 0.2, seed: int = 0) -> TwoFiles:
    """Make two files of `n` people each.

    Parameters
    ----------
    n : int
        Rows of each file, 1 or more.
    overlap : float
        Share of a file's people who are in the other, too, 0 to 1.
    corrupted : float
        Share of these with errors in the second file: one or two fields with a typing error, another
        value, or none.
    seed : int
        The same seed makes the same files.

    """
    rng = np.random.default_rng(seed)
    n_both = round(n * overlap)
    people = _people(2 * n - n_both, rng)
    left_rows, right_rows = np.arange(n), np.arange(n - n_both, 2 * n - n_both)
    right = {name: column[right_rows] for name, column in people.items()}
    bad = rng.random(n_both) < corrupted
    _corrupt(right, np.flatnonzero(bad), people, rng)
    left = {name: column[left_rows] for name, column in people.items()}
    for file in (left, right):
        for column in file.values():
            column[rng.random(n) < _MISSING] = None
    left_order, right_order = rng.permutation(n), rng.permutation(n)
    at_left, at_right = np.argsort(left_order), np.argsort(right_order)
    matches = np.stack([at_left[n - n_both :], at_right[:n_both]], axis=1)
    return TwoFiles(
        left=_table(left, left_order),
        right=_table(right, right_order),
        matches=matches.astype(np.int64),
        corrupted=bad,
    )


def _table(file: dict[str, _Texts], order: npt.NDArray[np.int64]) -> pa.Table:
    return pa.table({name: pa.array(column[order], pa.string()) for name, column in file.items()})


def _people(n: int, rng: np.random.Generator) -> dict[str, _Texts]:
    folder = _names_folder()
    boys, girls = (_drawn(folder / f"dist.{sex}.first", n, rng) for sex in ("male", "female"))
    surnames = _listed(folder / "dist.all.last")[0]
    codes = rng.integers(0, max(n // _PEOPLE_PER_POSTAL_CODE, 20), size=n)
    days = np.datetime64("1940-01-01") + rng.integers(0, _DAYS, size=n)
    street = rng.integers(0, _MOST_STREETS, size=n)
    types = np.array(_STREET_TYPES, dtype=object)[street % len(_STREET_TYPES)]
    numbers = rng.integers(1, 9_999, size=n).astype(str).astype(object)
    place_of = {code: f"{10_000 + 7 * code % 89_999:05d}" for code in np.unique(codes).tolist()}
    return {
        "given_name": np.where(rng.random(n) < 0.5, boys, girls),
        "surname": _drawn(folder / "dist.all.last", n, rng),
        "birth_date": np.datetime_as_string(days).astype(object),
        "address": numbers + " " + surnames[street] + " " + types,
        "city": surnames[
            _MOST_STREETS + codes // _CODES_PER_CITY % (len(surnames) - _MOST_STREETS)
        ],
        "postal_code": np.array([place_of[code] for code in codes.tolist()], dtype=object),
    }


def _names_folder() -> Path:
    found = importlib.util.find_spec("names")
    if found is None or found.origin is None:
        raise SystemExit("census names come with the package 'names': pip install names")
    return Path(found.origin).parent


def _listed(path: Path) -> tuple[_Texts, npt.NDArray[np.float64]]:
    rows = [line.split() for line in path.read_text("ascii").splitlines()]
    names = np.array([row[0].capitalize() for row in rows], dtype=object)
    return names, np.array([float(row[2]) for row in rows])


def _drawn(path: Path, n: int, rng: np.random.Generator) -> _Texts:
    names, cumulated = _listed(path)
    return np.asarray(names[np.searchsorted(cumulated, rng.random(n) * cumulated[-1])])


def _corrupt(
    file: dict[str, _Texts],
    rows: npt.NDArray[np.int64],
    people: dict[str, _Texts],
    rng: np.random.Generator,
) -> None:
    names = tuple(FIELDS)
    for row in np.repeat(rows, 1 + (rng.random(len(rows)) < 0.5)).tolist():
        column = file[names[int(rng.integers(len(names)))]]
        kind, value = rng.random(), column[row]
        if kind < 0.1:
            column[row] = None
        elif kind < 0.25:
            other = people[next(name for name in names if file[name] is column)]
            column[row] = other[int(rng.integers(len(other)))]
        elif value:
            column[row] = _typed(value, rng)


def _typed(value: str, rng: np.random.Generator) -> str:
    """Return a value with one typing error: a character inserted, left out, changed, or two swapped."""
    at, kind = int(rng.integers(len(value))), int(rng.integers(4))
    letters = _DIGITS if value[at].isdigit() else _LETTERS
    letter = letters[int(rng.integers(len(letters)))]
    if kind == 0:
        return value[:at] + letter + value[at:]
    if kind == 1 and len(value) > 1:
        return value[:at] + value[at + 1 :]
    if kind == 2 and at + 1 < len(value):
        return value[:at] + value[at + 1] + value[at] + value[at + 2 :]
    return value[:at] + letter + value[at + 1 :]
