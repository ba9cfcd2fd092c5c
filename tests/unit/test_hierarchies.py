"""Every way in which a quasi-identifier may become coarser: levels, labels, losses, problems."""

import datetime as dt
import os
import traceback
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pydantic import ValidationError

from linkkit.agreement import Generalization
from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect.hierarchies import LOSS_UNITS, build_hierarchy, hierarchy_from
from linkkit.steward.protect.hierarchies.postal import standard_code

MARK = "Zqxmarkerzz"
DATES = [dt.date(2019, 12, 30), dt.date(2020, 1, 5), dt.date(2020, 4, 1), dt.date(1931, 7, 9)]


def labels_of(values, **ways):
    """Return the label of each value at each level but the last."""
    column = values if isinstance(values, pa.Array) else pa.array(values)
    hierarchy = build_hierarchy("v", column, Generalization(**ways))
    return [
        [level.labels[i] for i in level.groups[hierarchy.base]] for level in hierarchy.levels[:-1]
    ]


@pytest.mark.parametrize(
    ("values", "ways", "labels"),
    [
        (
            [11, 12, 47, 89, 90, 97],
            {"intervals": (1, 20), "bottom": 11, "top": 90},
            [
                ["<=11", "12", "47", "89", "90+", "90+"],
                ["<=11", "12-19", "40-59", "80-89", "90+", "90+"],
            ],
        ),
        (
            [0.5, 3.0, 9.0, 12.5],
            {"intervals": (4,), "bottom": 1, "top": 10},
            [["<=1", "over 1 to under 4", "8 to under 10", "10+"]],
        ),
        ([5, 97], {"top": 90}, [["5", "90+"]]),
        ([5.5, 97], {"bottom": 5.5}, [["<=5.5", "97"]]),
        (
            [3, 18, 29, 64, 65],
            {"cut_points": [[18, 30, 65], [18]]},
            [
                ["3", "18", "29", "64", "65"],
                ["<=17", "18-29", "18-29", "30-64", "65+"],
                ["<=17", "18+", "18+", "18+", "18+"],
            ],
        ),
        (
            [-1.5, 0.0, 2.5],
            {"cut_points": [0, 2.5], "keep_values": False},
            [["under 0", "0 to under 2.5", "2.5+"]],
        ),
        (
            [1, 2, 3, 4, 5, 6, 7, 8],
            {"quantiles": (4, 2), "keep_values": False},
            [["<=2", "<=2", "3-4", "3-4", "5-6", "5-6", "7+", "7+"], ["<=4"] * 4 + ["5+"] * 4],
        ),
        (
            [1] * 9 + [2],
            {"quantiles": (2,), "keep_values": False},
            [["1+"] * 10],
        ),
        (
            [0, 34, 90, 111],
            {"ages": (1, 5, 10, 20)},
            [
                ["0", "34", "90+", "90+"],
                ["0-4", "30-34", "90+", "90+"],
                ["0-9", "30-39", "90+", "90+"],
                ["0-19", "20-39", "90+", "90+"],
            ],
        ),
        (
            [4.0, 5.0, 9.0, None],
            {"intervals": (1, 5)},
            [["4", "5", "9", "(missing)"], ["0-4", "5-9", "5-9", "(missing)"]],
        ),
        ([34.9, 88.0], {"ages": (1, 2), "top": 85}, [["34", "85+"], ["34-35", "85+"]]),
        (
            DATES,
            {"dates": ("day", "month", "quarter", "year", "decade")},
            [
                ["2019-12-30", "2020-01-05", "2020-04-01", "1931-07-09"],
                ["2019-12", "2020-01", "2020-04", "1931-07"],
                ["2019-Q4", "2020-Q1", "2020-Q2", "1931-Q3"],
                ["2019", "2020", "2020", "1931"],
                ["2010s", "2020s", "2020s", "1930s"],
            ],
        ),
        (
            [day.isoformat() for day in DATES],
            {"dates": ("week",)},
            [["2020-W01", "2020-W01", "2020-W14", "1931-W28"]],
        ),
        (
            ["2020-02-29T23:59:00", "1930-12-31", "2021-01-01"],
            {"dates": ("day", "year"), "bottom": dt.date(1930, 12, 31), "top": "2021-01-01"},
            [
                ["2020-02-29", "<=1930-12-31", ">=2021-01-01"],
                ["2020", "<=1930-12-31", ">=2021-01-01"],
            ],
        ),
        (
            ["98101-1234", "98101", "981", "021391111"],
            {"postal": {"country": "US", "levels": (9, 5, 3, 1)}},
            [
                ["98101-1234", "98101", "981**", "02139-1111"],
                ["98101", "98101", "981**", "02139"],
                ["981**", "981**", "981**", "021**"],
                ["9****", "9****", "9****", "0****"],
            ],
        ),
        (
            [2139, 98101],
            {"postal": {"country": "US"}},
            [["02139", "98101"], ["021**", "981**"], ["0****", "9****"]],
        ),
        (
            ["k1a 0b1", "V6B"],
            {"postal": {"country": "CA"}},
            [["K1A 0B1", "V6B ***"], ["K1A ***", "V6B ***"], ["K** ***", "V** ***"]],
        ),
        (
            ["SW1A 1AA", "E16AN", "E1"],
            {"postal": {"country": "GB"}},
            [
                ["SW1A 1AA", "E1 6AN", "E1"],
                ["SW1A 1", "E1 6", "E1"],
                ["SW1A", "E1", "E1"],
                ["SW", "E", "E"],
            ],
        ),
        (
            ["01067", "10115"],
            {"postal": {"country": "DE"}},
            [["01067", "10115"], ["010**", "101**"], ["01***", "10***"], ["0****", "1****"]],
        ),
        (
            ["low", "high", "mid", "top"],
            {"order": ["low", "mid", "high", "top"], "adjacent": (2,)},
            [
                ["low", "high", "mid", "top"],
                ["low to mid", "high to top", "low to mid", "high to top"],
            ],
        ),
        (
            ["a", "b", "c", "d", "e"],
            {"order": list("abcde"), "adjacent": (3,), "bottom": "a", "top": "e"},
            [
                ["a or lower", "b", "c", "d", "e or higher"],
                ["a or lower", "b to c", "b to c", "d", "e or higher"],
            ],
        ),
        (
            ["a", "b", "c"],
            {"order": list("abc"), "groups": [{"x": ["a", "b"], "y": ["c"]}], "keep_values": False},
            [["x", "x", "y"]],
        ),
        ([1, 2, 5], {"order": [1, 2, 5]}, [["1", "2", "5"]]),
        (
            ["oak", "fern", "elm"],
            {"table": [["oak", "tree", "*"], ["elm", "tree", "*"], ["fern", "herb", "*"]]},
            [["oak", "fern", "elm"], ["tree", "herb", "tree"]],
        ),
        (
            [17.0, 18.0],
            {"table": [[17, "10-19"], [18, "10-19"]], "keep_values": False},
            [["10-19", "10-19"]],
        ),
    ],
)
def test_levels(values, ways, labels):
    assert labels_of(values, **ways) == labels


