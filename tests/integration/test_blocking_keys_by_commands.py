"""Blocking keys from the agreement to the linkage unit's pool, by the commands that partners run."""

import json

import numpy as np
import pytest
import yaml

from linkkit.agreement import Agreement
from linkkit.cli import run
from linkkit.exchange import EncodedExtract, Identity
from linkkit.linkage.pool import make_pool
from linkkit.synth import youth_partnership

PARTIES = ("district", "summer", "jobs")
HEADER_ROWS = {"summer": "3"}
KEYS = {
    "sound_year": [{"field": "surname", "by": "soundex"}, {"field": "birth_date", "by": "year"}],
    "given_code": [{"field": "given_name", "by": 3}, {"field": "postal_code", "by": "whole"}],
    "day_initial": [{"field": "birth_date", "by": "month_day"}, {"field": "surname", "by": 1}],
}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Three partners and a linkage unit whose agreement has blocking keys; each has encoded."""
    folder = tmp_path_factory.mktemp("town")
    files = youth_partnership(seed=7, n_district=500, n_summer=250, n_jobs=120).write(folder / "x")
    document = yaml.safe_load(files["agreement"].read_text(encoding="utf-8"))
    document["linkage"] |= {"profile": "field", "blocking_keys": KEYS}
    for role in (*PARTIES, "linkage_unit", "steward"):
        own = folder / role / "own.identity"
        assert run(["keys", "identity", str(own)]) == 0
        clause = document["parties"][role] if role in PARTIES else document[role]
        clause["public_key"] = Identity.load(own).public.text
    (folder / "agreement.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert run(["keys", "secret", str(folder / "linkage.key")]) == 0
    for party in PARTIES:
        assert encode(folder, party, folder / party) == 0
    return folder


def encode(town, party, out, *words):
    extract = next((town / "x").glob(f"{party}.*"))
    return run(
        ["encode", str(extract), "--agreement", str(town / "agreement.yaml"), "--party", party]
        + ["--identity", str(town / party / "own.identity"), "--out", str(out)]
        + ["--secret", str(town / "linkage.key")]
        + ["--header-row", HEADER_ROWS.get(party, "1"), *words]
    )


def load(town, path):
    agreement = Agreement.load(town / "agreement.yaml")
    identity = Identity.load(town / "linkage_unit" / "own.identity")
    return EncodedExtract.load(path, agreement=agreement, identity=identity)


def test_the_agreement_names_its_keys_to_those_who_sign(town, capsys):
    assert run(["agreement", "check", str(town / "agreement.yaml")]) == 0
    said = capsys.readouterr().out
    assert (
        "blocking key given_code: first 3 characters of given_name + whole postal_code; the "
        "linkage unit sees who shares it" in said
    )


def test_the_linkage_unit_finds_pairs_of_parties_by_them(town, capsys):
    pool = make_pool([load(town, town / party / f"{party}.encodings") for party in PARTIES])
    assert pool.block_keys.shape == (len(pool), len(KEYS))
    for keys in pool.block_keys.T:
        of_party = [set(keys[pool.party == i].tolist()) - {0} for i in range(len(PARTIES))]
        assert of_party[0] & of_party[1]
    assert np.count_nonzero(pool.block_keys == 0) > 0
    files = [str(town / party / f"{party}.encodings") for party in PARTIES]
    unit = ["--identity", str(town / "linkage_unit" / "own.identity")]
    options = ["--agreement", str(town / "agreement.yaml"), *unit, "--out", str(town / "crosswalk")]
    assert run(["link", *files, *options]) == 0


def test_in_parts_the_keys_of_the_same_records_are_the_same(town):
    assert encode(town, "summer", town / "again", "--stream") == 0
    parts, whole = (
        load(town, path / "summer.encodings") for path in (town / "again", town / "summer")
    )
    # Tokens are random here, so what is compared are filters with keys, in whatever order.
    rows = [
        np.hstack([*(x.filters[f].words for f in sorted(x.filters)), x.block_keys])
        for x in (parts, whole)
    ]
    assert sorted(map(bytes, rows[0])) == sorted(map(bytes, rows[1]))


def test_what_a_file_says_of_itself_and_the_preflight_name_the_keys(town, capsys):
    capsys.readouterr()
    assert run(["inspect", str(town / "district" / "district.encodings")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [key["name"] for key in said["spec"]["keys"]] == sorted(KEYS)
    assert [part["by"] for part in said["spec"]["keys"][1]["parts"]] == [3, "whole"]
    extract = next((town / "x").glob("district.*"))
    out = town / "report.json"
    words = ["--agreement", str(town / "agreement.yaml"), "--party", "district", "--out", str(out)]
    assert run(["preflight", str(extract), *words]) == 0
    assert "BLOCKING KEYS" in capsys.readouterr().out
    report = json.loads(out.read_text(encoding="utf-8"))
    assert [key["name"] for key in report["keys"]] == sorted(KEYS)
    assert 0 <= report["told_by_keys"] <= 1
