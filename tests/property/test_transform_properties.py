"""Microaggregation equals its slow twins with and without numba; shifts keep intervals."""

import datetime as dt
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.engines import has_numba
from linkkit.steward.integrate import StudyKey
from linkkit.steward.protect.transforms import groups, microaggregate, shift_dates
from linkkit.steward.protect.transforms._reference import least_error, mdav_reference

ENGINES = [True, False] if has_numba() else [False]


@pytest.fixture(params=ENGINES, scope="module")
def engine(request):
    with mock.patch.object(groups, "has_numba", return_value=request.param):
        yield request.param


@given(
    points=st.integers(1, 3).flatmap(
        lambda d: st.lists(st.tuples(*[st.integers(-9, 9)] * d), min_size=2, max_size=40)
    ),
    k=st.integers(2, 6),
)
@settings(max_examples=200, deadline=None)
def test_mdav_equals_its_reference(engine, points, k):
    columns = np.array(points, dtype=np.float64).T
    if len(points) >= k:
        assert groups._group_points(columns, k).tolist() == mdav_reference(points, k)


@given(
    values=st.lists(
        st.floats(-1e6, 1e6, width=32) | st.integers(-5, 5).map(float), min_size=2, max_size=25
    ),
    k=st.integers(2, 5),
)
@settings(max_examples=200, deadline=None)
def test_one_variable_is_grouped_with_the_least_error(engine, values, k):
    if len(values) < k:
        return
    made = groups.group_rows(np.array(values)[:, None], k=k, block_size=4 * k)
    sizes = np.bincount(made)
    assert sizes.min() >= k
    error = sum(
        ((mine - mine.mean()) ** 2).sum()
        for g in range(len(sizes))
        for mine in [np.array(values)[made == g]]
    )
    least = least_error(tuple(values), k)
    assert error == pytest.approx(least, rel=1e-6, abs=1e-9 * max(1, *map(abs, values)) ** 2)


@pytest.mark.skipif(not has_numba(), reason="numba is not installed")
@pytest.mark.parametrize("n_variables", [1, 2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_kernels_and_numpy_give_the_same(n_variables, seed):
    rng = np.random.default_rng(seed)
    values = rng.lognormal(size=(700, n_variables)).round(2)
    found = groups.group_rows(values, k=4, block_size=200)
    with mock.patch.object(groups, "has_numba", return_value=False):
        assert groups.group_rows(values, k=4, block_size=200).tolist() == found.tolist()


@given(
    rows=st.lists(
        st.tuples(st.one_of(st.none(), st.integers(-4, 4)), st.one_of(st.none(), st.floats(-2, 2))),
        min_size=3,
        max_size=30,
    ),
    k=st.integers(2, 3),
    data=st.data(),
)
def test_neither_the_order_of_rows_nor_missing_values_matter(rows, k, data):
    order = data.draw(st.permutations(range(len(rows))))
    table = pd.DataFrame(rows, columns=["x", "y"]).astype(float)
    table["id"] = range(len(table))
    made = microaggregate(table, columns=["x", "y"], k=k, person="id")
    again = microaggregate(table.iloc[order], columns=["x", "y"], k=k, person="id")
    pd.testing.assert_frame_equal(made.table.iloc[order], again.table)
    assert made.report == again.report
    shown = made.table.dropna(how="all", subset=["x", "y"]).groupby(["x", "y"], dropna=False).size()
    assert not len(shown) or shown.min() >= k


@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abcdef"), st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))),
        min_size=1,
        max_size=20,
    ),
    key=st.binary(min_size=32, max_size=32).filter(lambda b: len(set(b)) >= 16),
    max_days=st.integers(1, 400),
)
def test_shifts_keep_the_intervals_of_each_person(rows, key, max_days):
    table = pd.DataFrame(rows, columns=["id", "day"])
    moved = shift_dates(
        table,
        columns=["day"],
        person="id",
        key=StudyKey(key),
        agreement_id="a",
        project="p",
        max_days=max_days,
    )
    by_person = {}
    for person, before, after in zip(table["id"], table["day"], moved["day"], strict=True):
        by_person.setdefault(person, set()).add((after - before).days)
    assert all(len(shifts) == 1 for shifts in by_person.values())
    assert all(0 < abs(next(iter(shifts))) <= max_days for shifts in by_person.values())
