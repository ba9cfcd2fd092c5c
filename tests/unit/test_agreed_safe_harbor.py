"""HIPAA Safe Harbor as a preset of an agreement: refused at load, done, promised and measured."""

import dataclasses
import datetime as dt
import json
import traceback

import numpy as np
import pyarrow as pa
import pytest

from linkkit.errors import AgreementError, NotAuthorizedError, ProtectionError, ReleaseError
from linkkit.steward.protect import protect
from linkkit.steward.release import release
from shared.study import agreement_of, people_of

TODAY = dt.date(2026, 6, 1)
TYPES = {
    "birth_year": "integer",
    "zip3": "category",
    "age": "integer",
    "sex": "category",
    "seen": "date",
    "score": "number",
    "comment": "category",
}
SOURCES = {
    "birth_year": {"field": "born", "coarsen": "year"},
    "zip3": {"field": "home", "coarsen": "prefix3"},
}
WAYS = {
    "birth_year": {"intervals": [1, 5, 10], "bottom": 1936},
    "zip3": {"postal": {"country": "US", "levels": [3, 1]}},
    "age": {"ages": [1, 5, 10]},
    "sex": {},
    "seen": {"dates": ["year"]},
}


def agreement_with(uses=("zip3", "age", "sex", "score"), ways=(), **protection):
    usual = {
        "smallest_cell": 3,
        "max_suppressed": 0.5,
        "quasi_identifiers": {**WAYS, **dict(ways)},
        "preset": "hipaa_safe_harbor",
    }
    return agreement_of(TYPES, uses=uses, payload=SOURCES, **usual | protection)


def some_people(agreement, **changes):
    rng = np.random.default_rng(1)
    n = 90
    columns = {
        "zip3": pa.array(rng.choice(["981", "036", "100"], n).tolist()),
        "age": pa.array(rng.choice([40, 41, 89, 90, 97], n)),
        "sex": pa.array(rng.choice(["F", "M"], n).tolist()),
        "score": pa.array(rng.normal(0, 1, n)),
    }
    return people_of(agreement, **{**columns, **changes})


def test_an_agreement_that_keeps_the_rule_is_released_under_it(tmp_path):
    agreement = agreement_with()
    safe = protect(some_people(agreement), agreement, method="local", today=TODAY)
    zips = set(safe.table.column("zip3").to_pylist())
    assert {"000**", "981**"} <= zips
    assert not any(code.startswith("036") for code in zips)
    ages = set(safe.table.column("age").to_pylist())
    assert "90+" in ages
    assert not ages & {"97", "90", 97, 90}
    promised = safe.promises.safe_harbor
    assert (promised.zips, promised.ages) == (("zip3",), ("age",))
    assert len(promised.hidden_zips) == 17
    assert "45 CFR 164.514(b)(2)" in safe.summary.in_words[-1]
    done = release(safe, tmp_path / "out", agreement=agreement, today=TODAY)
    report = json.loads((done.folder / "disclosure_report.json").read_text("utf-8"))
    assert report["promises"][-1] == safe.summary.in_words[-1]


def test_a_zip_code_that_is_no_quasi_identifier_is_hidden_and_told():
    ways = {name: way for name, way in WAYS.items() if name != "zip3"}
    agreement = agreement_with(quasi_identifiers=ways)
    safe = protect(some_people(agreement), agreement, today=TODAY)
    assert set(safe.table.column("zip3").to_pylist()) == {"981", "000", "100"}
    note = next(note for note in safe.summary.variables if note.name == "zip3")
    assert note.generalization == "first three digits, 000 where 20,000 people or fewer live"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"uses": ("sex", "seen"), "quasi_identifiers": {"sex": {}}},
            "'variables.seen': of a date only the year may stay, shifted or not",
        ),
        (
            {
                "uses": ("sex", "seen"),
                "quasi_identifiers": {"sex": {}},
                "shift_dates": {"variables": ["seen"]},
            },
            "'variables.seen': of a date only the year may stay, shifted or not",
        ),
        (
            {"uses": ("seen",), "ways": {"seen": {"dates": ["month", "year"]}}},
            "leave month out of 'dates'",
        ),
        ({"uses": ("seen",), "ways": {"seen": {}}}, "write 'dates: [year]'"),
        (
            {"uses": ("comment",), "ways": {"comment": {"dates": ["day", "decade"]}}},
            "leave day out of 'dates'",
        ),
        ({"ways": {"zip3": {"postal": {"country": "US"}}}}, "write 'levels: [3, 1]'"),
        ({"ways": {"zip3": {"postal": {"country": "CA"}}}}, "only ZIP codes may stay in part"),
        ({"ways": {"zip3": {"prefixes": [5, 3]}}}, "write 'prefixes: [3, 1]'"),
        ({"ways": {"age": {"ages": [1, 5], "top": 100}}}, "write 'top: 90'"),
        (
            {"ways": {"age": {"intervals": [1, 5]}}, "declared": {"age": "age"}},
            "write 'top: 90'",
        ),
        (
            {"quasi_identifiers": {"sex": {}}, "declared": {"age": "age"}},
            "'variables.age': ages of 90 and over must be one group",
        ),
        (
            {"uses": ("birth_year",), "ways": {"birth_year": {"intervals": [1, 5]}}},
            "which tells who is 90 or older",
        ),
        (
            {"uses": ("birth_year", "sex"), "quasi_identifiers": {"sex": {}}},
            "'variables.birth_year': it is a year of birth",
        ),
        (
            {"uses": ("comment",), "declared": {"comment": "age"}},
            "declared as 'age' and not of type integer",
        ),
        ({"uses": ("score",), "declared": {"score": "zip"}}, "a ZIP code is of type category"),
        ({"declared": {"gone": "zip"}}, "'protection.declared.gone'"),
        ({"declared": {"score": "salary"}}, "protection.declared.score"),
        ({"preset": "gdpr"}, "protection.preset"),
        ({"preset": None, "declared": {"age": "age"}}, "it goes with 'preset'"),
    ],
)
def test_an_agreement_that_breaks_the_rule_is_refused_at_load(changes, told):
    with pytest.raises(AgreementError) as caught:
        agreement_with(**changes)
    assert told in str(caught.value)


