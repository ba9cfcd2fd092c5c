"""What holds of any linkage: the order and the threads change nothing, nobody is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkkit.agreement import Agreement
from linkkit.engines import ProgressEvent
from linkkit.exchange import EncodedExtract
from linkkit.linkage import LinkResult, link

Encode = Callable[..., EncodedExtract]
PARTIES = ("east", "north", "south")

quick = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])


def partition(result: LinkResult) -> set[tuple[str, str]]:
    frame = result.crosswalk.to_pandas()
    return set(zip(frame["token"], frame["person_id"], strict=True))


@pytest.fixture(scope="module")
def agreement(plain_agreement: Callable[..., Agreement]) -> Agreement:
    return plain_agreement(PARTIES, clean=("north", "south"))


@pytest.fixture(scope="module")
def draw(made_people: Callable[..., pd.DataFrame]) -> Callable[[int], dict[str, pd.DataFrame]]:
    """A function that draws three overlapping parties, with mistakes and gaps."""

    def run(seed: int) -> dict[str, pd.DataFrame]:
        rng = np.random.default_rng(seed)
        everybody = made_people(70, seed=seed)
        frames = {}
        for party in PARTIES:
            mine = everybody.sample(n=45, random_state=int(rng.integers(1000)))
            if party == "east":
                again = mine.head(6).assign(id=[f"again{i}" for i in range(6)])
                mine = pd.concat([mine, again], ignore_index=True)
            typos = rng.random(len(mine)) < 0.1
            mine["surname"] = np.where(typos, mine["surname"].str[:-1] + "q", mine["surname"])
            mine["postal_code"] = mine["postal_code"].where(rng.random(len(mine)) > 0.1)
            frames[party] = mine.reset_index(drop=True)
        return frames

    return run


@quick
@given(seed=st.integers(0, 999), data=st.data())
def test_the_order_of_rows_and_parties_and_the_threads_change_nothing(
    agreement: Agreement, draw: Any, encode_plainly: Encode, seed: int, data: st.DataObject
) -> None:
    frames = draw(seed)
    first = link([encode_plainly(frame, agreement, party) for party, frame in frames.items()])
    order = data.draw(st.permutations(PARTIES))
    shuffled = [
        encode_plainly(frames[party].sample(frac=1, random_state=seed), agreement, party)
        for party in order
    ]
    again = link(shuffled, n_threads=data.draw(st.sampled_from([1, 2, 3])))
    assert partition(again) == partition(first)
    assert again.crosswalk.table.equals(first.crosswalk.table)
    assert again.quality == first.quality
    assert again.pairs.to_pandas().equals(first.pairs.to_pandas())


@quick
@given(
    seed=st.integers(0, 999),
    options=st.fixed_dictionaries(
        {
            "threshold": st.sampled_from([0.01, 0.5, 0.9, 1.0]),
            "block": st.sampled_from(["auto", "blocks"]),
        }
    ),
)
def test_every_record_is_in_one_person_and_clean_parties_once(
    agreement: Agreement, draw: Any, encode_plainly: Encode, seed: int, options: dict[str, Any]
) -> None:
    extracts = [encode_plainly(frame, agreement, party) for party, frame in draw(seed).items()]
    result = link(extracts, **options)
    frame = result.crosswalk.to_pandas()
    sent = [bytes(token).hex() for extract in extracts for token in extract.tokens]
    assert sorted(frame["token"]) == sorted(sent)
    for party in ("north", "south"):
        assert not frame.loc[frame["party"] == party, "person_id"].duplicated().any()
    assert 0 <= result.quality.precision <= 1
    assert 0 <= result.quality.recall <= 1


@quick
@given(seed=st.integers(0, 999), n_threads=st.sampled_from([1, 2]))
def test_progress_events_only_grow(
    agreement: Agreement, draw: Any, encode_plainly: Encode, seed: int, n_threads: int
) -> None:
    events: list[ProgressEvent] = []
    extracts = [encode_plainly(frame, agreement, party) for party, frame in draw(seed).items()]
    link(extracts, n_threads=n_threads, progress=events.append)
    by_stage: dict[str, list[ProgressEvent]] = {}
    for event in events:
        by_stage.setdefault(event.stage, []).append(event)
    for stage in by_stage.values():
        done = [event.done for event in stage]
        assert done == sorted(done)
        assert done[-1] == stage[-1].total
        assert len({event.total for event in stage}) == 1


class _StopHereError(Exception):
    pass


def test_an_exception_from_the_callback_comes_through(
    agreement: Agreement, draw: Any, encode_plainly: Encode
) -> None:
    def stop(event: ProgressEvent) -> None:
        raise _StopHereError

    extracts = [encode_plainly(frame, agreement, party) for party, frame in draw(1).items()]
    with pytest.raises(_StopHereError):
        link(extracts, progress=stop)
