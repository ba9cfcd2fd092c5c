"""Shifted dates and microaggregation under an agreement: agreed, done, promised and measured."""

import dataclasses
import datetime as dt
import json
import traceback

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from linkkit.cli import run
from linkkit.errors import (
    AgreementError,
    NotAuthorizedError,
    OptionError,
    ProtectionError,
    ReleaseError,
    SecretError,
)
from linkkit.exchange import Identity
from linkkit.steward.integrate import StudyKey
from linkkit.steward.promises import (
    PromisedAverages,
    PromisedK,
    PromisedShift,
    Promises,
    promises_from_json,
    promises_to_json,
)
from linkkit.steward.protect import DistinctLDiversity, ProtectedDataset, protect
from linkkit.steward.protect.transforms import person_shifts
from linkkit.steward.release import release
from shared.study import agreement_of, check_table, people_of

KEY = StudyKey(bytes(range(32)))
STEWARD = Identity.generate()
VARIABLES = {
    "born_in": "integer",
    "sex": "category",
    "entry": "date",
    "exit": "date",
    "income": "number",
    "rent": "integer",
    "note": "category",
}
BOTH = {
    "shift_dates": {"max_days": 100, "variables": ["entry", "exit"]},
    "microaggregate": {"variables": ["income", "rent"]},
}


def agreement_with(uses=tuple(VARIABLES), **protection):
    usual = {
        "smallest_cell": 4,
        "max_suppressed": 0.3,
        "quasi_identifiers": {"born_in": {"intervals": [1, 2, 4]}, "sex": {}},
    }
    return agreement_of(VARIABLES, uses=uses, steward=STEWARD, **usual | protection)


def some_people(agreement, n=120, *, uses=tuple(VARIABLES), seed=3, **columns):
    rng = np.random.default_rng(seed)
    entry = pa.array(
        [dt.date(2023, 1, 1) + dt.timedelta(days=int(d)) for d in rng.integers(0, 900, n)]
    )
    made = {
        "born_in": pa.array(rng.integers(2005, 2012, n)),
        "sex": pa.array(rng.choice(["F", "M"], n).tolist()),
        "entry": entry,
        "exit": pa.array([day.as_py() + dt.timedelta(days=30) for day in entry]),
        "income": pa.array(rng.lognormal(10, 1, n)),
        "rent": pa.array(rng.integers(200, 2000, n)),
        "note": pa.array(["x"] * n),
        **columns,
    }
    return people_of(agreement, **{name: made[name] for name in uses})


AGREEMENT = agreement_with(**BOTH)
PEOPLE = some_people(AGREEMENT)
SAFE = protect(PEOPLE, AGREEMENT, study_key=KEY)


def test_an_agreement_without_these_clauses_has_the_fingerprint_that_it_had():
    plain = agreement_with()
    assert plain.protection.shift_dates is None
    assert set(plain.model_dump(exclude_defaults=True)["protection"]) == {
        "smallest_cell",
        "max_suppressed",
        "quasi_identifiers",
    }
    assert len({plain.fingerprint, AGREEMENT.fingerprint}) == 2
    stated = agreement_with(shift_dates={"variables": ["entry"], "max_days": 182})
    assert stated.fingerprint == agreement_with(shift_dates={"variables": ["entry"]}).fingerprint


@pytest.mark.parametrize(
    ("clause", "told"),
    [
        ({"shift_dates": {"variables": []}}, "shift_dates.variables"),
        ({"shift_dates": {"variables": ["entry"], "max_days": 0}}, "shift_dates.max_days"),
        ({"shift_dates": {"variables": ["entry"], "max_days": 1.5}}, "shift_dates.max_days"),
        ({"shift_dates": {"variables": ["entry"], "days": 3}}, "shift_dates.days"),
        ({"shift_dates": ["entry"]}, "shift_dates"),
        ({"shift_dates": {"variables": ["entry", "entry"]}}, "a variable is named twice"),
        ({"shift_dates": {"variables": ["gone"]}}, "no party sends 'gone'"),
        ({"shift_dates": {"variables": ["income"]}}, "'income' is not of type date"),
        ({"shift_dates": {"variables": ["in_club"]}}, "'in_club' is not of type date"),
        (
            {
                "shift_dates": {"variables": ["entry"]},
                "quasi_identifiers": {"entry": {"dates": ["year"]}},
            },
            "'entry' is a quasi-identifier",
        ),
        (
            {"shift_dates": {"variables": ["entry"]}, "sensitive": {"entry": {"distinct_l": 2}}},
            "'entry' is in 'protection.sensitive'",
        ),
        ({"microaggregate": {"variables": []}}, "microaggregate.variables"),
        ({"microaggregate": {"variables": ["note"]}}, "'note' is not of type integer or number"),
        ({"microaggregate": {"variables": ["entry"]}}, "'entry' is not of type integer or number"),
        (
            {"microaggregate": {"variables": ["rent"], "statistic": "mode"}},
            "microaggregate.statistic",
        ),
        ({"microaggregate": {"variables": ["born_in"]}}, "'born_in' is a quasi-identifier"),
        (
            {"microaggregate": {"variables": ["rent"]}, "sensitive": {"rent": {"t": 0.3}}},
            "'rent' is in 'protection.sensitive'",
        ),
    ],
)
def test_contradictions_in_the_agreement_are_told_by_clause(clause, told):
    with pytest.raises(AgreementError) as caught:
        agreement_with(**clause)
    assert told in str(caught.value)
    assert "protection." in str(caught.value)


