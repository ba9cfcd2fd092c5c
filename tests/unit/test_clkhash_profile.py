"""The profile `clkhash`: its clause, its encodings, its linkage, and CLK JSON in and out."""

from __future__ import annotations

import copy
import hashlib
import json
import traceback
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linkkit.agreement import Agreement
from linkkit.agreement.clkhash import feature_fields, schema_of, schema_traps
from linkkit.agreement.clkhash.draft import draft_fields
from linkkit.assess import find_concerns
from linkkit.errors import (
    AgreementError,
    ExtractError,
    LinkageError,
    MismatchError,
    OptionError,
    SecretError,
)
from linkkit.exchange import EncodedExtract, Identity
from linkkit.linkage import link
from linkkit.linkage.compare.vectors import record_filters, tables
from linkkit.linkage.compare.vectors import similar as vectors
from linkkit.partner.encode import encode, encoding_spec
from linkkit.partner.encode.clk_canary import fitting_cell
from linkkit.partner.encode.clk_profile import (
    clk_places,
    extract_from_clks,
    extract_to_clks,
)
from linkkit.partner.encode.clkhash import clk_base64, encode_clks, read_clk_schema
from linkkit.partner.encode.clkhash.cells import prepare
from linkkit.partner.keys import ClkhashSecret, Passphrase, Secret
from linkkit.report import linkage_report


def feature(name, n, bits, *, positional=False, form=None, **hashing):
    return {
        "identifier": name,
        "format": form or {"type": "string"},
        "hashing": {
            "comparison": {"type": "ngram", "n": n, "positional": positional},
            "strategy": {"bitsPerToken": bits},
            "missingValue": {"sentinel": "", "replaceWith": ""},
            **hashing,
        },
    }


DATE = {"type": "date", "format": "%Y-%m-%d"}
FEATURES = [
    {"identifier": "row number", "ignored": True},
    feature("given_name", 2, 20),
    feature("SURNAME", 2, 20),
    feature("birth_date", 1, 20, positional=True, form=DATE),
    feature("sex", 1, 8, form={"type": "enum", "values": ["F", "M", ""]}),
    feature("postal_code", 1, 12, positional=True),
]


@pytest.fixture
def clk_agreement(plain_agreement):
    """A function that makes the plain agreement one of the profile `clkhash`."""

    def make(
        features=FEATURES,
        *,
        n_bits=1024,
        standardize="none",
        config=(),
        drop=(),
        change=None,
        **how,
    ):
        document = plain_agreement(**how).model_dump(mode="json", exclude_defaults=True)
        linkage = document["linkage"]
        linkage["profile"] = "clkhash"
        linkage["fields"]["surname"]["feature"] = "SURNAME"
        for name in drop:
            del linkage["fields"][name]
            for party in document["parties"].values():
                del party["linkage_fields"][name]
        kdf = {"type": "HKDF", "salt": "c2FsdA=="}
        linkage["clkhash"] = {
            "standardize": standardize,
            "linkage_schema": {
                "version": 3,
                "clkConfig": {"l": n_bits, "kdf": kdf, **dict(config)},
                "features": copy.deepcopy(list(features)),
            },
        }
        if change:
            change(document)
        return Agreement.from_document(document)

    return make


@pytest.fixture
def clk_secret():
    return ClkhashSecret(b"an existing secret of the tests")


# --- the clause ----------------------------------------------------------------------------------


def test_the_fingerprint_covers_the_schema(clk_agreement):
    one, same = clk_agreement(), clk_agreement()
    assert one.fingerprint == same.fingerprint
    other = copy.deepcopy(FEATURES)
    other[1]["hashing"]["strategy"]["bitsPerToken"] = 21
    assert clk_agreement(other).fingerprint != one.fingerprint
    assert encoding_spec(clk_agreement(other)).digest != encoding_spec(one).digest
    assert clk_agreement(standardize="linkkit").fingerprint != one.fingerprint


