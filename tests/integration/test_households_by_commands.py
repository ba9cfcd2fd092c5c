"""Households by the commands that the parties, the linkage unit and the steward run."""

import importlib.util

import pytest
import yaml

from linkkit.agreement import Agreement
from linkkit.cli import run
from linkkit.errors import OptionError
from linkkit.exchange import Crosswalk, Identity
from linkkit.synth import youth_partnership

PARTIES = ("district", "summer", "jobs")
HEADER_ROWS = {"summer": "3"}


def partnership(folder, profile):
    """Let three partners encode; returns the words by which the linkage unit links."""
    files = youth_partnership(seed=7, n_district=300, n_summer=150, n_jobs=80).write(folder / "x")
    document = yaml.safe_load(files["agreement"].read_text(encoding="utf-8"))
    document["linkage"]["profile"] = profile
    for role in (*PARTIES, "linkage_unit", "steward"):
        own = folder / role / "own.identity"
        assert run(["keys", "identity", str(own)]) == 0
        clause = document["parties"][role] if role in PARTIES else document[role]
        clause["public_key"] = Identity.load(own).public.text
    agreement = folder / "agreement.yaml"
    agreement.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert run(["keys", "secret", str(folder / "linkage.key")]) == 0
    for party in PARTIES:
        words = ["--agreement", str(agreement), "--party", party, "--out", str(folder / party)]
        words += ["--identity", str(folder / party / "own.identity")]
        words += ["--secret", str(folder / "linkage.key")]
        words += ["--header-row", HEADER_ROWS.get(party, "1")]
        assert run(["encode", str(files[party]), *words]) == 0
    encodings = [str(folder / party / f"{party}.encodings") for party in PARTIES]
    unit = ["--identity", str(folder / "linkage_unit" / "own.identity")]
    return ["link", *encodings, "--agreement", str(agreement), *unit]


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    return folder, partnership(folder, "field")


def opened(folder, name):
    agreement = Agreement.load(folder / "agreement.yaml")
    identity = Identity.load(folder / "steward" / "own.identity")
    return Crosswalk.load(folder / name, agreement=agreement, identity=identity)


def test_the_steward_gets_households_that_were_asked_for_and_passes_none_on(town, capsys):
    folder, words = town
    report = ["--report", str(folder / "report.html")] if has_matplotlib() else []
    assert run([*words, "--out", str(folder / "homes"), "--households", *report]) == 0
    assert "households: " in capsys.readouterr().out
    crosswalk = opened(folder, "homes")
    assert crosswalk.has_households
    assert 0 < crosswalk.n_households < crosswalk.n_people
    if report:
        assert "Who lives together" in (folder / "report.html").read_text(encoding="utf-8")
    assert run([*words, "--out", str(folder / "plain")]) == 0
    assert not opened(folder, "plain").has_households
    payloads = [str(folder / party / f"{party}.payload") for party in PARTIES]
    steward = ["--agreement", str(folder / "agreement.yaml")]
    steward += ["--identity", str(folder / "steward" / "own.identity")]
    steward += ["--crosswalk", str(folder / "homes"), "--project", "gaps-2026"]
    integrated = folder / "integrated"
    assert run(["integrate", *payloads, *steward, "--out", str(integrated)]) == 0
    assert integrated.exists()


def has_matplotlib():
    return importlib.util.find_spec("matplotlib") is not None


def test_passes_are_refused_before_anything_is_written(tmp_path, capsys):
    words = partnership(tmp_path, "standard")
    out = tmp_path / "homes"
    status = run([*words, "--out", str(out), "--households"])
    assert status == OptionError.exit_status
    assert "agree on 'profile: field'" in capsys.readouterr().err
    assert not out.exists()
