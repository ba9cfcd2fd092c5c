"""Ordered distance of categories: stated, asked of a table, agreed, promised and measured again."""

import dataclasses
import traceback

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from linkkit.agreement import Agreement, Generalization
from linkkit.errors import AgreementError, OptionError, ProtectionError, ReleaseError
from linkkit.steward.integrate.example import small_partnership
from linkkit.steward.promises import (
    PromisedCloseness,
    Promises,
    promises_from_json,
    promises_to_json,
)
from linkkit.steward.protect import KAnonymity, TCloseness, anonymize
from linkkit.steward.protect._reference import keeps
from linkkit.steward.protect.compiled_models import compile_conditions
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.measured.words import promise_words
from linkkit.steward.protect.promised_models import promise_models
from linkkit.steward.release import measure_privacy
from linkkit.steward.release.check import check_files
from linkkit.steward.release.data_files import write_csv, write_parquet

MARK = "Zqxmarkerzz"

# Nine ranks, the salaries of Li et al. 2007 from 3k to 11k, under names that do not sort so; and
# two that nobody has. Three classes: 3k 4k 5k, 6k 8k 11k, 7k 9k 10k.
RANKS = ("none", "bit", "some", "fair", "mean", "good", "best", "all", "above")
ORDER = (*RANKS[:4], "unused", *RANKS[4:], "also unused")
LEVELS = [RANKS[i] for i in (0, 1, 2, 3, 5, 8, 4, 6, 7)]
CLASSES = np.repeat([0, 1, 2], 3)
# By hand: each ninth moves from its class to its place. 3k 4k 5k: 5k to 11k, 10k, 9k, 4k to 8k,
# 7k, 6k, 3k to 5k, 4k, 3k are 6 + 5 + 4 + 4 + 3 + 2 + 2 + 1 + 0 of 9 * 8; and so on.
APART = (27 / 72, 12 / 72, 17 / 72)
# In this order the classes are 6, 21 and 21 of 72 from everybody.
OTHER = tuple(RANKS[i] for i in (3, 0, 5, 8, 1, 4, 6, 2, 7))


def model(t, order=ORDER, sensitive="level"):
    return TCloseness(sensitive=sensitive, t=t, distance="ordered", order=order)


def kept(models, values, *, person=None):
    """Which of the three classes keep the models."""
    column = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)
    conditions = compile_conditions(
        models, find_items([CLASSES], [3]), sensitive={"level": column}, person=person
    )
    each = np.arange(3)
    return conditions.met(each, each, n_classes=3).tolist()


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (0.375, [True, True, True]),
        (0.3749, [False, True, True]),
        (0.2362, [False, True, True]),
        (0.2361, [False, True, False]),
        (0.1667, [False, True, False]),
        (0.1666, [False, False, False]),
    ],
)
def test_distances_are_those_counted_by_hand(t, expected):
    assert kept([model(t)], LEVELS) == expected
    rows = [np.flatnonzero(c == CLASSES).tolist() for c in range(3)]
    told = {"sensitive": {"level": LEVELS}, "person": range(9), "household": [-1] * 9}
    assert [keeps(model(t), mine, **told) for mine in rows] == expected


def test_each_order_is_its_own_and_leaves_other_models_alone():
    equal = TCloseness(sensitive="level", t=0.67)
    assert kept([model(0.2)], LEVELS) == [False, True, False]
    assert kept([model(0.2, OTHER)], LEVELS) == [True, False, False]
    assert kept([equal], LEVELS) == [True] * 3
    assert kept([model(0.2, OTHER), model(0.4), equal], LEVELS) == [True, False, False]
    assert kept([equal, model(0.3, OTHER), model(0.2)], LEVELS) == [False, True, False]
    assert kept([model(0.2, OTHER), model(0.2)], LEVELS) == [False] * 3
    assert kept([model(0.2, ORDER[::-1])], LEVELS) == [False, True, False]


def test_an_order_padded_with_what_nobody_has_makes_nothing_nearer():
    padded = (*(f"below {i}" for i in range(50)), *RANKS, *(f"over {i}" for i in range(50)))
    assert kept([model(0.3749, padded)], LEVELS) == [False, True, True]
    table = pa.table({"class": CLASSES, "level": LEVELS})
    found = [
        measure_privacy(
            table, quasi_identifiers=["class"], sensitive=["level"], orders={"level": order}
        )
        for order in (RANKS, ORDER, padded)
    ]
    assert [one.sensitive["level"].t_ordered for one in found] == pytest.approx([0.375] * 3)


