"""The made-up partnership: the same for a seed, true to its truth, and written as offices export."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from anyascii import anyascii

from linkkit.agreement import Agreement
from linkkit.errors import DependencyError, OptionError
from linkkit.synth import SyntheticPartnership, youth_partnership
from linkkit.synth import errors_made as made
from linkkit.synth.memberships import plan_memberships
from linkkit.synth.offices import as_cp1252
from linkkit.synth.people import make_people

RECORD_ID = {"district": "STUDENT_NO", "summer": "Reg ID", "jobs": "Applicant ID"}
GARBLED = re.compile("[�\x80-\x9f?]|&#")


@pytest.fixture(scope="module")
def usual() -> SyntheticPartnership:
    return youth_partnership()


@pytest.fixture(scope="module")
def clean() -> SyntheticPartnership:
    return youth_partnership(n_district=800, n_summer=300, n_jobs=150, error_rate=0)


@pytest.fixture(scope="module")
def files(usual, tmp_path_factory) -> dict[str, Any]:
    return usual.write(tmp_path_factory.mktemp("partnership") / "new folder")


@pytest.fixture(scope="module")
def people():
    plan = plan_memberships(n_district=8000, n_summer=3000, n_jobs=1500)
    return make_people(plan, np.random.default_rng(5))


def people_of(partnership: SyntheticPartnership, party: str) -> pd.Series:
    truth = partnership.truth
    return truth[truth["party"] == party].set_index("record_id")["person"]


def by_person(partnership: SyntheticPartnership, party: str) -> pd.DataFrame:
    """One row per person: the party's extract in the order of the truth's people."""
    table = partnership.extracts[party]
    people = people_of(partnership, party)
    return table.assign(person=table[RECORD_ID[party]].map(people)).drop_duplicates("person")


def is_garbled(cell: str) -> bool:
    """Whether a cell has a substitute character, or is UTF-8 that was read as code page 1252."""
    if GARBLED.search(cell):
        return True
    try:
        return cell.encode("cp1252").decode("utf-8") != cell
    except UnicodeError:
        return False


def folded(name: str) -> str:
    return anyascii(name).casefold()


class TestSizes:
    def test_the_lists_have_the_sizes_asked_for(self, usual):
        sizes = {party: len(table) for party, table in usual.extracts.items()}
        assert sizes == {"district": 8000, "summer": 3000, "jobs": 1500}
        assert usual.truth["person"].nunique() == pytest.approx(9200, abs=100)

    @pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 40, 1), (3, 1, 60), (2, 30, 30), (500, 1, 1)])
    def test_any_sizes_work(self, sizes, tmp_path):
        n_district, n_summer, n_jobs = sizes
        small = youth_partnership(n_district=n_district, n_summer=n_summer, n_jobs=n_jobs)
        assert tuple(map(len, small.extracts.values())) == sizes
        assert len(small.truth) == sum(sizes)
        assert all(path.exists() for path in small.write(tmp_path).values())

    def test_the_repr_shows_counts_only(self):
        text = repr(youth_partnership(n_district=8, n_summer=3, n_jobs=2))
        assert re.fullmatch(r"SyntheticPartnership\([\w :,]+\)", text)


class TestDeterminism:
    def test_the_same_seed_gives_the_same_tables(self):
        sizes = {"n_district": 300, "n_summer": 100, "n_jobs": 50}
        first, second = (youth_partnership(seed=7, **sizes) for _ in range(2))
        for party in first.extracts:
            pd.testing.assert_frame_equal(first.extracts[party], second.extracts[party])
        pd.testing.assert_frame_equal(first.truth, second.truth)
        assert first.agreement == second.agreement

    def test_another_seed_gives_others(self):
        first, second = (youth_partnership(seed=seed, n_district=50) for seed in (1, 2))
        assert not first.extracts["district"].equals(second.extracts["district"])

    def test_hash_randomization_changes_nothing(self):
        program = (
            "import hashlib; from linkkit.synth import youth_partnership as make;"
            "made = make(n_district=200, n_summer=80, n_jobs=40);"
            "text = ''.join(table.to_csv() for table in made.extracts.values());"
            "print(hashlib.sha256(text.encode()).hexdigest())"
        )
        digests = {
            subprocess.run(
                [sys.executable, "-c", program],
                env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
                capture_output=True,
                check=True,
                text=True,
            ).stdout
            for hash_seed in ("1", "2")
        }
        assert len(digests) == 1

    def test_the_error_rate_moves_no_person(self, clean):
        dirty = youth_partnership(n_district=800, n_summer=300, n_jobs=150, error_rate=2)
        assert set(dirty.truth["person"]) == set(clean.truth["person"])


class TestTruth:
    def test_every_record_is_in_the_truth_once(self, usual):
        for party, table in usual.extracts.items():
            ids = usual.truth.loc[usual.truth["party"] == party, "record_id"]
            assert ids.is_unique
            assert list(ids) == list(table[RECORD_ID[party]])

    def test_one_record_per_person_where_the_agreement_says_so(self, usual):
        for party, clause in usual.agreement["parties"].items():
            unique = people_of(usual, party).is_unique
            assert unique == clause["one_record_per_person"]

    def test_some_children_are_registered_twice(self, usual):
        repeated = people_of(usual, "summer").duplicated().sum()
        assert repeated == 180

    def test_the_lists_overlap_as_described(self, usual):
        district, summer, jobs = (set(people_of(usual, party)) for party in RECORD_ID)
        assert len(summer & district) / len(summer) == pytest.approx(0.70, abs=0.01)
        assert len(jobs & district) / len(jobs) == pytest.approx(0.75, abs=0.01)
        assert len(district & summer & jobs) > 100
        assert summer - district - jobs
        assert jobs - district - summer

    def test_records_of_one_person_mostly_agree(self, usual):
        district, jobs = by_person(usual, "district"), by_person(usual, "jobs")
        both = district.merge(jobs, on="person").dropna(subset=["DOB", "D.O.B. (mm/dd/yy)"])
        same_day = both["DOB"].str[:5] == both["D.O.B. (mm/dd/yy)"].str[:5]
        assert 0.7 < same_day.mean() < 0.95


class TestPopulation:
    def test_ages_fit_the_lists(self, people):
        assert people.age.min() >= 5
        assert people.age.max() <= 22
        assert people.age[people.memberships.in_jobs].min() > 13.8
        assert people.age[people.memberships.in_summer].max() < 17.2

    def test_households_have_one_to_four_children(self, people):
        assert set(np.bincount(people.household)) == {1, 2, 3, 4}

    def test_some_are_twins(self, people):
        twins = pd.Series(people.born).groupby(people.household).transform("size") > 1
        same_day = pd.DataFrame({"home": people.household, "born": people.born}).duplicated(
            keep=False
        )
        assert 0.008 < same_day.mean() < 0.025
        assert twins[same_day].all()

    def test_siblings_bear_different_given_names(self, people):
        names = pd.DataFrame({"home": people.household, "name": people.given_name})
        assert names.duplicated().sum() <= 3

    def test_different_people_share_names(self, people):
        names = pd.DataFrame({"given": people.given_name, "surname": people.surname})
        assert 200 < names.duplicated().sum() < 3000

    def test_names_have_many_letters(self, people):
        names = " ".join([*people.given_name, *people.surname])
        for expected in ("Nguyễn", "O'", "Mc", "García", "ł", "Xiong", "De la Cruz", "-"):
            assert expected in names

    def test_no_phone_or_postal_code_is_real(self, people):
        assert all(re.fullmatch(r"555[2-9]\d{6}", phone) for phone in people.cell_phone)
        assert set(pd.Series(people.home.postal_code).str[:3]) == {"929", "909"}


class TestErrors:
    def test_a_clean_partnership_agrees_with_itself(self, clean):
        district, summer = by_person(clean, "district"), by_person(clean, "summer")
        both = district.merge(summer, on="person")
        assert len(both) > 150
        surname = both["STUDENT NAME"].str.split(", ").str[0]
        assert list(surname.map(folded)) == list(both["Child Last Name"].map(folded))
        address = both["STREET_NO"] + " " + both["STREET_NAME"]
        assert list(address) == list(both["Home Address"].str.upper())
        assert list(both["ZIP"]) == list(both["Zip Code"])

    def test_a_clean_partnership_misses_nothing(self, clean):
        for table in clean.extracts.values():
            assert not table.isna().any(axis=None)
            cells = table.astype(str)
            for placeholder in ("UNKNOWN", "999-9999", "1900"):
                found = cells.apply(lambda column, text=placeholder: column.str.contains(text))
                assert not found.any(axis=None)

    def test_the_usual_errors_are_there(self, usual):
        summer, jobs = usual.extracts["summer"], usual.extracts["jobs"]
        assert summer["Parent Phone"].isna().any()
        assert (summer["Child First Name"] == "UNKNOWN").any()
        assert jobs["Cell Phone "].str.contains("999-999-9999").any()
        assert usual.extracts["district"]["DOB"].isin(["01/01/1900", "1/1/1900"]).any()
        assert {"Billy", "Mike", "Alex"} & set(summer["Child First Name"])
        assert summer["Child Last Name"].dropna().map(str.isupper).any()
        assert summer["Child Last Name"].dropna().map(str.islower).any()

    @pytest.mark.parametrize("rate", [5.0, 1000.0])
    def test_a_high_error_rate_works(self, rate, tmp_path):
        made_up = youth_partnership(n_district=60, n_summer=40, n_jobs=20, error_rate=rate)
        assert len(made_up.truth) == 120
        made_up.write(tmp_path)

    def test_no_cell_raises_in_any_error(self):
        rng = np.random.default_rng(3)
        names = ("", "A", "Li", "Ó Súilleabháin", "McDonald", "Mc", "García López", "O'Brien", "Ng")
        dates = ("2012-02-29", "2009-12-31", "1900-01-01", "2025-06-30", "2010-03-05")
        on_names = (made.misspell, made.use_nickname, made.shorten_surname, made.rejoin_surnames,
                    made.drop_marks, made.change_punctuation, made.stray_space)  # fmt: skip
        on_dates = (made.swap_day_and_month, made.mistype_year, made.mistype_day)
        for _ in range(200):
            assert all(isinstance(error(name, rng), str) for error in on_names for name in names)
            for error in on_dates:
                for born in dates:
                    assert datetime.fromisoformat(error(born, rng)).year <= 2025

    def test_letters_that_the_code_page_lacks_lose_their_marks(self):
        assert as_cp1252("Nguyễn Đặng, José Šimůnek") == "Nguyen Dang, José Šimunek"


class TestPayload:
    def test_attendance_depends_on_the_summer_program(self, usual):
        district = by_person(usual, "district")
        rate = pd.to_numeric(district["Att. %"])
        attended = district["person"].isin(set(people_of(usual, "summer")))
        # hardship leads to programs, so the plain difference understates the 2.5 points
        assert 1.0 < rate[attended].mean() - rate[~attended].mean() < 2.5
        assert rate.dropna().between(0, 100).all()

    def test_values_are_of_the_agreed_types(self, usual):
        district, summer, jobs = (usual.extracts[party] for party in RECORD_ID)
        assert set(district["CHRON ABS?"].dropna()) == {"Y", "N"}
        assert pd.to_numeric(district["Gr."]).between(0, 12).all()
        assert pd.to_numeric(summer["Days Attended"].dropna()).between(1, 30).all()
        assert pd.to_numeric(jobs["Hours Worked"].dropna()).between(0, 400).all()
        assert set(summer["Session"].str[-4:]) | set(jobs["Program Yr"]) == {"2024", "2025"}


class TestAgreement:
    def test_the_document_is_a_valid_agreement(self, usual):
        agreement = Agreement.from_document(usual.agreement)
        assert set(agreement.parties) == set(usual.extracts)

    def test_the_yaml_reads_back(self, usual):
        assert yaml.safe_load(usual.agreement_yaml()) == usual.agreement

    def test_every_column_it_names_is_there(self, usual):
        for party, clause in usual.agreement["parties"].items():
            parts = [*clause["linkage_fields"].values(), *clause["payload"].values()]
            parts += [clause["year"], {"column": clause["record_id"]}]
            named = {
                name
                for part in parts
                if "column" in part
                for name in np.atleast_1d(part["column"]).tolist()
            }
            assert named <= set(usual.extracts[party].columns)
            assert len(clause["linkage_fields"]) >= 5

    def test_every_date_is_in_an_agreed_format(self, usual):
        for party, clause in usual.agreement["parties"].items():
            field = clause["linkage_fields"]["birth_date"]
            for cell in usual.extracts[party][field["column"]].dropna():
                years = [_year_or_none(cell, form) for form in field["formats"]]
                assert any(year and 1890 < year < 2026 for year in years)

    def test_each_partnership_has_its_own_document(self):
        first, second = (youth_partnership(n_district=2, n_summer=2, n_jobs=2) for _ in range(2))
        first.agreement["id"] = "changed"
        assert second.agreement["id"] == "alder-bend-youth-2026"


def _year_or_none(cell: str, form: str) -> int | None:
    try:
        return datetime.strptime(cell, form).year
    except ValueError:
        return None


def assert_same_cells(table: pd.DataFrame, expected: pd.DataFrame) -> None:
    filled = (frame.fillna("").astype(str) for frame in (table, expected))
    pd.testing.assert_frame_equal(*filled)


class TestFiles:
    def test_the_files_are_named(self, files):
        names = [path.name for path in files.values()]
        assert list(files) == ["district", "summer", "jobs", "truth", "agreement"]
        assert names == ["district.csv", "summer.xlsx", "jobs.csv", "truth.csv", "agreement.yaml"]
        assert sorted(path.name for path in files["truth"].parent.iterdir()) == sorted(names)

    def test_the_district_reads_back(self, files, usual):
        content = files["district"].read_bytes()
        assert content.startswith(b"\xef\xbb\xbfSTUDENT_NO,")
        assert content.count(b"\r\n") == content.count(b"\n") == 8001
        back = pd.read_csv(files["district"], dtype=str, encoding="utf-8-sig")
        assert_same_cells(back, usual.extracts["district"])

    def test_the_jobs_office_reads_back(self, files, usual):
        back = pd.read_csv(files["jobs"], dtype=str, sep=";", encoding="cp1252")
        assert_same_cells(back, usual.extracts["jobs"])
        with pytest.raises(UnicodeDecodeError):
            files["jobs"].read_text(encoding="utf-8")

    def test_the_workbook_reads_back(self, files, usual):
        book = pd.read_excel(files["summer"], sheet_name="Registrations", header=2)
        expected = usual.extracts["summer"]
        assert list(book.columns) == list(expected.columns)
        pd.testing.assert_series_equal(book["Reg ID"], expected["Reg ID"], check_dtype=False)
        real = book["Birthdate"].map(lambda cell: isinstance(cell, datetime))
        assert real.mean() == pytest.approx(0.46, abs=0.03)
        written = book.loc[real, "Birthdate"].map(lambda cell: cell.date().isoformat())
        assert list(written) == list(expected.loc[real, "Birthdate"])

    def test_the_truth_and_the_agreement_read_back(self, files, usual):
        truth = pd.read_csv(files["truth"], dtype={"record_id": str})
        pd.testing.assert_frame_equal(truth, usual.truth, check_dtype=False)
        assert yaml.safe_load(files["agreement"].read_text(encoding="utf-8")) == usual.agreement

    def test_no_cell_is_garbled(self, usual):
        for table in usual.extracts.values():
            for column in table:
                assert not any(map(is_garbled, table[column].dropna()))

    def test_without_openpyxl_nothing_is_written(self, monkeypatch, tmp_path):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(DependencyError, match=r"openpyxl is needed") as caught:
            youth_partnership(n_district=2, n_summer=2, n_jobs=2).write(tmp_path / "out")
        assert caught.value.code == "dependency"
        assert caught.value.hint == "pip install 'linkkit[excel]'"
        assert not (tmp_path / "out").exists()


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_district": 0}, "n_district must be a whole number, 1 or more"),
            ({"n_summer": True}, "n_summer must be a whole number, 1 or more"),
            ({"n_jobs": 2.5}, "n_jobs must be a whole number, 1 or more"),
            ({"seed": -1}, "seed must be a whole number, 0 or more"),
            ({"error_rate": -0.1}, "error_rate must be a finite number, 0 or more"),
            ({"error_rate": float("nan")}, "error_rate must be a finite number, 0 or more"),
        ],
    )
    def test_an_option_out_of_range_is_refused(self, options, message):
        with pytest.raises(OptionError, match=re.escape(message)) as caught:
            youth_partnership(**options)
        assert caught.value.code == "option"

    def test_all_problems_are_told_at_once(self):
        with pytest.raises(OptionError) as caught:
            youth_partnership(seed=-1, n_district=0, error_rate=-1)
        assert len(caught.value.problems) == 3
