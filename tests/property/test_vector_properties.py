"""Bit vectors: all similar pairs are found and no other, whatever the measure, and without numba, too."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.errors import LinkageError, OptionError
from linkkit.linkage.compare import Measure, similar_pairs
from linkkit.linkage.compare.vectors import similar as vectors

MEASURES = get_args(Measure)


def made(n, *, n_words, fill, seed):
    """Return random vectors, of them some copies, some nearly so, some empty, some full."""
    rng = np.random.default_rng(seed)
    bits = rng.random((n, 64 * n_words)) < rng.uniform(fill / 2, fill, size=(n, 1))
    like = rng.integers(0, max(n, 1), size=n // 2)
    bits[: n // 2] = bits[like] ^ (rng.random((n // 2, 64 * n_words)) < 0.02)
    if n > 4:
        bits[rng.integers(0, n)], bits[rng.integers(0, n)] = False, True
    packed = np.packbits(bits, axis=1, bitorder="little")
    return packed.reshape(n, 8 * n_words).view("<u8").astype(np.uint64)


def similarity(measure, x, y):
    """Return what the definitions say, of two vectors as sets of bits."""
    a, b = (set(np.flatnonzero(np.unpackbits(v.view(np.uint8)))) for v in (x, y))
    if measure == "matching":
        return 1 - len(a ^ b) / (64 * len(x))
    if not a or not b:
        return 0.0
    below = {
        "dice": (len(a) + len(b)) / 2,
        "jaccard": len(a | b),
        "cosine": np.sqrt(len(a) * len(b)),
        "overlap": min(len(a), len(b)),
    }
    return len(a & b) / below[measure]


def as_dict(found):
    pairs = zip(found.left.tolist(), found.right.tolist(), strict=True)
    answer = dict(zip(pairs, found.score.tolist(), strict=True))
    assert len(answer) == len(found)
    return answer


sizes = st.sampled_from([0, 1, 2, 3, 7, 20])
shapes = {
    "n_words": st.sampled_from([1, 2, 3, 4, 8, 9, 13, 16]),
    "fill": st.sampled_from([0.05, 0.4, 0.5, 0.95]),
    "seed": st.integers(0, 1_000),
}
thresholds = st.sampled_from([0.0, 0.25, 0.5, 0.625, 0.8, 2 / 3, 0.999, 1.0])


@settings(max_examples=80, deadline=None)
@given(sizes, sizes, st.fixed_dictionaries(shapes), st.sampled_from(MEASURES), thresholds)
def test_all_similar_pairs_of_two_arrays_are_found_and_no_other(n, m, shape, measure, threshold):
    left, right = made(n, **shape), made(m, **shape)
    right[: min(n, m) // 2] = left[: min(n, m) // 2]
    expected = {
        (i, j): value
        for i, j in itertools.product(range(n), range(m))
        if (value := similarity(measure, left[i], right[j])) >= threshold
    }
    found = as_dict(similar_pairs(left, right, threshold=threshold, measure=measure, n_threads=1))
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(sizes, st.fixed_dictionaries(shapes), st.sampled_from(MEASURES), thresholds)
def test_within_one_array_each_pair_is_found_once(n, shape, measure, threshold):
    rows = made(n, **shape)
    expected = {
        (i, j): value
        for i, j in itertools.combinations(range(n), 2)
        if (value := similarity(measure, rows[i], rows[j])) >= threshold
    }
    found = as_dict(similar_pairs(rows, threshold=threshold, measure=measure))
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([(1_100, 1_300), (3, 2_000), (2_000, 3), (700, 700)]),
    st.fixed_dictionaries(shapes),
    st.sampled_from(MEASURES),
    st.sampled_from([0.3, 0.7, 0.9]),
    st.booleans(),
)
def test_many_blocks_and_threads_find_what_the_twin_finds(n, shape, measure, threshold, within):
    left = made(n[0], **shape)
    right = None if within else made(n[1], **{**shape, "seed": shape["seed"] + 1})
    options = {"threshold": threshold, "measure": measure}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "_COMPARISONS_PER_CHUNK", 50_000)
        patch.setattr(vectors, "_FEWEST_ROWS_PER_CHUNK", 1)
        one = similar_pairs(left, right, **options, n_threads=1)
        three = similar_pairs(left, right, **options, n_threads=3)
        patch.setattr(vectors, "has_numba", lambda: False)
        plain = similar_pairs(left, right, **options)
    assert as_dict(one) == as_dict(plain)
    for name in ("left", "right", "common"):
        assert np.array_equal(getattr(one, name), getattr(three, name))


def test_no_more_than_the_most_pairs_are_kept():
    rows = made(500, n_words=4, fill=0.5, seed=1)
    with pytest.raises(LinkageError, match="more than 1,000 pairs are at least 0 alike") as caught:
        similar_pairs(rows, threshold=0, max_pairs=1_000)
    assert "Raise the threshold" in str(caught.value)
    assert len(similar_pairs(rows, threshold=0, max_pairs=500 * 499 // 2)) == 500 * 499 // 2


def test_progress_counts_every_comparison():
    rows, told = made(300, n_words=4, fill=0.5, seed=1), []
    similar_pairs(rows, threshold=0.0, progress=told.append)
    assert told[-1].done == told[-1].total == 300 * 299 // 2


@pytest.mark.parametrize(
    ("left", "right", "options", "complaint"),
    [
        (np.zeros((2, 2)), None, {}, "'left' is an array of uint64"),
        (np.zeros(4, np.uint64), None, {}, "'left' is an array of uint64"),
        ([[1, 2]], None, {}, "'left' is an array of uint64"),
        (np.zeros((2, 0), np.uint64), None, {}, "'left' has 64 to"),
        (np.zeros((2, 2), np.uint64), np.zeros((2, 3), np.uint64), {}, "equally wide"),
        (np.zeros((2, 2), np.uint64), None, {"threshold": 1.1}, "'threshold' is a number from 0"),
        (np.zeros((2, 2), np.uint64), None, {"threshold": float("nan")}, "'threshold' is a number"),
        (np.zeros((2, 2), np.uint64), None, {"threshold": True}, "'threshold' is a number"),
        (np.zeros((2, 2), np.uint64), None, {"measure": "dise"}, "'measure' is one of dice"),
        (np.zeros((2, 2), np.uint64), None, {"max_pairs": 0}, "'max_pairs' is a whole number"),
        (np.zeros((2, 2), np.uint64), None, {"n_threads": 1.5}, "'n_threads' is a whole number"),
    ],
)
def test_what_does_not_fit_is_refused(left, right, options, complaint):
    with pytest.raises(OptionError, match=complaint):
        similar_pairs(left, right, **{"threshold": 0.5, **options})
