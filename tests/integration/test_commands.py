"""The commands, as three organizations run them: files in, files out, an exit status each."""

import json
import os
import shutil
import stat
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from linkkit.cli import INTERNAL_ERROR, commands, run
from linkkit.synth import youth_partnership

PARTIES = ("district", "summer", "jobs")
HEADER_ROWS = {"summer": "3"}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Three partners, a linkage unit and a steward, each with a folder, keys and files."""
    folder = tmp_path_factory.mktemp("town")
    partnership = youth_partnership(seed=5, n_district=900, n_summer=400, n_jobs=200)
    files = partnership.write(folder / "exports")
    document = yaml.safe_load(files["agreement"].read_text(encoding="utf-8"))
    document["protection"]["smallest_cell"] = 3
    document["protection"]["max_suppressed"] = 0.2
    for role in (*PARTIES, "linkage_unit", "steward"):
        assert run(["keys", "identity", str(folder / role / "own.identity")]) == 0
        clause = document["parties"][role] if role in PARTIES else document[role]
        clause["public_key"] = public_key(folder / role / "own.identity")
    (folder / "agreement.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert run(["keys", "secret", str(folder / "linkage.key")]) == 0
    return folder


def public_key(path: Path) -> str:
    from linkkit.exchange import Identity

    return Identity.load(path).public.text


def common(town: Path, role: str) -> list[str]:
    return [
        "--agreement",
        str(town / "agreement.yaml"),
        "--identity",
        str(town / role / "own.identity"),
    ]


def encode(town: Path, party: str, **changes: str) -> int:
    options = {
        "--party": party,
        "--secret": str(town / "linkage.key"),
        "--out": str(town / party),
        "--header-row": HEADER_ROWS.get(party, "1"),
        **changes,
    }
    extract = next((town / "exports").glob(f"{party}.*"))
    words = [word for pair in options.items() for word in pair]
    return run(["encode", str(extract), *common(town, party), *words])


@pytest.fixture(scope="module")
def encoded(town):
    for party in PARTIES:
        assert encode(town, party) == 0
    return town


def encodings(town: Path) -> list[str]:
    return [str(town / party / f"{party}.encodings") for party in PARTIES]


def preflight(town: Path, party: str, out: Path, *words: str) -> int:
    extract = next((town / "exports").glob(f"{party}.*"))
    options = ["--agreement", str(town / "agreement.yaml"), "--party", party, "--out", str(out)]
    header_row = ["--header-row", HEADER_ROWS.get(party, "1")]
    return run(["preflight", str(extract), *options, *header_row, *words])


@pytest.mark.parametrize("party", PARTIES)
def test_a_partner_judges_its_own_export_and_then_encodes_the_same_records(
    encoded, party, tmp_path, capsys
):
    assert preflight(encoded, party, tmp_path / "report.json") == 0
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    map_file = encoded / party / "stays-home" / f"{party}.token-map.csv"
    assert report["n_records"] == pd.read_csv(map_file)["token"].nunique()
    assert said.startswith(f"{party}: {report['n_records']:,} records of {report['n_rows']:,} rows")
    assert f"The report: {tmp_path / 'report.json'}" in said
    assert all(risk["who"].split(",")[0] in said for risk in report["risks"])
    assert list(tmp_path.iterdir()) == [tmp_path / "report.json"]


def test_a_report_is_replaced_only_when_asked(encoded, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert preflight(encoded, "jobs", out) == 0
    first = out.read_bytes()
    assert preflight(encoded, "jobs", out) == 10
    assert "exists" in capsys.readouterr().err
    assert preflight(encoded, "jobs", out, "--overwrite") == 0
    assert out.read_bytes() == first
    assert preflight(encoded, "jobs", tmp_path / "report.pdf") == 10
    assert "ends in none of .html, .json, .txt" in capsys.readouterr().err


@pytest.fixture(scope="module")
def linked(encoded):
    where = encoded / "linkage_unit"
    status = run(
        ["link", *encodings(encoded), *common(encoded, "linkage_unit")]
        + ["--out", str(where / "crosswalk"), "--report", str(where / "report.html")]
        + ["--pairs", str(where / "pairs.parquet")]
    )
    assert status == 0
    return encoded


@pytest.fixture(scope="module")
def released(linked):
    steward = linked / "steward"
    payloads = [str(linked / party / f"{party}.payload") for party in PARTIES]
    assert run(["keys", "study", str(steward / "study.key")]) == 0
    steps = [
        ["integrate", *payloads, "--crosswalk", str(linked / "linkage_unit" / "crosswalk")]
        + ["--project", "gaps-2026", "--study-key", str(steward / "study.key")]
        + ["--out", str(steward / "integrated")],
        ["protect", str(steward / "integrated"), "--out", str(steward / "protected")],
        ["release", str(steward / "protected"), "--out", str(steward / "release")],
    ]
    for step in steps:
        assert run([*step, *common(linked, "steward")]) == 0
    return linked


def test_the_journey_ends_in_a_release_that_keeps_its_k(released):
    data = pd.read_csv(released / "steward" / "release" / "data.csv")
    sizes = data.groupby(["birth_year", "sex", "zip3", "race_ethnicity"], dropna=False).size()
    assert len(data) > 500
    assert sizes.min() >= 3


def test_the_linkage_unit_gets_a_report_and_its_pairs(linked):
    pairs = pd.read_parquet(linked / "linkage_unit" / "pairs.parquet")
    report = (linked / "linkage_unit" / "report.html").read_text(encoding="utf-8")
    assert pairs["linked"].sum() > 100
    assert "<svg" in report
    assert pairs["left_token"].iloc[0] not in report


def test_what_stays_home_may_be_read_by_its_owner_only(encoded):
    files = list((encoded / "district" / "stays-home").iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_secret_may_come_from_the_environment(town, monkeypatch, tmp_path):
    key = (town / "linkage.key").read_text(encoding="ascii").split()[1]
    monkeypatch.setenv("LINKKIT_SECRET", key)
    extract = next((town / "exports").glob("jobs.*"))
    words = ["--party", "jobs", "--out", str(tmp_path)]
    assert run(["encode", str(extract), *common(town, "jobs"), *words]) == 0
    assert (tmp_path / "jobs.encodings").is_file()


def test_another_secret_is_found_before_anything_is_compared(encoded, tmp_path, capsys):
    other = tmp_path / "other.key"
    assert run(["keys", "secret", str(other)]) == 0
    assert encode(encoded, "jobs", **{"--secret": str(other), "--out": str(tmp_path)}) == 0
    files = [*encodings(encoded)[:2], str(tmp_path / "jobs.encodings")]
    status = run(
        ["link", *files, *common(encoded, "linkage_unit"), "--out", str(tmp_path / "crosswalk")]
    )
    assert status == 16
    assert "different linkage secrets" in capsys.readouterr().err
    assert not (tmp_path / "crosswalk").exists()


def test_another_text_of_the_agreement_is_named(encoded, tmp_path, capsys):
    text = (encoded / "agreement.yaml").read_text(encoding="utf-8")
    changed = tmp_path / "agreement.yaml"
    changed.write_text(text.replace("smallest_cell: 3", "smallest_cell: 2"), encoding="utf-8")
    identity = str(encoded / "linkage_unit" / "own.identity")
    status = run(
        ["link", *encodings(encoded), "--agreement", str(changed), "--identity", identity]
        + ["--out", str(tmp_path / "crosswalk")]
    )
    assert status == 16
    assert "another text of agreement" in capsys.readouterr().err


def test_the_steward_cannot_open_encodings(encoded, tmp_path, capsys):
    status = run(
        ["link", *encodings(encoded), *common(encoded, "steward"), "--out", str(tmp_path / "x")]
    )
    assert status == 15
    assert "sealed to somebody else" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_one_party_cannot_send_in_the_name_of_another(town, tmp_path, capsys):
    identity = str(town / "jobs" / "own.identity")
    status = encode(town, "district", **{"--identity": identity, "--out": str(tmp_path)})
    assert status == 13
    assert "clause 'parties.district.public_key'" in capsys.readouterr().err


def test_a_party_that_nobody_agreed_on_is_refused_by_clause(town, capsys):
    extract = next((town / "exports").glob("jobs.*"))
    words = ["--party", "police", "--secret", str(town / "linkage.key"), "--out", str(town)]
    assert run(["encode", str(extract), *common(town, "jobs"), *words]) == 13
    assert "clause 'parties'" in capsys.readouterr().err


def test_a_truncated_file_is_refused(encoded, tmp_path, capsys):
    short = tmp_path / "district.encodings"
    short.write_bytes((encoded / "district" / "district.encodings").read_bytes()[:-100])
    status = run(
        ["link", str(short), *common(encoded, "linkage_unit"), "--out", str(tmp_path / "x")]
    )
    assert status == 15
    assert "altered, cut short" in capsys.readouterr().err


def test_what_happened_is_said_without_a_value(encoded, tmp_path, capsys):
    assert encode(encoded, "district", **{"--out": str(tmp_path)}) == 0
    said = capsys.readouterr().out
    extract = pd.read_csv(next((encoded / "exports").glob("district.*")), dtype=str)
    names = {word for name in extract["STUDENT NAME"].dropna() for word in name.split(", ")}
    assert "900 rows read" in said
    assert not any(name in said for name in names if len(name) > 4)


def test_inspect_shows_the_manifest_without_a_key(encoded, capsys):
    assert run(["inspect", str(encoded / "district" / "district.encodings")]) == 0
    shown = capsys.readouterr()
    assert '"kind": "encoded-extract"' in shown.out
    assert "not checked" in shown.err


def test_an_agreement_is_checked_and_its_fingerprint_shown(town, capsys):
    assert run(["agreement", "check", str(town / "agreement.yaml")]) == 0
    said = capsys.readouterr().out
    assert "fingerprint: " in said
    assert "profile: standard, the default" in said


def test_an_earlier_delivery_is_replaced_only_on_demand(encoded, tmp_path, capsys):
    assert encode(encoded, "jobs", **{"--out": str(tmp_path)}) == 0
    before = (tmp_path / "jobs.encodings").read_bytes()
    assert encode(encoded, "jobs", **{"--out": str(tmp_path)}) == 10
    assert "jobs.token-map.csv' exists" in capsys.readouterr().err
    assert (tmp_path / "jobs.encodings").read_bytes() == before


@pytest.mark.parametrize(
    ("out", "problem"),
    [
        ("linkage_unit/own.identity", "is also an input of this command"),
        ("district/district.encodings", "is also an input of this command"),
        ("agreement.yaml", "is also an input of this command"),
        ("linkage.key", "is no file that this command writes"),
    ],
)
def test_an_output_never_replaces_a_key_or_an_input(encoded, out, problem, capsys):
    before = (encoded / out).read_bytes()
    arguments = ["link", *encodings(encoded), *common(encoded, "linkage_unit")]
    assert run([*arguments, "--out", str(encoded / out), "--overwrite"]) == 10
    assert problem in capsys.readouterr().err
    assert (encoded / out).read_bytes() == before


def test_two_outputs_may_not_be_one_file(encoded, tmp_path, capsys):
    where = str(tmp_path / "both.html")
    arguments = ["link", *encodings(encoded), *common(encoded, "linkage_unit")]
    assert run([*arguments, "--out", where, "--report", where]) == 10
    assert "is to be written twice" in capsys.readouterr().err


def integrate(town: Path, payloads: list[str], out: Path, *more: str) -> int:
    words = ["--crosswalk", str(town / "linkage_unit" / "crosswalk"), "--project", "gaps-2026"]
    return run(["integrate", *payloads, *common(town, "steward"), *words, "--out", str(out), *more])


def test_a_forgotten_payload_is_missed(linked, tmp_path, capsys):
    payloads = [str(linked / party / f"{party}.payload") for party in ("district", "summer")]
    assert integrate(linked, payloads, tmp_path / "people") == 16
    assert "records of 'jobs', and no payload of it is given" in capsys.readouterr().err
    assert integrate(linked, payloads, tmp_path / "people", "--without", "jobs") == 0


def test_a_payload_of_another_delivery_is_refused(linked, tmp_path, capsys):
    assert encode(linked, "jobs", **{"--out": str(tmp_path)}) == 0
    payloads = [str(linked / party / f"{party}.payload") for party in ("district", "summer")]
    payloads.append(str(tmp_path / "jobs.payload"))
    assert integrate(linked, payloads, tmp_path / "people") == 16
    assert "tokens are those of another delivery" in capsys.readouterr().err
    assert not (tmp_path / "people").exists()


def test_keys_are_never_overwritten(town, capsys):
    assert run(["keys", "secret", str(town / "linkage.key")]) == 14
    assert "never overwritten" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_command_explains_itself(name, capsys):
    assert run([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: linkkit")
    assert len(text.splitlines()) > 4


def test_a_word_that_is_no_command_is_a_usage_error(capsys):
    assert run(["linc"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_an_internal_error_shows_its_place_and_not_its_text(monkeypatch, capsys):
    def fail(path: object) -> None:
        raise ValueError("ZQXMARKER is somebody's name")

    monkeypatch.setattr("linkkit.agreement.Agreement.load", fail)
    assert run(["agreement", "check", os.devnull]) == INTERNAL_ERROR
    said = capsys.readouterr()
    assert "ValueError in" in said.err
    assert "ZQXMARKER" not in said.err + said.out


# --- Large files, secrets kept elsewhere, deliveries ------------------------------------------


def test_encoding_in_parts_writes_what_encoding_at_once_writes(town, tmp_path, capsys):
    tokens = tmp_path / "own.tokens"
    assert run(["keys", "tokens", str(tokens)]) == 0
    extract = next((town / "exports").glob("district.*"))
    said = []
    for name, more in (("at-once", []), ("in-parts", ["--stream"])):
        options = ["--party", "district", "--secret", str(town / "linkage.key")]
        options += ["--token-key", str(tokens), "--out", str(tmp_path / name), *more]
        capsys.readouterr()
        assert run(["encode", str(extract), *common(town, "district"), *options]) == 0
        said.append(capsys.readouterr().out.replace(name, "out"))
    assert said[0] == said[1]
    files = [
        sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*"))
        for name in ("at-once", "in-parts")
    ]
    assert files[0] == files[1]
    for name in ("token-map.csv", "set-aside.csv", "report.txt"):
        kept = [tmp_path / n / "stays-home" / f"district.{name}" for n in ("at-once", "in-parts")]
        assert kept[0].read_bytes() == kept[1].read_bytes()


class Keyring:
    """Stands for the package 'keyring' and a system's keyring that is safe."""

    def __init__(self):
        self.entries = {}

    def get_keyring(self):
        return self

    def get_password(self, service, name):
        return self.entries.get((service, name))

    def set_password(self, service, name, text):
        self.entries[service, name] = text


