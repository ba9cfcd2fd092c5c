"""Filters of passes stay where they are, and are told as if they were in one array."""

from __future__ import annotations

import numpy as np
import pytest

from linkkit.linkage.compare.passes.pairs import distances_in_pass
from linkkit.linkage.pass_words import PassWords

SIZES = (3, 0, 5, 1)


@pytest.fixture
def runs() -> tuple[tuple[np.ndarray, ...], ...]:
    rng = np.random.default_rng(0)
    return tuple(
        tuple(rng.integers(0, 2**64, (n, width), np.uint64) for width in (2, 4)) for n in SIZES
    )


@pytest.mark.parametrize("k", [0, 1])
def test_runs_are_one_array(runs, k):
    words, whole = PassWords(runs=runs), np.concatenate([run[k] for run in runs])
    rows = np.random.default_rng(1).permutation(len(whole))
    assert len(words) == len(whole)
    assert np.array_equal(words.whole(k), whole)
    assert np.array_equal(words.of(k, rows), whole[rows])
    assert np.array_equal(words.of(k, np.array([4, 3])), whole[[4, 3]])
    assert np.array_equal(words.column(k, 1), whole[:, 1])
    assert np.array_equal(words.part(rows[:4]).whole(k), whole[rows[:4]])
    assert np.array_equal(words.joined(words).whole(k), np.concatenate([whole, whole]))
    left, right = np.divmod(np.arange(len(whole) ** 2), len(whole))
    plain = np.bitwise_count(whole[left] ^ whole[right]).sum(axis=1)
    assert np.array_equal(distances_in_pass(words, k, left, right), plain)


def test_only_copies_are_counted(runs):
    words = PassWords(runs=runs)
    part = words.part(np.array([0, 8]))
    assert words.n_bytes == 0
    assert part.n_bytes == 2 * 6 * 8
    assert words.joined(part).n_bytes == part.n_bytes


def test_without_passes_there_is_nothing():
    nothing = PassWords()
    assert len(nothing) == 0
    assert nothing.part(np.array([0, 1])).runs == ()
    assert nothing.joined(nothing).runs == ()
