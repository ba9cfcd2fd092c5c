"""Filters that meet in tables of sampled bits: what is found, what it costs, and what is set aside."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import linkkit as lk
from linkkit.engines import ProgressEvent
from linkkit.errors import LinkageError, OptionError
from linkkit.exchange import EncodingSpec, RecordFilterSpec
from linkkit.linkage.block.lsh import FilterPlan, NearPairs, PeopleToLink, plan_tables
from linkkit.linkage.compare.vectors import recall as recall_module
from linkkit.linkage.compare.vectors import record_filters, samples, tables
from linkkit.linkage.compare.vectors.distinct import Distinct
from linkkit.linkage.compare.vectors.record_filters import find_candidates, likely_matches
from linkkit.linkage.compare.vectors.samples import Sampled, Sought
from linkkit.linkage.compare.vectors.tables import find_near
from linkkit.linkage.pool import Pool


def packed(bits):
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def two_files(n, *, n_bits, fill, differ, n_shared=None, seed=0):
    """Two arrays of random filters; the first of the second are the first's with some bits flipped."""
    rng = np.random.default_rng(seed)
    n_shared = n // 2 if n_shared is None else n_shared
    of_bit = np.clip(rng.normal(fill, 0.1, n_bits), 0.02, 0.98)
    left, right = (rng.random((n, n_bits)) < of_bit for _ in range(2))
    share = rng.uniform(0, 2 * differ, size=(n_shared, 1))
    right[:n_shared] = left[:n_shared] ^ (rng.random((n_shared, n_bits)) < share)
    return packed(left), packed(right)


def sought(threshold, *, recall=0.95, **how):
    given = {
        "measure": "dice", "always_tables": True, "affordable": 0.0,
        "likely": lambda sampled: np.ones(len(sampled.key)),
        "expected_shares": np.array([0.1]), "expected_weight": 1.0, "max_pairs": 5_000_000,
    }  # fmt: skip
    return Sought(threshold=threshold, recall=recall, **(given | how))


def find(left, right, what, **how):
    words = np.concatenate([left, right])
    party = np.repeat(np.arange(2), [len(left), len(right)])
    return find_near(words, party, np.ones(2, dtype=bool), what, **how)


def keys_of(found, n_left):
    return set(zip(found.left.tolist(), (found.right - n_left).tolist(), strict=True))


def exact_keys(left, right, threshold):
    found = lk.similar_pairs(left, right, threshold=threshold)
    return set(zip(found.left.tolist(), found.right.tolist(), strict=True))


def pool_of(files, *, clean=None):
    """A pool of parties' filters."""
    rng = np.random.default_rng(0)
    words = np.concatenate(files)
    n_bits = 64 * words.shape[1]
    spec = RecordFilterSpec(name="clk", n_bits=n_bits, schema_digest="0" * 64, standardize="none")
    return Pool(
        agreement_id="random",
        agreement_fingerprint="0" * 64,
        spec=EncodingSpec(
            profile="clkhash", encoding_version=1, standardization_version=1, records=(spec,)
        ),
        parties=tuple(f"party{i}" for i in range(len(files))),
        clean=np.ones(len(files), dtype=bool) if clean is None else np.array(clean),
        party=np.repeat(np.arange(len(files)), [len(file) for file in files]),
        tokens=rng.integers(0, 256, size=(len(words), 16), dtype=np.uint8),
        words=words,
        present=np.zeros((len(words), 0), dtype=bool),
        block_keys=np.zeros((len(words), 0), dtype=np.uint64),
    )


