"""What is measured by the benchmark, in which order, and what becomes of it; with processes played."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linkkit.bench import (
    FORMAT,
    PEERS,
    STAGES,
    BenchOptions,
    BenchRun,
    Measurement,
    add_to_history,
    plot_scaling,
    read_history,
    report,
    run_bench,
)
from linkkit.bench import child as child_module
from linkkit.bench import measure as measure_module
from linkkit.bench import options as options_module
from linkkit.bench.chart import _apart, require_plot_possible, save_plot
from linkkit.bench.judge import judge
from linkkit.bench.results import require_no_failure, require_writable
from linkkit.errors import BenchmarkError, DependencyError, OptionError

QUALITY = {"precision": 1.0, "recall": 0.9, "recall_with_errors": 0.5}


class Played:
    """Stands in for the processes: notes what was to be run, and answers as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jobs: list[tuple[str, str, dict[str, Any]]] = []
        self.failing: dict[tuple[str, str], str] = {}
        self.seconds = iter(range(1, 1000))
        self.interrupt_after = 1_000
        monkeypatch.setattr(
            measure_module._Work, "_child", lambda _work, *names, **job: self.answer(*names, **job)
        )

    def answer(self, module: str, task: str, tool: str, **job: Any) -> dict[str, Any]:
        self.jobs.append((tool, task, job))
        if len(self.jobs) > self.interrupt_after:
            raise KeyboardInterrupt
        if (tool, task) in self.failing:
            raise measure_module._Failed(self.failing[tool, task])
        figures = {
            "cpu_seconds": float(next(self.seconds)),
            "clock_seconds": 1.0,
            "peak_memory_mb": 10.0,
        }
        if task == "link":
            return {**figures, **QUALITY, "n_comparisons": 100, "n_candidates": 5}
        if task == "make_files":
            return {**figures, "n_matches": job["n"] // 2}
        if task == "import_linkkit":
            return {**figures, "names_cpu_seconds": 0.5, "loads_compiler": False}
        return figures

    def tasks(self) -> list[str]:
        return [
            f"{tool} {task} {job.get('profile') or ''}".strip() for tool, task, job in self.jobs
        ]


@pytest.fixture
def played(monkeypatch) -> Played:
    return Played(monkeypatch)


@pytest.fixture
def all_installed(monkeypatch) -> None:
    monkeypatch.setattr(options_module, "find_spec", lambda _name: object())


def bench(**options: Any) -> BenchRun:
    told: list[str] = []
    run = run_bench(BenchOptions(**{"names": "mixed", **options}), tell=told.append)
    run.options["told"] = told
    return run


# --- What is run -------------------------------------------------------------------------------


def test_repeats_are_interleaved_and_linking_follows_encoding(played, all_installed):
    bench(sizes=[50], repeat=2, stages=["encode", "link"], profiles=["field", "standard"])
    one_round = [
        "linkkit encode field",
        "linkkit link field",
        "linkkit encode standard",
        "linkkit link standard",
        "splink link",
        "recordlinkage link",
        "anonlink encode",
        "anonlink link",
    ]
    warm = ["linkkit warm_up field", "linkkit warm_up standard"]
    assert played.tasks() == [*warm, "linkkit make_files", *one_round, *one_round]
    kept = [job["keep"] for _, task, job in played.jobs if task == "encode"]
    assert kept == [True, True, True, False, False, False]


def test_linking_alone_encodes_once_and_shows_no_encoding(played):
    run = bench(sizes=[50], repeat=3, stages=["link"], peers=[])
    assert played.tasks().count("linkkit encode field") == 1
    assert played.tasks().count("linkkit link field") == 3
    assert [item.stage for item in run.measurements] == ["link"]


def test_single_stages_make_no_people(played):
    bench(sizes=[50, 20, 50], stages=["compare", "assign", "cluster"], repeat=1, peers=[])
    assert "linkkit make_files" not in played.tasks()
    assert [job["n"] for _, task, job in played.jobs if task == "assign"] == [20, 50]


def test_importing_is_measured_once_for_all_sizes(played):
    run = bench(sizes=[20, 50], stages=["import"], repeat=2)
    assert played.tasks() == ["linkkit warm_up field", *["linkkit import_linkkit"] * 2]
    assert [(item.stage, item.n_rows) for item in run.measurements] == [("import", 0)]
    assert "compiler is not loaded" in report(run)


def test_medians_are_of_all_repeats(played):
    run = bench(sizes=[50], stages=["compare"], repeat=3, peers=[])
    (item,) = run.measurements
    seconds = [one["cpu_seconds"] for one in item.runs]
    assert item.medians["cpu_seconds"] == sorted(seconds)[1]


def test_peers_that_are_not_installed_are_named_with_what_to_install(played, monkeypatch):
    monkeypatch.setattr(
        options_module, "find_spec", lambda name: None if name in {"splink", "anonlink"} else 1
    )
    run = bench(sizes=[50, 60], repeat=1)
    absent = {(i.tool, i.stage, i.n_rows): i for i in run.measurements if not i.is_measured}
    assert set(absent) == {
        (tool, stage, size)
        for tool, stage in (("splink", "link"), ("anonlink", "encode"), ("anonlink", "link"))
        for size in (50, 60)
    }
    assert {item.status for item in absent.values()} == {"not installed"}
    assert absent["splink", "link", 50].note == "pip install splink"
    assert report(run).count("splink, link: not installed: pip install splink") == 1
    assert sum("pip install splink" in line for line in run.options["told"]) == 1
    assert run.find("recordlinkage", "link", 60)


def test_a_peer_with_a_python_of_its_own_needs_not_be_installed_here(played, monkeypatch):
    monkeypatch.setattr(options_module, "find_spec", lambda name: None if name == "splink" else 1)
    run = bench(
        sizes=[50], repeat=1, peers=["splink"], interpreters={"splink": Path(sys.executable)}
    )
    assert run.find("splink", "link", 50)


def test_peers_that_cannot_cope_are_left_out_of_larger_files_and_that_is_said(
    played, all_installed
):
    run = bench(sizes=[20_000, 20_001, 100_001], repeat=1, stages=["link"])
    left_out = {(item.tool, item.n_rows) for item in run.measurements if item.status == "left out"}
    assert left_out == {("anonlink", 20_001), ("anonlink", 100_001), ("recordlinkage", 100_001)}
    assert "anonlink, link at 20,001 rows: left out: above 20,000 rows" in report(run)


def test_text_files_are_written_only_for_who_reads_them(played, all_installed):
    bench(sizes=[100, 30_000], repeat=1)
    assert [job["csv"] for _, task, job in played.jobs if task == "make_files"] == [True, False]


# --- What fails --------------------------------------------------------------------------------


def test_what_fails_is_told_and_stops_nothing_else(played, all_installed):
    played.failing = {("splink", "link"): "MemoryError: out", ("linkkit", "compare"): "ended"}
    run = bench(sizes=[50, 60], repeat=2, stages=["compare", "assign", "link"])
    assert played.tasks().count("splink link") == 2  # once a size
    assert played.tasks().count("linkkit assign") == 4
    assert run.is_complete
    assert len(run.failures) == 4
    assert "splink, link, 50 rows: MemoryError: out" in run.failures
    assert "splink, link at 60 rows: failed: MemoryError: out" in report(run)
    with pytest.raises(BenchmarkError, match="splink, link, 60 rows") as caught:
        require_no_failure(run)
    assert caught.value.exit_status == 23


def test_nothing_is_linked_that_was_not_encoded(played):
    played.failing = {("linkkit", "encode"): "ended by signal 9"}
    run = bench(sizes=[50], repeat=2, stages=["link"], peers=[])
    assert "linkkit link field" not in played.tasks()
    assert [(item.stage, item.status) for item in run.measurements] == [("encode", "failed")]
    report(run)


def test_files_that_cannot_be_made_are_a_failure_of_their_size(played):
    played.failing = {("linkkit", "make_files"): "OSError: no space"}
    run = bench(sizes=[50], repeat=1, peers=[])
    assert run.failures == ["linkkit, make files, 50 rows: OSError: no space"]


def test_warming_up_may_fail(played):
    played.failing = {("linkkit", "warm_up"): "ended"}
    run = bench(sizes=[50], repeat=1, peers=[])
    assert run.options["told"][0] == "warming up 'field' failed: ended"
    assert run.find("linkkit", "link", 50, "field")


def test_what_was_measured_before_an_interruption_is_kept(played, tmp_path):
    played.interrupt_after = 5
    path = tmp_path / "out.json"
    options = BenchOptions(sizes=[50, 60], repeat=1, peers=[], names="mixed")
    with pytest.raises(KeyboardInterrupt):
        run_bench(options, tell=lambda _: None, save=lambda run: add_to_history(path, [], run))
    (kept,) = read_history(path)
    assert kept["is_complete"] is False
    assert [item["stage"] for item in kept["measurements"]] == ["import", "encode", "link"]


def test_an_interruption_ends_the_process_that_is_measured(monkeypatch, tmp_path):
    killed = []

    class Process:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def __enter__(self) -> Process:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def wait(self) -> int:
            raise KeyboardInterrupt

        def kill(self) -> None:
            killed.append(1)

    monkeypatch.setattr(measure_module.subprocess, "Popen", Process)
    with pytest.raises(KeyboardInterrupt):
        measure_module._run("python", tmp_path, {})
    assert killed == [1]


# --- Options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sizes": []}, "no size is given"),
        ({"sizes": [0]}, "a size is a whole number of rows, 1 to 100,000,000"),
        ({"sizes": [10, -3]}, "a size is a whole number"),
        ({"sizes": [10.5]}, "a size is a whole number"),
        ({"sizes": [200_000_000]}, "a size is a whole number"),
        ({"stages": []}, "no stage is named"),
        ({"stages": ["lnk"]}, "there is no stage 'lnk'; known: import, encode, stream"),
        ({"stages": ["link", "link"]}, "a stage is named twice"),
        ({"profiles": []}, "no profile is named"),
        ({"profiles": ["clk"]}, "there is no profile 'clk'; known: field, standard, hardened"),
        ({"peers": ["dedupe"]}, "there is no peer 'dedupe'; known: splink"),
        ({"interpreters": {"x": Path()}}, "no peer with a Python of its own 'x'"),
        ({"repeat": 0}, "'repeat' is a whole number, 1 or more"),
        ({"seed": -1}, "'seed' is a whole number, 0 or more"),
        ({"overlap": 2}, "'overlap' is a share, 0 to 1"),
        ({"errors": -0.1}, "'errors' is a share"),
        ({"names": "none"}, "there is no kind of names 'none'; known: census, mixed"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(OptionError, match=words):
        BenchOptions(**options)


def test_all_problems_are_told_at_once():
    with pytest.raises(OptionError) as caught:
        BenchOptions(sizes=[0], stages=["x"], peers=["y"])
    assert len(caught.value.problems) == 3


def test_missing_names_of_the_census_are_told_before_anything_runs(monkeypatch):
    monkeypatch.setattr(options_module, "find_spec", lambda _name: None)
    with pytest.raises(DependencyError, match="'names', which is not installed") as caught:
        BenchOptions()
    assert "--names mixed" in caught.value.hint
    BenchOptions(names="mixed")


def test_every_peer_has_a_file_of_tasks_that_loads_without_it():
    for peer in PEERS.values():
        path = Path(measure_module.__file__).with_name(peer.module)
        assert set(child_module._tasks_of(str(path))) == set(peer.stages)
        assert set(peer.stages) <= set(STAGES)


# --- Figures -----------------------------------------------------------------------------------


def made(tool: str, stage: str, n: int, cpu: float, **more: Any) -> Measurement:
    profile = more.pop("profile", None)
    figures = {"cpu_seconds": cpu, "clock_seconds": cpu, "peak_memory_mb": 100.0 * cpu, **more}
    return Measurement(tool=tool, stage=stage, n_rows=n, profile=profile, runs=[figures])


@pytest.fixture
def run() -> BenchRun:
    options = {
        "profiles": ["field", "standard"],
        "stages": ["encode", "link", "compare"],
        "peers": ["splink", "anonlink"],
        "repeat": 1,
    }
    machine = {
        "date": "2026-01-02T03:04:05+00:00",
        "processor": "A processor",
        "cores": 2,
        "memory_gb": 8.0,
        "python": "3.11.7",
    }
    measurements = []
    for n, cpu in ((100, 1.0), (1_000, 8.0), (10_000, 88.0)):
        measurements += [
            made("linkkit", "compare", n, cpu),
            made("splink", "link", n, 3 * cpu, precision=0.99, recall=0.8, recall_with_errors=0.7),
            made("linkkit", "encode", n, cpu / 2, profile="field"),
            made(
                "linkkit", "link", n, cpu, profile="field", precision=1.0, recall=0.9,
                recall_with_errors=0.8, n_comparisons=n * n,
            ),
            made("linkkit", "link", n, 4 * cpu, profile="standard", precision=1.0, recall=0.89),
        ]  # fmt: skip
    measurements.append(made("anonlink", "link", 100, 0.5, precision=0.5, recall=1.0))
    return BenchRun(machine=machine, options=options, measurements=measurements)


def test_growth_is_from_size_to_size_and_over_all(run):
    steps = [
        (step["from_rows"], step["to_rows"], step["cpu_seconds"])
        for step in run.growth()
        if (step["of"], step["stage"]) == ("linkkit, field", "link")
    ]
    assert steps == [(100, 1_000, 8.0), (1_000, 10_000, 11.0), (100, 10_000, 88.0)]


def test_ratios_are_to_linkkits_first_profile(run):
    found = {(r["of"], r["to"], r["n_rows"]): r for r in run.ratios()}
    splink = found["splink", "linkkit, field: link", 1_000]
    assert splink["cpu_seconds"] == 3.0
    assert splink["recall_difference"] == pytest.approx(-0.1)
    assert splink["recall_with_errors_difference"] == pytest.approx(-0.1)
    both = found["splink", "linkkit, field: encode + link", 1_000]
    assert both["cpu_seconds"] == 2.0
    assert both["peak_memory_mb"] == 3.0  # of the larger process
    standard = found["linkkit, standard", "linkkit, field: link", 10_000]
    assert standard["cpu_seconds"] == 4.0
    assert standard["recall_difference"] == pytest.approx(-0.01)
    assert not any(name.startswith("linkkit, field") or name == "linkkit" for name, _, _ in found)


def test_no_ratio_is_made_up_where_linkkit_was_not_measured(run):
    run.measurements = [item for item in run.measurements if item.tool != "linkkit"]
    assert run.ratios() == []
    run.measurements = [item for item in run.measurements if item.stage != "encode"]
    assert not any("encode" in ratio["to"] for ratio in run.ratios())


def test_the_report_is_by_stage_tool_and_size(run):
    text = report(run)
    link = [line.split("|")[2].strip() for line in text.splitlines() if line.startswith("| link ")]
    assert link[:10] == [
        *["linkkit, field"] * 3, *["linkkit, standard"] * 3, *["splink"] * 3, "anonlink",
    ]  # fmt: skip
    assert "100.0 M" in text  # comparisons of 10,000 x 10,000
    assert "A processor, 2 cores, 8.0 GB, Python 3.11.7" in text


def test_a_system_that_does_not_tell_memory_is_no_obstacle(run):
    for item in run.measurements:
        item.runs[0]["peak_memory_mb"] = None
    run.machine["memory_gb"] = None
    assert "memory MB" not in report(run)
    assert all(step["peak_memory_mb"] is None for step in run.growth())
    json.dumps(run.as_document(), allow_nan=False)
    plot_scaling(run)


def test_links_are_judged_by_the_truth(tmp_path):
    truth = {
        "left": np.array([0, 1, 2, 4]),
        "right": np.array([9, 8, 7, 3]),
        "with_errors": np.array([False, False, True, True]),
    }
    np.savez(tmp_path / "truth.npz", **truth)
    np.array([[0, 1, 2, 5, 0], [9, 8, 7, 5, 9]], dtype="<i8").tofile(tmp_path / "links")
    found = judge(tmp_path / "links", tmp_path / "truth.npz", n_rows=10)
    assert found == {
        "n_links": 4,
        "precision": 0.75,
        "recall": 0.75,
        "recall_with_errors": 0.5,
    }
    np.array([[], []], dtype="<i8").tofile(tmp_path / "links")
    assert judge(tmp_path / "links", tmp_path / "truth.npz", n_rows=10) == {
        "n_links": 0,
        "recall": 0.0,
        "recall_with_errors": 0.0,
    }


# --- History and plot --------------------------------------------------------------------------


def test_history_grows_and_has_its_format(run, tmp_path):
    path = tmp_path / "new folder" / "history.json"
    assert read_history(path) == []
    add_to_history(path, [], run)
    earlier = read_history(path)
    add_to_history(path, earlier, run)
    document = json.loads(path.read_text())
    assert document["format"] == FORMAT == "linkkit-bench/1"
    assert len(document["runs"]) == 2
    assert document["runs"][0] == document["runs"][1]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "other/1", "runs": []}', "\xff"])
def test_files_that_hold_something_else_are_not_replaced(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(OptionError, match=r"mine\.json"):
        read_history(path)
    assert path.read_bytes() == content.encode("latin-1")


def test_places_that_cannot_be_written_are_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be written"):
        require_writable(tmp_path / "file" / "out.json")
    with pytest.raises(OptionError, match="cannot be written"):
        require_writable(tmp_path)
    require_writable(tmp_path / "new" / "out.json")
    assert not (tmp_path / "new" / "out.json").exists()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "PNG"])
