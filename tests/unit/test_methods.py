"""Local recoding and partitioning: what they find in tables where the answer is plain."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linkkit.agreement import Generalization
from linkkit.errors import ProtectionError
from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.hierarchies import build_hierarchy
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.methods import local
from linkkit.steward.protect.methods.costs import class_bounds, compile_costs
from linkkit.steward.protect.methods.grow import first_come
from linkkit.steward.protect.methods.local import grow_classes
from linkkit.steward.protect.methods.partition import split_people

METHODS = [grow_classes, split_people]
NUMBERS = Generalization(intervals=(1, 5, 10))
OPTIONS = {"shown": "tight", "missing": "category", "max_suppressed": 0}

ADULT = Path(os.environ.get("LINKKIT_EXTRA_DATA", "")) / "adult" / "adult.csv"
QUASI_IDENTIFIERS = (
    "age", "workclass", "education", "marital-status", "race", "sex", "native-country"
)  # fmt: skip
# Tight NCP, in percent, of the local recoding of ARX on the same records.
ARX_LOCAL = {2: 0.76, 5: 2.07, 10: 3.56, 25: 6.40}


def table(*columns):
    hierarchies = [
        build_hierarchy(f"v{i}", pa.array(column), ways) for i, (column, ways) in enumerate(columns)
    ]
    base = [hierarchy.base for hierarchy in hierarchies]
    return hierarchies, find_items(base, [hierarchy.n_groups for hierarchy in hierarchies])


def run(method, hierarchies, items, k, **options):
    conditions = Conditions(k=k, counts=items.counts)
    return method(items, hierarchies, conditions, **(OPTIONS | options))


def of_people(grouping, items):
    return grouping.classes[items.of_rows].tolist()


@pytest.mark.parametrize("method", METHODS)
def test_people_who_are_far_apart_are_in_different_classes(method):
    hierarchies, items = table(([1, 1, 2, 50, 51, 51], NUMBERS))
    grouping = run(method, hierarchies, items, 3)
    assert of_people(grouping, items) == [0, 0, 0, 1, 1, 1]
    assert grouping.n_classes == 2
    assert grouping.levels is None


@pytest.mark.parametrize("method", METHODS)
def test_people_who_are_all_alike_are_one_class(method):
    hierarchies, items = table(([7] * 9, NUMBERS), (["x"] * 9, Generalization()))
    assert of_people(run(method, hierarchies, items, 2), items) == [0] * 9


@pytest.mark.parametrize("method", METHODS)
def test_as_many_as_all_people_are_one_class(method):
    hierarchies, items = table((list(range(40)), NUMBERS))
    assert run(method, hierarchies, items, 40).n_classes == 1


@pytest.mark.parametrize("method", METHODS)
def test_more_than_all_people_are_refused(method):
    hierarchies, items = table(([41327, 41328], NUMBERS))
    with pytest.raises(ProtectionError, match="not even all people in one class") as caught:
        run(method, hierarchies, items, 3)
    assert caught.value.code == "protection"
    assert "4132" not in str(caught.value)


@pytest.mark.parametrize("method", METHODS)
def test_a_population_that_is_needed_must_be_given(method):
    class Crowd(Conditions):
        needs_population = True
        only_k = False

    hierarchies, items = table(([1, 2], NUMBERS))
    with pytest.raises(ValueError, match="need the population"):
        method(items, hierarchies, Crowd(k=2, counts=items.counts), **OPTIONS)


def test_somebody_is_withheld_where_that_loses_less_and_only_if_it_may_be():
    hierarchies, items = table(([10] * 12 + [11] * 12 + [90], NUMBERS))
    kept = run(grow_classes, hierarchies, items, 20)
    assert of_people(kept, items) == [0] * 25
    withheld = run(grow_classes, hierarchies, items, 20, max_suppressed=1)
    assert of_people(withheld, items) == [0] * 24 + [-1]


def test_nobody_is_withheld_where_that_loses_more():
    hierarchies, items = table(([10] * 12 + [11] * 12 + [12] + [80] * 20, NUMBERS))
    grouping = run(grow_classes, hierarchies, items, 20, max_suppressed=5)
    assert of_people(grouping, items) == [0] * 25 + [1] * 20


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_wildcard_joins_anybody_for_nothing(method):
    hierarchies, items = table(([1, 1, None, 70, 70, None], NUMBERS))
    grouping = run(method, hierarchies, items, 3, missing="wildcard")
    costs = compile_costs(hierarchies, items.codes, items.counts, shown="tight", missing="wildcard")
    bounds = class_bounds(costs, items.codes, grouping.classes, n_classes=grouping.n_classes)
    assert bounds.losses.max() <= costs.unit
    alone = run(method, *table(([1, 1, 1, None, None], NUMBERS)), 2, missing="wildcard")
    assert alone.n_classes in {1, 2}


def test_a_missing_category_loses_all_of_a_range_and_one_more_value_of_a_set():
    hierarchies, items = table(([1, 9, None], NUMBERS), (["a", "a", None], Generalization()))
    costs = compile_costs(hierarchies, items.codes, items.counts, shown="tight", missing="category")
    together = class_bounds(costs, items.codes, np.zeros(len(items), np.int64), n_classes=1)
    assert together.losses.tolist() == [2 * costs.unit]
    apart = class_bounds(costs, items.codes, np.arange(len(items)), n_classes=len(items))
    assert apart.losses.tolist() == [0] * len(items)


def test_classes_larger_than_a_block_grow_across_blocks(monkeypatch):
    monkeypatch.setattr(local, "BLOCK_ITEMS", 4)
    monkeypatch.setattr(local, "WINDOW_ITEMS", 4)
    hierarchies, items = table((list(range(60)), NUMBERS))
    grouping = run(grow_classes, hierarchies, items, 15)
    assert np.bincount(grouping.classes).min() >= 15
    assert 2 <= grouping.n_classes <= 4


@pytest.mark.parametrize("method", METHODS)
def test_sets_of_thousands_of_values_and_thirty_variables(method):
    rng = np.random.default_rng(5)
    many = [f"{value}" for value in rng.integers(0, 3000, 4000)]
    hierarchies, items = table((many, Generalization()), (rng.integers(0, 90, 4000), NUMBERS))
    grouping = run(method, hierarchies, items, 5)
    assert np.bincount(grouping.classes, items.counts).min() >= 5
    wide = [([f"{value}" for value in rng.integers(0, 4, 300)], Generalization())] * 30
    hierarchies, items = table(*wide)
    grouping = run(method, hierarchies, items, 5)
    assert np.bincount(grouping.classes, items.counts).min() >= 5


def test_many_who_want_the_same_class_do_not_wait_in_line():
    """Where all but one class are alike, rounds stay few; otherwise this takes minutes."""
    rng = np.random.default_rng(3)
    values = [f"{value}" for value in rng.integers(0, 5000, 12_000)]
    hierarchies, items = table((values, Generalization()), (rng.integers(0, 90, 12_000), NUMBERS))
    grouping = run(grow_classes, hierarchies, items, 5, shown="levels")
    assert grouping.n_classes >= 90


def test_wishes_are_granted_to_who_comes_first():
    granted = first_come(np.array([0, 1, 1, 2]), np.array([3, 3, 4, 4]), n_wishes=3, n_things=5)
    assert granted.tolist() == [True, False, False]


def tight_ncp(frame, classes):
    """Count tight NCP from its definition, with none of the package's code."""
    total = 0.0
    for name in frame.columns:
        column = frame[name].groupby(classes)
        if name == "age":
            lost = (column.max() - column.min()) / (frame[name].max() - frame[name].min())
        else:
            n_values = column.nunique()
            lost = (n_values / frame[name].nunique()).where(n_values > 1, 0.0)
        total += float((lost * column.size()).sum())
    return 100 * total / frame.size


@pytest.mark.skipif(not ADULT.is_file(), reason="LINKKIT_EXTRA_DATA has no adult/adult.csv")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("k", "arx"), ARX_LOCAL.items())
def test_adult_loses_no_more_than_the_local_recoding_of_arx(method, k, arx):
    frame = pd.read_csv(ADULT, sep=";")[list(QUASI_IDENTIFIERS)]
    hierarchies, items = table(
        *(
            (frame[name].tolist(), NUMBERS if name == "age" else Generalization())
            for name in QUASI_IDENTIFIERS
        )
    )
    grouping = run(method, hierarchies, items, k)
    classes = grouping.classes[items.of_rows]
    assert np.bincount(classes).min() >= k
    assert tight_ncp(frame, classes) <= arx