def test_a_schema_cannot_be_changed_once_it_is_agreed(clk_agreement):
    clause = clk_agreement().linkage.clkhash
    with pytest.raises(TypeError, match="cannot be changed"):
        clause.linkage_schema["version"] = 2
    with pytest.raises(TypeError, match="cannot be changed"):
        clause.linkage_schema["clkConfig"]["l"] = 64


def test_an_agreement_survives_a_round_trip(clk_agreement):
    one = clk_agreement()
    again = Agreement.from_document(one.model_dump(mode="json", exclude_defaults=True))
    assert again.fingerprint == one.fingerprint
    assert [f.identifier for f in schema_of(again.linkage).features][1] == "SURNAME"


def test_a_schema_may_be_pasted_as_json_into_yaml(clk_agreement):
    yaml = pytest.importorskip("yaml")
    document = clk_agreement().model_dump(mode="json", exclude_defaults=True)
    names = copy.deepcopy(FEATURES)
    names[4]["format"]["values"] = ["F", "M", "\U0001f600", ""]
    schema = {**document["linkage"].pop("clkhash")["linkage_schema"], "features": names}
    document["linkage"]["clkhash"] = {"linkage_schema": "HERE"}
    text = yaml.safe_dump(document).replace("HERE", json.dumps(schema))
    read = Agreement.from_yaml(text)
    # JSON writes what is beyond 16 bits as two halves, which YAML leaves apart.
    assert schema_of(read.linkage).features[3].format.values[2] == "\U0001f600"


def change_profile(document):
    document["linkage"]["profile"] = "field"


def lose_schema(document):
    del document["linkage"]["clkhash"]


def give_part(document):
    document["parties"]["north"]["linkage_fields"]["surname"]["part"] = "surname"


def give_formats(document):
    document["parties"]["south"]["linkage_fields"]["birth_date"]["formats"] = ["%Y-%m-%d"]


def give_date(document):
    import datetime as dt

    document["linkage"]["clkhash"]["linkage_schema"]["made"] = dt.date(2020, 1, 1)


def forget_profile(document):
    del document["linkage"]["profile"]


def give_typo(document):
    document["linkage"]["clkhash"]["linkage_shema"] = {}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (change_profile, "'linkage.clkhash': the profile 'field' has no clkhash schema"),
        (change_profile, "'linkage.fields.surname.feature': only the profile 'clkhash'"),
        (forget_profile, "the profile 'standard' has no clkhash schema; write 'profile: clkhash'"),
        (lose_schema, "clause 'linkage.clkhash' is missing"),
        (give_part, "linkage_fields.surname': 'part' and 'formats' need 'standardize: linkkit'"),
        (give_formats, "linkage_fields.birth_date': 'part' and 'formats' need"),
        (give_date, "put quotes around a date"),
        (give_typo, "did you mean 'linkage_schema'"),
    ],
)
def test_contradictions_are_named_by_clause(clk_agreement, change, problem):
    with pytest.raises(AgreementError) as caught:
        clk_agreement(change=change)
    assert problem in str(caught.value)


def test_every_feature_has_a_field_and_every_field_a_feature(clk_agreement):
    with pytest.raises(AgreementError) as caught:
        clk_agreement([*FEATURES[:-1], feature("ZIP", 1, 12)])
    assert "no linkage field is for the feature 'ZIP'" in str(caught.value)
    assert "the schema hashes no feature 'postal_code'" in str(caught.value)


def test_a_schema_that_clkhash_refuses_is_refused_with_the_agreement(clk_agreement):
    with pytest.raises(AgreementError) as caught:
        clk_agreement(n_bits=1000)
    assert "clause 'linkage.clkhash.linkage_schema': blakeHash needs a filter length" in str(
        caught.value
    )
    ignored = [{"identifier": "a", "ignored": True}]
    with pytest.raises(AgreementError, match="every feature is ignored"):
        clk_agreement(ignored)


def test_a_party_may_lack_what_may_be_missing_and_nothing_else(clk_agreement):
    def without(name):
        def change(document):
            del document["parties"]["north"]["linkage_fields"][name]

        return change

    assert clk_agreement(change=without("postal_code"))
    strict = copy.deepcopy(FEATURES)
    del strict[3]["hashing"]["missingValue"]
    with pytest.raises(AgreementError, match="it lacks 'birth_date', for which the schema has no"):
        clk_agreement(strict, change=without("birth_date"))


