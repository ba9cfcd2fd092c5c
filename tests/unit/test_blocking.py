"""Blocking: the passes cover exactly the pairs that they should, each once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from linkkit.errors import LinkageError
from linkkit.linkage.block import AllPairs, KeyPass, count_pairs, plan_blocking
from linkkit.linkage.block._key_reference import block_ranges
from linkkit.linkage.block.content import copied_records
from linkkit.linkage.block.keys import filter_keys, sorted_blocks
from linkkit.linkage.compare import N_LEVELS, compare_all, make_comparison
from linkkit.linkage.link import link
from linkkit.linkage.pool import Pool, make_pool

MakePool = Callable[..., Pool]


def pairs_of(item: AllPairs) -> list[tuple[int, int]]:
    return [
        (p, q)
        for p, (first, last) in enumerate(zip(item.first, item.last, strict=True))
        for q in range(first, last)
    ]


def met(pool: Pool, item: AllPairs | KeyPass) -> list[tuple[int, int]]:
    """Return the pairs of a pass of blocks, the smaller first."""
    assert isinstance(item, KeyPass)
    blocks = sorted_blocks(pool, filter_keys(pool), item.columns, item.members)
    first, last, _ = block_ranges(blocks.packed, pool.party_starts(), pool.clean)
    place = (blocks.packed & np.uint64(0xFFFFFFFF)).tolist()
    return [
        (min(place[p], place[q]), max(place[p], place[q]))
        for p in range(len(place))
        for q in range(first[p], last[p])
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
    (everything,) = plan.passes
    assert isinstance(everything, AllPairs)
    found = pairs_of(everything)
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
    by_name = {item.name: sorted(met(pool, item)) for item in plan.passes}
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


def crowded_pool(random_pool: MakePool) -> Pool:
    """Return people of whom the first 30 of each party have one given name and one birth date."""
    kinds = ("given_name", "surname", "date", "city")
    pool = random_pool((60, 60), clean=(True, True), kinds=kinds, n_distinct=40, share_missing=0)
    for f in (0, 2):
        words = slice(pool.word_starts[f], pool.word_starts[f + 1])
        for start in (0, 60):
            pool.words[start : start + 30, words] = f + 1
    return pool


def test_a_crowded_block_is_crossed_only_where_more_agrees(
    random_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkkit.linkage.block.keys.BLOCK_LIMIT", 800)
    pool = crowded_pool(random_pool)
    plan = plan_blocking(pool, block="blocks")
    assert plan.crowded == ("field_0 and field_2 (60 records)",)
    splits = [item for item in plan.passes if isinstance(item, KeyPass) and item.splits]
    assert {item.splits for item in splits} == {(0, 2)}
    assert {item.columns for item in splits} == {(0, 1, 2), (0, 2, 3)}
    weights = np.zeros((4, N_LEVELS))
    found = compare_all(pool, make_comparison(pool), plan, weights=weights, floor=0)
    expected = {
        (i, j)
        for i, j in may_match(pool)
        if sum(agree(pool, f, i, j) for f in range(4))
        >= (3 if agree(pool, 0, i, j) and agree(pool, 2, i, j) and i < 30 and 60 <= j < 90 else 2)
    }
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == expected


def test_records_that_are_all_the_same_are_not_crossed(
    random_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkkit.linkage.block.keys.BLOCK_LIMIT", 800)
    pool = random_pool((300, 300), clean=(True, True), n_distinct=200, share_missing=0)
    pool.words[:100] = pool.words[300:400] = 7
    plan = plan_blocking(pool, block="blocks")
    assert plan.n_comparisons < 300 * 300 / 10
    assert plan.crowded == ("field_0 and field_1 (200 records)",)


@pytest.mark.parametrize("members", [None, [0, 3, 4, 9, 11, 20]])
@pytest.mark.parametrize("largest", [0, 3, 10**6])
@pytest.mark.parametrize("seed", range(6))
def test_compiled_blocks_are_those_of_the_reference(
    random_pool: MakePool,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    largest: int,
    members: list[int] | None,
) -> None:
    monkeypatch.setattr("linkkit.linkage.block.keys.BLOCK_LIMIT", largest)
    monkeypatch.setattr("linkkit.linkage.block.keys._PAIRS_PER_PIECE", 5)
    monkeypatch.setattr("linkkit.linkage.block.keys._RECORDS_PER_PIECE", 7)
    pool = random_pool((9, 8, 7), clean=(True, seed % 2 == 0, False), seed=seed, n_distinct=2)
    chosen = None if members is None else np.array(members)
    compiled = filter_keys(pool), sorted_blocks(pool, filter_keys(pool), (0, 1), chosen)
    monkeypatch.setattr("linkkit.linkage.block.keys.has_numba", lambda: False)
    plain = filter_keys(pool), sorted_blocks(pool, filter_keys(pool), (0, 1), chosen)
    assert np.array_equal(compiled[0], plain[0])
    for name in ("packed", "cuts", "n_comparisons", "n_crowded", "n_crowded_records"):
        assert np.array_equal(getattr(compiled[1], name), getattr(plain[1], name)), name
    assert compiled[1].cuts[-1] == len(compiled[1].packed)


def test_no_keys_make_no_blocks(random_pool: MakePool) -> None:
    pool = random_pool((3, 3), clean=(True, True), share_missing=1)
    blocks = sorted_blocks(pool, filter_keys(pool), (0, 1))
    assert len(blocks.packed) == len(blocks.cuts) == blocks.n_comparisons == 0


def test_a_plan_says_how_many_true_pairs_it_expects_to_compare(random_pool: MakePool) -> None:
    kinds = ("given_name", "surname", "date", "postal_code")
    full = random_pool((50, 50), clean=(True, True), kinds=kinds, share_missing=0, n_distinct=90)
    holes = random_pool((50, 50), clean=(True, True), kinds=kinds, share_missing=0.4, n_distinct=90)
    whole = plan_blocking(full, block="blocks").pair_completeness
    assert 0.9 < whole < 1
    assert plan_blocking(holes, block="blocks").pair_completeness < whole - 0.2
    assert plan_blocking(full).pair_completeness == 1
    assert "of true pairs expected among them" in str(plan_blocking(full, block="blocks"))


@pytest.mark.parametrize("n", [100, 101])
def test_many_equal_records_of_a_file_with_duplicates_are_told(
    plain_agreement: Any, encode_plainly: Any, made_people: Any, n: int
) -> None:
    agreement = plain_agreement(("north", "south"), clean=("north",))
    everybody = made_people(150, seed=3)
    copies = pd.concat([everybody.iloc[[0]]] * n, ignore_index=True)
    copies["id"] = [f"copy-{i}" for i in range(n)]
    files = [
        encode_plainly(everybody, agreement, "north"),
        encode_plainly(pd.concat([everybody.iloc[1:90], copies]), agreement, "south"),
    ]
    told = copied_records(make_pool(files))
    assert len(told) == (n > 100)
    if told:
        assert told[0].startswith(f"{n} of {89 + n} records of 'south' are equal to more than 100")
        assert told[0] in link(files).warnings
