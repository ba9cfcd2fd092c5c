"""clkhash schemas read, upgraded and explained; rows set aside; CLK JSON there and back."""

from __future__ import annotations

import copy
import datetime as dt
import json
import traceback
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from linkkit.errors import ExtractError, OptionError, SecretError
from linkkit.partner.encode.clkhash import (
    clk_base64,
    encode_clks,
    filters,
    from_clk_json,
    lint_clk_schema,
    read_clk_schema,
    to_clk_json,
)
from linkkit.partner.encode.clkhash._reference import reference_clk
from linkkit.partner.encode.clkhash.cells import with_format
from linkkit.partner.standardize import columns as standardize_columns

NAME: dict[str, Any] = {
    "identifier": "name",
    "format": {"type": "string"},
    "hashing": {
        "comparison": {"type": "ngram", "n": 2},
        "strategy": {"bitsPerToken": 20},
        "hash": {"type": "blakeHash"},
    },
}
BORN: dict[str, Any] = {
    "identifier": "born",
    "format": {"type": "date", "format": "%Y-%m-%d"},
    "hashing": {
        "comparison": {"type": "ngram", "n": 1, "positional": True},
        "strategy": {"bitsPerFeature": 160},
        "missingValue": {"sentinel": "", "replaceWith": ""},
    },
}
SECRET = b"a secret of the tests only"


def document(*features: dict[str, Any], **config: Any) -> dict[str, Any]:
    kdf = {"type": "HKDF", "salt": "c2FsdA=="}
    return {
        "version": 3,
        "clkConfig": {"l": 1024, "kdf": kdf, **config},
        "features": [{"identifier": "id", "ignored": True}, *map(copy.deepcopy, features)],
    }


def changed(feature: dict[str, Any], **parts: Any) -> dict[str, Any]:
    found = copy.deepcopy(feature)
    for path, value in parts.items():
        *way, last = path.split("__")
        part = found
        for key in way:
            part = part[key]
        part[last] = value
    return found


def traps(*features: dict[str, Any], **config: Any) -> dict[str, str]:
    schema = read_clk_schema(document(*features, **config))
    return {trap.code: trap.sentence for trap in lint_clk_schema(schema)}


# --- reading -----------------------------------------------------------------------------------


def test_a_schema_is_read_from_a_file_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "schema.json"
    path.write_text("\ufeff" + json.dumps(document(NAME)), encoding="utf-8")
    schema = read_clk_schema(path)
    assert schema.identifiers == ("id", "name")
    assert (schema.n_bits, schema.n_words, schema.n_folds) == (1024, 16, 0)


@pytest.mark.parametrize(
    ("text", "problem"), [("{", "is not JSON"), ("[1]", "is JSON, but not an object")]
)
def test_a_file_that_is_no_schema_is_refused(tmp_path, text, problem):
    path = tmp_path / "schema.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=problem) as caught:
        read_clk_schema(path)
    assert caught.value.code == "option"
    with pytest.raises(OptionError, match="cannot be read"):
        read_clk_schema(tmp_path / "nothing.json")


def test_all_problems_of_a_schema_are_told_at_once():
    wrong = changed(NAME, hashing__strategy={"bitsPerToken": 1.5}, format={"type": "text"})
    with pytest.raises(OptionError) as caught:
        read_clk_schema(document(wrong, l="long"))
    assert caught.value.problems == (
        "clkConfig.l: must be a whole number, without a decimal point",
        "features.1.format: needs 'type': 'string', 'integer', 'date' or 'enum'",
        "features.1.hashing.strategy.bitsPerToken: must be a whole number",
    )


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (document(NAME, l=1000), "blakeHash needs a filter length that is a power of two"),
        (document(NAME, kdf={"type": "HKDF", "keySize": 65}), "keys of at most 64 bytes"),
        (document(*[NAME] * 63), "keys of 64 bytes to 63 features at the most, ignored ones"),
        (document(NAME, kdf={"type": "legacy"}), "input should be 'HKDF'"),
        (document(NAME, kdf={"type": "HKDF", "salt": "a"}), "cannot be decoded as base64"),
        (document(NAME, xor_folds=30), "bits before folding"),
        (document(changed(NAME, format={"type": "string", "pattern": "("})), "regular expression"),
        (document(changed(BORN, format__format="%Y-%Q")), "unknown directive"),
        (document(changed(BORN, format__format="%Y%Y")), "same directive twice"),
        (document(changed(NAME, hashing__missingValue=None)), "must not be null"),
        (document(changed(NAME, hashing__hash__prevent_singularity=True)), "should be None"),
        ({**document(NAME), "version": 4}, "no 'version' of 1, 2 or 3"),
    ],
)
def test_what_clkhash_refuses_or_fails_on_is_refused(broken, problem):
    with pytest.raises(OptionError, match=problem):
        read_clk_schema(broken)


