"""Tables without an agreement: what is shown, what is kept, what is refused."""

import traceback

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from linkkit.agreement import Generalization
from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect import (
    DeltaPresence,
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    KMap,
    TCloseness,
    anonymize,
)

METHODS = ["optimal", "local", "partition"]
MARK = "Zqxmarkerzz"


def people(n=200, seed=3):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(5, 19, n),
            "sex": rng.choice(["F", "M"], n),
            "zip": rng.choice(["98101", "98102", "98201", "99301"], n),
            "grade": rng.choice(list("ABCDF"), n),
        }
    )


WAYS = {
    "age": Generalization(intervals=(1, 2, 4)),
    "sex": Generalization(),
    "zip": Generalization(prefixes=(5, 3)),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shown", ["tight", "levels"])
def test_k_is_kept_and_nothing_else_changes(method, shown):
    frame = people()
    safe = anonymize(
        frame, quasi_identifiers=WAYS, models=[KAnonymity(k=6)], method=method, shown=shown
    )
    assert safe.method == method
    assert isinstance(safe.table, pd.DataFrame)
    assert list(safe.table.columns) == list(frame.columns)
    assert safe.table.groupby(list(WAYS)).size().min() >= 6
    assert safe.table["grade"].tolist() == frame["grade"].tolist()
    assert np.bincount(safe.classes).min() >= 6
    assert 0 <= safe.information_loss <= 1
    mean = np.mean(list(safe.loss_by_variable.values()))
    assert safe.information_loss == pytest.approx(mean)


def test_a_range_spans_the_values_of_a_class_and_a_set_lists_them():
    table = pa.table({"age": [1, 2, 2, 9, 9, 8], "town": ["x", "y", "y", "z", "z", "z"]})
    safe = anonymize(table, quasi_identifiers=["age", "town"], models=[KAnonymity(k=3)])
    assert safe.table.column("age").to_pylist() == ["1-2"] * 3 + ["8-9"] * 3
    assert safe.table.column("town").to_pylist() == ["{x, y}"] * 3 + ["z"] * 3
    assert safe.loss_by_variable == pytest.approx({"age": 1 / 8, "town": (2 / 3) / 2})


def test_a_set_of_everything_is_a_star_and_a_range_of_intervals_names_its_ends():
    table = pa.table({"age": [0, 6, 7, 31, 38, 39], "sex": ["F", "M", "F", "M", "F", "F"]})
    ways = {"age": Generalization(intervals=(5, 10)), "sex": Generalization()}
    safe = anonymize(table, quasi_identifiers=ways, models=[KAnonymity(k=3)])
    assert safe.table.column("age").to_pylist() == ["0-9"] * 3 + ["30-39"] * 3
    assert safe.table.column("sex").to_pylist() == ["*"] * 6


def test_levels_show_the_finest_level_of_each_class():
    table = pa.table({"age": [0, 1, 1, 30, 33, 36, 37]})
    ways = {"age": Generalization(intervals=(1, 2, 10))}
    safe = anonymize(table, quasi_identifiers=ways, models=[KAnonymity(k=3)], shown="levels")
    assert safe.table.column("age").to_pylist() == ["0-1"] * 3 + ["30-39"] * 4


def test_single_cells_are_suppressed_where_a_class_needs_it():
    table = pa.table({"sex": ["F"] * 5 + ["M"], "town": ["x"] * 3 + ["y"] * 3})
    safe = anonymize(
        table, quasi_identifiers=["sex", "town"], models=[KAnonymity(k=3)], shown="levels"
    )
    assert safe.table.column("sex").to_pylist() == ["F"] * 3 + ["*"] * 3
    assert safe.table.column("town").to_pylist() == ["x"] * 3 + ["y"] * 3


@pytest.mark.parametrize("method", METHODS)
def test_missing_values_by_policy(method):
    table = pa.table({"age": [5, 5, 5, 6, 6, None], "score": [1, 2, 3, 4, 5, 6]})
    ask = {"quasi_identifiers": ["age"], "models": [KAnonymity(k=3)], "method": method}
    own = anonymize(table, **ask)
    assert set(own.table.column("age").to_pylist()[3:]) == {"*"}
    wild = anonymize(table, **ask, missing="wildcard")
    assert wild.table.column("age").to_pylist() in (
        ["5", "5", "5", "6", "6", None], [5, 5, 5, 6, 6, None],
    )  # fmt: skip
    with pytest.raises(ProtectionError, match="1 rows have a missing quasi-identifier, more than"):
        anonymize(table, **ask, missing="suppress")
    dropped = anonymize(table, **ask, missing="suppress", max_suppressed=0.2)
    assert dropped.n_suppressed == 1
    assert dropped.table.column("score").to_pylist() == [1, 2, 3, 4, 5]


def test_people_are_counted_and_not_rows():
    table = pa.table({"who": ["a"] * 5 + ["b", "c", "d"], "age": [7] * 5 + [8, 8, 9]})
    ask = {"quasi_identifiers": ["age"], "models": [KAnonymity(k=3)]}
    assert anonymize(table, **ask).table.column("age").to_pylist()[0] == "7"
    counted = anonymize(table, **ask, person="who")
    shown = counted.table.column("age").to_pylist()
    assert len(shown) == 8
    for age in set(shown):
        who = {w for w, a in zip(table.column("who").to_pylist(), shown, strict=True) if a == age}
        assert len(who) >= 3


def test_a_large_family_is_no_class_of_its_own():
    table = pa.table({"home": [1] * 4 + [2, 3, 4, 5], "zip": ["a"] * 4 + ["b"] * 4})
    safe = anonymize(
        table,
        quasi_identifiers=["zip"],
        models=[KAnonymity(k=2), HouseholdKAnonymity(k=3)],
        household="home",
    )
    assert set(safe.table.column("zip").to_pylist()) == {"*"}


@pytest.mark.parametrize("method", METHODS)
def test_sensitive_variables_keep_their_models(method):
    frame = people(300)
    models = [
        KAnonymity(k=4),
        DistinctLDiversity(sensitive="grade", l=3),
        EntropyLDiversity(sensitive="grade", l=2.5),
        TCloseness(sensitive="grade", t=0.3),
    ]
    safe = anonymize(
        frame, quasi_identifiers=WAYS, models=models, method=method, max_suppressed=0.1
    )
    assert len(safe.table) >= 270
    overall = safe.table["grade"].value_counts(normalize=True)
    for _, members in safe.table.groupby(safe.classes[safe.classes >= 0]):
        share = members["grade"].value_counts(normalize=True)
        assert len(members) >= 4
        assert members["grade"].nunique() >= 3
        assert -(share * np.log(share)).sum() >= np.log(2.5) - 1e-9
        assert share.sub(overall, fill_value=0).abs().sum() / 2 <= 0.3 + 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_a_population_stands_behind_every_class(method):
    everybody = people(2000, seed=9)
    sample = everybody.iloc[:150].reset_index(drop=True)
    safe = anonymize(
        sample,
        quasi_identifiers=WAYS,
        models=[KMap(k=40, population=everybody), DeltaPresence(low=0.0, high=0.5, population=everybody)],
        method=method,
        shown="levels",
        max_suppressed=0.2,
    )  # fmt: skip
    assert safe.n_suppressed <= 30
    for _, members in sample.assign(c=safe.classes)[safe.classes >= 0].groupby("c"):
        inside = everybody[
            everybody["age"].between(members["age"].min(), members["age"].max())
            & everybody["sex"].isin(members["sex"])
            & everybody["zip"].isin(members["zip"])
        ]
        assert len(members) <= len(everybody)
        assert len(inside) >= len(members)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_rows_does_not_matter(method):
    frame = people(150)
    order = np.random.default_rng(1).permutation(len(frame))
    ask = {"quasi_identifiers": WAYS, "models": [KAnonymity(k=5)], "method": method}
    first = anonymize(frame, **ask).table
    second = anonymize(frame.iloc[order].reset_index(drop=True), **ask).table
    assert first.iloc[order].reset_index(drop=True).equals(second)


def test_frames_come_back_as_the_kind_that_was_given():
    ask = {"quasi_identifiers": WAYS, "models": [KAnonymity(k=5)]}
    frame = people()
    expected = anonymize(frame, **ask).table
    polars = anonymize(pl.from_pandas(frame), **ask).table
    arrow = anonymize(pa.Table.from_pandas(frame), **ask).table
    assert isinstance(polars, pl.DataFrame)
    assert isinstance(arrow, pa.Table)
    for name in WAYS:
        assert polars[name].to_list() == expected[name].tolist() == arrow[name].to_pylist()


def test_a_frame_keeps_its_index():
    frame = people()
    frame.index = [f"row {i}" for i in range(len(frame))]
    frame.loc["row 3", "sex"] = None
    safe = anonymize(
        frame,
        quasi_identifiers=WAYS,
        models=[KAnonymity(k=5)],
        missing="suppress",
        max_suppressed=0.1,
    )
    assert safe.table.index.tolist() == [f"row {i}" for i in range(len(frame)) if i != 3]
    assert (safe.table["grade"] == frame.loc[safe.table.index, "grade"]).all()


def test_the_choice_of_a_method_is_explained():
    safe = anonymize(people(), quasi_identifiers=WAYS, models=[KAnonymity(k=5)])
    assert safe.method == "local"
    assert "loses least" in safe.why
    assert repr(safe).startswith("<Anonymized: 200 rows in ")


@pytest.mark.parametrize(
    ("frame", "options", "wording"),
    [
        (pa.table({"age": [1, 2]}), {}, "fewer people than k = 5"),
        (pa.table({"age": [7] * 9}), {}, "'age' has the same value in all rows"),
        (pa.table({"b": [7] * 9}), {}, "no column 'age'"),
        (
            pa.table({"age": [f"{MARK}{i}" for i in range(9)]}),
            {},
            "'age' differs in every row, like a direct identifier",
        ),
        (pa.table([pa.array([1]), pa.array([2])], names=["age", "age"]), {}, "'age' 2 times"),
        (
            pd.DataFrame([[1, 2]] * 9, columns=["age", "age"]),
            {},
            "the table has column 'age' 2 times",
        ),
        (
            pd.DataFrame({"age": [1, MARK, 3.5] * 3}),
            {},
            "column 'age' mixes values of different types",
        ),
        (
            pa.table({"age": ["1", MARK] * 5}),
            {"quasi_identifiers": {"age": Generalization(intervals=(1, 5))}},
            "values are not numbers",
        ),
        (
            pa.table({"age": [MARK, "b"] * 5}),
            {"quasi_identifiers": {"age": Generalization(groups=({"g": ("b",)},))}},
            "in no group of taxonomy 1",
        ),
        (
            pa.table({"age": [1, 2] * 5}),
            {"models": [DistinctLDiversity(sensitive="age", l=2)]},
            "quasi-identifier and also a sensitive variable",
        ),
        (
            pa.table({"age": [1, 2] * 5, "s": ["x"] * 10}),
            {"models": [KAnonymity(k=2), DistinctLDiversity(sensitive="s", l=2)]},
            r"^DistinctLDiversity\(sensitive='s', l=2\) is not kept even where all people are one class",
        ),
        (pa.table({"age": [1, 2] * 5}), {"person": "age"}, "also says who the person is"),
        (
            pa.table({"age": [1, 2] * 5}),
            {"models": [HouseholdKAnonymity(k=2)]},
            "there are no households",
        ),
        (pa.table({"age": pa.array([], pa.int64())}), {}, "has no rows"),
        ([1, 2], {}, "is a list, not a frame"),
    ],
)
def test_what_cannot_be_protected_is_refused(frame, options, wording):
    ask = {"quasi_identifiers": ["age"], "models": [KAnonymity(k=5)], **options}
    with pytest.raises(ProtectionError, match=wording) as caught:
        anonymize(frame, **ask)
    assert caught.value.hint
    assert MARK not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "options",
    [
        {"method": "best"},
        {"missing": "ignore"},
        {"shown": "all"},
        {"max_suppressed": 2},
        {"max_suppressed": True},
        {"models": []},
        {"models": [5]},
        {"quasi_identifiers": []},
        {"quasi_identifiers": "age"},
    ],
)
def test_options_that_are_not_there_are_refused(options):
    ask = {"quasi_identifiers": ["age"], "models": [KAnonymity(k=5)], **options}
    with pytest.raises(OptionError):
        anonymize(people(), **ask)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: KAnonymity(k=1),
        lambda: KAnonymity(k=2.0),
        lambda: KAnonymity(k=True),
        lambda: DistinctLDiversity(sensitive="", l=2),
        lambda: EntropyLDiversity(sensitive="s", l=1.0),
        lambda: EntropyLDiversity(sensitive="s", l=float("nan")),
        lambda: TCloseness(sensitive="s", t=0.0),
        lambda: TCloseness(sensitive="s", t=1.5),
        lambda: TCloseness(sensitive="s", t=0.2, distance="far"),
        lambda: TCloseness(sensitive="s", t=0.2, distance="hierarchical"),
        lambda: DeltaPresence(low=0.5, high=0.5, population=None),
    ],
)
def test_models_check_what_they_are_given(wrong):
    with pytest.raises(OptionError):
        wrong()
