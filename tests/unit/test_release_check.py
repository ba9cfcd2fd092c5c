"""The independent check: each promise broken by one row, missing, households, populations, portions."""

import datetime as dt
import math
import os
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linkkit.errors import OptionError, ReleaseError
from linkkit.steward.promises import (
    Codebook,
    PromisedCloseness,
    PromisedDistinctL,
    PromisedEntropyL,
    PromisedHouseholdK,
    PromisedK,
    PromisedKMap,
    PromisedPresence,
    PromisedRecursiveL,
    Promises,
    Shown,
)
from linkkit.steward.release import measure_privacy, read_back
from linkkit.steward.release.check import check_files
from linkkit.steward.release.data_files import write_csv, write_parquet
from shared.study import check_table

MARK = "Zqxmarkerzz"
EXTRA = os.environ.get("LINKKIT_EXTRA_DATA")
TREE = {"a": ("ab", "*"), "b": ("ab", "*"), "c": ("cd", "*"), "d": ("cd", "*")}


def look_at(tmp_path, columns, promises, **options):
    n = len(next(iter(columns.values())))
    table = pa.table({"study_id": [f"{i:04d}" for i in range(n)], **columns})
    return check_table(tmp_path, table, promises, **options)


def promised(*models, names=("age",), **options):
    return Promises(models=models, quasi_identifiers=names, **options)


# Two classes of four; every promise is kept, and no stronger one of its kind.
AGES = ["30-39"] * 4 + ["40-49"] * 4
GRADES = ["a", "b", "c", "d", "a", "b", "c", "c"]
SCORES = [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 3.0]
POPULATION = pa.table({"age": [31] * 8 + [45] * 8 + [60]})
HOMES = {f"{i:04d}": i % 4 for i in range(8)}
BOOK = Codebook(
    variable="age",
    shown=(Shown(label="30-39", low=30, high=39), Shown(label="40-49", low=40, high=49)),
)
KEPT = [
    PromisedK(k=4),
    PromisedHouseholdK(k=4),
    PromisedKMap(k=8),
    PromisedPresence(low=0.5, high=0.5),
    PromisedDistinctL(sensitive="grade", l=3),
    PromisedEntropyL(sensitive="grade", l=2.8284271247461),
    PromisedRecursiveL(sensitive="grade", c=1.01, l=2),
    PromisedCloseness(sensitive="grade", t=0.125),
    PromisedCloseness(sensitive="score", t=0.042, distance="ordered"),
    PromisedCloseness(sensitive="grade", t=0.0625, distance="hierarchical", hierarchy=TREE),
]
BROKEN = [
    (PromisedK(k=5), "2 combinations of quasi-identifiers belong to fewer than 5 people"),
    (PromisedHouseholdK(k=5), "2 combinations .* people of fewer than 5 households"),
    (PromisedKMap(k=9), "2 combinations .* fit fewer than 9 people of the population"),
    (PromisedPresence(low=0.0, high=0.49), "2 combinations .* not from 0 to 0.49"),
    (PromisedPresence(low=0.51, high=0.9), "2 combinations .* not from 0.51 to 0.9"),
    (PromisedDistinctL(sensitive="grade", l=4), "1 combinations .* fewer than 4 different values"),
    (PromisedEntropyL(sensitive="grade", l=2.83), "1 combinations .* less entropy of 'grade'"),
    (PromisedRecursiveL(sensitive="grade", c=1, l=2), r"1 combinations .* \(1, 2\)-diverse"),
    (PromisedCloseness(sensitive="grade", t=0.12), r"2 combinations .* than 0.12 \(equal\)"),
    (
        PromisedCloseness(sensitive="score", t=0.041, distance="ordered"),
        r"2 combinations .* than 0.041 \(ordered\)",
    ),
    (
        PromisedCloseness(sensitive="grade", t=0.06, distance="hierarchical", hierarchy=TREE),
        r"2 combinations .* than 0.06 \(hierarchical\)",
    ),
]


def columns(**changed):
    return {"age": AGES, "grade": GRADES, "score": SCORES, **changed}


def look(tmp_path, *models, **changed):
    promises = promised(*models, codebook=(BOOK,))
    return look_at(tmp_path, columns(**changed), promises, households=HOMES, population=POPULATION)