def test_all_dates_of_a_person_move_by_one_secret_number_of_days():
    before = PEOPLE.table.to_pandas().set_index("study_id")
    after = SAFE.table.to_pandas().set_index("study_id")
    before = before.loc[after.index]
    moved = {
        name: (pd.to_datetime(after[name]) - pd.to_datetime(before[name])).dt.days
        for name in ("entry", "exit")
    }
    assert (moved["entry"] == moved["exit"]).all()
    assert (moved["entry"] != 0).all()
    assert moved["entry"].abs().max() <= 100
    assert moved["entry"].nunique() > 50
    expected = person_shifts(
        list(after.index), KEY, agreement_id="test-town", project="study", max_days=100
    )
    assert moved["entry"].tolist() == expected.tolist()


def test_averages_belong_to_k_of_those_who_stay():
    table = SAFE.table.to_pandas()
    assert table.groupby(["income", "rent"]).size().min() >= 4
    assert SAFE.summary.averaging.smallest >= 4
    assert 0 < SAFE.summary.averaging.information_loss < 1
    before = PEOPLE.table.to_pandas().set_index("study_id").loc[table["study_id"]]
    assert table["income"].mean() == pytest.approx(before["income"].mean())


def test_people_are_withheld_before_numbers_are_averaged():
    # Three who match nobody are withheld; whoever is alike in income still has k companions.
    n = 43
    agreement = agreement_with(
        microaggregate={"variables": ["income"]}, quasi_identifiers={"sex": {}}
    )
    people = some_people(
        agreement,
        n,
        sex=pa.array(["F"] * 40 + ["M"] * 3),
        income=pa.array([float(i % 10) for i in range(40)] + [5.0, 5.0, 5.0]),
    )
    safe = protect(people, agreement, method="optimal")
    assert safe.n_suppressed == 3
    assert safe.summary.averaging.smallest >= 4
    assert safe.table.to_pandas().groupby("income").size().min() >= 4


def test_a_larger_k_makes_larger_groups():
    safe = protect(PEOPLE, AGREEMENT, k=9, study_key=KEY)
    assert safe.promises.averages.k == 9
    assert safe.table.to_pandas().groupby(["income", "rent"]).size().min() >= 9


def test_the_median_is_taken_where_it_is_agreed(tmp_path):
    agreement = agreement_with(microaggregate={"variables": ["income"], "statistic": "median"})
    safe = protect(some_people(agreement), agreement)
    note = next(note for note in safe.summary.variables if note.name == "income")
    assert note.generalization == "median of groups of at least 4 people"
    assert safe.promises.averages.statistic == "median"
    release(safe, tmp_path / "out", agreement=agreement)


def test_what_was_done_is_told():
    notes = {note.name: note for note in SAFE.summary.variables}
    assert notes["entry"].generalization == (
        "all dates of a person moved by the same secret number of days, up to 100"
    )
    assert notes["income"].generalization == (
        "mean of groups of at least 4 people who are alike in income and rent"
    )
    assert notes["income"].type == notes["rent"].type == "number"
    assert notes["entry"].type == "date"
    assert notes["note"].generalization == ""
    shifted, averaged = SAFE.summary.in_words[-2:]
    assert "No check of the files can tell" in shifted
    assert "'income' and 'rent' belongs to at least 4 people" in averaged