def test_versions_1_and_2_become_version_3():
    first = {
        "version": 1,
        "clkConfig": {"l": 512, "k": 30, "kdf": {"type": "HKDF"}, "hash": {"type": "doubleHash"}},
        "features": [
            {
                "identifier": "a",
                "format": {"type": "string"},
                "hashing": {"ngram": 2, "weight": 0.5},
            },
            {"identifier": "b", "format": {"type": "string"}, "hashing": {"ngram": 1, "weight": 0}},
        ],
    }
    second = {
        "version": 2,
        "clkConfig": {"l": 512, "kdf": {"type": "HKDF"}},
        "features": [
            {
                "identifier": "a",
                "format": {"type": "string"},
                "hashing": {"ngram": 2, "strategy": {"k": 15}, "hash": {"type": "doubleHash"}},
            },
            {"identifier": "b", "ignored": True},
        ],
    }
    untouched = copy.deepcopy(first)
    old, newer = read_clk_schema(first), read_clk_schema(second)
    assert first == untouched
    assert (old.version, newer.version) == (1, 2)
    assert old.features == newer.features
    assert old.features[0].hashing.strategy.bits_per_token == 15
    assert old.identifiers == ("a", "b")
    assert "old-version" in {trap.code for trap in lint_clk_schema(old)}


def test_an_old_schema_that_lacks_parts_is_refused_with_their_places():
    with pytest.raises(OptionError) as caught:
        read_clk_schema({"version": 1, "clkConfig": {"k": 2.0}, "features": [{}, 1]})
    assert caught.value.problems == (
        "clkConfig.hash: is missing",
        "clkConfig.k: must be a whole number, without a decimal point",
        "features.0.hashing: is missing, or has no 'ngram'",
        "features.1: is not an object",
    )


# --- the linter --------------------------------------------------------------------------------


def test_keys_without_effect_are_found_with_the_key_that_is_meant():
    numeric = {"type": "numeric", "thresholdDistance": 5, "resolution": 2, "fractionalPrecision": 1}
    schema = read_clk_schema(
        document(changed(NAME, hashing__comparison=numeric), xorFolds=2, xor_fold=1)
    )
    assert [str(trap) for trap in lint_clk_schema(schema)][:3] == [
        "clkConfig.xorFolds: clkhash documents 'xorFolds' and reads 'xor_folds', so filters are "
        "folded 0 times and not 2. Write 'xor_folds' if folding is meant; every partner's "
        "encodings change with it. [xor-folds]",
        "clkConfig.xor_fold: clkhash reads over the key 'xor_fold', and a default takes its "
        "place. Is 'xor_folds' meant? [ignored-key]",
        "features.1.hashing.comparison.fractionalPrecision: clkhash reads over the key "
        "'fractionalPrecision', and a default takes its place. Is 'fractional_precision' meant? "
        "[ignored-key]",
    ]


@pytest.mark.parametrize(
    ("features", "config", "code", "words"),
    [
        ([NAME], {"kdf": {"type": "HKDF"}}, "kdf-no-salt", "no salt"),
        ([NAME], {"kdf": {"type": "HKDF", "salt": "c2Fs!dA=="}}, "kdf-not-base64", "leaves them out"),
        ([NAME], {}, "ignored-counts", "1 of 2 features are ignored"),
        ([NAME, NAME], {}, "same-identifier", "'name' stands for several columns"),
        ([NAME], {}, "plain-filter", "Graph matching"),
        ([NAME], {"l": 64}, "fill", "about 94% of the bits"),
        ([NAME], {"l": 8192}, "fill", "about 2% of the bits"),
        ([NAME], {"l": 1 << 17}, "blake-range", "the first 65,536 of 131,072"),
        ([changed(NAME, hashing__hash={"type": "doubleHash"})], {}, "double-hash", "1,024 x 1,024"),
        ([changed(NAME, hashing__hash={"type": "doubleHash"})], {}, "singularity", "in one bit"),
        ([changed(NAME, hashing__strategy={"bitsPerToken": 2})], {}, "few-positions", "2 positions"),
        ([changed(NAME, hashing__strategy={"bitsPerFeature": 9})], {}, "tokens-without-bits", "9"),
        ([NAME], {}, "length-shows", "longer values"),
        ([BORN], {}, "shares-differ", "share fewer bits"),
        ([BORN], {}, "unpadded", "not padded"),
        ([BORN], {}, "date-rewritten", "YYYYMMDD"),
        ([changed(BORN, format__format="%d %b %y")], {}, "two-digit-year", "1969 to 2068"),
        ([changed(BORN, format__format="%d %b %y")], {}, "locale", "language of the machine"),
        ([changed(BORN, format__format="%d/%m")], {}, "no-year", "1900"),
        ([changed(NAME, format={"type": "integer"})], {}, "integer-rewritten", "'2139'"),
        ([changed(NAME, format={"type": "integer"})], {}, "blank-refused", "sets the row aside"),
        ([changed(NAME, format__encoding="utf-16")], {}, "byte-order", "utf-16"),
        ([NAME], {}, "blank-agrees", "blank cells pass"),
        ([changed(NAME, hashing__missingValue={"sentinel": "-"})], {}, "sentinel-hashed", "itself"),
        ([changed(NAME, hashing__comparison={"type": "ngram", "n": 1})], {}, "letters-only", "anna"),
    ],
)  # fmt: skip
def test_each_trap_has_its_sentence(features, config, code, words):
    assert words in traps(*features, **config)[code]


