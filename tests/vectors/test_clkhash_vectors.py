"""What clkhash 0.18.3 made of twelve schemas, frozen; verified twice, once without any library."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pyarrow as pa
import pytest

from linkkit.partner.encode.clkhash import clk_base64, encode_clks, read_clk_schema, to_clk_json
from linkkit.partner.encode.clkhash._reference import reference_clk

VECTORS = json.loads((Path(__file__).parent / "clkhash-0.18.3.json").read_text(encoding="utf-8"))[
    "cases"
]


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize("case", VECTORS, ids=range(len(VECTORS)))
def test_the_encoder_gives_the_vectors(case, engine):
    schema = read_clk_schema(case["schema"])
    columns = [pa.array(column) for column in zip(*case["rows"], strict=True)]
    result = encode_clks(
        pa.table(columns, names=list(schema.identifiers)),
        schema,
        secret=base64.b64decode(case["secret_b64"]),
        engine=engine,
    )
    assert result.set_aside == ()
    assert clk_base64(result.words, n_bits=result.n_bits) == case["clks"]
    written = to_clk_json(result.words, n_bits=result.n_bits)
    assert written == json.dumps({"clks": case["clks"]})


@pytest.mark.parametrize("case", VECTORS, ids=range(len(VECTORS)))
def test_the_standard_library_gives_the_vectors(case):
    secret = base64.b64decode(case["secret_b64"])
    made = [reference_clk(case["schema"], secret, row) for row in case["rows"]]
    assert made == case["clks"]
