"""Who fits a class when missing values agree with everything, against one pair at a time."""

import numpy as np
import pytest

from linkkit.steward.protect.methods.matching import expanded_members, fitting_members


def pairs_one_by_one(members, classes, missing):
    """The slow way: each class with each member, in order."""
    return [
        (m, c)
        for c, mine in enumerate(classes.tolist())
        for m, theirs in enumerate(members.tolist())
        if all(
            a == b or gap in {a, b}
            for a, b, gap in zip(mine, theirs, missing.tolist(), strict=True)
        )
    ]


def drawn(rng, n_rows, n_groups):
    return np.column_stack([rng.integers(0, n, n_rows) for n in n_groups.tolist()])


@pytest.mark.parametrize("seed", range(60))
def test_all_pairs_that_agree_are_found_and_no_other(seed):
    rng = np.random.default_rng(seed)
    n_groups = rng.integers(1, 5, size=rng.integers(1, 5))
    members = drawn(rng, rng.integers(0, 40), n_groups)
    classes = drawn(rng, rng.integers(0, 20), n_groups)
    # -1: the variable has no missing values, so that its last group is one like any other.
    missing = np.where(rng.random(len(n_groups)) < 0.7, n_groups - 1, -1)
    found = fitting_members(members, classes, missing=missing, n_groups=n_groups)
    assert list(zip(*(side.tolist() for side in found), strict=True)) == pairs_one_by_one(
        members, classes, missing
    )


def test_who_lacks_everything_fits_everybody():
    rows = np.array([[0, 0], [1, 1], [2, 2]])
    member, of_class = fitting_members(
        rows, rows, missing=np.array([2, 2]), n_groups=np.array([3, 3])
    )
    assert list(zip(member.tolist(), of_class.tolist(), strict=True)) == [
        (0, 0), (2, 0), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2),
    ]  # fmt: skip


def test_very_many_groups_do_not_overflow():
    n_groups = np.full(9, 2**20)
    rows = np.full((3, 9), 2**20 - 2)
    rows[1, 8] = 2**20 - 1
    rows[2, 0] = 0
    found = fitting_members(rows, rows, missing=n_groups - 1, n_groups=n_groups)
    assert list(zip(*(side.tolist() for side in found), strict=True)) == pairs_one_by_one(
        rows, rows, n_groups - 1
    )


@pytest.mark.parametrize("seed", range(20))
def test_pairs_of_looks_become_pairs_of_items(seed):
    rng = np.random.default_rng(seed)
    n_looks = int(rng.integers(1, 8))
    of_items = rng.integers(0, n_looks, rng.integers(0, 30))
    looks, classes = rng.integers(0, n_looks, 12), rng.integers(0, 4, 12)
    items, of = expanded_members(looks, classes, of_items, n_looks=n_looks)
    expected = [
        (item, c)
        for look, c in zip(looks.tolist(), classes.tolist(), strict=True)
        for item in np.flatnonzero(of_items == look).tolist()
    ]
    assert list(zip(items.tolist(), of.tolist(), strict=True)) == expected
