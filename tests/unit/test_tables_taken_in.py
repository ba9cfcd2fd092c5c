"""Tables as they are given: what is missing, what no column can hold, what is asked wrongly."""

import traceback

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from linkkit.errors import OptionError
from linkkit.steward.protect import KAnonymity, anonymize
from linkkit.steward.protect.transforms.frames import arrow_column, open_frame
from linkkit.steward.release import measure_privacy

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


@pytest.mark.parametrize("make", [TABLES["polars"], TABLES["arrow"], TABLES["dictionary"]])
def test_what_a_reader_can_tell_apart_is_measured_apart(make):
    found = measure_privacy(make(), quasi_identifiers=["age"])
    assert (found.k, found.n_classes, found.n_with_missing) == (3, 4, 6)
    wild = measure_privacy(make(), quasi_identifiers=["age"], missing="wildcard")
    assert (wild.k, wild.n_with_missing) == (16, 6)


FRAME = pd.DataFrame({"age": [1] * 6 + [2] * 6, "s": ["a", "b"] * 6})
HALF = pd.Series(["a\ud800" + MARK, "b"] * 6, dtype=object)
REFUSED = {
    "policy": (FRAME, {"missing": "wildcrd"}, "'missing' must be"),
    "text": (FRAME, {"quasi_identifiers": "age"}, "'quasi_identifiers' is a list"),
    "sensitive text": (FRAME, {"sensitive": "s"}, "'sensitive' is a list"),
    "repeated": (FRAME, {"quasi_identifiers": ["age", "age"]}, "'age' more than once"),
    "no column": (FRAME, {"sensitive": ["t"]}, "has no column 't'"),
    "not Unicode": (
        FRAME.assign(s=HALF),
        {"sensitive": ["s"]},
        "'s' holds text that is not Unicode in 6 cells",
    ),
    "lists": (pl.DataFrame({"age": [[1], [2]]}), {}, "'age' holds lists or records"),
    "large": (pd.DataFrame({"age": [2**70] * 2}), {}, "whole numbers of more than 64 bits"),
    "nobody": (
        FRAME.assign(who=["x"] + [None] * 5 + list("abcdef")),
        {"person": "who"},
        "'who': 5 rows have no person",
    ),
    "tops": (
        FRAME,
        {"sensitive": ["s"], "hierarchies": {"s": {"a": "rx", "b": "ry"}}},
        "several tops",
    ),
    "heights": (
        FRAME,
        {"sensitive": ["s"], "hierarchies": {"s": {"a": 5, "b": ["x"]}}},
        "same number of groups",
    ),
    "split": (
        FRAME,
        {"sensitive": ["s"], "hierarchies": {"s": {"a": ["g", "p", "t"], "b": ["g", "q", "t"]}}},
        "splits a group",
    ),
    "no variable": (FRAME, {"hierarchies": {"s": {}}}, "hierarchy of 's' is of no sensitive"),
}


@pytest.mark.parametrize(("table", "options", "wording"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_measured_is_refused_in_words(table, options, wording):
    with pytest.raises(OptionError, match=wording) as caught:
        measure_privacy(table, **{"quasi_identifiers": ["age"], **options})
    assert MARK not in "".join(traceback.format_exception(caught.value))


def test_a_text_is_one_group_of_a_measured_hierarchy():
    found = measure_privacy(
        FRAME,
        quasi_identifiers=["age"],
        sensitive=["s"],
        hierarchies={"s": {"a": "every", "b": "every"}},
    )
    assert found.sensitive["s"].t_hierarchical == found.sensitive["s"].t_equal
