"""Passes: the fast loops equal the obvious ones, and what a record is does not depend on others."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.exchange import PassField, PassSpec, SaltField
from linkkit.linkage.compare import _pass_reference as compared_plainly
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.passes import (
    PassKeys,
    pass_filter,
    with_random_filters,
)
from linkkit.partner.encode.salts import salt_codes

pytest.importorskip("numba")

KINDS = {"surname": "surname", "birth_date": "date", "street": "street_address"}
KEYS = PassKeys(salts=b"s" * 32, tokens=b"t" * 32)
ITEM = PassSpec(
    name="by_surname",
    salt=(SaltField(name="surname", part=2),),
    n_bits=1024,
    n_inputs=3,
    fields=tuple(
        PassField(name=name, kind=kind, n_hashes=n, typical_tokens=9)
        for (name, kind), n in zip(KINDS.items(), (23, 9, 17), strict=True)
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
    return pass_filter(table, *salt_codes(columns, item), item=item, keys=KEYS, compiled=compiled)


@given(people)
@settings(deadline=None, max_examples=40)
def test_compiled_loops_make_what_the_plain_ones_make(rows):
    fast, plain = encoded(rows), encoded(rows, compiled=False)
    assert np.array_equal(fast.words, plain.words)
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
def test_without_a_salt_there_is_nothing_and_what_is_sent_is_random(rows):
    made, sent, again = encoded(rows), *(with_random_filters(encoded(rows)) for _ in range(2))
    missing = np.array([row["surname"] is None for row in rows])
    assert np.array_equal(made.present, ~missing)
    assert not made.words[missing].any()
    assert sent.present.all()
    assert np.array_equal(sent.words[~missing], made.words[~missing])
    assert not np.any(np.all(sent.words[missing] == again.words[missing], axis=1))
    counts = np.bitwise_count(sent.words[missing]).sum(axis=1)
    assert np.all(np.abs(counts.astype(int) - 512) < 160)


def test_where_no_record_is_short_nothing_is_filled_up():
    long = {"surname": "abcdefghij klmnop", "birth_date": "19800102", "street": "12345 qrstuvw xyz"}
    fast, plain = encoded([long, long]), encoded([long, long], compiled=False)
    assert np.array_equal(fast.words, plain.words)
    assert np.array_equal(fast.words[0], fast.words[1])


def test_no_sum_of_bits_is_constant():
    rng = np.random.default_rng(0)
    rows = [
        {
            "surname": "".join(rng.choice(list("abcdefghij"), size=6)),
            "birth_date": f"19{rng.integers(10, 99)}0{rng.integers(1, 9)}1{rng.integers(0, 9)}",
            "street": f"{rng.integers(1, 999)} main st",
        }
        for _ in range(1_400)
    ]
    by_lowest = {}
    for row in encoded(rows).words:
        rest = int.from_bytes(row.astype("<u8").tobytes(), "little")
        while rest and (lowest := rest & -rest) in by_lowest:
            rest ^= by_lowest[lowest]
        if rest:
            by_lowest[lowest] = rest
    # The records span all bits, so that no exclusive or of bits is 0 in every record.
    assert len(by_lowest) == ITEM.n_bits


@given(st.integers(0, 2**32), st.integers(2, 700), st.sampled_from([4, 8, 16]))
@settings(deadline=None, max_examples=30)
def test_the_scan_finds_what_the_plain_scan_finds(seed, n, n_first):
    from linkkit.linkage.compare import _pass_kernels

    rng = np.random.default_rng(seed)
    words = rng.integers(0, 2**64, size=(n, 16), dtype=np.uint64)
    order = rng.permutation(n).astype(np.int64)
    start = max(n - 12, 0)
    first = rng.integers(0, n, size=n)
    last = np.maximum(first, rng.integers(0, n + 1, size=n))
    most_first, most = n_first * 32 + int(rng.integers(-16, 9)), 512 + int(rng.integers(-32, 20))
    columns = np.ascontiguousarray(words.T[:n_first, order])
    out = np.empty((2, 12 * n + 1), dtype=np.int64)
    options = columns, words, order, first, last, start, n, most_first, most
    found = _pass_kernels.scan_pairs(*options, out[0], out[1])
    left, right = compared_plainly.scan_pairs(
        words, order, first, last, start, n,
        n_first_words=n_first, most_first=most_first, most=most,
    )  # fmt: skip
    # Both go through the partners of a row in order, the kernel tile by tile.
    assert sorted(zip(*out[:, :found].tolist(), strict=True)) == sorted(
        zip(left.tolist(), right.tolist(), strict=True)
    )
    assert _pass_kernels.scan_pairs(*options, out[0, :1], out[1, :1]) == found
    distances = np.zeros(len(left), dtype=np.int64)
    _pass_kernels.distances_of_pairs(words, order[left], order[right], distances)
    assert np.array_equal(
        distances, compared_plainly.distances_of_pairs(words, order[left], order[right])
    )
