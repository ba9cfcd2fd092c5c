"""What is known is kept: labels that fit each other and the parties decide, whatever the weights say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import cluster_records, people
from linkkit.linkage.labels import LabelledPairs


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(1, 10), min_size=1, max_size=4),
    clean=st.lists(st.booleans(), min_size=4, max_size=4),
    share=st.sampled_from([0.05, 0.4, 1.0]),
)
def test_labels_of_a_partition_are_kept(random_pool, seed, sizes, clean, share):
    pool = random_pool(tuple(sizes), clean=tuple(clean[: len(sizes)]), seed=seed)
    rng = np.random.default_rng(seed)
    person = _people(pool, rng)
    left, right = np.triu_indices(len(pool), k=1)
    known = rng.random(len(left)) < share
    same = (person[left] == person[right])[known]
    labels = LabelledPairs(left=left[known], right=right[known], same=same)
    # Weights that know nothing of the people.
    weight = rng.choice([-25.0, -1.0, 1.0, 30.0], size=len(left))
    table = np.zeros((len(pool), len(pool)))
    table[left, right] = weight
    scored = ScoredPairs(
        left=left, right=right, levels=np.zeros((len(left), 1), dtype=np.int8), weight=weight,
        probability=1 / (1 + 2.0**-weight),
    )  # fmt: skip

    def cluster():
        return cluster_records(
            pool, scored, threshold=0.5, score=lambda i, j: table[i, j], labels=labels
        )

    found = cluster()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "has_numba", lambda: False)
        assert cluster().tolist() == found.tolist()
    assert ((found[labels.left] == found[labels.right]) == labels.same).all()


def _people(pool, rng):
    """Return a person for each record, so that a clean party has each person once."""
    person = np.zeros(len(pool), dtype=np.int64)
    for p in range(len(pool.parties)):
        own = np.flatnonzero(pool.party == p)
        many = max(len(pool) // 2, len(own))
        replace = not pool.clean[p]
        person[own] = rng.choice(many, size=len(own), replace=replace)
    return person
