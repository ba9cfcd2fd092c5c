"""Joining payloads on the crosswalk: who is a row, what is a value, what is refused."""

import datetime as dt
import hmac
import traceback

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkkit.agreement import Agreement
from linkkit.errors import (
    MismatchError,
    NotAuthorizedError,
    OptionError,
    SealError,
    SecretError,
    WrongStageError,
)
from linkkit.exchange import Crosswalk, EncodedExtract, EncodingSpec, Identity, PayloadExtract
from linkkit.exchange.artifacts import TOKEN_TYPE
from linkkit.steward.integrate import IntegratedDataset, StudyKey, integrate
from linkkit.steward.integrate._reference import combine_reference
from linkkit.steward.integrate.combine import combine_values
from linkkit.steward.integrate.study_id import study_ids

KEY = StudyKey(bytes(range(32)))
MARK = "Zqxmarkerzz"

DOCUMENT = {
    "format": "linkkit-agreement/1",
    "id": "test-town",
    "title": "Test Town",
    "purpose": "Testing.",
    "legal_basis": "None.",
    "years": {"first": 2023, "last": 2025},
    "destroy_by": "2199-01-01",
    "linkage": {
        "profile": "field",
        "fields": {"surname": {"kind": "surname"}, "born": {"kind": "date"}},
    },
    "variables": {
        "birth_year": {"type": "integer"},
        "sex": {"type": "category"},
        "days": {"type": "integer", "combine": "sum"},
        "score": {"type": "number", "combine": "mean"},
        "low": {"type": "integer", "combine": "min"},
        "high": {"type": "integer", "combine": "max"},
        "grade": {"type": "integer", "combine": "mean"},
        "entry": {"type": "date", "combine": "min"},
    },
    "parties": {
        name: {
            "name": f"The {name}",
            "linkage_fields": {"surname": {"column": "S"}, "born": {"column": "B"}},
            "payload": {v: {"column": v.upper()} for v in variables},
        }
        for name, variables in {
            "school": ("birth_year", "sex", "score", "low", "high", "grade", "entry"),
            "club": ("birth_year", "sex", "days"),
        }.items()
    },
    "linkage_unit": {"name": "Unit"},
    "steward": {"name": "Steward"},
    "protection": {"smallest_cell": 2, "quasi_identifiers": {"sex": {}}},
    "projects": {
        "all": {
            "purpose": "Everything.",
            "variables": [
                "in_school",
                "in_club",
                "birth_year",
                "sex",
                "days",
                "score",
                "low",
                "high",
                "grade",
                "entry",
            ],
        },
        "late": {
            "purpose": "The last year.",
            "years": {"first": 2025, "last": 2025},
            "variables": ["score", "in_club"],
        },
    },
}


def agreement_with(**changes):
    return Agreement.from_document({**DOCUMENT, **changes})


AGREEMENT = agreement_with()


def token(text):
    return text.encode().ljust(16, b".")


def payload(party, tokens, *, year=2024, agreement=AGREEMENT, **columns):
    years = year if isinstance(year, list) else [year] * len(tokens)
    return PayloadExtract(
        party=party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=pa.table(
            {
                "token": pa.array([token(t) for t in tokens], TOKEN_TYPE),
                "year": pa.array(years, pa.int32()),
                **columns,
            }
        ),
    )


def crosswalk(rows, *, agreement=AGREEMENT):
    parties, tokens, people = zip(*rows, strict=True) if rows else ((), (), ())
    return Crosswalk(
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=pa.table(
            {
                "party": pa.array(parties, pa.string()),
                "token": pa.array([token(t) for t in tokens], TOKEN_TYPE),
                "person_id": pa.array([token(p) for p in people], TOKEN_TYPE),
            }
        ),
    )


# Person p has s1 and c1, person q has s2, person r has c3.
LINKED = crosswalk(
    [("school", "s1", "p"), ("club", "c1", "p"), ("school", "s2", "q"), ("club", "c3", "r")]
)


def study_id(person, project="all"):
    parts = (b"test-town", project.encode(), token(person))
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.new(bytes(range(32)), message, "sha256").hexdigest()[:32]


def rows_of(result, project="all"):
    by_id = {row.pop("study_id"): row for row in result.table.to_pylist()}
    return {
        person: by_id[study_id(person, project)]
        for person in "pqr"
        if study_id(person, project) in by_id
    }


def run(payloads, links=LINKED, **options):
    usual = {"project": "all", "study_key": KEY, "without": ("school", "club")}
    return integrate(payloads, links, AGREEMENT, **{**usual, **options})


