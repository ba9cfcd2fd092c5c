"""What records say of where their people live: the fields that a household shares, by person.

In: the pool and the person of each record. Out: a pool of distinct rows of home fields, sorted by person, and
how many people share each value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from linkkit.agreement import FieldKind
from linkkit.errors import OptionError
from linkkit.exchange import EncodingSpec
from linkkit.linkage.block._key_reference import mixed
from linkkit.linkage.block.keys import filter_keys
from linkkit.linkage.pool import Pool

__all__ = [
    "MOST_SHARING",
    "N_CROWDS",
    "Evidence",
    "HomeFields",
    "Values",
    "gather_evidence",
    "home_fields",
    "require_home_fields",
]

N_CROWDS = 6
"""So many sizes of crowds are told apart: how many people share a value."""

_HOME_CROWDS = (2, 4, 8, 16, 64)
_MOST_COMMON_SURNAME = 0.02

MOST_SHARING = 64
"""What more people than this share is an institution's, or a placeholder, and by itself brings nobody together."""

_MOST_OTHERS = 6
_OTHERS: tuple[FieldKind, ...] = ("phone", "email", "guardian_name")
_NEVER_OF_MANY: tuple[FieldKind, ...] = ("phone", "email")
_HOME: tuple[FieldKind, ...] = ("street_address", *_OTHERS)

_Keys = npt.NDArray[np.uint64]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeFields:
    """The fields of a spec that are evidence of a household, as positions among its filters.

    Attributes
    ----------
    address, area, surname : int or None
        The street address; the postal code, or the city where there is none; the surname.
    others : tuple of int
        Phones, mail addresses and guardians' names, each compared with itself.
    """

    address: int | None
    area: int | None
    surname: int | None
    others: tuple[int, ...]

    @property
    def every(self) -> tuple[int, ...]:
        """All of them, ascending."""
        some = (self.address, self.area, self.surname, *self.others)
        return tuple(sorted(f for f in some if f is not None))


def home_fields(spec: EncodingSpec, filled: npt.NDArray[np.float64]) -> HomeFields:
    """Choose the fields that are evidence of a household, by their kinds.

    Parameters
    ----------
    spec : EncodingSpec
        With a filter for each field.
    filled : ndarray of float64, shape (n_fields,)
        Share of records that have each field, 0 to 1. A postal code that most lack is no area.
    """

    def best(kind: FieldKind) -> int | None:
        found = [i for i, item in enumerate(spec.filters) if item.kind == kind]
        return max(found, key=lambda i: (filled[i], -i), default=None)

    postal, city = best("postal_code"), best("city")
    area = city if postal is None else postal
    if postal is not None and city is not None and filled[postal] < min(filled[city], 0.5):
        area = city
    others = [i for i, item in enumerate(spec.filters) if item.kind in _OTHERS]
    return HomeFields(
        address=best("street_address"),
        area=area,
        surname=best("surname"),
        others=tuple(others[:_MOST_OTHERS]),
    )


def require_home_fields(spec: EncodingSpec) -> None:
    """Refuse to look for households where encodings cannot tell them.

    Raises
    ------
    OptionError
        When filters mix fields, or no field is of a home.
    """
    if not spec.filters:
        raise OptionError(
            f"'households' needs a filter for each field, and profile '{spec.profile}' has filters "
            "of several fields together, which do not tell a shared home from a shared name",
            hint="Link without 'households', or agree on 'profile: field' and encode again.",
        )
    if not any(item.kind in _HOME for item in spec.filters):
        raise OptionError(
            "'households' needs a linkage field that people of one home share, and there is none "
            f"of kind {', '.join(_HOME[:-1])} or {_HOME[-1]}",
            hint="Link without 'households', or add such a field to the agreement and encode again.",
        )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Values:
    """The values of one field, or of address and area together, and who shares them.

    Attributes
    ----------
    keys : ndarray of uint64, shape (n_rows,)
        A digest of each row's value, 0 where it is missing.
    crowd : ndarray of int64, shape (n_rows,)
        How many people share the value; 0 where it is missing.
    limits : tuple of int
        Crowds are told apart by whether they are up to these, in ascending order, or above.
    pairs : ndarray of float64, shape (n_crowds,)
        How many pairs of people share a value, for each size of its crowd, the largest crowd first.
    n_people : int
        How many people have a value.
    """

    keys: _Keys
    crowd: _Ints
    limits: tuple[int, ...]
    pairs: npt.NDArray[np.float64]
    n_people: int

    def size_of(self, rows: _Ints) -> _Ints:
        """Return the size of the crowd of some rows: 0 for the largest, up to `N_CROWDS` - 1."""
        return len(self.limits) - np.searchsorted(self.limits, self.crowd[rows]).astype(np.int64)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Evidence:
    """The distinct rows of home fields of all people.

    Attributes
    ----------
    pool : Pool
        The rows, of the home fields alone, as one party with many records of each person.
    fields : HomeFields
        Positions among the filters of this pool.
    person : ndarray of int64, shape (n_rows,)
        The number of each row's person, ascending.
    starts : ndarray of int64, shape (n_people + 1,)
        The first row of each person; somebody without any evidence has no row.
    values : dict of int to Values
        Of each field but the area.
    places : Values or None
        Of address and area together; rows that have both. None without both fields.
    areas : Values or None
        Of the area.
    n_set_aside : int
        Phones and mail addresses of rows that more than :data:`MOST_SHARING` people share: they are taken as
        missing, as a school's number says nothing of a home.
    """

    pool: Pool
    fields: HomeFields
    person: _Ints
    starts: _Ints
    values: dict[int, Values]
    places: Values | None
    areas: Values | None
    n_set_aside: int

    @property
    def n_people(self) -> int:
        """All people, with evidence or without."""
        return len(self.starts) - 1

    @property
    def n_pairs(self) -> int:
        """All pairs of people."""
        return self.n_people * (self.n_people - 1) // 2


