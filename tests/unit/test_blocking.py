"""Blocking: the passes cover exactly the pairs that they should, each once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from linkkit.errors import LinkageError
from linkkit.linkage.block import BlockingPass, count_pairs, plan_blocking
from linkkit.linkage.block.plan import filter_keys
from linkkit.linkage.pool import Pool

MakePool = Callable[..., Pool]


def pairs_of(item: BlockingPass) -> list[tuple[int, int]]:
    order = item.order.tolist()
    return [
        (min(order[p], order[q]), max(order[p], order[q]))
        for p, (first, last) in enumerate(zip(item.first, item.last, strict=True))
        for q in range(first, last)
    ]


def may_match(pool: Pool) -> set[tuple[int, int]]:
    return {
        (i, j)
        for i, j in combinations(range(len(pool)), 2)
        if pool.party[i] != pool.party[j] or not pool.clean[pool.party[i]]
    }


def agree(pool: Pool, field: int, i: int, j: int) -> bool:
    words = slice(pool.word_starts[field], pool.word_starts[field + 1])
    return bool(
        pool.present[i, field]
        and pool.present[j, field]
        and np.array_equal(pool.words[i, words], pool.words[j, words])
    )


CASES = [
    ((5, 7), (True, True)),
    ((5, 7), (True, False)),
    ((9,), (False,)),
    ((1, 1), (True, True)),
    ((4, 5, 6), (False, True, False)),
    ((1, 40), (True, True)),
]


@pytest.mark.parametrize(("sizes", "clean"), CASES)
def test_the_exhaustive_pass_compares_every_pair_that_may_match_once(
    random_pool: MakePool, sizes: tuple[int, ...], clean: tuple[bool, ...]
) -> None:
    pool = random_pool(sizes, clean=clean)
    plan = plan_blocking(pool)
    found = pairs_of(plan.passes[0])
    assert sorted(found) == sorted(may_match(pool))
    assert plan.is_exhaustive
    assert plan.n_pairs == plan.n_comparisons == count_pairs(pool) == len(found)
    assert plan.reduction_ratio == 0
    assert str(plan) == f"all {len(found):,} pairs"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("sizes", "clean"), [((12, 15), (True, False)), ((9, 8, 7), (True,) * 3)])
def test_keyed_passes_compare_exactly_the_pairs_that_agree_in_two_fields(
    random_pool: MakePool, sizes: tuple[int, ...], clean: tuple[bool, ...], seed: int
) -> None:
    kinds = ("given_name", "date", "sex", "postal_code")
    pool = random_pool(sizes, clean=clean, seed=seed, kinds=kinds, n_distinct=3)
    plan = plan_blocking(pool, block="blocks")
    by_name = {item.name: sorted(pairs_of(item)) for item in plan.passes}
    for one, other in combinations([0, 1, 3], 2):
        expected = sorted(
            (i, j)
            for i, j in may_match(pool)
            if agree(pool, one, i, j) and agree(pool, other, i, j)
        )
        assert by_name.get(f"field_{one} and field_{other}", []) == expected
    assert plan.n_comparisons == sum(len(pairs) for pairs in by_name.values())


def test_sex_is_no_blocking_key(random_pool: MakePool) -> None:
    pool = random_pool((20, 20), clean=(True, True), n_distinct=1, share_missing=0)
    plan = plan_blocking(pool, block="blocks")
    assert [item.name for item in plan.passes] == ["field_0 and field_1"]


def test_a_pass_that_is_too_large_is_left_out_and_told(
    random_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkkit.linkage.block.plan.PASS_LIMIT", 0)
    pool = random_pool((20, 20), clean=(True, True), n_distinct=1, share_missing=0)
    with pytest.raises(LinkageError, match="400 pairs are too many") as caught:
        plan_blocking(pool, block="blocks")
    assert "Add linkage fields" in caught.value.hint


def test_where_no_pair_agrees_in_two_fields_nothing_is_compared(random_pool: MakePool) -> None:
    pool = random_pool((20, 20), clean=(True, True), share_missing=1.0)
    assert plan_blocking(pool, block="blocks").n_comparisons == 0


def test_digests_agree_exactly_where_filters_do(random_pool: MakePool) -> None:
    pool = random_pool((30, 30), clean=(True, True), share_missing=0)
    keys = filter_keys(pool)
    for f in range(3):
        words = pool.words[:, pool.word_starts[f] : pool.word_starts[f + 1]]
        same = (words[:, None, :] == words[None, :, :]).all(axis=2)
        assert np.array_equal(keys[:, None, f] == keys[None, :, f], same)


def test_digests_depend_on_every_bit(random_pool: MakePool) -> None:
    pool = random_pool((2, 2), clean=(True, True), share_missing=0)
    before = filter_keys(pool)[0, 0]
    seen = {int(before)}
    for word in range(2):
        for bit in range(64):
            pool.words[0, word] ^= np.uint64(1 << bit)
            seen.add(int(filter_keys(pool)[0, 0]))
            pool.words[0, word] ^= np.uint64(1 << bit)
    assert len(seen) == 129


def test_fields_that_go_together_are_no_pass_where_others_find_the_same(
    random_pool: MakePool,
) -> None:
    kinds = ("given_name", "surname", "date", "city", "postal_code")
    pool = random_pool((400, 400), clean=(True, True), kinds=kinds, n_distinct=300, share_missing=0)
    city, code = (slice(*pool.word_starts[[f, f + 1]]) for f in (3, 4))
    pool.words[:, city] = pool.words[0, city]
    pool.words[:, code] = pool.words[0, code]
    plan = plan_blocking(pool, block="blocks")
    assert plan.skipped == ("field_3 and field_4",)
    assert len(plan.passes) >= 6
    # ... but where nothing else is there, it is the only way.
    few = random_pool((400, 400), clean=(True, True), kinds=kinds[3:], n_distinct=1)
    assert len(plan_blocking(few, block="blocks").passes) == 1
