"""The demonstration leaves what it promises, and never replaces what is not its own."""

import re

import pandas as pd
import pytest

from linkkit.demo import run_demo
from linkkit.errors import OptionError

SIZES = (2500, 900, 500)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    lines: list[str] = []
    run_demo(folder, tell=lines.append, sizes=SIZES)
    return folder, lines


def test_it_says_what_it_did(demo):
    text = "\n".join(demo[1])
    for words in ("unduplicated count", "only district", "estimated precision", "true precision"):
        assert words in text
    assert re.search(r"\d+ of \d+ records suppressed", text)


def test_its_linkage_is_good_on_the_truth(demo):
    line = next(line for line in demo[1] if "true precision" in line)
    precision, recall = (float(x) for x in re.findall(r"0\.\d+|1\.0+", line)[:2])
    assert precision >= 0.98
    assert recall >= 0.94


def test_it_leaves_every_artifact(demo):
    folder = demo[0]
    for name in (
        "agreement.yaml",
        "1-partners/district/leaves/district.encodings",
        "1-partners/summer/summer.xlsx",
        "1-partners/jobs/stays-home/jobs.token-map.csv",
        "2-linkage-unit/crosswalk",
        "2-linkage-unit/linkage-report.html",
        "3-steward/integrated",
        "3-steward/protected",
        "4-release/data.csv",
        "4-release/data.parquet",
        "4-release/data_dictionary.csv",
        "4-release/disclosure_report.html",
        "opened/crosswalk.csv",
    ):
        assert (folder / name).stat().st_size > 0, name


def test_its_release_meets_its_k_and_holds_no_direct_identifier(demo):
    folder = demo[0]
    data = pd.read_csv(folder / "4-release" / "data.csv", dtype=str)
    quasi = ["birth_year", "sex", "zip3", "race_ethnicity"]
    assert data.groupby(quasi, dropna=False).size().min() >= 10
    released = set(data.to_numpy().ravel().tolist())
    for name, columns in {
        "district.csv": ["STUDENT_NO", "STUDENT NAME", "HOME PHONE"],
        "jobs.csv": ["Applicant First Name", "Applicant Last Name"],
    }.items():
        path = next((folder / "1-partners").rglob(name))
        separator, encoding = (";", "cp1252") if name == "jobs.csv" else (",", "utf-8-sig")
        extract = pd.read_csv(path, sep=separator, encoding=encoding, dtype=str)
        for column in set(columns) & set(extract.columns):
            shared = released & set(extract[column].dropna()) - {""}
            assert not {value for value in shared if len(value) > 3}, column


def test_it_replaces_only_an_earlier_demo(demo, tmp_path):
    with pytest.raises(OptionError, match="exists and is not empty"):
        run_demo(demo[0], sizes=SIZES)
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("mine")
    with pytest.raises(OptionError, match="exists and is not empty"):
        run_demo(other, overwrite=True, sizes=SIZES)
    assert (other / "chapter.txt").read_text() == "mine"
