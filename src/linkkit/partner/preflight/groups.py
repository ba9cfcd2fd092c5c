"""Salt groups: how many people each pass puts together, and what known people teach in it.

In a pass, only records with the same salt are encoded under the same key. What somebody learns
from a known person is of use in that person's group and nowhere else, so the share of
records in a group, p, decides: of s known people, s times the sum of p squared are in
a record's own group, on average.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import FieldKind
from linkkit.exchange import PassSpec, SaltField
from linkkit.partner.encode.salts import salt_codes
from linkkit.partner.preflight.results import PassGroups
from linkkit.partner.preflight.rules import KNOWN
from linkkit.partner.preflight.sizes import class_sizes, combined, concentration, share_alone

__all__ = ["finer_salts", "group_codes", "n_with_passes", "pass_groups", "salt_words"]

Codes = npt.NDArray[np.int64]

_NAMES: tuple[FieldKind, ...] = ("given_name", "surname", "name")
_MOST_SALT_FIELDS = 3
_PART_WORDS = {
    "whole": "whole {}",
    "year": "year of {}",
    "month_day": "month and day of {}",
    "year_day": "year and day of the month of {}",
    "house": "house number and first letters of {}",
}
_PERCENTILES = (5, 25, 50, 75, 95)


def group_codes(fields: Mapping[str, pa.Array], item: PassSpec) -> Codes:
    """Return the salt group of each record in a pass, shape (n_records,); -1 where it has none.

    A record with a salt and none of the fields that the pass encodes has none either.
    """
    codes = salt_codes(fields, item)[1]
    filled = np.zeros(len(codes), dtype=np.bool_)
    for field in item.fields:
        filled |= fields[field.name].is_valid().to_numpy(zero_copy_only=False)
    return np.where(filled, codes, -1)


def salt_words(item: PassSpec) -> str:
    """Say what a pass's salt is.

    Examples
    --------
    >>> from linkkit.exchange import SaltField
    >>> salt = (SaltField(name="dob", part="month_day"), SaltField(name="surname", part=1))
    >>> salt_words(PassSpec(name="a", salt=salt, n_bits=1_024, n_inputs=1, fields=()))
    'month and day of dob plus the first character of surname'
    """
    return " plus the ".join(_part_words(source) for source in item.salt)


def _part_words(source: SaltField) -> str:
    if isinstance(source.part, int):
        n, which = abs(source.part), "first" if source.part > 0 else "last"
        return f"{which} {'character' if n == 1 else f'{n} characters'} of {source.name}"
    return _PART_WORDS[source.part].format(source.name)


def pass_groups(item: PassSpec, groups: Codes, values: Mapping[str, Codes]) -> PassGroups:
    """Measure the groups of one pass.

    Parameters
    ----------
    item : PassSpec
        The pass.
    groups : ndarray of int64, shape (n_records,)
        From :func:`group_codes`.
    values : mapping of str to ndarray
        Numbers of the values of each field, -1 where missing.
    """
    sizes, inside = class_sizes(groups), groups >= 0
    n_records, gathered = int(sizes.sum()), concentration(sizes)
    alike = groups[inside]
    for field in item.fields:
        alike = combined(alike, values[field.name][inside])
    n_largest = int(sizes.max(initial=0))
    return PassGroups(
        name=item.name,
        salt=salt_words(item),
        n_records=n_records,
        n_groups=len(sizes),
        share_without=1 - n_records / len(groups),
        sizes=_percentiles(sizes),
        n_largest=n_largest,
        share_largest=n_largest / n_records if n_records else 0.0,
        concentration=gathered,
        known_in_group={n: min(n, n_records) * gathered for n in KNOWN},
        share_identical=1 - share_alone(class_sizes(alike)) if n_records else 0.0,
    )


def _percentiles(sizes: Codes) -> dict[int, int]:
    if not len(sizes):
        return dict.fromkeys(_PERCENTILES, 0)
    found = np.percentile(sizes, _PERCENTILES, method="inverted_cdf")
    return {q: int(size) for q, size in zip(_PERCENTILES, found, strict=True)}


def n_with_passes(groups: Sequence[Codes]) -> tuple[int, ...]:
    """Return how many records have no pass, one, two, and so on."""
    each = np.sum([codes >= 0 for codes in groups], axis=0)
    return tuple(int(n) for n in np.bincount(each, minlength=len(groups) + 1))


def finer_salts(item: PassSpec, kinds: Mapping[str, FieldKind]) -> Iterator[PassSpec]:
    """Yield passes with finer salts: more of the same fields, then an initial of another name."""
    for i, source in enumerate(item.salt):
        if source.part != "whole":
            whole = source.model_copy(update={"part": "whole"})
            yield item.model_copy(update={"salt": (*item.salt[:i], whole, *item.salt[i + 1 :])})
    salted = {source.name for source in item.salt}
    for name, kind in kinds.items():
        if kind in _NAMES and name not in salted and len(salted) < _MOST_SALT_FIELDS:
            initial = SaltField(name=name, part=1)
            yield item.model_copy(update={"salt": (*item.salt, initial)})
