"""Five organizations share a linkage secret by commands: contributed by all, delivered by one."""

from __future__ import annotations

import getpass
import json
import stat
import sys
from pathlib import Path

import pytest

from linkkit.cli import run
from linkkit.exchange import Identity
from linkkit.partner.keys import Secret

PARTIES = ("clinic", "district", "jobs", "shelter", "summer")
ROLES = (*PARTIES, "linkage_unit", "steward")
WORDS = "mango velvet harbor tunnel piano cactus"
IN_DOCUMENTATION = "ladle umbrella  nectar Frozen tapir quilt"


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five partners, a linkage unit and a steward, each with a folder and an identity."""
    folder = tmp_path_factory.mktemp("county")
    public = {}
    for role in ROLES:
        own = folder / role / "own.identity"
        assert run(["keys", "identity", str(own)]) == 0
        public[role] = Identity.load(own).public.text
    fields = {"surname": {"column": "last"}, "birth_date": {"column": "born"}}
    document = {
        "format": "linkkit-agreement/1",
        "id": "county-2026",
        "title": "County",
        "purpose": "To test.",
        "legal_basis": "None is needed.",
        "years": {"first": 2023, "last": 2025},
        "destroy_by": "2999-12-31",
        "linkage": {
            "profile": "field",
            "fields": {"surname": {"kind": "surname"}, "birth_date": {"kind": "date"}},
        },
        "parties": {
            party: {"name": party, "linkage_fields": fields, "public_key": public[party]}
            for party in PARTIES
        },
        "linkage_unit": {"name": "Unit", "public_key": public["linkage_unit"]},
        "steward": {"name": "Steward", "public_key": public["steward"]},
        "protection": {"smallest_cell": 5, "quasi_identifiers": {"in_jobs": {}}},
    }
    for epoch in (1, 2):
        text = json.dumps({**document, "epoch": epoch}, indent=1)  # which is YAML, too
        (folder / f"epoch-{epoch}.yaml").write_text(text, encoding="utf-8")
    (folder / "post").mkdir()
    return folder


def keys(county: Path, command: str, role: str, *words: object, epoch: int = 1) -> int:
    """Run a command of keys as an organization would."""
    common = ["--agreement", county / f"epoch-{epoch}.yaml"]
    if command != "passphrase":
        common += ["--identity", county / role / "own.identity"]
    if command in ("contribute", "reveal", "deliver"):
        common += ["--party", role]
    return run(["keys", command, *(str(word) for word in (*words, *common))])


@pytest.fixture(scope="module")
def committed(county: Path) -> list[Path]:
    paths = []
    for party in PARTIES:
        paths.append(county / "post" / f"{party}.commitment")
        mine = county / party / "contribution.key"
        assert keys(county, "contribute", party, mine, "--out", paths[-1]) == 0
    return paths


@pytest.fixture(scope="module")
def revealed(county: Path, committed: list[Path]) -> list[Path]:
    paths = []
    for party in PARTIES:
        paths.append(county / "post" / f"{party}.reveal")
        mine = county / party / "contribution.key"
        assert keys(county, "reveal", party, mine, *committed, "--out", paths[-1]) == 0
    return paths


def test_five_organizations_combine_one_secret(
    county: Path,
    committed: list[Path],
    revealed: list[Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    said = set()
    for party in PARTIES:
        out = county / party / "combined.key"
        assert keys(county, "combine", party, *revealed, *committed, "--out", out) == 0
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
        said.add(capsys.readouterr().out.partition("by voice: ")[2])
    secrets = [Secret.load(county / party / "combined.key") for party in PARTIES]
    assert all(secret == secrets[0] for secret in secrets)
    assert len(said) == 1
    assert len(said.pop().split()) == 8


def test_a_reveal_that_is_missing_is_asked_for_by_name(
    county: Path,
    committed: list[Path],
    revealed: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "combined.key"
    files = [*committed, *revealed[:3], revealed[4]]
    assert keys(county, "combine", "jobs", *files, "--out", out) == 14
    assert "party 'shelter': its reveal is missing" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("role", ["linkage_unit", "steward"])
def test_who_links_or_integrates_combines_nothing(
    role: str, county: Path, committed: list[Path], revealed: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "combined.key"
    assert keys(county, "combine", role, *committed, *revealed, "--out", out) == 13
    assert not out.exists()


def test_a_secret_is_delivered_to_the_other_four(
    county: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, post = tmp_path / "made.key", tmp_path / "clinic.delivery"
    assert run(["keys", "secret", str(made)]) == 0
    assert keys(county, "deliver", "clinic", made, "--out", post) == 0
    check = capsys.readouterr().out.partition("by voice: ")[2]
    for party in PARTIES[1:]:
        out = tmp_path / f"{party}.key"
        assert keys(county, "receive", party, post, "--out", out) == 0
        assert Secret.load(out) == Secret.load(made)
        assert capsys.readouterr().out.endswith(check)
    for role, status in (("linkage_unit", 13), ("steward", 13)):
        assert keys(county, "receive", role, post, "--out", tmp_path / "x") == status
    assert keys(county, "receive", "jobs", post, "--out", tmp_path / "x", epoch=2) == 16
    assert "epoch 1, and agreement 'county-2026' is at epoch 2" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_delivery_for_some_is_closed_to_others(
    county: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, post = tmp_path / "made.key", tmp_path / "d"
    assert run(["keys", "secret", str(made)]) == 0
    to = ["--to", "jobs", "--to", "summer"]
    assert keys(county, "deliver", "clinic", made, *to, "--out", post) == 0
    assert keys(county, "receive", "shelter", post, "--out", tmp_path / "x") == 15
    assert keys(county, "receive", "summer", post, "--out", tmp_path / "x") == 0
    for role in ("linkage_unit", "steward"):
        other = tmp_path / role
        assert keys(county, "deliver", "clinic", made, "--to", role, "--out", other) == 13
        assert "is never sealed to the" in capsys.readouterr().err
        assert not other.exists()


def test_no_command_of_keys_replaces_a_file(
    county: Path, committed: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made.key"
    assert run(["keys", "secret", str(made)]) == 0
    before = made.read_bytes()
    assert keys(county, "deliver", "clinic", made, "--out", made) == 10
    assert "is also an input of this command" in capsys.readouterr().err
    assert keys(county, "contribute", "clinic", made, "--out", tmp_path / "new") == 10
    assert not (tmp_path / "new").exists()
    assert made.read_bytes() == before
    mine = county / "clinic" / "contribution.key"
    assert keys(county, "reveal", "clinic", mine, *committed, "--out", committed[0]) == 10


def test_a_contribution_that_could_not_be_committed_is_not_kept(
    county: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.key"
    words = ["--agreement", str(county / "epoch-1.yaml"), "--party", "clinic"]
    words += ["--identity", str(county / "jobs" / "own.identity"), "--out", str(tmp_path / "out")]
    assert run(["keys", "contribute", str(mine), *words]) == 13
    assert list(tmp_path.iterdir()) == []


def test_a_passphrase_gives_every_partner_the_same_secret(
    county: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tmp_path / "words"
    words.write_text(f"{WORDS}\n", encoding="utf-8")
    words.chmod(0o600)
    one, other, later = tmp_path / "one.key", tmp_path / "other.key", tmp_path / "later.key"
    assert keys(county, "passphrase", "jobs", one, "--from-file", words) == 0
    monkeypatch.setattr(getpass, "getpass", lambda _: WORDS)
    assert keys(county, "passphrase", "jobs", other) == 0
    assert keys(county, "passphrase", "jobs", later, epoch=2) == 0
    assert Secret.load(one) == Secret.load(other) != Secret.load(later)
    words.chmod(0o644)
    assert keys(county, "passphrase", "jobs", tmp_path / "x", "--from-file", words) == 14
    monkeypatch.setattr(getpass, "getpass", lambda _: "summer2026summer2026")
    assert keys(county, "passphrase", "jobs", tmp_path / "x") == 14
    assert not (tmp_path / "x").exists()


def test_the_passphrase_of_the_documentation_is_nobodys(
    county: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = tmp_path / "words"
    words.write_text(f"{IN_DOCUMENTATION}\n", encoding="utf-8")
    words.chmod(0o600)
    monkeypatch.setattr(getpass, "getpass", lambda _: IN_DOCUMENTATION)
    for more in ([], ["--from-file", words]):
        assert keys(county, "passphrase", "jobs", tmp_path / "x", *more) == 14
        assert "stands in linkkit's documentation" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_delivery_to_oneself_is_none(
    county: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, post = tmp_path / "made.key", tmp_path / "post"
    assert run(["keys", "secret", str(made)]) == 0
    assert f"keys deliver {made} --agreement AGREEMENT --identity" in capsys.readouterr().out
    assert keys(county, "deliver", "clinic", made, "--to", "clinic", "--out", post) == 10
    assert "for nobody but 'clinic'" in capsys.readouterr().err
    assert not post.exists()
    to = ["--to", "clinic", "--to", "jobs"]
    assert keys(county, "deliver", "clinic", made, *to, "--out", post) == 0
    assert f"To the partners (jobs): {post}" in capsys.readouterr().out


class _Keyring:
    """Stands for the package keyring."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}

    def get_keyring(self) -> _Keyring:
        return self

    def get_password(self, service: str, name: str) -> str | None:
        return self.entries.get((service, name))

    def set_password(self, service: str, name: str, text: str) -> None:
        self.entries[service, name] = text


def test_a_secret_that_is_kept_in_a_keyring_needs_no_file(
    county: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", _Keyring())
    made, post, got = tmp_path / "made.key", tmp_path / "post", tmp_path / "got.key"
    assert run(["keys", "secret", str(made)]) == 0
    secret = Secret.load(made)
    assert run(["keys", "keep", str(made), "--keyring", "county-2026"]) == 0
    both = ["--keyring", "county-2026", "--out", post]
    assert keys(county, "deliver", "clinic", made, *both) == 10
    assert "named in more than one place" in capsys.readouterr().err
    made.unlink()
    assert keys(county, "deliver", "clinic", *both) == 0
    assert keys(county, "receive", "jobs", post, "--out", got) == 0
    assert Secret.load(got) == secret
    monkeypatch.delenv("LINKKIT_SECRET", raising=False)
    assert keys(county, "deliver", "clinic", "--out", tmp_path / "other") == 14


@pytest.mark.parametrize(
    "name",
    ["identity", "tokens", "study", "secret", "passphrase", "deliver", "receive"]
    + ["contribute", "reveal", "combine"],
)
def test_every_command_of_keys_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["keys", name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: linkkit keys {name}")
