"""Tables as they are given: what is missing, what no column can hold, what is asked wrongly."""

import traceback
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from linkkit.agreement import Generalization
from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect import (
    DistinctLDiversity,
    EntropyLDiversity,
    KAnonymity,
    TCloseness,
    anonymize,
)
from linkkit.steward.protect.hierarchies import hierarchy_from
from linkkit.steward.protect.presets import safe_harbor
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
    "no mapping": (FRAME, {"sensitive": ["s"], "hierarchies": {"s": 5}}, "'s' is a int, not a map"),
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


ASKED_WRONGLY = {
    "nobody": (
        FRAME.assign(who=["x"] + [None] * 5 + list("abcdef")),
        {"person": "who"},
        "'who': 5 rows have no person",
    ),
    "not Unicode": (FRAME.assign(t=HALF), {}, "'t' holds text that is not Unicode in 6 cells"),
    "lists": (pl.DataFrame({"age": [[1], [2]] * 6}), {}, "'age' holds lists or records"),
    "sensitive lists": (
        pl.DataFrame({"age": [1, 2] * 6, "s": [[1], [2]] * 6}),
        {"models": [DistinctLDiversity(sensitive="s", l=2)]},
        "'s' holds lists or records",
    ),
    "large": (pd.DataFrame({"age": [2**70] * 12}), {}, "'age' holds whole numbers of more than 64"),
    "digits": (
        pa.table({"age": pa.array([2**63, 2**63 + 1] * 6, pa.uint64())}),
        {},
        "'age' has numbers of more digits",
    ),
    "decimals": (
        pa.table({"age": pa.array([Decimal(10**30), Decimal(10**30 + 1)] * 6)}),
        {},
        "'age' has numbers of more digits",
    ),
    "complex": (FRAME.assign(t=1j), {}, "'t' holds complex numbers"),
    "way": (FRAME, {"quasi_identifiers": {"age": {"ages": [1, 5]}}}, "'age' a dict, not a Gen"),
    "lazy": (pl.LazyFrame({"age": [1, 2] * 6}), {}, "is a LazyFrame, not a frame"),
    "no model": (FRAME, {"models": 5}, "'models' must be"),
    "intervals": (
        FRAME,
        {"quasi_identifiers": {"s": Generalization(intervals=(5,))}},
        "'s' has intervals and its values are not numbers",
    ),
}


@pytest.mark.parametrize(("table", "options", "wording"), ASKED_WRONGLY.values(), ids=ASKED_WRONGLY)
def test_what_cannot_be_protected_is_refused_in_words(table, options, wording):
    with pytest.raises((OptionError, ProtectionError), match=wording) as caught:
        anonymize(table, **{"quasi_identifiers": ["age"], "models": K, **options})
    assert MARK not in "".join(traceback.format_exception(caught.value))
    assert "clause" not in str(caught.value)


def test_one_model_needs_no_list_and_columns_need_no_text_as_name():
    frame = pd.DataFrame({0: [1, 2] * 6, "s": ["a"] * 12})
    safe = anonymize(frame, quasi_identifiers=[0], models=KAnonymity(k=6))
    assert list(safe.table.columns) == [0, "s"]
    assert safe.models == (KAnonymity(k=6),)


def test_an_enum_stays_one():
    kind = pl.Enum(["x", "y"])
    frame = pl.DataFrame({"age": [1, 2] * 6, "e": ["x", "y"] * 6}, schema_overrides={"e": kind})
    safe = anonymize(frame, quasi_identifiers=["age"], models=K)
    assert safe.table.schema["e"] == kind
    assert safe.table["e"].to_list() == ["x", "y"] * 6


def test_numbers_of_numpy_are_numbers():
    assert KAnonymity(k=np.int64(5)) == KAnonymity(k=5)
    assert type(KAnonymity(k=np.int64(5)).k) is int
    assert type(EntropyLDiversity(sensitive="s", l=np.float32(2.5)).l) is float
    for wrong in (np.int64(1), np.float64(5), np.bool_(True), True, "5"):
        with pytest.raises(OptionError, match="'k' must be a whole number"):
            KAnonymity(k=wrong)


def test_a_text_is_one_group_of_a_value():
    model = TCloseness(
        sensitive="s", t=0.2, distance="hierarchical", hierarchy={"a": "all", "b": ["all"]}
    )
    assert model.hierarchy == {"a": ("all",), "b": ("all",)}


@pytest.mark.parametrize("wrong", [5, {"a": 5}, {"a": [MARK, 5]}])
def test_a_hierarchy_without_groups_is_refused(wrong):
    with pytest.raises(OptionError, match="'hierarchy'") as caught:
        TCloseness(sensitive="s", t=0.2, distance="hierarchical", hierarchy=wrong)
    assert MARK not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "problem", "hint"),
    [
        ({"as_of": "2026-11-22"}, "'as_of' must be a date", "datetime"),
        ({"undeclared": "ignore"}, "'undeclared' must be", "default"),
        ({"columns": {"age": "years"}}, "not known", "birth_date"),
    ],
)
def test_options_of_safe_harbor_are_told_apart(options, problem, hint):
    with pytest.raises(OptionError, match=problem) as caught:
        safe_harbor(FRAME, **{"columns": {"age": "age"}, **options})
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "options", "problem"),
    [
        (
            "a;x\nb\nc;x\n",
            {},
            "1 of 3 rows of the hierarchy have a value and no group, first row 2",
        ),
        ("a;x\nb;x\n", {"separator": ","}, "2 of 2 rows .* first row 1"),
        ("v;g\na\n", {"header": True}, "1 of 1 rows .* first row 2"),
        ("", {}, "the hierarchy has no rows"),
        ("v;g\n", {"header": True}, "the hierarchy has no rows"),
        (None, {}, "there is no file 'h.csv'"),
        ("a;x", {"separator": ";;"}, "'separator' must be one character"),
    ],
)
def test_a_file_that_is_no_hierarchy_is_told_by_row(tmp_path, text, options, problem):
    path = tmp_path / "h.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=problem):
        hierarchy_from(path, **options)


def test_a_report_and_a_way_are_short_when_they_are_printed():
    safe = anonymize(
        FRAME.assign(age=[f"{MARK}{i // 6}" for i in range(12)]),
        quasi_identifiers=["age"],
        models=K,
    )
    report = safe.report()
    for part in (report, report.risk, report.utility, *report.subgroups[:1], *report.findings[:1]):
        assert MARK not in repr(part)
    assert repr(report) == "<ProtectionReport: highest risk 0.167 before and 0.167 after>"
    assert MARK in report.to_json()
    assert repr(Generalization(intervals=(5,))) == "Generalization(intervals=(5,))"
    assert repr(Generalization(cut_points=((5,),), keep_values=False)) == (
        "Generalization(cut_points=((5,),), keep_values=False)"
    )