# --- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_bits", "fill", "differ", "threshold"),
    [
        (64, 0.5, 0.02, 0.88),
        (192, 0.4, 0.04, 0.85),
        (832, 0.2, 0.03, 0.75),
        (1024, 0.3, 0.06, 0.75),
        (1024, 0.5, 0.02, 0.9),
        (1024, 0.6, 0.1, 0.8),
        (8192, 0.4, 0.05, 0.8),
    ],
)
@pytest.mark.parametrize("recall", [0.9, 0.98])
def test_the_wanted_share_is_found_and_its_estimate_is_right(
    n_bits, fill, differ, threshold, recall
):
    n = 4_000
    left, right = two_files(n, n_bits=n_bits, fill=fill, differ=differ)
    found = find(left, right, sought(threshold, recall=recall))
    pairs, exact = keys_of(found, n), exact_keys(left, right, threshold)
    assert len(exact) > 1_000
    assert pairs <= exact
    true_recall = len(pairs) / len(exact)
    assert true_recall >= recall - 0.02
    assert found.plan.pair_completeness == pytest.approx(true_recall, abs=0.03)
    assert found.plan.wanted == recall
    assert 0 < found.plan.n_comparisons < 0.8 * found.plan.n_pairs == 0.8 * n * n
    assert found.plan.reduction_ratio == 1 - found.plan.n_comparisons / n**2