def test_a_release_tells_and_measures_it(tmp_path):
    done = release(SAFE, tmp_path / "out", agreement=AGREEMENT)
    measured = done.disclosure.measured.models[-1]
    assert (measured.model, measured.sensitive) == ("microaggregation", "income, rent")
    assert measured.promised == {"k": 4, "statistic": "mean"}
    assert 4 <= measured.least <= measured.most <= 14
    report = json.loads((tmp_path / "out" / "disclosure_report.json").read_text("utf-8"))
    changed = {item["variable"]: item for item in report["changed"]}
    assert list(changed) == ["entry", "exit", "income", "rent"]
    assert changed["entry"]["variance_lost"] is None
    assert 0 < changed["income"]["variance_lost"] < 1
    assert report["unprotected"] == ["note"]
    assert any("true day" in limit for limit in report["limits"])
    page = (tmp_path / "out" / "disclosure_report.html").read_text("utf-8")
    assert "moved by the same secret number of days, up to 100" in page
    assert "Fewest people who share a combination of averaged variables" in page
    dictionary = (tmp_path / "out" / "data_dictionary.csv").read_text("utf-8")
    assert "mean of groups of at least 4 people who are alike in income and rent" in dictionary
    for path in done.files:
        assert KEY.reveal().hex().encode() not in path.read_bytes()


def test_no_limit_about_shifts_where_nothing_is_shifted(tmp_path):
    agreement = agreement_with(microaggregate={"variables": ["income"]})
    done = release(
        protect(some_people(agreement), agreement), tmp_path / "out", agreement=agreement
    )
    assert not any("true day" in limit for limit in done.disclosure.limits)
    assert done.disclosure.unprotected == ("entry", "exit", "rent", "note")


def test_saved_and_loaded_it_is_the_same_and_can_be_released(tmp_path):
    SAFE.save(tmp_path / "safe", agreement=AGREEMENT, identity=STEWARD)
    again = ProtectedDataset.load(tmp_path / "safe", agreement=AGREEMENT, identity=STEWARD)
    assert again.summary == SAFE.summary
    assert again.promises == SAFE.promises
    assert again.table.equals(SAFE.table)
    release(again, tmp_path / "out", agreement=AGREEMENT)


def test_promises_go_through_json():
    promises = Promises(
        models=(PromisedK(k=2),),
        quasi_identifiers=("sex",),
        averages=PromisedAverages(variables=("income",), k=2, statistic="median"),
        shift=PromisedShift(variables=("entry",), max_days=3),
    )
    assert promises_from_json(promises_to_json(promises)) == promises
    old = json.loads(promises_to_json(promises))
    del old["averages"], old["shift"]
    assert promises_from_json(json.dumps(old)).averages is None


def test_dates_are_not_shifted_without_the_key():
    with pytest.raises(SecretError) as caught:
        protect(PEOPLE, AGREEMENT)
    assert "'entry' and 'exit' shifted" in str(caught.value)
    assert "--study-key" in str(caught.value)
    with pytest.raises(SecretError, match="must be a StudyKey, not a bytes"):
        protect(PEOPLE, AGREEMENT, study_key=bytes(32))


def test_a_project_without_these_variables_needs_no_key(tmp_path):
    uses = ("born_in", "sex", "note")
    agreement = agreement_with(uses, **BOTH)
    safe = protect(some_people(agreement, uses=uses), agreement)
    assert safe.promises.shift is None
    assert safe.promises.averages is None
    assert safe.summary.averaging is None
    release(safe, tmp_path / "out", agreement=agreement)


def test_a_project_with_some_of_the_variables_has_these_changed(tmp_path):
    uses = ("born_in", "sex", "exit", "rent")
    agreement = agreement_with(uses, **BOTH)
    safe = protect(some_people(agreement, uses=uses), agreement, study_key=KEY)
    assert safe.promises.shift.variables == ("exit",)
    assert safe.promises.averages.variables == ("rent",)
    assert safe.summary.averaging.method == "optimal"
    release(safe, tmp_path / "out", agreement=agreement)


@pytest.mark.parametrize("name", ["entry", "income"])
def test_a_model_about_a_changed_variable_is_refused(name):
    with pytest.raises(OptionError, match=f"a model is about '{name}'"):
        protect(PEOPLE, AGREEMENT, models=[DistinctLDiversity(sensitive=name, l=2)], study_key=KEY)


