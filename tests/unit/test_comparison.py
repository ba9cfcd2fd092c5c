"""Fields compared otherwise than their kind is: agreement, spec, tokens, levels, links."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkkit.agreement import Agreement, Compare, LinkageField
from linkkit.errors import AgreementError, MismatchError
from linkkit.exchange import EncodedExtract, EncodingSpec, FilterSpec
from linkkit.linkage import link
from linkkit.linkage.compare.fields.levels import _thresholds
from linkkit.partner.encode import encode
from linkkit.partner.encode.bloom import BloomEncoder
from linkkit.partner.encode.comparison import comparison_tokens
from linkkit.partner.encode.extract import encoding_spec
from linkkit.partner.encode.kinds import KINDS, N_BITS, filter_spec, kind_encoding
from linkkit.partner.standardize.nicknames import nickname_digest

words = st.text("abcdefgh", min_size=1, max_size=10)
values = st.lists(words, min_size=1, max_size=3).map(" ".join)


def tokens_of(kind: str, value: str, **compare: Any) -> list[str]:
    tokens, _ = comparison_tokens(kind, Compare(**compare))  # type: ignore[arg-type]
    return list(tokens(value))


def dice(one: list[str], other: list[str]) -> float:
    a, b = set(one), set(other)
    return 2 * len(a & b) / (len(a) + len(b))


def with_field(make: Callable[..., Agreement], profile: str = "field", **field: Any) -> Agreement:
    document = make().model_dump(mode="json", exclude_defaults=True)
    name = field.pop("name")
    document["linkage"]["profile"] = profile
    document["linkage"]["fields"][name] |= field
    return Agreement.from_document(document)


# --- Tokens ----------------------------------------------------------------------------------


@given(value=values)
def test_padded_bigrams_are_what_names_have_anyway(value: str) -> None:
    assert set(tokens_of("surname", value, by="qgrams")) == set(KINDS["surname"].tokens(value))


@given(value=values, q=st.integers(1, 3), padded=st.booleans(), positional=st.booleans())
def test_qgrams_are_of_length_q_and_none_is_lost(
    value: str, q: int, padded: bool, positional: bool
) -> None:
    tokens = tokens_of("text", value, by="qgrams", q=q, padded=padded, positional=positional)
    pieces = [token.partition(":")[2] if positional else token for token in tokens]
    expected = sum(max(len(w) + (q - 1) * (1 if padded else -1), 1) for w in value.split())
    assert len(pieces) == expected
    assert all(len(piece) == q or len(piece) < q for piece in pieces)
    assert {c for piece in pieces for c in piece} - {"_"} == set(value) - {" "}
    places = [int(token.partition(":")[0]) for token in tokens] if positional else [0]
    assert min(places) == 0


def test_a_place_in_the_word_counts_only_when_asked_for() -> None:
    plain = {"by": "qgrams", "q": 2, "padded": False}
    assert dice(tokens_of("text", "abcd", **plain), tokens_of("text", "xabcd", **plain)) > 0.8
    placed = {**plain, "positional": True}
    assert dice(tokens_of("text", "abcd", **placed), tokens_of("text", "xabcd", **placed)) == 0


@given(value=values)
def test_exact_is_one_token(value: str) -> None:
    assert tokens_of("identifier", value, by="exact") == [value]


@given(
    one=st.integers(-500, 500), apart=st.integers(0, 60), n_steps=st.integers(2, 50),
    step=st.sampled_from([0.5, 1.0, 2.0, 10.0]),
)  # fmt: skip
def test_similarity_falls_evenly_with_the_distance(
    one: int, apart: int, n_steps: int, step: float
) -> None:
    compare = {"by": "distance", "step": step, "reach": step * n_steps}
    here = tokens_of("number", f"{one * step}", **compare)
    there = tokens_of("number", f"{(one + apart) * step}", **compare)
    assert len(here) == n_steps
    assert dice(here, there) == pytest.approx(max(0.0, 1 - apart / n_steps))


@given(
    one=st.dates(dt.date(1930, 1, 1), dt.date(2025, 1, 1)), apart=st.integers(0, 40),
)  # fmt: skip
def test_dates_are_days_apart(one: dt.date, apart: int) -> None:
    compare = {"by": "distance", "reach": 30.0}
    other = one + dt.timedelta(days=apart)
    pair = [tokens_of("date", day.strftime("%Y%m%d"), **compare) for day in (one, other)]
    assert dice(*pair) == pytest.approx(max(0.0, 1 - apart / 30))


@pytest.mark.parametrize(
    ("kind", "typical", "compare"),
    [
        ("surname", ["garcia", "robinson", "thompson"], {"by": "qgrams", "q": 1}),
        ("surname", ["garcia", "robinson", "thompson"], {"by": "qgrams", "q": 3}),
        ("phone", ["4155552671"], {"by": "qgrams", "q": 2, "positional": True, "padded": False}),
        ("identifier", ["12345678"], {"by": "exact"}),
        ("date", ["20090305"], {"by": "distance", "reach": 30.0}),
        ("number", ["12", "-3.5"], {"by": "distance", "reach": 5.0, "step": 0.5}),
        ("street_address", ["48 washington blvd"], {"by": "qgrams", "q": 2}),
    ],
)
def test_a_typical_value_fills_about_half(
    kind: Any, typical: list[str], compare: dict[str, Any]
) -> None:
    field = LinkageField(kind=kind, compare=Compare(**compare))
    spec = filter_spec("field", field)
    tokens = kind_encoding(kind, field.compare).tokens
    encoder = BloomEncoder(key=bytes(32), tokens=tokens, n_bits=N_BITS, n_hashes=spec.n_hashes)
    filters = encoder.encode(pa.array(typical, pa.large_string()))
    assert 0.38 <= np.bitwise_count(filters).sum(axis=1).mean() / N_BITS <= 0.62


# --- Agreement and spec ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"kind": "surname", "compare": {"by": "qgrams", "q": 4}}, "less than or equal to 3"),
        ({"kind": "surname", "compare": {"by": "letters"}}, "'qgrams', 'exact' or 'distance'"),
        ({"kind": "surname", "compare": {"by": "exact", "q": 2}}, "'q' says nothing about 'exact'"),
        ({"kind": "surname", "compare": {"by": "qgrams", "pads": True}}, "did you mean 'padded'"),
        ({"kind": "date", "compare": {"by": "qgrams", "reach": 3.0}}, "'reach' says nothing"),
        ({"kind": "date", "compare": {"by": "distance"}}, "needs a 'reach'"),
        ({"kind": "date", "compare": {"by": "distance", "reach": 500.0}}, "2 to 100 times"),
        ({"kind": "date", "compare": {"by": "distance", "reach": 0.0}}, "greater than 0"),
        (
            {"kind": "surname", "compare": {"by": "distance", "reach": 5.0}},
            "only dates and numbers",
        ),
        ({"kind": "sex", "compare": {"by": "qgrams"}}, "a sex is not compared by 'qgrams'"),
        ({"kind": "number", "compare": {"by": "qgrams"}}, "a number is not compared by 'qgrams'"),
        ({"kind": "surname", "nicknames": True}, "only a given name and a whole name"),
        ({"kind": "given_name", "nicknames": "yes"}, "true or false"),
        ({"kind": "surname", "region": "MX"}, "only a phone has a 'region'"),
        ({"kind": "phone", "region": "Mexico"}, "no ISO 3166 code"),
        ({"kind": "phone", "region": "ZZ"}, "no ISO 3166 code"),
    ],
)
def test_what_does_not_fit_is_refused_by_clause(
    plain_agreement: Callable[..., Agreement], field: dict[str, Any], said: str
) -> None:
    document = plain_agreement().model_dump(mode="json", exclude_defaults=True)
    document["linkage"]["fields"]["extra"] = field
    with pytest.raises(AgreementError, match="linkage.fields.extra") as caught:
        Agreement.from_document(document)
    assert said in str(caught.value)
    assert caught.value.code == "agreement"


def test_what_is_left_out_counts_as_its_default(plain_agreement: Callable[..., Agreement]) -> None:
    short = with_field(plain_agreement, name="surname", compare={"by": "qgrams"})
    long = with_field(
        plain_agreement,
        name="surname",
        compare={"by": "qgrams", "q": 2, "padded": True, "positional": False},
    )
    assert short.fingerprint == long.fingerprint
    assert encoding_spec(short).digest == encoding_spec(long).digest


def test_usual_fields_have_the_spec_they_always_had(
    plain_agreement: Callable[..., Agreement],
) -> None:
    content = encoding_spec(plain_agreement()).model_dump(mode="json")
    assert set(content["filters"][0]) == {"name", "kind", "n_bits", "n_hashes"}


@pytest.mark.parametrize("profile", ["field", "standard"])
@pytest.mark.parametrize(
    "field",
    [
        {"name": "surname", "compare": {"by": "qgrams", "q": 3}},
        {"name": "surname", "compare": {"by": "qgrams", "positional": True}},
        {"name": "surname", "compare": {"by": "exact"}},
        {"name": "birth_date", "compare": {"by": "distance", "reach": 30.0}},
        {"name": "given_name", "nicknames": True},
    ],
)
def test_each_option_is_part_of_the_spec_digest_and_survives_the_file(
    plain_agreement: Callable[..., Agreement], profile: str, field: dict[str, Any]
) -> None:
    usual = encoding_spec(with_field(plain_agreement, profile, name="sex"))
    spec = encoding_spec(with_field(plain_agreement, profile, **field))
    assert spec.digest != usual.digest
    again = EncodingSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.digest == spec.digest


def test_the_digest_of_the_nickname_table_stands_in_the_spec(
    plain_agreement: Callable[..., Agreement],
) -> None:
    spec = encoding_spec(with_field(plain_agreement, name="given_name", nicknames=True))
    assert spec.filters[0].nicknames == nickname_digest()


def test_a_region_is_part_of_the_spec() -> None:
    assert filter_spec("phone", LinkageField(kind="phone", region="MX")).region == "MX"
    assert "region" not in filter_spec("phone", LinkageField(kind="phone")).model_dump()


def test_parties_that_compare_otherwise_are_told_in_what(
    plain_agreement: Callable[..., Agreement],
    made_people: Callable[..., pd.DataFrame],
    encode_plainly: Callable[..., EncodedExtract],
) -> None:
    agreement = plain_agreement()
    people = made_people(20, seed=3)
    north, south = (encode_plainly(people, agreement, party) for party in ("north", "south"))
    changed = south.spec.filters[1].model_copy(update={"compare": Compare(by="qgrams", q=3)})
    filters = (south.spec.filters[0], changed, *south.spec.filters[2:])
    spec = south.spec.model_copy(update={"filters": filters})
    spec.__dict__.pop("digest", None)
    object.__setattr__(south, "spec", spec)
    with pytest.raises(MismatchError, match="'surname' has compare as its kind and by qgrams q 3"):
        link([north, south])


# --- Levels and links ------------------------------------------------------------------------


def test_thresholds_follow_the_comparison() -> None:
    def spec(**compare: Any) -> FilterSpec:
        clause = Compare(**compare) if compare else None
        return filter_spec("surname", LinkageField(kind="surname", compare=clause))

    usual = _thresholds(spec())
    assert _thresholds(spec(by="qgrams", q=2)) == usual
    assert _thresholds(spec(by="qgrams", q=1)) > usual > _thresholds(spec(by="qgrams", q=3))
    assert min(_thresholds(spec(by="exact"))) > 1


@pytest.mark.parametrize(
    "field",
    [
        {"name": "surname", "compare": {"by": "qgrams", "q": 3}},
        {"name": "surname", "compare": {"by": "qgrams", "q": 1, "positional": True}},
        {"name": "postal_code", "compare": {"by": "exact"}},
        {"name": "birth_date", "compare": {"by": "distance", "reach": 40.0}},
    ],
)
@pytest.mark.parametrize("profile", ["field", "standard"])
def test_people_are_linked_under_every_comparison(
    plain_agreement: Callable[..., Agreement],
    made_people: Callable[..., pd.DataFrame],
    encode_plainly: Callable[..., EncodedExtract],
    profile: str,
    field: dict[str, Any],
) -> None:
    agreement = with_field(plain_agreement, profile, **field)
    people = made_people(300, seed=4)
    north, south = people.iloc[:200].copy(), people.iloc[100:].copy()
    days = pd.to_datetime(south["birth_date"])
    south.loc[south.index[::9], "birth_date"] = (
        (days + pd.Timedelta(days=2)).dt.strftime("%Y-%m-%d").iloc[::9]
    )
    result = link(
        [encode_plainly(north, agreement, "north"), encode_plainly(south, agreement, "south")]
    )
    assert 97 <= result.quality.n_links <= 103


def test_a_nickname_makes_a_name_equal_only_where_the_agreement_says_so(
    plain_agreement: Callable[..., Agreement],
    made_people: Callable[..., pd.DataFrame],
    encode_plainly: Callable[..., EncodedExtract],
) -> None:
    one, other = (
        made_people(2, seed=5).assign(given_name=names)
        for names in (["William", "José"], ["Bill", "Pepe"])
    )
    for nicknames in (True, False):
        agreement = with_field(plain_agreement, name="given_name", nicknames=nicknames)
        filters = [
            encode_plainly(frame, agreement, party).filters["given_name"].words
            for frame, party in ((one, "north"), (other, "south"))
        ]
        same = {row.tobytes() for row in filters[0]} == {row.tobytes() for row in filters[1]}
        assert same is nicknames


def test_last_four_digits_and_numbers_are_fields_like_others(
    plain_agreement: Callable[..., Agreement],
    made_people: Callable[..., pd.DataFrame],
    secret: Any,
) -> None:
    kinds = {"birth_date": "date", "ssn4": "ssn4", "grade": "number"}
    agreement = plain_agreement(kinds=kinds)
    people = made_people(60, seed=6)
    rng = np.random.default_rng(1)
    people["ssn4"] = rng.integers(1, 9999, size=60)
    people["grade"] = rng.integers(1, 13, size=60).astype(float)
    whole = people.assign(ssn4=[f"123-45-{n:04}" for n in people["ssn4"]])
    results = [
        encode(frame, agreement, secret, party=party)
        for frame, party in ((people, "north"), (whole, "south"))
    ]
    assert results[0].report.missing["ssn4"] <= 1
    assert link([r.encodings for r in results]).quality.n_links >= 58
