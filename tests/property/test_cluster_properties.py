"""Clustering: the compiled loop joins the groups that the obvious one joins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import cluster_records, people


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    clean=st.lists(st.booleans(), min_size=4, max_size=4),
    share=st.sampled_from([0.05, 0.3, 0.9]),
)
def test_the_compiled_groups_are_those_of_the_reference(random_pool, seed, sizes, clean, share):
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

    def cluster():
        return cluster_records(pool, scored, threshold=0.5, score=lambda i, j: table[i, j])

    compiled = cluster()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "has_numba", lambda: False)
        plain = cluster()
    assert compiled.tolist() == plain.tolist()
    # Each is named after its smallest record, and a clean party has one record in it at most.
    assert np.all(compiled <= np.arange(len(pool)))
    assert np.array_equal(compiled[compiled], compiled)
    for party in np.flatnonzero(pool.clean):
        own = compiled[pool.party == party]
        assert len(np.unique(own)) == len(own)