def test_one_row_for_each_person_with_the_projects_variables_in_order():
    result = run(
        [
            payload("school", ["s1", "s2"], sex=["F", "M"], score=[1.0, 2.0]),
            payload("club", ["c1", "c3"], days=[3, 4]),
        ]
    )
    assert result.table.column_names == ["study_id", *DOCUMENT["projects"]["all"]["variables"]]
    rows = rows_of(result)
    assert [rows[p]["in_school"] for p in "pqr"] == [True, True, False]
    assert [rows[p]["in_club"] for p in "pqr"] == [True, False, True]
    assert [rows[p]["sex"] for p in "pqr"] == ["F", "M", None]
    assert [rows[p]["days"] for p in "pqr"] == [3, None, 4]
    ids = result.table.column("study_id").to_pylist()
    assert ids == sorted(ids)
    assert result.counts["people"] == len(result) == 3


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("score", [1.0, 2.0, 6.0, None], 3.0),
        ("low", [4, 2, 6, None], 2),
        ("high", [4, 2, 6, None], 6),
        ("grade", [1, 2, 2, None], 2),
        ("birth_year", [2001, 2000, 2001, None], 2001),
        ("birth_year", [2002, 2001, 2002, 2001], 2001),
        ("sex", ["M", "F", None, None], "F"),
        ("sex", ["M", "M", "F", ""], "M"),
        ("entry", [dt.date(2020, 2, 3), dt.date(1969, 1, 2), None, None], dt.date(1969, 1, 2)),
        ("score", [float("nan"), float("inf"), None, 5.0], 5.0),
    ],
)
def test_rows_of_one_person_become_one_value(name, values, expected):
    result = run([payload("school", ["s1"] * 4, **{name: values})])
    assert rows_of(result)["p"][name] == expected


def test_values_of_several_parties_are_combined_and_differences_counted():
    result = run(
        [
            payload("school", ["s1", "s2"], birth_year=[2001, 2003], sex=["F", "M"]),
            payload("club", ["c1", "c1", "c3"], birth_year=[2000, 2000, 2004], days=[1, 2, 3]),
        ]
    )
    rows = rows_of(result)
    assert [rows[p]["birth_year"] for p in "pqr"] == [2000, 2003, 2004]
    assert [rows[p]["days"] for p in "pqr"] == [3, None, 3]
    assert result.counts["conflicts.birth_year"] == 1
    assert result.counts["conflicts.sex"] == 0
    assert result.counts["conflicts.days"] == 1


def test_what_is_not_joined_is_counted():
    result = run(
        [payload("school", ["s1", "s9", "s8"], year=[2025, 2025, 2023], score=[1.0, 2.0, 3.0])],
        project="late",
    )
    assert result.counts["rows.school"] == 3
    assert result.counts["rows_unmatched.school"] == 2
    assert result.counts["people_in.school"] == 2
    assert result.counts["people_without_rows.school"] == 1
    assert result.counts["people_without_rows.club"] == 2


def test_rows_outside_the_projects_years_are_left_out_and_those_without_year_stay():
    result = run(
        [payload("school", ["s1", "s1", "s2"], year=[2024, 2025, None], score=[1.0, 2.0, 3.0])],
        project="late",
    )
    assert result.counts["rows_outside_years.school"] == 1
    rows = rows_of(result, "late")
    assert [rows[p]["score"] for p in "pqr"] == [2.0, 3.0, None]


def test_types_are_stable_and_integers_may_be_missing():
    result = run([payload("school", ["s1"], birth_year=[2001], score=[1.5], sex=["F"])])
    frame = result.to_pandas()
    assert frame["birth_year"].dtype == pd.Int64Dtype()
    assert frame["score"].dtype == np.float64
    assert isinstance(frame["sex"].dtype, pd.StringDtype)
    assert frame["in_club"].dtype == np.bool_
    assert result.table.schema.field("days").type == pa.int64()


def test_study_ids_depend_on_key_agreement_and_project_and_cannot_run_together():
    def make(key=KEY, agreement_id="a", project="b"):
        return study_ids([b"x" * 16], key, agreement_id=agreement_id, project=project)[0]

    assert make() == make()
    others = {make(StudyKey.generate()), make(agreement_id="ab", project=""), make(project="c")}
    assert make() not in others
    assert len(others) == 3


def test_without_a_key_study_ids_differ_from_run_to_run():
    given_payload = [payload("school", ["s1"], score=[1.0])]
    first, second = (run(given_payload, study_key=None) for _ in range(2))
    ids = [set(x.table.column("study_id").to_pylist()) for x in (first, second)]
    assert not ids[0] & ids[1]


