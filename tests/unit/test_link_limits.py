"""Linking within limits: of memory, of pairs, of patience. The people found stay the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.engines import ProgressEvent
from linkkit.errors import LinkageError, OptionError
from linkkit.exchange import EncodedExtract
from linkkit.linkage import LinkForecast, forecast_link, link
from linkkit.linkage.block import Block
from linkkit.linkage.pool import make_pool
from linkkit.linkage.routes.work import memory_of_records

Encode = Callable[..., EncodedExtract]
Make = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def two(
    plain_agreement: Callable[..., Agreement], encode_plainly: Encode, made_people: Make
) -> list[EncodedExtract]:
    """Two parties of 900 and 800 people, 500 of them the same, and many namesakes."""
    plain, everybody = plain_agreement(), made_people(1_200, seed=1)
    everybody["given_name"] = everybody["given_name"].str[:1] + "nna"
    everybody["surname"] = everybody["surname"].str[:2] + "erson"
    return [
        encode_plainly(everybody.iloc[:900], plain, "north"),
        encode_plainly(everybody.iloc[400:], plain, "south"),
    ]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut even small work into many tasks and partitions."""
    monkeypatch.setattr("linkkit.linkage.compare.fields.scans._COMPARISONS_PER_CHUNK", 9_000)
    monkeypatch.setattr("linkkit.linkage.block.keys._PAIRS_PER_PIECE", 50)
    monkeypatch.setattr("linkkit.linkage.compare.kept._LEAST_TASKS", 2)
    monkeypatch.setattr("linkkit.engines.local._ROWS_AT_ONCE", 100)


