"""Record filters: the kernel equals its slow twin, and neither loses a pair that is alike enough."""

from __future__ import annotations

import dataclasses
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.exchange import EncodingSpec, RecordFilterSpec
from linkkit.linkage.classify.record_curves import runners_up, smooth_log_rate
from linkkit.linkage.compare import compare_filters
from linkkit.linkage.compare.vectors.record_filters import SCALE, candidate_floor, dice_of_pairs
from linkkit.linkage.pool import Pool


def pool_of(sizes, clean, *, n_bits, seed, fill):
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    share = rng.uniform(fill / 2, fill, size=(n, 1))
    bits = rng.random((n, n_bits)) < share
    copies = rng.integers(0, n, size=n // 2)
    bits[copies] = bits[copies[::-1]]
    padded = np.zeros((n, -(-n_bits // 64) * 64), dtype=np.uint8)
    padded[:, :n_bits] = bits
    spec = RecordFilterSpec(name="clk", n_bits=n_bits, schema_digest="0" * 64, standardize="none")
    words = np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    return Pool(
        agreement_id="random",
        agreement_fingerprint="0" * 64,
        spec=EncodingSpec(
            profile="clkhash", encoding_version=1, standardization_version=1, records=(spec,)
        ),
        parties=tuple(f"party{i}" for i in range(len(sizes))),
        clean=np.array(clean, dtype=np.bool_),
        party=np.repeat(np.arange(len(sizes), dtype=np.int64), sizes),
        tokens=rng.integers(0, 256, size=(n, 16), dtype=np.uint8),
        words=words,
        present=np.ones((n, 1), dtype=np.bool_),
        block_keys=np.zeros((n, 0), dtype=np.uint64),
    )


pools = st.builds(
    pool_of,
    st.sampled_from([(3, 4), (1, 1), (30, 20), (5, 5, 5), (40,), (300, 2)]),
    st.lists(st.booleans(), min_size=3, max_size=3),
    n_bits=st.sampled_from([8, 64, 100, 128, 1000, 1024]),
    seed=st.integers(0, 1000),
    fill=st.sampled_from([0.05, 0.3, 0.9]),
)


def with_own_clean(pool):
    return dataclasses.replace(pool, clean=pool.clean[: len(pool.parties)])


@settings(max_examples=60, deadline=None)
@given(pools, st.floats(0, 1))
def test_all_pairs_that_are_alike_enough_are_found_and_no_other(pool, floor):
    pool = with_own_clean(pool)
    floor = np.floor(floor * SCALE) / SCALE
    found = compare_filters(pool, floor=floor, n_threads=1)
    bits = np.unpackbits(pool.words.view(np.uint8), axis=1).astype(int)
    expected = {}
    for a, b in combinations(range(len(pool)), 2):
        if pool.party[a] == pool.party[b] and pool.clean[pool.party[a]]:
            continue
        total = bits[a].sum() + bits[b].sum()
        common = (bits[a] & bits[b]).sum()
        dice = 2 * common / max(total, 1)
        if dice >= floor:
            expected[a, b] = dice
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert pairs == sorted(expected)
    assert found.dice.tolist() == pytest.approx([expected[pair] for pair in pairs])


@settings(max_examples=20, deadline=None)
@given(pools)
def test_the_floor_leaves_some_tens_of_candidates(pool):
    pool = with_own_clean(pool)
    floor = candidate_floor(pool)
    assert 0 <= floor <= 1
    found = compare_filters(pool, floor=floor)
    assert np.all(dice_of_pairs(pool, found.left, found.right) >= floor - 1e-9)


def test_runners_up_leave_the_best_out():
    record = np.array([0, 0, 0, 1])
    dice = np.array([0.9, 0.5, 0.7, 0.8])
    level = runners_up(record, dice, n_records=3, floor=0.4, ranks=(1, 4))
    assert level.tolist() == pytest.approx([(0.7 + 0.5 + 0.4) / 3, 0.4, 0.4])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 500), min_size=4, max_size=60))
def test_a_smooth_rate_keeps_the_total(counts):
    counts = np.array(counts, dtype=float)
    rate = np.exp(smooth_log_rate(counts, np.ones(len(counts))))
    assert np.all(np.isfinite(rate))
    if counts.sum() > 10:
        assert rate.sum() == pytest.approx(counts.sum(), rel=0.02)
