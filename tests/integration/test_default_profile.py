"""The whole journey by commands under an agreement that states no profile, which is `standard`.

Three parties, a linkage unit and a steward go from keys to a release. What comes out is held
against the truth and against the agreement, and everything that leaves a party is searched for
values that were planted in its records.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

import linkkit as lk
from linkkit.agreement import passes_of
from linkkit.assess import true_quality
from linkkit.cli import run
from linkkit.synth import youth_partnership

PARTIES = ("district", "summer", "jobs")
K = 5
QUASI = ["birth_year", "sex", "zip3", "race_ethnicity"]
PLANTED = {
    "district": {
        "STUDENT NAME": "Zqxplantfamily, Zqxplantgiven",
        "DOB": "03/17/2009",
        "STREET_NAME": "Zqxplantstreet Ave",
        "HOME PHONE #": "415-555-9127",
        "STUDENT_NO": "Zqxplant90210",
    },
    "summer": {
        "Child First Name": "Zqxplantgiven",
        "Child Last Name": "Zqxplantfamily",
        "Birthdate": "2009-03-17",
        "Home Address": "77 Zqxplantstreet Ave",
        "Parent Phone": "4155559127",
        "Reg ID": "Zqxplant31337",
    },
    "jobs": {
        "Applicant First Name": "Zqxplantgiven",
        "Applicant Last Name": "Zqxplantfamily",
        "D.O.B. (mm/dd/yy)": "03/17/09",
        "Cell Phone ": "415 555 9127",
        "Applicant ID": "Zqxplant27182",
    },
}
MARKERS = (b"zqxplant", b"5559127", b"555-9127", b"555 9127")


@pytest.fixture(scope="module")
def town():
    made = youth_partnership(seed=11, n_district=1500, n_summer=600, n_jobs=300)
    for party, planted in PLANTED.items():
        frame = made.extracts[party]
        for column, value in planted.items():
            frame[column] = frame[column].astype(object)
            frame.loc[frame.index[0], column] = value
    return made


@pytest.fixture(scope="module")
def folder(town, tmp_path_factory):
    """Every organization's folder, with its identity, and the agreement without a profile."""
    folder = tmp_path_factory.mktemp("town")
    document = dict(town.agreement)
    document["protection"] = {**document["protection"], "smallest_cell": K, "max_suppressed": 0.2}
    for role in (*PARTIES, "linkage_unit", "steward"):
        assert run(["keys", "identity", f"{folder}/{role}/own.identity"]) == 0
        clause = document["parties"][role] if role in PARTIES else document[role]
        clause["public_key"] = lk.Identity.load(folder / role / "own.identity").public.text
    text = yaml.safe_dump(document)
    assert "profile" not in text
    (folder / "agreement.yaml").write_text(text, encoding="utf-8")
    for party in PARTIES:
        town.extracts[party].to_csv(folder / party / "export.csv", index=False)
    return folder


def step(folder: Path, role: str, *words: object) -> None:
    common = ["--agreement", f"{folder}/agreement.yaml"]
    if words[0] != "preflight":
        common += ["--identity", f"{folder}/{role}/own.identity"]
    assert run([*map(str, words), *common]) == 0, words[0]


