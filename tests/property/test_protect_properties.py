"""What holds for every protected data set: k is kept, the best levels are found, order is nothing."""

import dataclasses
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.agreement import Generalization
from linkkit.errors import ProtectionError
from linkkit.steward.integrate.example import small_partnership
from linkkit.steward.protect import protect
from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.hierarchies import LOSS_UNITS, Hierarchy, Level, build_hierarchy
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.methods._reference import search_reference
from linkkit.steward.protect.methods.lattice import search_lattice
from shared.study import people_of

AGREEMENT, _, _ = small_partnership()

YEARS = st.one_of(st.none(), st.integers(2000, 2012))
SEXES = st.sampled_from(["F", "M", "X", None])
PEOPLE = st.lists(st.tuples(YEARS, SEXES), min_size=5, max_size=60)


def dataset(rows, order=None):
    made = people_of(
        AGREEMENT,
        birth_year=pa.array([row[0] for row in rows], pa.int64()),
        sex=pa.array([row[1] for row in rows], pa.string()),
    )
    return made if order is None else dataclasses.replace(made, table=made.table.take(order))


@given(rows=PEOPLE, k=st.integers(5, 8))
def test_no_class_is_ever_below_k(rows, k):
    if len(rows) < k:
        with pytest.raises(ProtectionError, match="fewer people than k"):
            protect(dataset(rows), AGREEMENT, k=k)
        return
    safe = protect(dataset(rows), AGREEMENT, k=k)
    columns = (safe.table.column(name).to_pylist() for name in ("birth_year", "sex"))
    sizes = Counter(zip(*columns, strict=True))
    assert min(sizes.values()) >= k
    assert safe.summary.classes.smallest == min(sizes.values())
    assert safe.summary.classes.n_classes == len(sizes)
    assert safe.n_suppressed <= 0.05 * len(rows)
    assert len(safe) + safe.n_suppressed == len(rows)
    assert 0.0 <= safe.information_loss <= 1.0


@given(rows=PEOPLE, seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(rows, seed):
    shuffled = np.random.default_rng(seed).permutation(len(rows)).tolist()
    first, second = (protect(dataset(rows, order), AGREEMENT) for order in (None, shuffled))
    assert first.table.equals(second.table)
    assert first.summary == second.summary


@st.composite
def lattices(draw):
    """People in finest groups, and for each variable levels that merge and lose more and more."""
    groups, losses, sizes = [], [], []
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 5))
        group = np.arange(n)
        lost = np.zeros(n, dtype=np.int64)
        mine, cost = [group], [lost]
        for _ in range(draw(st.integers(0, 2))):
            merge = np.array(draw(st.lists(st.integers(0, 3), min_size=5, max_size=5)))
            group = merge[group]
            added = np.array(draw(st.lists(st.integers(0, LOSS_UNITS), min_size=n, max_size=n)))
            lost = np.minimum(LOSS_UNITS, lost + added)
            mine.append(group)
            cost.append(lost)
        groups.append([*mine, np.zeros(n, dtype=np.int64)])
        losses.append([*cost, np.full(n, LOSS_UNITS, dtype=np.int64)])
        sizes.append(n)
    person = st.tuples(*(st.integers(0, n - 1) for n in sizes))
    people = draw(st.lists(person, min_size=1, max_size=25))
    k = draw(st.integers(1, len(people)))
    return people, groups, losses, k, draw(st.integers(0, len(people)))


def hierarchy_of(place, people, groups, losses):
    levels = tuple(
        Level(
            description=f"level {i}",
            groups=mine,
            labels=tuple(map(str, range(int(mine.max()) + 1))),
            losses=cost,
        )
        for i, (mine, cost) in enumerate(zip(groups, losses, strict=True))
    )
    return Hierarchy(
        variable=f"v{place}",
        base=np.array([person[place] for person in people], dtype=np.int64),
        levels=levels,
        shown_as="set",
        lows=np.empty(0),
        highs=np.empty(0),
        sizes=np.ones(len(groups[0]), dtype=np.int64),
    )


@settings(max_examples=300)
@given(case=lattices())
def test_the_search_equals_its_reference(case):
    people, groups, losses, k, max_suppressed = case
    hierarchies = [
        hierarchy_of(i, people, *both) for i, both in enumerate(zip(groups, losses, strict=True))
    ]
    items = find_items([h.base for h in hierarchies], [h.n_groups for h in hierarchies])
    conditions = Conditions(k=k, counts=items.counts)
    found = search_lattice(items, hierarchies, conditions, max_suppressed=max_suppressed)
    expected = search_reference(
        people, groups=groups, losses=losses, k=k, max_suppressed=max_suppressed
    )
    assert found == expected


@given(
    values=st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=40),
    numeric=st.booleans(),
)
def test_each_level_only_merges_and_never_loses_less(values, numeric):
    if numeric:
        column, ways = pa.array(values, pa.int64()), Generalization(intervals=(1, 3, 12))
    else:
        texts = [None if v is None else str(abs(v)) for v in values]
        column, ways = pa.array(texts, pa.string()), Generalization(prefixes=(2, 1))
    levels = build_hierarchy("v", column, ways).levels
    for fine, coarse in pairwise(levels):
        pairs = set(zip(fine.groups.tolist(), coarse.groups.tolist(), strict=True))
        assert len(pairs) == len(set(fine.groups.tolist()))
        assert (coarse.losses >= fine.losses).all()


@pytest.mark.parametrize("k", [5, 20])
def test_more_suppression_never_loses_more(k):
    rng = np.random.default_rng(2)
    column = pa.array(rng.integers(2000, 2030, 200))
    hierarchy = build_hierarchy("v", column, Generalization(intervals=(1, 2, 4, 8)))
    items = find_items([hierarchy.base], [hierarchy.n_groups])
    conditions = Conditions(k=k, counts=items.counts)
    losses = [
        search_lattice(items, [hierarchy], conditions, max_suppressed=n).loss
        for n in (0, 10, 50, 200)
    ]
    assert losses == sorted(losses, reverse=True)