def test_missing_lies_behind_the_last():
    # Ranks 0 1 2; all: .25 .5 .25; in the first class .5 .5 0: (.25 + .25) / 2.
    values = pa.array(["low", "high", "high", None])
    table = pa.table({"class": [1, 1, 2, 2], "level": values})
    found = measure_privacy(
        table,
        quasi_identifiers=["class"],
        sensitive=["level"],
        orders={"level": ["low", "high"]},
    )
    assert found.sensitive["level"].t_ordered == 0.25
    items = find_items([np.array([0, 0, 1, 1])], [2])
    for t, expected in ((0.25, [True, True]), (0.24, [False, False])):
        conditions = compile_conditions(
            [model(t, ("low", "high"))], items, sensitive={"level": values}
        )
        each = np.arange(2)
        assert conditions.met(each, each, n_classes=2).tolist() == expected


def test_categories_that_nobody_has_have_no_rank_and_no_people():
    numbers = [1, 5, 9, None]
    listed = pd.Categorical(numbers, categories=[0, *range(1, 10)])
    some = pl.Series([None if n is None else RANKS[n - 1] for n in numbers], dtype=pl.Enum(RANKS))
    kinds = [
        (pd.DataFrame({"class": [1, 1, 2, 2], "level": numbers}), None),
        (pd.DataFrame({"class": [1, 1, 2, 2], "level": listed}), None),
        (pl.DataFrame({"class": [1, 1, 2, 2], "level": some}), {"level": RANKS}),
    ]
    for table, orders in kinds:
        found = measure_privacy(
            table, quasi_identifiers=["class"], sensitive=["level"], orders=orders
        )
        # Of four ranks each class has two: shares up to each differ by .25 .5 .25 0, over 3.
        assert found.sensitive["level"].t_ordered == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (pa.array(LEVELS).dictionary_encode(), ORDER),
        (pa.chunked_array([LEVELS[:4], LEVELS[4:]]), ORDER),
        (pa.array(LEVELS, pa.large_string()), ORDER),
        (pa.array([RANKS.index(v) for v in LEVELS]).dictionary_encode(), tuple("012345678")),
    ],
)
def test_text_and_categories_of_any_kind_have_ranks(values, order):
    assert kept([model(0.2362, order)], values) == [False, True, True]
    table = pa.table({"class": CLASSES, "level": values})
    found = measure_privacy(
        table, quasi_identifiers=["class"], sensitive=["level"], orders={"level": list(order)}
    )
    assert found.sensitive["level"].t_ordered == pytest.approx(0.375)


def test_yes_and_no_have_the_order_that_is_given():
    values = pa.array([True, True, True, True, False, False, False, False, False])
    assert kept([model(0.5, ("false", "true"))], values) == [False, True, True]
    assert kept([model(0.5555, ("false", "true"))], values) == [False, True, True]
    assert kept([model(0.5556, ("false", "true"))], values) == [True, True, True]


@pytest.mark.parametrize(
    ("values", "asked", "wording"),
    [
        (["a", MARK, "a", MARK + "2"], model(0.2, ("a", "b")), "'level' does not cover 2 values"),
        (["a", MARK, "a", None], model(0.2, None), "'level' has no order: it is text"),
        ([1, 2, 3, None], model(0.2, ("1", "2", "3")), "'level' is of numbers or dates"),
    ],
)
def test_what_has_no_such_order_is_refused_without_a_value(values, asked, wording):
    items = find_items([np.array([0, 0, 1, 1])], [2])
    with pytest.raises(ProtectionError, match=wording) as caught:
        compile_conditions([asked], items, sensitive={"level": pa.array(values)})
    assert "give 'order', all values from least to most" in caught.value.hint
    assert MARK not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("order", "distance", "wording"),
    [
        (("low", "high"), "equal", "'order' goes with distance 'ordered'"),
        ((MARK, "high", MARK), "ordered", "'order' has 1 values more than once"),
        ((MARK, 5), "ordered", "'order' has 1 values that are not text"),
        ((MARK,), "ordered", "two values or more"),
        ((), "ordered", "two values or more"),
        (MARK, "ordered", "a sequence of texts, not a str"),
        ({MARK, "b"}, "ordered", "a sequence of texts, not a set"),
        (5, "ordered", "a sequence of texts, not a int"),
    ],
)
def test_an_order_is_a_sequence_of_different_texts(order, distance, wording):
    with pytest.raises(OptionError, match=wording) as caught:
        TCloseness(sensitive="s", t=0.2, distance=distance, order=order)
    assert MARK not in str(caught.value)


