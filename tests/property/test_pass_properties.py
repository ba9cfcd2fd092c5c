"""Passes: the fast loops equal the obvious ones, and what a record is does not depend on others."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.exchange import PassField, PassSpec
from linkkit.linkage.compare import _pass_reference as compared_plainly
from linkkit.partner.encode import _pass_reference
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.passes import PassKeys, diffusion_inputs, pass_filter
from linkkit.partner.encode.salts import salt_codes

pytest.importorskip("numba")

KINDS = {"surname": "surname", "birth_date": "date", "street": "street_address"}
KEYS = PassKeys(groups=b"g" * 32, ids=b"i" * 32, diffusion=b"d" * 32)
ITEM = PassSpec(
    name="by_surname",
    salt="surname",
    part="prefix",
    length=2,
    n_bits=128,
    n_inputs=3,
    fields=tuple(
        PassField(name=name, kind=kind, n_hashes=n, typical_tokens=9)
        for (name, kind), n in zip(KINDS.items(), (3, 9, 17), strict=True)
    ),
)

words = st.text("abc", min_size=1, max_size=6)
dates = st.dates().map(lambda day: f"{day.year:04d}{day.month:02d}{day.day:02d}")
streets = st.builds(lambda n, word: f"{n} {word} st", st.integers(1, 99), words)
people = st.lists(
    st.fixed_dictionaries(
        {
            "surname": st.none() | words,
            "birth_date": st.none() | dates,
            "street": st.none() | streets,
        }
    ),
    min_size=1,
    max_size=80,
)


def encoded(rows, *, compiled=True, item=ITEM):
    columns = {n: pa.array([row[n] for row in rows], pa.large_string()) for n in KINDS}
    table = gram_table(columns, KINDS, fields=list(KINDS))
    return pass_filter(
        table, *salt_codes(columns[item.salt], item), item=item, keys=KEYS, compiled=compiled
    )


@given(people)
@settings(deadline=None, max_examples=40)
def test_compiled_loops_make_what_the_plain_ones_make(rows):
    fast, plain = encoded(rows), encoded(rows, compiled=False)
    assert np.array_equal(fast.words, plain.words)
    assert np.array_equal(fast.groups, plain.groups)
    assert np.array_equal(fast.present, plain.present)


@given(people)
@settings(deadline=None, max_examples=30)
def test_a_record_is_encoded_alike_in_any_company(rows):
    together = encoded(rows)
    alone = encoded(rows[:1])
    assert np.array_equal(alone.words[0], together.words[0])
    backwards = encoded(rows[::-1])
    assert np.array_equal(backwards.words[::-1], together.words)


@given(people)
@settings(deadline=None, max_examples=30)
def test_without_a_salt_there_is_nothing(rows):
    made = encoded(rows)
    for i, row in enumerate(rows):
        if row["surname"] is None:
            assert not made.present[i]
            assert made.groups[i] == 0
            assert not made.words[i].any()
        else:
            assert made.present[i]
            assert made.groups[i] != 0


@given(st.integers(0, 2**32), st.integers(1, 130), st.integers(1, 5))
@settings(deadline=None, max_examples=30)
def test_diffusion_by_words_equals_diffusion_by_bits(seed, n, n_inputs):
    from linkkit.partner.encode import _pass_kernels

    rng = np.random.default_rng(seed)
    before = rng.integers(0, 2**64, size=(n, 4), dtype=np.uint64)
    key = hashlib.sha256(seed.to_bytes(8, "big")).digest()
    inputs = diffusion_inputs(key, n_bits=256, n_inputs=n_inputs)
    rows = rng.permutation(n)[: max(n // 2, 1)].astype(np.int64)
    after = before.copy()
    _pass_kernels.diffuse(after, inputs, rows)
    expected = before.copy()
    expected[rows] = _pass_reference.diffused(before[rows], inputs)
    assert np.array_equal(after, expected)


def test_no_bit_is_made_of_one_bit_twice():
    inputs = diffusion_inputs(b"k" * 32, n_bits=64, n_inputs=8)
    assert all(len(set(row)) == 8 for row in inputs.tolist())
    assert inputs.min() >= 0
    assert inputs.max() < 64


@given(st.integers(0, 2**32), st.integers(2, 60))
@settings(deadline=None, max_examples=30)
def test_distances_equal_those_of_the_plain_kernel(seed, n):
    from linkkit.linkage.compare import _pass_kernels

    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**64, size=(n, 3), dtype=np.uint64)
    first = np.arange(1, n + 1, dtype=np.int64)
    last = np.maximum(first, rng.integers(0, n + 1, size=n))
    most = int(rng.integers(60, 130))
    out = np.empty((2, n * n), dtype=np.int64)
    found = _pass_kernels.scan_groups(
        bits, np.ascontiguousarray(bits.T), first, last, 0, n, most, out[0], out[1]
    )
    left, right = compared_plainly.scan_groups(bits, first, last, 0, n, most)
    assert np.array_equal(out[0, :found], left)
    assert np.array_equal(out[1, :found], right)
    distances = np.zeros(len(left), dtype=np.int64)
    _pass_kernels.distances_of_pairs(bits, left, right, distances)
    assert np.array_equal(distances, compared_plainly.distances_of_pairs(bits, left, right))
    few = _pass_kernels.scan_groups(
        bits, np.ascontiguousarray(bits.T), first, last, 0, n, most, out[0, :1], out[1, :1]
    )
    assert few == found