def test_the_secret_may_be_in_a_keyring(town, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", Keyring())
    assert run(["keys", "keep", str(town / "linkage.key"), "--keyring", "see-2026"]) == 0
    assert "kept in the keyring as 'see-2026'" in capsys.readouterr().out
    extract = next((town / "exports").glob("jobs.*"))
    words = [str(extract), *common(town, "jobs"), "--party", "jobs", "--out", str(tmp_path)]
    assert run(["encode", *words, "--keyring", "see-2026"]) == 0
    assert run(["encode", *words, "--overwrite", "--keyring", "other"]) == 14
    assert "no linkage secret under 'other'" in capsys.readouterr().err


def test_a_key_management_service_may_unwrap_the_secret(town, tmp_path, capsys, monkeypatch):
    from linkkit.partner.keys import Secret

    (tmp_path / "our_keys.py").write_text(
        """
class Service:
    def unwrap(self, wrapped):
        return bytes(byte ^ 0x5A for byte in wrapped)

def make():
    return Service()

def broken():
    raise RuntimeError("MARKER of a client")

service = Service()
nothing = 3
""",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    material = Secret.load(town / "linkage.key").reveal()
    wrapped = tmp_path / "linkage.wrapped"
    wrapped.write_bytes(bytes(byte ^ 0x5A for byte in material))
    extract = next((town / "exports").glob("jobs.*"))
    words = [str(extract), *common(town, "jobs"), "--party", "jobs", "--out", str(tmp_path / "out")]
    words += ["--overwrite"]
    for name in ("service", "make", "Service"):
        kms = ["--kms", f"our_keys:{name}", "--wrapped", str(wrapped)]
        assert run(["encode", *words, *kms]) == 0
    for name in ("broken", "nothing", "absent"):
        capsys.readouterr()
        assert run(["encode", *words, "--kms", f"our_keys:{name}", "--wrapped", str(wrapped)]) == 10
        said = capsys.readouterr().err
        assert f"--kms 'our_keys:{name}' cannot be used" in said
        assert "MARKER" not in said
    assert run(["encode", *words, "--kms", "no_such_module:a", "--wrapped", str(wrapped)]) == 10
    assert run(["encode", *words, "--kms", "our_keys:service"]) == 10
    both = ["--secret", str(town / "linkage.key"), "--keyring", "see-2026"]
    assert run(["encode", *words, *both]) == 10
    assert "in more than one place" in capsys.readouterr().err


def test_an_older_delivery_is_refused(town, tmp_path, capsys):
    identity = tmp_path / "own.identity"
    shutil.copy(town / "linkage_unit" / "own.identity", identity)
    files = {}
    for number in ("1", "2"):
        for party in PARTIES:
            assert encode(town, party, **{"--out": str(tmp_path / number)}) == 0
        files[number] = [str(tmp_path / number / f"{party}.encodings") for party in PARTIES]
    words = ["--agreement", str(town / "agreement.yaml"), "--identity", str(identity)]

    def link(sent, *more):
        out = tmp_path / "crosswalk"
        out.unlink(missing_ok=True)
        status = run(["link", *sent, *words, "--out", str(out), *more])
        assert out.exists() == (status == 0)
        return status

    assert link(files["1"]) == 0
    assert link([*files["1"][:2], files["2"][2]]) == 0
    assert link(files["1"]) == 22
    said = capsys.readouterr().err
    assert "the encoded-extract of 'jobs' was sealed at" in said
    assert "a newer one" in said
    assert link(files["2"]) == 0
    assert link(files["1"], "--deliveries", str(tmp_path / "another")) == 0
    assert (tmp_path / "own.identity.deliveries").exists()


def test_no_crosswalk_comes_of_altered_encodings(encoded, tmp_path):
    sent = Path(encodings(encoded)[0]).read_bytes()
    for place in range(0, len(sent), max(len(sent) // 12, 1)):
        data = bytearray(sent)
        data[place] ^= 4
        (tmp_path / "altered").write_bytes(data)
        words = [str(tmp_path / "altered"), *encodings(encoded)[1:]]
        out = ["--out", str(tmp_path / "crosswalk"), "--report", str(tmp_path / "report.html")]
        assert run(["link", *words, *common(encoded, "linkage_unit"), *out]) in (13, 15, 16)
        assert [path.name for path in tmp_path.iterdir()] == ["altered"]