def test_any_sequence_is_an_order_and_none_is_shown():
    listed = TCloseness(sensitive="s", t=0.2, distance="ordered", order=["low", "high"])
    assert listed.order == ("low", "high")
    index = pd.Categorical(["low"], categories=["low", "high"], ordered=True).categories
    assert TCloseness(sensitive="s", t=0.2, distance="ordered", order=index) == listed
    assert "low" not in repr(listed)


FRAMES = {
    "pandas": lambda columns: pd.DataFrame(columns),
    "pandas categories": lambda columns: pd.DataFrame(columns).astype({"level": "category"}),
    "polars": lambda columns: pl.DataFrame(columns, schema_overrides={"level": pl.Enum(ORDER)}),
    "arrow": pa.table,
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("method", ["optimal", "local", "partition"])
def test_every_class_of_a_table_is_as_near_as_asked(make, method):
    rng = np.random.default_rng(5)
    ages = rng.integers(0, 40, 300)
    rank = np.clip(ages // 5 + rng.integers(-2, 3, 300), 0, 8)
    frame = make({"age": ages.tolist(), "level": [RANKS[i] for i in rank]})
    ways = {"age": Generalization(intervals=(1, 5, 20))}
    far = anonymize(frame, quasi_identifiers=ways, models=KAnonymity(k=3), method=method)
    asked = [KAnonymity(k=3), model(0.15)]
    near = anonymize(frame, quasi_identifiers=ways, models=asked, method=method)
    t = [
        measure_privacy(
            safe.table,
            quasi_identifiers=["age"],
            sensitive=["level"],
            orders={"level": list(RANKS)},
        )
        .sensitive["level"]
        .t_ordered
        for safe in (far, near)
    ]
    assert t[1] <= 0.15 < t[0]
    with pytest.raises(ProtectionError, match="'level' has no order"):
        anonymize(frame, quasi_identifiers=ways, models=model(0.2, None), method=method)


def test_the_words_say_the_order():
    sentence = promise_words([model(0.2, ("low", "high"))], missing="category")[0]
    assert sentence.endswith("as far apart as their ranks in the order 'low', 'high'.")
    assert "order" not in promise_words([model(0.2, None)], missing="category")[0]


def agreed(variable="risk", **rule):
    """The small agreement with a sensitive rule; `risk` is a category."""
    document = small_partnership()[0].model_dump(mode="json")
    document["variables"]["risk"] = {"type": "category"}
    document["parties"]["school"]["payload"]["risk"] = {"column": "Risk"}
    document["projects"]["study"]["variables"].append("risk")
    document["protection"]["sensitive"] = {variable: {"t": 0.4, **rule}}
    return Agreement.from_document(document)


def test_an_agreement_states_an_order_that_is_part_of_its_text():
    orders = [("low", "middle", "high"), ("low", "high", "middle")]
    agreements = [agreed(distance="ordered", order=list(order)) for order in orders]
    rules = [agreement.protection.sensitive["risk"] for agreement in agreements]
    assert [rule.order for rule in rules] == orders
    assert len({agreement.fingerprint for agreement in agreements}) == 2
    grades = agreed(distance="ordered", order=[1, 2, 3])
    assert grades.protection.sensitive["risk"].order == ("1", "2", "3")
    again = Agreement.from_document(grades.model_dump(mode="json"))
    assert again.fingerprint == grades.fingerprint


@pytest.mark.parametrize(
    ("rule", "wording"),
    [
        ({"distance": "ordered"}, "'protection.sensitive.risk': .* needs 'order'"),
        ({"order": ["low", MARK]}, "'order' goes with distance 'ordered'"),
        ({"distance": "ordered", "order": [MARK, "b", MARK]}, "'order' has a value twice"),
        ({"distance": "ordered", "order": [MARK]}, "protection.sensitive.risk.order"),
        ({"distance": "ordered", "order": [MARK, 1.5]}, "protection.sensitive.risk.order"),
        (
            {"variable": "score", "distance": "ordered", "order": ["1", MARK]},
            "'protection.sensitive.score': 'order' is for categories",
        ),
        (
            {"variable": "in_club", "distance": "ordered", "order": ["false", "true"]},
            "'protection.sensitive.in_club': .* numbers, dates and categories",
        ),
    ],
)
def test_an_agreement_whose_order_cannot_be_is_refused(rule, wording):
    with pytest.raises(AgreementError, match=wording) as caught:
        agreed(**rule)
    assert MARK not in "".join(traceback.format_exception(caught.value))


PROMISE = PromisedCloseness(sensitive="level", t=0.3751, distance="ordered", order=ORDER)


def look(tmp_path, promise, values=LEVELS):
    """Write a file of the three classes and have it checked."""
    table = pa.table(
        {
            "study_id": [f"{i:04d}" for i in range(9)],
            "class": pa.array([f"c{c}" for c in CLASSES]),
            "level": values,
        }
    )
    write_csv(table, tmp_path / "x.csv")
    write_parquet(table, tmp_path / "x.parquet")
    promises = Promises(models=(promise,), quasi_identifiers=("class",))
    return check_files(
        tmp_path / "x.csv",
        tmp_path / "x.parquet",
        promises=promises_from_json(promises_to_json(promises)),
        id_column="study_id",
        permitted=table.column_names,
    ).models[0]


def test_the_check_ranks_values_as_promised(tmp_path):
    assert promise_models([model(0.3751)]) == (PROMISE,)
    measured = look(tmp_path, PROMISE)
    assert (measured.least, measured.most) == pytest.approx((min(APART), max(APART)))
    assert measured.promised == {"t": 0.3751, "distance": "ordered"}
    look(tmp_path, dataclasses.replace(PROMISE, t=0.375))
    with pytest.raises(ReleaseError, match=r"1 combinations .* than 0.374 \(ordered\)"):
        look(tmp_path, dataclasses.replace(PROMISE, t=0.374))
    everybody = (*((value, 1) for value in RANKS), ("unused", 0))
    measured = look(tmp_path, dataclasses.replace(PROMISE, overall=everybody))
    assert measured.most == pytest.approx(0.375)
    # With nine more of the highest the ranks are the same, and the lowest are farther away:
    # their shares .5 / 9 each but .5 + .5 / 9 for the last.
    everybody = (*((value, 1) for value in RANKS[:-1]), (RANKS[-1], 10))
    with pytest.raises(ReleaseError, match="1 combinations"):
        look(tmp_path, dataclasses.replace(PROMISE, overall=everybody, t=0.6))
    assert look(tmp_path, dataclasses.replace(PROMISE, overall=everybody, t=0.7)).most < 0.7


@pytest.mark.parametrize(
    ("altered", "values", "wording"),
    [
        ({"order": None}, LEVELS, "no order is promised for the texts of column 'level'"),
        ({"order": RANKS[1:]}, LEVELS, "the order does not cover column 'level'"),
        ({"order": (*ORDER, RANKS[0])}, LEVELS, "the order repeats a value of column 'level'"),
        ({}, list(range(9)), "beside that of the numbers or dates of column 'level'"),
        ({"order": OTHER, "t": 0.28}, LEVELS, "2 combinations .* farther than 0.28"),
    ],
)
def test_the_check_takes_no_order_that_is_not_one(tmp_path, altered, values, wording):
    with pytest.raises(ReleaseError, match=wording) as caught:
        look(tmp_path, dataclasses.replace(PROMISE, **altered), values)
    assert not any(f"'{value}'" in str(caught.value) for value in RANKS)


FRAME = pd.DataFrame({"age": [1, 1, 2, 2], "s": ["a", MARK, "a", "a"], "n": [1, 2, 3, 4]})


@pytest.mark.parametrize(
    ("orders", "wording"),
    [
        ({"s": ["a", "b"]}, "the order of 's' does not cover 1 values"),
        ({"s": [MARK, "a", MARK]}, "the order of 's' has 1 values more than once"),
        ({"s": [MARK, 1]}, "the order of 's' has 1 values that are not text"),
        ({"s": MARK}, "the order of 's' is a str, not a list"),
        ({"n": ["1", "2", "3", "4"]}, "column 'n' has numbers or dates"),
        ({"age": ["1", "2"]}, "the order of 'age' is of no sensitive variable"),
    ],
)
def test_an_order_that_no_column_has_is_refused(orders, wording):
    with pytest.raises(OptionError, match=wording) as caught:
        measure_privacy(FRAME, quasi_identifiers=["age"], sensitive=["s", "n"], orders=orders)
    assert MARK not in "".join(traceback.format_exception(caught.value))


def test_an_order_and_a_hierarchy_of_one_variable_are_measured_side_by_side():
    tree = {value: ("low" if i < 4 else "high", "*") for i, value in enumerate(RANKS)}
    table = pa.table({"class": CLASSES, "level": LEVELS})
    alone, both = (
        measure_privacy(
            table,
            quasi_identifiers=["class"],
            sensitive=["level"],
            hierarchies={"level": tree},
            orders=orders,
        ).sensitive["level"]
        for orders in (None, {"level": ORDER})
    )
    assert alone.t_ordered is None
    assert both.t_ordered == pytest.approx(0.375)
    assert both.t_hierarchical == pytest.approx(alone.t_hierarchical)
    assert both.t_equal == alone.t_equal