def least_memory(extracts: list[EncodedExtract], plan: Any) -> int:
    return memory_of_records(make_pool(extracts), plan) + 1


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("block", ["exhaustive", "blocks"])
def test_pairs_that_go_to_disk_make_the_same_people(
    two: list[EncodedExtract], block: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    whole = link(two, block=block)
    least = least_memory(two, whole.plan)
    small = link(two, block=block, memory_limit=least)
    assert isinstance(small.pairs.scored.left, np.memmap)
    assert list(tmp_path.iterdir()) == []
    assert small.crosswalk.table.equals(whole.crosswalk.table)
    assert small.quality.n_links == whole.quality.n_links
    assert small.quality.precision == pytest.approx(whole.quality.precision)
    keys = ["left_token", "right_token"]
    frames = [r.pairs.to_pandas().sort_values(keys, ignore_index=True) for r in (whole, small)]
    pd.testing.assert_frame_equal(*frames)


def test_records_that_do_not_fit_are_refused_before_any_work(two: list[EncodedExtract]) -> None:
    events: list[ProgressEvent] = []
    with pytest.raises(LinkageError, match="linking takes .* is the limit") as caught:
        link(two, memory_limit="10 kB", progress=events.append)
    assert "Give a 'memory_limit' above" in caught.value.hint
    assert events == []


def test_a_machine_without_memory_is_told_so(
    two: list[EncodedExtract], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkkit.linkage.routes.work.available_memory", lambda: 1_000)
    with pytest.raises(LinkageError, match="is free"):
        link(two)
    monkeypatch.setattr("linkkit.linkage.routes.work.available_memory", lambda: None)
    assert link(two).quality.n_links > 400


@pytest.mark.parametrize("block", ["exhaustive", "blocks"])
def test_fewer_pairs_are_kept_where_that_costs_no_match(
    two: list[EncodedExtract], block: Any
) -> None:
    whole = link(two, block=block)
    assert len(whole.pairs) > 520
    few = link(two, block=block, max_pairs=515)
    assert 500 <= len(few.pairs) <= 515
    assert few.quality.n_links == pytest.approx(whole.quality.n_links, abs=5)
    assert forecast_link(two, block=block, max_pairs=515).n_candidates <= 515


def test_too_few_pairs_are_refused_rather_than_matches_lost(two: list[EncodedExtract]) -> None:
    with pytest.raises(LinkageError, match="more than 'max_pairs'"):
        link(two, max_pairs=100)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("block", ["exhaustive", "blocks"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_work_goes_on_where_it_was(
    two: list[EncodedExtract],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    block: Any,
    error: type[BaseException],
) -> None:
    def stop(event: ProgressEvent) -> None:
        if event.done > event.total // 2:
            raise error

    calls: list[slice] = []
    n_records = sum(len(extract) for extract in two)
    for name in ("RowScan", "BlockScan"):
        plain = getattr(__import__("linkkit.linkage.compare.fields.scans", fromlist=[name]), name)
        run = plain.__call__

        def counted(self: Any, task: slice, run: Any = run) -> Any:
            # Within a party a sample is compared anew, to see what strangers have in common.
            if len(self.comparison.words) == n_records:
                calls.append(task)
            return run(self, task)

        monkeypatch.setattr(plain, "__call__", counted)
    whole = link(two, block=block, n_threads=1)
    n_whole = len(calls)
    with pytest.raises(error):
        link(two, block=block, n_threads=1, progress=stop, work_folder=tmp_path / "work")
    assert len(list((tmp_path / "work").glob("*.arrow"))) >= 2
    calls.clear()
    events: list[ProgressEvent] = []
    again = link(
        two[::-1], block=block, n_threads=2, progress=events.append, work_folder=tmp_path / "work"
    )
    assert 0 < len(calls) < 0.7 * n_whole
    assert events[-1].done == events[-1].total == whole.plan.n_comparisons
    assert again.crosswalk.table.equals(whole.crosswalk.table)
    assert list((tmp_path / "work").iterdir()) == []


def test_the_work_of_another_linkage_is_not_taken(
    two: list[EncodedExtract],
    plain_agreement: Callable[..., Agreement],
    encode_plainly: Encode,
    made_people: Make,
    tmp_path: Path,
) -> None:
    def stop(_: ProgressEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        link(two, progress=stop, work_folder=tmp_path)
    other = [*two[:1], encode_plainly(made_people(800, seed=9), plain_agreement(), "south")]
    with pytest.raises(OptionError, match="unfinished work of another linkage"):
        link(other, work_folder=tmp_path)
    assert link(two, work_folder=tmp_path).quality.n_links > 400


@pytest.mark.parametrize("option", ["max_pairs", "memory_limit"])
@pytest.mark.parametrize("value", [0, -1, "much", True])
def test_limits_that_are_none_are_refused(
    two: list[EncodedExtract], option: str, value: object
) -> None:
    with pytest.raises(OptionError, match=f"'{option}' is a number of"):
        link(two, **{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("block", ["exhaustive", "blocks"])
def test_a_forecast_comes_near_to_what_happens(two: list[EncodedExtract], block: Any) -> None:
    forecast, result = forecast_link(two, block=block), link(two, block=block)
    assert isinstance(forecast, LinkForecast)
    assert forecast.n_comparisons == result.plan.n_comparisons
    assert forecast.n_candidates == pytest.approx(len(result.pairs), rel=0.3)
    assert forecast.n_records == {"north": 900, "south": 800}
    filters = [item.words.nbytes for extract in two for item in extract.filters.values()]
    assert forecast.memory > forecast.memory_of_records > sum(filters)
    assert 0 < forecast.seconds < 100
    assert forecast.crosswalk == pytest.approx(result.crosswalk.table.nbytes, rel=0.5)
    text = str(forecast)
    assert "candidate pairs in about" in text
    assert "beside the extracts" in text


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_pairs_are_written_piece_by_piece(
    two: list[EncodedExtract], tmp_path: Path, suffix: str
) -> None:
    pairs = link(two).pairs
    file = pairs.save(tmp_path / f"pairs.{suffix}")
    read = pd.read_parquet if suffix == "parquet" else pd.read_feather
    pd.testing.assert_frame_equal(read(file), pairs.to_pandas())
    tokens = {bytes(token).hex() for extract in two for token in extract.tokens}
    assert set(pairs.to_pandas()["left_token"]) <= tokens


def test_pairs_are_written_in_known_forms_only(two: list[EncodedExtract], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"does not end in \.parquet or \.arrow"):
        link(two).pairs.save(tmp_path / "pairs.csv")
    assert list(tmp_path.iterdir()) == []


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with ids of their own."""
    return frame.assign(id=[f"row {i}" for i in range(len(frame))]).reset_index(drop=True)


@pytest.fixture(scope="module")
def repeated(
    plain_agreement: Callable[..., Agreement], encode_plainly: Encode, made_people: Make
) -> list[EncodedExtract]:
    """Two parties with 200 people in common, and 400 and 300 rows of one placeholder."""
    plain, everybody = plain_agreement(), made_people(300, seed=3)
    nobody = made_people(1, seed=4)
    return [
        encode_plainly(numbered(frame), plain, party)
        for party, frame in (
            ("north", pd.concat([everybody.iloc[:250], *[nobody] * 400])),
            ("south", pd.concat([everybody.iloc[50:], *[nobody] * 300])),
        )
    ]


@pytest.mark.parametrize("block", ["auto", "blocks"])
def test_a_placeholder_on_hundreds_of_rows_is_set_aside_and_told(
    repeated: list[EncodedExtract], block: Any
) -> None:
    result = link(repeated, block=block)
    assert result.quality.n_links == pytest.approx(200, abs=2)
    assert result.plan.set_aside == (
        "400 records of 'north' were set aside, as more than 100 of them are equal",
        "300 records of 'south' were set aside, as more than 100 of them are equal",
    )
    assert len(result.pairs) < 5_000
    assert all(text in str(result) for text in result.plan.set_aside)
    assert result.pairs.pool.present.any(axis=1).all()


def test_all_records_alike_end_in_seconds_with_nobody_linked(
    plain_agreement: Callable[..., Agreement], encode_plainly: Encode, made_people: Make
) -> None:
    plain, nobody = plain_agreement(), made_people(1, seed=4)
    same = [
        encode_plainly(numbered(pd.concat([nobody] * n)), plain, party)
        for party, n in (("north", 4_000), ("south", 3_000))
    ]
    blocks: list[Block] = ["auto", "exhaustive"]
    for block in blocks:
        result = link(same, block=block)
        assert len(result.pairs) == result.quality.n_links == 0
        assert result.crosswalk.n_people == 7_000


def test_visits_of_one_person_are_not_set_aside_where_a_party_has_them(
    plain_agreement: Callable[..., Agreement], encode_plainly: Encode, made_people: Make
) -> None:
    plain, everybody = plain_agreement(clean=("north",)), made_people(150, seed=5)
    visits = pd.concat([everybody.iloc[50:], *[everybody.iloc[[60]]] * 130])
    result = link(
        [
            encode_plainly(everybody.iloc[:100], plain, "north"),
            encode_plainly(numbered(visits), plain, "south"),
        ]
    )
    assert result.plan.warnings == ()
    assert result.crosswalk.n_people == 150


@pytest.mark.parametrize(
    "options", [{"work_folder": 5}, {"work_folder": ""}, {"progress": True}], ids=str
)
def test_places_that_are_none_are_refused(
    two: list[EncodedExtract], options: dict[str, Any]
) -> None:
    with pytest.raises(OptionError, match=f"'{next(iter(options))}' is "):
        link(two, **options)


def test_finished_partitions_stay_until_people_are_made(
    two: list[EncodedExtract], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("linkkit.linkage.crosswalk.build._ids", fail)
        with pytest.raises(MemoryError):
            link(two, work_folder=tmp_path)
    assert list(tmp_path.glob("*.arrow"))
    assert link(two, work_folder=tmp_path).quality.n_links > 400
    assert list(tmp_path.iterdir()) == []