def test_what_no_project_uses_is_not_judged():
    agreement = agreement_with(quasi_identifiers={"sex": {}}, uses=("sex", "score"))
    assert agreement.protection.preset == "hipaa_safe_harbor"


def test_the_fingerprint_of_an_agreement_without_preset_is_as_before():
    plain = agreement_with(preset=None)
    assert not {"preset", "declared"} & set(plain.model_dump(exclude_defaults=True)["protection"])


def test_a_year_that_is_not_of_birth_may_be_declared():
    uses = ("birth_year", "sex")
    agreement = agreement_with(
        uses, quasi_identifiers={"sex": {}}, declared={"birth_year": "not_identifier"}
    )
    people = people_of(
        agreement, birth_year=pa.array([1900] * 9), sex=pa.array(["F", "M", "F"] * 3)
    )
    assert protect(people, agreement, today=TODAY).table.column("birth_year").to_pylist()[0] == 1900


def test_years_of_birth_are_judged_by_the_day():
    agreement = agreement_with(("birth_year", "sex"))
    people = people_of(
        agreement,
        birth_year=pa.array([1920, 1930, 1936, 1937, 1937, 1937] * 3),
        sex=pa.array(["F"] * 9 + ["M"] * 9),
    )
    safe = protect(people, agreement, method="local", today=TODAY)
    shown = set(safe.table.column("birth_year").to_pylist())
    assert not shown & {"1920", "1930", "1936"}
    with pytest.raises(NotAuthorizedError) as caught:
        protect(people, agreement, today=dt.date(2027, 1, 1))
    assert "1937" in str(caught.value)


def test_a_column_that_looks_like_an_identifier_is_refused_unless_declared():
    mark = "write to zqx@example.org"
    uses = ("sex", "comment")
    columns = {"sex": pa.array(["F", "M"] * 6), "comment": pa.array(["fine"] * 11 + [mark])}
    agreement = agreement_with(uses)
    with pytest.raises(ProtectionError, match="looks like an identifier") as caught:
        protect(people_of(agreement, **columns), agreement, today=TODAY)
    told = "".join(traceback.format_exception(caught.value))
    assert "column 'comment'" in told
    assert "protection.declared" in told
    assert "zqx" not in told
    declared = agreement_with(uses, declared={"comment": "not_identifier"})
    assert protect(people_of(declared, **columns), declared, today=TODAY).n_people_out == 12


def test_cells_that_are_no_zip_codes_are_refused():
    agreement = agreement_with()
    people = some_people(agreement, zip3=pa.array(["981"] * 89 + ["Zqxmarkerzz"]))
    with pytest.raises(ProtectionError, match="column 'zip3'.*no ZIP codes") as caught:
        protect(people, agreement, today=TODAY)
    assert "Zqxmarker" not in "".join(traceback.format_exception(caught.value))


def test_dates_are_shown_by_their_year():
    agreement = agreement_with(("seen", "sex"))
    people = people_of(
        agreement,
        seen=pa.array([dt.date(2024, 1 + i % 12, 3) for i in range(24)]),
        sex=pa.array(["F", "M"] * 12),
    )
    safe = protect(people, agreement, today=TODAY)
    assert set(safe.table.column("seen").to_pylist()) == {"2024"}


def test_a_release_must_promise_it_and_hold_no_dates(tmp_path):
    agreement = agreement_with()
    safe = protect(some_people(agreement), agreement, today=TODAY)
    weak = dataclasses.replace(safe, promises=dataclasses.replace(safe.promises, safe_harbor=None))
    with pytest.raises(NotAuthorizedError) as caught:
        release(weak, tmp_path / "out", agreement=agreement, today=TODAY)
    assert caught.value.clause == "protection.preset"
    days = pa.array([dt.date(2024, 1, 1)] * len(safe))
    place = safe.table.column_names.index("score")
    dated = dataclasses.replace(safe, table=safe.table.set_column(place, "score", days))
    with pytest.raises(ReleaseError, match="column 'score' has dates finer than a year"):
        release(dated, tmp_path / "out", agreement=agreement, today=TODAY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("column", "cell", "told"),
    [
        ("zip3", "98101", "column 'zip3': 1 different cells are ZIP codes"),
        ("zip3", "036**", "column 'zip3': 1 different cells are ZIP codes"),
        ("age", "93", "column 'age': 1 different cells tell an age of 90 or over"),
        ("age", "80-99", "column 'age': 1 different cells tell an age of 90 or over"),
        ("age", "95+", "column 'age': 1 different cells tell an age of 90 or over"),
        ("age", "101", "column 'age': 1 different cells tell an age of 90 or over"),
    ],
)
def test_the_files_are_measured(tmp_path, column, cell, told):
    agreement = agreement_with()
    safe = protect(some_people(agreement), agreement, method="local", today=TODAY)
    place = safe.table.column_names.index(column)
    cells = pa.array([cell] * len(safe))
    broken = dataclasses.replace(safe, table=safe.table.set_column(place, column, cells))
    with pytest.raises(ReleaseError) as caught:
        release(broken, tmp_path / "out", agreement=agreement, today=TODAY)
    assert told in str(caught.value)
    assert cell not in str(caught.value)