def gather_evidence(pool: Pool, number: _Ints) -> Evidence:
    """Collect what all records of a person say of the home.

    Parameters
    ----------
    pool : Pool
        All records, with a filter for each field.
    number : ndarray of int64, shape (n_records,)
        The number of each record's person, 0 and up without gaps.
    """
    chosen = home_fields(pool.spec, pool.present.mean(axis=0))
    rows, person = _distinct_rows(pool, number, chosen.every)
    part = _home_pool(pool, rows, chosen.every)
    fields = _renumbered(chosen)
    keys = filter_keys(part)
    n_set_aside = _set_aside(part, keys, person)
    values = {
        f: _values(keys[:, f], person, as_surname=f == fields.surname)
        for f in range(keys.shape[1])
        if f != fields.area
    }
    areas = None if fields.area is None else _values(keys[:, fields.area], person)
    places = None
    if fields.address is not None and fields.area is not None:
        places = _values(combined(keys[:, fields.address], keys[:, fields.area]), person)
    n_people = int(number.max()) + 1
    return Evidence(
        pool=part,
        fields=fields,
        person=person,
        starts=np.searchsorted(person, np.arange(n_people + 1)).astype(np.int64),
        values=values,
        places=places,
        areas=areas,
        n_set_aside=n_set_aside,
    )


def _set_aside(pool: Pool, keys: _Keys, person: _Ints) -> int:
    """Take as missing what is no home's phone or mail address, in place; return how many there are."""
    n = 0
    for f, item in enumerate(pool.spec.filters):
        if item.kind in _NEVER_OF_MANY:
            many = _values(keys[:, f], person).crowd > MOST_SHARING
            keys[many, f], pool.present[many, f] = 0, False
            n += int(many.sum())
    return n


def _renumbered(fields: HomeFields) -> HomeFields:
    """Return the same fields by their positions among themselves."""
    place = {field: i for i, field in enumerate(fields.every)}

    def of(field: int | None) -> int | None:
        return None if field is None else place[field]

    return HomeFields(
        address=of(fields.address),
        area=of(fields.area),
        surname=of(fields.surname),
        others=tuple(place[field] for field in fields.others),
    )


def combined(*keys: _Keys) -> _Keys:
    """Return one digest for several keys of each row, 0 where one of them is missing."""
    digest = np.zeros(len(keys[0]), dtype=np.uint64)
    for column in keys:
        digest = mixed(digest, column)
    whole = np.all([column != 0 for column in keys], axis=0)
    return np.where(whole, np.maximum(digest, np.uint64(1)), np.uint64(0))


def _distinct_rows(pool: Pool, number: _Ints, fields: tuple[int, ...]) -> tuple[_Ints, _Ints]:
    """Return a record for each distinct row of a person that holds something, sorted by person."""
    keys = filter_keys(pool)[:, list(fields)]
    digest = np.zeros(len(pool), dtype=np.uint64)
    for column in range(keys.shape[1]):
        digest = mixed(digest, keys[:, column])
    some = np.flatnonzero(np.any(keys != 0, axis=1))
    # Sorted by digest and not by position, so that no order of parties or records matters.
    order = some[np.lexsort((digest[some], number[some]))]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (number[order][1:] != number[order][:-1]) | (digest[order][1:] != digest[order][:-1])
    rows = order[new]
    return rows, number[rows]


def _home_pool(pool: Pool, rows: _Ints, fields: tuple[int, ...]) -> Pool:
    starts = pool.word_starts
    columns = np.concatenate([np.arange(starts[f], starts[f + 1]) for f in fields])
    filters = tuple(pool.spec.filters[f] for f in fields)
    return replace(
        pool,
        spec=pool.spec.model_copy(update={"filters": filters, "keys": ()}),
        parties=("homes",),
        clean=np.zeros(1, dtype=np.bool_),
        party=np.zeros(len(rows), dtype=np.int64),
        tokens=pool.tokens[rows],
        words=np.ascontiguousarray(pool.words[:, columns][rows]),
        present=np.ascontiguousarray(pool.present[:, list(fields)][rows]),
        block_keys=np.zeros((len(rows), 0), dtype=np.uint64),
    )


def _values(keys: _Keys, person: _Ints, *, as_surname: bool = False) -> Values:
    has = np.flatnonzero(keys != 0)
    order = has[np.lexsort((person[has], keys[has]))]
    value, who = keys[order], person[order]
    new_value = np.append(True, value[1:] != value[:-1])[: len(order)]
    new_person = new_value | np.append(True, who[1:] != who[:-1])[: len(order)]
    number = np.cumsum(new_value) - 1
    sizes = np.bincount(number[new_person], minlength=1)
    crowd = np.zeros(len(keys), dtype=np.int64)
    crowd[order] = sizes[number] if len(order) else 0
    n_people = len(np.unique(who))
    limits = _surname_crowds(n_people) if as_surname else _HOME_CROWDS
    pairs = np.bincount(
        N_CROWDS - 1 - np.searchsorted(limits, sizes),
        weights=sizes * (sizes - 1) / 2,
        minlength=N_CROWDS,
    )
    return Values(
        keys=keys, crowd=crowd, limits=limits, pairs=pairs.astype(np.float64), n_people=n_people
    )


def _surname_crowds(n_people: int) -> tuple[int, ...]:
    """Return limits in even steps from the rarest surname to one that many have."""
    most = max(_MOST_COMMON_SURNAME * n_people, 2.0 ** (N_CROWDS - 1))
    return tuple(np.geomspace(2, most, N_CROWDS - 1).round().astype(int).tolist())
