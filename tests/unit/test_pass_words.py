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
    assert np.array_equal(words.first_words(k), whole[:, 0])
    assert np.array_equal(words.first_words(k, rows), whole[rows, 0])
    assert np.array_equal(words.part(rows[:4]).whole(k), whole[rows[:4]])
    both = words.part(rows).joined(words)
    assert len(both.runs) == len(SIZES)
    assert np.array_equal(both.whole(k), np.concatenate([whole[rows], whole]))
    assert np.array_equal(both.first_words(k), np.concatenate([whole[rows], whole])[:, 0])
    left, right = np.divmod(np.arange(len(whole) ** 2), len(whole))
    plain = np.bitwise_count(whole[left] ^ whole[right]).sum(axis=1)
    assert np.array_equal(distances_in_pass(words, k, left, right), plain)


def test_what_is_kept_holds_nothing_of_others(runs):
    words, whole = PassWords(runs=runs), np.concatenate([run[0] for run in runs])
    some = words.part(np.array([7, 2, 1, 0]))
    tidy = some.tidied()
    assert np.shares_memory(some.runs[2][0], runs[2][0])
    assert np.array_equal(tidy.whole(0), whole[[7, 2, 1, 0]])
    assert [len(run[0]) for run in tidy.runs] == [3, 1]
    assert np.shares_memory(tidy.runs[0][0], runs[0][0]), "what is used whole is not copied"
    assert np.array_equal(tidy.runs[1][0], whole[7:8])
    assert len(words.part(np.zeros(0, dtype=np.int64)).tidied()) == 0


def test_what_extracts_hold_is_not_changed(runs):
    words = PassWords(runs=runs)
    with pytest.raises(ValueError, match="read-only"):
        words.runs[0][0][0, 0] = 0
    assert runs[0][0].flags.writeable
    turned = PassWords(runs=(tuple(part[::-1] for part in runs[2]),))
    assert all(part.flags.c_contiguous for part in turned.runs[0])
    assert np.array_equal(turned.whole(0), runs[2][0][::-1])


def test_many_runs_become_one(runs):
    words = PassWords(runs=runs[:1])
    for _ in range(40):
        copy = tuple(part.copy() for part in runs[3])
        words = words.joined(PassWords(runs=(copy,))).tidied()
    assert len(words.runs) < 34
    assert np.array_equal(words.whole(1)[:3], runs[0][1])
    assert np.array_equal(words.whole(1)[3:], np.repeat(runs[3][1], 40, axis=0))


def test_without_passes_there_is_nothing():
    nothing = PassWords()
    assert len(nothing) == 0
    assert nothing.part(np.array([0, 1])).runs == ()
    assert nothing.joined(nothing).runs == ()