@pytest.mark.parametrize(
    ("column", "ways", "kept"),
    [
        (pa.array([1, 2]), {"intervals": (1, 2)}, True),
        (pa.array([1, 95]), {"ages": (1,)}, False),
        (pa.array([1, 5]), {"ages": (1,)}, True),
        (pa.array([1.5]), {"ages": (1,)}, False),
        (pa.array(DATES), {"dates": ("day",)}, True),
        (pa.array([dt.datetime(2020, 1, 1)]), {"dates": ("day",)}, True),
        (pa.array([dt.datetime(2020, 1, 1, 5)]), {"dates": ("day",)}, False),
        (pa.array(["98101"]), {"postal": {"country": "US"}}, True),
        (pa.array(["98101-1234"]), {"postal": {"country": "US"}}, False),
        (pa.array(["a"]).dictionary_encode(), {}, True),
        (pa.array([Decimal("1.5")]), {"cut_points": [1]}, True),
        (pa.array([None, None]), {"intervals": (1,)}, None),
        (pa.array([None], pa.int64()), {"ages": (1, 5)}, True),
        (pa.chunked_array([[1], [2]]), {}, True),
        (pa.chunked_array([], pa.string()), {"postal": {"country": "US"}}, True),
    ],
)
def test_values_stay_in_their_own_type_only_where_nothing_is_changed(column, ways, kept):
    if kept is None:
        with pytest.raises(ProtectionError, match="are not numbers"):
            build_hierarchy("v", column, Generalization(**ways))
        return
    hierarchy = build_hierarchy("v", column, Generalization(**ways))
    assert hierarchy.levels[0].keeps_values == kept
    assert hierarchy.recode(0, column).type == (column.type if kept else pa.string())