def test_features_of_one_name_are_taken_in_their_order(clk_agreement):
    twice = [feature("x", 2, 20), feature("x", 1, 10), *FEATURES[3:]]

    def change(document):
        for name in ("given_name", "surname"):
            document["linkage"]["fields"][name]["feature"] = "x"

    linkage = clk_agreement(twice, change=change).linkage
    fields = feature_fields(linkage, schema_of(linkage))
    assert sorted(fields[:2]) == ["given_name", "surname"]
    assert fields[2:] == ["birth_date", "sex", "postal_code"]


def test_loud_traps_come_first_and_features_are_united(clk_agreement):
    double = copy.deepcopy(FEATURES)
    for item in double[1:]:
        item["hashing"]["hash"] = {"type": "doubleHash"}
    traps = schema_traps(clk_agreement(double, config={"xorFolds": 1}))
    loud = [trap.is_loud for trap in traps]
    assert loud == sorted(loud, reverse=True)
    assert {"xor-folds", "plain-filter", "double-hash", "singularity"} <= {
        trap.code for trap in traps if trap.is_loud
    }
    doubled = next(trap for trap in traps if trap.code == "double-hash")
    assert doubled.place.count("feature '") == 5


def test_a_draft_guesses_names_and_kinds():
    schema = read_clk_schema(
        {
            "version": 3,
            "clkConfig": {"l": 1024, "kdf": {"type": "HKDF"}},
            "features": [
                feature("NAME freetext", 2, 10),
                feature("DOB YYYY/MM/DD", 1, 10, form={"type": "date", "format": "%Y/%m/%d"}),
                feature("GENDER M or F", 1, 10),
                feature("Surname", 2, 10),
                feature("surname", 2, 10),
                feature("9", 2, 10),
            ],
        }
    )
    assert draft_fields(schema) == {
        "name_freetext": {"kind": "name", "feature": "NAME freetext"},
        "dob_yyyy_mm_dd": {"kind": "date", "feature": "DOB YYYY/MM/DD"},
        "gender_m_or_f": {"kind": "sex", "feature": "GENDER M or F"},
        "surname": {"kind": "surname", "feature": "Surname"},
        "surname_2": {"kind": "surname", "feature": "surname"},
        "field_9": {"kind": "text", "feature": "9"},
    }


# --- the secret ----------------------------------------------------------------------------------


