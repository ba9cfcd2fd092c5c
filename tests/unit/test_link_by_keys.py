"""Blocking keys bring together records that agree exactly in no two fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.exchange import EncodedExtract
from linkkit.linkage import LinkResult, link

Encode = Callable[..., EncodedExtract]
Make = Callable[..., pd.DataFrame]

KEYS = {
    "sound_year": [
        {"field": "surname", "by": "soundex"},
        {"field": "birth_date", "by": "year"},
    ],
    "start_code": [{"field": "given_name", "by": 2}, {"field": "postal_code", "by": 3}],
}


@pytest.fixture
def frames(made_people: Make) -> tuple[pd.DataFrame, pd.DataFrame]:
    """400 people each, 300 of them the same, whose fields but sex and given name all differ a little."""
    everybody = made_people(500, seed=7)
    everybody["surname"] = everybody["surname"].str[0] + "arlson" + everybody["surname"].str[1:4]
    other = everybody.iloc[100:].copy()
    other["surname"] = other["surname"].str.replace("arlson", "arllson")
    other["birth_date"] = [f"{day[:8]}{1 + int(day[8:]) % 27:02d}" for day in other["birth_date"]]
    other["postal_code"] = [f"{code[:4]}{9 - int(code[4])}" for code in other["postal_code"]]
    return everybody.iloc[:400], other


def linked(
    frames: tuple[pd.DataFrame, pd.DataFrame],
    agreement: Agreement,
    encode_plainly: Encode,
    **options: Any,
) -> LinkResult:
    parties = zip(frames, ("north", "south"), strict=True)
    return link([encode_plainly(f, agreement, p) for f, p in parties], **options)


def keyed(plain_agreement: Callable[..., Agreement], keys: dict[str, Any]) -> Agreement:
    document = plain_agreement().model_dump(mode="json", exclude_defaults=True)
    document["linkage"]["blocking_keys"] = keys
    return Agreement.from_document(document)


def test_keys_find_whom_no_two_equal_fields_find(
    plain_agreement: Callable[..., Agreement],
    encode_plainly: Encode,
    frames: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    without = linked(frames, plain_agreement(), encode_plainly, block="blocks")
    assert without.quality.n_links < 20
    agreement = keyed(plain_agreement, KEYS)
    result = linked(frames, agreement, encode_plainly, block="blocks")
    assert "blocking key sound_year" in result.plan.names
    assert result.plan.pair_completeness > without.plan.pair_completeness
    assert result.quality.n_links == pytest.approx(300, abs=9)
    whole = linked(frames, agreement, encode_plainly, block="exhaustive")
    assert result.quality.n_links == pytest.approx(whole.quality.n_links, abs=9)


def test_a_pair_of_several_keys_and_fields_comes_once(
    plain_agreement: Callable[..., Agreement],
    encode_plainly: Encode,
    frames: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    result = linked(frames, keyed(plain_agreement, KEYS), encode_plainly, block="blocks")
    place = result.pairs.scored.left * 800 + result.pairs.scored.right
    assert len(np.unique(place)) == len(place) > 250
