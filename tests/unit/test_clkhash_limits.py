"""The profile `clkhash` within limits: forecasts, pairs, memory, and the partners' blocking keys."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.errors import LinkageError
from linkkit.exchange import EncodedExtract
from linkkit.linkage import forecast_link, link
from linkkit.linkage.compare.vectors.record_filters import find_candidates
from linkkit.linkage.pool import make_pool
from linkkit.partner.encode import encode
from linkkit.partner.keys import ClkhashSecret

BIGRAMS = {"comparison": {"type": "ngram", "n": 2}, "strategy": {"bitsPerToken": 20}}
KEYS = {
    "sound_year": [
        {"field": "surname", "by": "soundex"},
        {"field": "birth_date", "by": "year"},
    ]
}


@pytest.fixture
def encoded(
    plain_agreement: Callable[..., Agreement],
    made_people: Callable[..., pd.DataFrame],
    token_key_of: Callable[[str], Any],
) -> Callable[..., list[EncodedExtract]]:
    """A function that encodes 500 and 400 people, 300 of them the same, some with errors."""

    def make(keys: dict[str, Any] | None = None) -> list[EncodedExtract]:
        document = plain_agreement().model_dump(mode="json", exclude_defaults=True)
        linkage = document["linkage"]
        linkage["profile"] = "clkhash"
        if keys:
            linkage["blocking_keys"] = keys
        features = [
            {
                "identifier": name,
                "format": {"type": "string", "encoding": "utf-8"},
                "hashing": BIGRAMS,
            }
            for name in ("given_name", "surname", "birth_date", "sex", "postal_code")
        ]
        salt = base64.b64encode(b"salt").decode()
        linkage["clkhash"] = {
            "linkage_schema": {
                "version": 3,
                "clkConfig": {"l": 1024, "kdf": {"type": "HKDF", "salt": salt}},
                "features": features,
            },
            "standardize": "linkkit",
        }
        agreement = Agreement.from_document(document)
        people = made_people(600, seed=1)
        south = people.iloc[200:].copy()
        south.loc[south.index[::5], "postal_code"] = "10101"
        south.loc[south.index[::9], "given_name"] = "another"
        return [
            encode(
                frame, agreement, ClkhashSecret(b"an existing secret of the tests"), party=party,
                token_key=token_key_of(party),
            ).encodings
            for party, frame in (("north", people.iloc[:500]), ("south", south))
        ]  # fmt: skip

    return make


@pytest.mark.parametrize("block", ["exhaustive", "blocks"])
def test_a_forecast_of_filters_comes_near_to_what_happens(
    encoded: Callable[..., list[EncodedExtract]], block: Any
) -> None:
    two = encoded()
    forecast, result = forecast_link(two, block=block), link(two, block=block)
    assert forecast.plan.is_exhaustive == result.plan.is_exhaustive
    if block == "exhaustive":
        assert forecast.n_candidates == pytest.approx(len(result.pairs), rel=0.2)
    assert forecast.n_candidates > 0.8 * len(result.pairs)
    assert forecast.n_records == {"north": 500, "south": 400}
    assert 0 < forecast.seconds < 100


def test_too_many_pairs_and_too_little_memory_are_refused(
    encoded: Callable[..., list[EncodedExtract]],
) -> None:
    two = encoded()
    with pytest.raises(LinkageError, match="more than 'max_pairs'"):
        link(two, max_pairs=100)
    with pytest.raises(LinkageError, match="is the limit"):
        link(two, memory_limit="50 kB")


def test_pairs_that_agree_in_a_blocking_key_are_compared_beside_the_tables(
    encoded: Callable[..., list[EncodedExtract]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tables that find next to nothing, so that what the key adds is seen.
    monkeypatch.setattr("linkkit.linkage.compare.vectors.record_filters.WANTED_SHARE", 0.01)
    without = find_candidates(make_pool(encoded()), block="blocks", floor=0.7)
    with_keys = find_candidates(make_pool(encoded(KEYS)), block="blocks", floor=0.7)
    whole = find_candidates(make_pool(encoded(KEYS)), block="exhaustive", floor=0.7)
    assert with_keys.plan.keys == ("sound_year",)
    assert "blocking key sound_year" in str(with_keys.plan)
    assert len(with_keys.pairs) > len(without.pairs)
    found = set(zip(with_keys.pairs.left.tolist(), with_keys.pairs.right.tolist(), strict=True))
    every = set(zip(whole.pairs.left.tolist(), whole.pairs.right.tolist(), strict=True))
    assert len(found) == len(with_keys.pairs)
    assert found <= every
    assert len(found) > 0.85 * 300
