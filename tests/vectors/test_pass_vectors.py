"""Frozen passes: what encodes them today, and what a second implementation makes of them."""

import importlib.util
import json
from pathlib import Path

import pyarrow as pa
import pytest

from linkkit.exchange import PassField, PassSpec, SaltField
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.passes import PassKeys, pass_filter
from linkkit.partner.encode.salts import salt_codes
from linkkit.partner.keys import KeyScope, Secret, encoding_key

HERE = Path(__file__).parent
FROZEN = json.loads((HERE / "passes.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def second():
    place = importlib.util.spec_from_file_location("made_passes", HERE / "make_pass_vectors.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_the_second_implementation_knows_aes(second):
    # FIPS 197, appendix C.3
    block = second.aes256(bytes(range(32)), bytes.fromhex("00112233445566778899aabbccddeeff"))
    assert block.hex() == "8ea2b7ca516745bfeafc49904b496089"


def test_the_second_implementation_makes_the_frozen_passes(second):
    assert second.vectors() == FROZEN


@pytest.mark.parametrize("compiled", [True, False])
def test_linkkit_makes_the_frozen_passes(second, compiled):
    item = PassSpec(
        name=second.PASS,
        salt=(SaltField(name="birth_date", part="month_day"), SaltField(name="surname", part=3)),
        n_bits=second.N_BITS,
        n_inputs=second.N_INPUTS,
        fields=(
            PassField(name="surname", kind="surname", n_hashes=29, typical_tokens=8),
            PassField(name="birth_date", kind="date", n_hashes=30, typical_tokens=14),
        ),
    )
    columns = {
        name: pa.array([record[name] for record in second.RECORDS], pa.large_string())
        for name in second.FIELDS
    }
    table = gram_table(
        columns, {"surname": "surname", "birth_date": "date"}, fields=list(second.FIELDS)
    )
    scope = KeyScope(agreement_id=second.AGREEMENT_ID, epoch=1, spec_digest=second.SPEC_DIGEST)
    salts, tokens = (
        encoding_key(Secret(second.SECRET), scope, purpose=purpose, field=item.name)
        for purpose in ("pass-salt", "pass-token")
    )
    keys = PassKeys(salts=salts, tokens=tokens)
    distinct, codes = salt_codes(columns, item)
    made = pass_filter(table, distinct, codes, item=item, keys=keys, compiled=compiled)
    assert made.present.all()
    assert [row.astype("<u8").tobytes().hex() for row in made.words] == FROZEN