def test_missing_values_stay_missing_and_rare_gaps_are_filled_up(tmp_path):
    income = [None if i < 9 else float(i) for i in range(120)]
    rent = [None if i % 60 == 20 else i for i in range(120)]
    entry = [None if i < 7 else dt.date(2024, 1, 1) for i in range(120)]
    people = some_people(
        AGREEMENT,
        income=pa.array(income, pa.float64()),
        rent=pa.array(rent, pa.int64()),
        entry=pa.array(entry, pa.date32()),
    )
    safe = protect(people, AGREEMENT, study_key=KEY)
    table = safe.table.to_pandas()
    # Two who lack the rent only are too few: they show no income either.
    assert table.loc[table["rent"].isna(), "income"].isna().all()
    assert table["entry"].isna().sum() <= 7
    done = release(safe, tmp_path / "out", agreement=AGREEMENT)
    assert done.disclosure.measured.models[-1].least >= 4


def test_a_file_whose_averages_are_all_missing_is_released(tmp_path):
    nobody = pa.array([None] * 120, pa.float64())
    people = some_people(AGREEMENT, income=nobody, rent=nobody.cast(pa.int64()))
    done = release(protect(people, AGREEMENT, study_key=KEY), tmp_path / "out", agreement=AGREEMENT)
    assert done.disclosure.measured.models[-1].most == 0


def test_the_result_does_not_depend_on_the_order_of_the_rows():
    order = np.random.default_rng(0).permutation(len(PEOPLE))
    turned = dataclasses.replace(PEOPLE, table=PEOPLE.table.take(pa.array(order)))
    again = protect(turned, AGREEMENT, study_key=KEY)
    assert again.table.equals(SAFE.table)


def test_bad_cells_are_refused_without_being_told():
    mark = "Zqxmarkerzz"
    people = some_people(AGREEMENT, entry=pa.array(["2024-01-01"] * 119 + [mark]))
    with pytest.raises(ProtectionError, match="column 'entry': 1 cells are no dates") as caught:
        protect(people, AGREEMENT, study_key=KEY)
    assert mark not in "".join(traceback.format_exception(caught.value))
    people = some_people(AGREEMENT, income=pa.array([mark] * 120))
    with pytest.raises(ProtectionError, match="column 'income' does not hold numbers") as caught:
        protect(people, AGREEMENT, study_key=KEY)
    assert mark not in "".join(traceback.format_exception(caught.value))
    people = some_people(AGREEMENT, exit=pa.array([dt.date(9999, 12, 31)] * 120))
    with pytest.raises(ProtectionError, match="would leave the years"):
        protect(people, AGREEMENT, study_key=KEY)


def test_by_commands(tmp_path, capsys):
    document = AGREEMENT.model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "agreement.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    STEWARD.save(tmp_path / "own.identity")
    KEY.save(tmp_path / "own.study-key")
    PEOPLE.save(tmp_path / "people", agreement=AGREEMENT, identity=STEWARD)
    common = ["--agreement", str(tmp_path / "agreement.yaml")]
    common += ["--identity", str(tmp_path / "own.identity")]
    words = ["protect", str(tmp_path / "people"), *common, "--out", str(tmp_path / "safe")]
    assert run(words) == SecretError.exit_status
    assert "--study-key" in capsys.readouterr().err
    assert not (tmp_path / "safe").exists()
    assert run([*words, "--study-key", str(tmp_path / "own.study-key")]) == 0
    said = capsys.readouterr().out
    assert "  entry: all dates of a person moved by the same secret number of days" in said
    assert "  rent: mean of groups of at least 4 people" in said
    out = tmp_path / "out"
    assert run(["release", str(tmp_path / "safe"), *common, "--out", str(out)]) == 0
    table = pd.read_parquet(out / "data.parquet")
    pd.testing.assert_frame_equal(table, SAFE.table.to_pandas())


def without(safe, **changes):
    return dataclasses.replace(safe, promises=dataclasses.replace(safe.promises, **changes))


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"shift": None}, "protection.shift_dates"),
        ({"shift": PromisedShift(variables=("entry",), max_days=100)}, "protection.shift_dates"),
        (
            {"shift": PromisedShift(variables=("entry", "exit"), max_days=9)},
            "protection.shift_dates",
        ),
        ({"averages": None}, "protection.microaggregate"),
        (
            {"averages": PromisedAverages(variables=("income",), k=4)},
            "protection.microaggregate",
        ),
        (
            {"averages": PromisedAverages(variables=("income", "rent"), k=3)},
            "protection.microaggregate",
        ),
        (
            {"averages": PromisedAverages(variables=("income", "rent"), k=4, statistic="median")},
            "protection.microaggregate",
        ),
    ],
)
def test_a_release_is_refused_that_lacks_what_the_agreement_demands(tmp_path, changes, clause):
    with pytest.raises(NotAuthorizedError) as caught:
        release(without(SAFE, **changes), tmp_path / "out", agreement=AGREEMENT)
    assert caught.value.clause == clause
    assert not list(tmp_path.iterdir())