def test_what_is_kept_is_measured_to_the_border(tmp_path):
    measured = look(tmp_path, *KEPT)
    assert [model.n_broken for model in measured.models] == [0] * len(KEPT)
    least = [round(model.least, 6) for model in measured.models]
    most = [round(model.most, 6) for model in measured.models]
    assert least == [4, 4, 8, 0.5, 3, 2.828427, 0.333333, 0.125, 0.041667, 0.0625]
    assert most == [4, 4, 8, 0.5, 4, 4, 1, 0.125, 0.041667, 0.0625]
    names = [(model.model, model.sensitive) for model in measured.models]
    assert names[0] == ("k-anonymity", "")
    assert names[-1] == ("t-closeness", "grade")
    assert measured.models[-1].promised == {"t": 0.0625, "distance": "hierarchical"}


@pytest.mark.parametrize(("model", "wording"), BROKEN)
def test_a_promise_that_is_a_little_too_strong_is_broken(tmp_path, model, wording):
    with pytest.raises(ReleaseError, match=wording) as caught:
        look(tmp_path, model)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("model", "changed"),
    [
        (KEPT[0], {"age": ["30-39"] * 3 + ["40-49"] * 5}),
        (KEPT[1], {"age": ["30-39"] * 3 + ["40-49"] * 5}),
        (KEPT[2], {"age": ["20-29", *AGES[1:]]}),
        (KEPT[3], {"age": ["30-39"] * 3 + ["40-49"] * 5}),
        (KEPT[4], {"grade": [*GRADES[:4], "b", *GRADES[5:]]}),
        (KEPT[5], {"grade": [*GRADES[:4], "c", *GRADES[5:]]}),
        (KEPT[6], {"grade": [*GRADES[:4], "c", *GRADES[5:]]}),
        (KEPT[7], {"grade": ["b", *GRADES[1:]]}),
        (KEPT[8], {"score": [4.0, *SCORES[1:]]}),
        (KEPT[9], {"grade": ["c", *GRADES[1:]]}),
    ],
)
def test_one_row_that_breaks_a_promise_is_caught(tmp_path, model, changed):
    look(tmp_path, model)
    with pytest.raises(ReleaseError, match=r"[1-3] combinations of quasi-identifiers"):
        look(tmp_path, model, **changed)


def test_all_broken_promises_are_told_and_no_value_is(tmp_path):
    marked = columns(age=[MARK] * 3 + AGES[3:], grade=[MARK] * 8)
    promises = promised(*(model for model, _ in BROKEN), codebook=(BOOK,))
    with pytest.raises(ReleaseError, match="fewer than 5 people") as caught:
        look_at(tmp_path, marked, promises, households=HOMES, population=POPULATION)
    # Where all have the same value, every class is as everybody: no distance is too large.
    assert len(caught.value.problems) == len(BROKEN) - 1
    assert "hierarchy does not cover column 'grade'" in str(caught.value)
    assert MARK not in "".join(traceback.format_exception(caught.value))


def test_what_cannot_be_measured_is_refused(tmp_path):
    for model, wording in [
        (PromisedHouseholdK(k=2), "household k-anonymity is promised .* no households"),
        (PromisedKMap(k=2), "k-map is promised .* no population"),
        (PromisedDistinctL(sensitive="diary", l=2), "column 'diary' is missing"),
    ]:
        with pytest.raises(ReleaseError, match=wording):
            look_at(tmp_path, columns(), promised(model))
    with pytest.raises(ReleaseError, match="nothing is promised"):
        look_at(tmp_path, columns(), promised())
    with pytest.raises(ReleaseError, match="population does not have the column 'age' exactly"):
        look_at(tmp_path, columns(), promised(PromisedKMap(k=2)), population=pa.table({"x": [1]}))


def test_closeness_is_to_everybody_and_not_to_those_who_stayed(tmp_path):
    everybody = (("a", 2), ("b", 2), ("c", 3), ("d", 1), ("e", 8), ("never", 0))
    near = PromisedCloseness(sensitive="grade", t=0.5625, overall=everybody)
    assert look(tmp_path, near).models[0].most == 0.5625
    nearer = PromisedCloseness(sensitive="grade", t=0.56, overall=everybody)
    with pytest.raises(ReleaseError, match="1 combinations"):
        look(tmp_path, nearer)
    strange = PromisedCloseness(sensitive="grade", t=0.9, overall=everybody[:2])
    with pytest.raises(ReleaseError, match="values that the data did not have before"):
        look(tmp_path, strange)


