"""Whether the cells of a file keep to a rule of a law: HIPAA Safe Harbor, as far as cells tell.

Part of the independent check: it shares no code with what protects.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

import pyarrow as pa

from linkkit.steward.promises import PromisedSafeHarbor

__all__ = ["find_rule_problems"]

_LONG_ZIP = re.compile(r"\d{4}")
_OLD_AGE = re.compile(r"(?<!\d)(?:9[1-9]|1\d\d)(?!\d)|(?<!\d)90(?![\d+])")


def find_rule_problems(
    promise: PromisedSafeHarbor, cells: Mapping[str, pa.ChunkedArray], *, dates: Collection[str]
) -> Iterator[str]:
    """Tell which columns break the rule, and by how many different cells.

    Parameters
    ----------
    promise : PromisedSafeHarbor
        What columns hold.
    cells : mapping of str to pyarrow array
        The columns as they were written, as dictionaries of text.
    dates : collection of str
        Columns of the Parquet file that are dates.

    Examples
    --------
    >>> promise = PromisedSafeHarbor(zips=("zip",), hidden_zips=("036",), ages=("age",))
    >>> cells = {
    ...     "zip": pa.chunked_array([pa.array(["981", "036"]).dictionary_encode()]),
    ...     "age": pa.chunked_array([pa.array(["85-89", "90+"]).dictionary_encode()]),
    ... }
    >>> list(find_rule_problems(promise, cells, dates=[]))
    ["column 'zip': 1 different cells are ZIP codes that may not be shown"]
    """
    for name in dates:
        yield f"column '{name}' has dates finer than a year"
    for name in promise.zips:
        n = sum(
            bool(_LONG_ZIP.search(cell)) or cell.startswith(promise.hidden_zips)
            for cell in _distinct(cells[name])
        )
        if n:
            yield f"column '{name}': {n} different cells are ZIP codes that may not be shown"
    for name in promise.ages:
        n = sum(bool(_OLD_AGE.search(cell)) for cell in _distinct(cells[name]))
        if n:
            yield f"column '{name}': {n} different cells tell an age of 90 or over"


def _distinct(column: pa.ChunkedArray) -> set[str]:
    return {text for chunk in column.chunks for text in chunk.dictionary.to_pylist() if text}