def test_a_careful_schema_is_left_with_what_no_schema_can_mend():
    careful = changed(
        NAME,
        format__case="upper",
        hashing__comparison={"type": "exact"},
        hashing__strategy={"bitsPerFeature": 400},
        hashing__missingValue={"sentinel": "", "replaceWith": ""},
    )
    assert set(traps(careful)) == {"ignored-counts", "plain-filter"}


# --- rows --------------------------------------------------------------------------------------

WRONG = [
    (NAME | {"format": {"type": "string", "minLength": 3}}, "Zz", "is shorter than"),
    (NAME | {"format": {"type": "string", "maxLength": 3}}, "Zzzz", "is longer than"),
    (NAME | {"format": {"type": "string", "case": "upper"}}, "Zzmarker", "is not in upper case"),
    (NAME | {"format": {"type": "string", "case": "upper"}}, "ZZMARKERß", "is not in upper case"),
    (NAME | {"format": {"type": "string", "case": "lower"}}, "Zzmarker", "is not in lower case"),
    (NAME | {"format": {"type": "string", "encoding": "ascii"}}, "Zzmarkeré", "encoding lacks"),
    (NAME | {"format": {"type": "string", "pattern": "[a-z]+"}}, "zzmarker1", "does not match"),
    (NAME | {"format": {"type": "integer"}}, "zzmarker", "is not a whole number"),
    (NAME | {"format": {"type": "integer", "minimum": 5}}, "4", "is below the minimum"),
    (NAME | {"format": {"type": "integer", "minimum": 5}}, "+4", "is below the minimum"),
    (NAME | {"format": {"type": "integer", "maximum": 5}}, "6", "is above the maximum"),
    (NAME | {"format": {"type": "enum", "values": ["m"]}}, "zzmarker", "none of the values"),
    (NAME | {"format": {"type": "enum", "values": ["m"]}}, "", "is blank, and the schema has no"),
    (BORN, "2001-02-29", "is not a date of the format"),
    (BORN, "2001-02-zz", "is not a date of the format"),
    (
        changed(
            NAME, hashing__comparison={"type": "numeric", "thresholdDistance": 2, "resolution": 1}
        ),
        "zzmarker",
        "is not a number to compare",
    ),
]


@pytest.mark.parametrize("engine", ["numba", "numpy"])
@pytest.mark.parametrize(("feature", "cell", "reason"), WRONG)
def test_a_cell_that_breaks_its_format_sets_the_row_aside(feature, cell, reason, engine):
    good = {"string": "zzz", "integer": "5", "enum": "m", "date": "2001-02-28"}
    fine = good[feature["format"]["type"]]
    fine = fine.upper() if feature["format"].get("case") == "upper" else fine
    fine = "5" if feature["hashing"]["comparison"]["type"] == "numeric" else fine
    schema = read_clk_schema(document(feature))
    columns = {feature["identifier"]: pa.array([fine, cell, fine])}
    numbers = np.array([4, 5, 6])
    result = encode_clks(columns, schema, secret=SECRET, rows=numbers, engine=engine)
    assert [item.row for item in result.set_aside] == [5]
    assert reason in result.set_aside[0].reason
    assert "zz" not in result.set_aside[0].reason.lower()
    assert result.rows.tolist() == [4, 6]
    assert (result.words[0] == result.words[1]).all()
    assert repr(result) == "<ClkResult: 2 filters of 1024 bits, 1 rows set aside>"