def test_a_release_is_refused_whose_averages_are_of_too_few(tmp_path):
    # The last row of the table gets a combination of its own.
    income = SAFE.table.column("income").to_pylist()
    table = SAFE.table.set_column(
        SAFE.table.column_names.index("income"), "income", pa.array([*income[:-1], 1.25])
    )
    with pytest.raises(ReleaseError, match="averaged variables belong to fewer than 4 people"):
        release(dataclasses.replace(SAFE, table=table), tmp_path / "out", agreement=AGREEMENT)
    assert not list(tmp_path.iterdir())


def test_a_weak_promise_does_not_lower_what_is_measured(tmp_path):
    # Without the agreement at hand, averages are held to k all the same.
    rows = SAFE.table.num_rows
    income = pa.array([float(i // 2) for i in range(rows)])
    table = SAFE.table.set_column(SAFE.table.column_names.index("income"), "income", income)
    averages = PromisedAverages(variables=("income",), k=2)
    weak = dataclasses.replace(without(SAFE, averages=averages), table=table)
    with pytest.raises(ReleaseError, match="averaged variables belong to fewer than 4 people"):
        release(weak, tmp_path / "out")


def check(tmp_path, table, **promised):
    promises = Promises(models=(PromisedK(k=2),), quasi_identifiers=("sex",), **promised)
    return check_table(tmp_path, table, promises)


def test_the_check_counts_combinations_and_not_single_columns(tmp_path):
    table = pa.table(
        {
            "study_id": ["a", "b", "c", "d"],
            "sex": ["F", "F", "F", "F"],
            "x": [1.5, 1.5, 2.5, 2.5],
            "y": [7.0, 8.0, 7.0, 8.0],
        }
    )
    check(tmp_path, table, averages=PromisedAverages(variables=("x",), k=2))
    with pytest.raises(ReleaseError, match="4 combinations of averaged variables"):
        check(tmp_path, table, averages=PromisedAverages(variables=("x", "y"), k=2))


def test_the_check_takes_what_is_missing_for_a_value_unless_all_is(tmp_path):
    table = pa.table(
        {
            "study_id": ["a", "b", "c", "d"],
            "sex": ["F", "F", "F", "F"],
            "x": pa.array([1.5, 1.5, 1.5, None]),
            "y": pa.array([7.0, 7.0, None, None]),
        }
    )
    with pytest.raises(ReleaseError, match="1 combinations of averaged variables"):
        check(tmp_path, table, averages=PromisedAverages(variables=("x", "y"), k=2))
    whole = table.filter(pa.array([True, True, False, True]))
    found = check(tmp_path, whole, averages=PromisedAverages(variables=("x", "y"), k=2))
    assert (found.models[-1].least, found.models[-1].most) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("promised", "told"),
    [
        ({"averages": PromisedAverages(variables=("gone",), k=2)}, "column 'gone' is missing"),
        ({"averages": PromisedAverages(variables=(), k=2)}, "promised of no variable"),
        ({"shift": PromisedShift(variables=("gone",), max_days=2)}, "column 'gone' is missing"),
    ],
)
def test_the_check_refuses_promises_about_nothing(tmp_path, promised, told):
    table = pa.table({"study_id": ["a", "b"], "sex": ["F", "F"]})
    with pytest.raises(ReleaseError, match=told):
        check(tmp_path, table, **promised)


@pytest.mark.parametrize("seed", range(25))
def test_any_data_keep_what_is_promised(tmp_path, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 200))
    gaps = rng.random((2, n)) < rng.choice([0, 0.05, 0.5])
    k = int(rng.integers(4, 8))
    people = some_people(
        AGREEMENT,
        n,
        seed=seed,
        income=pa.array(rng.normal(0, 10.0 ** rng.integers(-3, 12), n), mask=gaps[0]),
        rent=pa.array(rng.integers(-3, 4, n), mask=gaps[1]),
    )
    safe = protect(people, AGREEMENT, k=k, method="local", study_key=KEY)
    done = release(safe, tmp_path / "out", agreement=AGREEMENT)
    assert done.disclosure.measured.models[-1].n_broken == 0
    shown = safe.table.to_pandas().dropna(subset=["income", "rent"], how="all")
    sizes = shown.groupby(["income", "rent"], dropna=False).size()
    assert sizes.min() >= k
