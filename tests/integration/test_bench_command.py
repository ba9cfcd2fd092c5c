"""`linkkit bench` from end to end at small sizes: real processes, real files, and what it refuses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from linkkit.bench import PEERS, BenchOptions, Peer, read_history, run_bench
from linkkit.cli import run

SOURCE = str(Path(sys.modules["linkkit"].__file__).parents[1])  # type: ignore[arg-type]
SMALL = ["--sizes", "300,600", "--repeat", "1", "--peers", "none"]

FAKE_PEER = """
from array import array
from pathlib import Path


def link(job):
    import sys
    yield "imported"
    assert "linkkit" not in sys.modules
    rows = list(range(job["n"] // 2))
    yield "ready"
    pairs = [rows, rows]
    yield "done"
    with Path(job["links"]).open("wb") as file:
        for side in pairs:
            array("q", side).tofile(file)
    return {"n_candidates": len(rows)}


def fail(job):
    yield "ready"
    raise RuntimeError("the peer broke")


TASKS = {"link": WHICH}
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("bench")
    stages = "import,encode,stream,link,compare,assign,cluster"
    options = ["--stages", stages, "--plot", str(folder / "plot.png")]
    status = run(["bench", *SMALL, *options, "--out", str(folder / "out.json")])
    return folder, status


@pytest.fixture(scope="module")
def document(measured) -> dict[str, Any]:
    (only,) = read_history(measured[0] / "out.json")
    return only


def test_it_ends_well_and_writes_results_and_plot(measured):
    folder, status = measured
    assert status == 0
    assert (folder / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in folder.iterdir()) == ["out.json", "plot.png"]


def test_results_say_what_was_measured_on_what_and_how(document):
    assert document["is_complete"] is True
    assert set(document["machine"]) == {
        "date", "processor", "cores", "memory_gb", "system", "python",
    }  # fmt: skip
    assert {"linkkit", "linkkit source", "numpy", "pyarrow"} <= set(document["versions"])
    assert document["options"]["sizes"] == [300, 600]
    assert document["options"]["seed"] == 0
    assert document["options"]["peers"] == []


def test_every_stage_was_measured_at_every_size(document):
    found = {(item["stage"], item["n_rows"]) for item in document["measurements"]}
    stages = ("encode", "stream", "link", "compare", "assign", "cluster")
    assert found == {("import", 0), *((stage, size) for stage in stages for size in (300, 600))}
    for item in document["measurements"]:
        assert item["status"] == "measured", item
        (one,) = item["runs"]
        assert one["cpu_seconds"] >= 0
        assert one["clock_seconds"] > 0
        assert one["peak_memory_mb"] is None or 5 < one["peak_memory_mb"] < 3_000


def test_links_are_good_and_counted(document):
    links = [item["medians"] for item in document["measurements"] if item["stage"] == "link"]
    for size, found in zip((300, 600), links, strict=True):
        assert found["precision"] >= 0.97
        assert found["recall"] >= 0.9
        assert 0 <= found["recall_with_errors"] <= found["recall"]
        assert size * 0.4 < found["n_links"] < size * 0.55
        assert found["n_comparisons"] == size * size
        assert found["n_candidates"] >= found["n_links"]


def test_single_stages_count_what_they_did(document):
    one = {i["stage"]: i["medians"] for i in document["measurements"] if i["n_rows"] == 600}
    assert one["compare"]["n_comparisons"] == 600 * 1_000
    assert 0 < one["assign"]["n_links"] < 600
    assert 1 < one["cluster"]["n_groups"] < 600
    assert one["encode"]["n_records"] == 2 * 600
    assert one["stream"]["n_records"] == 600


def test_importing_compiles_nothing(document):
    (item,) = [item for item in document["measurements"] if item["stage"] == "import"]
    assert item["runs"][0]["loads_compiler"] is False


def test_growth_is_stated(document):
    steps = {(step["stage"], step["from_rows"], step["to_rows"]) for step in document["growth"]}
    assert ("link", 300, 600) in steps
    assert all(step["rows"] == 2 for step in document["growth"])


def test_results_are_added_to_those_there_are(measured, tmp_path, capsys):
    path = shutil.copy(measured[0] / "out.json", tmp_path)
    command = ["bench", "--sizes", "300", "--repeat", "1", "--peers", "none", "--stages", "assign"]
    assert run([*command, "--seed", "1", "--out", path]) == 0
    runs = read_history(Path(path))
    assert [one["options"]["seed"] for one in runs] == [0, 1]
    output = capsys.readouterr().out
    assert "run 2 of its history" in output
    assert "| assign | linkkit |" in output


@pytest.fixture
def nothing_runs(monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was measured")

    monkeypatch.setattr("linkkit.bench.run_bench", refuse)


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--sizes", "0"], 10, "a size is a whole number of rows"),
        (["--sizes", "-5"], 10, "'-5' is no size"),
        (["--sizes", "many"], 10, "'many' is no size"),
        (["--sizes", "1e4"], 10, "'1e4' is no size"),
        (["--sizes", ""], 10, "no size is given"),
        (["--sizes", "900M"], 10, "a size is a whole number of rows"),
        (["--stages", "read"], 10, "there is no stage 'read'"),
        (["--profile", "clkhash"], 10, "there is no profile 'clkhash'"),
        (["--peers", "dedupe"], 10, "there is no peer 'dedupe'"),
        (["--peer-python", "splink=nowhere"], 10, "names no interpreter"),
        (["--peer-python", "splink"], 10, "names no interpreter"),
        (["--repeat", "0"], 10, "'repeat' is a whole number, 1 or more"),
        (["--repeat", "x"], 2, "not a valid integer"),
        (["--overlap", "2"], 10, "'overlap' is a share"),
        (["--names", "x"], 10, "there is no kind of names 'x'"),
        (["--plot", "plot.gif"], 10, "has no known format"),
        (["--plot", "plot.png", "--stages", "import"], 10, "no size that a plot could show"),
        (["--plot", "same.png", "--out", "same.png"], 10, "'same.png' is to be written twice"),
        (["--out", "."], 2, "is a directory"),
    ],
)
@pytest.mark.usefixtures("nothing_runs")
def test_wrong_input_is_refused_before_anything_runs(options, status, words, capsys):
    assert run(["bench", *options]) == status
    assert words in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_places_that_cannot_be_written_are_refused_before_anything_runs(option, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "out.png"
    assert run(["bench", *SMALL, option, str(path)]) == 10
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_runs")
def test_a_file_of_something_else_is_not_replaced(tmp_path, capsys):
    path = tmp_path / "mine.json"
    path.write_text('{"mine": 1}')
    assert run(["bench", *SMALL, "--out", str(path)]) == 10
    assert "holds no results of format linkkit-bench/1" in capsys.readouterr().err
    assert path.read_text() == '{"mine": 1}'


def test_sizes_may_be_written_short():
    from linkkit.cli.bench import size_of

    assert [size_of(text) for text in ("10k", "2M", "1_000", "7")] == [10_000, 2_000_000, 1_000, 7]


def fake_peer(monkeypatch, tmp_path: Path, which: str) -> None:
    path = tmp_path / "tasks.py"
    path.write_text(FAKE_PEER.replace("WHICH", which))
    peer = Peer(
        name="splink", packages=("json",), module=str(path), stages=("link",), most_rows=10**8
    )
    monkeypatch.setitem(PEERS, "splink", peer)


def test_a_peer_runs_in_its_own_python_without_linkkit_and_is_judged_alike(monkeypatch, tmp_path):
    fake_peer(monkeypatch, tmp_path, "link")
    options = BenchOptions(
        sizes=[300],
        stages=["link"],
        peers=["splink"],
        repeat=1,
        interpreters={"splink": Path(sys.executable)},
    )
    done = run_bench(options, tell=lambda _: None)
    found = done.find("splink", "link", 300)
    assert found is not None, done.failures
    assert found.medians["n_links"] == 150
    assert found.medians["precision"] < 0.1  # rows are in random order
    (ratio,) = [one for one in done.ratios() if one["of"] == "splink"]
    assert ratio["to"] == "linkkit, field: link"


def test_a_peer_that_fails_ends_the_command_with_a_status_of_its_own(monkeypatch, tmp_path, capsys):
    fake_peer(monkeypatch, tmp_path, "fail")
    out = tmp_path / "out.json"
    command = ["bench", "--sizes", "200", "--repeat", "2", "--stages", "link", "--out", str(out)]
    assert run([*command, "--peers", "splink"]) == 23
    captured = capsys.readouterr()
    assert "Error (benchmark): splink, link, 200 rows: RuntimeError: the peer broke" in captured.err
    (kept,) = read_history(out)
    assert {item["tool"]: item["status"] for item in kept["measurements"]} == {
        "linkkit": "measured",
        "splink": "failed",
    }


@pytest.mark.parametrize("name", list(PEERS))
def test_installed_peers_link_the_same_people(name):
    if PEERS[name].missing:
        pytest.skip(f"{name} is not installed")
    options = BenchOptions(sizes=[1_000], stages=["link"], peers=[name], repeat=1)
    done = run_bench(options, tell=lambda _: None)
    found = done.find(name, "link", 1_000)
    assert found is not None, done.failures
    assert found.medians["precision"] > 0.9
    assert found.medians["recall"] > 0.9


@pytest.mark.skipif(os.name == "nt", reason="signals of other systems")
def test_an_interrupted_run_leaves_what_it_has_measured(tmp_path):
    out = tmp_path / "out.json"
    command = [sys.executable, "-m", "linkkit", "bench", "--sizes", "200,3M", "--repeat", "1"]
    command += ["--stages", "import,assign", "--peers", "none", "--out", str(out)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": SOURCE, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for line in process.stdout:  # type: ignore[union-attr]
            if line.startswith("assign"):
                break
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Interrupted" in errors
    (kept,) = read_history(out)
    assert kept["is_complete"] is False
    assert [item["stage"] for item in kept["measurements"]] == ["import", "assign"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
