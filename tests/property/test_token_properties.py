"""Tokens cut from bytes, and HMACs sixteen at a time, are those of the obvious twins."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from linkkit.agreement import Agreement
from linkkit.partner.encode import _hmac_reference, _token_reference, hmacs, tokenize
from linkkit.partner.encode.bloom import BloomEncoder, bloom_filters_reference
from linkkit.partner.encode.extract import FieldEncoder, encoding_spec
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.kinds import KINDS
from linkkit.partner.keys import KeyScope, Secret

pytest.importorskip("numba")

KEY = bytes(range(32))
SHAPES = ["surname", "date", "phone", "street_address", "email", "sex"]
cells = st.one_of(
    st.none(),
    st.text("abz019 _#@.:-\t", max_size=12),
    st.text("0123456789", min_size=7, max_size=9),
    st.sampled_from(
        ["1200 n 5th st 4b", "a@b.org", "a b@x y", "@", "_", " a_ _ ", "é 1é", "9" * 300]
    ),
    st.text(max_size=8),
)
columns = st.lists(cells, min_size=1, max_size=20)


@pytest.fixture(autouse=True)
def _compiled_from_the_first_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenize, "_WORTH_COMPILED", 0)
    monkeypatch.setattr(tokenize, "_FEWEST_WHOLES", 1)
    monkeypatch.setattr(tokenize, "_VALUES_AT_ONCE", 7)
    monkeypatch.setattr(tokenize, "_ADDRESSES_AT_ONCE", 7)
    monkeypatch.setattr(hmacs, "_WORTH_COMPILED", 0)


@pytest.mark.parametrize("kind", SHAPES)
@settings(deadline=None)
@given(values=columns, before=st.integers(0, 3))
def test_tokens_are_those_of_each_value(kind: str, values: list[str | None], before: int) -> None:
    cut = KINDS[kind].tokens
    column = pa.array(["x"] * before + values, pa.large_string()).slice(before)
    found = [
        [chunk.texts[i] for i in chunk.ids[first:last]]
        for chunk in tokenize.tokenize(column, cut)
        for first, last in zip(chunk.starts[:-1], chunk.starts[1:], strict=True)
    ]
    assert [sorted(tokens) for tokens in found] == [
        [] if value is None else sorted(cut(value)) for value in values
    ]


@pytest.mark.parametrize("kind", SHAPES)
@settings(deadline=None)
@given(values=columns, n_bits=st.sampled_from([64, 512, 1024]), n_hashes=st.integers(1, 40))
def test_filters_are_those_of_each_value(
    kind: str, values: list[str | None], n_bits: int, n_hashes: int
) -> None:
    options = {
        "key": KEY, "tokens": KINDS[kind].tokens, "n_bits": n_bits, "n_hashes": n_hashes,
    }  # fmt: skip
    encoder = BloomEncoder(**options)
    column = pa.array(values, pa.large_string())
    filters = encoder.encode(column)
    given_values = [i for i, value in enumerate(values) if value is not None]
    reference = bloom_filters_reference([values[i] for i in given_values], **options)
    assert np.array_equal(filters[given_values], reference)
    assert not filters[[i for i, value in enumerate(values) if value is None]].any()
    places = np.roll(np.arange(len(values)), 1)  # a second batch, under known masks
    assert np.array_equal(encoder.encode(column, places=places), filters[np.argsort(places)])


@settings(deadline=None)
@given(values=columns)
def test_the_table_of_tokens_lists_each_once(values: list[str | None]) -> None:
    column = {"street": pa.array(values, pa.large_string())}
    table = gram_table(column, {"street": "street_address"}, fields=["street"])
    for row, (value, number) in enumerate(zip(values, table.values[:, 0], strict=True)):
        mine = table.grams[table.starts[number] : table.starts[number + 1]] if number >= 0 else []
        wanted = set(KINDS["street_address"].tokens(value or ""))
        assert len(mine) == len(wanted)
        assert len({table.blocks[gram].tobytes() for gram in mine}) == len(wanted)
        assert list(mine) == list(table.tokens[table.bounds[row] : table.bounds[row + 1]])


@settings(deadline=None)
@given(
    lists=st.lists(st.lists(st.integers(0, 5), max_size=9), min_size=1, max_size=9),
    masks=st.lists(st.integers(0, 2**64 - 1), min_size=6 * 16, max_size=6 * 16),
    n_words=st.sampled_from([1, 3, 8, 16]),
)
def test_sets_and_masks_of_tokens_are_those_of_the_twin(
    lists: list[list[int]], masks: list[int], n_words: int
) -> None:
    ids = np.array([i for row in lists for i in row], dtype=np.int32)
    starts = np.append(0, np.cumsum([len(row) for row in lists])).astype(np.int64)
    for fast, slow in zip(
        tokenize.each_once(ids, starts), _token_reference.each_once(ids, starts), strict=True
    ):
        assert np.array_equal(fast, slow)
    table = np.array(masks, dtype=np.uint64).reshape(6, 16)[:, :n_words].copy()
    places = np.arange(len(lists))[::-1] - 1  # the last value has none
    fast, slow = (np.zeros((len(lists), n_words), dtype=np.uint64) for _ in range(2))
    tokenize.or_tokens(table, ids, starts, places, fast)
    _token_reference.or_tokens(table, ids, starts, places, slow)
    assert np.array_equal(fast, slow)


@settings(deadline=None, max_examples=30)
@given(key=st.binary(max_size=130), messages=st.lists(st.binary(max_size=200), max_size=40))
@example(key=b"k" * 64, messages=[b"m" * n for n in range(130)])
def test_hmacs_are_those_of_the_standard_library(key: bytes, messages: list[bytes]) -> None:
    data = np.frombuffer(b"".join(messages), dtype=np.uint8)
    bounds = np.append(0, np.cumsum([len(m) for m in messages])).astype(np.int64)
    digests = hmacs.hmac_sha256_many(key, data, bounds)
    assert [row.tobytes() for row in digests] == [
        hmac.digest(key, message, "sha256") for message in messages
    ]


@given(st.binary(max_size=55))
def test_one_block_makes_sha_256(message: bytes) -> None:
    block = message + b"\x80" + bytes(55 - len(message)) + (8 * len(message)).to_bytes(8, "big")
    state = _hmac_reference.compressed(_hmac_reference.INITIAL_STATE, block)
    assert b"".join(w.to_bytes(4, "big") for w in state) == hashlib.sha256(message).digest()


@pytest.mark.parametrize("kind", SHAPES)
def test_without_numba_the_twin_runs(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = pa.array(["12 elm st", None, "20100305", "a@b.org", "é"] * 5, pa.large_string())
    options = {"key": KEY, "tokens": KINDS[kind].tokens, "n_bits": 512, "n_hashes": 20}
    fast = BloomEncoder(**options).encode(values)
    monkeypatch.setattr(tokenize, "has_numba", lambda: False)
    monkeypatch.setattr(hmacs, "has_numba", lambda: False)
    assert np.array_equal(BloomEncoder(**options).encode(values), fast)


def test_batches_are_encoded_as_the_whole(agreement: Agreement) -> None:
    spec = encoding_spec(agreement)
    secret, scope = Secret.generate(), KeyScope.of(agreement, spec)
    values = [f"{i} elm st" if i % 7 else None for i in range(60)]
    fields = {name: pa.array(values, pa.large_string()) for name in agreement.linkage.fields}
    whole = FieldEncoder(secret, scope, spec).encode(fields)
    rows = np.arange(60)[::-1].copy()
    backwards = FieldEncoder(secret, scope, spec).encode(fields, rows=rows)
    some = FieldEncoder(secret, scope, spec).encode(fields, rows=rows[:9])
    encoder = FieldEncoder(secret, scope, spec)
    batches = [encoder.encode({n: c.slice(i, 25) for n, c in fields.items()}) for i in (0, 25, 50)]
    for name, item in whole.items():
        assert np.array_equal(np.vstack([b[name].words for b in batches]), item.words)
        assert np.array_equal(backwards[name].words, item.words[::-1])
        assert np.array_equal(some[name].words, item.words[::-1][:9])
        assert np.array_equal(some[name].present, item.present[::-1][:9])
