"""Tables of sampled bits: each kernel equals its slow twin, and a table loses no pair that meets in it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.engines import has_numba
from linkkit.linkage.compare.vectors import _table_reference

kernels = st.builds(
    lambda seed, n, n_words, n_parties, n_bits, fill: (
        np.random.default_rng(seed), n, n_words, n_parties, n_bits, fill
    ),
    st.integers(0, 10_000),
    st.sampled_from([0, 1, 2, 30, 700]),
    st.sampled_from([1, 3, 4, 5, 16]),
    st.integers(1, 3),
    st.integers(1, 12),
    st.sampled_from([0.02, 0.3, 0.6]),
)  # fmt: skip


def made(what):
    rng, n, n_words, n_parties, n_bits, fill = what
    bits = rng.random((n, 64 * n_words)) < fill
    words = np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    party = np.sort(rng.integers(0, n_parties, n))
    clean = rng.random(n_parties) < 0.5
    chosen = rng.choice(64 * n_words, n_bits, replace=False)
    return rng, words, party, clean, chosen


def in_buckets(words, party, clean, chosen):
    keys = np.sort(_table_reference.gather_keys(words, chosen))
    return keys, *_table_reference.bucket_ranges(keys, party, clean)


@settings(max_examples=60, deadline=None)
@given(kernels)
def test_all_pairs_that_agree_in_the_bits_meet_once_and_no_other(what):
    _, words, party, clean, chosen = made(what)
    _, order, first, last = in_buckets(words, party, clean, chosen)
    met = [
        tuple(sorted((int(order[i]), int(order[j]))))
        for i in range(len(order))
        for j in range(first[i], last[i])
    ]
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, bitorder="little")[:, chosen]
    expected = {
        (a, b)
        for a, b in combinations(range(min(len(words), 60)), 2)
        if np.array_equal(bits[a], bits[b]) and (party[a] != party[b] or not clean[party[a]])
    }
    assert len(met) == len(set(met))
    assert {pair for pair in met if max(pair) < 60} == expected


@settings(max_examples=60, deadline=None)
@given(kernels, st.integers(0, 256), st.floats(0, 1))
def test_the_kernels_equal_their_twins(what, most, threshold):
    if not has_numba():
        return
    from linkkit.linkage.compare.vectors import _table_kernels as compiled

    _, words, party, clean, chosen = made(what)
    keys, order, first, last = in_buckets(words, party, clean, chosen)
    own_keys = np.empty(len(words), dtype=np.uint64)
    compiled.gather_keys(words, chosen // 64, (chosen % 64).astype(np.uint64), own_keys)
    assert np.sort(own_keys).tolist() == keys.tolist()

    own_order = np.empty(len(words), dtype=np.int64)
    own_first, own_last = np.empty((2, len(words)), dtype=np.int32)
    compiled.bucket_ranges(keys, party.astype(np.int32), clean, own_order, own_first, own_last)
    assert own_order.tolist() == order.tolist()
    assert own_last.tolist() == last.tolist()
    assert own_first.tolist() == first.tolist()

    sketches = np.zeros((len(words), compiled.SKETCH), dtype=np.uint64)
    width = min(compiled.SKETCH, words.shape[1])
    sketches[:, :width] = words[:, :width]
    columns = np.empty((compiled.SKETCH, len(words)), dtype=np.uint64)
    compiled.gather_sketches(sketches, order, columns)
    assert np.array_equal(columns, sketches[order].T)

    n_set = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    room = np.zeros(compiled.LANES, dtype=np.uint8)
    plain = _table_reference.scan_buckets(sketches, order, first, last, most=most)
    near = np.concatenate([np.zeros(0, np.uint64), *plain])
    left, right = (near >> np.uint64(32)).astype(np.int64), (near & 0xFFFFFFFF).astype(np.int64)
    common = np.zeros(len(near), dtype=np.int64)
    compiled.common_bits(words, left, right, common)
    assert common.tolist() == _table_reference.common_bits(words, left, right).tolist()
    enough = 2 * common >= threshold * (n_set[left] + n_set[right]) - 1e-5
    for capacity in (0, len(near)):
        out = np.zeros(capacity, dtype=np.uint64)
        n_found = compiled.scan_buckets(
            columns, words, n_set, order, own_first, own_last, 0, len(words), most, 0, threshold,
            64 * words.shape[1], room, room.view(np.uint64), out,
        )  # fmt: skip
        assert n_found == int(enough.sum())
    assert sorted(out[:n_found].tolist()) == sorted(near[enough].tolist())
