"""What known strangers tell of other pairs: curves, shares and evidence, apart from any encoding."""

from __future__ import annotations

import numpy as np
import pytest

from linkkit.linkage.classify.record_curves import Valley, valley_of
from linkkit.linkage.doubts import doubts_of_links
from linkkit.linkage.quality import LinkageQuality
from linkkit.linkage.routes.control import largest_gain, local_share


def heap(n: int, low: float, high: float, *, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, n)


def strangers(n: int) -> np.ndarray:
    drawn = 0.6 + np.random.default_rng(2).exponential(0.03, n)
    return drawn[drawn < 0.95]


def test_a_valley_lies_between_strangers_and_nearly_equal_pairs() -> None:
    found = valley_of(np.append(strangers(20_000), heap(300, 0.93, 1.0)), 0.6)
    assert 0.8 < found.bottom < 0.95
    assert 0.6 < found.edge < found.bottom


@pytest.mark.parametrize("floor", [0.6, 1.0])
def test_without_nearly_equal_pairs_there_is_no_valley(floor: float) -> None:
    dice = strangers(20_000)
    assert valley_of(dice[dice < 0.88], floor) == Valley()


def test_pairs_that_strangers_account_for_are_no_matches() -> None:
    weight = np.repeat([5.0, 15.0, 30.0], [1_000, 400, 200])
    share = local_share(weight, np.repeat([5.0, 15.0], [900, 200]), times=1.0)
    low, middle, high = (share[weight == w].mean() for w in (5.0, 15.0, 30.0))
    assert low == pytest.approx(0.87, abs=0.02)
    assert middle == pytest.approx(0.46, abs=0.02)
    assert high == 0.0


def test_a_share_never_grows_with_the_weight() -> None:
    weight = np.repeat(np.arange(10.0), 50)
    known = np.repeat(np.arange(10.0), [40, 45, 10, 30, 35, 0, 20, 1, 4, 0])
    share = local_share(weight, known, times=1.0)
    assert (np.diff(share) <= 1e-12).all()
    assert ((share >= 0) & (share <= 1)).all()


def test_one_known_stranger_proves_nothing() -> None:
    assert local_share(np.full(50, 20.0), np.array([20.0]), times=1_000.0).max() == 0.0


def test_as_many_pairs_as_among_strangers_are_no_evidence() -> None:
    rng = np.random.default_rng(3)
    known, more = rng.exponential(5.0, 2_000), np.full(30, 60.0)
    assert largest_gain(rng.exponential(5.0, 2_000), known, times=1.0) < 7
    assert largest_gain(np.append(rng.exponential(5.0, 2_000), more), known, times=1.0) > 15
    # Of ten times as many pairs, ten times as many are alike.
    assert largest_gain(rng.exponential(5.0, 20_000), known, times=10.0) < 7


@pytest.mark.parametrize(
    ("n_links", "low", "says"),
    [
        (50, 0.4, "few records are linked"),
        (5_000, 0.8, "of 5,000 links as few as 80%"),
        (50, 0.95, ""),
    ],
)
def test_doubtful_links_are_said_to_be(n_links: int, low: float, says: str) -> None:
    quality = LinkageQuality(
        n_links=n_links, precision=0.96, recall=0.9, precision_interval=(low, 1.0)
    )
    texts = list(doubts_of_links(quality, most_links=10_000))
    assert bool(texts) == bool(says)
    assert says in "".join(texts)


def test_no_link_is_said_once() -> None:
    nothing = LinkageQuality(n_links=0, precision=1.0, recall=1.0)
    (text,) = doubts_of_links(nothing, most_links=10)
    assert text.startswith("the parties seem to share nobody")
    assert not list(doubts_of_links(nothing, most_links=10, told=(text,)))
