"""Releasing: what the folder holds, what stops a release, and that nothing is left behind then."""

import csv
import dataclasses
import datetime as dt
import hashlib
import json
import traceback

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkkit.agreement import Agreement
from linkkit.errors import MismatchError, NotAuthorizedError, ReleaseError, WrongStageError
from linkkit.steward.integrate import StudyKey, integrate
from linkkit.steward.integrate.example import small_partnership
from linkkit.steward.promises import PromisedK, Promises
from linkkit.steward.protect import ProtectedDataset, SubgroupSuppression, protect
from linkkit.steward.release import release
from linkkit.steward.release.check import check_files
from linkkit.steward.release.folder import side_folder
from shared.study import check_table, people_of

MARK = "Zqxmarkerzz"
KEY = StudyKey(bytes(range(32)))
AGREEMENT, PAYLOADS, CROSSWALK = small_partnership()
PEOPLE = integrate(PAYLOADS, CROSSWALK, AGREEMENT, project="study", study_key=KEY)
SAFE = protect(PEOPLE, AGREEMENT, k=8)

FILES = [
    "data.csv",
    "data.parquet",
    "data_dictionary.csv",
    "data_dictionary.md",
    "disclosure_report.html",
    "disclosure_report.json",
    "receipt.json",
]


def promised(k, *names):
    return Promises(models=(PromisedK(k=k),), quasi_identifiers=names)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def made_of(safe, **columns):
    """A protected data set whose table was altered after it was protected."""
    table = safe.table
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(values, table.schema.field(name).type))
    return dataclasses.replace(safe, table=table)


def protected(agreement=AGREEMENT, options=(), **columns):
    return protect(people_of(agreement, **columns), agreement, **dict(options))


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_data_dictionary_report_and_receipt(tmp_path):
    done = release(SAFE, tmp_path / "out", agreement=AGREEMENT)
    assert names_in(done.folder) == FILES
    assert [path.name for path in done.files][-1] == "receipt.json"
    assert all(path.stat().st_size for path in done.files)
    assert names_in(tmp_path) == ["out"]
    assert repr(done).startswith("<Release of 'study' in ")
    assert f": {len(SAFE)} people, smallest class " in repr(done)


def test_csv_and_parquet_hold_the_protected_table(tmp_path):
    folder = release(SAFE, tmp_path / "out").folder
    assert pq.read_table(folder / "data.parquet").equals(SAFE.table)
    rows = read_csv(folder / "data.csv")
    assert [row["birth_year"] for row in rows] == SAFE.table.column("birth_year").to_pylist()
    assert [float(row["score"]) for row in rows] == SAFE.table.column("score").to_pylist()
    assert {row["in_club"] for row in rows} == {"true", "false"}
    raw = (folder / "data.csv").read_bytes()
    assert raw.count(b"\r\n") == len(rows) + 1 == raw.count(b"\n")


def test_text_of_any_kind_survives(tmp_path):
    values = ['a,"b"', "c\r\nd", "e\nf", "=1+1", "ü", None, " g ", "NA", "null"] * 5
    safe = protected(birth_year=[2010] * 45, sex=["F"] * 45)
    table = safe.table.append_column("note", pa.array(values))
    measured = check_table(tmp_path, table, promised(5, "note"))
    assert measured.formula_like_columns == ("note",)
    assert (measured.smallest_class, measured.median_class, measured.n_classes) == (5, 5.0, 9)
    assert [row["note"] or None for row in read_csv(tmp_path / "x.csv")] == values


