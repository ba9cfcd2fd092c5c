"""Thresholds that are chosen, and the quality that is expected of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from linkkit.errors import OptionError
from linkkit.linkage import LinkResult, link
from linkkit.linkage.classify.scores import ScoredPairs
from linkkit.linkage.pool import Pool, make_pool
from linkkit.linkage.quality import LinkageQuality, estimate_quality
from linkkit.linkage.threshold import choose_people, expected_f_threshold


@pytest.fixture
def two(two_pools: Pool) -> Pool:
    return two_pools


@pytest.fixture
def two_pools(town: Any) -> Pool:
    return make_pool(town.encodings)


def scored_pairs(pool: Pool, probability: np.ndarray) -> ScoredPairs:
    """Return pairs of the first records of the first two parties, one for each probability."""
    n, starts = len(probability), pool.party_starts()
    left = starts[0] + np.arange(n)
    p = np.asarray(probability, dtype=np.float64)
    return ScoredPairs(
        left=left,
        right=starts[1] + np.arange(n),
        levels=np.zeros((n, 1), dtype=np.int8),
        weight=np.log2(p) - np.log2(1 - p),
        probability=p,
    )


def no_more(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.full(len(left), -20.0)


def test_the_best_expected_f1_of_all_thresholds_is_reached() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        p = np.sort(rng.beta(0.3, 0.4, size=40))[::-1]
        chosen = expected_f_threshold(p, n_unseen=2.0)
        every = p.sum() + 2
        f1 = {k: 2 * p[:k].sum() / (k + every) for k in range(1, 41)}
        n_chosen = int((p >= chosen).sum())
        if 0.2 < chosen < 0.5:
            assert f1[n_chosen] == pytest.approx(max(f1.values()))


def test_nothing_to_choose_from_is_even_odds() -> None:
    assert expected_f_threshold(np.zeros(0)) == 0.5


@pytest.mark.parametrize("rate", [0.3, 0.1, 0.02, 0.001])
def test_a_false_match_rate_is_kept(two: Pool, rate: float) -> None:
    p = np.linspace(0.55, 0.9999, 120)
    scored = scored_pairs(two, p)
    chosen = choose_people(two, scored, no_more, max_false_match_rate=rate)
    linked = p[p >= chosen.threshold]
    assert chosen.quality.n_links == len(linked)
    assert len(linked) == 0 or 1 - linked.mean() <= rate
    assert 1 - chosen.quality.precision <= rate


def test_the_rate_costs_no_more_links_than_it_must(two: Pool) -> None:
    p = np.linspace(0.55, 0.9999, 120)
    chosen = choose_people(two, scored_pairs(two, p), no_more, max_false_match_rate=0.1)
    n_most = max(k for k in range(121) if k == 0 or (1 - p[120 - k :]).mean() <= 0.1)
    assert chosen.quality.n_links == n_most


def test_a_threshold_below_even_odds_links_pairs_below_even_odds(two: Pool) -> None:
    p = np.array([0.45, 0.44, 0.1])
    chosen = choose_people(two, scored_pairs(two, p), no_more, threshold=0.4)
    assert chosen.quality.n_links == 2


def test_expected_precision_and_recall_of_pairs(two: Pool) -> None:
    p = np.array([0.9, 0.8, 0.3])
    quality = choose_people(two, scored_pairs(two, p), no_more, threshold=0.5, n_unseen=0.5).quality
    assert quality.precision == pytest.approx(1.7 / 2)
    assert quality.recall == pytest.approx(1.7 / 2.5)


def test_intervals_hold_the_estimates_and_narrow_with_certainty(two: Pool) -> None:
    def quality_of(p: float) -> LinkageQuality:
        return choose_people(
            two, scored_pairs(two, np.full(100, p)), no_more, threshold=0.5
        ).quality

    doubtful, certain = quality_of(0.7), quality_of(0.9999)
    for quality in (doubtful, certain):
        low, high = quality.precision_interval
        assert 0 <= low <= quality.precision <= high <= 1
        low, high = quality.recall_interval
        assert 0 <= low <= quality.recall <= high <= 1
    width = [high - low for low, high in (certain.precision_interval, doubtful.precision_interval)]
    assert width[0] < width[1]


def test_a_link_through_a_third_record_is_as_probable_as_its_ways(two: Pool) -> None:
    left, right = np.array([0, 0]), np.array([1, 2])
    p = np.array([0.9, 0.8])
    scored = ScoredPairs(
        left=left, right=right, levels=np.zeros((2, 1), dtype=np.int8),
        weight=np.log2(p / (1 - p)), probability=p,
    )  # fmt: skip
    person = np.arange(len(two))
    person[:3] = 0
    quality = estimate_quality(two, scored, person)
    assert quality.n_links == 3
    assert quality.precision == pytest.approx((0.9 + 0.8 + 0.72) / 3)


def test_the_chosen_threshold_is_in_the_result(linked_town: LinkResult) -> None:
    assert 0.2 <= linked_town.threshold <= 0.5
    assert "recall" in str(linked_town.quality)
    assert " to " in str(linked_town.quality)


def test_a_stricter_rate_links_no_more(town: Any, linked_town: LinkResult) -> None:
    strict = link(town.encodings, max_false_match_rate=0.0005)
    assert strict.quality.n_links <= linked_town.quality.n_links
    assert strict.threshold > linked_town.threshold


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan"), "many", True])
def test_a_rate_out_of_its_range_is_refused(town: Any, rate: Any) -> None:
    with pytest.raises(OptionError, match="'max_false_match_rate' is a share of links"):
        link(town.encodings, max_false_match_rate=rate)


def test_a_threshold_and_a_rate_contradict_each_other(town: Any) -> None:
    with pytest.raises(OptionError, match="chooses the threshold"):
        link(town.encodings, threshold=0.9, max_false_match_rate=0.01)
