"""Clustering: every record in one person, clean parties once in each, doubt chains nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from linkkit.errors import LinkageError
from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import cluster_records, connected_records
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.pool import Pool, part_of

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
    pool: Pool,
    pairs: dict[tuple[int, int], float],
    *,
    threshold: float = 0.5,
    rest: float = -30.0,
    **options: Any,
) -> list[int]:
    def score(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        both = zip(left.tolist(), right.tolist(), strict=True)
        return np.array([pairs.get(pair, rest) for pair in both], dtype=np.float64)

    found = cluster_records(pool, scored(pairs), threshold=threshold, score=score, **options)
    return found.tolist()


def labelled(pairs: dict[tuple[int, int], bool]) -> LabelledPairs:
    rows = sorted(pairs)
    return LabelledPairs(
        left=np.array([i for i, _ in rows], dtype=np.int64),
        right=np.array([j for _, j in rows], dtype=np.int64),
        same=np.array([pairs[row] for row in rows], dtype=np.bool_),
    )


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


def test_equal_weights_are_settled_by_content_whatever_the_tokens_and_their_order(
    random_pool: MakePool,
) -> None:
    pool = random_pool((3, 3), clean=(True, True))
    swapped = part_of(pool, np.array([1, 0, 2, 3, 4, 5]))
    one = cluster(pool, {(1, 3): 9.0, (0, 3): 9.0})
    other = cluster(swapped, {(1, 3): 9.0, (0, 3): 9.0})
    assert {one[3], other[3]} == {0, 1}


def test_equals_of_equal_content_are_settled_by_position(random_pool: MakePool) -> None:
    pool = random_pool((3, 3), clean=(True, True))
    pool.words[0], pool.present[0] = pool.words[1], pool.present[1]
    assert cluster(pool, {(1, 3): 9.0, (0, 3): 9.0}) == [0, 1, 2, 0, 4, 5]


def test_duplicates_of_a_party_that_may_have_them_are_one_person(dirty: Pool) -> None:
    assert cluster(dirty, {(0, 1): 9.0, (1, 2): 9.0, (0, 2): 9.0}) == [0, 0, 0, 3, 4, 5]


def test_a_doubtful_pair_does_not_chain_two_groups(dirty: Pool) -> None:
    pairs = {(0, 1): 15.0, (2, 3): 15.0, (1, 2): 5.0}
    assert cluster(dirty, pairs) == [0, 0, 2, 2, 4, 5]


def test_a_pair_that_was_no_candidate_is_scored_before_groups_join(dirty: Pool) -> None:
    assert cluster(dirty, {(0, 1): 9.5, (1, 2): 9.0}, rest=2.0) == [0, 0, 0, 3, 4, 5]
    assert cluster(dirty, {(0, 1): 9.5, (1, 2): 9.0}, rest=-15.0) == [0, 0, 2, 3, 4, 5]


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


def test_below_even_odds_a_pair_at_the_threshold_is_linked(clean: Pool) -> None:
    assert cluster(clean, {(1, 4): -1.0}, threshold=0.3) == [0, 1, 2, 3, 1, 5]
    assert cluster(clean, {(1, 4): -1.0}, threshold=0.4) == [0, 1, 2, 3, 4, 5]


def test_the_optimal_assignment_has_the_largest_total(clean: Pool) -> None:
    pairs = {(0, 3): 9.0, (0, 4): 8.0, (1, 3): 8.0}
    assert cluster(clean, pairs) == [0, 1, 2, 0, 4, 5]
    assert cluster(clean, pairs, assignment="optimal") == [0, 1, 2, 1, 0, 5]


def test_the_optimal_assignment_is_of_clean_parties_only(random_pool: MakePool) -> None:
    pool = random_pool((3, 3), clean=(True, False))
    pairs = {(0, 3): 9.0, (0, 4): 8.0, (1, 5): 8.0, (3, 4): 9.0}
    assert cluster(pool, pairs, assignment="optimal") == [0, 1, 2, 0, 0, 1]


def test_what_is_labelled_the_same_is_one_whatever_the_scores(dirty: Pool) -> None:
    labels = labelled({(0, 1): True, (1, 2): True})
    assert cluster(dirty, {(0, 1): -20.0}, labels=labels) == [0, 0, 0, 3, 4, 5]


def test_what_is_labelled_apart_never_meets_nor_by_way_of_others(dirty: Pool) -> None:
    pairs = {(0, 1): 16.0, (1, 2): 15.0, (0, 2): 15.0, (2, 3): 9.0, (0, 3): 9.0}
    found = cluster(dirty, pairs, labels=labelled({(0, 2): False}), rest=9.0)
    assert found[0] != found[2]
    both = labelled({(0, 2): False, (2, 3): True})
    assert cluster(dirty, pairs, labels=both, rest=9.0) == [0, 0, 2, 2, 4, 5]


def test_labels_that_contradict_each_other_are_counted(dirty: Pool) -> None:
    labels = labelled({(0, 1): True, (1, 2): True, (0, 2): False})
    with pytest.raises(LinkageError, match="1 pairs are labelled not the same"):
        cluster(dirty, {}, labels=labels)


def test_labels_that_contradict_a_clean_party_are_counted(clean: Pool) -> None:
    with pytest.raises(LinkageError, match="make 1 people hold two records of a party"):
        cluster(clean, {}, labels=labelled({(0, 3): True, (1, 3): True}))


@pytest.mark.parametrize("clean", [(False,), (True, True), (True, False)])
def test_many_weak_chains_join_no_city(random_pool: MakePool, clean: tuple[bool, ...]) -> None:
    n = 100_000
    pool = random_pool((n // len(clean),) * len(clean), clean=clean)
    rng = np.random.default_rng(5)
    one = np.append(rng.permutation(n), rng.integers(0, n, 150_000))
    left, right = np.minimum(one[:-1], one[1:]), np.maximum(one[:-1], one[1:])
    may = (left != right) & ~(
        (pool.party[left] == pool.party[right]) & pool.clean[pool.party[left]]
    )
    place = np.unique((left[may] << 32) | right[may])
    weight = rng.uniform(0.1, 3.0, len(place))
    weak = ScoredPairs(
        left=place >> 32,
        right=place & 0xFFFFFFFF,
        levels=np.zeros((len(place), 1), dtype=np.int8),
        weight=weight,
        probability=1 / (1 + np.exp2(-weight)),
    )
    assert len(np.unique(connected_records(weak.left, weak.right, n_records=n))) < n / 5
    asked = []

    def score(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        asked.append(len(i))
        return np.full(len(i), -4.0)

    person = cluster_records(pool, weak, threshold=0.5, score=score)
    assert np.bincount(person).max() <= 4
    assert np.bincount(person).sum() == n
    assert sum(asked) < 20 * n


def test_in_a_large_component_true_groups_are_found_whole(random_pool: MakePool) -> None:
    n_people = 400
    pool = random_pool((3 * n_people,), clean=(False,))
    pairs = {}
    for k in range(n_people):
        # A record of each person is like the others; those are candidates of nobody else.
        pairs[3 * k, 3 * k + 1] = pairs[3 * k, 3 * k + 2] = 12.0
        if k:
            pairs[3 * k - 3, 3 * k] = 1.0

    def score(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return np.where(i // 3 == j // 3, 8.0, -12.0)

    person = cluster_records(pool, scored(pairs), threshold=0.5, score=score)
    assert person.tolist() == [3 * (i // 3) for i in range(3 * n_people)]
