"""Interrupted comparing goes on with what was finished: in passes and of filters, all pairs and tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.engines import Partitions, Progress, ProgressEvent, silent
from linkkit.errors import LinkageError, OptionError
from linkkit.exchange import EncodedExtract, EncodingSpec, RecordFilterSpec
from linkkit.linkage.block import plan_passes
from linkkit.linkage.compare import find_candidates, find_pairs, similar_pairs
from linkkit.linkage.compare.kept import PAIR_TYPES
from linkkit.linkage.compare.passes import pairs as pass_pairs
from linkkit.linkage.compare.passes import scan, table_run
from linkkit.linkage.compare.passes.table_run import TableRun
from linkkit.linkage.compare.vectors import record_filters, similar, tables
from linkkit.linkage.pool import Pool, make_pool

Answer = tuple[dict[str, npt.NDArray[Any]], Any]
Make = Callable[..., pd.DataFrame]

FLOOR = 0.72


class Way(NamedTuple):
    """One way to find pairs, and what runs once for each of its tasks."""

    find: Callable[..., Answer]
    worker: type
    method: str


def fields_of(pairs: Any) -> dict[str, npt.NDArray[Any]]:
    columns = {field.name: getattr(pairs, field.name) for field in dataclasses.fields(pairs)}
    return {name: column for name, column in columns.items() if column is not None}


@pytest.fixture(scope="module")
def in_passes(
    plain_agreement: Callable[..., Agreement],
    encode_plainly: Callable[..., EncodedExtract],
    made_people: Make,
) -> Pool:
    """Two parties of 300 and 250 people, one of which may hold a person twice."""
    document = plain_agreement().model_dump(mode="json", exclude_defaults=True)
    document["linkage"]["profile"] = "standard"
    agreement, people = Agreement.from_document(document), made_people(400, seed=1)
    south = people.iloc[150:].copy()
    south.loc[south.index[::7], "postal_code"] = "10101"
    south.loc[south.index[::11], "surname"] = "another"
    extracts = [
        encode_plainly(people.iloc[:300], agreement, "north"),
        encode_plainly(south, agreement, "south"),
    ]
    return make_pool([extracts[0], dataclasses.replace(extracts[1], one_record_per_person=False)])


@pytest.fixture(scope="module")
def of_filters() -> Pool:
    """Three parties of 1,200, 1,000 and 0 filters; in one are near duplicates, and all have a crowd."""
    rng = np.random.default_rng(0)
    left, right = (rng.random((n, 1024)) < 0.45 for n in (1_000, 800))
    right[:500] = left[:500] ^ (rng.random((500, 1024)) < 0.12)
    right[700:] = right[:100] ^ (rng.random((100, 1024)) < 0.04)
    crowd = (rng.random(1024) < 0.4) ^ (rng.random((400, 1024)) < 0.002)
    bits = np.concatenate([left, crowd[:200], right, crowd[200:]])
    spec = RecordFilterSpec(name="clk", n_bits=1024, schema_digest="0" * 64, standardize="none")
    return Pool(
        agreement_id="random",
        agreement_fingerprint="0" * 64,
        spec=EncodingSpec(
            profile="clkhash", encoding_version=1, standardization_version=1, records=(spec,)
        ),
        parties=("north", "south", "west"),
        clean=np.array([True, False, True]),
        party=np.repeat(np.arange(2), [1_200, 1_000]),
        tokens=rng.integers(0, 256, size=(2_200, 16), dtype=np.uint8),
        words=np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64),
        present=np.zeros((2_200, 0), dtype=bool),
        block_keys=np.zeros((2_200, 0), dtype=np.uint64),
    )


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut even small work into many tasks and partitions."""
    monkeypatch.setattr("linkkit.linkage.compare.kept._LEAST_TASKS", 1)
    monkeypatch.setattr(scan, "_COMPARISONS_PER_CHUNK", 20_000)
    monkeypatch.setattr(scan, "_ROWS_PER_CHUNK", 1)
    monkeypatch.setattr(similar, "_COMPARISONS_PER_CHUNK", 50_000)
    monkeypatch.setattr(tables, "_MOST_PARTNERS", 50)
    monkeypatch.setattr(tables, "_PARTNERS_OVER_EXPECTED", 0)


@pytest.fixture(params=["passes", "passes in tables", "filters", "filters in tables"])
def way(request: pytest.FixtureRequest, in_passes: Pool, of_filters: Pool) -> Way:
    block: Any = "blocks" if "tables" in request.param else "exhaustive"

    def passes(**how: Any) -> Answer:
        pairs, plan = find_pairs(in_passes, plan_passes(in_passes, block=block), **how)
        return fields_of(pairs), plan

    def filters(**how: Any) -> Answer:
        pairs, plan, _ = find_candidates(of_filters, floor=FLOOR, block=block, **how)
        return fields_of(pairs), plan

    return {
        "passes": Way(passes, scan._Scan, "__call__"),
        "passes in tables": Way(passes, TableRun, "tables"),
        "filters": Way(filters, similar.VectorScan, "__call__"),
        "filters in tables": Way(filters, tables._Table, "__call__"),
    }[request.param]


