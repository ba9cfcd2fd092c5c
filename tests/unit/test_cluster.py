"""Clustering: every record in one person, clean parties once in each, doubt chains nobody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import cluster_records
from linkkit.linkage.pool import Pool

MakePool = Callable[..., Pool]


def scored(pairs: dict[tuple[int, int], float]) -> ScoredPairs:
    ordered = sorted(pairs)
    weight = np.array([pairs[pair] for pair in ordered], dtype=np.float64)
    return ScoredPairs(
        left=np.array([i for i, _ in ordered], dtype=np.int64),
        right=np.array([j for _, j in ordered], dtype=np.int64),
        levels=np.zeros((len(ordered), 3), dtype=np.int64),
        weight=weight,
        probability=1 / (1 + np.exp2(-weight)),
    )


def cluster(
    pool: Pool, pairs: dict[tuple[int, int], float], *, threshold: float = 0.5, rest: float = -30.0
) -> list[int]:
    def score(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        both = zip(left.tolist(), right.tolist(), strict=True)
        return np.array([pairs.get(pair, rest) for pair in both], dtype=np.float64)

    return cluster_records(pool, scored(pairs), threshold=threshold, score=score).tolist()


@pytest.fixture
def clean(random_pool: MakePool) -> Pool:
    return random_pool((3, 3), clean=(True, True))


@pytest.fixture
def dirty(random_pool: MakePool) -> Pool:
    return random_pool((6,), clean=(False,))


def test_without_pairs_everybody_is_alone(clean: Pool) -> None:
    assert cluster(clean, {}) == [0, 1, 2, 3, 4, 5]


def test_a_strong_pair_is_one_person_under_its_first_record(clean: Pool) -> None:
    assert cluster(clean, {(1, 4): 9.0}) == [0, 1, 2, 3, 1, 5]


def test_a_pair_below_the_threshold_joins_nobody(clean: Pool) -> None:
    assert cluster(clean, {(1, 4): 3.0}, threshold=0.95) == [0, 1, 2, 3, 4, 5]


def test_a_clean_party_has_its_better_pair_only(clean: Pool) -> None:
    assert cluster(clean, {(0, 3): 9.0, (1, 3): 12.0}) == [0, 1, 2, 1, 4, 5]


def test_equal_weights_are_settled_by_position(clean: Pool) -> None:
    assert cluster(clean, {(1, 3): 9.0, (0, 3): 9.0}) == [0, 1, 2, 0, 4, 5]


def test_duplicates_of_a_party_that_may_have_them_are_one_person(dirty: Pool) -> None:
    assert cluster(dirty, {(0, 1): 9.0, (1, 2): 9.0, (0, 2): 9.0}) == [0, 0, 0, 3, 4, 5]


def test_a_doubtful_pair_does_not_chain_two_groups(dirty: Pool) -> None:
    pairs = {(0, 1): 15.0, (2, 3): 15.0, (1, 2): 5.0}
    assert cluster(dirty, pairs) == [0, 0, 2, 2, 4, 5]


def test_a_pair_that_was_no_candidate_is_scored_before_groups_join(dirty: Pool) -> None:
    assert cluster(dirty, {(0, 1): 9.0, (1, 2): 9.0}, rest=2.0) == [0, 0, 0, 3, 4, 5]
    assert cluster(dirty, {(0, 1): 9.0, (1, 2): 9.0}, rest=-15.0) == [0, 0, 2, 3, 4, 5]


def test_a_clean_party_bars_a_join_through_another_one(random_pool: MakePool) -> None:
    pool = random_pool((2, 2), clean=(True, False))
    pairs = {(0, 2): 12.0, (1, 3): 12.0, (2, 3): 9.0}
    assert cluster(pool, pairs, rest=9.0) == [0, 1, 0, 1]


@pytest.mark.parametrize("seed", range(20))
def test_any_scores_give_a_partition_that_keeps_clean_parties_clean(
    random_pool: MakePool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pool = random_pool((8, 9, 7), clean=(True, False, True), seed=seed)
    pairs = {}
    for _ in range(80):
        i, j = sorted(rng.choice(24, size=2, replace=False).tolist())
        if pool.party[i] != pool.party[j] or not pool.clean[pool.party[i]]:
            pairs[i, j] = float(rng.normal(5, 8))
    person = np.array(cluster(pool, pairs, rest=float(rng.normal(0, 6))))
    for party in (0, 2):
        mine = person[pool.party == party]
        assert len(set(mine.tolist())) == len(mine)
    for label in set(person.tolist()):
        assert label == np.flatnonzero(person == label).min()
