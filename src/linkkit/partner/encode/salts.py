"""Salts: what records must agree in to look alike in a pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import SaltPart
from linkkit.exchange import PassSpec
from linkkit.partner.standardize.damaged_dates import UNREADABLE

__all__ = ["SEPARATOR", "salt_codes"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

SEPARATOR = "\x1f"
"""Between the parts of a salt; no standardized value holds a control character."""

_OF_HOUSE = 6
"""So many characters of an address: its first number, and what stands beside it."""

_PIECES: dict[SaltPart, tuple[tuple[int, int], ...]] = {
    "year": ((0, 4),),
    "year_day": ((0, 4), (6, 8)),
    "month_day": ((4, 8),),
}
"""Where the pieces of a date's parts stand in YYYYMMDD."""


def salt_codes(
    columns: Mapping[str, pa.Array], item: PassSpec
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the distinct salts of a pass, and which of them each record has.

    Parameters
    ----------
    columns : mapping of str to pyarrow.Array
        Standardized fields, null where missing.
    item : PassSpec
        Says what of which fields is the salt. First and last characters are those without spaces.

    Returns
    -------
    salts : list of str
        Distinct salts: their parts, a separator between them.
    codes : ndarray of int64, shape (n_records,)
        Position in `salts`; -1 where a part is missing, as part of a salt is none.

    Examples
    --------
    >>> from linkkit.exchange import PassSpec, SaltField
    >>> born = SaltField(name="born", part="month_day")
    >>> item = PassSpec(name="a", salt=(born,), n_bits=1024, n_inputs=1, fields=())
    >>> salt_codes({"born": pa.array(["20090305", None, "20100305"])}, item)
    (['0305'], array([ 0, -1,  0]))
    """
    texts, codes = [""], np.zeros(len(columns[item.salt[0].name]), dtype=np.int64)
    for number, source in enumerate(item.salt):
        mine, own = _part_codes(columns[source.name], source.part)
        both = np.where((codes >= 0) & (own >= 0), codes * max(len(mine), 1) + own, -1)
        distinct = pa.array(both, mask=both < 0).dictionary_encode()
        codes = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        pairs = [divmod(pair, len(mine)) for pair in distinct.dictionary.to_pylist()]
        between = SEPARATOR if number else ""
        texts = [f"{texts[before]}{between}{mine[now]}" for before, now in pairs]
    return texts, codes


def _part_codes(column: pa.Array, part: SaltPart) -> tuple[list[str], npt.NDArray[np.int64]]:
    distinct = column.dictionary_encode()
    parts = _parts(distinct.dictionary, part).dictionary_encode()
    part_of_value = parts.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    value = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    known = np.append(part_of_value, -1)  # the last stands for a missing value
    return parts.dictionary.to_pylist(), known[value]


def _parts(values: pa.Array, part: SaltPart) -> pa.Array:
    """Return a part of each value; null where it cannot be read of a damaged date."""
    if part == "whole":
        return _readable(values)
    if isinstance(part, int):
        plain = pc.replace_substring(values, " ", "")
        stop = part if part > 0 else None
        return pc.utf8_slice_codeunits(plain, min(part, 0), stop)
    if part == "house":
        return _houses(values)
    pieces = [pc.utf8_slice_codeunits(values, *piece) for piece in _PIECES[part]]
    return _readable(pc.binary_join_element_wise(*pieces, pa.scalar("", values.type)))


def _houses(addresses: pa.Array) -> pa.Array:
    """Return the first number of each address with what follows it; null where it has none.

    What stands before the number, as a street does in many countries, is taken to follow it.
    """
    parts = pc.extract_regex(
        pc.replace_substring(addresses, " ", ""), r"^(?P<a>[^0-9]*)(?P<b>[0-9].*)$"
    )
    before, after = (pc.struct_field(parts, name) for name in "ab")
    whole = pc.binary_join_element_wise(after, before, pa.scalar("", addresses.type))
    return pc.utf8_slice_codeunits(whole, 0, _OF_HOUSE)


def _readable(values: pa.Array) -> pa.Array:
    # Beside digits, the mark stands in damaged dates alone.
    damaged = pc.match_substring_regex(
        values, f"^[0-9{UNREADABLE}]*[{UNREADABLE}][0-9{UNREADABLE}]*$"
    )
    return pc.if_else(damaged, pa.scalar(None, values.type), values)