def test_the_same_data_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        again = integrate(PAYLOADS[::-1], CROSSWALK, AGREEMENT, project="study", study_key=KEY)
        release(protect(again, AGREEMENT, k=8), tmp_path / name)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_receipt_has_the_digest_of_every_file(tmp_path):
    done = release(SAFE, tmp_path / "out")
    receipt = json.loads((done.folder / "receipt.json").read_text(encoding="utf-8"))
    assert receipt["sha256"] == done.digests
    assert sorted(receipt["sha256"]) == [name for name in FILES if name != "receipt.json"]
    for name, digest in receipt["sha256"].items():
        assert hashlib.sha256((done.folder / name).read_bytes()).hexdigest() == digest
    assert receipt["agreement_fingerprint"] == AGREEMENT.fingerprint
    assert (receipt["project"], receipt["k"], receipt["n_people"]) == ("study", 8, len(SAFE))


def test_the_dictionary_describes_every_variable(tmp_path):
    folder = release(SAFE, tmp_path / "out").folder
    entries = {row["variable"]: row for row in read_csv(folder / "data_dictionary.csv")}
    assert list(entries) == SAFE.table.column_names
    assert entries["birth_year"]["generalization"] == "intervals of 2"
    assert entries["birth_year"]["role"] == "quasi-identifier"
    assert entries["birth_year"]["values"] == "2010-2011; 2012-2013"
    assert entries["birth_year"]["sent_by"] == "Small Town School; Small Town Chess Club"
    assert entries["in_club"]["label"] == "Whether Small Town Chess Club has a record of the person"
    assert entries["in_club"]["role"] == "participation"
    assert entries["days_absent"]["combined"] == "sum of a person's values"
    assert entries["study_id"]["role"] == "study id"
    page = (folder / "data_dictionary.md").read_text(encoding="utf-8")
    assert page.startswith("# Data dictionary: study\n")
    assert page.count("\n| ") == len(entries) + 2


def test_the_dictionary_names_only_what_k_people_have(tmp_path):
    n = 40
    safe = protected(
        birth_year=[2010] * n,
        sex=["F"] * n,
        score=[50.0] * 5 + [60.0] * (n - 6) + [99.5],
        days_absent=[None] * 3 + [0] * 30 + [123456] * 7,
    )
    entries = {
        row["variable"]: row
        for row in read_csv(release(safe, tmp_path / "a").folder / "data_dictionary.csv")
    }
    assert entries["score"]["values"] == "from 50.0"
    assert entries["days_absent"]["missing"] == "<5"
    assert entries["days_absent"]["values"] == "from 0 to 123456"
    assert entries["birth_year"]["missing"] == "0"


def test_rare_values_are_in_no_report(tmp_path):
    document = AGREEMENT.model_dump(mode="json")
    document["variables"]["score"] = {"type": "category", "label": "Score"}
    agreement = Agreement.from_document(document)
    n = 100
    safe = protected(
        agreement,
        birth_year=[2010] * n,
        sex=["F"] * 97 + [MARK] * 3,
        score=["usual"] * 90 + [MARK] * 3 + ["usual"] * 7,
    )
    assert safe.n_suppressed == 3
    folder = release(safe, tmp_path / "out").folder
    for name in FILES:
        if not name.startswith("data."):
            assert MARK not in (folder / name).read_text(encoding="utf-8")
    report = json.loads((folder / "disclosure_report.json").read_text(encoding="utf-8"))
    assert (report["people_before"], report["people_withheld"]) == (
        "fewer than 102",
        "fewer than 5",
    )
    assert report["withheld_by_subgroup"] == []
    assert "usual; and values of fewer than 5 people" in (folder / "data_dictionary.csv").read_text(
        encoding="utf-8"
    )


def test_the_report_says_what_was_promised_measured_and_not_claimed(tmp_path):
    done = release(SAFE, tmp_path / "out")
    page = (done.folder / "disclosure_report.html").read_text(encoding="utf-8")
    for part in (
        "at least <strong>8</strong> people",
        "What was measured in the files as written",
        "<td><code>birth_year</code></td><td>intervals of 2</td>",
        "People before: 60. People withheld: 0.",
        "This is not a promise of anonymity",
        "<code>in_club</code>, <code>days_absent</code>, <code>score</code>",
        AGREEMENT.fingerprint,
    ):
        assert part in page
    for foreign in ("http://", "https://", "<script", "src="):
        assert foreign not in page
    report = json.loads((done.folder / "disclosure_report.json").read_text(encoding="utf-8"))
    assert report["measured"]["smallest_class"] == done.disclosure.measured.smallest_class >= 8
    assert report["measured"]["n_people"] == len(SAFE)