def test_dates_lie_at_their_ranks(tmp_path):
    days = [dt.date(2020, 1, 1), dt.date(2020, 1, 2), dt.date(2024, 5, 1), dt.date(2020, 1, 2)]
    overall = tuple((day.isoformat(), n) for day, n in zip(days[:3], (1, 2, 1), strict=True))
    model = PromisedCloseness(sensitive="day", t=0.25, distance="ordered", overall=overall)
    table = {"age": ["x", "x", "y", "y"], "day": days}
    assert look_at(tmp_path, table, promised(model)).models[0].most == 0.25
    assert (
        measure_privacy(pa.table(table), quasi_identifiers=["age"], sensitive=["day"])
        .sensitive["day"]
        .t_ordered
        == 0.25
    )


WILD = {"age": ["1", "1", None, "2"], "sex": ["F", "F", "F", None]}


def test_a_wildcard_matches_everything_and_each_record_has_its_own_class(tmp_path):
    promises = promised(PromisedK(k=2), names=("age", "sex"), missing="wildcard")
    measured = look_at(tmp_path, WILD, promises)
    # 1 F with the one of unknown age: 3; the latter with all: 4; 2 with the latter: 2.
    assert (measured.smallest_class, measured.median_class, measured.n_classes) == (2, 3.0, 3)
    with pytest.raises(ReleaseError, match="1 combinations .* fewer than 3 people"):
        look_at(tmp_path, WILD, promised(PromisedK(k=3), names=("age", "sex"), missing="wildcard"))


def test_missing_is_a_value_of_its_own_or_does_not_occur(tmp_path):
    with pytest.raises(ReleaseError, match="2 combinations .* fewer than 2 people"):
        look_at(tmp_path, WILD, promised(PromisedK(k=2), names=("age", "sex")))
    suppressed = promised(PromisedK(k=1), names=("age", "sex"), missing="suppress")
    with pytest.raises(ReleaseError, match="2 rows lack a quasi-identifier") as caught:
        look_at(tmp_path, WILD, suppressed)
    assert len(caught.value.problems) == 1


def test_who_has_no_household_is_one_alone(tmp_path):
    model = promised(PromisedHouseholdK(k=3))
    ages = {"age": ["x"] * 4}
    homes = {"0000": 7, "0001": 7, "0002": -1}
    assert look_at(tmp_path, ages, model, households=homes).models[0].least == 3
    with pytest.raises(ReleaseError, match="fewer than 3 households"):
        look_at(tmp_path, ages, model, households={**homes, "0003": 7})


def test_labels_cover_ranges_sets_everything_and_missing(tmp_path):
    population = pa.table(
        {
            "age": [30, 34, 35, None, 34],
            "town": ["Ash", "Elm", "Oak", "Ash", None],
            "born": [dt.date(1990, 1, 1), dt.date(1991, 1, 1), None, None, dt.date(1990, 6, 1)],
        }
    )
    book = (
        Codebook(variable="age", shown=(Shown(label="30-34", low=30, high=34), Shown(label="*"))),
        Codebook(
            variable="town", shown=(Shown(label="{Ash, (missing)}", values=("Ash",), missing=True),)
        ),
        Codebook(
            variable="born", shown=(Shown(label="1990", low="1990-01-01", high="1990-12-31"),)
        ),
    )
    for cells, n in [
        (("30-34", "*", "*"), 0),
        (("30-34", "Elm", None), 0),
        (("30-34", "Elm", "1990"), 0),
        (("*", "{Ash, (missing)}", "1990"), 2),
        (("30-34", "{Ash, (missing)}", "1990"), 2),
        ((None, "Ash", None), 1),
        (("35", "Oak", None), 1),
    ]:
        columns = {name: [cell] for name, cell in zip(("age", "town", "born"), cells, strict=True)}
        columns = {name: pa.array(cell, pa.string()) for name, cell in columns.items()}
        promises = promised(PromisedKMap(k=0), names=("age", "town", "born"), codebook=book)
        measured = look_at(tmp_path, columns, promises, population=population)
        assert measured.models[0].least == n
    wild = promised(
        PromisedKMap(k=0), names=("age", "town", "born"), codebook=book, missing="wildcard"
    )
    columns = {"age": ["30-34"], "town": ["Ash"], "born": pa.array([None], pa.string())}
    measured = look_at(tmp_path, columns, wild, population=population)
    # Ash at 30, unknown age, and unknown town at 34.
    assert measured.models[0].least == 3


