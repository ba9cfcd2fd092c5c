"""Frozen blocking keys: what makes them today, and what a second implementation makes of them."""

import importlib.util
import json
from pathlib import Path

import pyarrow as pa
import pytest

from linkkit.exchange import EncodingSpec, KeyField, KeySpec
from linkkit.partner.encode.block_keys import block_keys
from linkkit.partner.encode.phonetic import sound_of
from linkkit.partner.keys import KeyScope, Secret

HERE = Path(__file__).parent
FROZEN = json.loads((HERE / "block_keys.json").read_text(encoding="utf-8"))
KINDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "postal_code": "postal_code",
}


@pytest.fixture(scope="module")
def second():
    place = importlib.util.spec_from_file_location("made_keys", HERE / "make_block_key_vectors.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_the_second_implementation_makes_the_frozen_keys(second):
    assert second.vectors() == FROZEN


def test_the_second_implementation_knows_soundex(second):
    # National Archives of the United States, "Soundex System"; Knuth, TAOCP 3, section 6.
    known = {"washington": "W252", "lee": "L000", "gutierrez": "G362", "pfister": "P236"}
    known |= {"jackson": "J250", "tymczak": "T522", "ashcraft": "A261", "rupert": "R163"}
    assert {name: second.soundex(name) for name in known} == known
    assert {name: sound_of(name, by="soundex", kind="surname") for name in known} == known


def test_linkkit_makes_the_frozen_keys(second):
    spec = EncodingSpec(
        profile="field",
        encoding_version=1,
        standardization_version=2,
        keys=tuple(
            KeySpec(
                name=name,
                parts=tuple(KeyField(name=field, kind=KINDS[field], by=by) for field, by in parts),
            )
            for name, parts in second.KEYS.items()
        ),
    )
    fields = {
        name: pa.array([record[name] for record in second.RECORDS], pa.large_string())
        for name in KINDS
    }
    scope = KeyScope(agreement_id=second.AGREEMENT_ID, epoch=1, spec_digest=second.SPEC_DIGEST)
    keys = block_keys(fields, Secret(second.SECRET), scope, spec)
    made = {
        name: [f"{key:016x}" for key in keys[:, i].tolist()] for i, name in enumerate(second.KEYS)
    }
    assert made == FROZEN
