"""Planted markers in cells, filters, ids and secrets of the profile `clkhash` come out nowhere."""

from __future__ import annotations

import copy
import json
import logging
import traceback

import pytest

from linkkit.agreement import Agreement
from linkkit.errors import LinkkitError
from linkkit.linkage import link
from linkkit.partner.encode import encode
from linkkit.partner.encode.clk_profile import extract_from_clks, extract_to_clks
from linkkit.partner.keys import ClkhashSecret

MARKER = "Qmarkerq"
SECRET = ClkhashSecret(f"{MARKER} secret of the tests".encode())
FORMATS = {
    "given_name": {"type": "string", "minLength": 2},
    "surname": {"type": "string", "pattern": "[a-z]+"},
    "birth_date": {"type": "date", "format": "%Y-%m-%d"},
    "sex": {"type": "enum", "values": ["F", "M"]},
    "postal_code": {"type": "integer", "minimum": 10_000, "maximum": 99_999},
}


def document_of(agreement, *, standardize="none"):
    document = agreement.model_dump(mode="json", exclude_defaults=True)
    hashing = {
        "comparison": {"type": "ngram", "n": 2},
        "strategy": {"bitsPerToken": 15},
        "hash": {"type": "blakeHash"},
    }
    document["linkage"]["profile"] = "clkhash"
    document["linkage"]["clkhash"] = {
        "standardize": standardize,
        "linkage_schema": {
            "version": 3,
            "clkConfig": {"l": 1024, "kdf": {"type": "HKDF", "salt": "c2FsdA=="}},
            "features": [
                {"identifier": name, "format": form, "hashing": hashing}
                for name, form in FORMATS.items()
            ],
        },
    }
    return document


def everything(error):
    """Return all that an error and its chain would show, with the repr of what they hold."""
    shown = ["".join(traceback.format_exception(error))]
    while error is not None:
        shown += [str(error), repr(error), repr(error.args), repr(getattr(error, "__dict__", {}))]
        error = error.__cause__ or error.__context__
    return "\n".join(shown)


def marked_people(made_people, column, rows):
    frame = made_people(30, seed=1)
    frame["postal_code"] = frame["postal_code"].clip(lower="10000")
    frame.loc[rows, column] = f"{MARKER} 1!"
    return frame


@pytest.fixture(params=["none", "linkkit"])
def agreed(request, plain_agreement):
    """The agreement, with cells hashed as they stand and in standard form."""
    return Agreement.from_document(document_of(plain_agreement(), standardize=request.param))


@pytest.mark.parametrize("column", FORMATS)
def test_a_cell_that_breaks_its_format_is_not_shown(agreed, made_people, tmp_path, capfd, column):
    result = encode(marked_people(made_people, column, [4]), agreed, SECRET, party="north")
    result.save_home(tmp_path)
    files = "".join(
        path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if "map" not in path.name
    )
    output = capfd.readouterr()
    shown = f"{result!r}{result.report}{result.set_aside}{result.encodings!r}{files}"
    assert MARKER not in shown + output.out + output.err
    if agreed.linkage.clkhash.standardize == "none" and column != "given_name":
        assert [item.row for item in result.set_aside] == [5]
        assert f"column '{column}'" in result.set_aside[0].reason
    assert MARKER not in result.encodings.to_arrow().to_string()


@pytest.mark.parametrize("column", [name for name in FORMATS if name != "given_name"])
def test_a_column_of_bad_cells_is_an_error_that_shows_none(
    plain_agreement, made_people, caplog, column
):
    caplog.set_level(logging.DEBUG)
    agreement = Agreement.from_document(document_of(plain_agreement()))
    frame = marked_people(made_people, column, slice(None))
    with pytest.raises(LinkkitError, match="none of the 30 rows") as caught:
        encode(frame, agreement, SECRET, party="north")
    assert MARKER not in everything(caught.value) + caplog.text


@pytest.mark.parametrize(
    "text",
    [
        MARKER,
        json.dumps({"clks": [MARKER]}),
        json.dumps({"clks": [{MARKER: MARKER}]}),
        json.dumps({"clks": [5, MARKER * 22]}),
        json.dumps({MARKER: []}),
        '{"clks": "' + MARKER,
    ],
)
def test_a_file_that_is_no_clk_json_is_not_shown(plain_agreement, text):
    agreement = Agreement.from_document(document_of(plain_agreement()))
    with pytest.raises(LinkkitError, match="clks|base64") as caught:
        extract_from_clks(text, agreement, SECRET, party="north")
    assert MARKER not in everything(caught.value)


def test_ids_and_secrets_are_not_shown(plain_agreement, made_people):
    agreement = Agreement.from_document(document_of(plain_agreement()))
    frame = made_people(10, seed=2)
    text = extract_to_clks(encode(frame, agreement, SECRET, party="north").encodings)
    with pytest.raises(LinkkitError, match="share a record id") as caught:
        extract_from_clks(text, agreement, SECRET, party="north", record_ids=[MARKER] * 10)
    assert MARKER not in everything(caught.value)
    assert MARKER not in repr(SECRET)
    extract, home = extract_from_clks(
        text, agreement, SECRET, party="north", record_ids=[f"{MARKER}{i}" for i in range(10)]
    )
    assert MARKER not in f"{extract!r}{home!r}{extract.counts}{extract.canaries}"
    with pytest.raises(LinkkitError, match="different linkage secrets") as caught:
        link(
            [
                extract,
                encode(
                    frame, agreement, ClkhashSecret(MARKER.encode() * 3), party="south"
                ).encodings,
            ]
        )
    assert MARKER not in everything(caught.value)


def test_a_word_as_secret_cannot_be_found_by_trying_words_on_what_travels(
    plain_agreement, made_people, monkeypatch
):
    """The key check and the canaries come from Argon2id, not from the secret itself."""
    from linkkit.partner.keys import clkhash_secret

    asked = []

    def stretch(material, agreement):
        asked.append(material)
        return bytes(range(32))

    monkeypatch.setattr(clkhash_secret, "stretch_bytes", stretch)
    agreement = Agreement.from_document(document_of(plain_agreement()))
    frame = made_people(10, seed=2)
    one, other = (
        encode(frame, agreement, ClkhashSecret(word), party="north").encodings
        for word in (b"horse", b"staple")
    )
    assert asked == [b"horse", b"staple"]
    assert one.key_check == other.key_check
    fields = {name: x for name, x in one.canaries.items() if name.startswith("field:")}
    assert fields == {name: other.canaries[name] for name in fields}
    assert one.canaries["filter:clk"] != other.canaries["filter:clk"]


def test_the_agreement_shows_no_value_of_its_schema(plain_agreement):
    document = document_of(plain_agreement())
    broken = copy.deepcopy(document)
    broken["linkage"]["clkhash"]["standardize"] = MARKER
    with pytest.raises(LinkkitError, match="linkage.clkhash.standardize") as caught:
        Agreement.from_document(broken)
    assert MARKER not in everything(caught.value)