def test_an_existing_secret_is_read_to_the_letter(tmp_path):
    path = tmp_path / "clkhash.secret"
    path.write_bytes(b" horse staple\r\n")
    path.chmod(0o600)
    assert ClkhashSecret.load(path).reveal() == b" horse staple"
    assert ClkhashSecret.load(path).weakness == "it is short"
    assert ClkhashSecret(b"aaaaaaaaaaaaaaaaaaaaaaaa").weakness == "it repeats a few characters"
    assert not ClkhashSecret.generate().weakness
    path.chmod(0o644)
    with pytest.raises(SecretError, match="may be read by other users"):
        ClkhashSecret.load(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n"])
def test_a_file_without_one_line_is_refused(tmp_path, content):
    path = tmp_path / "clkhash.secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SecretError, match="does not hold one line"):
        ClkhashSecret.load(path)


def test_a_secret_shows_nothing_and_cannot_be_pickled(tmp_path):
    import pickle

    made = ClkhashSecret(b"MARKER-OF-A-SECRET")
    assert "MARKER" not in f"{made!r} {made}"
    with pytest.raises(SecretError, match="cannot be pickled"):
        pickle.dumps(made)
    with pytest.raises(TypeError, match="unhashable"):
        hash(made)
    with pytest.raises(SecretError, match="is bytes, not empty") as caught:
        ClkhashSecret("MARKER-OF-A-SECRET")
    assert "MARKER" not in str(caught.value)
    path = made.save(tmp_path / "s")
    assert ClkhashSecret.load(path) == made
    assert path.stat().st_mode & 0o077 == 0


def test_a_derived_secret_is_text_and_its_own_for_each_epoch(clk_agreement, secret):
    def epoch(document):
        document["epoch"] = 2

    made = [
        ClkhashSecret.derive(secret, agreement=a, spec=encoding_spec(a))
        for a in (clk_agreement(), clk_agreement(change=epoch))
    ]
    assert made[0] != made[1]
    assert len(made[0].reveal().decode("ascii")) == 64
    assert not made[0].weakness


def test_other_profiles_refuse_a_secret_of_clkhash(plain_agreement, made_people, clk_secret):
    with pytest.raises(SecretError, match="is for agreements of the profile 'clkhash'"):
        encode(made_people(5, seed=1), plain_agreement(), clk_secret, party="north")
    with pytest.raises(SecretError, match="must be a Secret"):
        encode(
            made_people(5, seed=1),
            plain_agreement(),
            Passphrase("ladle umbrella nectar frozen tapir quilt"),
            party="north",
        )


# --- encoding ------------------------------------------------------------------------------------


def by_id(result):
    """Return the filters of a result by the party's row id, in base64."""
    extract = result.encodings
    item = extract.spec.records[0]
    texts = clk_base64(extract.filters[item.name].words, n_bits=item.n_bits)
    token_of = dict(zip((bytes(t).hex() for t in extract.tokens), texts, strict=True))
    frame = result.token_map.to_pandas()
    return {i: token_of[t] for t, i in zip(frame["token"], frame["record_id"], strict=True)}


@pytest.fixture
def messy(made_people):
    frame = made_people(60, seed=3)
    frame["given_name"] = frame["given_name"].str.title()
    frame.loc[0, "surname"] = "  O'Neil-Đặng  "
    frame.loc[1, "surname"] = "unknown"
    frame.loc[2, "postal_code"] = None
    frame.loc[3, "birth_date"] = "2001-1-5"
    return frame


def test_filters_are_those_of_clkhash_on_cells_as_they_stand(clk_agreement, clk_secret, messy):
    agreement = clk_agreement()
    result = encode(messy, agreement, clk_secret, party="north")
    cells = messy.fillna("").rename(columns={"surname": "SURNAME"})
    expected = encode_clks(
        {
            f.identifier: pa.array(cells[f.identifier])
            for f in schema_of(agreement.linkage).features
        },
        schema_of(agreement.linkage),
        secret=clk_secret.reveal(),
    )
    assert len(expected) == 60
    made = by_id(result)
    assert [made[i] for i in messy["id"]] == clk_base64(expected.words, n_bits=1024)
    notes = "\n".join(result.report.notes)
    assert "surname: 1 cells look like no value" in notes
    assert "WARNING, clkhash schema: schema: one filter holds all features" in notes


def test_filters_are_those_of_clkhash_itself(clk_agreement, clk_secret, messy):
    pytest.importorskip("clkhash", reason="needs clkhash, which is no dependency of linkkit")
    from clkhash.clk import generate_clks
    from clkhash.schema import from_json_dict

    agreement = clk_agreement()
    document = json.loads(json.dumps(agreement.linkage.clkhash.linkage_schema))
    cells = messy.fillna("").rename(columns={"surname": "SURNAME"}).assign(**{"row number": "1"})
    rows = cells[[item["identifier"] for item in document["features"]]].to_numpy().tolist()
    theirs = generate_clks(rows, from_json_dict(document), clk_secret.reveal().decode())
    import base64

    made = by_id(encode(messy, agreement, clk_secret, party="north"))
    assert [base64.b64encode(x.tobytes()).decode() for x in theirs] == [
        made[i] for i in messy["id"]
    ]


def test_a_row_that_breaks_the_schema_is_set_aside_with_row_column_and_reason(
    clk_agreement, clk_secret, messy
):
    messy.loc[7, "birth_date"] = "MARKER-ONE"
    messy.loc[9, "sex"] = "MARKER-TWO"
    result = encode(messy, clk_agreement(), clk_secret, party="north")
    assert [(item.row, item.reason) for item in result.set_aside] == [
        (8, "column 'birth_date' is not a date of the format"),
        (10, "column 'sex' is none of the values of the schema"),
    ]
    assert len(result.encodings) == 58
    shown = f"{result!r} {result.report} {result.encodings!r} {result.set_aside}"
    assert "MARKER" not in shown


def test_a_record_is_kept_by_its_rows_that_fit(clk_agreement, clk_secret, messy):
    again = messy.iloc[[4]].assign(birth_date="some day")
    result = encode(pd.concat([messy, again]), clk_agreement(), clk_secret, party="north")
    assert not result.set_aside
    assert result.report.n_repeated == 1
    alone = encode(messy, clk_agreement(), clk_secret, party="north")
    assert by_id(result) == by_id(alone)


def test_nothing_that_fits_is_an_error_without_values(clk_agreement, clk_secret, messy):
    messy["birth_date"] = "MARKER"
    with pytest.raises(ExtractError, match="none of the 60 rows") as caught:
        encode(messy, clk_agreement(), clk_secret, party="north")
    assert "MARKER" not in "".join(traceback.format_exception(caught.value))


def test_standard_forms_take_the_form_of_the_schema(clk_agreement, clk_secret, made_people):
    shouting = copy.deepcopy(FEATURES)
    shouting[2]["format"]["case"] = "upper"
    agreement = clk_agreement(shouting, standardize="linkkit")
    frame = made_people(30, seed=4)
    other = frame.assign(
        surname=frame["surname"].str.title() + " ",
        birth_date=pd.to_datetime(frame["birth_date"]).dt.strftime("%m/%d/%Y"),
        sex=frame["sex"].map({"F": "female", "M": "male"}),
    )
    one, same = (encode(x, agreement, clk_secret, party="north") for x in (frame, other))
    assert by_id(one) == by_id(same)
    assert not one.set_aside
    plain = encode(frame, clk_agreement(), clk_secret, party="north")
    assert by_id(plain) != by_id(one)


def test_several_columns_are_joined_and_a_lacking_field_is_missing(
    clk_agreement, clk_secret, made_people
):
    def change(document):
        fields = document["parties"]["north"]["linkage_fields"]
        fields["surname"]["column"] = ["first part", "second part"]
        del fields["postal_code"]

    frame = made_people(3, seed=5)
    parts = frame.assign(
        **{"first part": ["de", "", None], "second part": ["la cruz", "okafor", "li"]}
    )
    joined = frame.assign(surname=["de la cruz", "okafor", "li"], postal_code="")
    one = encode(parts, clk_agreement(change=change), clk_secret, party="north")
    other = encode(joined, clk_agreement(), clk_secret, party="north")
    assert by_id(one) == by_id(other)


def test_a_filter_of_any_width_is_padded(
    clk_agreement, clk_secret, made_people, identities, tmp_path
):
    double = copy.deepcopy(FEATURES)
    for item in double[1:]:
        item["hashing"]["hash"] = {"type": "doubleHash", "prevent_singularity": True}
    agreement = clk_agreement(double, n_bits=1000)
    encoded = encode(made_people(20, seed=6), agreement, clk_secret, party="north").encodings
    words = encoded.filters["clk"].words
    assert words.shape == (20, 16)
    assert not (words[:, -1] >> np.uint64(40)).any()
    own = Identity(hashlib.sha256(b"identity of north in tests only").digest())
    path = encoded.save(tmp_path / "north.encodings", agreement=agreement, identity=own)
    got = EncodedExtract.load(path, agreement=agreement, identity=identities["linkage_unit"])
    assert np.array_equal(got.filters["clk"].words, words)
    assert got.spec == encoded.spec
    assert got.canaries == encoded.canaries
    assert list(json.loads(extract_to_clks(got))) == ["clks"]


def test_which_fields_a_record_has_does_not_travel(clk_agreement, clk_secret, messy):
    extract = encode(messy, clk_agreement(), clk_secret, party="north").encodings
    assert extract.to_arrow().column_names == ["token", "clk"]


def test_our_secret_and_the_one_derived_from_it_are_the_same(clk_agreement, secret, made_people):
    agreement = clk_agreement()
    derived = ClkhashSecret.derive(secret, agreement=agreement, spec=encoding_spec(agreement))
    frame = made_people(20, seed=7)
    one, other = (encode(frame, agreement, x, party="north") for x in (secret, derived))
    assert by_id(one) == by_id(other)
    assert one.encodings.key_check == other.encodings.key_check
    assert one.encodings.canaries == other.encodings.canaries


def test_a_weak_secret_is_told_loudly(clk_agreement, made_people):
    result = encode(made_people(5, seed=1), clk_agreement(), ClkhashSecret(b"word"), party="north")
    assert result.report.notes[0].startswith("WARNING, clkhash secret: it is short")
    assert "word;" not in str(result.report)


def test_canary_cells_fit_the_formats():
    forms = [
        DATE,
        {"type": "date", "format": "%d %b %y"},
        {"type": "integer", "minimum": 3, "maximum": 5},
        {"type": "integer", "maximum": -7},
        {"type": "integer"},
        {"type": "enum", "values": ["a", "b"]},
        {"type": "string", "case": "upper", "encoding": "ascii", "minLength": 3, "maxLength": 6},
        {"type": "string", "pattern": "[0-9]{4}"},
        {"type": "string", "pattern": "[A-Z][a-z]+"},
    ]
    features = [feature(f"f{i}", 2, 10, form=form) for i, form in enumerate(forms)]
    config = {"l": 1024, "kdf": {"type": "HKDF"}}
    schema = read_clk_schema({"version": 3, "clkConfig": config, "features": features})
    for item in schema.features:
        streams = [hashlib.sha256(f"{i}".encode()).digest() for i in range(40)]
        cells = [fitting_cell(item, "surname", stream) for stream in streams]
        prepared = prepare(pa.array(cells, pa.large_string()), item)
        assert not prepared.reason.any(), item.format
        assert len(set(cells)) > 1


# --- linking -------------------------------------------------------------------------------------


@pytest.fixture
def two(clk_agreement, clk_secret, made_people, token_key_of):
    """Two files of 300 and 250 people, 150 in common, some with errors."""

    def make(**how):
        agreement = clk_agreement(**how)
        people = made_people(400, seed=1)
        north, south = people.iloc[:300].copy(), people.iloc[150:].copy()
        south.loc[south.index[::7], "postal_code"] = "10101"
        south.loc[south.index[::11], "surname"] = "another"
        frames = {"north": north, "south": south}
        return agreement, {
            party: encode(frame, agreement, clk_secret, party=party, token_key=token_key_of(party))
            for party, frame in frames.items()
        }

    return make


def true_pairs(results, crosswalk):
    ids = pd.concat([result.token_map.to_pandas() for result in results.values()])
    people = crosswalk.to_pandas().merge(ids, on="token")
    sizes = people.groupby("person_id")["record_id"].agg(["size", "nunique"])
    return int((sizes["size"] > 1).sum()), int(
        ((sizes["size"] > 1) & (sizes["nunique"] == 1)).sum()
    )


def test_shared_people_are_found_without_a_threshold_on_similarity(two):
    _, results = two()
    linked = link([result.encodings for result in results.values()])
    found, right = true_pairs(results, linked.crosswalk)
    # Two people have other surnames and postal codes, and are no more alike than strangers.
    assert (found, right) in {(148, 148), (149, 149), (150, 150)}
    assert linked.plan.is_exhaustive
    frame = linked.pairs.to_pandas()
    assert set(frame["clk"].dropna()) <= {"partly", "close", "equal"}
    assert linked.model.field_weights()[0].field == "clk"
    assert 145 <= linked.model.expected_matches <= 155


def test_links_depend_neither_on_order_nor_on_threads(two):
    _, results = two()
    extracts = [result.encodings for result in results.values()]
    one = link(extracts, n_threads=1).crosswalk.table
    assert link(extracts[::-1], n_threads=3).crosswalk.table.equals(one)


@pytest.mark.parametrize("block", ["auto", "blocks"])
def test_without_numba_the_links_are_the_same(two, monkeypatch, block):
    _, results = two()
    extracts = [result.encodings for result in results.values()]
    one = link(extracts, block=block).crosswalk.table
    monkeypatch.setattr(vectors, "has_numba", lambda: False)
    monkeypatch.setattr(tables, "has_numba", lambda: False)
    assert link(extracts, block=block).crosswalk.table.equals(one)


def test_shared_people_are_found_in_tables_of_sampled_bits(two):
    _, results = two()
    extracts = [result.encodings for result in results.values()]
    linked = link(extracts, block="blocks")
    found, right = true_pairs(results, linked.crosswalk)
    assert right >= 145
    assert found <= right + 2
    plan = linked.plan
    assert not plan.is_exhaustive
    assert plan.n_pairs == 75_000
    assert plan.n_comparisons < 75_000
    assert 0.97 < plan.pair_completeness <= 1
    assert f"in {plan.n_tables} tables of {plan.bits_per_table} bits" in str(linked)
    assert link(extracts[::-1], block="blocks", n_threads=3).crosswalk.table.equals(
        linked.crosswalk.table
    )


def test_the_report_says_how_filters_were_compared(two, tmp_path):
    agreement, results = two()
    linked = link([result.encodings for result in results.values()], block="blocks")
    page = linkage_report(linked, tmp_path / "r.html", agreement=agreement).read_text()
    assert "sampled bits of their filters" in page
    assert "of the matches that comparing all would find" in page
    assert "Records were set aside" not in page


def test_the_report_warns_of_records_that_were_set_aside(two):
    _, results = two()
    linked = link([result.encodings for result in results.values()])
    assert "records_set_aside" not in {concern.code for concern in find_concerns(linked)}
    plan = replace(linked.plan, warnings=("200 records of 'north' were set aside",))
    concerns = find_concerns(replace(linked, plan=plan))
    assert concerns[0].code == "records_set_aside"
    assert "200 records of 'north' were set aside" in concerns[0].message


def test_nobody_in_common_gives_no_links(clk_agreement, clk_secret, made_people):
    agreement = clk_agreement()
    extracts = [
        encode(made_people(300, seed=seed), agreement, clk_secret, party=party).encodings
        for party, seed in (("north", 1), ("south", 2))
    ]
    assert link(extracts).quality.n_links <= 1


def test_a_file_with_people_twice_is_linked_with_itself(clk_agreement, clk_secret, made_people):
    agreement = clk_agreement(clean=())
    people = made_people(300, seed=8)
    again = people.iloc[:40].assign(id=[f"again{i}" for i in range(40)])
    again.loc[again.index[::9], "postal_code"] = "10101"
    result = encode(pd.concat([people, again]), agreement, clk_secret, party="north")
    linked = link([result.encodings])
    assert 34 <= linked.quality.n_links <= 40


def test_small_files_are_linked(clk_agreement, clk_secret, made_people):
    agreement = clk_agreement()
    people = made_people(12, seed=9)
    extracts = [
        encode(people, agreement, clk_secret, party=party).encodings for party in ("north", "south")
    ]
    assert link(extracts).quality.n_links == 12


def test_another_secret_or_schema_is_refused(two, clk_agreement, made_people):
    agreement, results = two()
    other = encode(made_people(20, seed=1), agreement, ClkhashSecret(b"other" * 5), party="south")
    with pytest.raises(MismatchError, match="different linkage secrets"):
        link([results["north"].encodings, other.encodings])


def test_too_many_pairs_are_refused_beforehand(two, monkeypatch):
    _, results = two()
    monkeypatch.setattr(record_filters, "MOST_PAIRS", 1000)
    with pytest.raises(LinkageError, match="75,000 pairs are too many: at most 1,000"):
        link([result.encodings for result in results.values()])


# --- CLK JSON ------------------------------------------------------------------------------------


def test_clk_json_gives_the_same_extract(two, clk_secret, token_key_of):
    agreement, results = two()
    north, south = results["north"], results["south"].encodings
    made = by_id(north)
    ids = list(made)
    text = json.dumps({"clks": [made[i] for i in ids]})
    extract, home = extract_from_clks(
        text,
        agreement,
        clk_secret,
        party="north",
        record_ids=ids,
        token_key=token_key_of("north"),
    )
    for name in ("key_check", "spec", "canaries", "agreement_fingerprint", "epoch"):
        assert getattr(extract, name) == getattr(north.encodings, name)
    assert extract.to_arrow().equals(north.encodings.to_arrow())
    assert home.record_ids.to_pylist() == ids
    one, other = (link([x, south]).crosswalk.table for x in (extract, north.encodings))
    assert one.equals(other)


def test_clk_json_of_an_extract_stands_in_the_order_of_tokens(two):
    _, results = two()
    extract = results["north"].encodings
    texts = json.loads(extract_to_clks(extract))["clks"]
    words = extract.filters["clk"].words
    assert texts == clk_base64(words, n_bits=1024)
    lines = clk_places(extract).splitlines()
    assert lines[0] == "place,token"
    assert lines[1] == f"1,{bytes(extract.tokens[0]).hex()}"
    assert len(lines) == len(extract) + 1


def test_clk_json_that_does_not_fit_is_refused(two, clk_secret, clk_agreement, plain_agreement):
    agreement, results = two()
    text = extract_to_clks(results["north"].encodings)

    def take(text, agreement=agreement, **how):
        return extract_from_clks(text, agreement, clk_secret, party="north", **how)

    with pytest.raises(OptionError, match="no|not an object"):
        take("{}")
    with pytest.raises(OptionError, match="filter 1 is not base64 of 128 bytes"):
        take('{"clks": ["gAA="]}')
    with pytest.raises(ExtractError, match="300 filters and 2 record ids"):
        take(text, record_ids=["a", "b"])
    with pytest.raises(ExtractError, match="2 filters share a record id") as caught:
        take(text, record_ids=["MARKER", "MARKER", *[None] * 298])
    assert "MARKER" not in str(caught.value)
    with pytest.raises(OptionError, match="clkhash cannot have done"):
        take(text, clk_agreement(standardize="linkkit"))
    with pytest.raises(OptionError, match="profile is 'field', not 'clkhash'"):
        take(text, plain_agreement())
    with pytest.raises(ExtractError, match="no filter with a bit set"):
        take('{"clks": []}')


def test_empty_filters_are_left_out(two, clk_secret):
    agreement, results = two()
    clks = json.loads(extract_to_clks(results["north"].encodings))["clks"][:5]
    empty = clk_base64(np.zeros((1, 16), dtype=np.uint64), n_bits=1024)
    extract, home = extract_from_clks(
        json.dumps({"clks": [*empty, *clks]}), agreement, clk_secret, party="north"
    )
    assert len(extract) == 5
    assert extract.counts == {"n_records": 5, "n_set_aside": 1}
    assert home.rows.tolist() == [2, 3, 4, 5, 6]


def test_other_profiles_have_no_clk_json(encode_plainly, plain_agreement, made_people):
    extract = encode_plainly(made_people(5, seed=1), plain_agreement(), "north")
    with pytest.raises(OptionError, match="of the profile 'field'"):
        extract_to_clks(extract)


def test_a_generated_linkage_secret_needs_no_file(clk_agreement, made_people):
    agreement, shared = clk_agreement(), Secret.generate()
    encoded = [
        encode(made_people(50, seed=1), agreement, shared, party=party).encodings
        for party in ("north", "south")
    ]
    assert link(encoded).quality.n_links == 50


def test_a_file_of_one_record_over_and_over_is_linked_or_told(
    clk_agreement, made_people, clk_secret
):
    agreement = clk_agreement(clean=())
    one = made_people(1, seed=1)
    frame = pd.concat([one] * 150, ignore_index=True).assign(id=[f"r{i}" for i in range(150)])
    extract = encode(frame, agreement, clk_secret, party="north").encodings
    result = link([extract])
    assert result.crosswalk.n_people in (1, 150)
    assert any("are equal to more than 100 others" in warning for warning in result.warnings)