def test_all_that_is_wrong_with_a_row_is_told():
    schema = read_clk_schema(document(changed(NAME, format={"type": "integer"}), BORN))
    columns = {"name": pa.array(["x", "1"]), "born": pa.array(["y", None])}
    result = encode_clks(columns, schema, secret=SECRET)
    assert result.set_aside[0].reason == (
        "column 'name' is not a whole number; column 'born' is not a date of the format"
    )
    assert result.present.tolist() == [[True, False]]


@pytest.mark.parametrize("n_rows", [0, 1, 3000])
@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_columns_may_be_of_any_kind_of_text(n_rows, engine):
    names = [None if i % 7 == 0 else f"Åsa {i * i % 1000}" for i in range(n_rows)]
    schema = read_clk_schema(document(NAME, l=128, xor_folds=1))
    kinds = [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
    ]
    arrays = [pa.array(names[: 100 if kind == kinds[3] else None], kind) for kind in kinds]
    arrays.append(
        pa.chunked_array([pa.array(names[:5], pa.string()), pa.array(names[5:], pa.string())])
    )
    expected = [
        reference_clk(document(NAME, l=128, xor_folds=1), SECRET, ["", n or ""]) for n in names
    ]
    for array in arrays:
        result = encode_clks({"name": array}, schema, secret=SECRET, engine=engine)
        assert clk_base64(result.words, n_bits=128) == expected[: len(array)]


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_a_slice_of_a_column_is_encoded_as_itself(engine):
    names = [f"näme {i}" for i in range(50)]
    schema = read_clk_schema(document(NAME))
    whole = encode_clks({"name": pa.array(names)}, schema, secret=SECRET, engine=engine)
    part = encode_clks({"name": pa.array(names).slice(7, 9)}, schema, secret=SECRET, engine=engine)
    assert (whole.words[7:16] == part.words).all()


@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_rows_that_are_encoded_in_several_goes_are_encoded_alike(engine, monkeypatch):
    from linkkit.partner.encode.clkhash import filters, hashes, tokens

    names = [f"name {i}" for i in range(500)]
    schema = read_clk_schema(document(NAME, BORN))
    columns = {"name": pa.array(names), "born": pa.array(["2001-02-03", ""] * 250)}
    whole = encode_clks(columns, schema, secret=SECRET, engine=engine)
    monkeypatch.setattr(filters, "_ROWS_AT_ONCE", 64)
    monkeypatch.setattr(hashes, "_MOST_REMEMBERED", 1000)
    monkeypatch.setattr(hashes, "_BITS_AT_ONCE", 5000)
    monkeypatch.setattr(tokens, "_MOST_KEYS", 4)
    parts = encode_clks(columns, schema, secret=SECRET, engine=engine)
    assert (whole.words == parts.words).all()
    monkeypatch.setattr(tokens, "_LARGEST", 4)
    assert (whole.words == encode_clks(columns, schema, secret=SECRET, engine=engine).words).all()


def test_columns_are_found_by_name_or_by_place():
    schema = read_clk_schema(document(NAME, NAME))
    twice = pa.table(
        [pa.array(["1"]), pa.array(["ann"]), pa.array(["bob"])], ["id", "name", "name"]
    )
    assert len(encode_clks(twice, schema, secret=SECRET)) == 1
    with pytest.raises(ExtractError, match="'name' names several columns"):
        encode_clks({"name": pa.array(["ann"])}, schema, secret=SECRET)


def test_wrong_arguments_are_told_without_a_value():
    schema, marker = read_clk_schema(document(NAME)), "zz" + "marker"
    with pytest.raises(ExtractError, match="column 'name' is missing") as caught:
        encode_clks({"given": pa.array([marker])}, schema, secret=SECRET)
    assert marker not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(ExtractError, match="column 'name' holds int64, no text"):
        encode_clks({"name": pa.array([7])}, schema, secret=SECRET)
    with pytest.raises(ExtractError, match="differ in length"):
        encode_clks({"name": pa.array(["a"]), "x": pa.array(["a", "b"])}, schema, secret=SECRET)
    with pytest.raises(SecretError, match="bytes, and not empty"):
        encode_clks({"name": pa.array(["a"])}, schema, secret=b"")
    with pytest.raises(OptionError, match="2 numbers for 1 rows"):
        encode_clks({"name": pa.array(["a"])}, schema, secret=SECRET, rows=np.array([1, 2]))
    with pytest.raises(OptionError, match="'auto', 'numba' or 'numpy'"):
        encode_clks({"name": pa.array(["a"])}, schema, secret=SECRET, engine="fortran")  # type: ignore[arg-type]