def test_ranges_of_numbers_are_open_where_their_ends_are():
    column = pa.array([3, 12, 88, 89, 90, 97, None])
    hierarchy = build_hierarchy("v", column, Generalization(ages=(1, 5), bottom=5))
    assert hierarchy.shown_as == "range"
    assert hierarchy.base.tolist() == [0, 1, 2, 3, 4, 4, 5]
    assert hierarchy.lows[:-1].tolist() == [3, 12, 88, 89, 90]
    assert hierarchy.highs[:-1].tolist() == [3, 12, 88, 89, 97]
    assert hierarchy.sizes.tolist() == [1, 1, 1, 1, 2, 1]
    shown = [
        hierarchy.range_label(*pair) for pair in [(1, 1), (1, 3), (2, 4), (0, 1), (0, 4), (4, 4)]
    ]
    assert shown == ["12", "12-89", "88+", "<=12", "*", "90+"]
    assert hierarchy.levels[0].losses.tolist()[4] == round((97 - 90) / (97 - 3) * LOSS_UNITS)


@pytest.mark.parametrize(
    ("values", "ways", "pair", "shown"),
    [
        ([31, 33, 44], {"intervals": (5, 10)}, (0, 1), "30-44"),
        ([-3, 4], {"intervals": (1,)}, (0, 1), "-3 to 4"),
        ([0.5, 3.5], {"intervals": (1,)}, (0, 1), "0 to under 4"),
        ([0.5, 3.5], {"cut_points": [1]}, (0, 1), "0.5-3.5"),
        (DATES, {"dates": ("month",)}, (0, 2), "1931-07 to 2020-01"),
        (DATES, {"dates": ("year",), "bottom": "1940-01-01"}, (0, 1), "<=2019"),
        (["c", "a", "b"], {"order": list("abc")}, (0, 1), "a to b"),
        (["c", "a", "b"], {"order": list("abc"), "top": "c"}, (1, 2), "b or higher"),
    ],
)
def test_ranges_never_tell_more_than_the_finest_level(values, ways, pair, shown):
    hierarchy = build_hierarchy("v", pa.array(values), Generalization(**ways))
    assert hierarchy.range_label(*pair) == shown


def test_ordered_categories_are_numbered_and_lose_by_rank():
    column = pa.array(["top", "low", "high", None])
    ways = Generalization(order=["low", "mid", "high", "top"], adjacent=(2,))
    hierarchy = build_hierarchy("v", column, ways)
    assert hierarchy.base.tolist() == [2, 0, 1, 3]
    assert hierarchy.lows[:-1].tolist() == [0, 2, 3]
    lost = hierarchy.levels[1].losses / LOSS_UNITS
    assert lost[:-1].tolist() == pytest.approx([0, 1 / 3, 1 / 3])


@pytest.mark.parametrize(
    ("values", "ways", "shown_as"),
    [
        (["a", "b"], {}, "set"),
        ([1, 2], {}, "range"),
        (DATES, {}, "range"),
        ([True, False], {}, "set"),
        (["a", "b"], {"shown": "levels"}, "level"),
        ([1, 2], {"intervals": (1,), "shown": "levels"}, "level"),
        (["a", "b"], {"prefixes": (1,)}, "level"),
        (["a", "b"], {"order": ["a", "b"]}, "range"),
        ([1, 2, 3], {"table": [[1, "odd"], [2, "even"], [3, "odd"]], "keep_values": False}, "set"),
        ([1, 2, 3], {"table": [[1, "odd"], [2, "even"], [3, "odd"]]}, "range"),
    ],
)
def test_what_a_class_may_show(values, ways, shown_as):
    hierarchy = build_hierarchy("v", pa.array(values), Generalization(**ways))
    assert hierarchy.shown_as == shown_as


def test_a_variable_without_levels_is_kept_or_suppressed_cell_by_cell():
    column = pa.array(["a", "b", None])
    hierarchy = build_hierarchy("v", column, Generalization(shown="levels"))
    assert [level.description for level in hierarchy.levels] == ["kept as it is", "dropped"]
    assert hierarchy.recode(0, column).to_pylist() == ["a", "b", None]
    assert hierarchy.recode(1, column).to_pylist() == ["*", "*", "*"]


