"""The linkage unit's command over two deliveries: what it keeps, and what it says of changes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from linkkit.agreement import Agreement
from linkkit.cli import run
from linkkit.exchange import Crosswalk, Identity, PersonChanges
from linkkit.synth import youth_partnership

PARTIES = ("district", "summer", "jobs")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three partners' encodings at the linkage unit."""
    folder = tmp_path_factory.mktemp("office")
    made = youth_partnership(seed=5, n_district=300, n_summer=150, n_jobs=80)
    files = made.write(folder / "exports")
    document = yaml.safe_load(files["agreement"].read_text(encoding="utf-8"))
    for role in (*PARTIES, "linkage_unit", "steward"):
        assert run(["keys", "identity", str(folder / f"{role}.identity")]) == 0
        clause = document["parties"][role] if role in PARTIES else document[role]
        clause["public_key"] = Identity.load(folder / f"{role}.identity").public.text
    (folder / "agreement.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert run(["keys", "secret", str(folder / "linkage.key")]) == 0
    for party in PARTIES:
        words = [
            "encode", str(files[party]), *own(folder, party), "--party", party,
            "--secret", str(folder / "linkage.key"), "--out", str(folder / party),
            "--header-row", "3" if party == "summer" else "1",
        ]  # fmt: skip
        assert run(words) == 0
    return folder


def own(folder: Path, role: str) -> list[str]:
    agreement, identity = folder / "agreement.yaml", folder / f"{role}.identity"
    return ["--agreement", str(agreement), "--identity", str(identity)]


def encodings(folder: Path, *parties: str) -> list[str]:
    return [str(folder / party / f"{party}.encodings") for party in parties]


def opened(folder: Path, kind: type, path: Path) -> pd.DataFrame:
    agreement = Agreement.load(folder / "agreement.yaml")
    identity = Identity.load(folder / "steward.identity")
    frame: pd.DataFrame = kind.load(path, agreement=agreement, identity=identity).to_pandas()
    return frame


def test_a_second_delivery_and_withdrawn_records(
    office: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unit = own(office, "linkage_unit")
    first, second, third = (office / f"{name}.crosswalk" for name in ("one", "two", "three"))
    state = office / "first.linked"
    words = ["link", *encodings(office, "district", "summer"), *unit, "--out", str(first)]
    assert run([*words, "--state", str(state), "--assignment", "optimal"]) == 0
    assert f"and the next delivery: {state}" in capsys.readouterr().out
    later = office / "second.linked"
    words = ["link", *encodings(office, "jobs"), *unit, "--out", str(second)]
    assert run([*words, "--previous", str(state), "--state", str(later)]) == 0
    before, after = opened(office, Crosswalk, first), opened(office, Crosswalk, second)
    assert set(after["party"]) == set(PARTIES)
    gone = after["token"].iloc[:20].tolist()
    (office / "withdrawn.txt").write_text("\n".join(gone) + "\n\n", encoding="utf-8")
    words = ["link", *unit, "--out", str(third), "--previous", str(later)]
    words += ["--withdrawn", str(office / "withdrawn.txt"), "--changes", str(office / "changes")]
    capsys.readouterr()
    assert run(words) == 0
    said = capsys.readouterr().out
    assert "ids withdrawn" in said
    assert not any(token in said for token in gone)
    left = opened(office, Crosswalk, third)
    assert len(left) == len(after) - 20
    assert not set(left["token"]) & set(gone)
    changes = opened(office, PersonChanges, office / "changes")
    assert "withdrawn" in set(changes["kind"])
    known = set(before["person_id"]) | set(after["person_id"])
    assert set(changes["old_person_id"]) <= known


def test_what_cannot_be(office: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unit = own(office, "linkage_unit")
    assert run(["link", *unit, "--out", str(office / "x")]) == 10
    assert "no encodings are given" in capsys.readouterr().err
    state = office / "state"
    words = ["link", *encodings(office, *PARTIES), *unit, "--out", str(office / "y")]
    assert run([*words, "--state", str(state)]) == 0
    (office / "bad.txt").write_text("nobody\n", encoding="utf-8")
    words = ["link", *unit, "--out", str(office / "z"), "--previous", str(state)]
    assert run([*words, "--withdrawn", str(office / "bad.txt")]) == 10
    said = capsys.readouterr().err
    assert "withdrawn token 1" in said
    assert "nobody" not in said
    assert run([*words, "--withdrawn", str(office / "nowhere.txt")]) == 10
    assert "cannot be read as text" in capsys.readouterr().err
    # An input is never replaced.
    assert run([*words, "--withdrawn", str(office / "bad.txt"), "--state", str(state)]) == 10
    assert not (office / "z").exists()
