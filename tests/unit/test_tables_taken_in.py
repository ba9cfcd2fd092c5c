"""Tables as they are given: what is missing, what no column can hold, what is asked wrongly."""

import traceback

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect import KAnonymity, anonymize
from linkkit.steward.protect.transforms.frames import arrow_column, open_frame

MARK = "Zqxmarkerzz"
NAN = float("nan")
AGES = [NAN] * 3 + [None] * 3 + [1.0, 2.0] * 10
K = [KAnonymity(k=5)]

TABLES = {
    "polars": lambda: pl.DataFrame({"age": pl.Series(AGES, dtype=pl.Float64, strict=False)}),
    "arrow": lambda: pa.table({"age": pa.array(AGES, pa.float64(), from_pandas=False)}),
    "float32": lambda: pa.table({"age": pa.array(AGES, pa.float32(), from_pandas=False)}),
    "chunks": lambda: pa.table({"age": pa.chunked_array([[NAN] * 3, [None] * 3, [1.0, 2] * 10])}),
    "dictionary": lambda: pa.table(
        {
            "age": pa.DictionaryArray.from_arrays(
                pa.array([0] * 3 + [None] * 3 + [1, 2] * 10), pa.array([NAN, 1.0, 2.0])
            )
        }
    ),
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_not_a_number_is_missing_and_shown_as_missing(make):
    safe = anonymize(make(), quasi_identifiers=["age"], models=K)
    shown = pa.table(safe.table).column("age").to_pylist()
    counts = [sum(repr(cell) == text for cell in shown) for text in {repr(c) for c in shown}]
    assert min(counts) >= 5
    assert repr(NAN) not in map(repr, shown)
    withheld = anonymize(
        make(), quasi_identifiers=["age"], models=K, missing="suppress", max_suppressed=0.5
    )
    assert withheld.n_suppressed == 6
    assert (withheld.classes[:6] == -1).all()
    column = arrow_column(open_frame(make()), "age")
    assert column.null_count == 6
