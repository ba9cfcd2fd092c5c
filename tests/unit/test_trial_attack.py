"""Trial attacks: a party attacks encodings of its own records, and no person is in what comes out."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

import linkkit as lk
from linkkit.cli import run
from linkkit.errors import ExtractError, OptionError
from linkkit.synth import youth_partnership
from linkkit.trial_attack import trial_attack, with_errors

N = 120


@pytest.fixture(scope="module")
def town():
    return youth_partnership(n_district=N, n_summer=20, n_jobs=10)


@pytest.fixture(scope="module")
def agreement(town):
    linkage = {**town.agreement["linkage"], "profile": "field"}
    return lk.Agreement.from_document({**town.agreement, "linkage": linkage})


def attacked(town, agreement, **options):
    options = {"attacks": ["known", "dictionary", "leakage"], "n_known": (40,), **options}
    return trial_attack(town.extracts["district"], agreement, party="district", **options)


def test_filters_of_fields_fall_to_known_pairs_and_to_the_key(town, agreement):
    told = []
    report = attacked(town, agreement, tell=told.append)
    known, dictionary = report.results
    assert known.share > 0.95
    assert (known.n_known, known.n_overlap, report.n_target) == (40, N - 40, N)
    assert dictionary.share == 1
    assert len(told) == 3
    assert set(report.leakage) <= set(report.passes)
    assert report.leakage["surname"].popcount_rank_correlation > 0.9
    assert "known pairs" in str(report)


def test_passes_are_attacked_with_the_salts_of_the_list(town):
    document = lk.Agreement.from_document(town.agreement)  # which states no profile
    report = attacked(town, document, attacks=["dictionary"], error_rate=0)
    assert report.profile == "standard"
    assert len(report.passes) >= 2
    assert report.results[0].share > 0.95


def test_filters_of_clkhash_fall_to_known_pairs_and_to_the_key(town):
    fields = town.agreement["linkage"]["fields"]
    features = [
        {
            "identifier": name,
            "format": {"type": "date", "format": "%Y-%m-%d"}
            if field["kind"] == "date"
            else {"type": "string"},
            "hashing": {
                "comparison": {"type": "ngram", "n": 2, "positional": False},
                "strategy": {"bitsPerToken": 6},
                "missingValue": {"sentinel": ""},
            },
        }
        for name, field in fields.items()
    ]
    schema = {
        "version": 3,
        "clkConfig": {"l": 1024, "kdf": {"type": "HKDF"}},
        "features": features,
    }
    clause = {"standardize": "linkkit", "linkage_schema": schema}
    linkage = {"profile": "clkhash", "fields": fields, "clkhash": clause}
    agreement = lk.Agreement.from_document({**town.agreement, "linkage": linkage})
    report = attacked(town, agreement, error_rate=0)
    known, dictionary = report.results
    assert report.passes == ("clk",)
    assert known.share > 0.9
    assert dictionary.share == 1
    assert report.leakage["clk"].popcount_rank_correlation > 0.5


def test_no_value_of_a_person_is_in_the_report(town, agreement, tmp_path):
    report = attacked(town, agreement)
    saved = report.save(tmp_path / "report.json").read_text(encoding="utf-8")
    document = json.loads(saved)
    assert document["format"] == "linkkit-attack-report/1"
    assert [x["n_known"] for x in document["attacks"]] == [40, 0]
    sources = agreement.party("district").linkage_fields
    columns = {c for name in ("given_name", "surname") for c in sources[name].columns}
    frame = town.extracts["district"].astype(str)
    words = {part for name in columns for cell in frame[name] for part in cell.split()}
    words = {word for word in words if len(word) > 3}
    assert len(words) > 20
    for text in (saved, str(report), repr(report)):
        assert not [word for word in words if word in text]


def test_the_same_seed_gives_the_same_figures(town, agreement):
    one, other = (attacked(town, agreement, attacks=["known"], seed=3) for _ in range(2))
    assert one.results[0].share_by_round == other.results[0].share_by_round


def test_a_part_of_the_people_can_be_in_the_list(town, agreement):
    report = attacked(town, agreement, n_records=50, overlap=0.4, attacks=["dictionary"])
    assert (report.n_target, report.n_own, report.n_overlap) == (50, 50, 20)


def test_a_public_list_may_lack_columns(town, agreement):
    frame = town.extracts["district"]
    sources = agreement.party("district").linkage_fields
    keep = {c for name, s in sources.items() if "name" in name or "date" in name for c in s.columns}
    public = frame[[c for c in frame.columns if c in keep]]
    report = attacked(town, agreement, public_list=public, attacks=["dictionary"], error_rate=0)
    assert report.own_list == "a public list"
    assert 0 < report.n_overlap <= N
    nobody = public.iloc[:0]
    with pytest.raises(ExtractError):
        attacked(town, agreement, public_list=nobody)


def test_errors_are_made_at_the_rate_that_is_asked_for():
    column = pa.array(["abcdefgh"] * 2000)
    found = with_errors({"a": column}, 0.2, rng=np.random.default_rng(0))["a"].to_pylist()
    changed = np.mean([value != "abcdefgh" for value in found])
    assert 0.15 < changed < 0.22
    assert None in found
    assert with_errors({"a": column}, 0, rng=np.random.default_rng(0))["a"].equals(column)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attacks": ["guess"]}, "attacks are"),
        ({"n_records": 5}, "at least 20"),
        ({"overlap": 0}, "above 0"),
        ({"error_rate": 1}, "below 1"),
    ],
)
def test_options_out_of_range_are_refused(town, agreement, options, message):
    with pytest.raises(OptionError, match=message) as caught:
        attacked(town, agreement, **options)
    assert caught.value.code == "option"


def test_the_command_prints_and_writes_the_report(town, tmp_path, capsys):
    import yaml

    frame = tmp_path / "district.csv"
    town.extracts["district"].to_csv(frame, index=False)
    document = tmp_path / "agreement.yaml"
    document.write_text(yaml.safe_dump(town.agreement), encoding="utf-8")
    out = tmp_path / "report.json"
    command = ["attack", str(frame), "--agreement", str(document), "--party", "district"]
    command += ["--attack", "dictionary", "--attack", "leakage", "--out", str(out)]
    assert run(command) == 0
    assert "dictionary with the key" in capsys.readouterr().out
    assert json.loads(out.read_text(encoding="utf-8"))["party"] == "district"
    assert run(command) == OptionError.exit_status
    assert "--overwrite" in capsys.readouterr().err