def test_a_codebook_that_says_more_than_its_labels_is_refused(tmp_path):
    wide = Codebook(variable="age", shown=(Shown(label="30-39", low=0, high=99),))
    with pytest.raises(ReleaseError, match="labels of 'age' are said to cover more"):
        look_at(
            tmp_path,
            columns(),
            promised(PromisedKMap(k=2), codebook=(wide,)),
            population=POPULATION,
        )
    below = Codebook(variable="t", shown=(Shown(label="-5 to -2.5", low=-5.0, high=-2.5),))
    promises = promised(PromisedKMap(k=8), codebook=(BOOK, below))
    assert look_at(tmp_path, columns(), promises, population=POPULATION).smallest_class == 4


def test_large_files_are_read_in_portions(tmp_path, monkeypatch):
    monkeypatch.setattr(read_back, "_PORTION_BYTES", 4096)
    monkeypatch.setattr(read_back, "_PORTION_ROWS", 77)
    n = 3000
    note = [f'line\r\n"{i}", next' if i % 3 else None for i in range(n)]
    table = {
        "age": [f"{i % 5}0-{i % 5}9" if i % 7 else None for i in range(n)],
        "score": [i % 4 for i in range(n)],
        "note": pa.array(note, pa.string()),
    }
    models = PromisedK(k=429), PromisedDistinctL(sensitive="score", l=4)
    measured = look_at(tmp_path, table, promised(*models))
    assert (measured.n_people, measured.n_classes) == (n, 6)
    assert measured.smallest_class == sum(i % 7 == 0 for i in range(n)) == 429
    longer = pa.table({"study_id": [f"{i:04d}" for i in range(n + 1)]})
    with pytest.raises(ReleaseError, match="different columns"):
        check_longer(tmp_path, longer, promised(*models))
    more = pa.table({"study_id": [f"{i:04d}" for i in range(n + 1)], "age": ["x"] * (n + 1)})
    write_csv(more.slice(0, n), tmp_path / "x.csv")
    with pytest.raises(ReleaseError, match="different numbers of rows"):
        check_longer(tmp_path, more, promised(PromisedK(k=2)))
    write_csv(more, tmp_path / "x.csv")
    with pytest.raises(ReleaseError, match="different numbers of rows"):
        check_longer(tmp_path, more.slice(0, n), promised(PromisedK(k=2)))
    assert check_longer(tmp_path, more, promised(PromisedK(k=2))).n_people == n + 1
    changed = more.set_column(1, "age", pa.array(["x"] * n + ["y"]))
    with pytest.raises(ReleaseError, match="column 'age' differs"):
        check_longer(tmp_path, changed, promised(PromisedK(k=2)))


def check_longer(tmp_path, table, promises):
    write_parquet(table, tmp_path / "x.parquet")
    return check_files(
        tmp_path / "x.csv",
        tmp_path / "x.parquet",
        promises=promises,
        id_column="study_id",
        permitted=["study_id", "age", "score", "note"],
    )


def test_a_file_without_rows_holds_nobody(tmp_path):
    with pytest.raises(ReleaseError, match="the files hold nobody"):
        look_at(tmp_path, {"age": pa.array([], pa.string())}, promised(PromisedK(k=2)))


@pytest.mark.parametrize("make", [pd.DataFrame, pa.table])
def test_any_table_is_measured(make):
    table = make({"age": AGES, "grade": GRADES, "score": SCORES, "home": [1, 1, 2, 3] * 2})
    found = measure_privacy(
        table,
        quasi_identifiers=["age"],
        sensitive=["grade", "score"],
        household="home",
        hierarchies={"grade": TREE},
    )
    assert (found.n_people, found.n_classes, found.k, found.household_k) == (8, 2, 4, 3)
    grade, score = found.sensitive["grade"], found.sensitive["score"]
    assert (grade.distinct_l, grade.recursive_c) == (3, {2: 1.0, 3: 2.0})
    assert math.isclose(grade.entropy_l, 2 * math.sqrt(2))
    assert (grade.largest_share, grade.t_equal, grade.t_ordered) == (0.5, 0.125, None)
    assert grade.t_hierarchical == 0.0625
    assert math.isclose(score.t_ordered, 0.125 / 3)
    assert score.t_hierarchical is None