def test_the_order_of_rows_and_payloads_does_not_matter():
    rng = np.random.default_rng(3)
    who = [f"s{i}" for i in rng.integers(1, 3, 50)]
    score, year = rng.normal(size=50), rng.integers(2000, 2003, 50)
    order = rng.permutation(50)
    school = payload("school", who, score=score, birth_year=year)
    shuffled = payload(
        "school", [who[i] for i in order], score=score[order], birth_year=year[order]
    )
    club = payload("club", ["c1", "c3"], birth_year=[2001, 2001])
    links = Crosswalk(
        agreement_id=LINKED.agreement_id,
        agreement_fingerprint=LINKED.agreement_fingerprint,
        table=LINKED.table.take([3, 1, 0, 2]),
    )
    assert run([school, club]).table.equals(run([club, shuffled], links).table)


def test_an_empty_crosswalk_gives_nobody():
    result = run([payload("school", [])], crosswalk([]))
    assert len(result) == 0


def test_a_payload_of_another_delivery_is_refused():
    with pytest.raises(MismatchError, match="none of the 1 rows of 'school' is in the crosswalk"):
        run([payload("school", ["s9"], score=[1.0])])


def test_some_rows_that_are_not_in_the_crosswalk_are_counted_and_told():
    result = run([payload("school", ["s1", "s9"], score=[1.0, 2.0])])
    assert result.counts["rows_unmatched.school"] == 1
    assert "school: 2 people, 2 rows, 1 rows not in the crosswalk" in str(result)


def test_people_without_a_row_in_the_projects_years_are_no_people_of_the_project():
    early = payload("school", ["s1", "s2"], year=[2023, 2025], score=[1.0, 2.0])
    links = crosswalk([("school", "s1", "p"), ("school", "s2", "q")])
    late = run([early], links, project="late")
    assert late.table.column("score").to_pylist() == [2.0]
    assert late.counts["people_outside_years"] == 1
    assert "1 people have no row in the project's years" in str(late)
    assert len(run([early], links)) == 2


def test_a_party_is_left_out_only_on_purpose():
    school = payload("school", ["s1", "s2"], score=[1.0, 2.0])
    with pytest.raises(MismatchError, match="records of 'club', and no payload of it") as caught:
        run([school], without=())
    assert caught.value.code == "mismatch"
    assert run([school], without=["club"]).counts["people_without_rows.club"] == 2


def test_repr_shows_counts_only():
    result = run([payload("school", ["s1", "s2"], sex=[MARK, "F"])])
    assert repr(result) == "<IntegratedDataset for 'all': 3 people, 10 variables, not protected>"
    assert MARK not in repr(KEY)


ENCODED = EncodedExtract(
    party="school",
    agreement_id=AGREEMENT.id,
    agreement_fingerprint=AGREEMENT.fingerprint,
    spec=EncodingSpec(profile="field", encoding_version=1, standardization_version=1, filters=()),
    key_check="0" * 32,
    one_record_per_person=False,
    tokens=np.zeros((0, 16), dtype=np.uint8),
    filters={},
)


@pytest.mark.parametrize(
    ("payloads", "links", "wording"),
    [
        (payload("school", ["s1"]), LINKED, "give the payloads as a list"),
        (7, LINKED, "takes a list of PayloadExtracts, not int"),
        ([LINKED], LINKED, r"payload 1 is a Crosswalk \(that is the second argument\)"),
        (
            [ENCODED, payload("club", ["c1"])],
            LINKED,
            r"payload 1 is an EncodedExtract \(those go to the linkage unit\), not a PayloadExtract",
        ),
        ([payload("school", ["s1"])], payload("club", ["c1"]), "takes a Crosswalk as its second"),
        ([payload("school", ["s1"])], None, "takes a Crosswalk as its second argument"),
    ],
)
def test_the_wrong_stage_is_explained(payloads, links, wording):
    with pytest.raises(WrongStageError, match=wording) as caught:
        run(payloads, links)
    assert caught.value.code == "wrong_stage"
    assert "integrate([district.payload" in caught.value.hint


def test_no_payload_is_an_error():
    with pytest.raises(OptionError, match="nothing to integrate"):
        run([])


def test_artifacts_of_another_agreement_are_named():
    other = agreement_with(id="other-town")
    amended = agreement_with(title="Amended")
    with pytest.raises(MismatchError) as caught:
        run(
            [
                payload("club", ["c1"], agreement=other),
                payload("school", ["s1"], agreement=amended),
            ],
            crosswalk([("club", "c1", "p")], agreement=amended),
        )
    assert caught.value.code == "mismatch"
    assert len(caught.value.problems) == 3
    assert "the payload of 'club' was made under agreement 'other-town'" in str(caught.value)
    assert "the payload of 'school' was made under another text" in str(caught.value)
    assert "the crosswalk was made under another text" in str(caught.value)


