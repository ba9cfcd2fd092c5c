"""Passes: the fast loops equal the obvious ones, and what a record is does not depend on others."""

import hmac

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.exchange import PassField, PassSpec, SaltField
from linkkit.linkage.compare.passes import _reference as compared_plainly
from linkkit.linkage.compare.passes import _table_reference as tables_plainly
from linkkit.partner.encode import passes
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


WIDE = {**KINDS, "sex": "sex", "suburb": "city"}


def item_of(n_hashes, *, n_bits=1024, n_inputs=3, left_out=(), part="whole"):
    """A pass salted by the suburb, where records may have a single token."""
    fields = tuple(
        PassField(name=name, kind=kind, n_hashes=n, typical_tokens=9)
        for (name, kind), n in zip(WIDE.items(), n_hashes, strict=True)
        if name not in left_out
    )
    salt = (SaltField(name="suburb", part=part),)
    return PassSpec(name="a", salt=salt, n_bits=n_bits, n_inputs=n_inputs, fields=fields)


def crowd(rng, sizes, *, missing=0.2):
    """Columns of people with one salt to so many as `sizes` say, in any order."""
    n = sum(sizes)

    def drawn(values):
        gone = rng.random(n) < missing
        texts = [None if lack else str(text) for lack, text in zip(gone, values, strict=True)]
        return pa.array(texts, pa.large_string())

    surnames = ["".join(rng.choice(list("abcdefghij"), size=rng.integers(1, 12))) for _ in range(n)]
    days = np.datetime64("1920-01-01") + rng.integers(0, 36_500, size=n)
    suburbs = np.repeat([f"place {number}" for number in range(len(sizes))], sizes)
    columns = {
        "surname": drawn(surnames),
        "birth_date": drawn(np.char.replace(days.astype(str), "-", "")),
        "street": drawn([f"{rng.integers(1, 9_999)} {name} st" for name in surnames]),
        "sex": drawn(rng.choice(["f", "m"], size=n)),
        "suburb": drawn(suburbs),
    }
    order = pa.array(rng.permutation(n))
    return {name: column.take(order) for name, column in columns.items()}


def filters_of(columns, item, *, compiled=True):
    table = gram_table(columns, WIDE, fields=list(WIDE))
    return pass_filter(table, *salt_codes(columns, item), item=item, keys=KEYS, compiled=compiled)


def check_some(columns, item, *, n=12, seed=0):
    """Compiled loops over all records make what the plain ones make of some of them."""
    fast = filters_of(columns, item)
    rows = np.random.default_rng(seed).permutation(len(fast.words))[:n]
    some = {name: column.take(pa.array(rows)) for name, column in columns.items()}
    plain = filters_of(some, item, compiled=False)
    assert np.array_equal(fast.words[rows], plain.words)
    assert np.array_equal(fast.present[rows], plain.present)
    assert not fast.words[~fast.present].any()


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(1, 3) | st.integers(4, 60), min_size=1, max_size=12),
    st.lists(st.integers(1, 40), min_size=5, max_size=5),
    st.tuples(st.sampled_from([1024, 2048, 4096]), st.integers(1, 5)),
    st.sets(st.sampled_from(list(KINDS))),
)
@settings(deadline=None, max_examples=60)
def test_groups_of_all_sizes_under_all_parameters(seed, sizes, n_hashes, width, out):
    columns = crowd(np.random.default_rng(seed), sizes)
    n_bits, n_inputs = width
    item = item_of(n_hashes, n_bits=n_bits, n_inputs=n_inputs, left_out=out)
    check_some(columns, item)


@pytest.mark.parametrize(("n_bits", "n_inputs"), [(2048, 3), (4096, 4), (1024, 1)])
def test_groups_of_thousands_among_small_ones(n_bits, n_inputs):
    columns = crowd(np.random.default_rng(1), [6_000, 3_000, *[1] * 50, *[2] * 50, *[40] * 30])
    item = item_of((31, 12, 17, 9, 10), n_bits=n_bits, n_inputs=n_inputs)
    check_some(columns, item, n=60)


@given(st.integers(0, 2**32), st.integers(0, 700))
@settings(deadline=None, max_examples=25)
def test_very_long_values_and_single_tokens(seed, length):
    rng = np.random.default_rng(seed)
    texts = [None, "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), size=length)) or None]
    columns = {
        "surname": pa.array(texts * 3, pa.large_string()),
        "birth_date": pa.nulls(6, pa.large_string()),
        "street": pa.array([None, None, *texts, None, None], pa.large_string()),
        "sex": pa.array(["f"] * 5 + [None], pa.large_string()),
        "suburb": pa.array(["a", "a", "b", "c", "c", None], pa.large_string()),
    }
    # Only the surname, the street and the sex are in it: who has the sex alone has one token.
    check_some(columns, item_of((11, 1, 3, 2, 1), left_out={"birth_date", "suburb"}))


@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(1, 90), st.integers(1, 5))
@settings(deadline=None, max_examples=25)
def test_it_does_not_matter_where_batches_end(seed, n_blocks, n_uses, n_records):
    columns = crowd(np.random.default_rng(seed), [1, 1, 2, 3, 25, 60])
    item = item_of((31, 12, 17, 9, 10))
    whole = filters_of(columns, item)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passes, "_ENOUGH_BLOCKS", n_blocks // 2)
        patch.setattr(passes, "_BLOCKS_AT_ONCE", n_blocks)
        patch.setattr(passes, "_USES_AT_ONCE", n_uses)
        patch.setattr(passes, "_MOST_IN_BATCH", n_records)
        patch.setattr(passes, "_RECORDS_AT_ONCE", 13)
        assert np.array_equal(filters_of(columns, item).words, whole.words)


