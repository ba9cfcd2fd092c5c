"""Limits and forecasts of linkages in passes, and of filters of whole records."""

from __future__ import annotations

from typing import Any

import pytest

from linkkit.errors import LinkageError
from linkkit.linkage import forecast_link, link

pytestmark = pytest.mark.parametrize("town", ["standard"], indirect=True)


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