@pytest.mark.parametrize("n_bits", [320, 2048])
def test_records_with_few_and_with_many_bits_are_found(n_bits):
    rng = np.random.default_rng(2)
    n = 3_000
    fills = rng.choice([0.08, 0.3, 0.6], size=(n, 1))
    left, right = (rng.random((n, n_bits)) < fills for _ in range(2))
    # An error takes bits away and adds others, so many for each that is there.
    lost, new = rng.random((2, n // 2, n_bits)) < 0.06
    right[: n // 2] = left[: n // 2] & ~lost | new & (
        rng.random((n // 2, n_bits)) < fills[: n // 2]
    )
    left, right = packed(left), packed(right)
    found = find(left, right, sought(0.85, recall=0.95))
    pairs = keys_of(found, n)
    for fill in (0.08, 0.3, 0.6):
        own = np.flatnonzero(fills[: n // 2, 0] == fill)
        exact = {
            (i, j) for i, j in exact_keys(left, right, 0.85) if i == j and i in set(own.tolist())
        }
        assert len(exact) > 100
        assert len(pairs & exact) > 0.85 * len(exact)


def test_more_recall_takes_more_comparisons():
    left, right = two_files(4_000, n_bits=1024, fill=0.4, differ=0.08)
    cost = [
        find(left, right, sought(0.7, recall=recall)).plan.n_comparisons
        for recall in (0.5, 0.9, 0.99)
    ]
    assert cost[0] < cost[1] < cost[2]


def test_records_of_several_parties_and_of_one_with_duplicates_meet():
    one, two = two_files(1_500, n_bits=512, fill=0.4, differ=0.03)
    three = one[::-1].copy()
    three[:700, 0] ^= np.uint64(5)
    words = np.concatenate([one, two, three, three[:300]])
    words[-300:, 1] ^= np.uint64(1 << 40)
    party = np.repeat([0, 1, 2], [1_500, 1_500, 1_800])
    clean = np.array([True, True, False])
    found = find_near(words, party, clean, sought(0.85, recall=0.97))
    n_missed = n_all = 0
    for p, q in [(0, 1), (0, 2), (1, 2), (2, 2)]:
        a, b = (np.flatnonzero(party == x) for x in (p, q))
        all_of = lk.similar_pairs(words[a], None if p == q else words[b], threshold=0.85)
        expected = set(zip(a[all_of.left].tolist(), b[all_of.right].tolist(), strict=True))
        here = (party[found.left] == p) & (party[found.right] == q)
        got = set(zip(found.left[here].tolist(), found.right[here].tolist(), strict=True))
        assert got <= expected
        n_missed, n_all = n_missed + len(expected - got), n_all + len(expected)
    assert not np.any((party[found.left] == party[found.right]) & (party[found.left] != 2))
    assert n_all > 3_000
    assert n_missed < 0.04 * n_all


def test_pairs_are_sorted_and_their_common_bits_are_right():
    left, right = two_files(2_000, n_bits=320, fill=0.4, differ=0.04)
    found = find(left, right, sought(0.8))
    words = np.concatenate([left, right])
    assert (
        found.common.tolist()
        == np.bitwise_count(words[found.left] & words[found.right]).sum(axis=1).tolist()
    )
    order = np.lexsort((found.right, found.left))
    assert order.tolist() == list(range(len(order)))


# --- the same results, however it is run ---------------------------------------------------------


def test_neither_order_of_rows_nor_of_parties_nor_threads_change_what_is_found():
    left, right = two_files(3_000, n_bits=1024, fill=0.45, differ=0.06)
    left[100:140], right[-60:] = left[100], right[-1]
    what = sought(0.75, recall=0.9)
    one = find(left, right, what, n_threads=1)
    rng = np.random.default_rng(5)
    a, b = rng.permutation(len(left)), rng.permutation(len(right))
    other = find(left[a], right[b], what, n_threads=3)
    again = {(int(a[i]), int(b[j])) for i, j in keys_of(other, len(left))}
    assert again == keys_of(one, len(left))
    swapped = find(right, left, what)
    assert {(j, i) for i, j in keys_of(swapped, len(right))} == keys_of(one, len(left))
    assert other.plan == one.plan
    assert swapped.plan == one.plan


def test_without_numba_the_same_is_found(monkeypatch):
    left, right = two_files(1_200, n_bits=448, fill=0.4, differ=0.05)
    left[:30], right[:25] = left[0], left[0]
    what = sought(0.8, recall=0.9)
    one = find(left, right, what)
    monkeypatch.setattr(tables, "has_numba", lambda: False)
    plain = find(left, right, what)
    assert plain.plan == one.plan
    for part in ("left", "right", "common"):
        assert getattr(plain, part).tolist() == getattr(one, part).tolist()


def test_progress_reaches_its_total():
    events: list[ProgressEvent] = []
    left, right = two_files(2_000, n_bits=256, fill=0.4, differ=0.03)
    found = find(left, right, sought(0.85), progress=events.append)
    assert len(events) == found.plan.n_tables + 1
    assert events[-1].done == found.plan.n_comparisons <= events[-1].total


# --- too many alike ------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 0x5555])
@pytest.mark.parametrize("block", ["auto", "blocks"])
def test_filters_that_are_all_equal_are_set_aside_and_not_crossed(value, block):
    same = np.full((20_000, 16), value, dtype=np.uint64)
    pairs, plan, _ = find_candidates(pool_of([same, same]), floor=0.0, block=block)
    assert len(pairs) == 0
    assert plan.n_comparisons == 0
    assert plan.n_pairs == 400_000_000
    assert len(plan.warnings) == 2
    assert "20,000 records of 'party0' were set aside" in plan.warnings[0]
    assert "set aside" in str(plan)


def test_a_crowd_of_equal_filters_does_not_raise_the_least_similarity_of_the_others():
    left, right = two_files(2_000, n_bits=1024, fill=0.45, differ=0.04)
    crowd = np.repeat(left[:1], 3_000, axis=0)
    crowded = pool_of([np.concatenate([left[1:], crowd]), np.concatenate([right, crowd])])
    without = find_candidates(pool_of([left[1:], right]))
    found = find_candidates(crowded)
    assert found.floor == pytest.approx(without.floor, abs=0.02)
    shared = (found.pairs.right - found.pairs.left) == 4_999 + 1
    assert int(shared.sum()) > 950
    assert len(found.plan.warnings) == 2


def test_where_very_many_are_alike_fewer_records_are_sampled(monkeypatch):
    left, right = two_files(3_000, n_bits=512, fill=0.45, differ=0.03)
    what = sought(0.8, recall=0.9)
    whole = find(left, right, what)
    monkeypatch.setattr(samples, "_MOST_SAMPLED_PAIRS", 0)
    fewer = find(left, right, what)
    assert fewer.plan != whole.plan
    assert len(fewer.left) > 0.5 * len(whole.left)


def test_when_asked_to_compare_all_nothing_is_set_aside():
    same = np.full((300, 16), 7, dtype=np.uint64)
    pairs, plan, _ = find_candidates(pool_of([same, same]), floor=0.5, block="exhaustive")
    assert len(pairs) == 90_000
    assert plan.is_exhaustive
    assert not plan.warnings


def test_records_beside_a_crowd_of_equal_ones_are_found():
    left, right = two_files(1_000, n_bits=1024, fill=0.4, differ=0.03)
    crowd = np.repeat(left[:1], 500, axis=0)
    pool = pool_of([np.concatenate([left[1:], crowd]), right])
    alone, _, _ = find_candidates(pool_of([left[1:], right]), floor=0.7, block="exhaustive")
    for block in ("auto", "blocks"):
        pairs, plan, _ = find_candidates(pool, floor=0.7, block=block)
        assert plan.warnings[0].startswith("500 records of 'party0' were set aside")
        found = set(zip(pairs.left.tolist(), (pairs.right - 500).tolist(), strict=True))
        expected = set(zip(alone.left.tolist(), alone.right.tolist(), strict=True))
        assert found <= expected
        assert len(found) > 0.95 * len(expected)


def test_a_crowd_that_hardly_differs_is_told_apart_by_further_bits_or_set_aside(monkeypatch):
    monkeypatch.setattr(tables, "_MOST_PARTNERS", 50)
    monkeypatch.setattr(tables, "_PARTNERS_OVER_EXPECTED", 0)
    left, right = two_files(3_000, n_bits=1024, fill=0.4, differ=0.04)
    rng = np.random.default_rng(3)
    base = rng.random(1024) < 0.4
    crowds = [base ^ (rng.random((2_000, 1024)) < 0.08) for _ in range(2)]
    crowds[1][:1_000] = crowds[0][:1_000] ^ (rng.random((1_000, 1024)) < 0.003)
    one, two = (np.concatenate([a, packed(b)]) for a, b in zip((left, right), crowds, strict=True))
    near = sought(0.95, recall=0.95)
    found = find(one, two, near)
    pairs = keys_of(found, len(one))
    # 2,000 by 2,000 of the crowd would be more in a single table.
    assert found.plan.n_comparisons < 1_500_000 * found.plan.n_tables
    in_crowd = {(3_000 + i, 3_000 + i) for i in range(1_000)}
    assert len(pairs & in_crowd) > 700
    # What hardly differs at all cannot be told apart, is counted, and is never crossed.
    crowds = [base ^ (rng.random((2_000, 1024)) < 0.002) for _ in range(2)]
    one, two = (np.concatenate([a, packed(b)]) for a, b in zip((left, right), crowds, strict=True))
    found = find(one, two, dataclasses.replace(near, likely=likely_matches))
    assert "filters that hardly differ were set aside" in found.plan.warnings[0]
    assert found.plan.n_comparisons < 1_500_000 * found.plan.n_tables
    others = {(i, j) for i, j in keys_of(found, len(one)) if i < 3_000 and j < 3_000}
    assert len(others) > 0.8 * len(exact_keys(left, right, 0.95))


def test_equal_filters_count_as_often_as_they_are_there():
    left, right = two_files(500, n_bits=512, fill=0.4, differ=0.02)
    left[3:13], right[40:45] = left[3], left[3]
    found = find(left, right, sought(0.97, recall=0.9))
    pairs = keys_of(found, len(left))
    assert {(i, j) for i in range(3, 13) for j in range(40, 45)} <= pairs


def test_more_pairs_than_allowed_are_refused_before_they_are_made():
    files = two_files(1_000, n_bits=256, fill=0.4, differ=0.02)
    crowd = np.full((30_000, 4), 7, dtype=np.uint64)
    with pytest.raises(LinkageError, match=r"900,\d{3},\d{3} pairs are at least 0\.9 alike"):
        find(*(np.concatenate([file, crowd]) for file in files), sought(0.9))


def test_distinct_filters_keep_the_order_in_which_they_come():
    words = np.array([[5], [3], [5], [3], [5], [9]], dtype=np.uint64)
    rows = Distinct.of(words, np.array([0, 0, 0, 1, 1, 1]), n_parties=2)
    assert rows.words[:, 0].tolist() == [5, 3, 3, 5, 9]
    assert rows.party.tolist() == [0, 0, 1, 1, 1]
    assert rows.sizes.tolist() == [2, 1, 1, 1, 1]
    assert rows.members.tolist() == [0, 2, 1, 3, 4, 5]


@pytest.mark.parametrize("sizes", [(1, 1), (0, 3), (1, 0), (2, 1)])
@pytest.mark.parametrize("block", ["auto", "blocks", "exhaustive"])
def test_hardly_any_records_are_compared_all_the_same(sizes, block):
    files = [np.arange(1, n + 1, dtype=np.uint64).repeat(4).reshape(n, 4) for n in sizes]
    pairs, plan, _ = find_candidates(pool_of(files), floor=0.1, block=block)
    expected = lk.similar_pairs(*files, threshold=0.1)
    assert len(pairs) == len(expected)
    assert plan.n_pairs == sizes[0] * sizes[1]


# --- the plan ------------------------------------------------------------------------------------


def test_no_tables_where_no_bit_tells_anything():
    people = PeopleToLink(
        sizes=np.array([100, 100]), clean=np.ones(2, dtype=bool),
        sample=np.full((200, 2), 3, dtype=np.uint64), party=np.repeat([0, 1], 100),
    )  # fmt: skip
    near = NearPairs(
        differ=np.zeros((0, 2), np.uint64), weight=np.zeros(0), expected_shares=np.array([0.1]),
        expected_weight=1.0,
    )  # fmt: skip
    assert plan_tables(people, near, recall=0.9) is None


def test_bits_that_hardly_vary_are_not_looked_at():
    rng = np.random.default_rng(1)
    bits = rng.random((2_000, 256)) < 0.5
    bits[:, :64], bits[:, 64:128] = True, False
    people = PeopleToLink(
        sizes=np.array([50_000, 50_000]), clean=np.ones(2, dtype=bool), sample=packed(bits),
        party=np.repeat([0, 1], 1_000),
    )  # fmt: skip
    differ = packed(rng.random((500, 256)) < 0.05)
    near = NearPairs(
        differ=differ, weight=np.ones(500), expected_shares=np.array([0.1]), expected_weight=1.0
    )
    plan = plan_tables(people, near, recall=0.95)
    assert plan is not None
    assert min(min(table) for table in plan.tables) >= 128
    assert all(len(set(table)) == plan.bits_per_table for table in plan.tables)
    assert plan.pair_completeness >= 0.95
    assert f"in {plan.n_tables} tables of {plan.bits_per_table} bits" in str(plan)


def test_a_plan_says_that_all_is_compared_and_why():
    plan = FilterPlan(n_pairs=12, n_comparisons=12, reason="as asked")
    assert plan.is_exhaustive
    assert plan.reduction_ratio == 0
    assert plan.names == ("all pairs",)
    assert str(plan) == "all 12 pairs (as asked)"
    assert FilterPlan(n_pairs=0, n_comparisons=0).reduction_ratio == 0


# --- which sampled pairs are matches -------------------------------------------------------------


def sample_of(rng, n_rows, n_matches, *, n_strangers=8, spread=0.03):
    row = np.repeat(np.arange(n_rows), n_strangers)
    score = 0.7 + rng.exponential(spread, len(row))
    match = np.arange(n_matches)
    row, score = np.append(row, match), np.append(score, rng.uniform(0.8, 1, n_matches))
    truth = np.append(np.zeros(n_rows * n_strangers, dtype=bool), np.ones(n_matches, dtype=bool))
    key = np.arange(len(row), dtype=np.uint64)
    return Sampled(key=key, row=row, other=np.zeros_like(row), score=np.minimum(score, 1)), truth


@pytest.mark.parametrize("n_matches", [0, 200, 1_000, 2_000])
def test_likely_matches_are_about_as_many_as_there_are(n_matches):
    sampled, truth = sample_of(np.random.default_rng(7), 2_000, n_matches, spread=0.015)
    weight = likely_matches(sampled)
    assert np.all((weight >= 0) & (weight <= 1))
    assert weight.sum() == pytest.approx(n_matches, abs=60 + 0.05 * n_matches)
    assert weight[~truth].sum() < 60 + 0.02 * n_matches


def test_likely_matches_of_nothing_are_none():
    sampled, _ = sample_of(np.random.default_rng(0), 0, 0)
    assert likely_matches(sampled).tolist() == []


# --- linking -------------------------------------------------------------------------------------


def test_tables_are_chosen_where_all_pairs_take_long(monkeypatch):
    left, right = two_files(6_000, n_bits=1024, fill=0.45, differ=0.05)
    pool = pool_of([left, right])
    _, plan, _ = find_candidates(pool, floor=0.7)
    assert plan.is_exhaustive
    monkeypatch.setattr(record_filters, "AFFORDABLE_SECONDS", 0.0)
    monkeypatch.setattr("linkkit.linkage.block.lsh._SECONDS_PER_WORD", 1e-8)
    pairs, plan, _ = find_candidates(pool, floor=0.7)
    assert not plan.is_exhaustive
    true = (pairs.right - pairs.left) == 6_000
    assert true.sum() > 0.97 * 3_000
    assert plan.pair_completeness > 0.97
    assert "on one processor instead of" in str(plan)


def test_files_without_a_match_in_common_are_searched_for_what_matches_look_like():
    left, right = two_files(3_000, n_bits=1024, fill=0.45, differ=0.05, n_shared=12)
    pairs, plan, _ = find_candidates(pool_of([left, right]), floor=0.65, block="blocks")
    assert not plan.is_exhaustive
    assert int(((pairs.right - pairs.left) == 3_000).sum()) >= 11


# --- vectors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["dice", "jaccard", "matching", "cosine"])
def test_similar_pairs_finds_the_share_that_is_asked_for(measure, monkeypatch):
    monkeypatch.setattr(recall_module, "_AFFORDABLE_SECONDS", 0.0)
    monkeypatch.setattr("linkkit.linkage.block.lsh._SECONDS_PER_WORD", 1e-8)
    left, right = two_files(4_000, n_bits=1024, fill=0.4, differ=0.03)
    how = {"threshold": 0.85 if measure != "jaccard" else 0.75, "measure": measure}
    exact = lk.similar_pairs(left, right, **how)
    found = lk.similar_pairs(left, right, recall=0.9, **how)
    of_all = dict(
        zip(zip(exact.left.tolist(), exact.right.tolist(), strict=True), exact.score, strict=True)
    )
    of_found = dict(
        zip(zip(found.left.tolist(), found.right.tolist(), strict=True), found.score, strict=True)
    )
    assert of_found.items() <= of_all.items()
    assert len(of_found) >= 0.88 * len(of_all) > 1_000
    assert found.plan is not None
    assert found.plan.pair_completeness == pytest.approx(len(of_found) / len(of_all), abs=0.03)
    assert exact.plan is None


def test_similar_pairs_within_one_array_in_tables(monkeypatch):
    monkeypatch.setattr(recall_module, "_AFFORDABLE_SECONDS", 0.0)
    monkeypatch.setattr("linkkit.linkage.block.lsh._SECONDS_PER_WORD", 1e-8)
    words = np.concatenate(two_files(3_000, n_bits=512, fill=0.4, differ=0.02))
    words[10:15] = words[10]
    exact = lk.similar_pairs(words, threshold=0.9)
    found = lk.similar_pairs(words, threshold=0.9, recall=0.95)
    assert found.plan is not None
    one, other = (set(zip(x.left.tolist(), x.right.tolist(), strict=True)) for x in (found, exact))
    assert one <= other
    assert len(one) > 0.93 * len(other)
    assert {(10, 11), (13, 14)} <= one


def test_few_vectors_are_all_compared_whatever_the_recall():
    left, right = two_files(500, n_bits=256, fill=0.4, differ=0.03)
    exact = lk.similar_pairs(left, right, threshold=0.8)
    found = lk.similar_pairs(left, right, threshold=0.8, recall=0.5)
    assert found.plan is None
    assert found.left.tolist() == exact.left.tolist()


@pytest.mark.parametrize("recall", [0, 1, -0.1, 2, True, "0.9"])
def test_a_recall_that_is_none_is_refused(recall):
    words = np.ones((2, 2), dtype=np.uint64)
    with pytest.raises(OptionError, match="'recall' is a number above 0 and below 1"):
        lk.similar_pairs(words, threshold=0.5, recall=recall)


def test_arrays_of_different_width_are_refused_with_recall_too():
    one, two = np.ones((2, 2), dtype=np.uint64), np.ones((2, 3), dtype=np.uint64)
    with pytest.raises(OptionError, match="equally wide"):
        lk.similar_pairs(one, two, threshold=0.5, recall=0.9)


def test_plans_are_values():
    plan = FilterPlan(n_pairs=1, n_comparisons=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.n_pairs = 2  # type: ignore[misc]
