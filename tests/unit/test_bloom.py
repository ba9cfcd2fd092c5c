"""Keyed Bloom filters: the fast form is the obvious one, and bits follow the key alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.agreement import LinkageField
from linkkit.partner.encode.bloom import BloomEncoder, bloom_filters_reference, token_positions
from linkkit.partner.encode.kinds import KINDS, N_BITS, filter_spec

KEY = bytes(range(32))


def encoded(values: list[str], **options: Any) -> Any:
    return BloomEncoder(**options).encode(pa.array(values, pa.large_string()))


values = st.lists(st.text("abcdefgh 0123", min_size=1).filter(str.strip), min_size=1, max_size=12)


@settings(deadline=None)
@given(
    values=values,
    kind=st.sampled_from(["given_name", "street_address", "sex", "phone"]),
    n_bits=st.sampled_from([64, 128, 512, 1024]),
    n_hashes=st.integers(1, 40),
)
def test_the_fast_filters_are_the_reference(
    values: list[str], kind: str, n_bits: int, n_hashes: int
) -> None:
    options = {
        "key": KEY, "tokens": KINDS[kind].tokens, "n_bits": n_bits, "n_hashes": n_hashes,
    }  # fmt: skip
    fast = encoded(values, **options)
    assert fast.shape == (len(values), n_bits // 64)
    assert np.array_equal(fast, bloom_filters_reference(values, **options))


def test_chunks_do_not_change_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [f"name {i}" for i in range(50)]
    options = {"key": KEY, "tokens": KINDS["text"].tokens, "n_bits": 512, "n_hashes": 20}
    whole = encoded(values, **options)
    monkeypatch.setattr("linkkit.partner.encode.tokenize._VALUES_AT_ONCE", 7)
    assert np.array_equal(encoded(values, **options), whole)


def test_no_value_gives_no_filter() -> None:
    options = {"key": KEY, "tokens": KINDS["text"].tokens, "n_bits": 512, "n_hashes": 20}
    assert encoded([], **options).shape == (0, 8)


def test_another_key_sets_other_bits() -> None:
    one, other = (
        set(token_positions(key, "an", n_bits=512, n_hashes=50))
        for key in (KEY, bytes(range(1, 33)))
    )
    # Two independent draws of about 48 of 512 bits share about 4 or 5.
    assert len(one & other) < 15


def test_every_bit_is_as_likely_as_any_other() -> None:
    n_tokens, n_hashes, n_bits = 4000, 50, 512
    counts = np.zeros(n_bits)
    for i in range(n_tokens):
        positions = token_positions(KEY, f"t{i}", n_bits=n_bits, n_hashes=n_hashes)
        counts += np.bincount(positions, minlength=n_bits)
    expected = n_tokens * n_hashes / n_bits
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    # 511 degrees of freedom: mean 511, standard deviation 32; the inputs are fixed.
    assert abs(chi_squared - (n_bits - 1)) < 5 * np.sqrt(2 * (n_bits - 1))


def test_positions_of_one_token_are_independent() -> None:
    # Double hashing would make them an arithmetic progression.
    positions = np.array(token_positions(KEY, "an", n_bits=512, n_hashes=60))
    assert len(set(np.diff(positions) % 512)) > 30


@pytest.mark.parametrize(
    ("kind", "typical"),
    [
        ("given_name", ["miguel", "samantha", "jordan", "olivia"]),
        ("surname", ["garcia", "robinson", "nguyen le", "thompson"]),
        ("date", ["20090305", "20121124"]),
        ("sex", ["f", "m", "x"]),
        ("postal_code", ["94110", "02134"]),
        ("phone", ["4155552671", "2125550123"]),
        ("street_address", ["1200 n 5th st 4", "48 washington blvd"]),
        ("city", ["oakland", "san jose", "sacramento"]),
    ],
)
def test_a_typical_value_fills_about_half(kind: str, typical: list[str]) -> None:
    spec = filter_spec("field", LinkageField(kind=kind))
    words = encoded(
        typical, key=KEY, tokens=KINDS[kind].tokens, n_bits=N_BITS, n_hashes=spec.n_hashes
    )
    fill = np.bitwise_count(words).sum(axis=1).mean() / N_BITS
    assert 0.40 <= fill <= 0.60


def test_made_up_people_fill_about_half_of_every_filter(field_town: object) -> None:
    for name, item in field_town.results["district"].encodings.filters.items():
        fill = np.bitwise_count(item.words[item.present]).sum(axis=1).mean() / N_BITS
        assert 0.42 <= fill <= 0.58, name


def test_no_value_of_any_kind_is_without_tokens() -> None:
    for kind in KINDS.values():
        assert list(kind.tokens("20100305"))
        assert list(kind.tokens("a"))