def test_the_page_escapes_what_the_agreement_says(tmp_path):
    summary = dataclasses.replace(
        SAFE.summary,
        agreement_title="<b>A & B</b>",
        suppressed_by_subgroup=(
            SubgroupSuppression(variable="sex", value="<i>", people="30", suppressed="20"),
        ),
    )
    folder = release(dataclasses.replace(SAFE, summary=summary), tmp_path / "out").folder
    page = (folder / "disclosure_report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in page
    assert "<td>&lt;i&gt;</td>" in page
    assert "<i>" not in page


def test_formula_like_cells_are_kept_and_named(tmp_path):
    document = AGREEMENT.model_dump(mode="json")
    document["variables"]["score"] = {"type": "category", "label": "Score"}
    agreement = Agreement.from_document(document)
    safe = protected(agreement, birth_year=[2010] * 9, sex=["F"] * 9, score=["=1+1"] * 9)
    done = release(safe, tmp_path / "out")
    assert done.disclosure.measured.formula_like_columns == ("score",)
    assert read_csv(done.folder / "data.csv")[0]["score"] == "=1+1"
    assert "begin like a formula" in (done.folder / "disclosure_report.html").read_text("utf-8")


@pytest.mark.parametrize("value", [PEOPLE, PEOPLE.table, "people.csv", None])
def test_only_a_protected_data_set_can_be_released(tmp_path, value):
    with pytest.raises(WrongStageError, match="release takes a ProtectedDataset, not ") as caught:
        release(value, tmp_path / "out")
    assert caught.value.code == "wrong_stage"
    assert "safe = protect(people, agreement)" in caught.value.hint
    assert not list(tmp_path.iterdir())


def altered(case):
    n = len(SAFE)
    ids, years = (
        SAFE.table.column("study_id").to_pylist(),
        SAFE.table.column("birth_year").to_pylist(),
    )
    return {
        "a small class": made_of(SAFE, birth_year=[MARK, *years[1:]]),
        "a repeated id": made_of(SAFE, study_id=[ids[1], *ids[1:]]),
        "a missing id": made_of(SAFE, study_id=[None, *ids[1:]]),
        "nobody": dataclasses.replace(SAFE, table=SAFE.table.slice(0, 0)),
        "an empty text": made_of(SAFE, sex=[""] * n),
    }[case]


@pytest.mark.parametrize(
    ("case", "wording"),
    [
        ("a small class", "1 combinations of quasi-identifiers belong to fewer than 8 people"),
        ("a repeated id", "study ids repeat, so that rows are not people"),
        ("a missing id", "a study id is missing"),
        ("nobody", "the files hold nobody"),
        ("an empty text", "column 'sex' differs between the CSV and the Parquet file"),
    ],
)
def test_an_altered_data_set_is_refused_and_nothing_is_left(tmp_path, case, wording):
    with pytest.raises(ReleaseError, match=wording) as caught:
        release(altered(case), tmp_path / "out")
    assert caught.value.code == "release"
    assert "Nothing was released" in caught.value.hint
    assert MARK not in "".join(traceback.format_exception(caught.value))
    assert not list(tmp_path.iterdir())


def test_columns_that_the_summary_does_not_describe_are_refused(tmp_path):
    more = dataclasses.replace(SAFE, table=SAFE.table.append_column("diary", pa.array(["x"] * 60)))
    with pytest.raises(ReleaseError, match="does not have the columns that its summary describes"):
        release(more, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def check(tmp_path, in_csv, table, **options):
    (tmp_path / "x.csv").write_bytes(in_csv)
    pq.write_table(table, tmp_path / "x.parquet")
    return check_files(
        tmp_path / "x.csv",
        tmp_path / "x.parquet",
        **{
            "promises": promised(2, "age"),
            "id_column": "study_id",
            "permitted": ["study_id", "age"],
            **options,
        },
    )


TABLE = pa.table({"study_id": ["a", "b"], "age": [1.0, 1.0]})


def test_the_check_reads_the_files_and_not_what_was_meant(tmp_path):
    assert check(tmp_path, b"study_id,age\na,1.0\nb,1.0\n", TABLE).smallest_class == 2


@pytest.mark.parametrize(
    ("in_csv", "options", "wording"),
    [
        (b"study_id,age\na,1.0\nb,2.0\n", {}, "column 'age' differs between the CSV"),
        (b"study_id,age\na,1.0\nb,\n", {}, "column 'age' differs between the CSV"),
        (b"study_id,age\na,1.0\nb,Zqxmarkerzz\n", {}, "column 'age' differs between the CSV"),
        (b"study_id,age\na,1.0\nb,2.0\n", {}, "2 combinations .* fewer than 2 people"),
        (b"study_id,age\na,1.0\n", {}, "have different numbers of rows"),
        (b"study_id\na\nb\n", {}, "have different columns"),
        (
            b"study_id,age\na,1.0\nb,1.0\n",
            {"permitted": ["study_id"]},
            "'age' is not one of the project's",
        ),
        (
            b"study_id,age\na,1.0\nb,1.0\n",
            {"promises": promised(2, "zip")},
            "column 'zip' is missing",
        ),
        (b"study_id,age\na,1.0,Zqxmarkerzz\n", {}, "'x.csv' was written and cannot be read"),
        (b"", {}, "'x.csv' was written and cannot be read"),
    ],
)
def test_the_check_refuses_files_that_break_a_promise(tmp_path, in_csv, options, wording):
    with pytest.raises(ReleaseError, match=wording) as caught:
        check(tmp_path, in_csv, TABLE, **options)
    assert MARK not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_the_agreement_is_asked_when_it_is_given(tmp_path):
    document = AGREEMENT.model_dump(mode="json")
    amended = Agreement.from_document({**document, "title": "Amended"})
    with pytest.raises(MismatchError, match="another text of agreement 'small-town-2026'"):
        release(SAFE, tmp_path / "out", agreement=amended)
    with pytest.raises(NotAuthorizedError, match="had to be destroyed"):
        release(SAFE, tmp_path / "out", agreement=AGREEMENT, today=dt.date(2200, 1, 1))
    weaker = dataclasses.replace(SAFE, summary=dataclasses.replace(SAFE.summary, k=2))
    with pytest.raises(NotAuthorizedError, match="promises less than the agreement") as caught:
        release(weaker, tmp_path / "out", agreement=AGREEMENT)
    assert caught.value.clause == "protection"
    fewer = dataclasses.replace(SAFE.summary, recodings=SAFE.summary.recodings[:1])
    with pytest.raises(NotAuthorizedError, match="promises less than the agreement"):
        release(dataclasses.replace(SAFE, summary=fewer), tmp_path / "out", agreement=AGREEMENT)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_refused_unless_it_is_a_release(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    first = release(protect(PEOPLE, AGREEMENT), folder)
    with pytest.raises(ReleaseError, match="is not empty") as caught:
        release(SAFE, folder)
    assert "overwrite=True" in caught.value.hint
    second = release(SAFE, str(folder), overwrite=True)
    assert second.digests != first.digests
    assert names_in(tmp_path) == ["out"]
    (folder / "thesis.docx").write_text("years of work")
    with pytest.raises(ReleaseError, match="holds 1 files that are not of a release"):
        release(SAFE, folder, overwrite=True)
    assert (folder / "thesis.docx").exists()


def test_a_failed_release_leaves_the_earlier_one(tmp_path):
    before = release(SAFE, tmp_path / "out").digests
    with pytest.raises(ReleaseError, match="fewer than 8 people"):
        release(altered("a small class"), tmp_path / "out", overwrite=True)
    assert names_in(tmp_path) == ["out"]
    receipt = json.loads((tmp_path / "out" / "receipt.json").read_text(encoding="utf-8"))
    assert receipt["sha256"] == before


def test_a_path_that_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReleaseError, match="is a file, not a folder"):
        release(SAFE, tmp_path / "file")
    with pytest.raises(ReleaseError, match=r"cannot be written \(\w+Error\)"):
        release(SAFE, tmp_path / "file" / "below")


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.mkdir()
    (target / "data.csv").write_text("old")
    rename = type(target).rename

    def fail_for_new(self, to):
        if self.name.endswith(".part"):
            raise PermissionError("no")
        return rename(self, to)

    monkeypatch.setattr(type(target), "rename", fail_for_new)
    with (
        pytest.raises(ReleaseError, match=r"cannot be written \(PermissionError\)"),
        side_folder(target, overwrite=True, own_files=["data.csv"]) as side,
    ):
        (side / "data.csv").write_text("new")
    assert (target / "data.csv").read_text() == "old"
    assert names_in(tmp_path) == ["out"]


def test_a_protected_data_set_must_have_quasi_identifiers(tmp_path):
    bare = ProtectedDataset(
        project=SAFE.project,
        agreement_id=SAFE.agreement_id,
        agreement_fingerprint=SAFE.agreement_fingerprint,
        table=SAFE.table,
        summary=dataclasses.replace(SAFE.summary, recodings=()),
        promises=SAFE.promises,
    )
    with pytest.raises(ReleaseError, match="does not have the columns that its summary describes"):
        release(bare, tmp_path / "out")


def test_the_report_tells_risk_utility_and_promises(tmp_path):
    done = release(SAFE, tmp_path / "out")
    report = json.loads((done.folder / "disclosure_report.json").read_text(encoding="utf-8"))
    assert report["promises"][0] == "k-anonymity: every class has at least 8 people."
    rows = {row["measure"]: row for row in report["risk"]["rows"]}
    assert rows["Prosecutor, highest"]["after"] == round(
        1 / done.disclosure.measured.smallest_class, 4
    )
    assert rows["Prosecutor, people above 0.125"]["after"] == 0
    assert rows["Alone in the file"]["after"] == 0
    assert [item["variable"] for item in report["utility"]["variables"]] == ["birth_year", "sex"]
    assert report["utility"]["variables"][1]["share_unchanged"] == 1
    assert sum(band["after"] for band in report["risk"]["class_sizes"]) == pytest.approx(1)
    page = (done.folder / "disclosure_report.html").read_text(encoding="utf-8")
    assert "How likely it is to point at somebody" in page
    assert page.count("<svg") >= 3
    assert page.count("<svg") == page.count("</svg>")


def test_a_suppression_that_hits_small_groups_is_said(tmp_path):
    document = AGREEMENT.model_dump(mode="json")
    document["protection"]["max_suppressed"] = 0.2
    n = 600
    safe = protected(
        Agreement.from_document(document),
        {"method": "optimal"},
        birth_year=[2010, 2011, 2012, 2013] * (n // 4) + list(range(1950, 1990)),
        sex=["F", "M"] * (n // 2) + ["F"] * 40,
    )
    assert safe.n_suppressed >= 20
    done = release(safe, tmp_path / "out")
    assert any("smallest groups of 'birth_year'" in words for words in done.disclosure.findings)
    assert any(finding.kind == "withheld" for finding in safe.report().findings)
    page = (done.folder / "disclosure_report.html").read_text(encoding="utf-8")
    assert "Suppression removes people of the smallest groups of" in page