@pytest.fixture(scope="module")
def said(folder):
    """The journey, step by step, and all that was printed."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        assert run(["agreement", "check", f"{folder}/agreement.yaml"]) == 0
        at_the_partners(folder)
        at_the_linkage_unit(folder)
        at_the_steward(folder)
    return printed.getvalue()


def at_the_partners(folder: Path) -> None:
    assert run(["keys", "secret", f"{folder}/linkage.key"]) == 0
    for party in PARTIES:
        home = folder / party
        assert run(["keys", "tokens", f"{home}/own.tokens"]) == 0
        words = [home / "export.csv", "--party", party, "--out"]
        step(folder, party, "preflight", *words, home / "preflight.json")
        keys = ["--secret", folder / "linkage.key", "--token-key", home / "own.tokens"]
        step(folder, party, "encode", *words, home, *keys)


def at_the_linkage_unit(folder: Path) -> None:
    home = folder / "linkage_unit"
    received = [folder / party / f"{party}.encodings" for party in PARTIES]
    out = ["--out", home / "crosswalk", "--report", home / "report.html"]
    step(folder, "linkage_unit", "link", *received, *out, "--pairs", home / "pairs.parquet")


def at_the_steward(folder: Path) -> None:
    home = folder / "steward"
    assert run(["keys", "study", f"{home}/study.key"]) == 0
    received = [folder / party / f"{party}.payload" for party in PARTIES]
    words = ["--crosswalk", folder / "linkage_unit" / "crosswalk", "--project", "gaps-2026"]
    words += ["--study-key", home / "study.key", "--out", home / "integrated"]
    step(folder, "steward", "integrate", *received, *words)
    step(folder, "steward", "protect", home / "integrated", "--out", home / "protected")
    step(folder, "steward", "release", home / "protected", "--out", home / "release")


def opened(folder: Path, kind: type, path: str, role: str):
    agreement = lk.Agreement.load(folder / "agreement.yaml")
    identity = lk.Identity.load(folder / role / "own.identity")
    return kind.load(folder / path, agreement=agreement, identity=identity)


def test_what_is_not_stated_is_standard(folder, said):
    assert "profile: standard, the default" in said
    agreement = lk.Agreement.load(folder / "agreement.yaml")
    assert len(passes_of(agreement)) == 6
    for party in PARTIES:
        sent = opened(folder, lk.EncodedExtract, f"{party}/{party}.encodings", "linkage_unit")
        assert sent.spec.profile == "standard"
        assert list(sent.to_arrow().column_names) == ["token", *passes_of(agreement)]
        report = json.loads((folder / party / "preflight.json").read_text(encoding="utf-8"))
        assert report["profile"] == "standard"


def test_the_links_are_right_and_few_are_missed(folder, said, town):
    crosswalk = opened(folder, lk.Crosswalk, "linkage_unit/crosswalk", "steward")
    maps = [
        pd.read_csv(folder / party / "stays-home" / f"{party}.token-map.csv", dtype=str).assign(
            party=party
        )
        for party in PARTIES
    ]
    people = town.truth.astype({"record_id": str})
    truth = pd.concat(maps).merge(people, on=["party", "record_id"]).drop_duplicates("token")
    linked = crosswalk.to_pandas().set_index("token")["person_id"]
    planted = linked.index.difference(truth["token"])  # their row ids are none of the truth's
    assert len(planted) == len(PARTIES)
    assert linked[planted].nunique() == 1
    rest = pd.DataFrame({"token": planted, "person": -1})
    scores = true_quality(crosswalk, pd.concat([truth[["token", "person"]], rest]))
    assert scores.precision >= 0.97
    assert scores.recall >= 0.93


def test_the_release_keeps_its_k(folder, said):
    data = pd.read_csv(folder / "steward" / "release" / "data.csv", dtype=str)
    assert len(data) > 1000
    assert data.groupby(QUASI, dropna=False).size().min() >= K


def test_nothing_that_was_planted_leaves_its_party(folder, said):
    assert b"zqxplant" in (folder / "district" / "export.csv").read_bytes().lower()
    assert (
        b"zqxplant" in (folder / "jobs" / "stays-home" / "jobs.token-map.csv").read_bytes().lower()
    )
    leaves = [path for role in ("linkage_unit", "steward") for path in (folder / role).rglob("*")]
    leaves += [folder / party / "preflight.json" for party in PARTIES]
    texts = {str(path): path.read_bytes() for path in leaves if path.is_file()}
    texts["printed"] = said.encode()
    for party in PARTIES:
        sent = opened(folder, lk.EncodedExtract, f"{party}/{party}.encodings", "linkage_unit")
        payload = opened(folder, lk.PayloadExtract, f"{party}/{party}.payload", "steward")
        for name, table in (("encodings", sent.to_arrow()), ("payload", payload.table)):
            texts[f"{party} {name}"] = repr(table.to_pylist()).encode()
    assert len(texts) > 15
    for name, text in texts.items():
        assert not [marker for marker in MARKERS if marker in text.lower()], name
