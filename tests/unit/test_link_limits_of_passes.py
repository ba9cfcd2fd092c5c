"""Limits and forecasts of linkages in passes, and of filters of whole records."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import linkkit as lk
from linkkit.errors import LinkageError
from linkkit.linkage import forecast_link, link

pytestmark = pytest.mark.parametrize("town", ["standard"], indirect=True)


@pytest.fixture
def repeated_town(town: Any, secret: Any, token_key_of: Any) -> list[Any]:
    """The offices, those with each person once with a row of theirs on 500 rows more."""
    encoded = []
    for party, frame in town.frames.items():
        clause = town.agreement.parties[party]
        n = 500 if clause.one_record_per_person else 0
        record_id = clause.record_id
        more = pd.concat([frame.iloc[[0]]] * n) if n else frame.iloc[:0]
        more = more.assign(**{record_id: [f"more {i}" for i in range(n)]})
        both = pd.concat([frame, more], ignore_index=True)
        key = token_key_of(party)
        result = lk.encode(both, town.agreement, secret, party=party, token_key=key)
        encoded.append(result.encodings)
    return encoded


@pytest.mark.parametrize("block", ["exhaustive", "blocks"])
def test_a_forecast_of_passes_comes_near_to_what_happens(town: Any, block: Any) -> None:
    forecast, result = forecast_link(town.encodings, block=block), link(town.encodings, block=block)
    assert forecast.plan.is_exhaustive == (block == "exhaustive")
    assert 0 < forecast.seconds < 100
    assert forecast.n_candidates >= len(result.pairs)
    assert forecast.n_candidates < 20 * len(result.pairs)
    assert forecast.memory == forecast.memory_of_records
    if block == "exhaustive":
        assert forecast.n_comparisons == result.plan.n_comparisons
    assert "candidate pairs in about" in str(forecast)


def test_fewer_pairs_by_chance_are_let_in_where_asked(town: Any) -> None:
    whole = link(town.encodings)
    most = forecast_link(town.encodings).n_candidates
    few = link(town.encodings, max_pairs=round(0.7 * most))
    assert len(few.pairs) < min(len(whole.pairs), 0.7 * most)
    assert few.quality.n_links == pytest.approx(whole.quality.n_links, rel=0.03)


def test_no_room_for_matches_is_refused(town: Any) -> None:
    with pytest.raises(LinkageError, match="leaves no room beside the"):
        link(town.encodings, max_pairs=10)
    with pytest.raises(LinkageError, match="leaves no room beside the"):
        forecast_link(town.encodings, max_pairs=10)


def test_too_little_memory_is_refused(town: Any) -> None:
    with pytest.raises(LinkageError, match="is the limit"):
        link(town.encodings, memory_limit="100 kB")


def test_a_placeholder_on_hundreds_of_rows_is_set_aside_in_passes(
    town: Any, repeated_town: list[Any]
) -> None:
    result = link(repeated_town)
    assert any("records of 'district' were set aside" in text for text in result.plan.warnings)
    assert len(result.pairs) < 100_000
    assert result.quality.n_links == pytest.approx(link(town.encodings).quality.n_links, rel=0.05)
    assert forecast_link(repeated_town).n_candidates < 100_000
