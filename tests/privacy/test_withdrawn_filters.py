"""What a withdrawn record held is in nothing that is kept, whatever else shares memory with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import linkkit as lk
from linkkit.synth import youth_partnership


@pytest.fixture(scope="module")
def town() -> Any:
    return youth_partnership(n_district=120, n_summer=80, n_jobs=40)


@pytest.fixture(scope="module")
def encode(town: Any) -> Callable[[str, Any], lk.EncodedExtract]:
    agreement, secret = lk.Agreement.from_document(town.agreement), lk.Secret.generate()
    keys = {party: lk.TokenKey.generate() for party in town.extracts}

    def encoded(party: str, frame: Any) -> lk.EncodedExtract:
        token_key = keys[party]
        return lk.encode(frame, agreement, secret, party=party, token_key=token_key).encodings

    return encoded


def filters_of(extract: lk.EncodedExtract, tokens: set[str]) -> set[bytes]:
    rows = [i for i, token in enumerate(extract.tokens) if token.tobytes().hex() in tokens]
    return {item.words[i].tobytes() for item in extract.filters.values() for i in rows}


def test_no_filter_of_who_is_withdrawn_is_saved(town, encode, tmp_path: Path) -> None:
    frames = town.extracts
    moved = frames["summer"].iloc[:20].copy()
    names = [c for c in moved.columns if "name" in c.lower()]
    moved[names] = moved[names].to_numpy()[::-1]
    sent = [
        encode("district", frames["district"]),
        encode("summer", frames["summer"]),
        encode("jobs", frames["jobs"]),
        encode("summer", moved),
    ]
    assert sent[0].spec.passes
    whole = lk.link(sent[2:], previous=lk.link(sent[:2]))
    again = {token.tobytes().hex() for token in sent[3].tokens}
    rng = np.random.default_rng(0)
    gone = set(sorted(again)[:5])
    for extract in sent[:3]:
        rows = rng.permutation(len(extract))[:5]
        gone |= {extract.tokens[i].tobytes().hex() for i in rows}
    every = {token.tobytes().hex() for x in sent for token in x.tokens}
    theirs = set[bytes]().union(*(filters_of(x, gone) for x in sent))
    others = set[bytes]().union(*(filters_of(x, every - gone) for x in sent))
    alone = theirs - others
    assert len(alone) > 50
    before = whole.save(tmp_path / "before.linked").read_bytes()
    assert all(content in before for content in alone)
    kept = lk.link([], previous=whole, withdrawn=gone).save(tmp_path / "after.linked")
    after = kept.read_bytes()
    assert not [content for content in alone if content in after]
    assert all(content in after for content in sorted(others)[::50])
    loaded = lk.link([], previous=lk.LinkResult.load(kept))
    assert not gone & set(loaded.crosswalk.to_pandas()["token"])
