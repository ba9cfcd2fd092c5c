"""Our comparison as features of recordlinkage's ``Compare``, and extracts as the frames that it indexes."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from linkkit.errors import DependencyError, OptionError
from linkkit.exchange import EncodedExtract, EncodingSpec
from linkkit.interop.listed import hexadecimal
from linkkit.linkage.compare.similarity import AnyFilterSpec, filter_similarity

__all__ = ["comparison_features", "records_frame"]


def records_frame(extract: EncodedExtract) -> pd.DataFrame:
    """Return an extract as a frame: one row for each record, by token in hexadecimal.

    Parameters
    ----------
    extract : EncodedExtract
        A party's encodings.

    Returns
    -------
    pandas.DataFrame
        A column of bytes for each filter, None where the field is missing. Blocking on a column
        brings together equal filters.
    """
    columns = {}
    for item in extract.spec.columns:
        content = extract.filters[item.name]
        rows = np.ascontiguousarray(content.words.astype("<u8")).view(np.uint8)
        cells = [
            row.tobytes() if there else None
            for row, there in zip(rows, content.present, strict=True)
        ]
        columns[item.name] = pd.Series(cells, dtype=object)
    frame = pd.DataFrame(columns)
    frame.index = pd.Index(hexadecimal(extract.tokens), name="token")
    return frame


def comparison_features(spec: EncodingSpec, *, missing: float = 0.0) -> list[Any]:
    """Return a feature of recordlinkage's ``Compare`` for each field, pass or filter.

    Parameters
    ----------
    spec : EncodingSpec
        How the records were encoded: ``extract.spec``.
    missing : float
        What stands where a record lacks the field.

    Returns
    -------
    list of recordlinkage.base.BaseCompareFeature
        For ``recordlinkage.Compare(features)`` or ``compare.add(features)``, on what :func:`records_frame` returns.

    Raises
    ------
    DependencyError
        When recordlinkage is not installed.
    """
    feature = _feature_class()
    return [feature(item, missing) for item in spec.columns]


@cache
def _feature_class() -> Any:
    base: Any = None
    try:
        base = importlib.import_module("recordlinkage.base").BaseCompareFeature
    except ImportError:
        pass
    if base is None:
        raise DependencyError(
            "recordlinkage is needed for its features and is not installed",
            hint="pip install 'linkkit[recordlinkage]', in an environment with pandas below 3.",
        )

    class EncodedSimilarity(base):  # type: ignore[misc]
        """How alike two encodings of a field are."""

        name = "encoded"
        description = "Similarity of keyed encodings."

        def __init__(self, item: AnyFilterSpec, missing: float) -> None:
            super().__init__(item.name, item.name, label=item.name)
            self.item, self.missing = item, missing

        def _compute_vectorized(self, *columns: pd.Series[Any]) -> npt.NDArray[np.float64]:
            one, other = (_words(column, self.item) for column in columns)
            there = one[1] & other[1]
            answer = np.full(len(there), self.missing, dtype=np.float64)
            answer[there] = filter_similarity(self.item, one[0][there], other[0][there])
            return answer

    return EncodedSimilarity


def _words(
    column: pd.Series[Any], item: AnyFilterSpec
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Return the filters of a column, and where there are any."""
    cells = column.tolist()
    there = np.array([isinstance(cell, bytes) for cell in cells], dtype=np.bool_)
    size = 8 * item.n_words
    wrong = sum(len(cell) != size for cell in cells if isinstance(cell, bytes))
    if wrong:
        raise OptionError(
            f"column '{item.name}' has {wrong:,} filters of another width than the spec states",
            hint="Make both frames with records_frame, of extracts with one spec.",
        )
    content = b"".join(cell if isinstance(cell, bytes) else bytes(size) for cell in cells)
    return np.frombuffer(content, dtype="<u8").astype(np.uint64).reshape(-1, item.n_words), there