@pytest.mark.parametrize(
    ("values", "ways", "problem"),
    [
        (
            [MARK, "1"],
            {"intervals": (1,)},
            r"has intervals .* its values are not numbers \(2 rows\)",
        ),
        ([dt.date(2020, 1, 1)], {"cut_points": [1]}, "has cut points .* are not numbers"),
        ([MARK], {"top": 5}, "has bounds and its values are not numbers"),
        ([5.0, float("inf")], {"intervals": (1,)}, r"1 values of the data are infinite \(1 rows\)"),
        ([-1, 34, 999, 999], {"ages": (5,)}, r"2 values of the data are no ages .* \(3 rows\)"),
        ([MARK, "2020-13-01", "2020-01-01"], {"dates": ("year",)}, r"2 values .* are no dates"),
        ([20200101], {"dates": ("year",)}, "are no dates as YYYY-MM-DD"),
        (
            [MARK, "9810", "98101"],
            {"postal": {"country": "US"}},
            r"2 values .* no postal codes of US",
        ),
        (["a", MARK, MARK], {"order": ["a", "b"]}, r"1 values .* are not in the order \(2 rows\)"),
        (["a", MARK], {"table": [["a", "x"]]}, "1 values of the data have no row in the table"),
        ([b"x"], {}, "neither numbers, text, dates nor yes or no"),
    ],
)
def test_problems_are_counted_and_values_never_shown(values, ways, problem):
    with pytest.raises(ProtectionError, match=f"quasi-identifier 'v'.*{problem}") as caught:
        build_hierarchy("v", pa.array(values), Generalization(**ways))
    assert MARK not in "".join(traceback.format_exception(caught.value))
    assert caught.value.hint
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("ways", "problem"),
    [
        ({"intervals": [1], "ages": [1]}, "give only one of 'intervals' and 'ages'"),
        ({"adjacent": [2]}, "'adjacent' goes with 'order'"),
        (
            {"order": ["a", "b"], "adjacent": [2], "groups": [{"x": ["a"]}]},
            "'groups' and 'adjacent'",
        ),
        ({"prefixes": [2], "top": 4}, "'bottom' and 'top' say nothing about 'prefixes'"),
        ({"intervals": [2], "keep_values": False}, "'keep_values' goes with 'cut_points'"),
        ({"order": ["a", "b"], "keep_values": False}, "there are no groups to show"),
        ({"ages": [5, 12]}, "each of 'ages' must be a multiple"),
        ({"quantiles": [4, 3]}, "each of 'quantiles' must be a divisor"),
        ({"cut_points": [3, 1]}, "'cut_points' must grow"),
        ({"cut_points": [[1, 2], [3]]}, "each level of 'cut_points' must be some of"),
        ({"cut_points": []}, "at least 1 item"),
        ({"cut_points": ["a"]}, "write a number"),
        ({"dates": ["year", "day"]}, "'dates' are some of day, week"),
        ({"dates": ["week", "month"]}, "a week is in no one month or year"),
        ({"dates": ["day"], "top": 5}, "of dates are dates; write them as YYYY-MM-DD"),
        ({"dates": ["day"], "top": dt.datetime(2020, 1, 1)}, "write the date as YYYY-MM-DD"),
        ({"intervals": [1], "top": "90"}, "'bottom' and 'top' of numbers are numbers"),
        ({"intervals": [1], "top": True}, "write a number"),
        ({"ages": [1], "bottom": 95}, "'bottom' must be below 'top'"),
        ({"order": ["a", "b"], "top": "c"}, "of categories are some of 'order'"),
        ({"order": ["a", "a"]}, "'order' has a value twice"),
        ({"order": list("abc"), "groups": [{"x": ["a", "c"]}]}, "not of neighbors in 'order'"),
        ({"postal": {"country": "US", "levels": [3, 5]}}, "'levels' of US are some of 9, 5, 4"),
        ({"postal": {"country": "FR"}}, "'US', 'CA', 'GB' or 'DE'"),
        ({"table": [["a", "x"], ["b"]]}, "at least 2 items"),
        ({"table": [["a", "x"], ["b", "x", "y"]]}, "have different lengths"),
        ({"table": [["a", "x"], ["a", "y"]]}, "has several rows for a value"),
        (
            {"table": [["a", "x", "p"], ["b", "x", "q"]]},
            "column 3 of 'table' splits groups of column 2: 1 times",
        ),
        ({"table": [[True, "x"]]}, "write text; put quotes"),
        ({"colour": 1}, "not permitted"),
    ],
)
def test_a_clause_that_contradicts_itself_is_refused(ways, problem):
    with pytest.raises(ValidationError) as caught:
        Generalization(**ways)
    assert problem in str(caught.value)


