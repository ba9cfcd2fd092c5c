"""Hierarchies of all kinds: levels only merge, losses only grow, row order does not matter."""

import datetime as dt
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkkit.agreement import Generalization
from linkkit.steward.protect.hierarchies import LOSS_UNITS, build_hierarchy

WHOLE = st.integers(0, 130)
REAL = st.floats(-50, 200, allow_nan=False)
DAYS = st.dates(dt.date(1890, 1, 1), dt.date(2090, 1, 1))
ORDER = list("abcdefgh")
ZIPS = st.integers(0, 99_999).map(lambda n: f"{n:05}")
CASES = [
    (WHOLE, {"intervals": (1, 5, 20), "bottom": 3, "top": 90}),
    (REAL, {"intervals": (2, 4), "bottom": -3.5, "top": 90.25}),
    (WHOLE, {"cut_points": [[5, 18, 40, 65], [18, 65]], "top": 70}),
    (REAL, {"cut_points": [[-5, 18.5], [18.5]], "keep_values": False}),
    (WHOLE, {"quantiles": (8, 4, 2)}),
    (REAL, {"quantiles": (6, 2), "keep_values": False, "top": 50}),
    (WHOLE, {"ages": (1, 5, 10, 20)}),
    (DAYS, {"dates": ("day", "month", "quarter", "year", "decade"), "bottom": "1920-05-05"}),
    (DAYS, {"dates": ("day", "week"), "top": "2050-01-01"}),
    (DAYS.map(dt.date.isoformat), {"dates": ("month", "decade")}),
    (ZIPS, {"postal": {"country": "US"}}),
    (ZIPS, {"prefixes": (4, 2)}),
    (st.sampled_from(ORDER), {"order": ORDER, "adjacent": (2, 4), "bottom": "b", "top": "g"}),
    (st.sampled_from(ORDER), {"order": ORDER, "groups": [{"x": ORDER[:3], "y": ORDER[3:]}]}),
    (st.sampled_from(ORDER), {"table": [[c, (c in "ace" and "1") or "2"] for c in ORDER]}),
    (st.booleans(), {}),
]


@pytest.mark.parametrize(("values", "ways"), CASES)
@given(data=st.data())
def test_levels_only_merge_and_never_lose_less(values, ways, data):
    cells = data.draw(st.lists(st.one_of(st.none(), values), min_size=1, max_size=40))
    if all(cell is None for cell in cells):
        return
    hierarchy = build_hierarchy("v", pa.array(cells), Generalization(**ways))
    missing = hierarchy.n_groups - 1
    assert [cell is None for cell in cells] == (hierarchy.base == missing).tolist()
    assert len(hierarchy.levels) > 1
    for fine, coarse in pairwise(hierarchy.levels):
        pairs = set(zip(fine.groups.tolist(), coarse.groups.tolist(), strict=True))
        assert len(pairs) == len(set(fine.groups.tolist()))
        assert (coarse.losses >= fine.losses).all()
        assert fine.losses.min() >= 0
        assert fine.losses.max() <= LOSS_UNITS
    assert hierarchy.sizes[:-1].sum() == len({cell for cell in cells if cell is not None})
    if hierarchy.shown_as == "range":
        assert (hierarchy.lows[:-1] <= hierarchy.highs[:-1]).all()
        assert (hierarchy.highs[:-1][:-1] < hierarchy.lows[:-1][1:]).all()
        for group in range(missing):
            assert hierarchy.ends.label(group, group) == hierarchy.levels[0].labels[group]


@pytest.mark.parametrize(("values", "ways"), CASES)
@given(data=st.data())
def test_the_order_of_rows_does_not_matter(values, ways, data):
    cells = data.draw(st.lists(values, min_size=1, max_size=20))
    order = data.draw(st.permutations(range(len(cells))))
    one = build_hierarchy("v", pa.array(cells), Generalization(**ways))
    other = build_hierarchy("v", pa.array([cells[i] for i in order]), Generalization(**ways))
    assert np.array_equal(one.base[order], other.base)
    assert [level.labels for level in one.levels] == [level.labels for level in other.levels]
    assert one.range_label(0, 0) == other.range_label(0, 0)
