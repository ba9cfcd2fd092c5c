"""What 'linkkit encode' writes appears together or not at all, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from linkkit.cli import run
from linkkit.exchange import Identity
from linkkit.exchange.container import read_manifest
from linkkit.partner.encode import staging as staging_module
from linkkit.synth import youth_partnership

ALL = [
    "jobs.encodings",
    "jobs.payload",
    "stays-home/jobs.report.txt",
    "stays-home/jobs.set-aside.csv",
    "stays-home/jobs.token-map.csv",
]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits of a POSIX system")


@dataclass(frozen=True)
class Office:
    """The party 'jobs' with its keys, an extract and an output folder."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def words(self, *more: str, extract: str = "jobs.csv") -> list[str]:
        named = {
            "--agreement": "agreement.yaml",
            "--identity": "own.identity",
            "--secret": "linkage.key",
            "--token-key": "own.tokens",
            "--out": "out",
        }
        paths = [word for name, file in named.items() for word in (name, str(self.folder / file))]
        return ["encode", str(self.folder / extract), *paths, "--party", "jobs", *more]

    def files(self) -> dict[str, bytes]:
        found = [path for path in sorted(self.out.rglob("*")) if path.is_file()]
        return {path.relative_to(self.out).as_posix(): path.read_bytes() for path in found}

    def start(self, *more: str, **options: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "linkkit", *self.words(*more, **options)]
        return subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def amend(self, role: str, *, public_key: str | None) -> None:
        path = self.folder / "agreement.yaml"
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        document[role].pop("public_key")
        if public_key:
            document[role]["public_key"] = public_key
        path.write_text(yaml.safe_dump(document), encoding="utf-8")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    town = youth_partnership(seed=5, n_district=30, n_summer=20, n_jobs=200)
    document = town.agreement
    for role in ("jobs", "linkage_unit", "steward"):
        clause = document["parties"][role] if role == "jobs" else document[role]
        identity = Identity.generate()
        clause["public_key"] = identity.public.text
        if role == "jobs":
            identity.save(tmp_path / "own.identity")
    (tmp_path / "agreement.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    town.extracts["jobs"].to_csv(tmp_path / "jobs.csv", index=False)
    assert run(["keys", "secret", str(tmp_path / "linkage.key")]) == 0
    assert run(["keys", "tokens", str(tmp_path / "own.tokens")]) == 0
    return Office(tmp_path)


@pytest.mark.parametrize("way", [[], ["--stream"]])
def test_all_files_are_there_and_nothing_else(office: Office, way: list[str]) -> None:
    assert run(office.words(*way)) == 0
    assert list(office.files()) == ALL
    assert sorted(path.name for path in office.out.iterdir()) == [*ALL[:2], "stays-home"]


@pytest.mark.parametrize("way", [[], ["--stream"]])
def test_a_report_is_not_replaced_unasked(office: Office, way: list[str], capsys) -> None:
    report = office.out / "stays-home" / "jobs.report.txt"
    report.parent.mkdir(parents=True)
    report.write_text("mine", encoding="utf-8")
    assert run(office.words(*way)) == 10
    assert "jobs.report.txt' exists" in capsys.readouterr().err
    assert report.read_text(encoding="utf-8") == "mine"
    assert run(office.words(*way, "--overwrite")) == 0
    assert report.read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize("way", [[], ["--stream"]])
@pytest.mark.parametrize("at", [0, 2, 3, 4])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError])
def test_a_failure_between_two_files_leaves_those_of_the_earlier_run(
    office: Office, way: list[str], at: int, kind: type[BaseException], monkeypatch
) -> None:
    assert run(office.words(*way)) == 0
    before = office.files()
    sealed_at = read_manifest(office.out / "jobs.encodings").sealed_at
    replace, moves = Path.replace, []

    def stop(self: Path, target: Path) -> Path:
        if not self.name.endswith(".part") and "before" not in self.parts:
            moves.append(target)
            if len(moves) == at + 1:
                raise kind
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stop)
    assert run(office.words(*way, "--overwrite")) == (130 if kind is KeyboardInterrupt else 15)
    assert len(moves) == at + 1
    assert office.files() == before
    monkeypatch.undo()
    assert run(office.words(*way, "--overwrite")) == 0
    assert read_manifest(office.out / "jobs.encodings").sealed_at != sealed_at
    assert list(office.files()) == ALL