def test_the_plot_is_written_in_the_format_of_its_name(run, tmp_path, ending):
    path = tmp_path / f"plot.{ending}"
    require_plot_possible(path, BenchOptions(names="mixed"))
    save_plot(plot_scaling(run), path)
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending.lower()]
    assert path.read_bytes().startswith(start)


def test_plots_of_unknown_formats_are_refused(tmp_path):
    with pytest.raises(OptionError, match=r"no known format") as caught:
        require_plot_possible(tmp_path / "plot.jpeg2", BenchOptions(names="mixed"))
    assert ".png, .svg, .pdf" in caught.value.hint


def test_the_plot_draws_every_line_on_logarithmic_scales(run):
    figure = plot_scaling(run)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "CPU seconds",
        "Peak memory in MB",
        "CPU seconds of a stage",
        "Peak memory in MB of a stage",
    ]
    time = figure.axes[0]
    assert (time.get_xscale(), time.get_yscale()) == ("log", "log")
    lines = {line.get_label(): line for line in time.get_lines()}
    assert lines["linkkit, field: link"].get_ydata().tolist() == [1.0, 8.0, 88.0]
    assert lines["splink: link"].get_xdata().tolist() == [100, 1_000, 10_000]
    named = {text.get_text() for text in time.texts}
    assert {"linkkit, field: encode", "splink: link", "anonlink: link"} <= named
    (guide,) = time.get_legend().get_texts()
    assert guide.get_text() == "in proportion to the rows"