def test_all_problems_of_a_table_are_told_at_once():
    table = [["a", "x", "p"], ["b", "x", "q"], ["a", "x", "p"]]
    with pytest.raises(ValidationError, match="several rows"):
        Generalization(table=table)
    wide = [["a", "x", "p", "1"], ["b", "x", "q", "1"], ["c", "y", "q", "2"]]
    with pytest.raises(OptionError) as caught:
        hierarchy_from(wide)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [
        ("98101", "US", "98101"),
        (" 98101-1234 ", "US", "98101-1234"),
        ("9810", "US", None),
        ("K1A0B1", "CA", "K1A 0B1"),
        ("D1A 0B1", "CA", None),
        ("GIR 0AA", "GB", "GIR 0AA"),
        ("ec1a1bb", "GB", "EC1A 1BB"),
        ("W1A 0AX", "GB", "W1A 0AX"),
        ("12 345", "DE", None),
    ],
)
def test_postal_codes_are_read_as_their_country_writes_them(text, country, code):
    assert standard_code(text, country) == code


ROWS = [["oak", "tree", "plant"], ["fern", "herb", "plant"]]


@pytest.mark.parametrize("make", [pd.DataFrame, lambda rows: pl.DataFrame(rows, orient="row")])
def test_a_hierarchy_is_read_from_a_frame(make):
    assert hierarchy_from(make(ROWS)) == Generalization(table=ROWS)


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("header", [False, True])
def test_a_hierarchy_is_read_from_a_file(tmp_path, separator, header):
    rows = [["value", "one", "two"], *ROWS] if header else ROWS
    path = tmp_path / "h.csv"
    path.write_text("\n".join(separator.join(row) for row in rows), encoding="utf-8-sig")
    assert hierarchy_from(path, header=header) == Generalization(table=ROWS)


def test_a_hierarchy_is_read_from_a_mapping():
    assert hierarchy_from({1: "odd", 2: ["even"]}, keep_values=False) == Generalization(
        table=[["1", "odd"], ["2", "even"]], keep_values=False
    )


@pytest.mark.parametrize(
    "source",
    [
        pd.DataFrame([["a", None], ["b", "x"]]),
        pd.DataFrame([[1.0, 2.0], [float("nan"), 2.0]]),
        {"a": ""},
    ],
)
def test_a_hierarchy_with_gaps_is_refused(source):
    with pytest.raises(OptionError, match="1 cells of the hierarchy are empty"):
        hierarchy_from(source)


@pytest.mark.parametrize("source", [5, object(), "no-such-file.csv"])
def test_what_is_no_hierarchy_is_refused(source):
    with pytest.raises(OptionError) as caught:
        hierarchy_from(source)
    assert caught.value.__context__ is None
    assert caught.value.hint


EXTRA = os.environ.get("LINKKIT_EXTRA_DATA")


@pytest.mark.skipif(EXTRA is None, reason="LINKKIT_EXTRA_DATA is not set")
def test_hierarchies_of_arx_are_read_as_they_are():
    folder = Path(EXTRA or "") / "adult"
    adult = pd.read_csv(folder / "adult.csv", sep=";")
    for name in [
        "age",
        "workclass",
        "education",
        "marital-status",
        "race",
        "sex",
        "native-country",
    ]:
        ways = hierarchy_from(folder / f"adult_hierarchy_{name}.csv")
        hierarchy = build_hierarchy(name, pa.array(adult[name]), ways)
        assert len(hierarchy.levels) == len((ways.table or ((),))[0])
        assert hierarchy.shown_as == ("range" if name == "age" else "set")
        assert hierarchy.n_groups == adult[name].nunique() + 1
        for fine, coarse in pairwise(hierarchy.levels):
            assert (coarse.losses >= fine.losses).all()
            assert coarse.losses.sum() > fine.losses.sum()