@pytest.mark.parametrize("way", [[], ["--stream"]])
def test_a_first_run_that_fails_at_the_last_file_leaves_none(
    office: Office, way: list[str], capsys
) -> None:
    (office.out / "stays-home").mkdir(parents=True)
    (office.out / "jobs.encodings").mkdir()
    assert run(office.words(*way, "--overwrite")) != 0
    assert office.files() == {}
    (office.out / "jobs.encodings").rmdir()
    (office.out / "stays-home").rmdir()
    (office.out / "stays-home").write_text("in the way", encoding="utf-8")
    assert run(office.words(*way)) == 15
    assert "cannot be put in their place" in capsys.readouterr().err
    assert office.files() == {"stays-home": b"in the way"}


@pytest.mark.parametrize("way", [[], ["--stream"]])
@pytest.mark.parametrize("role", ["linkage_unit", "steward"])
def test_a_missing_key_of_a_recipient_is_found_before_anything_is_read(
    office: Office, way: list[str], role: str, capsys
) -> None:
    office.amend(role, public_key=None)
    assert run(office.words(*way, extract="not-there.csv")) == 11
    assert role in capsys.readouterr().err
    assert not office.out.exists()


# --- Processes that are ended ----------------------------------------------------------------


def _large(office: Office) -> str:
    header, *rows = (office.folder / "jobs.csv").read_text(encoding="utf-8").splitlines()
    text = "\n".join([header, *(rows * 600)])
    (office.folder / "large.csv").write_text(text, encoding="utf-8")
    return "large.csv"


def _wait_for_stage(office: Office, process: subprocess.Popen[str]) -> Path:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        for lock in office.out.glob(".linkkit-*/lock"):
            return lock.parent
        time.sleep(0.01)
    raise AssertionError(process.communicate())


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_it_and_leaves_nothing(office: Office, name: str) -> None:
    process = office.start("--stream", extract=_large(office))
    stage = _wait_for_stage(office, process)
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in said
    assert not stage.exists()
    assert list(office.out.iterdir()) == []


@posix
def test_what_a_killed_process_leaves_is_removed_by_the_next_run(office: Office) -> None:
    process = office.start("--stream", extract=_large(office))
    stage = _wait_for_stage(office, process)
    (stage / "stays-home").mkdir(exist_ok=True)
    (stage / "stays-home" / ".jobs.token-map.csv.part").write_text("token", encoding="utf-8")
    assert run(office.words()) == 0, "a run beside the other"
    assert stage.exists()
    process.kill()
    process.communicate(timeout=60)
    assert stage.exists()
    assert run(office.words("--overwrite")) == 0
    assert not stage.exists()
    assert list(office.files()) == ALL


def test_a_folder_without_a_lock_is_removed_when_it_is_old(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = office.out / ".linkkit-encode-made-up"
    other = office.out / ".linkkit-encode-file"
    stage.mkdir(parents=True)
    other.write_text("no folder", encoding="utf-8")
    assert run(office.words()) == 0
    assert stage.exists()
    monkeypatch.setattr(staging_module, "_NEW_SECONDS", -1)
    assert run(office.words("--overwrite")) == 0
    assert not stage.exists()
    assert other.exists()


@posix
@pytest.mark.parametrize("way", [[], ["--stream"]])
@pytest.mark.parametrize("blocks", [0, 4, 40])
def test_a_full_disk_is_told_in_a_sentence(office: Office, way: list[str], blocks: int) -> None:
    words = [sys.executable, "-m", "linkkit", *office.words(*way)]
    limited = subprocess.run(
        ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert limited.returncode == 15, limited.stderr
    assert "cannot be written (OSError)" in limited.stderr
    assert "What to do: " in limited.stderr
    assert office.files() == {}
