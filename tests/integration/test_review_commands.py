"""A review by commands: the linkage unit asks, partners answer on their own rows, labels come of it."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from linkkit.cli import run
from linkkit.exchange import Identity
from linkkit.synth import youth_partnership

PARTIES = ("district", "summer", "jobs")


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Three partners with exports, keys and encodings, and what the linkage unit asked them."""
    folder = tmp_path_factory.mktemp("town")
    made = youth_partnership(seed=5, n_district=300, n_summer=200, n_jobs=100)
    document = made.agreement
    for role in (*PARTIES, "linkage_unit", "steward"):
        assert run(["keys", "identity", str(folder / role / "own.identity")]) == 0
        clause = document["parties"][role] if role in PARTIES else document[role]
        clause["public_key"] = Identity.load(folder / role / "own.identity").public.text
    (folder / "agreement.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert run(["keys", "secret", str(folder / "linkage.key")]) == 0
    for party in PARTIES:
        made.extracts[party].to_csv(folder / party / "export.csv", index=False)
        words = [
            "--party",
            party,
            "--secret",
            str(folder / "linkage.key"),
            "--out",
            str(folder / party),
        ]
        assert (
            run(["encode", str(folder / party / "export.csv"), *common(folder, party), *words]) == 0
        )
    assert link(folder, "crosswalk", "--state", str(folder / "2026.linked")) == 0
    assert ask(folder, "ask", "--pairs", "30") == 0
    return folder


def common(town: Path, role: str) -> list[str]:
    return [
        "--agreement",
        str(town / "agreement.yaml"),
        "--identity",
        str(town / role / "own.identity"),
    ]


def link(town: Path, out: str, *words: str) -> int:
    files = [str(town / party / f"{party}.encodings") for party in PARTIES]
    return run(["link", *files, *common(town, "linkage_unit"), "--out", str(town / out), *words])


def ask(town: Path, out: str, *words: str) -> int:
    state = str(town / "2026.linked")
    out = str(town / out)
    return run(["review", "ask", state, *common(town, "linkage_unit"), "--out", out, *words])


def explain(town: Path, *words: str) -> int:
    return run(["explain", str(town / "2026.linked"), *words, *common(town, "linkage_unit")])


def open_sheet(town: Path, party: str, *words: str, request: str | None = None) -> int:
    home = town / party / "stays-home"
    return run([
        "review", "open", request or str(town / "ask" / f"{party}.review"), *common(town, party),
        "--token-map", str(home / f"{party}.token-map.csv"),
        "--extract", str(town / party / "export.csv"), "--out", str(home / "sheet.csv"), *words,
    ])  # fmt: skip


def answer(town: Path, party: str, sheet: Path, *words: str) -> int:
    request = str(town / "ask" / f"{party}.review")
    out = ["--out", str(town / f"{party}.answers")]
    return run(["review", "answer", request, str(sheet), *common(town, party), *out, *words])


def test_a_review_from_the_questions_to_links_with_labels(town, capsys):
    for party in PARTIES:
        assert open_sheet(town, party, "--overwrite") == 0
        said = capsys.readouterr().out
        assert "pairs to answer" in said
        assert "Stays home:" in said
        path = town / party / "stays-home" / "sheet.csv"
        assert path.stat().st_mode & 0o077 == 0
        sheet = pd.read_csv(path, dtype=str)
        # A made-up rule that both parties of a pair can tell: all of them are different people.
        sheet.assign(answer="different").to_csv(path, index=False)
        assert answer(town, party, path, "--overwrite") == 0
        assert "0 same" in capsys.readouterr().out
    answers = [str(town / f"{party}.answers") for party in PARTIES]
    combine = ["review", "combine", *answers, *common(town, "linkage_unit")]
    asked = ["--asked", str(town / "ask" / "asked.parquet")]
    assert run([*combine, *asked, "--out", str(town / "labels.csv"), "--agreeing", "2"]) == 0
    assert "30 of 30 pairs have a label: 0 the same person" in capsys.readouterr().out
    assert link(town, "again", "--labels", str(town / "labels.csv")) == 0
    assert "known: 30 pairs by labels" in capsys.readouterr().out
    added = ["--add-to", str(town / "labels.csv"), "--out", str(town / "more.csv")]
    assert run([*combine, *asked, *added]) == 0
    assert len((town / "more.csv").read_text(encoding="utf-8").splitlines()) == 31


def test_two_records_are_explained(town, capsys, tmp_path):
    asked = pd.read_parquet(town / "ask" / "asked.parquet").iloc[0]
    tokens = [asked["left_token"].hex(), asked["right_token"].hex()]
    page = tmp_path / "why.html"
    assert explain(town, *tokens, "--html", str(page)) == 0
    said = capsys.readouterr().out
    assert all(token in said for token in tokens)
    assert "match weight, in bits:" in said
    assert "blocking:" in said
    assert "<svg" in page.read_text(encoding="utf-8")
    assert explain(town, *tokens, "--html", str(page)) == 10


def test_an_unknown_token_is_told(town, capsys, tmp_path):
    page = tmp_path / "why.html"
    assert explain(town, "00" * 16, "11" * 16, "--html", str(page)) == 10
    assert "no record with the first token" in capsys.readouterr().err
    assert not page.exists()


def test_a_request_is_for_one_party(town, capsys):
    assert (
        open_sheet(town, "summer", "--overwrite", request=str(town / "ask" / "jobs.review")) == 15
    )
    assert "sealed to somebody else" in capsys.readouterr().err


def test_an_older_request_is_refused(town, capsys):
    assert ask(town, "newer", "--pairs", "5") == 0
    assert open_sheet(town, "jobs", "--overwrite", request=str(town / "newer" / "jobs.review")) == 0
    capsys.readouterr()
    assert open_sheet(town, "jobs", "--overwrite") == 22
    assert "a newer one" in capsys.readouterr().err


def test_words_of_no_list_are_refused_and_not_shown(town, capsys, tmp_path):
    assert open_sheet(town, "district", "--overwrite") == 0
    sheet = pd.read_csv(town / "district" / "stays-home" / "sheet.csv", dtype=str)
    sheet.loc[0, "answer"] = "her brother"
    sheet.to_csv(tmp_path / "sheet.csv", index=False)
    capsys.readouterr()
    assert answer(town, "district", tmp_path / "sheet.csv", "--overwrite") == 10
    said = capsys.readouterr().err
    assert "line 1 of the sheet holds another answer" in said
    assert "brother" not in said


def test_questions_and_sheets_are_replaced_only_when_asked(town, capsys):
    assert ask(town, "ask") == 10
    assert "exists" in capsys.readouterr().err
    assert open_sheet(town, "summer", "--overwrite") == 0
    assert open_sheet(town, "summer") == 10


def test_levels_can_be_kept_back(town):
    assert ask(town, "quiet", "--pairs", "9", "--without-levels") == 0
    from linkkit.agreement import Agreement
    from linkkit.exchange import ReviewRequest

    request = ReviewRequest.load(
        town / "quiet" / "district.review",
        agreement=Agreement.load(town / "agreement.yaml"),
        identity=Identity.load(town / "district" / "own.identity"),
    )
    assert request.fields == ()