def test_a_person_counts_once_however_many_rows():
    table = pa.table(
        {
            "age": ["x", "x", "x", "x", "y", "y"],
            "who": ["p", "p", "p", "q", "q", "r"],
            "score": [1, 1, 2, 2, 1, 1],
        }
    )
    rows = measure_privacy(table, quasi_identifiers=["age"], sensitive=["score"])
    people = measure_privacy(table, quasi_identifiers=["age"], sensitive=["score"], person="who")
    assert (rows.n_people, rows.k) == (6, 2)
    assert (people.n_people, people.k) == (3, 2)
    # In x both people have 2 and one has 1 as well.
    assert people.sensitive["score"].largest_share == 1.0
    alone = measure_privacy(table.slice(0, 4), quasi_identifiers=["age"], person="who")
    assert alone.k == 2


def test_a_wildcard_widens_the_classes_of_a_table():
    table = pd.DataFrame(WILD)
    found = measure_privacy(table, quasi_identifiers=["age", "sex"], missing="wildcard")
    assert (found.k, found.n_with_missing) == (2, 2)
    assert measure_privacy(table, quasi_identifiers=["age", "sex"]).k == 1


@pytest.mark.parametrize(
    ("table", "options", "wording"),
    [
        ([1], {"quasi_identifiers": ["a"]}, "not a pandas, Polars or Arrow table"),
        (pd.DataFrame({"a": []}), {"quasi_identifiers": ["a"]}, "has no rows"),
        (pd.DataFrame({"a": [1]}), {"quasi_identifiers": ["b"]}, "the table has no column 'b'"),
        (pd.DataFrame({"a": [1]}), {"quasi_identifiers": []}, "no quasi-identifier"),
        (
            pd.DataFrame({"a": pd.Series([1, MARK], dtype=object)}),
            {"quasi_identifiers": ["a"]},
            "'a' mixes types",
        ),
        (
            pd.DataFrame({"a": [1], "b": [MARK]}),
            {"quasi_identifiers": ["a"], "sensitive": ["b"], "hierarchies": {"b": TREE}},
            "hierarchy of 'b' does not cover",
        ),
        (
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            {"quasi_identifiers": ["a"]},
            "distinct column names|2 times in the table",
        ),
    ],
)
def test_a_table_that_cannot_be_measured_is_refused(table, options, wording):
    with pytest.raises(OptionError, match=wording) as caught:
        measure_privacy(table, **options)
    assert MARK not in "".join(traceback.format_exception(caught.value))


def test_large_random_tables_equal_counting_by_hand():
    rng = np.random.default_rng(4)
    n = 5000
    table = pd.DataFrame({"a": rng.integers(0, 9, n), "b": rng.integers(0, 40, n)})
    table["v"] = rng.integers(0, 300, n) ** 2
    found = measure_privacy(table, quasi_identifiers=["a", "b"], sensitive=["v"])
    groups = [group["v"] for _, group in table.groupby(["a", "b"])]
    ranks = np.unique(table["v"])
    overall = (table["v"].to_numpy()[:, None] == ranks).mean(axis=0)
    shares = np.array([(g.to_numpy()[:, None] == ranks).mean(axis=0) for g in groups])
    assert found.k == min(map(len, groups))
    assert found.sensitive["v"].distinct_l == min(g.nunique() for g in groups)
    differences = shares - overall
    assert math.isclose(found.sensitive["v"].t_equal, np.abs(differences).sum(axis=1).max() / 2)
    areas = np.abs(np.cumsum(differences, axis=1)).sum(axis=1) / (len(ranks) - 1)
    assert math.isclose(found.sensitive["v"].t_ordered, areas.max())


@pytest.mark.skipif(EXTRA is None, reason="LINKKIT_EXTRA_DATA is not set")
@pytest.mark.parametrize("k", [2, 5])
def test_airline_passengers_are_exactly_as_anonymous_as_they_are_said_to_be(k):
    table = pd.read_csv(Path(EXTRA or "") / "airline" / f"airline_passenger_sat_k{k}.csv")
    names = [
        "Gender",
        "Customer Type",
        "Age",
        "Type of Travel",
        "Class",
        "Flight Distance",
        "Departure Delay in Minutes",
        "Arrival Delay in Minutes",
    ]
    assert measure_privacy(table, quasi_identifiers=names).k == k
