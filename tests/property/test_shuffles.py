"""Rows, parties and tokens in any order: the same people, with ties, in every way to encode.

A filter of a pass that a record has no salt for is random whenever it is made, so that under `standard` what
is shuffled are encodings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.exchange import EncodedExtract, Filter
from linkkit.linkage import link
from linkkit.partner.encode import encode
from linkkit.partner.keys import Secret

PARTIES = ("east", "north", "south")
KINDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "postal_code": "postal_code",
}
N_SHUFFLES = 20


@pytest.fixture(scope="module")
def frames(made_people: Callable[..., pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Three parties with errors, gaps, and people of the same names and birth dates."""
    rng = np.random.default_rng(4)
    people = made_people(160, seed=11)
    people.loc[40:60, ["given_name", "birth_date"]] = ["maria", "2001-02-03"]
    people.loc[40:60, "surname"] = rng.choice(["garcia", "garzia", "lopez"], 21)
    parts = {}
    for k, party in enumerate(PARTIES):
        mine = people.iloc[20 * k : 20 * k + 120].copy()
        if party == "east":
            mine = pd.concat([mine, mine.head(15)], ignore_index=True)
        typos = rng.random(len(mine)) < 0.2
        mine["surname"] = np.where(typos, mine["surname"].str[:-1] + "q", mine["surname"])
        mine["postal_code"] = mine["postal_code"].where(rng.random(len(mine)) > 0.1)
        parts[party] = mine.reset_index(drop=True)
    return parts


def agreement_of(plain_agreement: Callable[..., Agreement], profile: str) -> Agreement:
    made = plain_agreement(PARTIES, kinds=KINDS, clean=("north", "south"))
    document = made.model_dump(mode="json", exclude_none=True)
    document["linkage"]["profile"] = profile
    return Agreement.from_document(document)


def shuffled(extract: EncodedExtract, order: np.ndarray, tokens: np.ndarray) -> EncodedExtract:
    filters = {
        name: Filter(words=item.words[order], present=item.present[order])
        for name, item in extract.filters.items()
    }
    return replace(extract, tokens=tokens, filters=filters, block_keys=extract.block_keys[order])


def contents(extracts: list[EncodedExtract]) -> dict[str, tuple[str, bytes]]:
    """Return the party and what it holds of each token."""
    known = {}
    for x in extracts:
        words = np.hstack([item.words for item in x.filters.values()])
        for token, row in zip(x.tokens, words, strict=True):
            known[token.tobytes().hex()] = (x.party, row.tobytes())
    return known


def people(extracts: list[EncodedExtract], **options: Any) -> list[tuple[tuple[str, bytes], ...]]:
    """Return who is one person, by what records hold: those that hold the same are the same."""
    frame = link(extracts, **options).crosswalk.to_pandas()
    known = contents(extracts)
    groups: dict[str, list[tuple[str, bytes]]] = {}
    for token, person in zip(frame["token"], frame["person_id"], strict=True):
        groups.setdefault(person, []).append(known[token])
    return sorted(tuple(sorted(group)) for group in groups.values())


@pytest.mark.parametrize("block", ["exhaustive", "blocks"])
@pytest.mark.parametrize("profile", ["field", "standard"])
def test_twenty_shuffles_make_the_same_people(
    plain_agreement: Callable[..., Agreement],
    frames: dict[str, pd.DataFrame],
    secret: Secret,
    profile: str,
    block: Any,
) -> None:
    agreement = agreement_of(plain_agreement, profile)
    extracts = [
        encode(frame.drop_duplicates("id"), agreement, secret, party=party).encodings
        for party, frame in frames.items()
    ]
    first = people(extracts, block=block)
    rng = np.random.default_rng(8)
    for _ in range(N_SHUFFLES):
        again = []
        for extract in rng.permutation(np.array(extracts, dtype=object)):
            tokens = rng.integers(0, 256, extract.tokens.shape, dtype=np.uint8)
            again.append(shuffled(extract, rng.permutation(len(extract)), tokens))
        assert people(again, block=block) == first