def counted(way: Way, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with each task."""
    calls: list[int] = []
    plain = getattr(way.worker, way.method)

    def run(*task: Any) -> Any:
        calls.append(1)
        return plain(*task)

    monkeypatch.setattr(way.worker, way.method, run)
    return calls


def store_in(folder: Path) -> Partitions:
    return Partitions(PAIR_TYPES, folder=folder, work="test")


def interrupted(way: Way, folder: Path, *, after: float, n_threads: int = 1) -> None:
    """Find pairs until more than so many comparisons are done."""

    def stop(event: ProgressEvent) -> None:
        if event.done > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), store_in(folder) as store:
        way.find(store=store, n_threads=n_threads, progress=stop)


def resumed(way: Way, folder: Path, *, progress: Progress = silent, n_threads: int = 2) -> Answer:
    with store_in(folder) as store:
        return way.find(store=store, n_threads=n_threads, progress=progress)


def assert_same(one: Answer, other: Answer) -> None:
    assert one[0].keys() == other[0].keys()
    for name, column in one[0].items():
        assert column.dtype == other[0][name].dtype
        assert np.array_equal(column, other[0][name]), name
    assert one[1] == other[1]


def test_interrupted_work_goes_on_where_it_was(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = way.find(n_threads=1)
    assert len(whole[0]["left"]) > 100
    calls = counted(way, monkeypatch)
    events: list[ProgressEvent] = []
    assert_same(resumed(way, tmp_path / "whole", progress=events.append), whole)
    n_whole, last = len(calls), events[-1]
    interrupted(way, tmp_path / "work", after=0.7 * whole[1].n_comparisons)
    assert len(list((tmp_path / "work").glob("*.arrow"))) >= 2
    calls.clear()
    events.clear()
    assert_same(resumed(way, tmp_path / "work", progress=events.append), whole)
    assert 0 < len(calls) < 0.7 * n_whole
    done = [event.done for event in events]
    assert done == sorted(done)
    assert events[-1] == last
    assert list((tmp_path / "work").iterdir()) == []


def test_it_makes_no_difference_when_and_how_often_work_was_interrupted(
    way: Way, tmp_path: Path
) -> None:
    whole = way.find()
    for share in (0, 0.2, 0.6, 0.9):
        interrupted(way, tmp_path, after=share * whole[1].n_comparisons, n_threads=1 + round(share))
    assert_same(resumed(way, tmp_path, n_threads=1), whole)


def test_it_makes_no_difference_which_partitions_are_there(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = way.find()
    interrupted(way, tmp_path, after=0.95 * whole[1].n_comparisons)
    files = sorted(tmp_path.glob("*.arrow"))
    assert len(files) > 4
    for file in files[::2]:
        file.unlink()
    calls = counted(way, monkeypatch)
    assert_same(resumed(way, tmp_path), whole)
    assert len(calls) > 0


def test_what_compiled_code_found_is_gone_on_with_where_there_is_none(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = way.find()
    interrupted(way, tmp_path, after=0.7 * whole[1].n_comparisons)
    for module in (scan, table_run, pass_pairs, similar, tables):
        monkeypatch.setattr(module, "has_numba", lambda: False)
    assert_same(resumed(way, tmp_path), whole)


def test_little_memory_makes_no_difference(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    whole = way.find()
    for memory in (None, 500):
        with Partitions(PAIR_TYPES, memory=memory) as store:
            assert_same(way.find(store=store), whole)
            assert (len(store) > 0) == (memory is not None)
    assert list(tmp_path.iterdir()) == []


def test_finished_partitions_stay_when_the_disk_is_full(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, put, names = way.find(), Partitions.put, list[str]()

    def full(self: Partitions, name: str, columns: Any) -> None:
        if len(names) == 3:
            raise OptionError("results cannot be kept on disk", hint="Give more.")
        names.append(name)
        put(self, name, columns)

    with monkeypatch.context() as patched:
        patched.setattr(Partitions, "put", full)
        with pytest.raises(OptionError, match="cannot be kept"):
            resumed(way, tmp_path)
    assert names == sorted(names)
    assert sorted(file.stem for file in tmp_path.glob("*.arrow")) == names
    assert_same(resumed(way, tmp_path), whole)


def test_filters_that_were_set_aside_are_counted_over_all_tables(
    of_filters: Pool, tmp_path: Path
) -> None:
    with store_in(tmp_path) as store:
        _, plan, _ = find_candidates(of_filters, floor=FLOOR, block="blocks", store=store)
    assert not plan.is_exhaustive
    assert len(plan.warnings) == 1
    assert "filters that hardly differ were set aside" in plan.warnings[0]


def test_partitions_of_filters_hold_each_pair_once(of_filters: Pool, tmp_path: Path) -> None:
    words = of_filters.words
    with store_in(tmp_path) as store:
        pairs, plan, _ = find_candidates(of_filters, floor=0.0, block="exhaustive", store=store)
        assert len(store) == len(pairs) == plan.n_pairs == 1_200 * 1_000 + 1_000 * 999 // 2
    pairs, _, _ = find_candidates(of_filters, floor=FLOOR, block="exhaustive")
    within = similar_pairs(words[1_200:], threshold=FLOOR)
    assert ((pairs.left >= 1_200).sum(), len(within)) == (len(within), len(within))
    assert len(within) > 100


def test_more_candidates_than_allowed_are_refused_with_and_without_a_folder(
    of_filters: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_filters, "MOST_CANDIDATES", 500_000)
    with store_in(tmp_path) as store:
        find_candidates(of_filters, floor=FLOOR, block="exhaustive", store=store)
    # Those of a partition are few enough, 1,200,000 in all are not, and it stays so.
    for _ in range(2):
        with (
            pytest.raises(LinkageError, match="more than 500,000 pairs"),
            store_in(tmp_path) as kept,
        ):
            find_candidates(of_filters, floor=0.0, block="exhaustive", store=kept)
