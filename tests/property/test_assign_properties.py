"""One-to-one assignment: nobody twice, the best sum, any order of pairs, without numba, too."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.errors import OptionError
from linkkit.linkage.cluster import assign, connected_records, one_to_one


@st.composite
def pairs_of(draw, *, most=6):
    n, m = draw(st.integers(1, most)), draw(st.integers(1, most))
    places = draw(st.lists(st.integers(0, n * m - 1), unique=True, max_size=n * m))
    few = st.sampled_from([-1.0, 0.25, 0.5, 0.5, 1.0, 2.0])
    score = draw(st.lists(few | st.floats(-1, 3), min_size=len(places), max_size=len(places)))
    place = np.array(places, dtype=np.int64)
    return place // m, place % m, np.array(score, dtype=np.float64)


def best_by_trying_all(left, right, gain):
    best = 0.0
    useful = [i for i in range(len(gain)) if gain[i] > 0]
    for n in range(1, len(useful) + 1):
        for chosen in itertools.combinations(useful, n):
            some = list(chosen)
            if len(set(left[some])) == len(set(right[some])) == n:
                best = max(best, float(gain[some].sum()))
    return best


@settings(max_examples=150, deadline=None)
@given(pairs_of(most=3), st.sampled_from([0.0, 0.3]), st.booleans())
def test_optimal_has_the_largest_sum_of_all_choices(pairs, threshold, compiled):
    left, right, score = pairs
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(assign, "has_numba", lambda: False)
        chosen = one_to_one(left, right, score, method="optimal", threshold=threshold)
    assert len(set(left[chosen])) == len(set(right[chosen])) == chosen.sum()
    gain = score - threshold
    assert gain[chosen].sum() == pytest.approx(best_by_trying_all(left, right, gain))


@settings(max_examples=100, deadline=None)
@given(pairs_of(), st.sampled_from([0.0, 0.3]))
def test_greedy_takes_the_best_that_is_left(pairs, threshold):
    left, right, score = pairs
    taken, expected = set(), np.zeros(len(score), dtype=bool)
    for i in sorted(range(len(score)), key=lambda i: (-score[i], left[i], right[i])):
        ends = {("left", left[i]), ("right", right[i])}
        if score[i] >= threshold and not ends & taken:
            taken |= ends
            expected[i] = True
    assert one_to_one(left, right, score, threshold=threshold).tolist() == expected.tolist()


@settings(max_examples=60, deadline=None)
@given(pairs_of(), st.sampled_from(["greedy", "optimal"]), st.randoms(use_true_random=False))
def test_the_order_of_pairs_does_not_matter(pairs, method, random):
    left, right, score = pairs
    shuffled = list(range(len(score)))
    random.shuffle(shuffled)
    one = one_to_one(left, right, score, method=method)
    other = one_to_one(left[shuffled], right[shuffled], score[shuffled], method=method)
    assert one[shuffled].tolist() == other.tolist()


@settings(max_examples=40, deadline=None)
@given(pairs_of(), st.sampled_from(["greedy", "optimal"]))
def test_without_numba_the_sum_is_the_same(pairs, method):
    left, right, score = pairs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assign, "has_numba", lambda: False)
        plain = one_to_one(left, right, score, method=method)
    fast = one_to_one(left, right, score, method=method)
    assert score[plain].sum() == pytest.approx(score[fast].sum())
    if method == "greedy":
        assert plain.tolist() == fast.tolist()


def test_crowded_records_are_assigned_as_well_as_by_a_dense_matrix():
    from scipy.optimize import linear_sum_assignment

    gain = np.random.default_rng(3).random((120, 90))
    left, right = (side.ravel() for side in np.indices(gain.shape))
    chosen = one_to_one(left, right, gain.ravel(), method="optimal")
    assert gain.ravel()[chosen].sum() == pytest.approx(
        gain[linear_sum_assignment(gain, maximize=True)].sum()
    )


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 12), st.data(), st.booleans())
def test_components_are_named_after_their_smallest_record(n, data, compiled):
    ends = st.lists(st.integers(0, n - 1), min_size=0, max_size=15)
    left = data.draw(ends)
    right = data.draw(st.lists(st.integers(0, n - 1), min_size=len(left), max_size=len(left)))
    label = list(range(n))
    for _ in range(n):
        for a, b in zip(left, right, strict=True):
            label[a] = label[b] = min(label[a], label[b])
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(assign, "has_numba", lambda: False)
        found = connected_records(np.array(left, int), np.array(right, int), n_records=n)
    assert found.tolist() == label


@pytest.mark.parametrize(
    ("left", "right", "score", "complaint"),
    [
        ([0, 1], [0], [1.0], "equally long"),
        ([[0]], [[0]], [[1.0]], "one-dimensional"),
        ([0.5], [0], [1.0], "whole numbers"),
        ([-1], [0], [1.0], "from 0 on"),
        ([0], [0], [float("nan")], "finite"),
        ([0, 0], [1, 1], [1.0, 0.5], "given twice"),
    ],
)
def test_what_does_not_fit_is_refused(left, right, score, complaint):
    with pytest.raises(OptionError, match=complaint):
        one_to_one(np.array(left), np.array(right), np.array(score))


def test_an_unknown_method_and_a_record_out_of_range_are_refused():
    one = np.zeros(1, dtype=int)
    with pytest.raises(OptionError, match="'method' is greedy or optimal"):
        one_to_one(one, one, np.ones(1), method="best")
    with pytest.raises(OptionError, match="not below 1"):
        connected_records(one, one + 1, n_records=1)


def test_no_pair_is_no_choice():
    nothing = np.zeros(0, dtype=np.int64)
    for method in ("greedy", "optimal"):
        assert one_to_one(nothing, nothing, np.zeros(0), method=method).tolist() == []
