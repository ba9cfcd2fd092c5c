"""How many matches are missed, from those that agree with several salts; and passes that parties lack."""

from __future__ import annotations

import numpy as np
import pytest

from linkkit.agreement import Agreement
from linkkit.linkage.classify.pass_coverage import blocks_of, covered_passes
from linkkit.linkage.classify.pass_evidence import SeenPairs
from linkkit.linkage.classify.pass_patterns import _ALIKE, _UNEVEN, _Table, expected_patterns
from linkkit.partner.encode import encoding_spec

N = 20_000
SALTS = 5
DATES, NAMES = (0, 1), (3, 4)


def pairs_of_one_person(rng, *, together=True):
    """Return with which salts pairs agree: two rest on dates and two on names, which fail together."""
    alive = rng.random((N, SALTS)) < [0.85, 0.9, 0.8, 0.8, 0.85]
    if together:
        wrong = rng.random((N, 2)) < [0.15, 0.2]
        alive[:, DATES] &= ~wrong[:, [0]]
        alive[:, NAMES] &= ~wrong[:, [1]]
    return alive


def counted(alive, *, shared=(DATES, NAMES), covered=None, block=None):
    seen = alive.sum(axis=1) > 1
    block = np.zeros(len(alive), dtype=np.int64) if block is None else block
    covered = np.ones((1, SALTS), dtype=np.bool_) if covered is None else covered
    return expected_patterns(
        alive[seen], np.ones(int(seen.sum())), block[seen], covered, list(shared)
    )


def test_missed_matches_follow_from_those_that_are_seen():
    alive = pairs_of_one_person(np.random.default_rng(1))
    n_alive = alive.sum(axis=1)
    few = counted(alive)
    assert few.none.sum() == pytest.approx((n_alive == 0).sum(), rel=0.25)
    assert few.alone.sum() == pytest.approx((n_alive == 1).sum(), rel=0.25)
    # Salts taken to fail each for itself leave out most of those that have nothing in common.
    assert counted(alive, shared=()).none.sum() < 0.5 * (n_alive == 0).sum()


def test_where_salts_fail_for_themselves_no_more_are_expected_than_there_are():
    alive = pairs_of_one_person(np.random.default_rng(2), together=False)
    few, n_alive = counted(alive), alive.sum(axis=1)
    assert few.none.sum() == pytest.approx((n_alive == 0).sum(), abs=30)
    assert few.alone.sum() == pytest.approx((n_alive == 1).sum(), abs=60)


def test_what_parties_lack_is_learned_from_others():
    alive = pairs_of_one_person(np.random.default_rng(3))
    block = np.repeat([1, 2], N // 2)
    covered = np.ones((4, SALTS), dtype=np.bool_)
    covered[2] = [False, False, False, True, True]  # names alone
    alive &= covered[block]
    few = counted(alive, covered=covered, block=block)
    for number in (1, 2):
        dead = (alive[block == number].sum(axis=1) == 0).sum()
        assert few.none[number] == pytest.approx(dead, rel=0.3, abs=40)
    assert not few.none[[0, 3]].any()
    assert few.alone[2, :3].max() < 1e-3


def test_too_many_salts_are_not_counted():
    alive = np.ones((10, 15), dtype=np.bool_)
    block = np.zeros(10, dtype=np.int64)
    assert expected_patterns(alive, np.ones(10), block, alive[:1], []) is None


def test_no_match_at_all_expects_none():
    alive = np.ones((10, SALTS), dtype=np.bool_)
    block, covered = np.zeros(10, dtype=np.int64), alive[:1]
    few = expected_patterns(alive, np.zeros(10), block, covered, [DATES])
    assert few.none.sum() == few.alone.sum() == 0


@pytest.mark.parametrize("places", [_ALIKE, _UNEVEN])
def test_the_slope_is_that_of_the_loss(places):
    rng = np.random.default_rng(4)
    patterns = np.arange(8)
    has = ((patterns[:, None] >> np.arange(3)) & 1).astype(np.float64)
    visible = has.sum(axis=1) > 1
    table = _Table(
        features=np.column_stack([has, has[:, 0] * has[:, 1]]),
        counts=rng.integers(0, 50, (2, 8)) * visible * np.array([[1], [0]])
        + np.eye(8)[[0, 3]] * [[0], [40]],
        shown=[patterns, patterns & 3],
        visible=visible,
        n_salts=3,
    )
    at = rng.normal(size=5)
    at[-1] = 0.6
    usual = np.array([2.0, 1.0, 0.5])
    value, slope = table._loss(at, *places, usual)
    for i in range(5):
        more = at + 1e-6 * np.eye(5)[i]
        assert (table._loss(more, *places, usual)[0] - value) / 1e-6 == pytest.approx(
            slope[i], abs=1e-2
        )


@pytest.mark.parametrize("rate", [0.7, 0.95])
def test_a_salt_that_two_parties_alone_have_fails_as_others_do(rate):
    rng = np.random.default_rng(6)
    alive, block = rng.random((N, 4)) < rate, np.repeat([1, 2, 3], [N // 2, N // 2 - 5, 5])
    covered = np.array([[True] * 4, [True] * 3 + [False], [True, False, False, True], [True] * 4])
    alive &= covered[block]
    # Five pairs of two parties that lack the salt: too few to show that they do.
    alive[block == 3, 3] = False
    few = counted(alive, shared=(), covered=covered, block=block)
    of_two = alive[block == 2].sum(axis=1)
    assert few.alone[2].sum() == pytest.approx((of_two == 1).sum(), rel=0.35)
    assert few.none[2] == pytest.approx((of_two == 0).sum(), rel=0.6, abs=15)


def test_passes_that_two_parties_lack_tell_nothing(plain_agreement):
    document = plain_agreement().model_dump(mode="json", exclude_defaults=True)
    document["linkage"]["profile"] = "standard"
    spec = encoding_spec(Agreement.from_document(document))
    rng = np.random.default_rng(5)
    n, n_passes = 600, len(spec.passes)
    correlations = rng.normal(scale=1 / np.sqrt(2048), size=(n, n_passes))
    correlations += 0.4
    block = np.repeat([1, 2, 2], n // 3)
    correlations[block == 2, 0] -= 0.4
    seen = SeenPairs.of(
        spec, correlations, block=block, covered=np.ones((4, n_passes), dtype=np.bool_)
    )
    covered = covered_passes(spec, correlations, seen, np.ones(n))
    assert covered[1].all()
    assert not covered[2, 0]
    assert covered[2, 1:].all()
    few = covered_passes(spec, correlations, seen, np.full(n, 0.01))
    assert few.all()


def test_a_block_is_the_same_whichever_record_comes_first(random_pool):
    pool = random_pool((3, 3, 3), clean=(True, True, True))
    left, right = np.array([0, 4, 1]), np.array([4, 8, 8])
    assert blocks_of(pool, left, right).tolist() == blocks_of(pool, right, left).tolist()
    assert len(set(blocks_of(pool, left, right).tolist())) == 3