@pytest.mark.parametrize(
    ("payloads", "links", "error", "wording"),
    [
        ([payload("thief", ["s1"])], LINKED, NotAuthorizedError, "has no party 'thief'"),
        (
            [payload("school", ["s1"])],
            crosswalk([("thief", "s1", "p")]),
            NotAuthorizedError,
            "has no party 'thief'",
        ),
        ([payload("club", ["c1"])] * 2, LINKED, MismatchError, "'club' gave more than one payload"),
        (
            [payload("club", ["c1"], score=[1.0])],
            LINKED,
            NotAuthorizedError,
            "clause 'parties.club.payload': party 'club' is not authorized to send 'score'",
        ),
        (
            [payload("club", ["c1"], sex=[MARK], days=[MARK])],
            LINKED,
            MismatchError,
            "payload of 'club': variable 'days' holds values that are not of type integer",
        ),
        (
            [payload("school", ["s1"])],
            crosswalk([("school", "s1", "p"), ("school", "s1", "q")]),
            MismatchError,
            "the crosswalk repeats 1 tokens of 'school'",
        ),
        (
            [payload("club", ["c1", "c1"], days=[2**62, 2**62])],
            LINKED,
            MismatchError,
            "variable 'days': the sum is too large to be computed for 1 people",
        ),
    ],
)
def test_what_is_not_agreed_or_readable_is_refused_without_a_value(payloads, links, error, wording):
    with pytest.raises(error, match=wording) as caught:
        run(payloads, links)
    assert MARK not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_rows_outside_the_agreements_years_are_refused_and_counted():
    with pytest.raises(
        NotAuthorizedError, match="party 'school': 2 rows lie outside 2023 to 2025"
    ) as caught:
        run([payload("school", ["s1", "s2", "s9"], year=[2022, 2023, 2026])])
    assert caught.value.clause == "years"


def test_an_agreement_that_ended_and_an_unknown_project_are_refused():
    given_payload = [payload("school", ["s1"])]
    with pytest.raises(NotAuthorizedError, match="had to be destroyed") as caught:
        run(given_payload, today=dt.date(2199, 1, 2))
    assert caught.value.clause == "destroy_by"
    with pytest.raises(NotAuthorizedError, match="authorizes no project 'spying'"):
        run(given_payload, project="spying")
    with pytest.raises(OptionError, match="'agreement' must be an Agreement"):
        integrate(given_payload, LINKED, "agreement.yaml", project="all")


def test_a_key_for_another_purpose_is_refused():
    with pytest.raises(SecretError, match="'study_key' must be a StudyKey, not a Identity"):
        run([payload("school", ["s1"])], study_key=Identity.generate())


def test_a_crosswalk_or_payload_with_the_wrong_columns_is_refused():
    bare = Crosswalk(
        agreement_id=AGREEMENT.id,
        agreement_fingerprint=AGREEMENT.fingerprint,
        table=pa.table({"party": ["school"], "token": ["s1"], "person_id": ["p"]}),
    )
    with pytest.raises(MismatchError, match="lacks a party, token or person id"):
        run([payload("school", ["s1"])], bare)
    no_year = PayloadExtract(
        party="school",
        agreement_id=AGREEMENT.id,
        agreement_fingerprint=AGREEMENT.fingerprint,
        table=payload("school", ["s1"]).table.drop_columns("year"),
    )
    with pytest.raises(MismatchError, match="payload of 'school': column 'year' is missing"):
        run([no_year])


def test_save_and_load(tmp_path):
    steward = Identity.generate()
    agreement = agreement_with(steward={"name": "Steward", "public_key": steward.public.text})
    result = integrate(
        [payload("school", ["s1"], score=[1.0], agreement=agreement)],
        crosswalk([("school", "s1", "p")], agreement=agreement),
        agreement,
        project="all",
    )
    path = result.save(tmp_path / "all.integrated", agreement=agreement, identity=steward)
    back = IntegratedDataset.load(path, agreement=agreement, identity=steward)
    assert back.table.equals(result.table)
    assert (back.project, back.counts) == ("all", result.counts)
    with pytest.raises(SealError, match="somebody else"):
        IntegratedDataset.load(path, agreement=agreement, identity=Identity.generate())
    with pytest.raises(NotAuthorizedError, match="not that of 'steward'"):
        result.save(path, agreement=agreement, identity=Identity.generate())


ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), max_size=30)


@given(rows=ROWS, how=st.sampled_from(["mean", "sum", "min", "max", "most_common"]))
def test_combining_equals_its_reference(rows, how):
    people, values = [p for p, _ in rows], [v for _, v in rows]
    fast = combine_values(
        np.array(people, np.int64), np.array(values, np.int64), n_people=5, how=how
    )
    slow, n_conflicts = combine_reference(people, values, how=how)
    found = {i: fast.values[i].item() for i in np.flatnonzero(fast.present)}
    assert found == slow
    assert fast.n_conflicts == n_conflicts
