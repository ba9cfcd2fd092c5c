"""What holds for local recoding and partitioning: conditions are kept, twins agree, order is nothing."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.agreement import Generalization
from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.hierarchies import build_hierarchy
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.methods import _grow_arrays, _split_arrays, grow, local, refine, splits
from linkkit.steward.protect.methods import population as population_module
from linkkit.steward.protect.methods._cost_reference import class_loss_reference, fits_reference
from linkkit.steward.protect.methods.costs import class_bounds, compile_costs
from linkkit.steward.protect.methods.local import grow_classes
from linkkit.steward.protect.methods.partition import split_people
from linkkit.steward.protect.methods.population import Population

METHODS = [grow_classes, split_people]

WAYS = {
    "years": Generalization(intervals=(1, 5, 20)),
    "sevens": Generalization(intervals=(7, 14)),
    "codes": Generalization(prefixes=(3, 2, 1)),
    "words": Generalization(),
}
TYPES = {"years": pa.int64(), "sevens": pa.int64(), "codes": pa.string(), "words": pa.string()}


@st.composite
def tables(draw, *, most=60):
    """Hierarchies and items of a table with one to four quasi-identifiers of any kind."""
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    hierarchies = []
    for v in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(sorted(WAYS)))
        values = rng.integers(0, draw(st.sampled_from([1, 3, 40, 999])), n)
        gone = rng.random(n) < draw(st.sampled_from([0.0, 0.0, 0.2, 0.9, 1.0]))
        known = values.tolist() if kind in ("years", "sevens") else [f"{i:03d}" for i in values]
        column = [None if lost else value for lost, value in zip(gone, known, strict=True)]
        column = pa.array(column, TYPES[kind])
        hierarchies.append(build_hierarchy(f"v{v}", column, WAYS[kind]))
    base = [hierarchy.base for hierarchy in hierarchies]
    return hierarchies, base, find_items(base, [mine.n_groups for mine in hierarchies])


OPTIONS = st.fixed_dictionaries(
    {
        "shown": st.sampled_from(["tight", "levels"]),
        "missing": st.sampled_from(["category", "wildcard"]),
    }
)


@dataclass(frozen=True)
class Spread:
    """A made-up model: k people, and none of some sensitive values has more than a share.

    Kept by merged classes where both keep it, and lost again by a class that one item joins.
    """

    k: int
    counts: np.ndarray
    sensitive: np.ndarray
    share: float
    only_k = False
    needs_population = False
    shares = ()

    def met(self, items, classes, *, n_classes, population=None):
        assert population is None
        people = np.bincount(classes, self.counts[items], minlength=n_classes)
        kept = people >= self.k
        for value in np.unique(self.sensitive):
            mine = np.bincount(
                classes, self.counts[items] * (self.sensitive[items] == value), minlength=n_classes
            )
            kept &= mine <= self.share * people
        return kept


@dataclass(frozen=True)
class Crowd:
    """A made-up model: so many people of the population fit a class."""

    counts: np.ndarray
    crowd: int
    k: int = 0
    needs_population = True
    shares = ()
    only_k = False

    def met(self, items, classes, *, n_classes, population=None):
        assert population.shape == (n_classes,)
        return population >= self.crowd


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(local, "BLOCK_ITEMS", 12)
    monkeypatch.setattr(local, "WINDOW_ITEMS", 30)


def assert_whole(grouping, items, *, max_suppressed=0):
    kept = grouping.classes[grouping.classes >= 0]
    assert grouping.classes.shape == (len(items),)
    assert np.array_equal(np.unique(kept), np.arange(grouping.n_classes))
    assert items.counts[grouping.classes < 0].sum() <= max_suppressed


@pytest.mark.parametrize("method", METHODS)
@given(table=tables(), k=st.integers(1, 12), options=OPTIONS, part=st.integers(0, 4))
@settings(deadline=None)
def test_every_class_has_k_people(method, table, k, options, part):
    hierarchies, _, items = table
    k = min(k, int(items.counts.sum()))
    may_go = int(items.counts.sum()) * part // 8
    grouping = method(
        items,
        hierarchies,
        Conditions(k=k, counts=items.counts),
        **options,
        max_suppressed=may_go,
    )
    assert_whole(grouping, items, max_suppressed=may_go)
    kept = grouping.classes >= 0
    assert (np.bincount(grouping.classes[kept], items.counts[kept]) >= k).all()


@pytest.mark.parametrize("method", METHODS)
@given(table=tables(), options=OPTIONS, seed=st.integers(0, 99), part=st.integers(0, 4))
@settings(deadline=None)
def test_every_class_keeps_a_model_that_one_more_item_can_break(method, table, options, seed, part):
    hierarchies, _, items = table
    sensitive = np.random.default_rng(seed).integers(0, 3, len(items))
    totals = np.bincount(sensitive, items.counts)
    share = min(1.0, 1.3 * totals.max() / totals.sum())
    conditions = Spread(
        k=min(2, int(totals.sum())), counts=items.counts, sensitive=sensitive, share=share
    )
    may_go = int(totals.sum()) * part // 8
    grouping = method(items, hierarchies, conditions, **options, max_suppressed=may_go)
    assert_whole(grouping, items, max_suppressed=may_go)
    kept = np.flatnonzero(grouping.classes >= 0)
    good = conditions.met(kept, grouping.classes[kept], n_classes=grouping.n_classes)
    assert good.all()


@pytest.mark.parametrize("method", METHODS)
@given(table=tables(most=25), more=st.integers(0, 40), options=OPTIONS)
@settings(deadline=None, max_examples=50)
def test_enough_of_the_population_fit_every_class(method, table, more, options):
    hierarchies, base, items = table
    extra = np.random.default_rng(more)
    population = find_items(
        [np.append(mine, extra.choice(mine, more)) for mine in base],
        [mine.n_groups for mine in hierarchies],
    )
    crowd = min(6, int(items.counts.sum()))
    grouping = method(
        items,
        hierarchies,
        Crowd(counts=items.counts, crowd=crowd),
        **options,
        max_suppressed=0,
        population=population,
    )
    assert_whole(grouping, items)
    for c in range(grouping.n_classes):
        members = items.codes[grouping.classes == c].tolist()
        inside = sum(
            n
            for n, person in zip(population.counts, population.codes.tolist(), strict=True)
            if fits_reference(hierarchies, members, person, **options)
        )
        assert inside >= crowd


@given(
    table=tables(),
    options=OPTIONS,
    n_classes=st.integers(1, 9),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_losses_and_population_are_those_of_the_reference(table, options, n_classes, seed):
    hierarchies, _, items = table
    costs = compile_costs(hierarchies, items.codes, items.counts, **options)
    drawn = np.random.default_rng(seed).integers(0, n_classes, len(items))
    classes = np.unique(drawn, return_inverse=True)[1]
    n_classes = int(classes.max()) + 1
    bounds = class_bounds(costs, items.codes, classes, n_classes=n_classes)
    fitting = Population(costs, items.codes, items.counts).people_inside(
        items.codes, classes, n_classes=n_classes
    )
    everybody = items.codes.tolist()
    for c in range(n_classes):
        members = items.codes[classes == c].tolist()
        lost = class_loss_reference(hierarchies, members, everybody, **options)
        assert bounds.losses[c] / costs.unit == pytest.approx(lost, abs=1e-4)
        assert fitting[c] == sum(
            n
            for n, person in zip(items.counts, everybody, strict=True)
            if fits_reference(hierarchies, members, person, **options)
        )


@pytest.mark.parametrize("method", METHODS)
@given(
    table=tables(most=120),
    k=st.integers(2, 9),
    options=OPTIONS,
    diverse=st.booleans(),
)
@settings(deadline=None)
def test_without_numba_the_classes_are_the_same(method, table, k, options, diverse):
    hierarchies, _, items = table
    sensitive = np.arange(len(items)) % 3
    conditions = Conditions(k=min(k, int(items.counts.sum())), counts=items.counts)
    if diverse:
        most = np.bincount(sensitive, items.counts).max() / items.counts.sum()
        conditions = Spread(
            k=conditions.k, counts=items.counts, sensitive=sensitive, share=min(1.0, 1.2 * most)
        )
    options |= {"max_suppressed": int(items.counts.sum()) * (k % 5) // 8}
    compiled = method(items, hierarchies, conditions, **options)
    with pytest.MonkeyPatch.context() as patch:
        for module in (grow, refine):
            patch.setattr(module, "kernels", lambda: _grow_arrays)
        patch.setattr(splits, "kernels", lambda: _split_arrays)
        plain = method(items, hierarchies, conditions, **options)
    assert np.array_equal(compiled.classes, plain.classes)


@given(table=tables(most=120), n_classes=st.integers(1, 30), options=OPTIONS)
@settings(deadline=None)
def test_without_numba_the_population_is_the_same(table, n_classes, options):
    hierarchies, _, items = table
    costs = compile_costs(hierarchies, items.codes, items.counts, **options)
    population = Population(costs, items.codes, items.counts)
    classes = np.arange(len(items)) % min(n_classes, len(items))
    n_classes = int(classes.max()) + 1
    compiled = population.people_inside(items.codes, classes, n_classes=n_classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population_module, "has_numba", lambda: False)
        plain = population.people_inside(items.codes, classes, n_classes=n_classes)
    assert np.array_equal(compiled, plain)


@pytest.mark.parametrize("method", METHODS)
@given(table=tables(), seed=st.integers(0, 99), k=st.integers(2, 6))
@settings(deadline=None)
def test_classes_do_not_depend_on_the_order_of_rows(method, table, seed, k):
    hierarchies, base, items = table
    k = min(k, int(items.counts.sum()))
    order = np.random.default_rng(seed).permutation(len(base[0]))
    shuffled = find_items([mine[order] for mine in base], [mine.n_groups for mine in hierarchies])
    options = {"shown": "tight", "missing": "category", "max_suppressed": 3}
    one = method(items, hierarchies, Conditions(k=k, counts=items.counts), **options)
    other = method(shuffled, hierarchies, Conditions(k=k, counts=shuffled.counts), **options)
    of_rows = one.classes[items.of_rows]
    assert np.array_equal(of_rows[order], other.classes[shuffled.of_rows])