def test_records_are_taken_salt_by_salt_in_their_order():
    rng = np.random.default_rng(2)
    for most in (1, 300, 70_000, 1 << 20):
        codes = rng.integers(-1, most, size=2_000)
        rows = np.flatnonzero(codes >= 0)
        wanted = rows[np.argsort(codes[rows], kind="stable")]
        assert np.array_equal(passes._by_salt(codes, rows), wanted)


def test_the_masks_of_salts_are_hmacs():
    salts = [f"salt {number}" for number in range(9_000)]
    masks = KEYS.masks(salts)
    for number in (0, 1, 8_999):
        digest = hmac.digest(KEYS.salts, salts[number].encode(), "sha256")
        assert masks[number].tobytes() == digest[:16]
    assert KEYS.masks([]).shape == (0, 16)


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
    rng = np.random.default_rng(len(rows))
    tokens, others = rng.integers(0, 256, size=(2, len(rows), 16), dtype=np.uint8)
    made = encoded(rows)
    sent, same = (with_random_filters(encoded(rows), tokens, key=b"k" * 32) for _ in range(2))
    again = with_random_filters(made, others, key=b"k" * 32)
    rekeyed = with_random_filters(made, tokens, key=b"l" * 32)
    missing = np.array([row["surname"] is None for row in rows])
    assert np.array_equal(made.present, ~missing)
    assert not made.words[missing].any()
    assert sent.present.all()
    assert np.array_equal(sent.words[~missing], made.words[~missing])
    assert np.array_equal(sent.words, same.words)
    for other in (again, rekeyed):
        assert not np.any(sent.words[missing] == other.words[missing])
    assert len(np.unique(sent.words[missing])) == sent.words[missing].size
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
    from linkkit.linkage.compare.passes import _kernels as _pass_kernels

    rng = np.random.default_rng(seed)
    words = rng.integers(0, 2**64, size=(n, 16), dtype=np.uint64)
    order = rng.permutation(n).astype(np.int64)
    start = max(n - 12, 0)
    first = rng.integers(0, n, size=n)
    last = np.maximum(first, rng.integers(0, n + 1, size=n))
    most_first, most = n_first * 32 + int(rng.integers(-16, 9)), 512 + int(rng.integers(-32, 20))
    columns = np.ascontiguousarray(words.T[:n_first, order])
    out = np.empty((2, 12 * n + 1), dtype=np.int64)
    distance = np.zeros(_pass_kernels.LANES, dtype=np.uint64)
    is_near = np.zeros(_pass_kernels.LANES, dtype=np.uint8)
    options = (
        columns,
        words,
        order,
        first,
        last,
        start,
        n,
        most_first,
        most,
        distance,
        is_near,
        is_near.view(np.uint64),
    )
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
    pairs = words, words[:, ::-1].copy(), order[left], order[right]
    _pass_kernels.distances_of_pairs(*pairs, distances)
    assert np.array_equal(distances, compared_plainly.distances_of_pairs(*pairs))


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(0, 90), min_size=1, max_size=4).filter(sum),
    st.integers(1, 7),
    st.integers(0, 3),
)
@settings(deadline=None, max_examples=60)
def test_a_table_finds_what_the_plain_table_finds(seed, sizes, bits, n_centers):
    from linkkit.linkage.compare.passes import _table_kernels as kernels

    rng = np.random.default_rng(seed)
    n = sum(sizes)
    words = rng.integers(0, 2**64, size=(n + 5, 16), dtype=np.uint64)
    rows = np.sort(rng.permutation(n + 5)[:n])
    if n_centers:
        near = words[rng.integers(0, n_centers, size=n)]
        noise = rng.integers(0, 2**64, size=(3, n, 16), dtype=np.uint64)
        words[rows] = near ^ (noise[0] & noise[1] & noise[2] * (rng.random((n, 1)) < 0.7))
    party = np.repeat(np.arange(len(sizes)), sizes)
    clean = rng.random(len(sizes)) < 0.5
    first, column, shift = 1, int(rng.integers(0, 2)), int(rng.integers(0, 64 - bits))
    mask = np.uint64((1 << bits) - 1)
    signs, keys = np.zeros((n, 4), np.uint64), np.zeros((n, 2), np.uint64)
    for start, out in ((first, signs), (first + 4, keys)):
        plain, places = np.zeros_like(out), rng.permutation(n)
        for gather, room in ((kernels.gather_words, out), (tables_plainly.gather_words, plain)):
            gather(words, rows[places], places, start, room)
        assert np.array_equal(out, plain)
        assert np.array_equal(out, words[rows, start : start + out.shape[1]])
    ends, order = np.zeros(1 << bits, np.int64), np.empty(n, np.int32)
    ordered = np.empty_like(signs)
    kernels.sort_table(keys, column, np.uint64(shift), mask, signs, ends, order, ordered)
    assert np.array_equal(ordered, signs[order])
    most_signs = 110 + int(rng.integers(0, 20))
    side = np.zeros((4, n + kernels.LANES), np.uint64)
    is_near = np.zeros(kernels.LANES, np.uint8)
    options = (
        ends, order, ordered, np.cumsum(sizes), clean, rows, np.uint64(most_signs), *side, is_near,
        is_near.view(np.uint64),
    )  # fmt: skip
    out = np.empty((3, n * n + 1), dtype=np.int64)
    found = kernels.join_table(*options, *out)
    plain = tables_plainly.join_table(
        signs, rows, party, clean, keys[:, column] >> np.uint64(shift) & mask, most_signs=most_signs
    )
    assert sorted(zip(*out[:, :found].tolist(), strict=True)) == sorted(
        zip(*(side.tolist() for side in plain), strict=True)
    )
    assert kernels.join_table(*options, *out[:, :1]) == found
