"""Conditions equal their reference for every model, and merging classes keeps what they keep."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.steward.protect import tally as tally_module
from linkkit.steward.protect._reference import keeps
from linkkit.steward.protect.compiled_models import compile_conditions
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.models import EntropyLDiversity
from shared.privacy_models import ANY_MODEL, OF_CLASSES, TREE


@st.composite
def tables(draw):
    """Rows with an item, two sensitive values, a person, a household and their class."""
    n_items = draw(st.integers(1, 6))
    row = st.tuples(
        st.integers(0, n_items - 1),
        st.sampled_from([None, -1.5, 0.0, 2.0, 7.0]),
        st.sampled_from([None, *TREE]),
        st.integers(0, 9),
        st.integers(-1, 3),
    )
    rows = draw(st.lists(row, min_size=1, max_size=24))
    has_persons = draw(st.booleans())
    n_classes = draw(st.integers(1, 4))
    member = st.tuples(st.integers(0, n_items - 1), st.integers(0, n_classes - 1))
    return rows, has_persons, n_classes, sorted(draw(st.sets(member, max_size=12)))


def compiled(rows, models, *, has_persons):
    items, scores, grades, people, homes = (list(column) for column in zip(*rows, strict=True))
    if not has_persons:
        people = list(range(len(rows)))
    found = find_items([np.array(items, dtype=np.int64)], [max(items) + 1])
    conditions = compile_conditions(
        models,
        found,
        sensitive={"score": pa.array(scores, pa.float64()), "grade": pa.array(grades, pa.string())},
        person=np.array(people, dtype=np.int64) if has_persons else None,
        household=np.array(homes, dtype=np.int64),
    )
    told = {
        "sensitive": {"score": scores, "grade": grades},
        "person": people,
        "household": homes,
    }
    return found, conditions, told


@pytest.fixture(params=["compiled", "numpy"])
def engine(request, monkeypatch):
    monkeypatch.setattr(tally_module, "has_numba", lambda: request.param == "compiled")


@settings(max_examples=400, deadline=None)
@given(
    case=tables(),
    models=st.lists(ANY_MODEL, min_size=1, max_size=3),
    fits=st.lists(st.integers(0, 12), min_size=4, max_size=4),
    rng=st.randoms(use_true_random=False),
)
@pytest.mark.usefixtures("engine")
def test_conditions_equal_their_reference(case, models, fits, rng):
    rows, has_persons, n_classes, members = case
    found, conditions, told = compiled(rows, models, has_persons=has_persons)
    members = [(item, c) for item, c in members if item < len(found)]
    rng.shuffle(members)
    pairs = np.array(members, dtype=np.int64).reshape(-1, 2)
    kept = conditions.met(
        pairs[:, 0],
        pairs[:, 1],
        n_classes=n_classes,
        population=np.array(fits[:n_classes], dtype=np.int64),
    )
    assert kept.dtype == np.bool_
    for c in range(n_classes):
        inside = {item for item, mine in members if mine == c}
        rows_inside = [row for row, item in enumerate(found.of_rows.tolist()) if item in inside]
        expected = bool(rows_inside) and all(
            keeps(model, rows_inside, population=fits[c], **told) for model in models
        )
        assert kept[c] == expected


@settings(max_examples=300, deadline=None)
@given(case=tables(), model=st.one_of(*OF_CLASSES.values()))
def test_merging_classes_keeps_what_both_keep(case, model):
    """With one row each; a person in two classes with two values is counted anew when merged."""
    rows, _, _, _ = case
    found, conditions, _ = compiled(rows, [model], has_persons=False)
    items = np.arange(len(found))
    both = conditions.met(items, items % 2, n_classes=2)
    if both.all():
        assert conditions.met(items, np.zeros_like(items), n_classes=1).all()


def test_a_large_class_at_the_border_of_entropy_is_decided_by_its_proportions():
    n = 40_000
    found = find_items([np.zeros(2 * n, dtype=np.int64)], [1])
    values = pa.array([i % 2 for i in range(2 * n)])
    for least, expected in ((2, True), (2.0000001, False), (1.9999999, True)):
        model = EntropyLDiversity(sensitive="v", l=least)
        conditions = compile_conditions([model], found, sensitive={"v": values})
        met = conditions.met(np.array([0]), np.array([0]), n_classes=1)
        assert met.tolist() == [expected]