def test_without_numba_the_numpy_twin_runs(monkeypatch):
    import sys

    import linkkit.partner.encode.clkhash as package

    monkeypatch.setitem(sys.modules, "linkkit.partner.encode.clkhash._kernels", None)
    monkeypatch.delattr(package, "_kernels", raising=False)
    schema = read_clk_schema(document(NAME))
    columns = {"name": pa.array(["ann"])}
    result = encode_clks(columns, schema, secret=SECRET)
    expected = reference_clk(document(NAME), SECRET, ["", "ann"])
    assert clk_base64(result.words, n_bits=1024) == [expected]
    with pytest.raises(OptionError, match="numba is not installed"):
        encode_clks(columns, schema, secret=SECRET, engine="numba")


# --- CLK JSON ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bits", [1, 8, 64, 100, 1024])
@pytest.mark.parametrize("n_filters", [0, 1, 20])
def test_clk_json_there_and_back(n_bits, n_filters):
    rng = np.random.default_rng(n_bits)
    bits = np.zeros((n_filters, 64 * -(-n_bits // 64)), dtype=np.uint8)
    bits[:, :n_bits] = rng.integers(0, 2, (n_filters, n_bits))
    words = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
    assert (from_clk_json(to_clk_json(words, n_bits=n_bits), n_bits=n_bits) == words).all()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "no.* object|not an object"),
        ('{"clk": []}', "not an object with a list 'clks'"),
        ('{"clks": ["gAA=", 3, "?"]}', "filter 2 is not base64 of 2 bytes"),
        ('{"clks": ["gA=="]}', "filter 1 is not base64 of 2 bytes"),
    ],
)
def test_other_json_is_refused(text, problem):
    with pytest.raises(OptionError, match=problem):
        from_clk_json(text, n_bits=16)


def test_filters_of_another_length_are_refused():
    with pytest.raises(OptionError, match="bits beyond 12"):
        from_clk_json('{"clks": ["AAE="]}', n_bits=12)
    with pytest.raises(OptionError, match="not as wide"):
        clk_base64(np.zeros((1, 2), dtype=np.uint64), n_bits=64)


@pytest.mark.parametrize("n_bits", [64, 192, 512, 1024])
@pytest.mark.parametrize("folds", [0, 1])
def test_threads_and_blocks_do_not_change_filters(n_bits, folds, monkeypatch):
    config = {"l": n_bits, "xor_folds": folds} if folds else {"l": n_bits}
    name, born = (changed(f, hashing__hash={"type": "doubleHash"}) for f in (NAME, BORN))
    schema = read_clk_schema(document(name, born, **config))
    names = ["ana", "bo", "josé", "li", "x" * 30] * 40
    days = [f"19{i % 90 + 10}-0{i % 9 + 1}-1{i % 10}" for i in range(len(names))]
    columns = {"name": pa.array(names), "born": pa.array(days)}
    plain = encode_clks(columns, schema, secret=SECRET)
    monkeypatch.setattr(standardize_columns, "_WORTH_THREADS", 0)
    monkeypatch.setattr(filters, "_ROWS_IN_CACHE", 7)
    monkeypatch.setattr(filters, "_ROWS_AT_ONCE", 64)
    for share in (0.0, 1.1):
        monkeypatch.setattr(filters, "_MOSTLY_DISTINCT", share)
        parted = encode_clks(columns, schema, secret=SECRET)
        assert np.array_equal(parted.words, plain.words)
        assert np.array_equal(parted.present, plain.present)
    by_numpy = encode_clks(columns, schema, secret=SECRET, engine="numpy")
    assert np.array_equal(by_numpy.words, plain.words)


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%Y", "%m-%d", "%Y%m%d", "%b %d, %y", "%d.%m.%Y %%"])
def test_dates_are_written_in_a_format_as_python_does(form):
    values = [
        "20090305",
        "20080229",
        "20090229",
        "00010101",
        "09990305",
        "",
        "2009",
        "no",
        "20091232",
    ]

    def one(value):
        try:
            return dt.datetime.strptime(value, "%Y%m%d").strftime(form)
        except ValueError:
            return value

    for some in (values, values[:2], values[5:], []):
        found = with_format(pa.array(["x", *some], pa.large_string()).slice(1), form)
        assert found.to_pylist() == [one(value) for value in some]
        found.validate(full=True)
