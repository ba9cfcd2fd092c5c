"""Files of made-up people, as large as wanted, with known truth.

Run for benchmarks and rehearsals at scale. In: how many rows, parties and errors, and a seed. Out:
each party's table, made piece by piece when it is asked for, and who is who. Nobody is real.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from linkkit.errors import OptionError
from linkkit.exchange.atomic import atomic_file
from linkkit.synth.large_homes import draw_large_homes
from linkkit.synth.name_tables import Names, NameTables, name_tables
from linkkit.synth.slips import mistype

__all__ = ["LARGE_FIELDS", "LargeFiles", "TrueMatches", "large_agreement", "large_files"]

LARGE_FIELDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "address": "street_address",
    "city": "city",
    "postal_code": "postal_code",
}
"""Linkage fields of the files, and their kinds."""

pc: Any = pyarrow.compute  # its functions are made at run time, out of a checker's sight

MOST_ROWS = 100_000_000
_PIECE = 250_000
_STREET_TYPES = ("St", "Ave", "Rd", "Ln", "Dr", "Ct", "Blvd", "Way")
_MOST_STREETS = 3_000
_HOUSE_NUMBERS = 9_999
_PEOPLE_PER_POSTAL_CODE = 300
_POSTAL_CODES = 89_999
_CODES_PER_CITY = 4
_FIRST_DAY = np.datetime64("1940-01-01")
_DAYS = 70 * 365
_EMPTIED, _OF_ANOTHER = 0.10, 0.15

_Bools = npt.NDArray[np.bool_]
_Rows = npt.NDArray[np.int64]


class TrueMatches(NamedTuple):
    """Pairs of rows of the same person in two files.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_matches,)
        Rows of the two files, ascending on the left.
    with_errors : ndarray of bool, shape (n_matches,)
        Whether one of both rows was given errors.
    """

    left: _Rows
    right: _Rows
    with_errors: _Bools


class _People(NamedTuple):
    """What is true of each person, as codes."""

    given: npt.NDArray[np.int32]
    surname: npt.NDArray[np.int32]
    day: npt.NDArray[np.uint16]
    street: npt.NDArray[np.uint16]
    house: npt.NDArray[np.uint16]
    postal: npt.NDArray[np.int32]
    household: npt.NDArray[np.int32]


class _Words(NamedTuple):
    """What the codes stand for."""

    given: pa.StringArray
    surname: pa.StringArray
    streets: pa.StringArray
    cities: pa.StringArray


class _Rates(NamedTuple):
    errors: float
    missing: float


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class LargeFiles:
    """What :func:`large_files` makes: files of made-up people, and who is who.

    Attributes
    ----------
    parties : tuple of str
        Names of the files: ``party_1`` and so on.
    n_rows : int
        Rows of each.
    """

    parties: tuple[str, ...]
    n_rows: int
    _people: _People = field(repr=False)
    _later: _People = field(repr=False)
    _words: _Words = field(repr=False)
    _persons: dict[str, npt.NDArray[np.int32]] = field(repr=False)
    _altered: dict[str, _Bools] = field(repr=False)
    _rates: _Rates = field(repr=False)
    _seed: int = field(repr=False)

    def __repr__(self) -> str:
        return f"<LargeFiles: {len(self.parties)} parties, {self.n_rows} rows each>"

    def person(self, party: str) -> npt.NDArray[np.int64]:
        """Return the number of the person of each row, the same in all files; shape (n_rows,)."""
        return self._persons[self._known(party)].astype(np.int64)

    def household(self, party: str) -> npt.NDArray[np.int64]:
        """Return the number of the household of each row's person; shape (n_rows,)."""
        return self._people.household[self._persons[self._known(party)]].astype(np.int64)

    def altered(self, party: str) -> _Bools:
        """Return which rows were given errors; shape (n_rows,). Missing cells are none."""
        return self._altered[self._known(party)].copy()

    def matches(self, left: str, right: str) -> TrueMatches:
        """Return all pairs of rows of one person in two different files."""
        if self._known(left) == self._known(right):
            raise OptionError("a file is not matched with itself", hint="Name two parties.")
        _, rows, others = np.intersect1d(
            self._persons[left], self._persons[right], assume_unique=True, return_indices=True
        )
        order = np.argsort(rows)
        rows, others = rows[order].astype(np.int64), others[order].astype(np.int64)
        bad = self._altered[left][rows] | self._altered[right][others]
        return TrueMatches(left=rows, right=others, with_errors=bad)

    def table(self, party: str) -> pa.Table:
        """Return a party's file: ``record_id``, its row number, and the linkage fields."""
        return pa.concat_tables(list(self.pieces(party))).combine_chunks()

    def pieces(self, party: str) -> Iterator[pa.Table]:
        """Yield a party's file piece by piece, for files larger than the memory."""
        number = self.parties.index(self._known(party))
        for piece, start in enumerate(range(0, self.n_rows, _PIECE)):
            rng = np.random.default_rng([self._seed, 1 + number, piece])
            yield self._piece(party, slice(start, start + _PIECE), rng)

    def write(self, folder: str | Path) -> dict[str, Path]:
        """Write each party's file as Parquet, ``party_1.parquet`` and so on; returns the paths.

        Raises
        ------
        SealError
            When a file cannot be written.
        """
        paths = {party: Path(folder) / f"{party}.parquet" for party in self.parties}
        schema = pa.schema([(name, pa.string()) for name in ("record_id", *LARGE_FIELDS)])
        for party, path in paths.items():
            with atomic_file(path) as file, pq.ParquetWriter(file, schema) as writer:
                for piece in self.pieces(party):
                    writer.write_table(piece)
        return paths

    def _known(self, party: str) -> str:
        if party not in self.parties:
            raise OptionError(
                f"there is no party '{party}'", hint=f"Parties: {', '.join(self.parties)}."
            )
        return party

    def _piece(self, party: str, rows: slice, rng: np.random.Generator) -> pa.Table:
        persons = self._persons[party][rows]
        people = self._people if party == self.parties[0] else self._later
        columns = {name: self._column(name, persons, people) for name in LARGE_FIELDS}
        self._spoil(columns, np.flatnonzero(self._altered[party][rows]), people, rng)
        for name, column in columns.items():
            missing = pa.array(rng.random(len(persons)) < self._rates.missing)
            columns[name] = pc.if_else(missing, pa.scalar(None, pa.string()), column)
        ids = pc.cast(pa.array(np.arange(rows.start, rows.start + len(persons))), pa.string())
        return pa.table({"record_id": ids, **columns})

    def _column(self, name: str, persons: npt.NDArray[np.int32], people: _People) -> pa.StringArray:
        """Return the true values of a field."""
        words = self._words
        if name == "given_name":
            return words.given.take(pa.array(people.given[persons]))
        if name == "surname":
            return words.surname.take(pa.array(people.surname[persons]))
        if name == "birth_date":
            return pc.cast(pa.array(_FIRST_DAY + people.day[persons]), pa.string())
        if name == "address":
            house = pc.cast(pa.array(people.house[persons]), pa.string())
            return pc.binary_join_element_wise(
                house, words.streets.take(pa.array(people.street[persons])), " "
            )
        codes = people.postal[persons]
        if name == "city":
            return words.cities.take(pa.array(codes // _CODES_PER_CITY % len(words.cities)))
        # 7 and the number of codes have no common divisor, so that no two codes become one.
        return pc.cast(pa.array(10_000 + 7 * codes % _POSTAL_CODES), pa.string())

    def _spoil(
        self,
        columns: dict[str, pa.StringArray],
        rows: _Rows,
        people: _People,
        rng: np.random.Generator,
    ) -> None:
        """Give each row an error in one field or, as often, in two."""
        names = tuple(columns)
        first = rng.integers(len(names), size=len(rows))
        second = (first + rng.integers(1, len(names), size=len(rows))) % len(names)
        second[rng.random(len(rows)) < 0.5] = -1
        for place, name in enumerate(names):
            hit = rows[(first == place) | (second == place)]
            was = columns[name].take(pa.array(hit))
            strangers = rng.integers(len(people.day), size=len(hit)).astype(np.int32)
            other = self._column(name, strangers, people)
            kind = rng.random(len(hit))
            replaced = pa.array(kind < _EMPTIED + _OF_ANOTHER)
            now = pc.if_else(pc.and_(replaced, pc.not_equal(other, was)), other, mistype(was, rng))
            now = pc.if_else(pa.array(kind < _EMPTIED), pa.scalar(None, pa.string()), now)
            mask = np.zeros(len(columns[name]), dtype=np.bool_)
            mask[hit] = True
            columns[name] = pc.replace_with_mask(columns[name], pa.array(mask), now)


def large_files(
    n_rows: int,
    *,
    n_parties: int = 2,
    overlap: float = 0.5,
    errors: float = 0.2,
    missing: float = 0.02,
    names: Names = "census",
    household_size: float = 1.0,
    moved: float = 0.0,
    seed: int = 0,
) -> LargeFiles:
    """Make up files of people for two or more parties.

    Each file holds a person once, in random order, with a given name, a surname, a birth date of
    1940 to 2009, an address, a city and a postal code of some 300 people. The first file has no
    errors; a row with errors in another has one or, as often, two fields with a typing error (75 %
    of them), another person's value (15 %), or none (10 %). Memory is needed for some 30 bytes a
    row and for a piece of a file at a time, unless whole tables are asked for.

    Parameters
    ----------
    n_rows : int
        Rows of each file, 1 to 100 million.
    n_parties : int
        How many files, 2 or more.
    overlap : float
        Share of each file's people who are in all the others, too, 0 to 1. The rest are in one only.
    errors : float
        Share of the rows with errors in every file but the first, 0 to 1.
    missing : float
        Share of missing cells, in every field and file, 0 to 1.
    names : {"census", "mixed"}
        Names with the frequencies of the census of 1990 of the United States, which the extra
        ``bench`` brings; or those of a city of many origins, from lists of some hundred names, so
        that more people are namesakes.
    household_size : float
        Mean number of people of a household, 1 to 10. They share the address and mostly the surname; some are in
        one file and some in another.
    moved : float
        Share of households that have moved, together, after the first file was made, 0 to 1.
    seed : int
        0 or more. The same options give the same files.

    Returns
    -------
    LargeFiles

    Raises
    ------
    OptionError
        An option is out of its range.
    DependencyError
        The census is asked for and the package ``names`` is not installed.

    Examples
    --------
    >>> files = large_files(1000, names="mixed", overlap=0.3, seed=7)
    >>> files
    <LargeFiles: 2 parties, 1000 rows each>
    >>> files.table("party_1").num_rows, len(files.matches("party_1", "party_2").left)
    (1000, 300)
    """
    shares = {"overlap": overlap, "errors": errors, "missing": missing, "moved": moved}
    _check_options(n_rows, n_parties, shares, names=names, seed=seed, household_size=household_size)
    tables = name_tables(names)
    rng = np.random.default_rng([seed, 0])
    parties = tuple(f"party_{i + 1}" for i in range(n_parties))
    n_both = round(n_rows * overlap)
    n_people = n_both + n_parties * (n_rows - n_both)
    words = _words(tables)
    people = _people(tables, words, n_people, rng)
    people, later = _at_home(people, words, household_size=household_size, moved=moved, seed=seed)
    persons, altered = {}, {}
    for number, party in enumerate(parties):
        own = np.arange(n_rows - n_both, dtype=np.int32) + (n_both + number * (n_rows - n_both))
        persons[party] = rng.permutation(np.concatenate([np.arange(n_both, dtype=np.int32), own]))
        altered[party] = rng.random(n_rows) < (errors if number else 0.0)
    return LargeFiles(
        parties=parties,
        n_rows=n_rows,
        _people=people,
        _later=later,
        _words=words,
        _persons=persons,
        _altered=altered,
        _rates=_Rates(errors, missing),
        _seed=seed,
    )


def _check_options(
    n_rows: object,
    n_parties: object,
    shares: dict[str, float],
    *,
    names: object,
    seed: object,
    household_size: float,
) -> None:
    problems = []
    if not (isinstance(household_size, Real) and 1 <= float(household_size) <= 10):
        problems.append("'household_size' is a number of people, 1 to 10")
    if not _is_whole(n_rows, least=1, most=MOST_ROWS):
        problems.append(f"'n_rows' is a whole number, 1 to {MOST_ROWS:,}")
    if not _is_whole(n_parties, least=2, most=20):
        problems.append("'n_parties' is a whole number, 2 to 20")
    for name, share in shares.items():
        if not (isinstance(share, Real) and math.isfinite(share) and 0 <= share <= 1):
            problems.append(f"'{name}' is a share, 0 to 1")
    if names not in get_args(Names):
        problems.append(f"'names' is one of {', '.join(get_args(Names))}")
    if not _is_whole(seed, least=0, most=2**63):
        problems.append("'seed' is a whole number, 0 or more")
    if problems:
        raise OptionError(problems)


def _is_whole(number: object, *, least: int, most: int) -> bool:
    whole = isinstance(number, Integral) and not isinstance(number, bool)
    return whole and least <= int(number) <= most  # type: ignore[call-overload]


def _people(tables: NameTables, words: _Words, n: int, rng: np.random.Generator) -> _People:
    given, surname = tables.draw(n, rng)
    n_codes = min(max(n // _PEOPLE_PER_POSTAL_CODE, 20), _POSTAL_CODES)
    return _People(
        given=given,
        surname=surname,
        day=rng.integers(0, _DAYS, size=n, dtype=np.uint16),
        street=rng.integers(0, len(words.streets), size=n, dtype=np.uint16),
        house=rng.integers(1, _HOUSE_NUMBERS, size=n, dtype=np.uint16),
        postal=rng.integers(0, n_codes, size=n, dtype=np.int32),
        household=np.arange(n, dtype=np.int32),
    )


def _at_home(
    people: _People, words: _Words, *, household_size: float, moved: float, seed: int
) -> tuple[_People, _People]:
    """Return people with the homes and names of their households, at first and later."""
    if household_size == 1 and not moved:
        return people, people
    n = len(people.day)
    rng = np.random.default_rng([seed, 0, 1])  # of its own, so that alone nobody is changed
    homes = draw_large_homes(n, household_size=household_size, moved=moved, rng=rng)
    n_new, n_codes = homes.n_homes - n, int(people.postal.max()) + 1
    streets = rng.integers(0, len(words.streets), size=n_new, dtype=np.uint16)
    houses = rng.integers(1, _HOUSE_NUMBERS, size=n_new, dtype=np.uint16)
    codes = rng.integers(0, n_codes, size=n_new, dtype=np.int32)
    street = np.concatenate([people.street, streets])
    house = np.concatenate([people.house, houses])
    postal = np.concatenate([people.postal, codes])
    now, later = (
        people._replace(
            surname=people.surname[homes.named_after],
            household=homes.household,
            street=street[home],
            house=house[home],
            postal=postal[home],
        )
        for home in (homes.home, homes.later_home)
    )
    return now, later


def _words(tables: NameTables) -> _Words:
    """Return the words of names, and streets and cities that are called after surnames."""
    given, surname = tables.given_names, tables.surnames
    n_streets = min(_MOST_STREETS, len(surname) // 2)
    types = pa.array([_STREET_TYPES[i % len(_STREET_TYPES)] for i in range(n_streets)])
    return _Words(
        given=given,
        surname=surname,
        streets=pc.binary_join_element_wise(surname[:n_streets], types, " "),
        cities=surname[n_streets:],
    )


def large_agreement(parties: Sequence[str], *, profile: str = "field") -> dict[str, Any]:
    """Return the document of an agreement about such files, without public keys.

    Parameters
    ----------
    parties : sequence of str
        Names of the files.
    profile : str
        How records are encoded.

    Examples
    --------
    >>> from linkkit.agreement import Agreement
    >>> Agreement.from_document(large_agreement(["party_1", "party_2"])).linkage.profile
    'field'
    """
    return {
        "format": "linkkit-agreement/1",
        "id": "large-files",
        "title": "Large files",
        "purpose": "Measure how fast large files are linked.",
        "legal_basis": "Made-up people; no law applies.",
        "years": {"first": 2020, "last": 2026},
        "destroy_by": "2999-01-01",
        "linkage": {
            "profile": profile,
            "fields": {name: {"kind": kind} for name, kind in LARGE_FIELDS.items()},
        },
        "variables": {"birth_year": {"type": "integer"}},
        "parties": {party: _clause(party) for party in parties},
        "linkage_unit": {"name": "Linkage unit"},
        "steward": {"name": "Steward"},
        "protection": {"smallest_cell": 5, "quasi_identifiers": {"birth_year": {}}},
        "projects": {"speed": {"purpose": "Speed.", "variables": ["birth_year"]}},
    }


def _clause(party: str) -> dict[str, Any]:
    return {
        "name": f"Office of {party}",
        "record_id": "record_id",
        "one_record_per_person": True,
        "linkage_fields": {name: {"column": name} for name in LARGE_FIELDS},
        "payload": {"birth_year": {"field": "birth_date", "coarsen": "year"}},
    }