def test_one_size_can_be_plotted_and_none_cannot(run):
    run.measurements = [item for item in run.measurements if item.n_rows == 100]
    plot_scaling(run)
    run.measurements = []
    with pytest.raises(OptionError, match="nothing was measured that could be drawn"):
        plot_scaling(run)


def test_names_in_the_plot_keep_apart():
    places = _apart([0.0, 0.01, 0.5, 0.51, 0.52, 0.99, 1.0])
    assert places == sorted(places)
    assert min(np.diff(places)) >= 0.05 - 1e-9
    assert places[0] >= 0
    assert places[-1] <= 1
    assert _apart([0.2, 0.8]) == pytest.approx([0.2, 0.8])


# --- The process that measures -----------------------------------------------------------------

TASKS = """
def fine(job):
    yield "imported"
    numbers = list(range(100_000))
    yield "ready"
    total = sum(numbers)
    yield "done"
    return {"total": total}


def broken(job):
    yield "ready"
    raise ValueError("first line\\nsecond line")


TASKS = {"fine": fine, "broken": broken}
"""


def run_child(tmp_path: Path, task: str) -> tuple[int, dict[str, Any]]:
    (tmp_path / "tasks.py").write_text(TASKS)
    job = {"module": str(tmp_path / "tasks.py"), "task": task, "packages": ["numpy", "no-such"]}
    job["answer"] = str(tmp_path / "answer.json")
    (tmp_path / "job.json").write_text(json.dumps(job))
    status = child_module.main(str(tmp_path / "job.json"))
    return status, json.loads((tmp_path / "answer.json").read_text())


def test_a_task_is_measured_between_its_marks(tmp_path):
    status, answer = run_child(tmp_path, "fine")
    assert status == 0
    assert answer["total"] == 4_999_950_000
    assert answer["versions"] == {"numpy": np.__version__}
    assert answer["cpu_seconds"] >= 0
    assert answer["clock_seconds"] >= 0
    assert answer["import_cpu_seconds"] >= 0
    assert answer["peak_memory_mb"] is None or answer["peak_memory_mb"] > 1


def test_what_a_task_raises_is_its_answer(tmp_path):
    status, answer = run_child(tmp_path, "broken")
    assert status == 1
    assert answer == {"error": "ValueError: first line"}


def test_peers_block_by_the_same_rules():
    from linkkit.bench import with_recordlinkage, with_splink

    assert with_splink.RULES == with_recordlinkage.RULES
    assert len(set(with_splink.RULES)) == 10
