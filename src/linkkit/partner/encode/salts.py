"""Salts: the stable attribute of each record that decides which others it can meet in a pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.exchange import PassSpec

__all__ = ["salt_codes"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_YEAR_DIGITS = 4


def salt_codes(column: pa.Array, item: PassSpec) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the distinct salts of a pass, and which of them each record has.

    Parameters
    ----------
    column : pyarrow.Array
        Standardized values of the field that the salt is taken from, null where missing.
    item : PassSpec
        Says what part of the value is the salt. A prefix is that of the letters and digits.

    Returns
    -------
    salts : list of str
        Distinct salts.
    codes : ndarray of int64, shape (n_records,)
        Position in `salts`; -1 where there is no salt. A missing salt is never a constant, as
        all records without one would else meet each other.

    Examples
    --------
    >>> from linkkit.exchange import PassSpec
    >>> year = PassSpec(name="a", salt="b", part="year", n_bits=64, n_inputs=1, fields=())
    >>> salt_codes(pa.array(["20090305", None, "20091231"]), year)
    (['2009'], array([ 0, -1,  0]))
    """
    distinct = column.dictionary_encode()
    parts = _parts(distinct.dictionary, item).dictionary_encode()
    part_of_value = parts.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    value = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    known = np.append(part_of_value, -1)  # the last stands for a missing value
    return parts.dictionary.to_pylist(), known[value]


def _parts(values: pa.Array, item: PassSpec) -> pa.Array:
    if item.part == "whole":
        return values
    if item.part == "year":
        return pc.utf8_slice_codeunits(values, 0, _YEAR_DIGITS)
    plain = pc.replace_substring(values, " ", "")
    return pc.utf8_slice_codeunits(plain, 0, item.length)
