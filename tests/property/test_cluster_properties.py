"""Clustering: the compiled loop joins the groups that the obvious one joins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import cluster_records, people
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.pool import part_of


def some_labels(pool, rng):
    """Labels that contradict neither each other nor a clean party: pairs of people made up first."""
    person = rng.integers(0, 3, len(pool))
    for party in np.flatnonzero(pool.clean):
        mine = np.flatnonzero(pool.party == party)
        person[mine] = 10 + rng.permutation(len(mine))
    left, right = np.triu_indices(len(pool), k=1)
    some = rng.random(len(left)) < 0.1
    left, right = left[some], right[some]
    return LabelledPairs(left=left, right=right, same=person[left] == person[right])


@settings(deadline=None, max_examples=120)
@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    clean=st.lists(st.booleans(), min_size=4, max_size=4),
    share=st.sampled_from([0.05, 0.3, 0.9]),
    threshold=st.sampled_from([0.5, 0.2, 0.9]),
    labelled=st.booleans(),
    assignment=st.sampled_from(["greedy", "optimal"]),
)
def test_the_compiled_groups_are_those_of_the_reference(
    *, random_pool, seed, sizes, clean, share, threshold, labelled, assignment
):
    pool = random_pool(tuple(sizes), clean=tuple(clean[: len(sizes)]), seed=seed)
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(len(pool), k=1)
    weight = rng.choice([-25.0, -3.0, -0.5, 0.5, 2.0, 30.0], size=len(left))
    table = np.zeros((len(pool), len(pool)))
    table[left, right] = weight
    listed = rng.random(len(left)) < share
    scored = ScoredPairs(
        left=left[listed],
        right=right[listed],
        levels=np.zeros((int(listed.sum()), 1), dtype=np.int64),
        weight=weight[listed],
        probability=1 / (1 + 2.0 ** -weight[listed]),
    )

    labels = some_labels(pool, rng) if labelled else None

    def cluster():
        return cluster_records(
            pool, scored, threshold=threshold, score=lambda i, j: table[i, j], labels=labels,
            assignment=assignment,
        )  # fmt: skip

    compiled = cluster()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "has_numba", lambda: False)
        plain = cluster()
    assert compiled.tolist() == plain.tolist()
    if labels is not None:
        assert np.array_equal(compiled[labels.left] == compiled[labels.right], labels.same)
    # Each is named after its smallest record, and a clean party has one record in it at most.
    assert np.all(compiled <= np.arange(len(pool)))
    assert np.array_equal(compiled[compiled], compiled)
    for party in np.flatnonzero(pool.clean):
        own = compiled[pool.party == party]
        assert len(np.unique(own)) == len(own)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.3, 0.9]))
def test_a_party_with_duplicates_costs_its_neighbors_no_link(random_pool, seed, share):
    pool = random_pool((8, 8, 20), clean=(True, True, False), seed=seed)
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(len(pool), k=1)
    table = np.zeros((len(pool), len(pool)))
    table[left, right] = rng.normal(0, 8, len(left))
    some = rng.random(len(left)) < share
    left, right = left[some], right[some]

    def cluster(of, kept):
        weight = table[left[kept], right[kept]]
        scored = ScoredPairs(
            left=left[kept],
            right=right[kept],
            levels=np.zeros((len(weight), 1), dtype=np.int8),
            weight=weight,
            probability=1 / (1 + 2.0**-weight),
        )
        return cluster_records(of, scored, threshold=0.5, score=lambda i, j: table[i, j])

    neighbors = np.arange(16)
    alone = cluster(part_of(pool, neighbors), right < 16)
    beside = cluster(pool, right >= 0)[:16]
    one, other = np.triu_indices(16, k=1)
    linked = alone[one] == alone[other]
    assert np.all(beside[one[linked]] == beside[other[linked]])
